//! The database: who asks it what, and where its answers go.

use broker::{BatchId, ReasonCode, Time};

use crate::api::{ClientCommand, ClientNotice, Command, Durability, EventKind, Notice, Problem};
use crate::election::failure_detector::StealRight;
use crate::election::promotion::{Outcome, Why};
use crate::endpoint::port::{PortInput, PortOutput};
use crate::log::storage::{Seq, StorageError, StorageEvent, StorageRequest};
use crate::log::{Log, Probe, Trouble, Written};
use crate::protocol::control::ControlMessage;
use crate::protocol::names::{Lock, TabId};

use super::{Input, Joined, LockRequest, Output, Part, Turn};

/// How long a database that works is taken to work on.
const PROOF_MS: u64 = 2_000;

/// After how long a check tells nothing of the broker any more that it was to take the place of.
const LATE_MS: u64 = 500;

/// What is known of the database.
#[derive(Debug, Default)]
pub(super) struct Database {
    is_open: bool,
    /// Whether this tab ever had it open.
    was_open: bool,
    /// Why there is none, and will be none.
    unavailable: Option<String>,
    asked: Option<Asked>,
    /// Whether nobody waits for the answer any more.
    is_abandoned: bool,
    /// Whether it is to be seen whether it works.
    wants_check: bool,
    /// Whether a check has failed and is repeated on a new connection.
    is_rechecked: bool,
    /// When a check last showed that it works.
    proved: Option<Time>,
    /// When this tab last wanted to take the broker's place.
    right_wanted: Time,
    /// Whether a row has failed so often that there may be something about it.
    suspects_row: bool,
    /// Whether the broker in this tab has opened it anew, and what it finds may be another log than before.
    is_reopened: bool,
    /// Whether the page was told that it fails again and again, and not yet that it works.
    is_failing: bool,
    /// Identity of the log, as far as it is known.
    pub(super) log_identity: Option<u64>,
}

/// A request that has no answer yet.
#[derive(Debug)]
struct Asked {
    since: Time,
    /// When the silence is told, or told again.
    silence_due: Time,
    is_told: bool,
}

impl Database {
    /// `log_identity`: the last that a page of this channel has learned.
    pub(super) fn new(log_identity: Option<u64>) -> Self {
        Self {
            log_identity,
            ..Self::default()
        }
    }

    /// Nobody waits for the answer to what is under way.
    pub(super) fn abandon(&mut self) {
        self.is_abandoned = self.asked.is_some();
    }

    /// What a promotion asks shows whether it works.
    pub(super) fn forget_check(&mut self) {
        self.wants_check = false;
        self.suspects_row = false;
        self.is_reopened = false;
    }

    /// Whether this tab ever had it open.
    pub(super) fn was_open(&self) -> bool {
        self.was_open
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.asked.as_ref().map(|asked| asked.silence_due)
    }

    /// Whether a check has shown a moment ago that it works.
    fn has_proved(&self, now: Time) -> bool {
        self.proved.is_some_and(|at| at.plus_ms(PROOF_MS) > now)
    }

    /// Whether it has not answered for long.
    fn is_silent(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.is_told)
    }

    /// Opens it, if it is not open, and sees whether it works and has this row.
    fn check(&self, durability: Durability, row: Option<Seq>) -> StorageRequest {
        match self.is_open {
            true => StorageRequest::Check(row),
            false => StorageRequest::Open(durability),
        }
    }

    /// Notes an answer; whether somebody waits for it.
    fn on_event(&mut self, event: &StorageEvent) -> bool {
        match event {
            StorageEvent::Opened => {
                self.is_open = true;
                self.was_open = true;
                self.unavailable = None;
            }
            StorageEvent::Unavailable { why, is_lasting } => {
                self.is_open = false;
                self.unavailable = is_lasting.then(|| why.clone());
            }
            // A browser may end a connection without a word, and every transaction fails from then on: a new one may work.
            StorageEvent::Closed
            | StorageEvent::LoadFailed(_)
            | StorageEvent::CheckFailed(_)
            | StorageEvent::Failed(_, StorageError::Other(_)) => self.is_open = false,
            StorageEvent::Loaded(_)
            | StorageEvent::Checked { .. }
            | StorageEvent::Committed(_)
            | StorageEvent::Failed(_, StorageError::Taken | StorageError::Full) => {}
        }
        self.asked = None;
        !core::mem::take(&mut self.is_abandoned)
    }
}

impl Joined {
    /// How this tab keeps what it acknowledges as the broker.
    pub(super) fn durability_now(&self) -> Durability {
        let has_log = match &self.part {
            Part::Broker(leadership) => leadership.log.is_some(),
            Part::Waiting | Part::Client(_) | Part::Promoting(_) => {
                self.database.unavailable.is_none()
            }
        };
        if has_log {
            self.profile.durability
        } else {
            Durability::Memory
        }
    }

    /// Opens the database before it is needed, because that takes time.
    pub(super) fn open_database(&mut self, turn: &mut Turn<'_>) {
        // A page that is shown has it checked, and opened for that, maybe before the tab holds its lock.
        let is_under_way = self.database.is_open || self.database.asked.is_some();
        if self.profile.durability != Durability::Memory && !is_under_way {
            self.ask(StorageRequest::Open(self.profile.durability), turn);
        }
    }

    /// Asks what a promotion wants next, or whether the database works.
    pub(super) fn ask_database(&mut self, turn: &mut Turn<'_>) {
        if self.database.asked.is_some() {
            return;
        }
        let request = match &mut self.part {
            Part::Promoting(promotion) => promotion.next_request(turn.now, self.database.is_open),
            Part::Waiting | Part::Client(_) if self.database.wants_check => {
                Some(self.database.check(self.profile.durability, None))
            }
            Part::Waiting | Part::Client(_) | Part::Broker(_) => None,
        };
        if let Some(request) = request {
            self.ask(request, turn);
        }
    }

    /// Writes the next row, if there is something to write.
    pub(super) fn write_log(&mut self, turn: &mut Turn<'_>) {
        if self.database.asked.is_some() {
            return;
        }
        let Part::Broker(leadership) = &mut self.part else {
            return;
        };
        let Some(log) = &mut leadership.log else {
            return;
        };
        let last = Some(log.committed()).filter(|last| *last > Seq::default());
        let is_pausing = log.is_pausing(turn.now);
        let request = if self.database.wants_check || self.database.is_reopened && !is_pausing {
            self.database.wants_check = true;
            Some(self.database.check(self.profile.durability, last))
        } else if self.database.is_open {
            let is_awaited = leadership.hosted_broker.is_waiting();
            log.next_request(turn.now, is_awaited, || leadership.hosted_broker.snapshot())
        } else {
            self.database.is_reopened = true;
            (!is_pausing).then_some(StorageRequest::Open(self.profile.durability))
        };
        if let Some(request) = request {
            self.ask(request, turn);
        }
    }

    fn ask(&mut self, request: StorageRequest, turn: &mut Turn<'_>) {
        self.database.asked = Some(Asked {
            since: turn.now,
            silence_due: turn.now.plus_ms(self.settings.storage_silence_ms),
            is_told: false,
        });
        turn.storage(request);
    }

    // Whether it works.

    /// Sees whether the database works, if this tab keeps anything there.
    pub(super) fn check_database(&mut self) {
        if self.profile.durability == Durability::Memory || self.database.unavailable.is_some() {
            return;
        }
        match &mut self.part {
            Part::Waiting | Part::Client(_) => self.database.wants_check = true,
            // It shows by itself.
            Part::Promoting(_) => {}
            Part::Broker(leadership) => {
                if let Some(log) = &mut leadership.log {
                    log.verify();
                }
            }
        }
    }

    /// Takes the broker's lock by force, or asks for the right to, once it is certain that this tab can do what the broker cannot:
    /// of two tabs whose databases fail, neither should take the other's place.
    pub(super) fn request_steal(&mut self, turn: &mut Turn<'_>) {
        if self.profile.durability == Durability::Memory || self.database.unavailable.is_some() {
            return turn.lock(LockRequest::AcquireIfFree(Lock::Steal));
        }
        if self.database.has_proved(turn.now) {
            return turn.lock(LockRequest::AcquireIfFree(Lock::Steal));
        }
        self.database.wants_check = true;
        self.database.right_wanted = turn.now;
        if self.database.is_silent() {
            self.on_steal_right(StealRight::Denied, turn);
        }
    }

    /// A step of a check has been answered; the next one may be wanted.
    fn on_checked(&mut self, event: &StorageEvent, turn: &mut Turn<'_>) {
        let works = match event {
            // Somebody has removed the log, and this is another one.
            StorageEvent::Checked { is_there: false } => return self.on_database_closed(turn),
            StorageEvent::Checked { is_there: true } => true,
            // Perhaps it is the connection that does not work.
            StorageEvent::CheckFailed(_) if !self.database.is_rechecked => {
                self.database.is_rechecked = true;
                self.database.wants_check = true;
                return;
            }
            StorageEvent::CheckFailed(why) | StorageEvent::Unavailable { why, .. } => {
                self.event_seldom("storage", turn, || EventKind::Storage(why.clone()));
                false
            }
            // It is open now, or what was asked before has been answered.
            StorageEvent::Opened
            | StorageEvent::Loaded(_)
            | StorageEvent::LoadFailed(_)
            | StorageEvent::Committed(_)
            | StorageEvent::Failed(..)
            | StorageEvent::Closed => {
                self.database.wants_check = true;
                return;
            }
        };
        self.database.is_rechecked = false;
        self.database.is_reopened &= !works;
        let suspects_row = core::mem::take(&mut self.database.suspects_row);
        self.database.proved = works.then_some(turn.now);
        let is_late = self.database.right_wanted.plus_ms(LATE_MS) < turn.now;
        match &self.part {
            Part::Waiting | Part::Client(_) if self.watch.detector.is_asking() => match works {
                // Meanwhile the broker may have answered, and this tab may have become deaf.
                true if is_late => self.restart_probing(turn),
                true => turn.lock(LockRequest::AcquireIfFree(Lock::Steal)),
                false => self.on_steal_right(StealRight::Denied, turn),
            },
            Part::Waiting | Part::Client(_) | Part::Promoting(_) => {}
            // The database works, but it does not take what the broker has to store: that is as good as no room.
            Part::Broker(leadership) if works && suspects_row => {
                let why = Why::Full(leadership.hosted_broker.term);
                self.database.is_failing = false;
                self.begin_promotion(why, turn);
            }
            Part::Broker(_) => {}
        }
    }

    /// Tells that the database does not answer, if it does not.
    pub(super) fn check_database_silence(&mut self, turn: &mut Turn<'_>) {
        let silence_ms = self.settings.storage_silence_ms;
        let Some(asked) = &mut self.database.asked else {
            return;
        };
        if asked.silence_due > turn.now {
            return;
        }
        // A tab that stood still hears its timer first, and the answer after that.
        let is_late = asked.silence_due.plus_ms(self.settings.probe_lateness_ms) < turn.now;
        asked.silence_due = turn.now.plus_ms(silence_ms);
        if is_late {
            return;
        }
        asked.is_told = true;
        let seconds = turn.now.ms_since(asked.since) / 1_000;
        let why = format!("The database has not answered for {seconds} s.");
        if self.watch.detector.is_asking() {
            self.on_steal_right(StealRight::Denied, turn);
        }
        if !self.database.is_open {
            // It was asked to open. Another attempt may fare better, and this one is given up with that.
            self.database.asked = None;
            self.database.is_abandoned = false;
        }
        if let Part::Promoting(promotion) = &mut self.part
            && self.database.asked.is_none()
        {
            let heard = self.highest_term;
            let outcome = promotion.on_silence(turn.now, heard, why, &self.settings);
            return self.on_outcome(outcome, turn);
        }
        self.event_seldom("storage", turn, || EventKind::Storage(why));
    }

    fn tell_failing(&mut self, why: String, turn: &mut Turn<'_>) {
        if !core::mem::replace(&mut self.database.is_failing, true) {
            turn.event(EventKind::StorageFailing(why));
        }
    }

    /// Tells that the database works, if it was told that it does not.
    pub(super) fn tell_working(&mut self, turn: &mut Turn<'_>) {
        if core::mem::take(&mut self.database.is_failing) {
            turn.event(EventKind::StorageWorks);
        }
    }

    pub(super) fn persist(&mut self, batch: BatchId, bytes: &[u8]) {
        if let Part::Broker(leadership) = &mut self.part
            && let Some(log) = &mut leadership.log
        {
            log.push(batch, bytes);
        }
    }

    pub(super) fn on_storage(&mut self, event: StorageEvent, turn: &mut Turn<'_>) {
        let is_awaited = self.database.on_event(&event);
        if event == StorageEvent::Closed {
            return self.on_database_closed(turn);
        }
        if !is_awaited {
            return;
        }
        if core::mem::take(&mut self.database.wants_check) {
            self.on_checked(&event, turn);
        }
        match &mut self.part {
            Part::Waiting | Part::Client(_) => match event {
                StorageEvent::Opened | StorageEvent::Unavailable { .. } => self.changed(),
                _ => {}
            },
            Part::Promoting(promotion) => {
                let mut requests = Vec::new();
                let heard = self.highest_term;
                let outcome =
                    promotion.on_event(turn.now, event, heard, &self.settings, &mut requests);
                for request in requests {
                    self.ask(request, turn);
                }
                self.on_outcome(outcome, turn);
            }
            Part::Broker(leadership) => {
                let Some(log) = &mut leadership.log else {
                    return;
                };
                match event {
                    StorageEvent::Committed(seq) => {
                        let written = log.on_committed(seq);
                        self.on_written(written, turn);
                    }
                    StorageEvent::Failed(seq, error) => {
                        let written = log.on_failed(turn.now, seq, error);
                        let is_failing = log.trouble() == Some(Trouble::Failing);
                        self.database.wants_check = is_failing;
                        self.database.suspects_row = is_failing;
                        self.on_written(written, turn);
                    }
                    // What failed before waits for another attempt already.
                    StorageEvent::Unavailable { .. } if log.is_pausing(turn.now) => {}
                    StorageEvent::Unavailable { why, .. } => {
                        let written = log.put_off(turn.now, why);
                        self.on_written(written, turn);
                    }
                    // It was opened anew, and does not work either.
                    StorageEvent::CheckFailed(why)
                        if !self.database.wants_check && !log.is_pausing(turn.now) =>
                    {
                        let written = log.put_off(turn.now, why);
                        self.on_written(written, turn);
                    }
                    StorageEvent::Opened
                    | StorageEvent::Loaded(_)
                    | StorageEvent::LoadFailed(_)
                    | StorageEvent::Closed
                    | StorageEvent::Checked { .. }
                    | StorageEvent::CheckFailed(_) => {}
                }
            }
        }
    }

    /// What a promotion has come to, and what it met on its way.
    fn on_outcome(&mut self, outcome: Option<Outcome>, turn: &mut Turn<'_>) {
        if let Part::Promoting(promotion) = &mut self.part
            && let Some(why) = promotion.take_untold()
        {
            let is_lasting = promotion.has_failed_often(&self.settings);
            if is_lasting {
                self.tell_failing(why, turn);
            } else {
                self.event_seldom("storage", turn, || EventKind::Storage(why));
            }
        }
        match outcome {
            Some(Outcome::Leadership(beginning)) => self.begin_leadership(*beginning, turn),
            Some(Outcome::Superseded) => self.fenced(turn),
            None => {}
        }
    }

    fn on_written(&mut self, written: Written, turn: &mut Turn<'_>) {
        match written {
            Written::Stored {
                batch,
                probes,
                ended,
                is_proof,
            } => {
                match ended {
                    Some(Trouble::Full) => turn.event(EventKind::StorageHasRoom),
                    Some(Trouble::Failing) => self.tell_working(turn),
                    None => {}
                }
                if ended.is_some() {
                    self.with_broker(turn, |hosted_broker, now, out| {
                        hosted_broker.on_full(now, false, out)
                    });
                }
                if let Some(batch) = batch {
                    self.with_broker(turn, |hosted_broker, now, out| {
                        hosted_broker.on_committed(now, batch, out)
                    });
                }
                for probe in probes {
                    self.pong(probe, turn);
                }
                if is_proof {
                    self.resume_after_proof(turn);
                }
            }
            Written::Fenced => self.fenced(turn),
            Written::Full => {
                if let Part::Broker(leadership) = &self.part {
                    let why = Why::Full(leadership.hosted_broker.term);
                    self.begin_promotion(why, turn);
                }
            }
            Written::Later(why) => self.event_seldom("storage", turn, || EventKind::Storage(why)),
            Written::Failing(why) => {
                self.tell_failing(why, turn);
                self.with_broker(turn, |hosted_broker, now, out| {
                    hosted_broker.on_full(now, true, out)
                });
            }
            Written::Nothing => {}
        }
    }

    /// The browser has closed the database, and most likely removed it.
    fn on_database_closed(&mut self, turn: &mut Turn<'_>) {
        let (closed, settings) = (StorageEvent::Closed, &self.settings);
        match &mut self.part {
            Part::Waiting | Part::Client(_) => {}
            Part::Promoting(promotion) => {
                promotion.on_event(turn.now, closed, None, settings, &mut Vec::new());
            }
            Part::Broker(leadership) if leadership.log.is_some() => {
                let why = Why::Removed(
                    leadership.hosted_broker.term,
                    leadership.hosted_broker.snapshot(),
                );
                self.begin_promotion(why, turn);
            }
            Part::Broker(_) => {}
        }
    }

    /// Whether this broker lives, somebody asks.
    pub(super) fn on_probe(&mut self, tab: TabId, number: u32, turn: &mut Turn<'_>) {
        let probe = Probe { tab, number };
        match &mut self.part {
            Part::Waiting | Part::Client(_) => {}
            // It takes time to read a long log; for ever it must not. A tab whose database works shall take over from one whose
            // database fails.
            Part::Promoting(promotion) => {
                let is_late = promotion.began.plus_ms(self.settings.promotion_ms) <= turn.now;
                if !is_late && !promotion.is_failing() && !self.database.is_silent() {
                    self.pong(probe, turn);
                }
            }
            Part::Broker(leadership) => match &mut leadership.log {
                None => self.pong(probe, turn),
                // Storage without room cures no other tab.
                Some(log) if log.trouble() == Some(Trouble::Full) => self.pong(probe, turn),
                Some(log) => {
                    let since = self.database.asked.as_ref().map(|asked| asked.since);
                    if since.is_some_and(|since| log.is_busy(since, turn.now)) {
                        self.pong(probe, turn);
                    } else {
                        log.probe(probe);
                    }
                }
            },
        }
    }

    fn pong(&self, probe: Probe, turn: &mut Turn<'_>) {
        let (term, committed) = match &self.part {
            Part::Broker(leadership) => {
                let committed = leadership.log.as_ref().map(Log::committed);
                (Some(leadership.hosted_broker.term), committed)
            }
            Part::Waiting | Part::Client(_) | Part::Promoting(_) => (self.highest_term, None),
        };
        turn.control(ControlMessage::Pong {
            tab_id: probe.tab,
            number: probe.number,
            term: term.unwrap_or_default(),
            committed: committed.unwrap_or_default().0,
        });
    }

    // Standing still.

    /// A broker whose loop stood still must make sure that it still is the broker before it says anything.
    pub(super) fn check_suspension(&mut self, turn: &mut Turn<'_>) {
        let ms = turn.now.ms_since(self.last_turn);
        if let Part::Broker(leadership) = &mut self.part
            && ms > 2 * self.settings.heartbeat_ms
        {
            let was_in_doubt = leadership.is_in_doubt();
            leadership.on_suspended(ms);
            if !leadership.is_in_doubt() {
                self.report_suspension(turn);
            } else if !was_in_doubt {
                turn.event(EventKind::Suspended { ms });
            }
        }
    }

    /// While this tab stood still nothing was heard of its clients, whatever they said.
    fn report_suspension(&mut self, turn: &mut Turn<'_>) {
        if let Part::Broker(leadership) = &mut self.part {
            let ms = leadership.take_suspended_ms();
            self.with_broker(turn, |hosted_broker, now, out| {
                hosted_broker.on_suspended(now, ms, out)
            });
        }
    }

    pub(super) fn hold_back(&mut self, input: Input, turn: &mut Turn<'_>) -> Option<Input> {
        // What no tab of ours said is counted, whoever leads.
        if let Input::Control(message) = &input
            && !self.is_plausible(message, turn.now)
        {
            return Some(input);
        }
        let bytes_max = self.settings.waiting_bytes_max;
        if let Part::Broker(leadership) = &mut self.part
            && leadership.is_overfull_with(&input, bytes_max)
        {
            return self.refuse_held(input, turn);
        }
        match &mut self.part {
            Part::Broker(leadership) => leadership.hold_back(input),
            Part::Waiting | Part::Client(_) | Part::Promoting(_) => Some(input),
        }
    }

    /// There is no room for what the page of this very tab wants while it is not certain that the tab leads.
    fn refuse_held(&mut self, input: Input, turn: &mut Turn<'_>) -> Option<Input> {
        match input {
            Input::Command(Command::Client(no, ClientCommand::Publish(request, _))) => {
                let refused = ClientNotice::Refused(request, Problem::TooMuchWaiting);
                turn.notify(Notice::Client(no, refused));
                None
            }
            Input::Port(no, PortInput::Bytes(_)) => {
                // Like one that the page has closed, once what it sent before is heard.
                if self.endpoints.end_port(no) {
                    let closed = PortOutput::Closed(Some(ReasonCode::QuotaExceeded));
                    turn.out.push(Output::Port(no, closed));
                    return self.hold_back(Input::Port(no, PortInput::Closed), turn);
                }
                None
            }
            other => Some(other),
        }
    }

    /// It is certain that this tab leads: what waited for that goes on.
    fn resume_after_proof(&mut self, turn: &mut Turn<'_>) {
        let Part::Broker(leadership) = &mut self.part else {
            return;
        };
        let Some(held) = leadership.proved() else {
            return;
        };
        self.report_suspension(turn);
        for input in held {
            self.take(input, turn);
            self.run_steps(turn);
        }
    }
}
