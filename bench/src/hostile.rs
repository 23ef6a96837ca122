use std::collections::VecDeque;

use broker::codec::{self, ProtocolVersion};
use broker::packet::connect::ConnectPacket;
use broker::packet::puback::PubAckPacket;
use broker::packet::publish::PublishPacket;
use broker::packet::subscribe::SubscribePacket;
use broker::{Broker, Config, ConnId, Input, Output, Packet, Properties, QoS, Time};
use bytes::Bytes;
use mqtt5_protocol::ConnectOptions;

/// One client causes as much work as the limits of a tab's broker allow, while two others exchange messages. Their messages wait
/// at most for the longest step, because a broker does one step at a time.
#[derive(Debug)]
pub struct Hostile {
    broker: Broker,
    now: Time,
    out: Vec<Output>,
    /// The hostile client's remaining acts.
    acts: VecDeque<Act>,
    /// Packet identifiers that the hostile client has not acknowledged yet.
    unacknowledged: VecDeque<u16>,
    maximum_packet_size: u32,
}

/// An act of the hostile client.
#[derive(Debug)]
enum Act {
    /// The client sends these bytes.
    Send(ConnId, Bytes),
    /// Its connection breaks.
    Break(ConnId),
}

/// The cases, by number.
pub const HOSTILE: [&str; 9] = [
    "20,000 filters at once, falling",
    "20,000 ends of these at once",
    "10,000 shared filters, and the end",
    "1,000 times # over 20,000 retained",
    "1,000,000 User Properties to 40",
    "1,000 User Properties to 40",
    "20,000 retained, 20 at a time",
    "20,000 topics by aliases",
    "256 patterns of 14 levels",
];

const PUBLISHER: ConnId = ConnId(1);
const SUBSCRIBER: ConnId = ConnId(2);
const ATTACKER: ConnId = ConnId(3);
const LEVELS: usize = 14;

impl Hostile {
    /// Connects all clients and prepares the case, without the acts that are measured.
    #[must_use]
    pub fn new(case: usize, config: Config) -> Self {
        let maximum_packet_size = config.maximum_packet_size;
        let mut hostile = Self {
            broker: Broker::new(config),
            now: Time::from_ms(1_000),
            out: Vec::new(),
            acts: VecDeque::new(),
            unacknowledged: VecDeque::new(),
            maximum_packet_size,
        };
        hostile.connect(PUBLISHER, |_| {});
        hostile.connect(SUBSCRIBER, |_| {});
        hostile.input(
            SUBSCRIBER,
            subscribe(["others".to_owned()], QoS::AtMostOnce),
        );
        let others: Vec<String> = vec!["a".to_owned(); LEVELS];
        hostile.input(SUBSCRIBER, subscribe([others.join("/")], QoS::AtMostOnce));
        hostile.set_up(case);
        hostile.settle();
        hostile
    }

    fn set_up(&mut self, case: usize) {
        match case {
            0 | 1 => {
                self.connect(ATTACKER, |_| {});
                let filters = || (0..20_000).rev().map(|number| format!("f/{number}"));
                let subscribe = subscribe(filters(), QoS::AtMostOnce);
                if case == 0 {
                    return self.send(ATTACKER, &subscribe);
                }
                self.input(ATTACKER, subscribe);
                let mut unsubscribe = broker::packet::unsubscribe::UnsubscribePacket::new(2);
                unsubscribe.filters = filters().collect();
                self.send(ATTACKER, &Packet::Unsubscribe(unsubscribe));
            }
            2 => {
                self.connect(ATTACKER, |_| {});
                let filters = (0..10_000)
                    .rev()
                    .map(|number| format!("$share/g{number}/f"));
                self.send(ATTACKER, &subscribe(filters, QoS::AtLeastOnce));
                self.acts.push_back(Act::Break(ATTACKER));
            }
            3 => {
                self.retain(20_000, QoS::AtMostOnce);
                self.connect(ATTACKER, |_| {});
                let filters = (0..1_000).map(|_| "#".to_owned());
                self.send(ATTACKER, &subscribe(filters, QoS::AtMostOnce));
            }
            4 | 5 => {
                for client in 0..40 {
                    let conn = ConnId(100 + client);
                    self.connect(conn, |_| {});
                    self.input(conn, subscribe(["p".to_owned()], QoS::AtMostOnce));
                }
                self.connect(ATTACKER, |_| {});
                if case == 4 {
                    self.acts.push_back(Act::Send(ATTACKER, bloated(1_000_000)));
                } else {
                    let publishes = (0..20).map(|_| Act::Send(ATTACKER, bloated(1_000)));
                    self.acts.extend(publishes);
                }
            }
            6 => {
                self.retain(20_000, QoS::AtLeastOnce);
                self.connect(ATTACKER, |it| it.set_receive_maximum(20));
                self.send(ATTACKER, &subscribe(["#".to_owned()], QoS::AtLeastOnce));
            }
            7 => {
                self.connect(ATTACKER, |it| it.set_topic_alias_maximum(u16::MAX));
                self.input(ATTACKER, subscribe(["t/#".to_owned()], QoS::AtMostOnce));
                for number in 0..20_000 {
                    let publish = PublishPacket::new(format!("t/{number}"), "x", QoS::AtMostOnce);
                    self.send(ATTACKER, &Packet::Publish(publish));
                }
            }
            _ => {
                self.connect(ATTACKER, |_| {});
                let patterns = (0..1_u32 << 12).map(|bits| {
                    let level = |place| if bits >> place & 1 == 0 { "+" } else { "x" };
                    let levels: Vec<&str> = (0..LEVELS).map(level).collect();
                    levels.join("/")
                });
                self.send(ATTACKER, &subscribe(patterns, QoS::AtMostOnce));
            }
        }
    }

    /// Handles the hostile client's next act, a due timeout, and a message of each kind of the other clients. Returns whether
    /// steps remain.
    pub fn step(&mut self) -> bool {
        match self.acts.pop_front() {
            Some(Act::Send(conn, mut bytes)) => {
                let version = ProtocolVersion::V5;
                match codec::decode(&mut bytes, version, self.maximum_packet_size) {
                    Ok(Some(packet)) => self.input(conn, packet),
                    Ok(None) => {}
                    Err(error) => self.handle(Input::Malformed(conn, error)),
                }
            }
            Some(Act::Break(conn)) => self.handle(Input::Gone(conn)),
            None => {
                for packet_id in core::mem::take(&mut self.unacknowledged) {
                    self.input(ATTACKER, Packet::PubAck(PubAckPacket::new(packet_id)));
                }
            }
        }
        if let Some(due) = self.broker.next_timeout()
            && due <= self.now.plus_ms(1)
        {
            self.now = self.now.max(due);
            self.handle(Input::Timeout);
        }
        for topic in ["others".to_owned(), vec!["a"; LEVELS].join("/")] {
            let publish = PublishPacket::new(topic, "x", QoS::AtMostOnce);
            self.input(PUBLISHER, Packet::Publish(publish));
        }
        !self.acts.is_empty() || !self.unacknowledged.is_empty() || self.is_due()
    }

    fn is_due(&self) -> bool {
        let due = self.broker.next_timeout();
        due.is_some_and(|due| due <= self.now.plus_ms(1))
    }

    fn settle(&mut self) {
        while self.is_due() {
            self.handle(Input::Timeout);
        }
    }

    fn connect(&mut self, conn: ConnId, set: impl FnOnce(&mut Properties)) {
        let mut connect = ConnectPacket::new(ConnectOptions::new(format!("client-{}", conn.0)));
        set(&mut connect.properties);
        self.handle(Input::Opened(conn));
        self.input(conn, Packet::Connect(Box::new(connect)));
    }

    fn retain(&mut self, count: usize, qos: QoS) {
        for number in 0..count {
            let mut publish = PublishPacket::new(format!("t/{number}"), "x", qos).with_retain(true);
            publish.packet_id = (qos != QoS::AtMostOnce).then_some(1);
            self.input(PUBLISHER, Packet::Publish(publish));
        }
    }

    /// Adds a packet to the hostile client's acts.
    fn send(&mut self, conn: ConnId, packet: &Packet) {
        let mut bytes = Vec::new();
        // All packets here are valid.
        let encoded = codec::encode(packet, ProtocolVersion::V5, &mut bytes);
        debug_assert!(encoded.is_ok(), "{encoded:?}");
        self.acts.push_back(Act::Send(conn, bytes.into()));
    }

    fn input(&mut self, conn: ConnId, packet: Packet) {
        self.handle(Input::Packet(conn, packet));
    }

    fn handle(&mut self, input: Input) {
        self.broker.handle(self.now, input, &mut self.out);
        for output in self.out.drain(..) {
            if let Output::Publish(ATTACKER, publish) = output {
                self.unacknowledged.extend(publish.packet.packet_id);
            }
        }
    }
}

fn subscribe(filters: impl IntoIterator<Item = String>, qos: QoS) -> Packet {
    let mut packet = SubscribePacket::new(1);
    for filter in filters {
        packet = packet.add_filter(filter, qos);
    }
    Packet::Subscribe(packet)
}

/// A PUBLISH with `count` empty User Properties.
fn bloated(count: usize) -> Bytes {
    const USER_PROPERTY: [u8; 5] = [0x26, 0, 0, 0, 0];
    let properties = USER_PROPERTY.repeat(count);
    let mut length = Vec::new();
    variable_byte_integer(properties.len(), &mut length);
    let body = [&[0, 1, b'p'][..], &length, &properties, b"x"].concat();
    let mut bytes = vec![0x30];
    variable_byte_integer(body.len(), &mut bytes);
    bytes.extend(body);
    bytes.into()
}

fn variable_byte_integer(mut value: usize, out: &mut Vec<u8>) {
    while value > 0x7F {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
