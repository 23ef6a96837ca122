//! Delivery to clients: acknowledgements, Receive Maximum, packet identifiers, queued messages and repeated messages.

use broker::packet::connect::ConnectPacket;
use broker::packet::puback::PubAckPacket;
use broker::packet::pubrec::PubRecPacket;
use broker::{BrokerEvent, Config, DropReason, ReasonCode, TopicName};

use crate::harness::*;

const SESSION: &str = "B CONNACK Success session";

pub(crate) fn receiving(mut connect: ConnectPacket, receive_maximum: u16) -> ConnectPacket {
    connect.properties.set_receive_maximum(receive_maximum);
    connect
}

fn accepting(mut connect: ConnectPacket, maximum_packet_size: u32) -> ConnectPacket {
    connect
        .properties
        .set_maximum_packet_size(maximum_packet_size);
    connect
}

/// A publishes; B is subscribed to `t` with QoS 2.
fn with_subscriber(subscriber: ConnectPacket) -> World {
    let mut world = World::new();
    world.join(A, client("a"));
    world.join(B, subscriber);
    world.subscribe(B, "t", QOS2);
    world
}

/// Publishes `payloads` with QoS 1; B gets `expected`.
#[track_caller]
fn publish_all(world: &mut World, payloads: &[&str], expected: &[&str]) {
    for (index, payload) in payloads.iter().enumerate() {
        let delivered = expected.get(index).copied().unwrap_or_default();
        world.send(
            A,
            publish1(1, "t", payload),
            &format!("{delivered}\nA PUBACK 1"),
        );
    }
}

/// Publishes `payloads` with QoS 1, for which the only receiver has no room.
#[track_caller]
fn refused(world: &mut World, payload: &str) {
    world.send(A, publish1(1, "t", payload), "A PUBACK 1 QuotaExceeded");
}

#[test] // MQTT-4.3.3-4, MQTT-4.3.3-5
fn qos_2_takes_four_steps() {
    let mut world = with_subscriber(client("b"));
    world.send(
        A,
        publish2(1, "t", "x"),
        "B PUBLISH t x qos2 #1\nA PUBREC 1",
    );
    world.send(B, pubrec(1), "B PUBREL 1");
    world.send(B, pubcomp(1), "");
    world.send(B, pubcomp(1), "");
}

#[test]
fn a_repeated_pubrec_is_answered_with_pubrel_again() {
    let mut world = with_subscriber(client("b"));
    world.send(
        A,
        publish2(1, "t", "x"),
        "B PUBLISH t x qos2 #1\nA PUBREC 1",
    );
    world.send(B, pubrec(1), "B PUBREL 1");
    world.send(B, pubrec(1), "B PUBREL 1");
    world.send(B, pubcomp(1), "");
}

#[test] // MQTT-4.4.0-2
fn a_pubrec_with_an_error_ends_the_exchange_and_frees_its_packet_identifier() {
    let mut world = with_subscriber(receiving(client("b"), 1));
    world.send(
        A,
        publish2(1, "t", "1"),
        "B PUBLISH t 1 qos2 #1\nA PUBREC 1",
    );
    world.send(A, publish2(2, "t", "2"), "A PUBREC 2");
    world.send(
        B,
        PubRecPacket::new_with_reason(1, ReasonCode::QuotaExceeded),
        "B PUBLISH t 2 qos2 #2",
    );
    world.send(B, pubcomp(1), "");
}

#[test] // MQTT-4.3.3-4
fn a_pubrec_without_an_error_is_answered_with_pubrel() {
    let mut world = with_subscriber(client("b"));
    world.send(
        A,
        publish2(1, "t", "1"),
        "B PUBLISH t 1 qos2 #1\nA PUBREC 1",
    );
    world.send(
        B,
        PubRecPacket::new_with_reason(1, ReasonCode::NoMatchingSubscribers),
        "B PUBREL 1",
    );
}

#[test] // MQTT-4.4.0-2
fn a_puback_with_an_error_ends_the_exchange() {
    let mut world = with_subscriber(receiving(client("b"), 1));
    publish_all(&mut world, &["1", "2"], &["B PUBLISH t 1 qos1 #1"]);
    world.send(
        B,
        PubAckPacket::new_with_reason(1, ReasonCode::QuotaExceeded),
        "B PUBLISH t 2 qos1 #2",
    );
}

#[test]
fn an_unknown_packet_identifier_in_pubrec_is_answered_with_0x92() {
    let mut world = with_subscriber(client("b"));
    world.send(B, pubrec(5), "B PUBREL 5 PacketIdentifierNotFound");
    world.send(B, pubcomp(5), "");
    world.send(B, puback(5), "");
    // 0x10 is no refusal either.
    world.send_bytes(
        B,
        b"\x50\x03\x00\x09\x10",
        "B PUBREL 9 PacketIdentifierNotFound",
    );
}

#[test] // MQTT-4.3.3-4
fn a_refusal_of_an_unknown_packet_identifier_is_not_answered() {
    let mut world = with_subscriber(client("b"));
    for code in [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] {
        world.send_bytes(B, &[0x50, 3, 0, 9, code], "");
    }
    // The identifier is free, and the next message has a full exchange.
    world.send(
        A,
        publish2(1, "t", "x"),
        "B PUBLISH t x qos2 #1\nA PUBREC 1",
    );
    world.send(B, pubrec(1), "B PUBREL 1");
    world.send(B, pubcomp(1), "");
}

#[test]
fn a_message_that_was_refused_can_be_refused_again() {
    let mut world = with_subscriber(client("b"));
    world.send(
        A,
        publish2(1, "t", "x"),
        "B PUBLISH t x qos2 #1\nA PUBREC 1",
    );
    for _ in 0..2 {
        world.send_bytes(B, b"\x50\x03\x00\x01\x80", "");
    }
}

#[test]
fn an_acknowledgement_of_the_wrong_kind_is_a_protocol_error() {
    let closed = "B DISCONNECT ProtocolError\nB closed ProtocolError";
    for wrong in [pubrec(1).packet(), pubcomp(1).packet()] {
        let mut world = with_subscriber(client("b"));
        world.send(
            A,
            publish1(1, "t", "x"),
            "B PUBLISH t x qos1 #1\nA PUBACK 1",
        );
        world.send(B, wrong, closed);
    }
    for wrong in [puback(1).packet(), pubcomp(1).packet()] {
        let mut world = with_subscriber(client("b"));
        world.send(
            A,
            publish2(1, "t", "x"),
            "B PUBLISH t x qos2 #1\nA PUBREC 1",
        );
        world.send(B, wrong, closed);
    }
    let mut world = with_subscriber(client("b"));
    world.send(
        A,
        publish2(1, "t", "x"),
        "B PUBLISH t x qos2 #1\nA PUBREC 1",
    );
    world.send(B, pubrec(1), "B PUBREL 1");
    world.send(B, puback(1), closed);
}

#[test] // MQTT-3.3.4-9, MQTT-4.9.0-1, MQTT-4.9.0-2
fn messages_in_flight_never_exceed_the_clients_receive_maximum() {
    let mut world = with_subscriber(receiving(client("b"), 2));
    publish_all(
        &mut world,
        &["1", "2", "3", "4"],
        &["B PUBLISH t 1 qos1 #1", "B PUBLISH t 2 qos1 #2"],
    );
    world.send(B, puback(2), "B PUBLISH t 3 qos1 #3");
    world.send(B, puback(1), "B PUBLISH t 4 qos1 #4");
    world.send(B, puback(4), "");
}

#[test] // MQTT-3.3.4-9
fn a_qos_2_message_counts_as_in_flight_until_pubcomp() {
    let mut world = with_subscriber(receiving(client("b"), 1));
    world.send(
        A,
        publish2(1, "t", "1"),
        "B PUBLISH t 1 qos2 #1\nA PUBREC 1",
    );
    world.send(A, publish2(2, "t", "2"), "A PUBREC 2");
    world.send(B, pubrec(1), "B PUBREL 1");
    world.send(B, pubcomp(1), "B PUBLISH t 2 qos2 #2");
}

#[test] // MQTT-3.3.4-10, MQTT-4.9.0-3
fn qos_0_and_other_packets_are_not_held_back() {
    let mut world = with_subscriber(receiving(client("b"), 1));
    publish_all(&mut world, &["1", "2"], &["B PUBLISH t 1 qos1 #1"]);
    world.send(A, publish("t", "3"), "B PUBLISH t 3");
    world.send(B, unsubscribe(1, "u"), "B UNSUBACK 1 NoSubscriptionExisted");
    world.send(B, broker::Packet::PingReq, "B PINGRESP");
}

#[test] // MQTT-2.2.1-4
fn packet_identifiers_in_flight_are_skipped() {
    let mut world = with_subscriber(client("b"));
    publish_all(&mut world, &["first"], &["B PUBLISH t first qos1 #1"]);
    for packet_id in 2..=u16::MAX {
        world.send(
            A,
            publish1(1, "t", "x"),
            &format!("B PUBLISH t x qos1 #{packet_id}\nA PUBACK 1"),
        );
        world.send(B, puback(packet_id), "");
    }
    publish_all(&mut world, &["2"], &["B PUBLISH t 2 qos1 #2"]);
}

#[test]
fn at_most_half_of_the_packet_identifiers_are_in_flight() {
    let mut world = with_subscriber(client("b"));
    for packet_id in 1..=u16::MAX / 2 {
        world.send(
            A,
            publish1(1, "t", "x"),
            &format!("B PUBLISH t x qos1 #{packet_id}\nA PUBACK 1"),
        );
    }
    publish_all(&mut world, &["waits"], &[]);
    world.send(B, puback(700), "B PUBLISH t waits qos1 #32768");
}

#[test] // MQTT-4.5.0-1
fn messages_above_qos_0_are_queued_for_an_absent_client() {
    let mut world = with_subscriber(lasting("b", 100));
    world.gone(B, "");
    world.send(A, publish("t", "0"), "");
    world.send(A, publish1(1, "t", "1"), "A PUBACK 1");
    world.send(A, publish2(2, "t", "2"), "A PUBREC 2");
    world.connect(
        B,
        lasting("b", 100),
        &format!("{SESSION}\nB PUBLISH t 1 qos1 #1\nB PUBLISH t 2 qos2 #2"),
    );
    assert_eq!(world.stats().messages_dropped, 0);
}

#[test] // MQTT-3.3.1-1, MQTT-4.4.0-1, MQTT-4.6.0-5
fn unacknowledged_messages_are_sent_again_in_order_and_before_new_ones() {
    let mut world = with_subscriber(lasting("b", 100));
    publish_all(
        &mut world,
        &["1", "2", "3"],
        &[
            "B PUBLISH t 1 qos1 #1",
            "B PUBLISH t 2 qos1 #2",
            "B PUBLISH t 3 qos1 #3",
        ],
    );
    world.send(
        A,
        publish2(9, "t", "4"),
        "B PUBLISH t 4 qos2 #4\nA PUBREC 9",
    );
    world.send(B, puback(2), "");
    world.gone(B, "");
    publish_all(&mut world, &["5"], &[]);
    world.connect(
        B,
        lasting("b", 100),
        "B CONNACK Success session
         B PUBLISH t 1 qos1 #1 dup
         B PUBLISH t 3 qos1 #3 dup
         B PUBLISH t 4 qos2 #4 dup
         B PUBLISH t 5 qos1 #5",
    );
    world.send(B, puback(1), "");
    world.gone(B, "");
    world.connect(
        B,
        lasting("b", 100),
        "B CONNACK Success session
         B PUBLISH t 3 qos1 #3 dup
         B PUBLISH t 4 qos2 #4 dup
         B PUBLISH t 5 qos1 #5 dup",
    );
}

#[test] // MQTT-4.3.3-6, MQTT-4.4.0-1
fn pubrels_are_sent_again_in_the_order_of_the_pubrecs() {
    let mut world = with_subscriber(lasting("b", 100));
    for packet_id in 1..=3 {
        world.send(
            A,
            publish2(packet_id, "t", "x"),
            &format!("B PUBLISH t x qos2 #{packet_id}\nA PUBREC {packet_id}"),
        );
    }
    world.send(B, pubrec(3), "B PUBREL 3");
    world.send(B, pubrec(1), "B PUBREL 1");
    world.gone(B, "");
    world.connect(
        B,
        lasting("b", 100),
        &format!("{SESSION}\nB PUBREL 3\nB PUBREL 1\nB PUBLISH t x qos2 #2 dup"),
    );
    world.send(B, pubcomp(1), "");
    world.send(B, pubcomp(3), "");
    world.send(B, pubrec(2), "B PUBREL 2");
    world.gone(B, "");
    world.connect(B, lasting("b", 100), &format!("{SESSION}\nB PUBREL 2"));
}

#[test] // MQTT-3.3.4-9, MQTT-4.4.0-1
fn resending_respects_the_receive_maximum_of_the_new_connection() {
    let mut world = with_subscriber(lasting("b", 100));
    for packet_id in 1..=4 {
        world.send(
            A,
            publish2(packet_id, "t", "x"),
            &format!("B PUBLISH t x qos2 #{packet_id}\nA PUBREC {packet_id}"),
        );
    }
    world.send(B, pubrec(4), "B PUBREL 4");
    world.gone(B, "");
    world.connect(
        B,
        receiving(lasting("b", 100), 2),
        &format!("{SESSION}\nB PUBREL 4\nB PUBLISH t x qos2 #1 dup"),
    );
    world.send(A, publish2(5, "t", "new"), "A PUBREC 5");
    world.send(B, pubcomp(4), "B PUBLISH t x qos2 #2 dup");
    // A late acknowledgement: its message need not be sent again.
    world.send(B, pubrec(3), "B PUBREL 3");
    world.send(B, pubrec(1), "B PUBREL 1");
    world.send(B, pubcomp(1), "");
    world.send(B, pubcomp(3), "B PUBLISH t new qos2 #5");
}

#[test] // MQTT-4.9.0-1
fn each_connection_has_its_own_count_against_the_clients_receive_maximum() {
    let mut world = with_subscriber(receiving(lasting("b", 100), 1));
    publish_all(&mut world, &["1", "2"], &["B PUBLISH t 1 qos1 #1"]);
    world.gone(B, "");
    world.connect(
        B,
        receiving(lasting("b", 100), 2),
        &format!("{SESSION}\nB PUBLISH t 1 qos1 #1 dup\nB PUBLISH t 2 qos1 #2"),
    );
}

#[test]
fn a_full_queue_keeps_the_oldest_and_reports_the_rest() {
    let mut world = World::with(Config {
        queue_messages_max: 2,
        ..plain_config()
    });
    world.join(A, client("a"));
    world.join(B, lasting("b", 100));
    world.subscribe(B, "t", QOS1);
    world.gone(B, "");
    world.events();
    publish_all(&mut world, &["1", "2"], &[]);
    for payload in ["3", "4"] {
        refused(&mut world, payload);
    }
    let dropped = || BrokerEvent::MessageDropped {
        client_id: "b".into(),
        topic: TopicName::parse("t").unwrap(),
        reason: DropReason::QueueFull,
    };
    assert_eq!(world.events(), [dropped(), dropped()]);
    assert_eq!(world.stats().messages_dropped, 2);
    world.connect(
        B,
        lasting("b", 100),
        &format!("{SESSION}\nB PUBLISH t 1 qos1 #1\nB PUBLISH t 2 qos1 #2"),
    );
}

#[test]
fn a_message_that_can_be_sent_at_once_needs_no_room_in_the_queue() {
    let mut world = World::with(Config {
        queue_messages_max: 0,
        ..plain_config()
    });
    world.join(A, client("a"));
    world.join(B, receiving(client("b"), 1));
    world.subscribe(B, "t", QOS1);
    publish_all(&mut world, &["1"], &["B PUBLISH t 1 qos1 #1"]);
    refused(&mut world, "2");
    world.send(B, puback(1), "");
    publish_all(&mut world, &["3"], &["B PUBLISH t 3 qos1 #2"]);
}

#[test]
fn expired_messages_make_room_in_a_full_queue() {
    let mut world = World::with(Config {
        queue_messages_max: 2,
        ..plain_config()
    });
    world.join(A, client("a"));
    world.join(B, lasting("b", 100));
    world.subscribe(B, "t", QOS1);
    world.gone(B, "");
    publish_all(&mut world, &["1"], &[]);
    world.send(
        A,
        publish1(1, "t", "2").with_message_expiry_interval(5),
        "A PUBACK 1",
    );
    world.pass_ms(5_000);
    publish_all(&mut world, &["3"], &[]);
    refused(&mut world, "4");
    assert_eq!(world.stats().messages_dropped, 2);
    world.connect(
        B,
        lasting("b", 100),
        &format!("{SESSION}\nB PUBLISH t 1 qos1 #1\nB PUBLISH t 3 qos1 #2"),
    );
}

#[test] // MQTT-3.1.2-24, MQTT-3.1.2-25
fn a_message_too_large_for_a_client_counts_as_delivered() {
    let mut world = with_subscriber(receiving(accepting(client("b"), 20), 1));
    world.events();
    let large = "x".repeat(20);
    world.send(A, publish("t", &large), "");
    world.send(A, publish1(1, "t", &large), "A PUBACK 1");
    world.send(A, publish2(2, "t", &large), "A PUBREC 2");
    let dropped = || BrokerEvent::MessageDropped {
        client_id: "b".into(),
        topic: TopicName::parse("t").unwrap(),
        reason: DropReason::TooLarge,
    };
    assert_eq!(world.events(), [dropped(), dropped(), dropped()]);
    publish_all(&mut world, &["y", "z"], &["B PUBLISH t y qos1 #1"]);
    publish_all(&mut world, &[&large], &[]);
    world.send(B, puback(1), "B PUBLISH t z qos1 #2");
    world.send(B, puback(2), "");
    assert_eq!(world.stats().messages_dropped, 4);
}

#[test] // MQTT-3.1.2-24
fn a_packet_as_large_as_the_client_takes_is_sent() {
    // Fixed header 2, topic 3, packet identifier 2, no properties 1, payload 12.
    let mut world = with_subscriber(accepting(client("b"), 20));
    let fits = "x".repeat(12);
    publish_all(
        &mut world,
        &[&fits, &"x".repeat(13)],
        &[&format!("B PUBLISH t {fits} qos1 #1")],
    );
}

#[test] // MQTT-3.1.2-25
fn a_message_too_large_for_a_new_connection_is_not_sent_again() {
    let mut world = with_subscriber(lasting("b", 100));
    let large = "x".repeat(20);
    publish_all(
        &mut world,
        &[&large, "2"],
        &[
            &format!("B PUBLISH t {large} qos1 #1"),
            "B PUBLISH t 2 qos1 #2",
        ],
    );
    world.gone(B, "");
    world.connect(
        B,
        accepting(lasting("b", 100), 20),
        &format!("{SESSION}\nB PUBLISH t 2 qos1 #2 dup"),
    );
    world.send(B, puback(1), "");
    world.gone(B, "");
    world.connect(
        B,
        lasting("b", 100),
        &format!("{SESSION}\nB PUBLISH t 2 qos1 #2 dup"),
    );
}

#[test] // MQTT-4.6.0-5, MQTT-4.6.0-6
fn messages_of_one_topic_and_qos_stay_in_order_at_the_receive_maximum() {
    let mut world = with_subscriber(receiving(lasting("b", 100), 2));
    publish_all(
        &mut world,
        &["1", "2", "3", "4", "5"],
        &["B PUBLISH t 1 qos1 #1", "B PUBLISH t 2 qos1 #2"],
    );
    world.send(B, puback(1), "B PUBLISH t 3 qos1 #3");
    world.gone(B, "");
    publish_all(&mut world, &["6"], &[]);
    world.connect(
        B,
        receiving(lasting("b", 100), 2),
        &format!("{SESSION}\nB PUBLISH t 2 qos1 #2 dup\nB PUBLISH t 3 qos1 #3 dup"),
    );
    world.send(B, puback(2), "B PUBLISH t 4 qos1 #4");
    world.send(B, puback(3), "B PUBLISH t 5 qos1 #5");
    world.send(B, puback(4), "B PUBLISH t 6 qos1 #6");
}

#[test] // MQTT-4.5.0-1
fn a_message_reaches_every_subscribed_session_once() {
    let mut world = with_subscriber(client("b"));
    world.join(C, client("c"));
    world.subscribe(C, "#", QOS1);
    world.join(D, lasting("d", 100));
    world.subscribe(D, "+", QOS0);
    world.subscribe(A, "t", QOS2);
    world.send(
        A,
        publish2(1, "t", "x"),
        "A PUBLISH t x qos2 #1
         B PUBLISH t x qos2 #1
         C PUBLISH t x qos1 #1
         D PUBLISH t x
         A PUBREC 1",
    );
}
