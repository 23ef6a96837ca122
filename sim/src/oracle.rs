//! What must hold: one broker per term, and what MQTT promises about delivery.
//!
//! The oracle sees what the pages see, the commands and the notices, each tab's role, and what is stored. It knows
//! nothing of packets, lanes and what the tabs think. Where the broker's state is in memory, a change of broker may lose
//! and repeat what was not acknowledged, and forgets what was retained; where it is on the disk, it may not.

mod calm;
mod client;
mod durable;
mod health;
mod message;
mod obligation;
mod reign;
mod retained;
mod session;
mod topic;

use std::collections::{BTreeMap, VecDeque};

use tab::api::{
    ClientCommand, ClientNo, ClientNotice, ClientStatus, Command, DisconnectCause, EventKind,
    Message, Notice, Problem, QoS, RequestId, Role, Subscription, TabInfo, TabStats, Term,
    Visibility,
};
use tab::{TabId, Time};

use crate::page::{Act, MessageId};
use crate::plan::{Plan, Promise};
use crate::tally::Tally;
use crate::violation::{ClientKey, Violation};
use client::{Client, Subscribed};
use durable::Debt;
use health::Health;
use message::{Kind, Moment, Published};
use obligation::Obligation;
use reign::Log;
use session::{Ask, Session};

/// Watches a world, and counts what happens in it.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) tally: Tally,
    plan: Plan,
    /// Counts what the oracle was told.
    step: u64,
    reigns: BTreeMap<Term, TabId>,
    /// The broker of the highest term.
    broker: Option<(TabId, Term)>,
    /// The latest term in which the log was removed or damaged.
    doubted: Option<Term>,
    /// All tabs that take themselves for the broker.
    brokers: BTreeMap<TabId, Term>,
    log: Log,
    tabs: BTreeMap<TabId, TabView>,
    messages: BTreeMap<MessageId, Published>,
    /// In the order in which they are due.
    obligations: VecDeque<Obligation>,
    /// By client id; where the broker's state is on the disk.
    sessions: BTreeMap<String, Session>,
    debts: Vec<Debt>,
    /// What clients of tabs that are gone had subscribed to, by client id.
    legacy: BTreeMap<String, Vec<Subscribed>>,
    /// Until when there may be no room on the disk.
    full_until: Time,
    /// When something last kept tabs from noticing that a broker is silent.
    hindered: Option<Time>,
}

/// Reason code: a QoS 2 message that was not released has it.
const PACKET_IDENTIFIER_IN_USE: u8 = 0x91;

/// Reason code: there is no room for it.
const QUOTA_EXCEEDED: u8 = 0x97;

/// A living tab.
#[derive(Debug, Default)]
struct TabView {
    role: Role,
    /// Whether it was the broker, and has neither given that up nor followed another one: it may be about to go on.
    claims_the_reign: bool,
    visibility: Visibility,
    clients: BTreeMap<ClientNo, Client>,
    requests: BTreeMap<(ClientNo, RequestId), Request>,
    roster: Vec<TabInfo>,
    stats: TabStats,
    /// Things it was sent that it has to count as foreign.
    garbage: u64,
    /// Until when its lane may break.
    disturbed_until: Time,
    health: Health,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Request {
    epoch: u32,
    is_valid: bool,
    asked: Moment,
    kind: RequestKind,
    /// The session that it is for, where that outlives brokers.
    ask: Option<Ask>,
}

#[derive(Debug)]
enum RequestKind {
    Publish(Option<MessageId>),
    Subscribe(Vec<Subscription>),
    Unsubscribe(Vec<String>),
}

impl Oracle {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            tally: Tally::default(),
            plan,
            step: 0,
            reigns: BTreeMap::new(),
            broker: None,
            doubted: None,
            brokers: BTreeMap::new(),
            log: Log::default(),
            tabs: BTreeMap::new(),
            messages: BTreeMap::new(),
            obligations: VecDeque::new(),
            sessions: BTreeMap::new(),
            debts: Vec::new(),
            legacy: BTreeMap::new(),
            full_until: Time::default(),
            hindered: None,
        }
    }

    fn is_durable(&self) -> bool {
        self.plan.promise == Promise::Durable
    }

    /// Whether a session can be found again at another broker, or in another tab.
    fn may_outlive_brokers(&self) -> bool {
        self.plan.promise != Promise::Memory
    }

    fn moment(&mut self, at: Time) -> Moment {
        self.step += 1;
        Moment {
            step: self.step,
            at,
        }
    }

    // Tabs.

    pub(crate) fn on_birth(&mut self, tab: TabId) {
        self.tally.tabs_opened += 1;
        self.tabs.insert(tab, TabView::default());
    }

    pub(crate) fn on_death(&mut self, now: Time, tab: TabId, is_crash: bool) {
        let now = self.moment(now);
        let was_broker = self.end_reign(tab);
        if was_broker {
            let in_flight = self
                .messages
                .values()
                .filter(|it| it.is_pending() && it.publication.qos != QoS::AtMostOnce);
            self.tally.publications_in_flight_at_failover += in_flight.count() as u64;
        }
        match (is_crash, was_broker) {
            (true, true) => self.tally.brokers_crashed += 1,
            (false, true) => self.tally.brokers_closed += 1,
            (true, false) => self.tally.tabs_crashed += 1,
            (false, false) => self.tally.tabs_closed += 1,
        }
        self.owe_wills(now, tab);
        self.may_publish_wills(tab);
        for published in self.messages.values_mut() {
            if published.publisher.tab == tab {
                published.give_up(now);
            }
        }
        self.leave_sessions(now, tab);
        if let Some(view) = self.tabs.remove(&tab) {
            self.tally.lane_resets += view.stats.lane_resets;
            for client in view.clients.into_values() {
                if let Some(id) = client.client_id {
                    let legacy = self.legacy.entry(id).or_default();
                    legacy.extend(client.subscriptions);
                }
            }
        }
    }

    /// The lane of this tab breaks now, or when what is on its way has arrived.
    pub(crate) fn on_disturbance(&mut self, now: Time, tab: TabId) {
        // A gap is noticed with the next frame, which may come much later where brokers stand still.
        let slack_ms = if self.may_outlive_brokers() {
            60_000
        } else {
            1_000
        };
        self.may_publish_wills(tab);
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.disturbed_until = view.disturbed_until.max(now.plus_ms(slack_ms));
        }
    }

    /// The connections of this tab may be lost.
    fn may_publish_wills(&mut self, tab: TabId) {
        for published in self.messages.values_mut() {
            if published.publisher.tab == tab && published.kind != Kind::Publish {
                published.kind = Kind::Will { is_due: true };
            }
        }
    }

    /// The tab was sent what no tab of ours sends.
    pub(crate) fn on_garbage(&mut self, tab: TabId) {
        self.tally.garbage += 1;
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.garbage += 1;
        }
    }

    // The page's commands.

    pub(crate) fn on_act(&mut self, now: Time, tab: TabId, act: &Act) {
        let now = self.moment(now);
        let Some(view) = self.tabs.get_mut(&tab) else {
            return;
        };
        match &act.command {
            Command::Open(options) => view.visibility = options.visibility,
            Command::Visibility(visibility) => view.visibility = *visibility,
            Command::Client(no, command) => {
                let key = ClientKey { tab, no: *no };
                self.on_client_command(now, key, command, act.valid);
            }
        }
    }

    fn on_client_command(
        &mut self,
        now: Moment,
        key: ClientKey,
        command: &ClientCommand,
        is_valid: bool,
    ) {
        match command {
            ClientCommand::Connect(options) => return self.on_connect(now, key, options),
            ClientCommand::Disconnect { with_will } => {
                return self.on_disconnect(now, key, *with_will);
            }
            ClientCommand::Subscribe(..)
            | ClientCommand::Unsubscribe(..)
            | ClientCommand::Publish(..) => {}
        }
        let Some(view) = self.tabs.get_mut(&key.tab) else {
            return;
        };
        let client = view.clients.entry(key.no).or_default();
        let epoch = client.epoch;
        let is_accepted = is_valid && client.is_wanted;
        let (request, kind) = match command {
            ClientCommand::Subscribe(request, subscriptions) => {
                if is_accepted {
                    client.subscribe(now, *request, subscriptions);
                    self.share_with_siblings(key, now, subscriptions);
                }
                (*request, RequestKind::Subscribe(subscriptions.clone()))
            }
            ClientCommand::Unsubscribe(request, topic_filters) => {
                if is_accepted {
                    client.unsubscribe(topic_filters);
                }
                (*request, RequestKind::Unsubscribe(topic_filters.clone()))
            }
            ClientCommand::Publish(request, publication) => {
                let id = MessageId::in_properties(&publication.properties).filter(|_| is_accepted);
                if let Some(id) = id {
                    let publication = publication.clone();
                    let connection = client.connection;
                    let mut published =
                        Published::new(key, publication, now, Kind::Publish, connection);
                    if self.was_shared(key) {
                        published.forgive();
                    }
                    self.messages.insert(id, published);
                }
                (*request, RequestKind::Publish(id))
            }
            ClientCommand::Connect(_) | ClientCommand::Disconnect { .. } => return,
        };
        let ask = self.ask(key, &kind, is_accepted);
        let asked = Request {
            epoch,
            is_valid,
            asked: now,
            kind,
            ask,
        };
        if let Some(view) = self.tabs.get_mut(&key.tab) {
            view.requests.insert((key.no, request), asked);
        }
    }

    fn on_connect(&mut self, now: Moment, key: ClientKey, options: &tab::api::ConnectOptions) {
        let client_id = if options.client_id.is_empty() {
            default_client_id(key)
        } else {
            options.client_id.clone()
        };
        let inherited = self.inherited(key, &client_id);
        self.take_session(now, key, &client_id, options);
        let may_outlive = self.may_outlive_brokers();
        let may_be_lost = self.may_lose_connection(now, &client_id, options);
        let Some(view) = self.tabs.get_mut(&key.tab) else {
            return;
        };
        let client = view.clients.entry(key.no).or_default();
        let old_will = client.will.filter(|_| may_outlive);
        client.connect();
        client.inherit(inherited);
        client.client_id = Some(client_id);
        client.is_clean_start = options.clean_start;
        client.expiry = options.session_expiry_interval;
        client.has_lasting_session = options.session_expiry_interval > 0;
        // The DISCONNECT of the connection before may find no broker.
        if let Some(published) = old_will.and_then(|id| self.messages.get_mut(&id)) {
            published.kind = Kind::Will { is_due: true };
        }
        if let Some(will) = &options.will
            && let Some(id) = MessageId::in_properties(&will.publication.properties)
        {
            client.will = Some(id);
            client.is_will_prompt =
                will.delay_interval == 0 || options.session_expiry_interval == 0;
            let publication = will.publication.clone();
            let is_due = may_be_lost || now.at <= view.disturbed_until || view.health.is_ill();
            let kind = Kind::Will { is_due };
            let published = Published::new(key, publication, now, kind, None);
            self.messages.insert(id, published);
        }
    }

    fn on_disconnect(&mut self, now: Moment, key: ClientKey, with_will: bool) {
        // Where the broker may change meanwhile, the DISCONNECT may find none.
        let is_due = with_will || self.may_outlive_brokers();
        self.leave_session(now, key);
        let Some(client) = self.client(key) else {
            return;
        };
        client.is_in_question |= client.connection.is_some();
        client.is_wanted = false;
        let will = client.will.filter(|_| is_due);
        if let Some(published) = will.and_then(|id| self.messages.get_mut(&id)) {
            published.kind = Kind::Will { is_due: true };
        }
    }

    // Notices.

    /// Returns the client that was disconnected for good, as it may be.
    pub(crate) fn on_notice(
        &mut self,
        now: Time,
        tab: TabId,
        notice: Notice,
    ) -> Result<Option<ClientNo>, Violation> {
        let now = self.moment(now);
        match notice {
            Notice::Client(no, notice) => {
                let key = ClientKey { tab, no };
                let is_end = matches!(
                    &notice,
                    ClientNotice::Status(ClientStatus::Disconnected(cause))
                        if *cause != DisconnectCause::Requested
                );
                self.on_client_notice(now, key, notice)?;
                return Ok(is_end.then_some(no));
            }
            Notice::Roster(roster) => {
                if let Some(view) = self.tabs.get_mut(&tab) {
                    view.roster = roster;
                }
            }
            Notice::Stats(stats) => {
                if let Some(view) = self.tabs.get_mut(&tab) {
                    view.stats = stats;
                }
            }
            Notice::Refused(problem) => return Err(Violation::CommandRefused { tab, problem }),
            Notice::Event(event) => {
                if let EventKind::Deposed { .. } = event.kind
                    && let Some(view) = self.tabs.get_mut(&tab)
                {
                    view.claims_the_reign = false;
                }
            }
            Notice::Opened { .. } | Notice::Role(_) => {}
        }
        Ok(None)
    }

    /// What was refused because the connection ended: that it has ended was told, too.
    pub(crate) fn check_refusals(&mut self, tab: TabId) -> Result<(), Violation> {
        let Some(view) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        for (no, client) in &mut view.clients {
            if let Some((request, problem)) = client.refused.take() {
                return Err(Violation::Refused {
                    client: ClientKey { tab, no: *no },
                    request,
                    problem,
                });
            }
        }
        Ok(())
    }

    fn on_client_notice(
        &mut self,
        now: Moment,
        client: ClientKey,
        notice: ClientNotice,
    ) -> Result<(), Violation> {
        match notice {
            ClientNotice::Status(status) => self.on_status(now, client, status),
            ClientNotice::Subscribed(request, codes) => {
                self.on_subscribed(now, client, request, codes)
            }
            ClientNotice::Unsubscribed(request, codes) => {
                self.on_unsubscribed(now, client, request, codes)
            }
            ClientNotice::Published(request, code) => self.on_published(now, client, request, code),
            ClientNotice::Refused(request, problem) => {
                let asked = self.answered(client, request)?;
                let current = self.client(client).filter(|it| it.is_wanted);
                let is_current = current.is_some_and(|it| it.epoch == asked.epoch);
                if asked.is_valid && is_current {
                    if problem != Problem::NotConnected {
                        return Err(Violation::Refused {
                            client,
                            request,
                            problem,
                        });
                    }
                    if let Some(client) = self.client(client) {
                        client.refused = Some((request, problem));
                    }
                }
                if asked.is_valid {
                    self.tally.requests_ended_by_page += 1;
                } else {
                    self.tally.invalid_requests_refused += 1;
                }
                if let RequestKind::Publish(Some(id)) = asked.kind
                    && let Some(published) = self.messages.get_mut(&id)
                {
                    published.give_up(now);
                }
                Ok(())
            }
            ClientNotice::Message(message) => self.on_message(client, &message),
        }
    }

    fn on_status(
        &mut self,
        now: Moment,
        key: ClientKey,
        status: ClientStatus,
    ) -> Result<(), Violation> {
        let Some(view) = self.tabs.get_mut(&key.tab) else {
            return Ok(());
        };
        let client = view.clients.entry(key.no).or_default();
        match status {
            ClientStatus::Waiting => client.lost(),
            ClientStatus::Connecting => {
                client.lost();
                // A CONNECT that began a session, unheard, is followed by one that begins another.
                let may_end_one = client.is_clean_start && !client.was_connected();
                let will = client.will.and_then(|id| self.messages.get_mut(&id));
                will.into_iter().for_each(|will| will.brought(may_end_one));
            }
            ClientStatus::Connected {
                session_present,
                term,
                ..
            } => {
                if !self.reigns.contains_key(&term) {
                    return Err(Violation::TermOfNobody { client: key, term });
                }
                let is_kept = match self.plan.promise {
                    Promise::Memory => session_present || !client.must_go_on(term),
                    Promise::Durable => self.find_session(now, key, term, session_present),
                    Promise::Calm => true,
                };
                if !is_kept {
                    return Err(Violation::SessionLost { client: key });
                }
                // What others did to a session that several clients have in turn.
                let client_id = self.client(key).and_then(|client| client.client_id.clone());
                let inherited = client_id
                    .filter(|_| session_present && self.was_shared(key))
                    .map(|client_id| self.inherited(key, &client_id))
                    .unwrap_or_default();
                let may_go_on = self.may_outlive_brokers();
                // A broker without storage begins all sessions anew, and the next with storage goes on with the old ones.
                let may_have_been_away = self.plan.promise == Promise::Calm;
                let may_be_full = self.may_be_full(now);
                let Some(client) = self.client(key) else {
                    return Ok(());
                };
                client.is_will_unstored = may_be_full;
                // Another client of its id may still be told of what it got before this one began anew.
                let dropped = client.client_id.clone().filter(|_| !session_present);
                let dropped = dropped.map(|id| (id, client.of_earlier_epochs()));
                let goes_on =
                    client.connected(now, term, session_present, may_go_on, may_have_been_away);
                client.inherit(inherited);
                if let Some((client_id, dropped)) = dropped
                    && may_go_on
                {
                    self.legacy.entry(client_id).or_default().extend(dropped);
                }
                if goes_on {
                    self.tally.sessions_resumed += 1;
                } else {
                    self.tally.sessions_begun += 1;
                }
                for published in self.messages.values_mut() {
                    if published.publisher == key && published.is_pending() {
                        published.reconnected(term, goes_on);
                    }
                }
            }
            ClientStatus::Disconnected(DisconnectCause::Requested) => client.disconnected(),
            ClientStatus::Disconnected(cause) => {
                if !self.may_end(now, key, &cause) {
                    return Err(Violation::Ended { client: key, cause });
                }
                self.tally.connections_ended += 1;
                self.leave_session(now, key);
                if let Some(client) = self.client(key) {
                    client.is_wanted = false;
                    client.refused = None;
                    client.disconnected();
                }
                self.may_publish_wills(key.tab);
            }
        }
        Ok(())
    }

    fn on_subscribed(
        &mut self,
        now: Moment,
        key: ClientKey,
        request: RequestId,
        codes: Vec<u8>,
    ) -> Result<(), Violation> {
        let asked = self.granted(key, request)?;
        if self.may_be_refused(now, key, &codes) {
            return Ok(());
        }
        let Some(client) = self.client(key) else {
            return Ok(());
        };
        if !client
            .requested(request)
            .map(|qos| qos as u8)
            .eq(codes.iter().copied())
        {
            return Err(Violation::WrongAnswer {
                client: key,
                request,
                codes,
            });
        }
        client.subscribed(now, request);
        self.tally.subscriptions_answered += 1;
        self.on_answered(now, &asked);
        Ok(())
    }

    fn on_unsubscribed(
        &mut self,
        now: Moment,
        key: ClientKey,
        request: RequestId,
        codes: Vec<u8>,
    ) -> Result<(), Violation> {
        const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
        let asked = self.granted(key, request)?;
        let may_be_refused = self.may_be_refused(now, key, &codes);
        let (Some(client), RequestKind::Unsubscribe(topic_filters)) =
            (self.client(key), &asked.kind)
        else {
            return Ok(());
        };
        if may_be_refused {
            return Ok(());
        }
        let is_expected = codes
            .iter()
            .all(|it| matches!(*it, 0 | NO_SUBSCRIPTION_EXISTED));
        if !is_expected || codes.len() != topic_filters.len() {
            return Err(Violation::WrongAnswer {
                client: key,
                request,
                codes,
            });
        }
        client.unsubscribed(now, asked.asked, topic_filters);
        self.tally.subscriptions_answered += 1;
        self.on_answered(now, &asked);
        Ok(())
    }

    fn on_published(
        &mut self,
        now: Moment,
        key: ClientKey,
        request: RequestId,
        code: u8,
    ) -> Result<(), Violation> {
        const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
        let asked = self.granted(key, request)?;
        if self.may_be_refused(now, key, &[code]) {
            if let RequestKind::Publish(Some(id)) = asked.kind
                && let Some(published) = self.messages.get_mut(&id)
            {
                published.give_up(now);
            }
            self.tally.publications_without_room += u64::from(code == QUOTA_EXCEEDED);
            return Ok(());
        }
        if !matches!(code, 0 | NO_MATCHING_SUBSCRIBERS) {
            return Err(Violation::WrongAnswer {
                client: key,
                request,
                codes: vec![code],
            });
        }
        let connection = self.client(key).and_then(|client| client.connection);
        let RequestKind::Publish(Some(id)) = asked.kind else {
            return Ok(());
        };
        let Some(published) = self.messages.get_mut(&id) else {
            return Ok(());
        };
        published.acknowledge(now, connection);
        if published.publication.qos == QoS::AtMostOnce {
            return Ok(());
        }
        self.tally.publications_acknowledged += 1;
        let of_this_broker = self.broker.filter(|(_, term)| published.is_of(*term));
        match self.plan.promise {
            Promise::Memory => {}
            Promise::Durable => return self.owe_for_good(now, id),
            Promise::Calm => return Ok(()),
        }
        let Some((_, term)) = of_this_broker else {
            return Ok(());
        };
        self.owe(now, id, term, None);
        Ok(())
    }

    fn on_message(&mut self, key: ClientKey, message: &Message) -> Result<(), Violation> {
        let published = MessageId::of(message).and_then(|id| Some((id, self.messages.get(&id)?)));
        let Some((id, published)) = published else {
            return Err(Violation::Invented {
                client: key,
                topic: message.topic.clone(),
            });
        };
        // Where some brokers have no disk, one that has may know clients as connected that have left since.
        let is_lost = published.kind != (Kind::Will { is_due: false });
        if !is_lost && self.plan.promise != Promise::Calm {
            return Err(Violation::WillWithoutLoss {
                client: key,
                message: id,
            });
        }
        let Some(view) = self.tabs.get_mut(&key.tab) else {
            return Ok(());
        };
        let client = view.clients.entry(key.no).or_default();
        let promise = self.plan.promise;
        client.deliver(key, id, published, message, promise, &mut self.tally)?;
        let session = client.client_id.as_ref();
        if let Some(session) = session.and_then(|id| self.sessions.get_mut(id)) {
            session.got(id);
        }
        Ok(())
    }

    fn client(&mut self, key: ClientKey) -> Option<&mut Client> {
        self.tabs.get_mut(&key.tab)?.clients.get_mut(&key.no)
    }

    /// Each request is answered once.
    fn answered(&mut self, client: ClientKey, request: RequestId) -> Result<Request, Violation> {
        let view = self.tabs.get_mut(&client.tab);
        view.and_then(|view| view.requests.remove(&(client.no, request)))
            .ok_or(Violation::AnsweredUnasked { client, request })
    }

    fn granted(&mut self, client: ClientKey, request: RequestId) -> Result<Request, Violation> {
        let asked = self.answered(client, request)?;
        if !asked.is_valid {
            return Err(Violation::Accepted { client, request });
        }
        Ok(asked)
    }
}

/// The client id of a client whose page names none.
fn default_client_id(key: ClientKey) -> String {
    match key.no {
        ClientNo(0) => format!("tab-{}", key.tab),
        ClientNo(no) => format!("tab-{}-{no}", key.tab),
    }
}

#[cfg(test)]
mod tests;
