//! Clients that speak MQTT themselves and do not notice a change of broker.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy exempts the tests, but not what they share"
)]

use std::collections::{BTreeMap, BTreeSet};

use broker::codec::{self, ProtocolVersion};
use broker::packet::connack::ConnAckPacket;
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
use broker::{Packet, Properties, PropertyId, PropertyValue, QoS, ReasonCode, WillMessage};
use bytes::{Bytes, BytesMut};
use tab::api::Role;
use tab::{Input, PortInput, PortNo, PortOutput, TabId};

use crate::world::{World, id};

const V5: ProtocolVersion = ProtocolVersion::V5;
const V311: ProtocolVersion = ProtocolVersion::V311;
const V31: ProtocolVersion = ProtocolVersion::V31;

/// A client behind a port.
struct Raw {
    tab: TabId,
    no: PortNo,
    version: ProtocolVersion,
    accepted: usize,
    sent: usize,
    is_closed: bool,
    /// The reason for its end, as the worker reports it to its page.
    reason: Option<ReasonCode>,
}

impl Raw {
    fn open(world: &mut World, tab: TabId, no: u32, version: ProtocolVersion) -> Self {
        let no = PortNo(no);
        world.input(tab, Input::Port(no, PortInput::Opened));
        Self {
            tab,
            no,
            version,
            accepted: 0,
            sent: 0,
            is_closed: false,
            reason: None,
        }
    }

    /// A client that is connected with a clean start.
    fn connected(world: &mut World, tab: TabId, no: u32, version: ProtocolVersion) -> Self {
        let mut raw = Self::open(world, tab, no, version);
        raw.send(world, connect(version, &format!("raw-{no}")));
        let connack = raw.connack(world);
        assert_eq!(
            (connack.reason_code, connack.session_present),
            (ReasonCode::Success, false)
        );
        raw
    }

    fn bytes(&mut self, world: &mut World, bytes: Vec<u8>) {
        self.sent += bytes.len();
        world.input(self.tab, Input::Port(self.no, PortInput::Bytes(bytes)));
    }

    fn send(&mut self, world: &mut World, packet: impl Into<Packet>) {
        let mut bytes = Vec::new();
        codec::encode(&packet.into(), self.version, &mut bytes).unwrap();
        self.bytes(world, bytes);
    }

    fn received(&mut self, world: &mut World) -> Vec<Packet> {
        let mut stream = BytesMut::new();
        for output in world.port_outputs(self.tab, self.no) {
            assert!(!self.is_closed, "{output:?} after the end");
            match output {
                PortOutput::Bytes(bytes) => stream.extend_from_slice(&bytes),
                PortOutput::Accepted(count) => self.accepted += count,
                PortOutput::Closed(reason) => {
                    self.is_closed = true;
                    self.reason = reason;
                }
            }
        }
        let mut stream = Bytes::from(stream);
        core::iter::from_fn(|| codec::decode(&mut stream, self.version, u32::MAX).unwrap())
            .collect()
    }

    /// Packets that it received, one line each.
    fn lines(&mut self, world: &mut World) -> Vec<String> {
        self.received(world).iter().map(line).collect()
    }

    fn connack(&mut self, world: &mut World) -> ConnAckPacket {
        match &self.received(world)[..] {
            [Packet::ConnAck(connack)] => connack.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn subscribe(&mut self, world: &mut World, packet_id: u16, filter: &str) {
        self.send(world, subscribe(packet_id, filter));
        assert_eq!(self.lines(world), [format!("SUBACK {packet_id}")]);
    }
}

fn line(packet: &Packet) -> String {
    match packet {
        Packet::Publish(it) => {
            let payload = String::from_utf8_lossy(&it.payload);
            let qos = u8::from(it.qos);
            let id = it.packet_id.map(|id| format!(" #{id}")).unwrap_or_default();
            let dup = if it.dup { " dup" } else { "" };
            format!("PUBLISH {} {payload} qos{qos}{id}{dup}", it.topic_name)
        }
        Packet::PubAck(it) => format!("PUBACK {}", it.packet_id),
        Packet::PubRec(it) => format!("PUBREC {}", it.packet_id),
        Packet::PubRel(it) => format!("PUBREL {}", it.packet_id),
        Packet::PubComp(it) => format!("PUBCOMP {} {:?}", it.packet_id, it.reason_code),
        Packet::SubAck(it) => format!("SUBACK {}", it.packet_id),
        Packet::UnsubAck(it) => format!("UNSUBACK {}", it.packet_id),
        Packet::Disconnect(it) => format!("DISCONNECT {:?}", it.reason_code),
        other => other.packet_type_name().to_owned(),
    }
}

fn connect(version: ProtocolVersion, client_id: &str) -> Packet {
    Packet::Connect(Box::new(ConnectPacket {
        protocol_version: match version {
            V5 => 5,
            V311 => 4,
            V31 => 3,
        },
        clean_start: true,
        keep_alive: 0,
        client_id: client_id.to_owned(),
        username: None,
        password: None,
        will: None,
        properties: Properties::new(),
        will_properties: Properties::new(),
    }))
}

fn subscribe(packet_id: u16, filter: &str) -> Packet {
    let mut packet = SubscribePacket::new(packet_id);
    packet.filters.push(TopicFilter {
        filter: filter.to_owned(),
        options: SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            ..SubscriptionOptions::default()
        },
    });
    Packet::Subscribe(packet)
}

fn publish(packet_id: u16, topic: &str, payload: &str, qos: QoS) -> Packet {
    let packet = PublishPacket::new(topic, payload.to_owned().into_bytes(), qos);
    Packet::Publish(match qos {
        QoS::AtMostOnce => packet,
        _ => packet.with_packet_id(packet_id),
    })
}

const QOS1: QoS = QoS::AtLeastOnce;
const QOS2: QoS = QoS::ExactlyOnce;

fn puback(packet_id: u16) -> Packet {
    Packet::PubAck(PubAckPacket::new(packet_id))
}

fn pubrec(packet_id: u16) -> Packet {
    Packet::PubRec(PubRecPacket::new(packet_id))
}

fn pubrel(packet_id: u16) -> Packet {
    Packet::PubRel(PubRelPacket::new(packet_id))
}

fn pubcomp(packet_id: u16) -> Packet {
    Packet::PubComp(PubCompPacket::new(packet_id))
}

fn disconnect() -> Packet {
    Packet::Disconnect(DisconnectPacket::new(ReasonCode::Success))
}

/// Three tabs, the first of which is the broker; a client of each version in the third, and one in the second.
fn world(version: ProtocolVersion) -> (World, Raw, Raw) {
    let mut world = World::durable(3);
    let receiver = Raw::connected(&mut world, id(3), 1, version);
    let sender = Raw::connected(&mut world, id(2), 2, V5);
    (world, receiver, sender)
}

/// The broker's tab closes, and another one takes over at once.
fn move_broker(world: &mut World) {
    let broker = (1..).map(id).find(|it| is_broker(world, *it)).unwrap();
    world.close(broker);
    world.pass(100);
}

fn is_broker(world: &World, tab: TabId) -> bool {
    world.has(tab) && matches!(world.role(tab), Role::Broker { .. })
}

#[test]
fn both_mqtt_versions_work_in_any_tab_and_between_them() {
    for (tab, version) in [(1, V5), (1, V311), (3, V5), (3, V311)] {
        let mut world = World::durable(3);
        let mut one = Raw::connected(&mut world, id(tab), 1, version);
        let mut other = Raw::connected(&mut world, id(2), 2, V5);
        one.subscribe(&mut world, 1, "to/one");
        other.subscribe(&mut world, 1, "to/other");
        one.send(&mut world, publish(7, "to/other", "x", QOS2));
        assert_eq!(one.lines(&mut world), ["PUBREC 7"]);
        one.send(&mut world, pubrel(7));
        assert_eq!(one.lines(&mut world), ["PUBCOMP 7 Success"]);
        assert_eq!(other.lines(&mut world), ["PUBLISH to/other x qos2 #1"]);
        other.send(&mut world, publish(1, "to/one", "y", QOS1));
        assert_eq!(one.lines(&mut world), ["PUBLISH to/one y qos1 #1"]);
        one.send(&mut world, puback(1));
        one.send(&mut world, Packet::PingReq);
        assert_eq!(one.lines(&mut world), ["PINGRESP"]);
        one.send(
            &mut world,
            Packet::Unsubscribe({
                let mut packet = UnsubscribePacket::new(9);
                packet.filters.push("to/one".to_owned());
                packet
            }),
        );
        assert_eq!(one.lines(&mut world), ["UNSUBACK 9"]);
        assert_eq!(one.accepted, one.sent);
        one.send(&mut world, disconnect());
        one.received(&mut world);
        assert!(one.is_closed);
    }
}

#[test]
fn packets_may_be_cut_anywhere() {
    let (mut world, mut receiver, _) = world(V311);
    let mut bytes = Vec::new();
    for packet in [subscribe(1, "a"), publish(2, "a", "x", QOS1)] {
        codec::encode(&packet, V311, &mut bytes).unwrap();
    }
    for byte in bytes {
        receiver.bytes(&mut world, vec![byte]);
    }
    assert_eq!(
        receiver.lines(&mut world),
        ["SUBACK 1", "PUBLISH a x qos1 #1", "PUBACK 2"]
    );
}

#[test]
fn a_client_does_not_notice_a_change_of_broker() {
    for version in [V5, V311] {
        let (mut world, mut receiver, mut sender) = world(version);
        receiver.subscribe(&mut world, 1, "a");
        for round in 1..=2 {
            move_broker(&mut world);
            sender.send(&mut world, publish(round, "a", "x", QOS1));
            assert_eq!(sender.lines(&mut world), [format!("PUBACK {round}")]);
            if world.has(receiver.tab) {
                assert_eq!(
                    receiver.lines(&mut world),
                    [format!("PUBLISH a x qos1 #{round}")]
                );
                receiver.send(&mut world, puback(round));
            }
            if round == 1 {
                // The sender's tab is the broker's now, and the next one to close.
                sender = Raw::connected(&mut world, id(3), 3, V5);
            }
        }
    }
}

#[test]
fn publications_without_a_broker_leave_in_order_and_are_accepted_then() {
    let (mut world, mut receiver, mut sender) = world(V311);
    receiver.subscribe(&mut world, 1, "a");
    world.freeze(id(2));
    world.close(id(1));
    // The frozen tab holds the lock.
    for number in 1..=3 {
        receiver.send(&mut world, publish(number, "a", &number.to_string(), QOS1));
    }
    receiver.send(&mut world, publish(0, "a", "zero", QoS::AtMostOnce));
    receiver.send(&mut world, Packet::PingReq);
    assert_eq!(receiver.lines(&mut world), ["PINGRESP"]);
    assert!(receiver.accepted < receiver.sent);
    world.thaw(id(2));
    world.pass(100);
    assert_eq!(
        receiver.lines(&mut world),
        [
            "PUBLISH a 1 qos1 #1",
            "PUBACK 1",
            "PUBLISH a 2 qos1 #2",
            "PUBACK 2",
            "PUBLISH a 3 qos1 #3",
            "PUBACK 3",
            "PUBLISH a zero qos0",
        ]
    );
    assert_eq!(receiver.accepted, receiver.sent);
    assert!(sender.received(&mut world).is_empty());
}

/// The broker is suspended, and then its tab ends. It never answered the last packets.
fn send_to_a_suspended_broker(world: &mut World, raw: &mut Raw, packets: Vec<Packet>) {
    world.freeze(id(1));
    for packet in packets {
        raw.send(world, packet);
    }
    assert!(raw.received(world).is_empty());
    world.crash(id(1));
    world.pass(100);
}

#[test]
fn the_next_broker_answers_unanswered_requests() {
    for version in [V5, V311] {
        let (mut world, mut receiver, mut sender) = world(version);
        sender.subscribe(&mut world, 1, "a");
        receiver.send(&mut world, publish(3, "a", "before", QOS2));
        assert_eq!(receiver.lines(&mut world), ["PUBREC 3"]);
        send_to_a_suspended_broker(
            &mut world,
            &mut receiver,
            vec![
                publish(4, "a", "once", QOS1),
                publish(5, "a", "exactly", QOS2),
                subscribe(6, "b"),
                pubrel(3),
                Packet::PingReq,
            ],
        );
        let mut lines = receiver.lines(&mut world);
        lines.sort();
        assert_eq!(
            lines,
            [
                "PINGRESP",
                "PUBACK 4",
                "PUBCOMP 3 Success",
                "PUBREC 5",
                "SUBACK 6"
            ]
        );
        receiver.send(&mut world, pubrel(5));
        assert_eq!(receiver.lines(&mut world), ["PUBCOMP 5 Success"]);
        assert_eq!(
            sender.lines(&mut world),
            [
                "PUBLISH a before qos2 #1",
                "PUBLISH a once qos1 #2",
                "PUBLISH a exactly qos2 #3"
            ]
        );
    }
}

#[test]
fn a_client_gets_no_message_twice_and_its_answer_reaches_the_broker_that_asks() {
    for version in [V5, V311] {
        for answers_early in [true, false] {
            let (mut world, mut receiver, mut sender) = world(version);
            receiver.subscribe(&mut world, 1, "a");
            sender.send(&mut world, publish(1, "a", "one", QOS1));
            sender.send(&mut world, publish(2, "a", "two", QOS2));
            assert_eq!(
                receiver.lines(&mut world),
                ["PUBLISH a one qos1 #1", "PUBLISH a two qos2 #2"]
            );
            // A tab gets the lock that cannot use it yet.
            world.freeze(id(2));
            world.close(id(1));
            if answers_early {
                receiver.send(&mut world, puback(1));
                receiver.send(&mut world, pubrec(2));
            }
            world.thaw(id(2));
            world.pass(100);
            if !answers_early {
                assert!(receiver.received(&mut world).is_empty());
                receiver.send(&mut world, puback(1));
                receiver.send(&mut world, pubrec(2));
            }
            assert_eq!(receiver.lines(&mut world), ["PUBREL 2"]);
            receiver.send(&mut world, pubcomp(2));
            // Once that is stored, no answer is owed, and the next broker repeats nothing.
            world.pass(10);
            world.open(id(4));
            move_broker(&mut world);
            assert!(receiver.received(&mut world).is_empty());
        }
    }
}

#[test]
fn the_connection_of_a_client_whose_session_is_lost_ends() {
    for version in [V5, V311, V31] {
        let mut world = World::with_tabs(2);
        let mut raw = Raw::connected(&mut world, id(2), 1, version);
        world.close(id(1));
        world.pass(100);
        let lines = raw.lines(&mut world);
        assert!(raw.is_closed);
        match version {
            V5 => assert_eq!(lines, ["DISCONNECT ServerShuttingDown"]),
            V31 | V311 => assert_eq!(lines, [""; 0]),
        }
        Raw::connected(&mut world, id(2), 2, version);
    }
}

#[test]
fn a_port_learns_that_another_client_took_its_session() {
    for (version, tab) in [(V311, 1), (V311, 2), (V5, 1), (V5, 2)] {
        let mut world = world(version).0;
        let mut first = Raw::connected(&mut world, id(tab), 7, version);
        let mut second = Raw::open(&mut world, id(3), 8, version);
        second.send(&mut world, connect(version, "raw-7"));
        second.connack(&mut world);
        let lines = first.lines(&mut world);
        assert_eq!(lines.len(), usize::from(version == V5), "{lines:?}");
        assert!(first.is_closed);
        assert_eq!(first.reason, Some(ReasonCode::SessionTakenOver));
        // A client that sends DISCONNECT needs no reason.
        second.send(&mut world, disconnect());
        second.received(&mut world);
        assert!(second.is_closed);
        assert_eq!(second.reason, None);
    }
}

#[test]
fn a_will_is_sent_for_a_lost_client_and_not_after_disconnect() {
    for is_polite in [true, false] {
        for is_late in [true, false] {
            let (mut world, mut receiver, _) = world(V5);
            receiver.subscribe(&mut world, 1, "will");
            let mut mortal = Raw::open(&mut world, id(3), 4, V311);
            let Packet::Connect(mut packet) = connect(V311, "mortal") else {
                unreachable!()
            };
            packet.will = Some(WillMessage::new("will", "gone"));
            mortal.send(&mut world, Packet::Connect(packet));
            mortal.connack(&mut world);
            if is_late {
                // There is no broker that could receive it.
                world.freeze(id(2));
                world.close(id(1));
            }
            if is_polite {
                mortal.send(&mut world, disconnect());
            } else {
                world.input(id(3), Input::Port(PortNo(4), PortInput::Closed));
            }
            mortal.received(&mut world);
            assert_eq!(mortal.is_closed, is_polite);
            if is_late {
                world.thaw(id(2));
            }
            world.pass(31_000);
            let expected: &[&str] = if is_polite {
                &[]
            } else {
                &["PUBLISH will gone qos0"]
            };
            assert_eq!(receiver.lines(&mut world), expected, "{is_late}");
        }
    }
}

#[test]
fn a_client_without_an_id_gets_one_that_outlives_the_broker() {
    let mut world = World::durable(3);
    let mut raw = Raw::open(&mut world, id(3), 1, V5);
    raw.send(&mut world, connect(V5, ""));
    let connack = raw.connack(&mut world);
    let assigned = connack.properties.get(PropertyId::AssignedClientIdentifier);
    let expected = PropertyValue::Utf8String(format!("tab-{}-port-1", id(3)));
    assert_eq!(assigned, Some(&expected));
    let mut old = Raw::open(&mut world, id(3), 2, V311);
    old.send(&mut world, connect(V311, ""));
    old.connack(&mut world);
    move_broker(&mut world);
    for raw in [&mut raw, &mut old] {
        raw.subscribe(&mut world, 1, "a");
    }
}

#[test]
fn a_client_of_3_1_without_identifier_is_refused() {
    let (mut world, ..) = world(V5);
    let mut raw = Raw::open(&mut world, id(3), 3, V31);
    raw.send(&mut world, connect(V31, ""));
    let connack = raw.connack(&mut world);
    assert_eq!(connack.reason_code, ReasonCode::ClientIdentifierNotValid);
    assert!(raw.is_closed);
}

#[test]
fn a_client_of_3_1_repeats_with_dup_and_does_not_notice_a_change_of_broker() {
    let (mut world, ..) = world(V5);
    let mut raw = Raw::connected(&mut world, id(3), 3, V31);
    raw.subscribe(&mut world, 1, "a");
    raw.bytes(&mut world, b"\x8A\x06\x00\x01\x00\x01a\x02".to_vec());
    assert_eq!(raw.lines(&mut world), ["SUBACK 1"]);
    move_broker(&mut world);
    raw.send(&mut world, publish(2, "a", "x", QoS::AtMostOnce));
    assert_eq!(raw.lines(&mut world), ["PUBLISH a x qos0"]);
}

#[test]
fn an_invalid_topic_filter_ends_its_own_connection_only() {
    // SUBSCRIBE to `a+`.
    for (version, bytes) in [
        (V5, &b"\x82\x08\x00\x01\x00\x00\x02a+\x00"[..]),
        (V311, b"\x82\x07\x00\x01\x00\x02a+\x00"),
    ] {
        let (mut world, mut receiver, mut sender) = world(version);
        receiver.subscribe(&mut world, 1, "+");
        let mut wrong = Raw::connected(&mut world, id(3), 3, version);
        wrong.bytes(&mut world, bytes.to_vec());
        let lines = wrong.lines(&mut world);
        assert!(wrong.is_closed);
        match version {
            V5 => assert_eq!(lines, ["DISCONNECT MalformedPacket"]),
            V31 | V311 => assert_eq!(lines, [""; 0]),
        }
        sender.send(&mut world, publish(1, "b", "x", QoS::AtMostOnce));
        assert_eq!(receiver.lines(&mut world), ["PUBLISH b x qos0"]);
    }
}

#[test]
fn topic_aliases_mean_the_same_to_the_next_broker() {
    let (mut world, mut receiver, mut sender) = world(V5);
    receiver.subscribe(&mut world, 1, "a");
    let aliased = |topic: &str, payload: &str| {
        Packet::Publish(
            PublishPacket::new(topic, payload.to_owned().into_bytes(), QoS::AtMostOnce)
                .with_topic_alias(1),
        )
    };
    sender.send(&mut world, aliased("a", "1"));
    sender.send(&mut world, aliased("", "2"));
    move_broker(&mut world);
    let mut sender_line = receiver.lines(&mut world);
    assert_eq!(sender_line, ["PUBLISH a 1 qos0", "PUBLISH a 2 qos0"]);
    sender.send(&mut world, aliased("", "3"));
    sender_line = receiver.lines(&mut world);
    assert_eq!(sender_line, ["PUBLISH a 3 qos0"]);
    assert!(!sender.is_closed);
}

#[test]
fn garbage_ends_the_connection_and_nothing_else() {
    for version in [V5, V311] {
        let (mut world, mut receiver, mut sender) = world(version);
        receiver.bytes(&mut world, vec![0xff; 10]);
        let lines = receiver.lines(&mut world);
        assert!(receiver.is_closed);
        assert_eq!(lines.len(), usize::from(version == V5), "{lines:?}");
        receiver.bytes(&mut world, vec![0xff; 10]);
        assert!(receiver.received(&mut world).is_empty());
        sender.subscribe(&mut world, 1, "a");
    }
    let mut world = World::durable(1);
    for first in [vec![0u8; 4], vec![0xc0, 0], vec![0x10, 2, 0, 0]] {
        let mut raw = Raw::open(&mut world, id(1), 1, V5);
        raw.bytes(&mut world, first);
        raw.received(&mut world);
        assert!(raw.is_closed);
    }
}

#[test]
fn a_port_without_a_channel_is_closed() {
    let mut world = World::durable(1);
    world.start(id(2));
    let mut raw = Raw::open(&mut world, id(2), 1, V5);
    raw.received(&mut world);
    assert!(raw.is_closed);
}

#[test]
fn a_broker_that_does_not_answer_a_port_is_suspected() {
    let (mut world, mut receiver, _) = world(V311);
    world.pass(10_000);
    world.freeze(id(1));
    receiver.send(&mut world, publish(1, "a", "x", QOS1));
    world.pass(1_000);
    assert!(is_broker(&world, id(2)) || is_broker(&world, id(3)));
    assert_eq!(receiver.lines(&mut world), ["PUBACK 1"]);
}

#[test]
fn a_port_gets_no_output_after_its_end_and_the_broker_gets_all_earlier_input() {
    let mut world = World::durable(2);
    let mut receiver = Raw::connected(&mut world, id(2), 1, V5);
    receiver.subscribe(&mut world, 1, "a");
    let mut raw = Raw::connected(&mut world, id(1), 2, V5);
    world.freeze(id(1));
    // Too short a time for another tab to become the broker.
    world.pass(3_000);
    raw.send(&mut world, publish(1, "a", "x", QOS1));
    world.input(id(1), Input::Port(raw.no, PortInput::Closed));
    world.stuck.insert(id(1));
    world.thaw(id(1));
    world.unstick(id(1));
    world.pass(100);
    assert!(is_broker(&world, id(1)));
    assert_eq!(receiver.lines(&mut world), ["PUBLISH a x qos1 #1"]);
    assert_eq!(world.port_outputs(id(1), raw.no), []);
}

/// A client that publishes numbers, and receives those of all clients.
struct Chatter {
    raw: Raw,
    /// Its publications, by packet identifier; `true` after PUBREC.
    open: BTreeMap<u16, (u32, bool)>,
    acknowledged: BTreeSet<u32>,
    /// Received messages.
    came: Vec<(u32, QoS)>,
    /// Received and unreleased QoS 2 messages. This client processes them at the release.
    unreleased: BTreeMap<u16, u32>,
    /// Answers that it has not sent yet.
    owed: Vec<Packet>,
}

impl Chatter {
    fn new(world: &mut World, tab: TabId, no: u32, version: ProtocolVersion) -> Self {
        let mut raw = Raw::connected(world, tab, no, version);
        raw.subscribe(world, 1, "t/#");
        Self {
            raw,
            open: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            came: Vec::new(),
            unreleased: BTreeMap::new(),
            owed: Vec::new(),
        }
    }

    fn publish(&mut self, world: &mut World, number: u32, qos: QoS) {
        let packet_id = (1..).find(|id| !self.open.contains_key(id)).unwrap();
        self.open.insert(packet_id, (number, false));
        let topic = format!("t/{}", self.raw.no.0);
        let packet = publish(packet_id, &topic, &number.to_string(), qos);
        self.raw.send(world, packet);
    }

    fn receive(&mut self, world: &mut World) {
        for packet in self.raw.received(world) {
            match packet {
                Packet::Publish(it) => {
                    let number = core::str::from_utf8(&it.payload).unwrap().parse().unwrap();
                    let packet_id = it.packet_id.unwrap();
                    match it.qos {
                        QOS1 => self.came.push((number, QOS1)),
                        _ => drop(self.unreleased.insert(packet_id, number)),
                    }
                    self.owed.push(match it.qos {
                        QOS1 => puback(packet_id),
                        _ => pubrec(packet_id),
                    });
                }
                Packet::PubRel(it) => {
                    let number = self.unreleased.remove(&it.packet_id);
                    self.came.extend(number.map(|number| (number, QOS2)));
                    self.owed.push(pubcomp(it.packet_id));
                }
                Packet::PubRec(it) => {
                    let (_, is_received) = self.open.get_mut(&it.packet_id).unwrap();
                    *is_received = true;
                    self.owed.push(pubrel(it.packet_id));
                }
                Packet::PubAck(it) => self.is_acknowledged(it.packet_id),
                Packet::PingResp => {}
                Packet::PubComp(it) => {
                    assert_eq!(it.reason_code, ReasonCode::Success);
                    assert!(self.open[&it.packet_id].1);
                    self.is_acknowledged(it.packet_id);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn is_acknowledged(&mut self, packet_id: u16) {
        let (number, _) = self.open.remove(&packet_id).unwrap();
        assert!(self.acknowledged.insert(number));
    }

    fn answer(&mut self, world: &mut World) {
        for packet in core::mem::take(&mut self.owed) {
            self.raw.send(world, packet);
        }
    }
}

/// Pseudorandom numbers, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % count
    }
}

#[test]
fn across_broker_failures_nothing_is_lost_and_qos_2_arrives_once_in_order() {
    for seed in 1..=1_000 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (seed << 20));
        let mut world = World::durable(6);
        let mut chatters = [(4, V5), (5, V311), (6, V311)].map(|(tab, version)| {
            let no = u32::try_from(tab).unwrap();
            Chatter::new(&mut world, id(tab), no, version)
        });
        let mut published: Vec<Vec<(u32, QoS)>> = vec![Vec::new(); chatters.len()];
        let (mut number, mut next_tab) = (0, 7);
        let mut mortal: Vec<u64> = vec![1, 2, 3];
        let mut frozen: Vec<u64> = Vec::new();
        for _ in 0..150 {
            let who = usize::try_from(dice.below(3)).unwrap();
            match dice.below(16) {
                0..=5 => {
                    number += 1;
                    let qos = [QOS1, QOS2][usize::from(dice.below(2) == 0)];
                    published[who].push((number, qos));
                    chatters[who].publish(&mut world, number, qos);
                }
                6..=7 => chatters[who].receive(&mut world),
                8..=9 => chatters[who].answer(&mut world),
                10 => world.frames_to_lose = 1,
                11 if frozen.len() < 2 => {
                    // Including the tabs of clients.
                    let tab = dice.below(next_tab - 1) + 1;
                    if world.has(id(tab)) && !frozen.contains(&tab) {
                        world.freeze(id(tab));
                        frozen.push(tab);
                    }
                }
                12 if !frozen.is_empty() => world.thaw(id(frozen.remove(0))),
                13 if mortal.len() > 1 => {
                    let place = dice.below(mortal.len() as u64);
                    let tab = mortal.remove(usize::try_from(place).unwrap());
                    frozen.retain(|it| *it != tab);
                    match dice.below(2) {
                        0 => world.close(id(tab)),
                        _ => world.crash(id(tab)),
                    }
                    world.open(id(next_tab));
                    mortal.push(next_tab);
                    next_tab += 1;
                }
                _ => world.pass(dice.below(800)),
            }
        }
        for tab in frozen {
            world.thaw(id(tab));
        }
        world.frames_to_lose = 0;
        for _ in 0..60 {
            world.pass(1_000);
            for chatter in &mut chatters {
                // The loss of the last frame on a lane is noticed only with the next one.
                chatter.raw.send(&mut world, Packet::PingReq);
                chatter.receive(&mut world);
                chatter.answer(&mut world);
            }
        }
        for (chatter, published) in chatters.iter().zip(&published) {
            assert!(!chatter.raw.is_closed, "seed {seed}: a port was closed");
            let own: BTreeSet<u32> = published.iter().map(|(number, _)| *number).collect();
            assert_eq!(chatter.acknowledged, own, "seed {seed}: acknowledged");
            assert_eq!(
                chatter.raw.accepted, chatter.raw.sent,
                "seed {seed}: bytes accepted"
            );
        }
        for chatter in &chatters {
            for published in &published {
                let came: Vec<_> = chatter
                    .came
                    .iter()
                    .filter(|it| published.contains(it))
                    .collect();
                let all: BTreeSet<_> = came.iter().map(|(number, _)| number).collect();
                assert_eq!(all.len(), published.len(), "seed {seed}: lost");
                let exactly = |all: &[&(u32, QoS)]| -> Vec<u32> {
                    let exactly = all.iter().filter(|(_, qos)| *qos == QOS2);
                    exactly.map(|(number, _)| *number).collect()
                };
                let published: Vec<_> = published.iter().collect();
                assert_eq!(exactly(&came), exactly(&published), "seed {seed}: QoS 2");
            }
        }
    }
}

#[test]
fn a_port_reports_accepted_bytes_only_when_there_is_room() {
    let mut world = World::with_tabs(3);
    let mut publisher = Raw::connected(&mut world, id(2), 1, V5);
    let mut subscriber = Raw::connected(&mut world, id(3), 2, V5);
    subscriber.subscribe(&mut world, 1, "#");
    world.freeze(id(1));
    let message = PublishPacket::new("a", vec![b'x'; 100_000], QoS::AtMostOnce);
    for _ in 0..100 {
        publisher.send(&mut world, Packet::Publish(message.clone()));
    }
    publisher.received(&mut world);
    let early = publisher.accepted;
    assert!((1_000_000..2_000_000).contains(&early), "{early}");
    world.thaw(id(1));
    publisher.received(&mut world);
    assert_eq!(publisher.accepted, publisher.sent);
    assert_eq!(subscriber.received(&mut world).len(), 100);
}
