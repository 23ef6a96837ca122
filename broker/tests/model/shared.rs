//! Shared subscriptions whose members disconnect and reconnect at random: each message reaches each group, and with QoS 2
//! one member once.

use std::collections::{BTreeMap, VecDeque};

use broker::codec::ProtocolVersion;
use broker::packet::Packet;
use broker::packet::connect::ConnectPacket;
use broker::packet::puback::PubAckPacket;
use broker::packet::pubcomp::PubCompPacket;
use broker::packet::publish::PublishPacket;
use broker::packet::pubrec::PubRecPacket;
use broker::packet::pubrel::PubRelPacket;
use broker::packet::subscribe::SubscribePacket;
use broker::{Config, ConnId, Input, Output, QoS, Time};
use mqtt5_protocol::ConnectOptions;
use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, RngSeed};

use crate::FOREVER;
use crate::run::through_codec;
use crate::stored::Stored;

const MEMBERS: usize = 3;
const PUBLISHER: usize = MEMBERS;
/// Two groups of the same members.
const FILTERS: [&str; 2] = ["$share/g/t", "$share/h/#"];

#[derive(Clone, Debug)]
enum Command {
    Publish {
        qos: u8,
    },
    /// A member loses its connection, or reconnects.
    Turn {
        who: usize,
    },
    /// A member sends its oldest unsent answer.
    Acknowledge {
        who: usize,
    },
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => (0..3_u8).prop_map(|qos| Command::Publish { qos }),
        2 => (0..MEMBERS).prop_map(|who| Command::Turn { who }),
        5 => (0..MEMBERS).prop_map(|who| Command::Acknowledge { who }),
    ]
}

proptest! {
    #![proptest_config(Runs {
        cases: 200,
        rng_seed: RngSeed::Fixed(2),
        failure_persistence: None,
        ..Runs::default()
    })]

    #[test]
    fn every_message_reaches_each_group_and_once_with_qos_2(
        commands in prop::collection::vec(command(), 0..100),
        receive_maximum in 1..4_u16,
        durable: bool,
    ) {
        let mut groups = Groups::new(receive_maximum, durable);
        for command in &commands {
            match *command {
                Command::Publish { qos } => groups.publish(qos),
                Command::Turn { who } => groups.turn(who),
                Command::Acknowledge { who } => groups.acknowledge(who),
            }
        }
        groups.finish();
    }
}

#[derive(Default)]
struct Member {
    conn: Option<ConnId>,
    replies: VecDeque<Packet>,
    /// QoS 2 messages that are not released.
    unreleased: BTreeMap<u16, u32>,
}

struct Groups {
    broker: Stored,
    members: Vec<Member>,
    receive_maximum: u16,
    last_conn: u64,
    last_number: u32,
    /// QoS by number.
    published: BTreeMap<u32, u8>,
    /// The number of deliveries of each, without repeats of a QoS 2 message.
    received: BTreeMap<u32, usize>,
    /// Whether a member was disconnected when it was published, so QoS 0 may be lost.
    at_risk: BTreeMap<u32, bool>,
}

impl Groups {
    fn new(receive_maximum: u16, durable: bool) -> Self {
        let mut groups = Self {
            broker: Stored::new(Config {
                durable,
                at_once_max: 2,
                ..Config::default()
            }),
            members: (0..=MEMBERS).map(|_| Member::default()).collect(),
            receive_maximum,
            last_conn: 0,
            last_number: 0,
            published: BTreeMap::new(),
            received: BTreeMap::new(),
            at_risk: BTreeMap::new(),
        };
        for who in 0..=MEMBERS {
            groups.turn(who);
        }
        for who in 0..MEMBERS {
            for filter in FILTERS {
                let packet = SubscribePacket::new(1).add_filter(filter, QoS::ExactlyOnce);
                groups.send(who, Packet::Subscribe(packet));
            }
        }
        groups
    }

    fn turn(&mut self, who: usize) {
        let member = &mut self.members[who];
        if let Some(conn) = member.conn.take() {
            member.replies.clear();
            self.tell(Input::Gone(conn));
            return;
        }
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        member.conn = Some(conn);
        let mut packet = ConnectPacket::new(ConnectOptions::new(format!("client {who}")));
        packet.clean_start = false;
        packet.keep_alive = 0;
        packet.properties.set_session_expiry_interval(FOREVER);
        packet.properties.set_receive_maximum(self.receive_maximum);
        self.tell(Input::Opened(conn));
        self.send(who, Packet::Connect(Box::new(packet)));
    }

    fn publish(&mut self, qos: u8) {
        self.last_number += 1;
        let number = self.last_number;
        self.published.insert(number, qos);
        let away = self.members.iter().any(|member| member.conn.is_none());
        self.at_risk.insert(number, away);
        let mut packet = PublishPacket::new("t", number.to_string(), QoS::from(qos));
        if qos > 0 {
            packet.packet_id = u16::try_from(number).ok();
        }
        self.send(PUBLISHER, Packet::Publish(packet));
        while !self.members[PUBLISHER].replies.is_empty() {
            self.acknowledge(PUBLISHER);
        }
    }

    fn acknowledge(&mut self, who: usize) {
        if let Some(packet) = self.members[who].replies.pop_front() {
            self.send(who, packet);
        }
    }

    fn send(&mut self, who: usize, packet: Packet) {
        let conn = self.members[who].conn.expect("a connection");
        self.tell(Input::Packet(
            conn,
            through_codec(&packet, ProtocolVersion::V5),
        ));
    }

    fn tell(&mut self, input: Input) {
        let mut out = Vec::new();
        self.broker.handle(Time::from_ms(1_000), input, &mut out);
        for output in out.into_iter().map(Output::whole) {
            match output {
                Output::Send(conn, packet) => {
                    self.receive(conn, &through_codec(&packet, ProtocolVersion::V5))
                }
                Output::Close(_, reason) => panic!("closed: {reason:?}"),
                Output::Event(_) => {}
                Output::Publish(..) => unreachable!("every packet is whole"),
                Output::Persist(..) => panic!("Stored passes no batch on"),
            }
        }
    }

    fn receive(&mut self, conn: ConnId, packet: &Packet) {
        let who = self.members.iter().position(|m| m.conn == Some(conn));
        let who = who.expect("an open connection");
        let member = &mut self.members[who];
        match packet {
            Packet::Publish(publish) => {
                assert_ne!(who, PUBLISHER, "it has no subscription");
                let number = String::from_utf8_lossy(&publish.payload).parse();
                let number: u32 = number.expect("a number");
                assert_eq!(self.published[&number], u8::from(publish.qos));
                let mut is_new = true;
                match publish.packet_id {
                    None => {}
                    Some(id) if publish.qos == QoS::AtLeastOnce => {
                        member
                            .replies
                            .push_back(Packet::PubAck(PubAckPacket::new(id)));
                    }
                    Some(id) => {
                        is_new = member.unreleased.insert(id, number) != Some(number);
                        member
                            .replies
                            .push_back(Packet::PubRec(PubRecPacket::new(id)));
                    }
                }
                *self.received.entry(number).or_default() += usize::from(is_new);
            }
            Packet::PubRec(ack) => {
                let packet = Packet::PubRel(PubRelPacket::new(ack.packet_id));
                member.replies.push_back(packet);
            }
            Packet::PubRel(ack) => {
                member.unreleased.remove(&ack.packet_id);
                let packet = Packet::PubComp(PubCompPacket::new(ack.packet_id));
                member.replies.push_back(packet);
            }
            _ => {}
        }
    }

    /// All clients reconnect and receive everything.
    fn finish(mut self) {
        for who in 0..MEMBERS {
            if self.members[who].conn.is_none() {
                self.turn(who);
            }
        }
        while let Some(who) = (0..MEMBERS).find(|&who| !self.members[who].replies.is_empty()) {
            self.acknowledge(who);
        }
        for (number, qos) in &self.published {
            let came = self.received.get(number).copied().unwrap_or(0);
            let expected = FILTERS.len();
            match qos {
                0 if self.at_risk[number] => assert!(came <= expected, "QoS 0: {came}"),
                0 => assert_eq!(came, expected, "QoS 0 with all members connected"),
                1 => assert!(came >= expected, "QoS 1: {came}"),
                _ => assert_eq!(came, expected, "QoS 2"),
            }
        }
    }
}
