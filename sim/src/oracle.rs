//! What must hold: one broker per term, and what MQTT promises about delivery.
//!
//! The oracle sees what the pages see, the commands and the notices, and each tab's role. It knows nothing of packets,
//! lanes and what the tabs think. State lives in memory in this slice, so a change of broker may lose and repeat what
//! was not acknowledged, and forgets what was retained.

mod calm;
mod client;
mod message;
mod obligation;
mod retained;
mod topic;

use std::collections::{BTreeMap, VecDeque};

use tab::api::{
    ClientCommand, ClientNo, ClientNotice, ClientStatus, Command, DisconnectCause, Message, Notice,
    QoS, RequestId, Role, TabInfo, TabStats, Term, Visibility,
};
use tab::{TabId, Time};

use crate::page::{Act, MessageId};
use crate::tally::Tally;
use crate::violation::{ClientKey, Violation};
use client::Client;
use message::{Kind, Moment, Published};
use obligation::Obligation;

/// Watches a world, and counts what happens in it.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) tally: Tally,
    /// Milliseconds after its acknowledgement in which a message reaches its receivers.
    delivery_ms: u64,
    /// Counts what the oracle was told.
    step: u64,
    reigns: BTreeMap<Term, TabId>,
    broker: Option<(TabId, Term)>,
    tabs: BTreeMap<TabId, TabView>,
    messages: BTreeMap<MessageId, Published>,
    /// In the order in which they are due.
    obligations: VecDeque<Obligation>,
}

/// A living tab.
#[derive(Debug, Default)]
struct TabView {
    role: Role,
    visibility: Visibility,
    clients: BTreeMap<ClientNo, Client>,
    requests: BTreeMap<(ClientNo, RequestId), Request>,
    roster: Vec<TabInfo>,
    stats: TabStats,
    /// Things it was sent that it has to count as foreign.
    garbage: u64,
    /// Until when its lane may break.
    disturbed_until: Time,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Request {
    epoch: u32,
    is_valid: bool,
    asked: Moment,
    kind: RequestKind,
}

#[derive(Debug)]
enum RequestKind {
    Publish(Option<MessageId>),
    Subscribe,
    Unsubscribe(Vec<String>),
}

impl Oracle {
    pub(crate) fn new(delivery_ms: u64) -> Self {
        Self {
            delivery_ms,
            ..Self::default()
        }
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
        let was_broker = self.broker.take_if(|(broker, _)| *broker == tab).is_some();
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
        if let Some(view) = self.tabs.remove(&tab) {
            self.tally.lane_resets += view.stats.lane_resets;
        }
    }

    /// The lane of this tab breaks now, or when what is on its way has arrived.
    pub(crate) fn on_disturbance(&mut self, now: Time, tab: TabId) {
        const SLACK_MS: u64 = 1_000;
        self.may_publish_wills(tab);
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.disturbed_until = now.plus_ms(SLACK_MS);
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

    /// At most one tab is the broker, and terms rise.
    pub(crate) fn on_role(&mut self, tab: TabId, role: Role) -> Result<(), Violation> {
        let Some(view) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        if core::mem::replace(&mut view.role, role) == role {
            return Ok(());
        }
        self.broker.take_if(|(broker, _)| *broker == tab);
        let Role::Broker { term } = role else {
            return Ok(());
        };
        if let Some((first, _)) = self.broker {
            let second = tab;
            return Err(Violation::TwoBrokers { first, second });
        }
        if let Some((before, _)) = self.reigns.last_key_value()
            && *before >= term
        {
            let before = *before;
            return Err(Violation::TermNotRising { tab, term, before });
        }
        self.tally.elections += 1;
        self.reigns.insert(term, tab);
        self.broker = Some((tab, term));
        Ok(())
    }

    /// The term of the broker, if there is one.
    pub(crate) fn term(&self) -> Option<Term> {
        self.broker.map(|(_, term)| term)
    }

    pub(crate) fn broker(&self) -> Option<TabId> {
        self.broker.map(|(tab, _)| tab)
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
        let Some(view) = self.tabs.get_mut(&key.tab) else {
            return;
        };
        let client = view.clients.entry(key.no).or_default();
        let is_accepted = is_valid && client.is_wanted;
        let (request, kind) = match command {
            ClientCommand::Connect(options) => {
                client.connect();
                client.has_lasting_session = options.session_expiry_interval > 0;
                if let Some(will) = &options.will
                    && let Some(id) = MessageId::in_properties(&will.publication.properties)
                {
                    client.will = Some(id);
                    client.is_will_prompt =
                        will.delay_interval == 0 || options.session_expiry_interval == 0;
                    let publication = will.publication.clone();
                    let kind = Kind::Will {
                        is_due: now.at <= view.disturbed_until,
                    };
                    let published = Published::new(key, publication, now, kind, None);
                    self.messages.insert(id, published);
                }
                return;
            }
            ClientCommand::Disconnect { with_will } => {
                client.is_wanted = false;
                let will = client.will.filter(|_| *with_will);
                if let Some(published) = will.and_then(|id| self.messages.get_mut(&id)) {
                    published.kind = Kind::Will { is_due: true };
                }
                return;
            }
            ClientCommand::Subscribe(request, subscriptions) => {
                if is_accepted {
                    client.subscribe(now, *request, subscriptions);
                }
                (*request, RequestKind::Subscribe)
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
                    let published =
                        Published::new(key, publication, now, Kind::Publish, connection);
                    self.messages.insert(id, published);
                }
                (*request, RequestKind::Publish(id))
            }
        };
        let asked = Request {
            epoch: client.epoch,
            is_valid,
            asked: now,
            kind,
        };
        view.requests.insert((key.no, request), asked);
    }

    // Notices.

    pub(crate) fn on_notice(
        &mut self,
        now: Time,
        tab: TabId,
        notice: Notice,
    ) -> Result<(), Violation> {
        let now = self.moment(now);
        match notice {
            Notice::Client(no, notice) => {
                let key = ClientKey { tab, no };
                self.on_client_notice(now, key, notice)?;
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
            Notice::Opened { .. } | Notice::Role(_) | Notice::Event(_) => {}
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
                    return Err(Violation::Refused {
                        client,
                        request,
                        problem,
                    });
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
            ClientStatus::Waiting => client.connection = None,
            ClientStatus::Connecting => {
                client.connection = None;
                let will = client.will.and_then(|id| self.messages.get_mut(&id));
                will.into_iter().for_each(Published::brought);
            }
            ClientStatus::Connected {
                session_present,
                term,
                ..
            } => {
                if !self.reigns.contains_key(&term) {
                    return Err(Violation::TermOfNobody { client: key, term });
                }
                if !session_present && client.must_go_on(term) {
                    return Err(Violation::SessionLost { client: key });
                }
                let goes_on = client.connected(now, term, session_present);
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
                return Err(Violation::Ended { client: key, cause });
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
        self.granted(key, request)?;
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
        let (Some(client), RequestKind::Unsubscribe(topic_filters)) =
            (self.client(key), asked.kind)
        else {
            return Ok(());
        };
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
        client.unsubscribed(now, asked.asked, &topic_filters);
        self.tally.subscriptions_answered += 1;
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
        let Some((_, term)) = self.broker.filter(|(_, term)| published.is_of(*term)) else {
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
        if published.kind == (Kind::Will { is_due: false }) {
            return Err(Violation::WillWithoutLoss {
                client: key,
                message: id,
            });
        }
        let Some(view) = self.tabs.get_mut(&key.tab) else {
            return Ok(());
        };
        let client = view.clients.entry(key.no).or_default();
        client.deliver(key, id, published, message, &mut self.tally)
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

#[cfg(test)]
mod tests;
