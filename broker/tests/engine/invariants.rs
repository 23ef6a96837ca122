//! Random valid clients of MQTT 5.0 and 3.1.1 over networks that lose packets in transit. Every accepted message reaches
//! every subscribed session as often as its QoS promises, in order and within the limits of the client. It reaches one
//! member of every group of a shared subscription.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use broker::codec::{self, ProtocolVersion};
use broker::packet::disconnect::DisconnectPacket;
use broker::packet::publish::PublishPacket;
use broker::{
    Config, ConnId, Input, Output, Packet, QoS, ReasonCode, Time, TopicFilter, TopicName,
};

use crate::harness::*;
use crate::random::Random;
use crate::stored::Stored;

const CLIENTS: usize = 4;
const STEPS: usize = 600;
const SERVER_RECEIVE_MAXIMUM: usize = 3;
const TOPICS: [&str; 3] = ["t", "t/a", "t/b"];
const FILTERS: [&str; 5] = ["t", "t/a", "t/+", "t/#", "#"];
/// Shared subscriptions: their filter, the QoS they are granted, and a topic that matches no other filter.
const GROUPS: [(&str, QoS, &str); 2] = [
    ("$share/g/$g/+", QOS2, "$g/a"),
    ("$share/h/$h/#", QOS1, "$h"),
];

#[test]
fn every_accepted_message_arrives_as_its_qos_promises() {
    let (mut promised, mut may_be_lost) = (0, 0);
    for seed in 1..=150 {
        let mut world = Chaos::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.settle();
        world.judge();
        let shared = world.shared.values().filter(|message| message.qos > 0);
        let (lost, kept): (Vec<_>, Vec<_>) = shared.partition(|message| message.may_be_lost);
        promised += kept.len();
        may_be_lost += lost.len();
    }
    // Otherwise the test would prove little about groups.
    assert!(
        promised > 1_000 && promised > may_be_lost,
        "{promised} of {}",
        promised + may_be_lost
    );
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let run = || {
        let mut world = Chaos::new(99);
        (0..STEPS).for_each(|_| world.step());
        world.trace
    };
    assert!(run() == run());
}

/// A message of the client. Its payload is its number.
#[derive(Clone)]
struct Outgoing {
    packet_id: u16,
    number: u32,
    topic: &'static str,
    qos: QoS,
    /// Whether PUBREC has arrived, so only the release is missing.
    received: bool,
}

/// A message for one member of a group.
struct Shared {
    group: usize,
    qos: u8,
    /// The last client that got it.
    member: Option<usize>,
    /// The number of deliveries to members, without repeats of a QoS 2 message.
    delivered: usize,
    /// Whether it may be lost: the group had no members for a while, or the session ended that was receiving it with
    /// QoS 2.
    may_be_lost: bool,
}

#[derive(Default)]
struct Client {
    conn: Option<ConnId>,
    has_session: bool,
    /// Whether the session ends with its connection.
    is_clean: bool,
    /// Packets in transit to the client.
    inbox: VecDeque<Packet>,
    /// Packets in transit to the broker.
    outbox: VecDeque<Packet>,
    /// Its unacknowledged QoS 1 and QoS 2 publications, in order.
    outgoing: Vec<Outgoing>,
    last_packet_id: u16,
    /// QoS 2 messages that it has received and that are not released.
    unreleased: BTreeSet<u16>,
    delivered: BTreeMap<u8, Vec<u32>>,
    receive_maximum: usize,

    // The session as the broker must have it.
    subscriptions: BTreeMap<&'static str, QoS>,
    /// QoS 2 messages that the broker has accepted and that the client has not released.
    accepted: BTreeSet<u16>,
    /// The messages that the broker must deliver.
    expected: BTreeMap<u8, Vec<u32>>,
    /// Messages sent on this connection without a final acknowledgement.
    in_flight: BTreeSet<u16>,
}

struct Chaos {
    random: Random,
    broker: Stored,
    now: Time,
    clients: Vec<Client>,
    /// The client and the version of each connection.
    owners: BTreeMap<ConnId, (usize, ProtocolVersion)>,
    last_conn: u64,
    last_number: u32,
    /// By number.
    shared: BTreeMap<u32, Shared>,
    /// Everything that the broker sent and closed, as bytes.
    trace: Vec<u8>,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            broker: Stored::new(Config {
                durable: DURABLE,
                receive_maximum: SERVER_RECEIVE_MAXIMUM as u16,
                queue_messages_max: usize::MAX,
                at_once_max: 1,
                ..Config::default()
            }),
            now: Time::from_ms(1_000_000),
            clients: (0..CLIENTS).map(|_| Client::default()).collect(),
            owners: BTreeMap::new(),
            last_conn: 0,
            last_number: 0,
            shared: BTreeMap::new(),
            trace: Vec::new(),
        }
    }

    fn step(&mut self) {
        let who = self.random.below(CLIENTS);
        if self.clients[who].conn.is_none() {
            if self.random.one_in(3) {
                self.connect(who);
            }
            return;
        }
        match self.random.below(60) {
            0 => self.lose(who),
            1 => {
                let conn = self.clients[who].conn.unwrap();
                self.tell(Input::Packet(
                    conn,
                    Packet::Disconnect(DisconnectPacket::normal()),
                ));
                assert_eq!(self.clients[who].conn, None);
            }
            2 => self.connect(who),
            3..6 => {
                let ms = self.random.below(5_000) as u64;
                self.now = self.now.plus_ms(ms);
                self.tell(Input::Timeout);
                assert!(self.broker.next_timeout().is_none_or(|at| at > self.now));
            }
            6..11 => self.subscribe(who),
            11..21 => self.publish(who),
            21..40 => self.read(who),
            _ => self.write(who),
        }
    }

    /// Connects with a random version, and sometimes with Clean Start.
    fn connect(&mut self, who: usize) {
        let version = match self.random.one_in(2) {
            true => ProtocolVersion::V5,
            false => ProtocolVersion::V311,
        };
        let clean_start = self.random.one_in(8);
        self.connect_with(who, version, clean_start);
    }

    /// Opens a connection, taking over an old one if there is one.
    fn connect_with(&mut self, who: usize, version: ProtocolVersion, clean_start: bool) {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        let client_id = format!("client {who}");
        let mut receive_maximum = usize::MAX;
        let mut connect = match version {
            ProtocolVersion::V5 => lasting(&client_id, u32::MAX),
            ProtocolVersion::V31 | ProtocolVersion::V311 => lasting_311(&client_id),
        };
        connect.clean_start = clean_start;
        if version == ProtocolVersion::V5 {
            receive_maximum = 1 + self.random.below(4);
            connect
                .properties
                .set_receive_maximum(receive_maximum as u16);
        }
        if clean_start || self.clients[who].is_clean {
            self.end_session(who);
        }
        self.tell(Input::Opened(conn));
        // Nothing is sent to a client before its CONNACK, but its old connection may be closed.
        self.owners.insert(conn, (who, version));
        let client = &mut self.clients[who];
        let expects_session = client.has_session;
        client.has_session = true;
        client.receive_maximum = receive_maximum;
        client.in_flight.clear();
        self.tell(Input::Packet(conn, connect.packet()));
        let client = &mut self.clients[who];
        assert_eq!(client.conn, Some(conn));
        client.is_clean = clean_start && version == ProtocolVersion::V311;
        let Some(Packet::ConnAck(connack)) = client.inbox.pop_front() else {
            panic!("no CONNACK")
        };
        assert_eq!(connack.reason_code, ReasonCode::Success);
        assert_eq!(connack.session_present, expects_session);
        let again: Vec<Packet> = client
            .outgoing
            .iter()
            .map(|message| match message.received {
                true => pubrel(message.packet_id).packet(),
                false => Self::packet(message, true),
            })
            .collect();
        client.outbox.extend(again);
    }

    /// Notes that the session of a client ends now or with the next packet, before its connection does.
    fn end_session(&mut self, who: usize) {
        let client = &mut self.clients[who];
        *client = Client {
            conn: client.conn,
            last_packet_id: client.last_packet_id,
            ..Client::default()
        };
        for message in self.shared.values_mut() {
            let had_begun = message.qos == 2 && message.member == Some(who);
            message.may_be_lost |= had_begun && message.delivered == 0;
        }
        self.excuse_groups_without_members();
    }

    fn excuse_groups_without_members(&mut self) {
        for (group, (filter, ..)) in GROUPS.iter().enumerate() {
            let mut clients = self.clients.iter();
            if clients.all(|client| !client.subscriptions.contains_key(filter)) {
                let messages = self.shared.values_mut();
                messages
                    .filter(|message| message.group == group && message.delivered == 0)
                    .for_each(|message| message.may_be_lost = true);
            }
        }
    }

    fn lose(&mut self, who: usize) {
        let conn = self.clients[who].conn.unwrap();
        self.disconnected(conn);
        self.tell(Input::Gone(conn));
    }

    fn disconnected(&mut self, conn: ConnId) {
        if let Some((who, _)) = self.owners.remove(&conn) {
            let client = &mut self.clients[who];
            client.conn = None;
            client.inbox.clear();
            client.outbox.clear();
            if client.is_clean {
                self.end_session(who);
            }
        }
    }

    fn subscribe(&mut self, who: usize) {
        let (filter, qos) = match self.random.one_in(2) {
            true => {
                let (filter, qos, _) = GROUPS[self.random.below(GROUPS.len())];
                (filter, qos)
            }
            false => {
                let filter = FILTERS[self.random.below(FILTERS.len())];
                (filter, QoS::from(self.random.below(3) as u8))
            }
        };
        let packet_id = self.free_packet_id(who);
        let packet = match self.random.one_in(3) {
            true => unsubscribe(packet_id, filter).packet(),
            false => subscribe(packet_id, filter, qos).packet(),
        };
        self.clients[who].outbox.push_back(packet);
    }

    fn publish(&mut self, who: usize) {
        let qos = QoS::from(self.random.below(3) as u8);
        if qos != QOS0 && self.clients[who].outgoing.len() >= SERVER_RECEIVE_MAXIMUM {
            return;
        }
        self.last_number += 1;
        let topic = match self.random.one_in(3) {
            true => GROUPS[self.random.below(GROUPS.len())].2,
            false => TOPICS[self.random.below(TOPICS.len())],
        };
        let message = Outgoing {
            packet_id: self.free_packet_id(who),
            number: self.last_number,
            topic,
            qos,
            received: false,
        };
        let client = &mut self.clients[who];
        client.outbox.push_back(Self::packet(&message, false));
        if qos != QOS0 {
            client.outgoing.push(message);
        }
    }

    fn packet(message: &Outgoing, dup: bool) -> Packet {
        let payload = message.number.to_string();
        let publish = PublishPacket::new(message.topic, payload, message.qos);
        publish
            .with_packet_id(message.packet_id)
            .with_dup(dup)
            .packet()
    }

    fn free_packet_id(&mut self, who: usize) -> u16 {
        let client = &mut self.clients[who];
        loop {
            client.last_packet_id = client.last_packet_id % 50 + 1;
            if client
                .outgoing
                .iter()
                .all(|message| message.packet_id != client.last_packet_id)
            {
                return client.last_packet_id;
            }
        }
    }

    /// The client takes the next packet from the network.
    fn read(&mut self, who: usize) {
        let client = &mut self.clients[who];
        match client.inbox.pop_front() {
            Some(Packet::Publish(publish)) => {
                let number = number_of(&publish);
                let mut is_new = true;
                match publish.packet_id {
                    Some(packet_id) if publish.qos == QOS2 => {
                        is_new = client.unreleased.insert(packet_id);
                        assert!(
                            is_new || publish.dup,
                            "{packet_id} is used for two messages"
                        );
                        client.outbox.push_back(pubrec(packet_id).packet());
                    }
                    Some(packet_id) => {
                        assert!(
                            !client.unreleased.contains(&packet_id),
                            "{packet_id} is used for two messages"
                        );
                        client.outbox.push_back(puback(packet_id).packet());
                    }
                    None => {}
                }
                if let Some(message) = self.shared.get_mut(&number) {
                    message.delivered += usize::from(is_new);
                } else if is_new {
                    let of_qos = client.delivered.entry(publish.qos.into());
                    of_qos.or_default().push(number);
                }
            }
            Some(Packet::PubRel(pubrel)) => {
                client.unreleased.remove(&pubrel.packet_id);
                client.outbox.push_back(pubcomp(pubrel.packet_id).packet());
            }
            Some(Packet::PubAck(puback)) => client
                .outgoing
                .retain(|message| message.packet_id != puback.packet_id),
            Some(Packet::PubRec(pubrec)) => {
                for message in &mut client.outgoing {
                    message.received |= message.packet_id == pubrec.packet_id;
                }
                client.outbox.push_back(pubrel(pubrec.packet_id).packet());
            }
            Some(Packet::PubComp(pubcomp)) => client
                .outgoing
                .retain(|message| message.packet_id != pubcomp.packet_id),
            Some(Packet::SubAck(_) | Packet::UnsubAck(_)) | None => {}
            Some(other) => panic!("{other:?}"),
        }
    }

    /// The broker takes the next packet from the network.
    fn write(&mut self, who: usize) {
        let client = &mut self.clients[who];
        let Some(packet) = client.outbox.pop_front() else {
            return;
        };
        let conn = client.conn.unwrap();
        match &packet {
            Packet::Publish(publish) => {
                let is_new =
                    publish.qos != QOS2 || client.accepted.insert(publish.packet_id.unwrap());
                if is_new {
                    self.expect(&publish.clone());
                }
            }
            Packet::PubRel(pubrel) => {
                client.accepted.remove(&pubrel.packet_id);
            }
            Packet::PubAck(puback) => {
                client.in_flight.remove(&puback.packet_id);
            }
            Packet::PubComp(pubcomp) => {
                client.in_flight.remove(&pubcomp.packet_id);
            }
            Packet::Subscribe(subscribe) => {
                for filter in &subscribe.filters {
                    let shared = GROUPS.iter().map(|(filter, ..)| filter);
                    let known = FILTERS.iter().chain(shared);
                    let known = known.copied().find(|known| *known == filter.filter);
                    client
                        .subscriptions
                        .insert(known.unwrap(), filter.options.qos);
                }
            }
            Packet::Unsubscribe(unsubscribe) => {
                client
                    .subscriptions
                    .retain(|filter, _| !unsubscribe.filters.iter().any(|gone| gone == filter));
                self.excuse_groups_without_members();
            }
            _ => {}
        }
        self.tell(Input::Packet(conn, packet));
    }

    /// Notes who must get a message that the broker is about to accept.
    fn expect(&mut self, publish: &PublishPacket) {
        let group = GROUPS
            .iter()
            .position(|(_, _, topic)| *topic == publish.topic_name);
        if let Some(group) = group {
            // A QoS 1 message that is sent again is another message, of the same number.
            let message = self.shared.entry(number_of(publish)).or_insert(Shared {
                group,
                qos: u8::from(publish.qos).min(GROUPS[group].1.into()),
                member: None,
                delivered: 0,
                may_be_lost: false,
            });
            message.may_be_lost = false;
            return self.excuse_groups_without_members();
        }
        let topic = TopicName::parse(&publish.topic_name).unwrap();
        for client in &mut self.clients {
            let granted = client
                .subscriptions
                .iter()
                .filter(|(filter, _)| TopicFilter::parse(filter).unwrap().matches(&topic))
                .map(|(_, &qos)| u8::from(qos))
                .max();
            if let Some(granted) = granted {
                let qos = granted.min(publish.qos.into());
                if qos > 0 || client.conn.is_some() {
                    client
                        .expected
                        .entry(qos)
                        .or_default()
                        .push(number_of(publish));
                }
            }
        }
    }

    fn tell(&mut self, mut input: Input) {
        let mut out = Vec::new();
        if let Input::Packet(conn, packet) = &mut input {
            let (_, version) = self.owners[conn];
            *packet = through_codec(packet, version);
        }
        self.broker.handle(self.now, input, &mut out);
        let sessions = self.broker.sessions().map(|session| session.bytes);
        assert_eq!(self.broker.session_bytes(), sessions.sum::<usize>());
        for output in out.into_iter().map(Output::whole) {
            match output {
                Output::Send(conn, packet) => {
                    self.trace.extend(conn.0.to_be_bytes());
                    let (_, version) = self.owners[&conn];
                    codec::encode(&packet, version, &mut self.trace).unwrap();
                    self.receive(conn, through_codec(&packet, version));
                }
                Output::Close(conn, reason) => {
                    assert!(
                        matches!(reason, ReasonCode::Success | ReasonCode::SessionTakenOver),
                        "{reason:?}"
                    );
                    self.trace.extend(conn.0.to_be_bytes());
                    self.disconnected(conn);
                }
                Output::Event(_) => {}
                Output::Publish(..) => unreachable!("every packet is whole"),
                Output::Persist(..) => panic!("it is stored already"),
            }
        }
    }

    fn receive(&mut self, conn: ConnId, packet: Packet) {
        let (who, version) = self.owners[&conn];
        let client = &mut self.clients[who];
        match &packet {
            Packet::ConnAck(_) => client.conn = Some(conn),
            Packet::Disconnect(_) => {
                assert_eq!(version, ProtocolVersion::V5, "3.1.1 has none from a server");
                return;
            }
            Packet::Publish(publish) => {
                if let Some(message) = self.shared.get_mut(&number_of(publish)) {
                    message.member = Some(who);
                }
                if let Some(packet_id) = publish.packet_id {
                    assert!(
                        client.in_flight.insert(packet_id),
                        "{packet_id} is in flight already"
                    );
                    assert!(
                        client.in_flight.len() <= client.receive_maximum,
                        "more than the Receive Maximum"
                    );
                }
            }
            _ => {}
        }
        client.inbox.push_back(packet);
    }

    /// All clients reconnect and finish their exchanges.
    fn settle(&mut self) {
        for who in 0..CLIENTS {
            if self.clients[who].conn.is_none() {
                self.connect(who);
            }
        }
        // Many more rounds than packets, but not endless.
        for _ in 0..100_000 {
            for who in 0..CLIENTS {
                self.read(who);
                self.write(who);
            }
            if self
                .clients
                .iter()
                .all(|client| client.inbox.is_empty() && client.outbox.is_empty())
            {
                return;
            }
        }
        panic!("packets are still in transit after 100,000 rounds");
    }

    fn judge(&mut self) {
        assert_eq!(self.broker.stats().messages_dropped, 0);
        for client in &self.clients {
            assert!(
                client.outgoing.is_empty()
                    && client.in_flight.is_empty()
                    && client.unreleased.is_empty()
            );
            let delivered = |qos| client.delivered.get(&qos).cloned().unwrap_or_default();
            let expected = |qos| client.expected.get(&qos).cloned().unwrap_or_default();
            assert_eq!(delivered(2), expected(2), "QoS 2: exactly once");
            assert_eq!(
                first_of_each(&delivered(1)),
                first_of_each(&expected(1)),
                "QoS 1: at least once"
            );
            let mut at_most = expected(0).into_iter();
            assert!(
                delivered(0)
                    .iter()
                    .all(|number| at_most.any(|next| next == *number)),
                "QoS 0: at most once"
            );
        }
        for (number, message) in &self.shared {
            let Shared { qos, delivered, .. } = *message;
            let promised = match qos {
                0 => delivered <= 1,
                1 => delivered >= 1 || message.may_be_lost,
                _ => delivered == 1 || (message.may_be_lost && delivered == 0),
            };
            assert!(promised, "{number} of QoS {qos} came {delivered} times");
        }
        for who in 0..CLIENTS {
            // Only MQTT 5.0 can end a session with DISCONNECT.
            self.connect_with(who, ProtocolVersion::V5, false);
            let conn = self.clients[who].conn.unwrap();
            let end = DisconnectPacket::normal().with_session_expiry_interval(0);
            self.tell(Input::Packet(conn, end.packet()));
        }
        let stats = self.broker.stats();
        assert_eq!(
            (stats.connections, stats.sessions, stats.subscriptions),
            (0, 0, 0)
        );
        assert_eq!(self.broker.next_timeout(), None);
    }
}

fn number_of(publish: &PublishPacket) -> u32 {
    std::str::from_utf8(&publish.payload)
        .unwrap()
        .parse()
        .unwrap()
}

fn first_of_each(numbers: &[u32]) -> Vec<u32> {
    let mut seen = BTreeSet::new();
    numbers
        .iter()
        .copied()
        .filter(|number| seen.insert(*number))
        .collect()
}
