//! The oracle: checks the invariants of leadership, and of delivery as MQTT specifies it.
//!
//! It sees what the pages see (commands and notices), each tab's role, and the stored rows. It does not see packets,
//! lanes and the internal state of tabs. A broker with its state in memory may lose and repeat unacknowledged messages
//! when the broker changes, and forgets retained ones. A broker with its state on the disk may not.

mod client;
mod commands;
mod exemptions;
mod health;
mod leadership;
mod message;
mod notices;
mod obligation;
mod port;
mod questions;
mod readers;
mod recovery;
mod retained;
mod session;
mod topic;

use std::collections::{BTreeMap, VecDeque};

use tab::api::{
    Answer, ClientNo, QoS, Question, RequestId, Role, Subscription, TabInfo, TabStats, Term,
    Visibility,
};
use tab::{PortNo, TabId, Time};

use crate::client_key::ClientKey;
use crate::plan::{Guarantee, Plan};
use crate::tally::Tally;
use crate::violation::Violation;
use crate::workload::message_id::MessageId;
use client::{Client, Subscribed};
use health::Health;
use leadership::Log;
use message::{Kind, Moment, Published};
use obligation::{DurableObligation, TimedObligation};
use port::Port;
use session::{Session, SessionRequest};

/// Checks a world, and counts events.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) tally: Tally,
    plan: Plan,
    /// Counts the observations.
    step: u64,
    leaders: BTreeMap<Term, TabId>,
    /// The broker with the highest term.
    broker: Option<(TabId, Term)>,
    /// The latest term in which the log was removed or damaged.
    loss_term: Option<Term>,
    /// The latest term in which the log was damaged.
    damaged_term: Option<Term>,
    /// Whether the log was removed while a replaced broker did not know of its successor: it may have written its state
    /// anew.
    may_hold_stale_state: bool,
    /// All tabs that consider themselves the broker.
    brokers: BTreeMap<TabId, Term>,
    log: Log,
    tabs: BTreeMap<TabId, TabView>,
    messages: BTreeMap<MessageId, Published>,
    /// In the order of their deadlines.
    timed_obligations: VecDeque<TimedObligation>,
    /// By client id. Used only where the broker's state is on the disk.
    sessions: BTreeMap<String, Session>,
    durable_obligations: Vec<DurableObligation>,
    /// Subscriptions of clients whose tabs have ended, by client id.
    ended_subscriptions: BTreeMap<String, Vec<Subscribed>>,
    /// Number of retained messages that a new subscriber got in the recovery phase.
    retained: Option<usize>,
    /// Answers that pages got.
    answers: Vec<(TabId, Question, Answer)>,
    /// The disk may be full until this time.
    full_until: Time,
    /// Time of the last event that delays failure detection.
    detection_delayed_at: Option<Time>,
}

/// Reason code for a QoS 2 message that was not released.
const PACKET_IDENTIFIER_IN_USE: u8 = 0x91;

/// Reason code for an UNSUBSCRIBE that matched no subscription.
const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;

/// Reason code for a request for which there is no room.
const QUOTA_EXCEEDED: u8 = 0x97;

/// A tab that has not ended.
#[derive(Debug, Default)]
struct TabView {
    role: Role,
    /// The term of the broker in the last role notice to its page.
    notified_term: Option<Term>,
    /// Messages that a port got after a later message: the client, the message, and the later message.
    out_of_order: Vec<(ClientKey, MessageId, MessageId)>,
    /// Whether the tab has the database open.
    has_database: bool,
    /// Storage failures since the last successful write.
    storage_failures: u32,
    /// Whether the last write failed.
    has_failed_write: bool,
    /// Whether the tab has requested the log since it was last the leader.
    is_loading_log: bool,
    /// Whether it has read a page of the log, and pages follow.
    has_more_pages: bool,
    /// Whether another tab stored a checkpoint since.
    is_page_replaced: bool,
    /// Whether the log was damaged or removed after the tab requested it: the tab may have read rows that are gone.
    may_have_read_lost_rows: bool,
    /// Whether it was the broker, and has neither stepped down nor followed another one. It may be about to resume.
    claims_leadership: bool,
    visibility: Visibility,
    clients: BTreeMap<ClientNo, Client>,
    requests: BTreeMap<(ClientNo, RequestId), Request>,
    ports: BTreeMap<PortNo, Port>,
    questions: BTreeMap<RequestId, questions::PendingQuestion>,
    members: Vec<TabInfo>,
    stats: TabStats,
    /// Foreign inputs that the tab has to count.
    garbage: u64,
    unacknowledged: readers::Unacknowledged,
    /// The lane of the tab may break until this time.
    disrupted_until: Time,
    health: Health,
}

impl TabView {
    /// Term of the broker that the tab itself follows. Another broker may be elected already.
    fn followed(&self) -> Option<Term> {
        match self.role {
            Role::Broker { term } | Role::Client { term, .. } => Some(term),
            Role::Waiting => None,
        }
    }
}

/// A pending request.
#[derive(Debug)]
struct Request {
    epoch: u32,
    is_valid: bool,
    asked: Moment,
    kind: RequestKind,
    /// The session that the request is for, where sessions outlive brokers.
    ask: Option<SessionRequest>,
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
            leaders: BTreeMap::new(),
            broker: None,
            loss_term: None,
            damaged_term: None,
            may_hold_stale_state: false,
            brokers: BTreeMap::new(),
            log: Log::default(),
            tabs: BTreeMap::new(),
            messages: BTreeMap::new(),
            timed_obligations: VecDeque::new(),
            sessions: BTreeMap::new(),
            durable_obligations: Vec::new(),
            ended_subscriptions: BTreeMap::new(),
            retained: None,
            answers: Vec::new(),
            full_until: Time::default(),
            detection_delayed_at: None,
        }
    }

    fn is_durable(&self) -> bool {
        self.plan.guarantee == Guarantee::Durable
    }

    /// Whether another broker, or another tab, can find a session again.
    fn may_outlive_brokers(&self) -> bool {
        self.plan.guarantee != Guarantee::Memory
    }

    fn moment(&mut self, at: Time) -> Moment {
        self.step += 1;
        Moment {
            step: self.step,
            at,
        }
    }

    // Tabs.

    pub(crate) fn on_tab_opened(&mut self, tab: TabId) {
        self.tally.tabs_opened += 1;
        self.tabs.insert(tab, TabView::default());
    }

    pub(crate) fn on_tab_ended(&mut self, now: Time, tab: TabId, is_crash: bool) {
        let now = self.moment(now);
        let was_broker = self.end_leadership(tab);
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
        self.add_will_obligations(now, tab);
        self.may_publish_wills(tab);
        for published in self.messages.values_mut() {
            if published.publisher.tab == tab {
                published.abandon(now);
            }
        }
        self.leave_sessions(now, tab);
        if let Some(view) = self.tabs.remove(&tab) {
            let ports = view.ports.values();
            self.tally.port_obligations_void += ports.map(Port::obligations).sum::<u64>();
            self.tally.lane_resets += view.stats.lane_resets;
            for client in view.clients.into_values() {
                let inheritable = client.inheritable();
                if let Some(id) = client.client_id {
                    self.ended_subscriptions
                        .entry(id)
                        .or_default()
                        .extend(inheritable);
                }
            }
        }
    }

    /// The lane of this tab breaks now, or when the messages on their way have arrived.
    pub(crate) fn on_disruption(&mut self, now: Time, tab: TabId) {
        // A gap shows only with the next frame, which may come much later where brokers stall.
        let slack_ms = if self.may_outlive_brokers() {
            60_000
        } else {
            1_000
        };
        self.may_publish_wills(tab);
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.disrupted_until = view.disrupted_until.max(now.plus_ms(slack_ms));
        }
    }

    /// The clients of this tab may lose their connections.
    fn may_publish_wills(&mut self, tab: TabId) {
        for published in self.messages.values_mut() {
            if published.publisher.tab == tab && published.kind != Kind::Publish {
                published.kind = Kind::Will { is_due: true };
            }
        }
    }

    /// The tab got an input that no tab sends.
    pub(crate) fn on_garbage(&mut self, tab: TabId) {
        self.tally.garbage += 1;
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.garbage += 1;
        }
    }

    fn client(&mut self, key: ClientKey) -> Option<&mut Client> {
        self.tabs.get_mut(&key.tab)?.clients.get_mut(&key.no)
    }

    /// Removes the request: each one gets one answer.
    fn answered(&mut self, client: ClientKey, request: RequestId) -> Result<Request, Violation> {
        let view = self.tabs.get_mut(&client.tab);
        view.and_then(|view| view.requests.remove(&(client.no, request)))
            .ok_or(Violation::UnexpectedAnswer { client, request })
    }

    fn granted(&mut self, client: ClientKey, request: RequestId) -> Result<Request, Violation> {
        let asked = self.answered(client, request)?;
        if !asked.is_valid {
            return Err(Violation::InvalidRequestAccepted { client, request });
        }
        Ok(asked)
    }
}

/// The client id of a client whose page specifies none.
fn default_client_id(key: ClientKey) -> String {
    match key.no {
        ClientNo(0) => format!("tab-{}", key.tab),
        ClientNo(no) => format!("tab-{}-{no}", key.tab),
    }
}

#[cfg(test)]
mod tests;
