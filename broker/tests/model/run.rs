//! One run gives the broker and the reference the same commands.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use broker::codec::{self, ProtocolVersion};
use broker::packet::Packet;
use broker::packet::connect::ConnectPacket;
use broker::packet::disconnect::DisconnectPacket;
use broker::packet::puback::PubAckPacket;
use broker::packet::pubcomp::PubCompPacket;
use broker::packet::publish::PublishPacket;
use broker::packet::pubrec::PubRecPacket;
use broker::packet::pubrel::PubRelPacket;
use broker::packet::subscribe::{
    RetainHandling, SubscribePacket, SubscriptionOptions, TopicFilter,
};
use broker::packet::unsuback::UnsubAckReasonCode;
use broker::packet::unsubscribe::UnsubscribePacket;
use broker::{
    Config, ConnId, Input, Output, Properties, PropertyId, PropertyValue, QoS, ReasonCode, Time,
};
use bytes::Bytes;
use mqtt5_protocol::{ConnectOptions, WillMessage};

use crate::reference::{Answer, Message, Received, Reference};
use crate::stored::Stored;
use crate::{CLIENTS, Command, Options, Will};

pub(crate) struct Run {
    broker: Stored,
    reference: Reference,
    connections: BTreeMap<usize, ConnId>,
    owners: BTreeMap<ConnId, usize>,
    versions: BTreeMap<ConnId, ProtocolVersion>,
    /// The packets that must still arrive in this step, without messages.
    answers: BTreeMap<ConnId, VecDeque<Answer>>,
    last_connection: u64,
    last_packet_id: u16,
    last_payload: u32,
}

impl Run {
    pub(crate) fn new(durable: bool) -> Self {
        let broker = Stored::new(Config {
            durable,
            receive_maximum: u16::MAX,
            ..Config::default()
        });
        Self {
            broker,
            reference: Reference::new(1_000_000),
            connections: BTreeMap::new(),
            owners: BTreeMap::new(),
            versions: BTreeMap::new(),
            answers: BTreeMap::new(),
            last_connection: 0,
            last_packet_id: 0,
            last_payload: 0,
        }
    }

    pub(crate) fn apply(&mut self, command: &Command) {
        let speaks_311 = match *command {
            Command::Connect { in_311, .. } => in_311,
            Command::Disconnect { who, .. }
            | Command::Lose { who }
            | Command::Subscribe { who, .. }
            | Command::Unsubscribe { who, .. }
            | Command::Publish { who, .. }
            | Command::PublishAgain { who }
            | Command::Release { who }
            | Command::Acknowledge { who, .. } => self.reference.speaks_311(who),
            Command::Wait { .. } => false,
        };
        let mut command = command.clone();
        if speaks_311 {
            command = command.in_311();
        }
        // A session with an interval of 0 may expire between two commands of the same time.
        self.wait(0);
        match command {
            Command::Connect {
                who,
                in_311,
                clean_start,
                expiry_interval_s,
                receive_maximum,
                ref will,
            } => {
                let mut packet = ConnectPacket::new(ConnectOptions::new(name(who)));
                packet.clean_start = clean_start;
                packet.keep_alive = 0;
                packet.will = will.as_ref().map(|will| will_message(who, will));
                if in_311 {
                    packet.protocol_version = 4;
                    packet.properties = Properties::new();
                    if let Some(will) = &mut packet.will {
                        will.properties.will_delay_interval = None;
                    }
                } else {
                    let properties = &mut packet.properties;
                    properties.set_session_expiry_interval(expiry_interval_s);
                    properties.set_receive_maximum(receive_maximum);
                }
                if let Some(will) = &packet.will {
                    packet.will_properties = will.properties.clone().into();
                }
                self.connect(who, packet, |reference| {
                    reference.connect(
                        who,
                        in_311,
                        clean_start,
                        expiry_interval_s,
                        receive_maximum,
                        will.clone(),
                    )
                });
            }
            Command::Wait { ms } => self.wait(ms),
            Command::Disconnect { who, .. }
            | Command::Lose { who }
            | Command::Subscribe { who, .. }
            | Command::Unsubscribe { who, .. }
            | Command::Publish { who, .. }
            | Command::PublishAgain { who }
            | Command::Release { who }
            | Command::Acknowledge { who, .. } => {
                if self.reference.is_connected(who) {
                    self.apply_connected(who, &command);
                }
            }
        }
        self.check_counts();
    }

    fn apply_connected(&mut self, who: usize, command: &Command) {
        match *command {
            Command::Connect { .. } | Command::Wait { .. } => {}
            Command::Disconnect {
                with_will,
                expiry_interval_s,
                ..
            } => {
                let reason_code = match with_will {
                    true => ReasonCode::DisconnectWithWillMessage,
                    false => ReasonCode::Success,
                };
                let mut packet = DisconnectPacket::new(reason_code);
                if let Some(interval_s) = expiry_interval_s {
                    packet = packet.with_session_expiry_interval(interval_s);
                }
                let answers = self.reference.disconnect(who, with_will, expiry_interval_s);
                self.send(who, Packet::Disconnect(packet), answers);
            }
            Command::Lose { .. } => {
                self.reference.disconnected(who);
                let conn = self.connections.remove(&who).expect("a connection");
                self.owners.remove(&conn);
                self.tell(Input::Gone(conn));
            }
            Command::Subscribe {
                filter, options, ..
            } => {
                let mut packet = SubscribePacket::new(self.packet_id()).add_filter_with_options(
                    TopicFilter::with_options(filter, subscription_options(options)),
                );
                if let Some(id) = options.id {
                    packet.properties.set_subscription_identifier(id);
                }
                let answer = self.reference.subscribe(who, filter, options);
                self.send(who, Packet::Subscribe(packet), vec![answer]);
            }
            Command::Unsubscribe { filter, .. } => {
                let packet = UnsubscribePacket::new(self.packet_id()).add_filter(filter);
                let answer = self.reference.unsubscribe(who, filter);
                self.send(who, Packet::Unsubscribe(packet), vec![answer]);
            }
            Command::Publish {
                topic,
                qos,
                retain,
                empty,
                expiry_interval_s,
                ..
            } => {
                self.last_payload += 1;
                let message = Message {
                    publisher: who,
                    topic: topic.into(),
                    payload: match empty {
                        true => String::new(),
                        false => self.last_payload.to_string(),
                    },
                    qos,
                    retain,
                    published: self.reference.now,
                    expiry_interval_s,
                };
                self.publish(who, Rc::new(message));
            }
            Command::PublishAgain { .. } => {
                let unreleased = &self.reference.session(who).unreleased;
                if let Some((packet_id, message)) = unreleased.front().cloned() {
                    let mut packet = publish_packet(&message, packet_id);
                    packet.dup = true;
                    let matched = true;
                    let answer = Answer::PubRec { packet_id, matched };
                    self.send(who, Packet::Publish(packet), vec![answer]);
                }
            }
            Command::Release { .. } => {
                let unreleased = &mut self.reference.session(who).unreleased;
                if let Some((packet_id, _)) = unreleased.pop_front() {
                    let packet = PubRelPacket::new(packet_id);
                    let answer = Answer::PubComp { packet_id };
                    self.send(who, Packet::PubRel(packet), vec![answer]);
                }
            }
            Command::Acknowledge { which, refuse, .. } => self.acknowledge(who, which, refuse),
        }
    }

    /// All clients reconnect and receive until no message is owed.
    pub(crate) fn finish(&mut self) {
        for who in 0..CLIENTS {
            self.apply(&Command::Connect {
                who,
                in_311: false,
                clean_start: false,
                expiry_interval_s: 0,
                receive_maximum: 2,
                will: None,
            });
            while !self.reference.session(who).in_flight.is_empty() {
                self.acknowledge(who, 0, false);
            }
        }
        for who in 0..CLIENTS {
            self.apply(&Command::Lose { who });
        }
        self.check_counts();
        let [connections, sessions, subscriptions, _] = self.reference.counts();
        assert_eq!((connections, sessions, subscriptions), (0, 0, 0));
    }

    fn connect(
        &mut self,
        who: usize,
        packet: ConnectPacket,
        reference: impl FnOnce(&mut Reference) -> Vec<Answer>,
    ) {
        self.last_connection += 1;
        let conn = ConnId(self.last_connection);
        self.tell(Input::Opened(conn));
        if let Some(old) = self.connections.insert(who, conn) {
            let taken_over = vec![Answer::Disconnect(0x8E), Answer::Closed];
            let taken_over = self.in_version(old, taken_over);
            self.answers.insert(old, taken_over);
        }
        self.owners.insert(conn, who);
        self.versions.insert(conn, ProtocolVersion::of(&packet));
        let answers = reference(&mut self.reference);
        self.send(who, Packet::Connect(Box::new(packet)), answers);
    }

    fn publish(&mut self, who: usize, message: Rc<Message>) {
        let packet_id = self.packet_id();
        let packet = publish_packet(&message, packet_id);
        let matched = self.reference.publish_alone(Rc::clone(&message));
        let answers = match message.qos {
            0 => vec![],
            1 => vec![Answer::PubAck { packet_id, matched }],
            _ => {
                let unreleased = &mut self.reference.session(who).unreleased;
                unreleased.push_back((packet_id, message));
                vec![Answer::PubRec { packet_id, matched }]
            }
        };
        self.send(who, Packet::Publish(packet), answers);
    }

    /// Sends the next answer to message number `which` of those received on this connection.
    fn acknowledge(&mut self, who: usize, which: usize, refuse: bool) {
        let in_flight = &mut self.reference.session(who).in_flight;
        let known: Vec<usize> = (0..in_flight.len())
            .filter(|&at| in_flight[at].sent || in_flight[at].released)
            .collect();
        if known.is_empty() {
            return;
        }
        let mut entry = in_flight.remove(known[which % known.len()]);
        let packet_id = entry.packet_id;
        let reason_code = match refuse {
            true => ReasonCode::UnspecifiedError,
            false => ReasonCode::Success,
        };
        let (packet, answers) = if entry.released {
            (Packet::PubComp(PubCompPacket::new(packet_id)), vec![])
        } else if entry.qos == 1 {
            let packet = PubAckPacket::new_with_reason(packet_id, reason_code);
            (Packet::PubAck(packet), vec![])
        } else {
            let packet = PubRecPacket::new_with_reason(packet_id, reason_code);
            let mut answers = vec![];
            if !refuse {
                answers.push(Answer::PubRel { packet_id });
                entry.released = true;
                in_flight.push(entry);
            }
            (Packet::PubRec(packet), answers)
        };
        self.send(who, packet, answers);
    }

    /// Lets time pass. The broker gets each timeout that it asked for, and one at the end.
    fn wait(&mut self, ms: u64) {
        let end = self.reference.now + ms;
        while let Some(at) = self.broker.next_timeout().map(Time::as_ms) {
            if at > end {
                break;
            }
            self.reference.advance(at.max(self.reference.now));
            self.tell(Input::Timeout);
        }
        self.reference.advance(end);
        self.tell(Input::Timeout);
    }

    fn send(&mut self, who: usize, packet: Packet, answers: Vec<Answer>) {
        let conn = self.connections[&who];
        let answers = self.in_version(conn, answers);
        self.answers.insert(conn, answers);
        let packet = through_codec(&packet, self.versions[&conn]);
        self.tell(Input::Packet(conn, packet));
    }

    /// The answers in the form of a connection's version.
    fn in_version(&self, conn: ConnId, mut answers: Vec<Answer>) -> VecDeque<Answer> {
        if self.versions[&conn] == ProtocolVersion::V311 {
            answers.retain(|answer| !matches!(answer, Answer::Disconnect(_)));
            for answer in &mut answers {
                if let Answer::PubAck { matched, .. } | Answer::PubRec { matched, .. } = answer {
                    *matched = true;
                }
                if let Answer::UnsubAck { existed } = answer {
                    *existed = true;
                }
            }
        }
        answers.into()
    }

    /// Gives the broker an input and checks its outputs against the reference.
    fn tell(&mut self, input: Input) {
        let mut out = Vec::new();
        let now = Time::from_ms(self.reference.now);
        self.broker.handle(now, input, &mut out);
        let sessions = self.broker.sessions().map(|session| session.bytes);
        assert_eq!(self.broker.session_bytes(), sessions.sum::<usize>());
        for output in out.into_iter().map(Output::whole) {
            match output {
                Output::Send(conn, packet) => {
                    let packet = through_codec(&packet, self.versions[&conn]);
                    self.receive(conn, &packet);
                }
                Output::Close(conn, _) => {
                    self.expect(conn, &Answer::Closed);
                    if let Some(who) = self.owners.remove(&conn)
                        && self.connections.get(&who) == Some(&conn)
                    {
                        self.connections.remove(&who);
                    }
                }
                Output::Event(_) => {}
                Output::Publish(..) => unreachable!("every packet is whole"),
                Output::Persist(..) => panic!("Stored passes no batch on"),
            }
        }
        let missing: Vec<_> = self.answers.values().flatten().collect();
        assert!(missing.is_empty(), "missing: {missing:?}");
        self.reference.check_settled();
    }

    fn receive(&mut self, conn: ConnId, packet: &Packet) {
        let answer = match packet {
            Packet::Publish(publish) => {
                let who = self.owners[&conn];
                assert_eq!(self.connections[&who], conn, "on an ended connection");
                return self
                    .reference
                    .receive(who, publish.packet_id, &received(publish));
            }
            Packet::ConnAck(connack) => {
                assert_eq!(connack.reason_code, ReasonCode::Success);
                Answer::ConnAck {
                    session_present: connack.session_present,
                }
            }
            Packet::PubAck(ack) => Answer::PubAck {
                packet_id: ack.packet_id,
                matched: matched(ack.reason_code),
            },
            Packet::PubRec(ack) => Answer::PubRec {
                packet_id: ack.packet_id,
                matched: matched(ack.reason_code),
            },
            Packet::PubRel(ack) => Answer::PubRel {
                packet_id: ack.packet_id,
            },
            Packet::PubComp(ack) => Answer::PubComp {
                packet_id: ack.packet_id,
            },
            Packet::SubAck(suback) => Answer::SubAck {
                qos: suback.reason_codes[0] as u8,
            },
            Packet::UnsubAck(unsuback) => Answer::UnsubAck {
                existed: unsuback
                    .reason_codes
                    .iter()
                    .all(|code| *code == UnsubAckReasonCode::Success),
            },
            Packet::Disconnect(disconnect) => Answer::Disconnect(disconnect.reason_code.into()),
            other => panic!("{other:?}"),
        };
        self.expect(conn, &answer);
    }

    fn expect(&mut self, conn: ConnId, answer: &Answer) {
        let expected = self.answers.get_mut(&conn).and_then(VecDeque::pop_front);
        assert_eq!(expected.as_ref(), Some(answer));
    }

    fn check_counts(&self) {
        let stats = self.broker.stats();
        let counts = [
            stats.connections,
            stats.sessions,
            stats.subscriptions,
            stats.retained_messages,
        ];
        assert_eq!(counts, self.reference.counts());
    }

    fn packet_id(&mut self) -> u16 {
        self.last_packet_id += 1;
        self.last_packet_id
    }
}

fn name(who: usize) -> String {
    format!("client {who}")
}

fn will_message(who: usize, will: &Will) -> WillMessage {
    let mut message = WillMessage::new(format!("will/{who}"), "will");
    message.qos = QoS::from(will.qos);
    message.retain = will.retain;
    message.properties.will_delay_interval = Some(will.delay_s);
    message
}

fn subscription_options(options: Options) -> SubscriptionOptions {
    let mut wanted = SubscriptionOptions::new(QoS::from(options.qos));
    wanted.no_local = options.no_local;
    wanted.retain_as_published = options.retain_as_published;
    wanted.retain_handling = match options.retain_handling {
        0 => RetainHandling::SendAtSubscribe,
        1 => RetainHandling::SendAtSubscribeIfNew,
        _ => RetainHandling::DoNotSend,
    };
    wanted
}

fn publish_packet(message: &Message, packet_id: u16) -> PublishPacket {
    let qos = QoS::from(message.qos);
    let mut packet = PublishPacket::new(&message.topic, message.payload.clone(), qos);
    packet.retain = message.retain;
    if message.qos > 0 {
        packet.packet_id = Some(packet_id);
    }
    if let Some(interval_s) = message.expiry_interval_s {
        packet.properties.set_message_expiry_interval(interval_s);
    }
    packet
}

fn received(publish: &PublishPacket) -> Received {
    let ids = publish
        .properties
        .get_all(PropertyId::SubscriptionIdentifier);
    let mut subscription_ids: Vec<u32> = ids
        .unwrap_or_default()
        .iter()
        .map(|id| match id {
            PropertyValue::VariableByteInteger(id) => *id,
            other => panic!("{other:?}"),
        })
        .collect();
    subscription_ids.sort_unstable();
    Received {
        topic: publish.topic_name.clone(),
        payload: String::from_utf8_lossy(&publish.payload).into_owned(),
        qos: publish.qos.into(),
        retain: publish.retain,
        dup: publish.dup,
        expiry_interval_s: publish.message_expiry_interval(),
        subscription_ids,
    }
}

fn matched(reason_code: ReasonCode) -> bool {
    match reason_code {
        ReasonCode::Success => true,
        ReasonCode::NoMatchingSubscribers => false,
        other => panic!("{other:?}"),
    }
}

/// The packet after encoding and decoding.
pub(crate) fn through_codec(packet: &Packet, version: ProtocolVersion) -> Packet {
    let mut bytes = Vec::new();
    codec::encode(packet, version, &mut bytes).expect("a packet that MQTT allows");
    let decoded = codec::decode(&mut Bytes::from(bytes), version, 268_435_455);
    decoded
        .expect("a packet that MQTT allows")
        .expect("a whole packet")
}
