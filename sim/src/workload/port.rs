//! The workload behind a port: a page's own MQTT stack, which sends and receives bytes.
//!
//! It is sans-IO: packets and turns go in, bytes come out. It speaks MQTT 5.0 or 3.1.1, reads at once or slowly, and
//! cuts its packets anywhere. It respects its window, and sometimes violates the protocol.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use broker::codec::{self, ProtocolVersion};
use broker::packet::connect::ConnectPacket;
use broker::packet::disconnect::DisconnectPacket;
use broker::packet::puback::PubAckPacket;
use broker::packet::pubcomp::PubCompPacket;
use broker::packet::publish::PublishPacket;
use broker::packet::pubrec::PubRecPacket;
use broker::packet::pubrel::PubRelPacket;
use broker::packet::subscribe::{SubscribePacket, TopicFilter};
use broker::packet::subscribe_options::SubscriptionOptions;
use broker::packet::unsubscribe::UnsubscribePacket;
use broker::{Packet, Properties, QoS, ReasonCode};

use crate::prng::Prng;
use crate::workload::message_id::{ID_PROPERTY, MessageId};
use crate::workload::page::{TOPIC_FILTERS, TOPICS};

/// Maximum number of pending requests. No broker of any world allows fewer.
const IN_FLIGHT_MAX: usize = 3;

/// Reason codes from here on are errors.
const ERRORS: u8 = 0x80;

/// An action of the client, as the oracle observes it.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Connect,
    Publish {
        id: MessageId,
        packet: PublishPacket,
    },
    Release(u16),
    Subscribe {
        packet_id: u16,
        filter: String,
        qos: QoS,
    },
    Unsubscribe {
        packet_id: u16,
        filter: String,
    },
    Ping,
    /// The client sends DISCONNECT.
    Disconnect,
    /// Malformed bytes.
    Malformed,
    /// A packet that a client must not send.
    Misuse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Connecting,
    Connected,
    /// It sends nothing more.
    Over,
}

/// The client of one open port.
#[derive(Debug)]
pub(crate) struct Port {
    prng: Prng,
    version: ProtocolVersion,
    client_id: String,
    page: u32,
    /// The client number in its message ids.
    client: u32,
    state: State,
    is_slow: bool,
    /// Maximum number of bytes that the tab has not consumed.
    window: usize,
    last_message: u64,
    last_packet_id: u16,
    /// Packet identifiers of pending requests.
    in_flight: BTreeMap<u16, QoS>,
    /// Topic filters that it has subscribed to.
    filters: BTreeSet<String>,
    inbox: VecDeque<Packet>,
    outbox: VecDeque<u8>,
    untaken: usize,
    /// Time at which the last bytes arrive at the tab.
    pub(crate) last_us: u64,
    pub(crate) is_tick_due: bool,
}

impl Port {
    pub(crate) fn new(mut prng: Prng, page: u32, no: u32, client: u32) -> Self {
        Self {
            version: prng.one_of([
                ProtocolVersion::V5,
                ProtocolVersion::V5,
                ProtocolVersion::V311,
            ]),
            client_id: format!("port-{page}-{no}"),
            page,
            client,
            state: State::New,
            is_slow: prng.chance(300),
            window: prng.one_of([300, 4_000, usize::MAX]),
            last_message: 0,
            last_packet_id: 0,
            in_flight: BTreeMap::new(),
            filters: BTreeSet::new(),
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            untaken: 0,
            last_us: 0,
            is_tick_due: false,
            prng,
        }
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(crate) fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Microseconds until it reads new packets.
    pub(crate) fn reads_in_us(&mut self) -> u64 {
        let late_us = if self.is_slow { 200_000 } else { 2_000 };
        self.prng.between(0, late_us)
    }

    /// Reads at once from now on. Otherwise the amount of queued packets would decide what arrives by the end.
    pub(crate) fn read_at_once(&mut self) {
        self.is_slow = false;
    }

    pub(crate) fn on_packet(&mut self, packet: Packet) {
        self.inbox.push_back(packet);
    }

    pub(crate) fn on_taken(&mut self, bytes: usize) {
        self.untaken = self.untaken.saturating_sub(bytes);
    }

    /// Reads and answers packets. A slow client reads only some.
    pub(crate) fn read(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        let most = if self.is_slow { 3 } else { usize::MAX };
        for _ in 0..most.min(self.inbox.len()) {
            if let Some(packet) = self.inbox.pop_front() {
                self.answer(&packet, &mut actions);
            }
        }
        actions
    }

    pub(crate) fn has_unread(&self) -> bool {
        !self.inbox.is_empty()
    }

    fn answer(&mut self, packet: &Packet, actions: &mut Vec<Action>) {
        if self.state == State::Over {
            return;
        }
        match packet {
            Packet::ConnAck(it) if it.reason_code == ReasonCode::Success => {
                self.state = State::Connected;
            }
            Packet::Publish(it) => match (it.qos, it.packet_id) {
                (QoS::AtLeastOnce, Some(id)) => self.queue(&Packet::PubAck(PubAckPacket::new(id))),
                (QoS::ExactlyOnce, Some(id)) => self.queue(&Packet::PubRec(PubRecPacket::new(id))),
                (QoS::AtMostOnce, _) | (_, None) => {}
            },
            Packet::PubRel(it) => self.queue(&Packet::PubComp(PubCompPacket::new(it.packet_id))),
            Packet::PubRec(it) if u8::from(it.reason_code) < ERRORS => {
                self.queue(&Packet::PubRel(PubRelPacket::new(it.packet_id)));
                actions.push(Action::Release(it.packet_id));
            }
            Packet::PubRec(it) => drop(self.in_flight.remove(&it.packet_id)),
            Packet::PubAck(it) => drop(self.in_flight.remove(&it.packet_id)),
            Packet::PubComp(it) => drop(self.in_flight.remove(&it.packet_id)),
            Packet::SubAck(it) => drop(self.in_flight.remove(&it.packet_id)),
            Packet::UnsubAck(it) => drop(self.in_flight.remove(&it.packet_id)),
            _ => {}
        }
    }

    /// The client's next action of its own.
    pub(crate) fn next_action(&mut self) -> Option<Action> {
        match self.state {
            State::New => {
                let connect = self.connect();
                self.queue(&connect);
                self.state = State::Connecting;
                Some(Action::Connect)
            }
            State::Connecting | State::Over => None,
            State::Connected => match self.prng.between(0, 99) {
                0..2 => {
                    self.queue(&Packet::Disconnect(DisconnectPacket::new(
                        ReasonCode::Success,
                    )));
                    self.state = State::Over;
                    Some(Action::Disconnect)
                }
                2 => {
                    self.state = State::Over;
                    Some(self.violate())
                }
                3..10 => self.ping(),
                _ if self.in_flight.len() >= IN_FLIGHT_MAX => None,
                10..30 => self.subscribe(),
                30..38 => self.unsubscribe(),
                _ => self.publish(),
            },
        }
    }

    /// Sends PINGREQ, as a client does after a silence.
    pub(crate) fn ping(&mut self) -> Option<Action> {
        if self.state != State::Connected {
            return None;
        }
        self.queue(&Packet::PingReq);
        Some(Action::Ping)
    }

    fn connect(&mut self) -> Packet {
        let mut properties = Properties::new();
        if self.version == ProtocolVersion::V5 {
            properties.set_session_expiry_interval(self.prng.one_of([0, 0, 30]));
            if self.prng.chance(500) {
                properties.set_receive_maximum(self.prng.one_of([4, 32]));
            }
        }
        Packet::Connect(Box::new(ConnectPacket {
            protocol_version: match self.version {
                ProtocolVersion::V5 => 5,
                ProtocolVersion::V311 => 4,
                ProtocolVersion::V31 => 3,
            },
            clean_start: true,
            // A stall of the tab would also silence the client.
            keep_alive: 0,
            client_id: self.client_id.clone(),
            username: None,
            password: None,
            will: None,
            properties,
            will_properties: Properties::new(),
        }))
    }

    fn subscribe(&mut self) -> Option<Action> {
        let filter = self.prng.one_of(TOPIC_FILTERS).to_owned();
        let qos = self
            .prng
            .one_of([QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
        let packet_id = self.packet_id()?;
        let mut packet = SubscribePacket::new(packet_id);
        packet.filters.push(TopicFilter {
            filter: filter.clone(),
            options: SubscriptionOptions {
                qos,
                ..SubscriptionOptions::default()
            },
        });
        self.queue(&Packet::Subscribe(packet));
        self.in_flight.insert(packet_id, qos);
        self.filters.insert(filter.clone());
        Some(Action::Subscribe {
            packet_id,
            filter,
            qos,
        })
    }

    fn unsubscribe(&mut self) -> Option<Action> {
        let filters: Vec<String> = self.filters.iter().cloned().collect();
        let filter = self.prng.pick(&filters)?.clone();
        let packet_id = self.packet_id()?;
        let mut packet = UnsubscribePacket::new(packet_id);
        packet.filters.push(filter.clone());
        self.queue(&Packet::Unsubscribe(packet));
        self.in_flight.insert(packet_id, QoS::AtMostOnce);
        self.filters.remove(&filter);
        Some(Action::Unsubscribe { packet_id, filter })
    }

    fn publish(&mut self) -> Option<Action> {
        let topic = self.prng.one_of(TOPICS);
        let qos = self
            .prng
            .one_of([QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce | QoS::ExactlyOnce => Some(self.packet_id()?),
        };
        self.last_message += 1;
        let id = MessageId::new(self.page, self.client, self.last_message);
        let mut payload = id.to_string().into_bytes();
        payload.resize(payload.len() + self.prng.one_of([0, 10, 300]), b'.');
        let mut packet = PublishPacket::new(topic, payload, qos);
        packet.packet_id = packet_id;
        if self.version == ProtocolVersion::V5 {
            let properties = &mut packet.properties;
            properties.add_user_property(ID_PROPERTY.to_owned(), id.to_string());
        }
        self.queue(&Packet::Publish(packet.clone()));
        if let Some(packet_id) = packet_id {
            self.in_flight.insert(packet_id, qos);
        }
        Some(Action::Publish { id, packet })
    }

    /// Violates the protocol.
    fn violate(&mut self) -> Action {
        // No packet has type 0 or QoS 3, and only a broker sends PINGRESP.
        const TYPE_0: &[u8] = &[0x00, 0x00];
        const QOS_3: &[u8] = &[0x36, 0x05, 0x00, 0x01, b'a', 0x00, 0x01];
        const PINGRESP: &[u8] = &[0xD0, 0x00];
        match self.prng.between(0, 3) {
            0 => {
                let connect = self.connect();
                self.queue(&connect);
                Action::Misuse
            }
            1 => {
                self.outbox.extend(PINGRESP);
                Action::Misuse
            }
            2 => {
                self.outbox.extend(TYPE_0);
                Action::Malformed
            }
            _ => {
                self.outbox.extend(QOS_3);
                Action::Malformed
            }
        }
    }

    /// The next free packet identifier.
    fn packet_id(&mut self) -> Option<u16> {
        const IDS: u16 = 9;
        (0..IDS).find_map(|_| {
            self.last_packet_id = self.last_packet_id % IDS + 1;
            let id = self.last_packet_id;
            (!self.in_flight.contains_key(&id)).then_some(id)
        })
    }

    fn queue(&mut self, packet: &Packet) {
        let mut bytes = Vec::new();
        // The client makes only packets that can be encoded.
        let _ = codec::encode(packet, self.version, &mut bytes);
        self.outbox.extend(bytes);
    }

    /// The next bytes for the tab, cut anywhere.
    pub(crate) fn send(&mut self) -> Option<Vec<u8>> {
        let room = self.window.saturating_sub(self.untaken);
        let most = self.outbox.len().min(room);
        if most == 0 {
            return None;
        }
        let count = match self.prng.chance(700) {
            true => most,
            false => usize::try_from(self.prng.between(1, most as u64)).unwrap_or(most),
        };
        self.untaken += count;
        Some(self.outbox.drain(..count).collect())
    }

    /// Microseconds until bytes arrive at the tab.
    pub(crate) fn delay_us(&mut self) -> u64 {
        self.prng.between(20, 1_000)
    }
}
