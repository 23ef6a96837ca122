//! Checks ports: their clients speak MQTT, and must not notice a change of broker.

mod packets;

use std::collections::{BTreeMap, BTreeSet};

use broker::codec::ProtocolVersion;
use broker::packet::publish::PublishPacket;
use tab::api::{MessageProperties, Publication, QoS, Term};
use tab::{PortNo, TabId, Time};

use super::client::Stream;
use super::message::{Moment, Published};
use super::{Oracle, topic};
use crate::client_key::ClientKey;
use crate::plan::Guarantee;
use crate::violation::Violation;
use crate::workload::message_id::{ID_PROPERTY, MessageId};
use crate::workload::port::Action;

/// Reason codes from here on are errors.
const ERRORS: u8 = 0x80;

/// An open port.
#[derive(Debug)]
pub(super) struct Port {
    client_id: String,
    version: ProtocolVersion,
    /// Whether CONNECT was sent and is not answered yet.
    is_connecting: bool,
    /// The broker that the tab followed when CONNACK arrived. An earlier broker may have sent it.
    accepted: Option<Option<Term>>,
    /// Whether the session was certainly stored.
    is_certain: bool,
    /// The client has sent DISCONNECT.
    is_leaving: bool,
    /// The client has sent malformed bytes.
    is_malformed: bool,
    /// The client has violated the protocol. The broker that gets the packet ends the connection; the next one does not
    /// get it again.
    is_wrong: bool,
    /// Reason code of the DISCONNECT.
    reason: Option<u8>,
    requests: BTreeMap<u16, Pending>,
    pings: u64,
    subscriptions: Vec<Subscribed>,
    /// QoS 2 messages that were received and not released.
    received: BTreeSet<u16>,
    /// Those that a broker may have sent before the log was damaged or removed. A broker that reads that log may not
    /// know of them, and then never releases them.
    uncertain: BTreeSet<u16>,
    /// Number of copies of each message with each QoS, without retained ones.
    copies: BTreeMap<(MessageId, QoS), u32>,
    order: BTreeMap<Stream, MessageId>,
    /// Messages that must arrive.
    obligations: BTreeSet<MessageId>,
    sent: usize,
    taken: usize,
}

/// A pending request, by its packet identifier.
#[derive(Debug)]
enum Pending {
    Publish(MessageId, QoS),
    /// PUBREC arrived, and the client has not answered it yet.
    Received,
    Release,
    Subscribe(QoS),
    Unsubscribe(String),
}

#[derive(Debug)]
struct Subscribed {
    /// The SUBSCRIBE, until it is answered.
    packet_id: Option<u16>,
    filter: String,
    qos: QoS,
    granted: Option<Moment>,
    /// The UNSUBSCRIBEs for this subscription.
    endings: Vec<u16>,
    until: Option<Moment>,
}

impl Port {
    fn new(client_id: String, version: ProtocolVersion) -> Self {
        Self {
            client_id,
            version,
            is_connecting: false,
            accepted: None,
            is_certain: false,
            is_leaving: false,
            is_malformed: false,
            is_wrong: false,
            reason: None,
            requests: BTreeMap::new(),
            pings: 0,
            subscriptions: Vec::new(),
            received: BTreeSet::new(),
            uncertain: BTreeSet::new(),
            copies: BTreeMap::new(),
            order: BTreeMap::new(),
            obligations: BTreeSet::new(),
            sent: 0,
            taken: 0,
        }
    }

    pub(super) fn obligations(&self) -> u64 {
        self.obligations.len() as u64
    }

    /// The client id, once the client is connected.
    pub(super) fn client_id(&self) -> Option<&str> {
        self.accepted.map(|_| self.client_id.as_str())
    }

    /// Whether the tab counts the client among those that should be connected.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_connecting || self.accepted.is_some()
    }

    /// Earlier acknowledgements cannot be relied on.
    pub(super) fn mark_uncertain(&mut self) {
        self.is_certain = false;
        self.uncertain.clone_from(&self.received);
        self.obligations.clear();
        for subscription in &mut self.subscriptions {
            subscription.granted = None;
            subscription.until = None;
        }
    }

    fn ask(&mut self, action: &Action) {
        match action {
            Action::Connect => self.is_connecting = true,
            Action::Publish { id, packet } => {
                if let Some(packet_id) = packet.packet_id {
                    let qos = qos_of(packet.qos);
                    self.requests.insert(packet_id, Pending::Publish(*id, qos));
                }
            }
            Action::Release(packet_id) => drop(self.requests.insert(*packet_id, Pending::Release)),
            Action::Subscribe {
                packet_id,
                filter,
                qos,
            } => {
                let qos = qos_of(*qos);
                self.requests.insert(*packet_id, Pending::Subscribe(qos));
                self.subscriptions.push(Subscribed {
                    packet_id: Some(*packet_id),
                    filter: filter.clone(),
                    qos,
                    granted: None,
                    endings: Vec::new(),
                    until: None,
                });
            }
            Action::Unsubscribe { packet_id, filter } => {
                let asked = Pending::Unsubscribe(filter.clone());
                self.requests.insert(*packet_id, asked);
                let its = self.subscriptions.iter_mut();
                its.filter(|it| it.filter == *filter)
                    .for_each(|it| it.endings.push(*packet_id));
            }
            Action::Ping => self.pings += 1,
            Action::Disconnect => self.is_leaving = true,
            Action::Malformed => {
                self.is_malformed = true;
                self.is_wrong = true;
            }
            // The client acknowledges nothing more, so that no more messages must arrive.
            Action::Misuse => {
                self.is_wrong = true;
                self.obligations.clear();
            }
        }
    }

    /// Whether a message published after `since` must reach it with QoS 1 or 2.
    fn must_get(&self, published: &Published, since: Moment) -> bool {
        let mut filters: BTreeMap<&str, Vec<&Subscribed>> = BTreeMap::new();
        for it in self.subscriptions.iter().filter(|it| it.until.is_none()) {
            if topic::matches(&it.filter, &published.publication.topic) {
                filters.entry(&it.filter).or_default().push(it);
            }
        }
        let is_old = |it: &&Subscribed| it.granted.is_some_and(|it| it.step < since.step);
        // In MQTT 3.1.1, nothing identifies a message without a payload.
        let is_known =
            self.version == ProtocolVersion::V5 || !published.publication.payload.is_empty();
        self.is_certain
            && is_known
            && !self.is_leaving
            && !self.is_wrong
            && filters.values().any(|its| {
                its.iter()
                    .all(|it| it.endings.is_empty() && it.qos != QoS::AtMostOnce)
                    && its.iter().any(is_old)
            })
    }

    /// The highest QoS with which it may get a message.
    fn granted(&self, published: &Published) -> Option<QoS> {
        let is_over = |it: &Subscribed| {
            it.until
                .is_some_and(|until| until.step <= published.since.step)
        };
        self.subscriptions
            .iter()
            .filter(|it| !is_over(it) && topic::matches(&it.filter, &published.publication.topic))
            .map(|it| it.qos)
            .max()
    }

    fn has_got(&self, id: MessageId) -> bool {
        let each = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
        each.iter().any(|qos| self.copies.contains_key(&(id, *qos)))
    }

    /// The request that it waits for.
    fn open_request(&self) -> Option<String> {
        let request = self.requests.iter().next();
        request
            .map(|(packet_id, asked)| format!("{asked:?}, packet identifier {packet_id}"))
            .or_else(|| (self.pings > 0).then(|| "PINGREQ".to_owned()))
            .or_else(|| self.is_connecting.then(|| "CONNECT".to_owned()))
            .or_else(|| {
                let mut certain = self.received.difference(&self.uncertain);
                certain
                    .next()
                    .map(|packet_id| format!("PUBREC {packet_id}"))
            })
    }
}

impl Oracle {
    fn port(&mut self, key: (TabId, PortNo)) -> Option<&mut Port> {
        self.tabs.get_mut(&key.0)?.ports.get_mut(&key.1)
    }

    /// Protocol version of the client of an open port.
    pub(crate) fn port_version(&self, tab: TabId, no: PortNo) -> Option<ProtocolVersion> {
        let port = self.tabs.get(&tab)?.ports.get(&no)?;
        Some(port.version)
    }

    // The client.

    pub(crate) fn on_port_opened(
        &mut self,
        tab: TabId,
        no: PortNo,
        client_id: String,
        version: ProtocolVersion,
    ) {
        self.tally.ports_opened += 1;
        self.tally.ports_v311 += u64::from(version == ProtocolVersion::V311);
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.ports.insert(no, Port::new(client_id, version));
        }
    }

    /// The tab has received the page's close.
    pub(crate) fn on_port_closed_by_page(&mut self, now: Time, tab: TabId, no: PortNo) {
        let now = self.moment(now);
        if self.end_port(now, tab, no).is_some() {
            self.tally.ports_closed_by_page += 1;
        }
    }

    fn end_port(&mut self, now: Moment, tab: TabId, no: PortNo) -> Option<Port> {
        let port = self.tabs.get_mut(&tab)?.ports.remove(&no)?;
        self.tally.port_obligations_void += port.obligations();
        let key = ClientKey::of_port(tab, no);
        for published in self.messages.values_mut() {
            if published.publisher == key {
                published.abandon(now);
            }
        }
        Some(port)
    }

    pub(crate) fn on_port_action(&mut self, now: Time, tab: TabId, no: PortNo, action: &Action) {
        let now = self.moment(now);
        let term = self.term();
        let Some(port) = self.port((tab, no)) else {
            return;
        };
        port.ask(action);
        let version = port.version;
        if let Action::Publish { id, packet } = action {
            let key = ClientKey::of_port(tab, no);
            let publication = publication(*id, packet, version);
            let published = Published::at_port(key, publication, now, term);
            self.messages.insert(*id, published);
        }
    }

    pub(crate) fn on_port_sent(&mut self, tab: TabId, no: PortNo, bytes: usize) {
        if let Some(port) = self.port((tab, no)) {
            port.sent += bytes;
        }
    }

    // The tab.

    pub(crate) fn on_port_taken(
        &mut self,
        tab: TabId,
        no: PortNo,
        bytes: usize,
    ) -> Result<(), Violation> {
        let key = ClientKey::of_port(tab, no);
        let port = self.port((tab, no));
        let port = port.ok_or(Violation::PortPacketAfterClose { port: key })?;
        port.taken += bytes;
        let (sent, taken) = (port.sent, port.taken);
        if taken > sent {
            let port = key;
            return Err(Violation::PortBytesNotConsumed { port, sent, taken });
        }
        Ok(())
    }

    /// The tab has closed a port.
    pub(crate) fn on_port_closed(
        &mut self,
        now: Time,
        tab: TabId,
        no: PortNo,
    ) -> Result<(), Violation> {
        let now = self.moment(now);
        let key = ClientKey::of_port(tab, no);
        let may_end = self.may_end_port(now, tab, no);
        let port = self.end_port(now, tab, no);
        let port = port.ok_or(Violation::PortPacketAfterClose { port: key })?;
        self.check_copies(key, &port)?;
        if port.is_wrong {
            self.tally.ports_malformed += 1;
        } else if port.is_leaving {
            self.tally.ports_disconnected += 1;
        } else if may_end {
            self.tally.ports_ended_by_tab += 1;
        } else {
            return Err(Violation::PortClosedUnexpectedly {
                port: key,
                reason: port.reason,
            });
        }
        Ok(())
    }

    /// Whether the tab may close a port without its client's request.
    fn may_end_port(&self, now: Moment, tab: TabId, no: PortNo) -> bool {
        const QUOTA_EXCEEDED: u8 = 0x97;
        const SERVER_SHUTTING_DOWN: u8 = 0x8B;
        let Some(view) = self.tabs.get(&tab) else {
            return true;
        };
        let Some(port) = view.ports.get(&no) else {
            return true;
        };
        let is_full = self.may_be_full(now);
        let is_excused = is_full
            || self.loss_term.is_some()
            || !self.plan.is_gentle()
            || view.health.was_impaired
            || view.disrupted_until != Time::default();
        let has_moved = port
            .accepted
            .flatten()
            .is_none_or(|term| view.followed() != Some(term));
        let may_lose_session = match self.plan.guarantee {
            Guarantee::Durable => is_excused,
            Guarantee::Memory => has_moved,
            Guarantee::Recovery => true,
        };
        match (port.version, port.reason) {
            (_, Some(SERVER_SHUTTING_DOWN)) => may_lose_session,
            (_, Some(QUOTA_EXCEEDED)) => is_full,
            (_, Some(_)) => false,
            // Only MQTT 5.0 has a reason code for it, and only after CONNACK.
            (ProtocolVersion::V5, None) => port.accepted.is_none() && is_full,
            (ProtocolVersion::V31 | ProtocolVersion::V311, None) => is_full || may_lose_session,
        }
    }

    /// A message of any publisher was acknowledged. Every subscribed port must get it.
    pub(super) fn add_port_obligations(&mut self, id: MessageId) {
        let Some(published) = self.messages.get(&id) else {
            return;
        };
        if self.plan.guarantee == Guarantee::Recovery || published.is_exempt {
            return;
        }
        for port in self.tabs.values_mut().flat_map(|it| it.ports.values_mut()) {
            if !port.must_get(published, published.since) {
                continue;
            }
            match port.has_got(id) {
                true => self.tally.port_obligations_met += 1,
                false => drop(port.obligations.insert(id)),
            }
        }
    }

    /// Checks the number of copies of each message. It runs at the end, because within one turn of a tab's loop ports
    /// get messages before publishers get notices.
    fn check_copies(&self, key: ClientKey, port: &Port) -> Result<(), Violation> {
        let may_outlive_broker = self.may_outlive_brokers();
        for ((message, qos), copies) in &port.copies {
            let allowed = match (qos, self.messages.get(message)) {
                // A message whose acknowledgement the previous broker did not get is sent again.
                (QoS::AtLeastOnce, _) | (_, None) => u32::MAX,
                (QoS::AtMostOnce | QoS::ExactlyOnce, Some(it)) => {
                    it.copies_max(*qos, may_outlive_broker)
                }
            };
            if *copies > allowed {
                return Err(Violation::TooManyCopies {
                    client: key,
                    message: *message,
                    qos: *qos,
                    copies: *copies,
                    allowed,
                });
            }
        }
        Ok(())
    }

    /// Earlier acknowledgements to ports cannot be relied on.
    pub(super) fn mark_ports_uncertain(&mut self) {
        let views = self.tabs.values_mut();
        views
            .flat_map(|view| view.ports.values_mut())
            .for_each(Port::mark_uncertain);
    }

    /// A message may be gone.
    pub(super) fn exempt_at_ports(&mut self, message: MessageId) {
        for port in self.tabs.values_mut().flat_map(|it| it.ports.values_mut()) {
            port.obligations.remove(&message);
        }
    }

    // The recovery phase.

    /// Every port has its answers, and is closed if its client has ended.
    pub(crate) fn check_ports(&self) -> Result<(), Violation> {
        for (key, port) in self.ports() {
            let (sent, taken) = (port.sent, port.taken);
            if port.is_malformed || port.is_leaving {
                return Err(Violation::PortNotClosed { port: key });
            }
            if port.is_wrong {
                continue;
            }
            if let Some(what) = port.open_request() {
                return Err(Violation::PortUnanswered { port: key, what });
            }
            if sent != taken {
                let port = key;
                return Err(Violation::PortBytesNotConsumed { port, sent, taken });
            }
        }
        Ok(())
    }

    /// Every open port has got all messages that must arrive.
    pub(crate) fn check_port_obligations(&mut self) -> Result<(), Violation> {
        let tabs: Vec<TabId> = self.tabs.keys().copied().collect();
        for tab in tabs {
            self.check_port_order(tab)?;
        }
        let mut moved = 0;
        for (key, port) in self.ports() {
            self.check_copies(key, port)?;
            if let Some(message) = port.obligations.first() {
                return Err(Violation::PortMessageLost {
                    port: key,
                    message: *message,
                });
            }
            moved += u64::from(port.accepted.is_some_and(|term| term != self.term()));
        }
        self.tally.ports_kept += moved;
        Ok(())
    }

    fn ports(&self) -> impl Iterator<Item = (ClientKey, &Port)> {
        self.tabs.iter().flat_map(|(tab, view)| {
            let ports = view.ports.iter();
            ports.map(|(no, port)| (ClientKey::of_port(*tab, *no), port))
        })
    }
}

const fn qos_of(qos: broker::QoS) -> QoS {
    match qos {
        broker::QoS::AtMostOnce => QoS::AtMostOnce,
        broker::QoS::AtLeastOnce => QoS::AtLeastOnce,
        broker::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

/// A port's message as its receivers get it.
fn publication(id: MessageId, packet: &PublishPacket, version: ProtocolVersion) -> Publication {
    let mut properties = MessageProperties::default();
    if version == ProtocolVersion::V5 {
        properties.user_properties = vec![(ID_PROPERTY.to_owned(), id.to_string())];
    }
    Publication {
        topic: packet.topic_name.clone(),
        payload: packet.payload.to_vec(),
        qos: qos_of(packet.qos),
        retain: false,
        properties,
    }
}
