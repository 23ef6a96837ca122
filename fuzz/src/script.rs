//! The broker with any packets at any time. A script of bytes says who does what: connections open and end, time
//! passes, packets come that make sense, that almost do, and that do not. Whatever it says,
//!
//! - nothing is sent on a connection that is not open, before its CONNACK, or after a DISCONNECT, which closes it,
//! - a client never has more unacknowledged messages than its Receive Maximum, two with one packet identifier, a packet
//!   above its Maximum Packet Size or a topic alias it cannot resolve,
//! - time that was waited for is over,
//! - no connection is left when the server shuts down,
//! - if the broker is durable, nothing that it promises leaves before it is stored, and a broker restored from what is
//!   stored is the same,
//! - and when everybody has left for good and every retained message is cleared, nothing is left in the broker.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use broker::access::{Permission, Rule, ScramCredentials, User, Users};
use broker::codec::{self, ProtocolVersion};
use broker::packet::Packet;
use broker::packet::connect::ConnectPacket;
use broker::packet::publish::PublishPacket;
use broker::{
    Broker, Config, ConnId, Input, Output, PropertyId, PropertyValue, QoS, ReasonCode, Time,
};
use bytes::Bytes;

use super::wire::Fields;

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

/// Runs a script: every other one on a broker that is durable.
pub fn check(script: &[u8]) {
    let durable = script.len() % 2 == 1;
    let mut script = Script(script);
    let mut world = World::new(&mut script, durable);
    world.run(script);
    world.check_log();
    world.leave_for_good();
    world.check_log();
}

/// Runs a script on a broker that was restored from anything.
pub(crate) fn check_restored(broker: Broker, now: Time, script: &[u8]) {
    let mut world = World::of(broker, now);
    world.run(Script(script));
}

/// The bytes of a broker's state.
pub(crate) fn restore_and_snapshot(pieces: &[Vec<u8>], now: Time) -> Vec<Vec<u8>> {
    let pieces = pieces.iter().map(Vec::as_slice);
    let (broker, restored) = Broker::restore(Config::default(), Box::new(users()), pieces, now);
    assert_eq!((restored.skipped, &restored.errors[..]), (0, &[][..]));
    broker.snapshot()
}

/// Decisions. When it is over, the first choice is taken.
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

/// Everybody is let in; one user may authenticate, and one topic and filter are closed.
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

/// Limits on how much there may be; half of the scripts have none.
fn limits(script: &mut Script<'_>) -> Config {
    if script.byte() & 1 == 0 {
        return Config::default();
    }
    Config {
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

/// A connection, as the client sees it.
#[derive(Default)]
struct Connection {
    version: ProtocolVersion,
    receive_maximum: usize,
    maximum_packet_size: usize,
    topic_alias_maximum: u16,
    /// Whether it named an Authentication Method.
    has_method: bool,
    /// Whether it brought no client identifier, and CONNACK cannot tell it which one it was given.
    nameless: bool,
    /// Whether it sent a CONNECT.
    asked: bool,
    /// Whether a CONNACK came, of any kind.
    answered: bool,
    accepted: bool,
    /// Whether it has to be closed now.
    over: bool,
    in_flight: BTreeSet<u16>,
    aliases: BTreeMap<u16, String>,
    /// What a good client does next.
    replies: VecDeque<Vec<u8>>,
}

struct World {
    broker: Broker,
    now: Time,
    maximum_packet_size: u32,
    connections: BTreeMap<ConnId, Connection>,
    client_ids: BTreeSet<String>,
    topics: BTreeSet<String>,
    /// Sessions and retained messages that were there before.
    restored: [usize; 2],
    /// What is stored, if the broker is durable.
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
        // What is retained for this moment only may be there still.
        assert!(
            restored == stored || restored == restore_and_snapshot(&stored, self.now),
            "a restored broker is not the same"
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
            "a timeout that is over"
        );
    }

    /// Hands over every packet of `bytes`, and what is none.
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

    /// What the rules depend on, of a packet that is about to come.
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
        for output in self.store(out) {
            match output {
                Output::Send(conn, packet) => {
                    // What was due before is still sent to it, in vain.
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
                Output::Persist(..) => panic!("it is stored already"),
            }
        }
        assert!(
            !self.connections.values().any(|connection| connection.over),
            "a connection that is over is not closed"
        );
        let stats = self.broker.stats();
        let accepted = self.connections.values().filter(|c| c.accepted).count();
        assert_eq!(stats.connections, accepted);
        let nameless = self.connections.values().filter(|c| c.nameless).count();
        let [sessions, retained_messages] = self.restored;
        assert!(stats.sessions <= self.client_ids.len() + nameless + sessions);
        assert!(stats.connections <= stats.sessions);
        // Each of the sessions may have had a will.
        assert!(stats.retained_messages <= self.topics.len() + retained_messages + sessions);
    }

    /// Stores what is to be stored, and returns everything else, with what waited for that.
    fn store(&mut self, out: Vec<Output>) -> Vec<Output> {
        let mut others = Vec::new();
        let mut last = None;
        for output in out {
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
                Output::Close(..) | Output::Event(_) => others.push(output),
            }
        }
        if let Some(batch) = last {
            let input = Input::Committed(batch);
            self.broker.handle(self.now, input, &mut others);
        }
        others
    }

    /// Ends every session and clears every retained message: nothing must be left.
    fn leave_for_good(&mut self) {
        let conns: Vec<_> = self.connections.keys().copied().collect();
        // Some are lost before the server shuts down.
        for conn in conns.into_iter().filter(|ConnId(number)| number % 2 == 0) {
            self.gone(conn);
        }
        self.handle(Input::Shutdown);
        assert!(
            self.connections.is_empty(),
            "a connection outlives the server"
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
        assert_eq!(left, (0, 0, 0, 0), "left over");
        assert_eq!(self.broker.next_timeout(), None, "nothing to wait for");
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

impl Connection {
    fn limits(&mut self, connect: &ConnectPacket) {
        self.asked = true;
        self.version = ProtocolVersion::of(connect);
        self.nameless = self.version != ProtocolVersion::V5 && connect.client_id.is_empty();
        let properties = &connect.properties;
        self.has_method = properties.contains(PropertyId::AuthenticationMethod);
        self.receive_maximum = properties.get_receive_maximum().unwrap_or(u16::MAX).into();
        self.maximum_packet_size = properties
            .get_maximum_packet_size()
            .map_or(usize::MAX, |size| size as usize);
        self.topic_alias_maximum = properties.get_topic_alias_maximum().unwrap_or(0);
    }

    fn receive(&mut self, packet: &Packet) {
        assert!(!self.over, "{packet:?} after the last one");
        let mut bytes = Vec::new();
        codec::encode(packet, self.version, &mut bytes).expect("a packet that MQTT allows");
        assert!(
            bytes.len() <= self.maximum_packet_size || self.maximum_packet_size == 0,
            "{packet:?} is too large for {}",
            self.maximum_packet_size
        );
        match packet {
            Packet::ConnAck(connack) => {
                assert!(!self.answered, "a second CONNACK");
                self.answered = true;
                self.accepted = connack.reason_code == ReasonCode::Success;
                self.over = !self.accepted;
                return;
            }
            Packet::Auth(_) => {
                assert!(self.has_method, "AUTH to a client that named no method");
                return;
            }
            _ => assert!(self.accepted, "{packet:?} before CONNACK"),
        }
        match packet {
            Packet::Disconnect(_) => self.over = true,
            Packet::Publish(publish) => self.receive_publish(publish),
            Packet::PubRec(ack) if !ack.reason_code.is_error() => {
                self.replies.push_back(acknowledge(0x62, ack.packet_id));
            }
            Packet::PubRel(ack) => self.replies.push_back(acknowledge(0x70, ack.packet_id)),
            _ => {}
        }
    }

    fn receive_publish(&mut self, publish: &PublishPacket) {
        if let Some(alias) = publish.topic_alias() {
            assert!((1..=self.topic_alias_maximum).contains(&alias), "{alias}");
            if publish.topic_name.is_empty() {
                assert!(self.aliases.contains_key(&alias), "unknown alias {alias}");
            } else {
                self.aliases.insert(alias, publish.topic_name.clone());
            }
        }
        let Some(packet_id) = publish.packet_id else {
            return;
        };
        assert!(
            self.in_flight.insert(packet_id),
            "{packet_id} is in flight already"
        );
        assert!(
            self.in_flight.len() <= self.receive_maximum,
            "more than the Receive Maximum"
        );
        let first = if u8::from(publish.qos) == 1 {
            0x40
        } else {
            0x50
        };
        self.replies.push_back(acknowledge(first, packet_id));
    }
}

/// Whether a client may rely on what a packet says.
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

fn acknowledge(first: u8, packet_id: u16) -> Vec<u8> {
    Fields::default().two(packet_id).packet(first)
}

fn connect(script: &mut Script<'_>) -> Vec<u8> {
    let flags = script.byte();
    let keep_alive_s = script.choose(&[0, 1, 10]);
    let mut properties = Fields::default();
    let given = script.byte();
    if given & 1 != 0 {
        properties = properties.byte(17).four(script.choose(&INTERVALS_S));
    }
    if given & 2 != 0 {
        properties = properties.byte(33).two(script.choose(&[1, 2, 3, 0]));
    }
    if given & 4 != 0 {
        properties = properties.byte(39).four(script.choose(&[40, 10, 4, 300]));
    }
    if given & 8 != 0 {
        properties = properties.byte(34).two(script.choose(&[1, 2, 0]));
    }
    if given & 16 != 0 {
        properties = properties.byte(23).byte(script.choose(&[0, 1, 2]));
    }
    if given & 32 != 0 {
        properties = properties
            .byte(21)
            .string(script.choose(&["SCRAM-SHA-256", "x"]));
    }
    let client_id = script.choose(&CLIENT_IDS);
    // A will, its QoS and its retain flag; user name and password are for others to check.
    let (will, level) = (flags & 4 != 0, script.choose(&[5, 5, 5, 5, 4, 3, 6]));
    let kept = if will { flags & 0x36 } else { flags & 2 };
    let mut fields = Fields::default()
        .string(if level == 3 { "MQIsdp" } else { "MQTT" })
        .byte(level)
        .byte(kept)
        .two(keep_alive_s);
    if level >= 5 {
        fields = fields.properties(properties);
    }
    fields = fields.string(client_id);
    if will {
        if level >= 5 {
            let delay = Fields::default().byte(24).four(script.choose(&INTERVALS_S));
            fields = fields.properties(delay);
        }
        fields = fields.string(script.choose(&TOPICS)).string("will");
    }
    fields.packet(0x10)
}

fn publish(script: &mut Script<'_>) -> Vec<u8> {
    let flags = script.byte() & 0x0F;
    let mut fields = Fields::default().string(script.choose(&TOPICS));
    if flags & 0x06 != 0 {
        fields = fields.two(script.choose(&[1, 2, 3, 4, 0]));
    }
    let mut properties = Fields::default();
    let given = script.byte();
    if given & 1 != 0 {
        properties = properties.byte(2).four(script.choose(&INTERVALS_S));
    }
    if given & 2 != 0 {
        properties = properties.byte(35).two(script.choose(&[1, 2, 3, 0]));
    }
    if given & 4 != 0 {
        properties = properties.byte(38).string("k").string("v");
    }
    if given & 8 != 0 {
        properties = properties.byte(1).byte(1);
    }
    let payload = script.choose(&["", "x", "a longer payload that does not fit everywhere"]);
    let fields = fields.properties(properties).raw(payload.as_bytes());
    fields.packet(0x30 | flags)
}

fn subscribe(script: &mut Script<'_>) -> Vec<u8> {
    let mut fields = Fields::default().two(script.choose(&[1, 2, 3, 0]));
    let id = script.choose(&[0, 1, 2, 0]);
    let properties = match id {
        0 => Fields::default(),
        id => Fields::default().byte(11).byte(id),
    };
    fields = fields.properties(properties);
    for _ in 0..=script.byte() % 3 {
        fields = fields
            .string(script.choose(&FILTERS))
            .byte(script.byte() & 0x3F);
    }
    fields.packet(0x82)
}

fn unsubscribe(script: &mut Script<'_>) -> Vec<u8> {
    let mut fields = Fields::default().two(script.choose(&[1, 2, 3])).byte(0);
    for _ in 0..=script.byte() % 3 {
        fields = fields.string(script.choose(&FILTERS));
    }
    fields.packet(0xA2)
}

/// PINGREQ, DISCONNECT, AUTH, and acknowledgements out of order.
fn other(script: &mut Script<'_>) -> Vec<u8> {
    match script.byte() % 6 {
        0 => Fields::default().packet(0xC0),
        1 => Fields::default().packet(0xE0),
        2 => {
            let expiry = Fields::default().byte(17).four(script.choose(&INTERVALS_S));
            let reason_code = script.choose(&[0x00, 0x04, 0x80, 0x82]);
            Fields::default()
                .byte(reason_code)
                .properties(expiry)
                .packet(0xE0)
        }
        3 => {
            let method = Fields::default().byte(21).string("SCRAM-SHA-256");
            let method = method.byte(22).string(script.choose(&AUTHENTICATION_DATA));
            let reason_code = script.choose(&[0x18, 0x19, 0x00]);
            Fields::default()
                .byte(reason_code)
                .properties(method)
                .packet(0xF0)
        }
        4 => {
            let first = script.choose(&[0x40, 0x50, 0x62, 0x70]);
            acknowledge(first, script.choose(&[1, 2, 3, 4]))
        }
        _ => {
            let first = script.choose(&[0x40, 0x50]);
            let packet_id = script.choose(&[1, 2, 3, 4]);
            Fields::default().two(packet_id).byte(0x80).packet(first)
        }
    }
}
