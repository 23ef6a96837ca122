//! Checks the broker with any packets at any time. A script of bytes determines the steps: connections open and end, time
//! passes, and valid, almost valid and invalid packets arrive. For each script:
//!
//! - The broker sends nothing on a closed connection, before its CONNACK, or after a DISCONNECT, which closes it.
//! - A client never gets more unacknowledged messages than its Receive Maximum, two with one packet identifier, a packet
//!   above its Maximum Packet Size, or an unknown topic alias.
//! - After a timeout, the next one is later.
//! - No connection remains when the server shuts down.
//! - A durable broker sends no promise before it is stored, and a broker restored from the
//!   log is the same.
//! - When all sessions have ended and all retained messages are cleared, the broker is empty.

mod client;
mod packets;

use std::collections::{BTreeMap, BTreeSet};

use broker::access::{Permission, Rule, ScramCredentials, User, Users};
use broker::codec;
use broker::packet::Packet;
use broker::{
    Broker, Config, ConnId, Input, Output, PropertyId, PropertyValue, QoS, ReasonCode, Time,
};
use bytes::Bytes;

use super::wire::Fields;
use client::Connection;
use packets::{connect, other, publish, subscribe, unsubscribe};

const STEPS_MAX: usize = 2_000;
const CONNECTIONS: u64 = 6;
const CLIENT_IDS: [&str; 4] = ["", "a", "b", "c"];
const TOPICS: [&str; 8] = ["t", "t/a", "t/b", "t/a/b", "/", "u", "$SYS/x", ""];
const FILTERS: [&str; 16] = [
    "t",
    "t/a",
    "t/+",
    "t/#",
    "#",
    "+",
    "+/a/#",
    "/",
    "/+",
    "$SYS/#",
    "$share/g/t",
    "$share/g/t/#",
    "$share/h/#",
    "$share/h/t/+",
    "$share//t",
    "t#",
];
const AUTHENTICATION_DATA: [&str; 4] = [
    "n,,n=ann,r=nonce",
    "n,,n=bob,r=nonce",
    "c=biws,r=nonce,p=AAAA",
    "",
];
const WAITS_MS: [u64; 8] = [0, 1, 500, 999, 1_500, 10_000, 3_600_000, 1 << 42];
const INTERVALS_S: [u32; 4] = [0, 1, 20, u32::MAX];

/// Runs a script. Every second script has a durable broker.
pub fn check(script: &[u8]) {
    let durable = script.len() % 2 == 1;
    let mut script = Script(script);
    let mut world = World::new(&mut script, durable);
    world.run(script);
    world.check_log();
    world.leave_for_good();
    world.check_log();
}

/// Runs a script on a restored broker.
pub(crate) fn check_restored(broker: Broker, now: Time, script: &[u8]) {
    let mut world = World::of(broker, now);
    world.run(Script(script));
}

/// The snapshot of a broker that is restored from these bytes.
pub(crate) fn restore_and_snapshot(pieces: &[Vec<u8>], now: Time) -> Vec<Vec<u8>> {
    let pieces = pieces.iter().map(Vec::as_slice);
    let (broker, restored) = Broker::restore(Config::default(), Box::new(users()), pieces, now);
    assert_eq!((restored.skipped, &restored.errors[..]), (0, &[][..]));
    broker.snapshot()
}

/// The decisions of a script. After its end, each decision is the first choice.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }
}

/// All clients may connect. One user may authenticate, and one topic and filter are forbidden.
pub(crate) fn users() -> Users {
    let rules = [Permission::Publish, Permission::Subscribe]
        .map(|permission| Rule::deny(permission, "u").expect("a filter"));
    let mut users = Users::new().with_anonymous(true).with_rules(rules.into());
    users.add(User {
        username: "ann".into(),
        credentials: ScramCredentials::new(b"secret", b"salt", 1),
        rules: Vec::new(),
    });
    users
}

/// Limits of the broker. Half of the scripts have none.
fn limits(script: &mut Script<'_>) -> Config {
    let first = script.byte();
    if first & 1 == 0 {
        return Config::default();
    }
    let or_none = |is_set: bool, limit: usize| if is_set { limit } else { usize::MAX };
    Config {
        sessions_bytes_max: or_none(first & 2 != 0, 400),
        patterns_max: or_none(first & 4 != 0, 2),
        keep_alive_max_s: script.choose(&[0, 5]),
        clients_max: script.choose(&[usize::MAX, 2]),
        sessions_max: script.choose(&[usize::MAX, 2]),
        session_subscriptions_max: script.choose(&[usize::MAX, 2]),
        subscriptions_max: script.choose(&[usize::MAX, 3]),
        retained_messages_max: script.choose(&[usize::MAX, 1]),
        retained_bytes_max: script.choose(&[usize::MAX, 10]),
        queue_bytes_max: script.choose(&[usize::MAX, 40]),
        in_flight_max: script.choose(&[u16::MAX, 1]),
        publish_rate_max: script.choose(&[0, 3]),
        topic_bytes_max: script.choose(&[65_535, 3]),
        topic_levels_max: script.choose(&[usize::MAX, 2]),
        maximum_qos: script.choose(&[QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::AtMostOnce]),
        payload_format_checked: script.choose(&[false, true]),
        ..Config::default()
    }
}

struct World {
    broker: Broker,
    now: Time,
    maximum_packet_size: u32,
    connections: BTreeMap<ConnId, Connection>,
    client_ids: BTreeSet<String>,
    topics: BTreeSet<String>,
    /// Number of restored sessions and retained messages.
    restored: [usize; 2],
    /// The stored rows of a durable broker.
    log: Vec<Vec<u8>>,
}

impl World {
    fn new(script: &mut Script<'_>, durable: bool) -> Self {
        let maximum_packet_size = script.choose(&[1_000, 60]);
        let config = Config {
            receive_maximum: script.choose(&[2, 1, u16::MAX]),
            topic_alias_maximum: script.choose(&[2, 0]),
            outbound_topic_alias_maximum: script.choose(&[1, 0, u16::MAX]),
            queue_messages_max: script.choose(&[3, 0, 1_000]),
            session_expiry_interval_max_s: script.choose(&[u32::MAX, 10]),
            maximum_packet_size,
            durable,
            ..limits(script)
        };
        let broker = Broker::with_access(config, Box::new(users()));
        Self {
            maximum_packet_size,
            ..Self::of(broker, Time::from_ms(1_000_000))
        }
    }

    fn of(broker: Broker, now: Time) -> Self {
        let stats = broker.stats();
        Self {
            restored: [stats.sessions, stats.retained_messages],
            broker,
            now,
            maximum_packet_size: 1_000,
            connections: BTreeMap::new(),
            client_ids: BTreeSet::new(),
            topics: BTreeSet::new(),
            log: Vec::new(),
        }
    }

    fn run(&mut self, mut script: Script<'_>) {
        for _ in 0..STEPS_MAX {
            if script.is_over() {
                break;
            }
            self.step(&mut script);
        }
    }

    fn check_log(&self) {
        if self.log.is_empty() {
            return;
        }
        let stored = self.broker.snapshot();
        let restored = restore_and_snapshot(&self.log, self.now);
        // Retained messages that expire at this moment may still be in the snapshot.
        assert!(
            restored == stored || restored == restore_and_snapshot(&stored, self.now),
            "a restored broker differs"
        );
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let conn = ConnId(u64::from(script.byte()) % CONNECTIONS);
        match script.byte() % 18 {
            0 => self.open(conn),
            1 => self.gone(conn),
            2 => {
                self.now = self.now.plus_ms(script.choose(&WAITS_MS));
                self.timeout();
            }
            3 => self.now = self.now.plus_ms(script.choose(&WAITS_MS)),
            4 => {
                if let Some(at) = self.broker.next_timeout() {
                    self.now = self.now.max(at);
                }
                self.timeout();
            }
            5 => {
                let length = script.byte().into();
                self.bytes(conn, script.bytes(length));
            }
            6 | 7 => {
                if !self.connections.contains_key(&conn) {
                    self.open(conn);
                }
                self.bytes(conn, &connect(script));
            }
            8..=10 => self.bytes(conn, &publish(script)),
            11 | 12 => self.bytes(conn, &subscribe(script)),
            13 => self.bytes(conn, &unsubscribe(script)),
            14..=16 => {
                let reply = self.connections.get_mut(&conn);
                if let Some(reply) = reply.and_then(|connection| connection.replies.pop_front()) {
                    self.bytes(conn, &reply);
                }
            }
            _ => self.bytes(conn, &other(script)),
        }
    }

    fn open(&mut self, conn: ConnId) {
        self.connections.entry(conn).or_default();
        self.handle(Input::Opened(conn));
    }

    fn gone(&mut self, conn: ConnId) {
        self.connections.remove(&conn);
        self.handle(Input::Gone(conn));
    }

    fn timeout(&mut self) {
        self.handle(Input::Timeout);
        assert!(
            self.broker.next_timeout().is_none_or(|at| at > self.now),
            "the next timeout has passed"
        );
    }

    /// Gives the broker all packets in `bytes`, or a decoding error.
    fn bytes(&mut self, conn: ConnId, bytes: &[u8]) {
        let mut bytes = Bytes::copy_from_slice(bytes);
        loop {
            let version = self.connections.get(&conn).map(|c| c.version);
            let version = version.unwrap_or_default();
            match codec::decode(&mut bytes, version, self.maximum_packet_size) {
                Ok(Some(packet)) => {
                    self.note(conn, &packet);
                    self.handle(Input::Packet(conn, packet));
                }
                Ok(None) => return,
                Err(error) => return self.handle(Input::Malformed(conn, error)),
            }
        }
    }

    /// Records the parts of a received packet that the rules depend on.
    fn note(&mut self, conn: ConnId, packet: &Packet) {
        if let Packet::Connect(packet) = packet {
            self.client_ids.insert(packet.client_id.clone());
            self.topics
                .extend(packet.will.iter().map(|will| will.topic.clone()));
        }
        if let Packet::Publish(packet) = packet {
            self.topics.insert(packet.topic_name.clone());
        }
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        match packet {
            Packet::Connect(packet) if !connection.asked => connection.limits(packet),
            Packet::PubAck(ack) => drop(connection.in_flight.remove(&ack.packet_id)),
            Packet::PubRec(ack) if ack.reason_code.is_error() => {
                connection.in_flight.remove(&ack.packet_id);
            }
            Packet::PubComp(ack) => drop(connection.in_flight.remove(&ack.packet_id)),
            _ => {}
        }
    }

    fn handle(&mut self, input: Input) {
        let mut out = Vec::new();
        let gone = match input {
            Input::Gone(conn) => Some(conn),
            _ => None,
        };
        self.broker.handle(self.now, input, &mut out);
        for output in self.store(out).into_iter().map(Output::whole) {
            match output {
                Output::Send(conn, packet) => {
                    // The broker may still send due packets to a lost connection.
                    if gone == Some(conn) {
                        continue;
                    }
                    let Some(connection) = self.connections.get_mut(&conn) else {
                        panic!("{packet:?} to a closed connection");
                    };
                    connection.receive(&packet);
                    self.client_ids.extend(assigned_id(&packet));
                }
                Output::Close(conn, _) => {
                    let closed = self.connections.remove(&conn);
                    assert!(closed.is_some(), "closed twice");
                }
                Output::Event(event) => drop(event.to_string()),
                Output::Publish(..) => unreachable!("every packet is whole"),
                Output::Persist(..) => panic!("a second batch after the commit"),
            }
        }
        assert!(
            !self.connections.values().any(|connection| connection.over),
            "the broker does not close a connection that it must close"
        );
        let held = self.broker.sessions().map(|session| session.bytes);
        assert_eq!(self.broker.session_bytes(), held.sum::<usize>());
        let stats = self.broker.stats();
        let accepted = self.connections.values().filter(|c| c.accepted).count();
        assert_eq!(stats.connections, accepted);
        let nameless = self.connections.values().filter(|c| c.nameless).count();
        let [sessions, retained_messages] = self.restored;
        assert!(stats.sessions <= self.client_ids.len() + nameless + sessions);
        assert!(stats.connections <= stats.sessions);
        // Each restored session may have a will.
        assert!(stats.retained_messages <= self.topics.len() + retained_messages + sessions);
    }

    /// Stores the broker's batches, and returns all other outputs, including those that waited for the storage.
    fn store(&mut self, out: Vec<Output>) -> Vec<Output> {
        let mut others = Vec::new();
        let mut last = None;
        for output in out.into_iter().map(Output::whole) {
            match output {
                Output::Persist(batch, bytes) => {
                    self.log.push(bytes);
                    last = Some(batch);
                }
                Output::Send(_, ref packet) => {
                    let waits = last.is_some() && is_promise(packet);
                    assert!(!waits, "{packet:?} before it is stored");
                    others.push(output);
                }
                Output::Publish(..) | Output::Close(..) | Output::Event(_) => others.push(output),
            }
        }
        if let Some(batch) = last {
            let input = Input::Committed(batch);
            self.broker.handle(self.now, input, &mut others);
        }
        others
    }

    /// Ends all sessions and clears all retained messages. The broker must be empty then.
    fn leave_for_good(&mut self) {
        let conns: Vec<_> = self.connections.keys().copied().collect();
        // Some connections break before the server shuts down.
        for conn in conns.into_iter().filter(|ConnId(number)| number % 2 == 0) {
            self.gone(conn);
        }
        self.handle(Input::Shutdown);
        assert!(
            self.connections.is_empty(),
            "a connection remains after the shutdown"
        );
        for client_id in self.client_ids.clone() {
            self.visit(&client_id, None);
        }
        for topic in self.topics.clone() {
            if !topic.is_empty() {
                let clear = Fields::default().string(&topic).byte(0).packet(0x31);
                self.visit("janitor", Some(&clear));
            }
        }
        let stats = self.broker.stats();
        let left = (
            stats.connections,
            stats.sessions,
            stats.subscriptions,
            stats.retained_messages,
        );
        assert_eq!(left, (0, 0, 0, 0), "the broker is not empty");
        assert_eq!(
            self.broker.session_bytes(),
            0,
            "bytes are counted without a session"
        );
        assert_eq!(self.broker.next_timeout(), None, "a timeout remains");
    }

    /// Connects with a clean session that ends with its connection.
    fn visit(&mut self, client_id: &str, packet: Option<&[u8]>) {
        let connect = Fields::default()
            .string("MQTT")
            .byte(5)
            .byte(0x02)
            .two(0)
            .byte(0)
            .string(client_id);
        self.open(ConnId(0));
        self.client_ids.insert(client_id.to_owned());
        self.bytes(ConnId(0), &connect.packet(0x10));
        if let Some(packet) = packet {
            self.bytes(ConnId(0), packet);
        }
        self.gone(ConnId(0));
    }
}

/// Whether a packet is a promise that must be stored first.
fn is_promise(packet: &Packet) -> bool {
    match packet {
        Packet::ConnAck(packet) => packet.reason_code == ReasonCode::Success,
        Packet::Publish(packet) => packet.qos != QoS::AtMostOnce,
        Packet::PubAck(packet) => !packet.reason_code.is_error(),
        Packet::PubRec(packet) => !packet.reason_code.is_error(),
        Packet::SubAck(packet) => packet.reason_codes.iter().any(|code| code.is_success()),
        Packet::PubRel(_) | Packet::PubComp(_) | Packet::UnsubAck(_) => true,
        _ => false,
    }
}

fn assigned_id(packet: &Packet) -> Option<String> {
    let Packet::ConnAck(connack) = packet else {
        return None;
    };
    match connack.properties.get(PropertyId::AssignedClientIdentifier) {
        Some(PropertyValue::Utf8String(id)) => Some(id.clone()),
        _ => None,
    }
}
