//! The tab: composes presence, lanes, endpoints and, while it leads, the broker.

mod database;
mod election;
mod endpoints;
mod failure_detection;
mod hosting;
mod lanes;
mod presence;
mod suspension;
mod turn;

use std::sync::Arc;

use broker::Time;
use broker::sorted::Map;

use crate::access::AccessPolicy;
use crate::api::{
    Candidacy, Command, Durability, EventKind, Notice, OpenOptions, Problem, Role, Source,
    TabStats, Term, Visibility,
};
use crate::election::leadership::Leadership;
use crate::election::promotion::Promotion;
use crate::endpoint::EndpointInput;
use crate::endpoint::port::{PortInput, PortOutput};
use crate::io::{Input, LockEvent, LockRequest, Output};
use crate::lane::uplink::Uplink;
use crate::page::credit::PageCredit;
use crate::protocol::control::ControlMessage;
use crate::protocol::names::{ChannelName, Lock, TabId};
use crate::protocol::term;
use crate::settings::Settings;
use database::Database;
use endpoints::Endpoints;
use failure_detection::BrokerWatch;
use hosting::LastSubscribed;
use lanes::Questions;
use presence::Presence;
use turn::Turn;

/// One tab. Its contract stands at the top of this crate.
#[derive(Debug)]
pub struct Tab {
    tab_id: TabId,
    build: String,
    settings: Settings,
    access: Arc<dyn AccessPolicy>,
    joined: Option<Joined>,
    notices: Vec<Notice>,
    page_credit: PageCredit,
}

impl Tab {
    /// Creates a tab on no channel. `tab_id` must be random. `build` names the build to people. `access` has the rules of
    /// the brokers that this tab hosts.
    #[must_use]
    pub fn new(
        tab_id: TabId,
        build: String,
        settings: Settings,
        access: Arc<dyn AccessPolicy>,
    ) -> Self {
        let page_credit = PageCredit::new(settings.to_page_window_bytes);
        Self {
            tab_id,
            build,
            settings,
            access,
            joined: None,
            notices: Vec::new(),
            page_credit,
        }
    }

    /// Handles one input and appends the effects to `out`. Frames and notices collect until [`Self::flush`].
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        let turn = &mut Turn {
            now,
            notices: &mut self.notices,
            out,
        };
        if let Input::Command(Command::Acknowledge(checkpoint)) = input {
            self.page_credit.acknowledge(checkpoint);
        }
        if let Some(joined) = &mut self.joined {
            return joined.handle(input, self.page_credit.is_behind(), turn);
        }
        match input {
            Input::Command(Command::Open(options)) => self.on_open(now, &options, out),
            Input::Command(Command::Acknowledge(_)) => {}
            Input::Command(_) => turn.notify(Notice::Refused(Problem::NotOpen)),
            Input::Trouble(what) => turn.event(EventKind::Runtime(what)),
            Input::Control(_)
            | Input::Frame(..)
            | Input::Foreign(_)
            | Input::Lock(_)
            | Input::Storage(_)
            | Input::Loopback(_)
            | Input::Timeout => {}
            // No broker could receive a message of this port.
            Input::Port(_, PortInput::Closed) => {}
            Input::Port(no, _) => out.push(Output::Port(no, PortOutput::Closed(None))),
        }
    }

    /// Ends a turn: appends the frames of each lane and one batch of notices.
    pub fn flush(&mut self, now: Time, out: &mut Vec<Output>) {
        if let Some(joined) = &mut self.joined {
            joined.flush(&mut Turn {
                now,
                notices: &mut self.notices,
                out,
            });
        }
        if !self.notices.is_empty() {
            let wants_checkpoint = self
                .joined
                .as_ref()
                .is_some_and(|joined| joined.endpoints.want_credit_checkpoint());
            let checkpoint = self.page_credit.count(&mut self.notices, wants_checkpoint);
            if let (Some(joined), Some(checkpoint)) = (&mut self.joined, checkpoint) {
                joined.endpoints.on_credit_checkpoint(checkpoint);
            }
            out.push(Output::Notify(core::mem::take(&mut self.notices)));
        }
    }

    /// Adds microseconds of work to the tab's counters.
    pub fn worked(&mut self, us: u64) {
        if let Some(joined) = &mut self.joined {
            joined.stats.worked_us += us;
        }
    }

    /// When [`Input::Timeout`] is due. The caller may deliver it early, late or too often.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        self.joined.as_ref().and_then(Joined::next_timeout)
    }

    /// Whether this tab's broker has inputs that the last turn did not handle. [`Input::Timeout`] is then due as soon as the runtime has
    /// handled the events that already wait, without a pause.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let part = self.joined.as_ref().map(|joined| &joined.part);
        matches!(part, Some(Part::Broker(leadership)) if leadership.is_behind())
    }

    /// This tab's id.
    #[must_use]
    pub fn tab_id(&self) -> TabId {
        self.tab_id
    }

    /// This tab's role on its channel.
    #[must_use]
    pub fn role(&self) -> Role {
        self.joined.as_ref().map_or(Role::Waiting, Joined::role)
    }

    fn on_open(&mut self, now: Time, options: &OpenOptions, out: &mut Vec<Output>) {
        let mut turn = Turn {
            now,
            notices: &mut self.notices,
            out,
        };
        let channel = match ChannelName::parse(&options.channel) {
            Ok(channel) => channel,
            Err(error) => return turn.notify(Notice::Refused(Problem::Channel(error))),
        };
        turn.out.push(Output::Join(channel.clone()));
        // The tab's lock comes first: the broker treats a tab whose lock is free as gone.
        turn.acquire(Lock::Tab(self.tab_id));
        turn.notify(Notice::Opened {
            tab_id: self.tab_id,
            build: self.build.clone(),
        });
        turn.notify(Notice::Role(Role::Waiting));
        turn.event(EventKind::Joined);
        self.joined = Some(Joined {
            tab_id: self.tab_id,
            profile: Profile {
                channel,
                build: self.build.clone(),
                since: now,
                visibility: options.visibility,
                durability: options.durability,
                candidacy: options.candidacy,
            },
            settings: self.settings.clone(),
            access: Arc::clone(&self.access),
            last_turn: now,
            presence: Presence::new(self.settings.tabs_max),
            highest_term: None,
            watch: BrokerWatch::new(now),
            database: Database::new(options.known_log),
            held: Vec::new(),
            lock_retries: Map::new(),
            part: Part::Waiting,
            last_binding: 0,
            endpoints: Endpoints::default(),
            questions: Questions::default(),
            page_is_behind: false,
            stats: TabStats::default(),
            event_gaps: Map::new(),
            last_subscribed: LastSubscribed::default(),
            resent_reported: 0,
        });
    }
}

/// A tab on a channel. Each part has its file in this folder.
#[derive(Debug)]
struct Joined {
    tab_id: TabId,
    profile: Profile,
    settings: Settings,
    access: Arc<dyn AccessPolicy>,
    /// When the last input came.
    last_turn: Time,
    presence: Presence,
    /// The highest plausible term that this tab has seen.
    highest_term: Option<Term>,
    watch: BrokerWatch,
    database: Database,
    /// Inputs of the page and of ports that a leadership held back until it ended.
    held: Vec<Input>,
    /// Locks that the browser refused, and when to request them again.
    lock_retries: Map<Lock, Time>,
    part: Part,
    /// Counts the attempts to bind, over all uplinks: the broker ignores a lower number.
    last_binding: u32,
    endpoints: Endpoints,
    questions: Questions,
    /// Whether this tab's page is falling behind.
    page_is_behind: bool,
    stats: TabStats,
    /// When an event of a kind that others could cause without end was last reported.
    event_gaps: Map<&'static str, Time>,
    last_subscribed: LastSubscribed,
    /// The count of resent packets that the page knows.
    resent_reported: u64,
}

/// Properties of this tab that it announces or was opened with.
#[derive(Debug)]
struct Profile {
    channel: ChannelName,
    build: String,
    since: Time,
    visibility: Visibility,
    durability: Durability,
    candidacy: Candidacy,
}

/// The role of this tab, with its state.
#[derive(Debug)]
enum Part {
    /// No broker is known.
    Waiting,
    /// Another tab is the broker.
    Client(Box<Uplink>),
    /// This tab is elected and restores the broker's state.
    Promoting(Box<Promotion>),
    /// This tab is the broker.
    Broker(Box<Leadership>),
}

impl Joined {
    fn handle(&mut self, input: Input, page_is_behind: bool, turn: &mut Turn<'_>) {
        self.check_suspension(turn);
        if page_is_behind != self.page_is_behind {
            self.page_is_behind = page_is_behind;
            self.report_page_backlog(turn);
        }
        if let Input::Port(no, PortInput::Closed) = input {
            self.endpoints.end_port(no);
        }
        if let Some(input) = self.hold_back(input, turn) {
            self.take(input, turn);
            self.run_steps(turn);
            for input in core::mem::take(&mut self.held) {
                self.take(input, turn);
                self.run_steps(turn);
            }
            self.check_broker(turn);
            self.request_database(turn);
        }
        self.last_turn = turn.now;
    }

    fn take(&mut self, input: Input, turn: &mut Turn<'_>) {
        match input {
            Input::Command(command) => self.on_command(command, turn),
            Input::Control(message) => self.on_control(message, turn),
            Input::Frame(lane, bytes) => self.on_frame(lane, &bytes, turn),
            Input::Foreign(source) => self.on_foreign(source, turn),
            Input::Lock(LockEvent::Granted(lock)) => self.on_granted(lock, turn),
            Input::Lock(LockEvent::Lost(lock)) => self.on_lock_lost(lock, turn),
            Input::Lock(LockEvent::NotFree(lock)) => self.on_lock_not_free(lock, turn),
            Input::Lock(LockEvent::NotSupported(lock)) => self.on_lock_not_supported(lock, turn),
            Input::Storage(event) => self.on_storage(event, turn),
            Input::Port(no, input) => self.on_port(no, input, turn),
            Input::Loopback(message) => self.on_loopback(&message),
            Input::Trouble(what) => self.event_seldom("runtime", turn, || EventKind::Runtime(what)),
            Input::Timeout => self.on_timeout(turn),
        }
    }

    fn on_command(&mut self, command: Command, turn: &mut Turn<'_>) {
        match command {
            Command::Open(_) => turn.notify(Notice::Refused(Problem::AlreadyOpen)),
            Command::Visibility(visibility) => self.on_visibility(visibility),
            Command::Client(no, command) => self.on_client_command(no, command, turn),
            Command::Ask(no, question) => self.on_ask(no, question, turn),
            Command::Acknowledge(checkpoint) => self.endpoints.on_page_acked(checkpoint),
            // The worker carries it out.
            Command::Hang { .. } => {}
        }
    }

    fn on_control(&mut self, message: ControlMessage, turn: &mut Turn<'_>) {
        if !self.is_plausible(&message, turn.now) {
            if self.is_own(&message) {
                self.refute(turn);
            }
            return self.on_foreign(Source::Control, turn);
        }
        match message {
            ControlMessage::Who { .. } => self.on_who(turn),
            ControlMessage::Announce(announcement) => self.on_announce(announcement, turn),
            ControlMessage::Goodbye { tab_id, is_lost } => self.on_goodbye(tab_id, is_lost, turn),
            ControlMessage::Bind { lane, binding } => self.on_bind(lane, binding, turn),
            ControlMessage::Probe { tab_id, number } => self.on_probe(tab_id, number, turn),
            ControlMessage::Pong {
                tab_id,
                number,
                term,
                ..
            } => self.on_pong(tab_id, number, term, turn),
            ControlMessage::Unbind { lane, binding } => self.on_unbind(lane, binding, turn),
        }
    }

    /// Whether a tab of ours can have sent this message now.
    fn is_plausible(&self, message: &ControlMessage, now: Time) -> bool {
        let known = self.highest_term;
        let can_be = |term| term::is_plausible(term, now, known);
        message.is_plausible() && message.term().is_none_or(can_be) && !self.is_own(message)
    }

    /// Whether only this tab sends this message. A tab does not receive its own posts.
    fn is_own(&self, message: &ControlMessage) -> bool {
        matches!(message, ControlMessage::Announce(it) if it.tab_id == self.tab_id)
    }

    fn on_timeout(&mut self, turn: &mut Turn<'_>) {
        self.check_database_silence(turn);
        // The rest waits until it is certain which tab leads.
        if self.is_in_doubt() {
            return;
        }
        self.announce_if_due(turn);
        self.drop_silent_tabs(turn);
        self.retry_locks(turn);
        self.bind_if_due(turn);
        self.fail_overdue_questions(turn);
        self.with_broker(turn, |hosted_broker, now, out| {
            hosted_broker.on_timeout(now, out)
        });
        self.grant_room();
        self.endpoints.push_to_all(|| EndpointInput::Timeout);
    }

    /// Whether this tab is the broker, but may have been replaced.
    fn is_in_doubt(&self) -> bool {
        matches!(&self.part, Part::Broker(leadership) if leadership.is_in_doubt())
    }

    fn next_timeout(&self) -> Option<Time> {
        let database = self.database.next_timeout();
        let part = match &self.part {
            Part::Waiting => None,
            Part::Client(uplink) => uplink.next_timeout(),
            Part::Promoting(promotion) => promotion.next_timeout(),
            Part::Broker(leadership) => {
                let heartbeat = self.last_turn.plus_ms(self.settings.heartbeat_ms);
                let due = leadership.next_timeout(database);
                due.into_iter().chain([heartbeat]).min()
            }
        };
        if self.is_in_doubt() {
            return part;
        }
        let endpoints = self.endpoints.next_timeout();
        let announce = self.presence.next_announcement();
        let silence = self.presence.members.next_silence(self.settings.silence_ms);
        let members = self
            .presence
            .members
            .next_show(self.settings.members_gap_ms);
        let locks = self.lock_retries.values().min().copied();
        let questions = self.questions.next_timeout();
        let failure_detector = self
            .watch
            .detector
            .next_timeout(self.owed_since(), &self.settings);
        let all = [
            part,
            endpoints,
            announce,
            silence,
            members,
            locks,
            questions,
            failure_detector,
            database,
        ];
        all.into_iter().flatten().min()
    }

    fn flush(&mut self, turn: &mut Turn<'_>) {
        self.send_kept(turn);
        let mut frames = 0;
        let mut post = |lane, frame| {
            frames += 1;
            turn.out.push(Output::Post(lane, frame));
        };
        match &mut self.part {
            Part::Waiting | Part::Promoting(_) => {}
            Part::Client(uplink) => uplink.flush(&mut post),
            Part::Broker(leadership) => leadership.hosted_broker.flush(&mut post),
        }
        self.stats.frames_sent += frames;
        self.write_log(turn);
        self.announce_storage_state();
        self.show_members(turn);
        // Reports resent packets now, because the next announcement may be seconds away.
        if self.stats.resent > self.resent_reported {
            self.resent_reported = self.stats.resent;
            turn.notify(Notice::Stats(self.stats.clone()));
        }
    }

    fn role(&self) -> Role {
        match &self.part {
            Part::Waiting | Part::Promoting(_) => Role::Waiting,
            Part::Client(uplink) => Role::Client {
                broker: uplink.broker(),
                term: uplink.lane().term,
            },
            Part::Broker(leadership) => Role::Broker {
                term: leadership.hosted_broker.term,
            },
        }
    }

    fn set_part(&mut self, part: Part, turn: &mut Turn<'_>) {
        let was_broker = matches!(self.part, Part::Broker(_));
        self.part = part;
        self.report_page_backlog(turn);
        self.watch.waiting_since = turn.now;
        // Other changes of the role can wait. Twenty tabs that announced them at once would delay the new broker.
        if was_broker || matches!(self.part, Part::Broker(_)) {
            self.presence.members.touch_urgently();
            self.announce_soon();
        } else {
            self.presence.members.touch();
        }
        turn.notify(Notice::Role(self.role()));
    }

    fn on_foreign(&mut self, source: Source, turn: &mut Turn<'_>) {
        self.stats.foreign += 1;
        let kind = match source {
            Source::Control => "foreign on control",
            Source::Lane => "foreign on a lane",
        };
        self.event_seldom(kind, turn, || EventKind::Foreign(source));
    }

    /// Reports an event at most once per gap, because others could cause its kind without end.
    fn event_seldom(
        &mut self,
        kind: &'static str,
        turn: &mut Turn<'_>,
        what: impl FnOnce() -> EventKind,
    ) {
        let gap_ms = self.settings.event_gap_ms;
        let last = self.event_gaps.get(kind);
        if last.is_none_or(|last| last.plus_ms(gap_ms) <= turn.now) {
            self.event_gaps.insert(kind, turn.now);
            turn.event(what());
        }
    }
}
