//! Normative statements of MQTT 3.1.1 that `v311` does not cover, each from the view of a client of 3.1.1.
//! `conformance.toml` lists the tests of each statement.

use broker::access::{Permission, Rule, Users};
use broker::packet::connect::ConnectPacket;
use broker::packet::subscribe::SubscribePacket;
use broker::{Config, WillMessage};

use crate::harness::*;

/// A and B are connected.
fn two_clients() -> World {
    let mut world = World::new();
    world.join(A, client_311("a"));
    world.join(B, client_311("b"));
    world
}

/// A CONNECT with these flags and this payload.
fn connect_bytes(flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut body = b"\x00\x04MQTT\x04".to_vec();
    body.extend([flags, 0, 0]);
    body.extend(payload);
    [&[0x10, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}

fn will(connect: ConnectPacket) -> ConnectPacket {
    with_will(connect, WillMessage::new("w", "gone"))
}

#[test] // 3.1.1/MQTT-3.1.0-1, 3.1.1/MQTT-3.2.0-1
fn nothing_is_sent_before_connack() {
    let mut world = World::new();
    world.open(A);
    world.send_bytes(A, b"\xC0\x00", "A closed ProtocolError");
    world.connect(A, client_311("a"), "A CONNACK Success");
}

#[test] // 3.1.1/MQTT-3.1.0-2, 3.1.1/MQTT-4.8.0-1
fn a_second_connect_ends_the_connection() {
    let mut world = two_clients();
    world.send(A, client_311("a"), "A closed ProtocolError");
    world.send(A, publish("t", ""), "");
    assert_eq!(world.stats().connections, 1);
}

#[test] // 3.1.1/MQTT-3.1.2-1, 3.1.1/MQTT-3.1.2-3, 3.1.1/MQTT-3.1.2-9, 3.1.1/MQTT-3.1.2-11, 3.1.1/MQTT-3.1.2-13, 3.1.1/MQTT-3.1.2-14, 3.1.1/MQTT-3.1.2-15, 3.1.1/MQTT-3.1.2-18, 3.1.1/MQTT-3.1.2-19, 3.1.1/MQTT-3.1.2-20, 3.1.1/MQTT-3.1.2-21, 3.1.1/MQTT-3.1.2-22, 3.1.1/MQTT-3.1.3-3, 3.1.1/MQTT-3.1.3-4, 3.1.1/MQTT-3.1.3-10, 3.1.1/MQTT-3.1.3-11, 3.1.1/MQTT-3.1.4-1, 3.1.1/MQTT-3.1.4-5, 3.1.1/MQTT-3.2.2-6
fn a_malformed_connect_is_closed_without_connack() {
    for bytes in [
        // Another name; the reserved flag; a will with QoS 3. Without a will: its QoS, its Retain, its fields.
        &b"\x10\x0d\x00\x04MQTX\x04\x02\x00\x00\x00\x01a"[..],
        &connect_bytes(0x03, b"\x00\x01a"),
        &connect_bytes(0x1E, b"\x00\x01a\x00\x01w\x00\x01x"),
        &connect_bytes(0x0A, b"\x00\x01a"),
        &connect_bytes(0x22, b"\x00\x01a"),
        &connect_bytes(0x02, b"\x00\x01a\x00\x01w\x00\x01x"),
        // An announced will, user name or password that is missing; an unannounced password; a password without user name.
        &connect_bytes(0x06, b"\x00\x01a"),
        &connect_bytes(0x82, b"\x00\x01a"),
        &connect_bytes(0xC2, b"\x00\x01a\x00\x01u"),
        &connect_bytes(0x82, b"\x00\x01a\x00\x01u\x00\x01p"),
        &connect_bytes(0x42, b"\x00\x01a\x00\x01p"),
        // No client identifier; invalid UTF-8 in the client identifier, the will topic and the user name.
        &connect_bytes(0x02, b""),
        &connect_bytes(0x02, b"\x00\x01\xFF"),
        &connect_bytes(0x06, b"\x00\x01a\x00\x01\xFF\x00\x01x"),
        &connect_bytes(0x82, b"\x00\x01a\x00\x01\xFF"),
    ] {
        let mut world = World::new();
        world.open(A);
        world.send_bytes(A, bytes, "A closed MalformedPacket");
        world.send(A, client_311("a"), "");
        assert_eq!(world.stats().sessions, 0);
    }
}

#[test] // 3.1.1/MQTT-3.1.3-5
fn client_identifiers_of_1_to_23_letters_and_digits_are_accepted() {
    let characters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut world = World::new();
    for start in 0..characters.len() - 22 {
        world.join(A, client_311(&characters[start..=start]));
        world.join(B, client_311(&characters[start..start + 23]));
        world.leave(A);
        world.leave(B);
    }
}

#[test] // 3.1.1/MQTT-3.1.4-2, 3.1.1/MQTT-3.1.3-2
fn a_second_connection_closes_the_first_and_resumes_its_session() {
    let mut world = World::new();
    world.join(A, lasting_311("a"));
    world.subscribe(A, "t", QOS1);
    world.connect(
        B,
        lasting_311("a"),
        "A closed SessionTakenOver\nB CONNACK Success session",
    );
    world.send(
        B,
        publish1(1, "t", "x"),
        "B PUBLISH t x qos1 #1\nB PUBACK 1",
    );
}

#[test] // 3.1.1/MQTT-3.2.2-1, 3.1.1/MQTT-3.2.2-2, 3.1.1/MQTT-3.2.2-3, 3.1.1/MQTT-3.1.4-3, 3.1.1/MQTT-3.1.4-4
fn session_present_says_whether_a_session_is_resumed() {
    let mut world = World::new();
    world.connect(A, lasting_311("a"), "A CONNACK Success");
    world.leave(A);
    world.connect(A, lasting_311("a"), "A CONNACK Success session");
    world.leave(A);
    world.connect(A, client_311("a"), "A CONNACK Success");
    world.leave(A);
    world.connect(A, lasting_311("a"), "A CONNACK Success");
}

#[test] // 3.1.1/MQTT-3.1.2-7, 3.1.1/MQTT-3.3.1-5, 3.1.1/MQTT-3.3.1-6, 3.1.1/MQTT-3.3.1-8
fn retained_messages_outlive_the_session_that_published_them() {
    let mut world = two_clients();
    world.send(A, publish1(1, "t", "kept").with_retain(true), "A PUBACK 1");
    world.leave(A);
    assert_eq!(world.stats().sessions, 1);
    world.send(
        B,
        subscribe(1, "+", QOS2),
        "B SUBACK 1 GrantedQoS2\nB PUBLISH t kept qos1 #1 retain",
    );
}

#[test] // 3.1.1/MQTT-3.3.1-7, 3.1.1/MQTT-3.3.1-9, 3.1.1/MQTT-3.3.1-10, 3.1.1/MQTT-3.3.1-11, 3.1.1/MQTT-3.3.1-12
fn the_last_retained_message_is_kept_until_an_empty_one() {
    let mut world = two_clients();
    world.subscribe(A, "t", QOS1);
    let retained = |payload| publish("t", payload).with_retain(true);
    world.send(B, retained("1"), "A PUBLISH t 1");
    world.send(B, retained("2"), "A PUBLISH t 2");
    world.send(B, publish("t", "3"), "A PUBLISH t 3");
    world.send(
        B,
        subscribe(1, "t", QOS1),
        "B SUBACK 1 GrantedQoS1\nB PUBLISH t 2 retain",
    );
    world.send(B, retained(""), "A PUBLISH t\nB PUBLISH t");
    world.send(B, subscribe(2, "t", QOS1), "B SUBACK 2 GrantedQoS1");
    assert_eq!(world.stats().retained_messages, 0);
}

#[test] // 3.1.1/MQTT-3.1.2-8, 3.1.1/MQTT-3.1.2-10, 3.1.1/MQTT-3.1.2-12, 3.1.1/MQTT-3.14.4-3
fn a_will_is_published_once_and_not_after_disconnect() {
    let mut world = two_clients();
    world.subscribe(B, "w", QOS0);
    world.join(C, will(lasting_311("c")));
    world.gone(C, "B PUBLISH w gone");
    world.rejoin(C, lasting_311("c"));
    world.gone(C, "");
    world.rejoin(C, will(lasting_311("c")));
    world.leave(C);
    world.rejoin(C, lasting_311("c"));
    world.gone(C, "");
}

#[test] // 3.1.1/MQTT-3.1.2-9, 3.1.1/MQTT-3.1.2-16, 3.1.1/MQTT-3.1.2-17
fn the_flags_of_connect_give_the_qos_and_retain_of_a_will() {
    let mut world = two_clients();
    world.subscribe(B, "w", QOS2);
    let once = WillMessage::new("w", "once").with_qos(QOS1);
    world.join(C, with_will(client_311("c"), once));
    world.gone(C, "B PUBLISH w once qos1 #1");
    assert_eq!(world.stats().retained_messages, 0);
    let kept = WillMessage::new("w", "kept")
        .with_qos(QOS2)
        .with_retain(true);
    world.join(C, with_will(client_311("c"), kept));
    world.gone(C, "B PUBLISH w kept qos2 #2");
    world.send(
        A,
        subscribe(1, "w", QOS0),
        "A SUBACK 1 GrantedQoS0\nA PUBLISH w kept retain",
    );
}

#[test] // 3.1.1/MQTT-3.1.2-24
fn a_silent_client_is_disconnected_after_one_and_a_half_times_its_keep_alive() {
    let mut world = World::new();
    let mut connect = client_311("a");
    connect.keep_alive = 10;
    world.join(A, connect);
    world.wait_ms(14_999, "");
    world.send_bytes(A, b"\xC0\x00", "A PINGRESP");
    world.wait_ms(14_999, "");
    world.wait_ms(1, "A closed KeepAliveTimeout");
}

#[test] // 3.1.1/MQTT-2.3.1-6, 3.1.1/MQTT-3.3.4-1, 3.1.1/MQTT-4.3.1-1, 3.1.1/MQTT-4.3.2-2, 3.1.1/MQTT-4.3.3-2
fn each_qos_has_its_answer() {
    let mut world = two_clients();
    world.subscribe(B, "t", QOS0);
    world.send(A, publish("t", "0"), "B PUBLISH t 0");
    world.send(A, publish1(7, "t", "1"), "B PUBLISH t 1\nA PUBACK 7");
    // After PUBACK the same identifier is of a new message, with or without DUP.
    let again = publish1(7, "t", "1").with_dup(true);
    world.send(A, again, "B PUBLISH t 1\nA PUBACK 7");
    world.send(A, publish2(8, "t", "2"), "B PUBLISH t 2\nA PUBREC 8");
    world.send(A, publish2(8, "t", "2").with_dup(true), "A PUBREC 8");
    world.send(A, pubrel(8), "A PUBCOMP 8");
    world.send(A, publish2(8, "t", "3"), "B PUBLISH t 3\nA PUBREC 8");
    world.send(A, pubrel(8), "A PUBCOMP 8");
    world.send(A, pubrel(8), "A PUBCOMP 8");
}

#[test] // 3.1.1/MQTT-3.3.1-1, 3.1.1/MQTT-3.3.1-3, 3.1.1/MQTT-4.3.2-1, 3.1.1/MQTT-4.3.3-1, 3.1.1/MQTT-4.4.0-1, 3.1.1/MQTT-4.6.0-1
fn unacknowledged_messages_are_sent_again_in_order_with_dup() {
    let mut world = World::new();
    world.join(A, lasting_311("a"));
    world.subscribe(A, "t", QOS2);
    world.join(B, client_311("b"));
    world.send(
        B,
        publish1(1, "t", "1").with_dup(true),
        "A PUBLISH t 1 qos1 #1\nB PUBACK 1",
    );
    world.send(
        B,
        publish2(2, "t", "2"),
        "A PUBLISH t 2 qos2 #2\nB PUBREC 2",
    );
    world.send(
        B,
        publish2(3, "t", "3"),
        "A PUBLISH t 3 qos2 #3\nB PUBREC 3",
    );
    world.send(A, pubrec(3), "A PUBREL 3");
    world.gone(A, "");
    world.connect(
        A,
        lasting_311("a"),
        "A CONNACK Success session
         A PUBREL 3
         A PUBLISH t 1 qos1 #1 dup
         A PUBLISH t 2 qos2 #2 dup",
    );
    world.send(A, pubcomp(3), "");
    world.send(A, puback(1), "");
    world.send(A, pubrec(2), "A PUBREL 2");
    world.send(A, pubcomp(2), "");
    world.gone(A, "");
    world.rejoin(A, lasting_311("a"));
}

#[test] // 3.1.1/MQTT-3.1.2-5, 3.1.1/MQTT-4.1.0-1, 3.1.1/MQTT-4.5.0-1, 3.1.1/MQTT-4.6.0-5, 3.1.1/MQTT-4.6.0-6
fn messages_for_an_absent_session_are_queued_in_order() {
    let mut world = World::new();
    world.join(A, lasting_311("a"));
    world.subscribe(A, "t/+", QOS1);
    world.gone(A, "");
    world.join(B, client_311("b"));
    for packet_id in 1..=3 {
        let topic = format!("t/{packet_id}");
        let puback = format!("B PUBACK {packet_id}");
        world.send(B, publish1(packet_id, &topic, ""), &puback);
    }
    world.send(B, publish("t/0", "not kept"), "");
    world.connect(
        A,
        lasting_311("a"),
        "A CONNACK Success session
         A PUBLISH t/1 qos1 #1
         A PUBLISH t/2 qos1 #2
         A PUBLISH t/3 qos1 #3",
    );
}

#[test] // 3.1.1/MQTT-2.3.1-7, 3.1.1/MQTT-3.8.4-1, 3.1.1/MQTT-3.8.4-2, 3.1.1/MQTT-3.8.4-4, 3.1.1/MQTT-3.8.4-5, 3.1.1/MQTT-3.9.3-1, 3.1.1/MQTT-3.9.3-2
fn suback_has_one_return_code_for_each_filter_in_order() {
    let users = Users::new()
        .with_anonymous(true)
        .with_rules(vec![Rule::deny(Permission::Subscribe, "closed").unwrap()]);
    let config = Config {
        topic_levels_max: 2,
        ..plain_config()
    };
    let mut world = World::with_access(config, users);
    world.join(A, client_311("a"));
    let many = SubscribePacket::new(513)
        .add_filter("a", QOS2)
        .add_filter("closed", QOS2)
        .add_filter("b", QOS0)
        .add_filter("d/e/f", QOS0)
        .add_filter("c", QOS1);
    // 0x80 is the only failure code.
    world.send(
        A,
        many,
        "A SUBACK 513 GrantedQoS2 UnspecifiedError GrantedQoS0 UnspecifiedError GrantedQoS1",
    );
    world.send(A, publish("c", "x"), "A PUBLISH c x");
}

#[test] // 3.1.1/MQTT-3.8.4-3
fn subscribing_again_replaces_the_subscription_and_sends_retained_messages_again() {
    let mut world = two_clients();
    world.send(A, publish("t", "old").with_retain(true), "");
    let retained = "B PUBLISH t old retain";
    world.send(
        B,
        subscribe(1, "t", QOS2),
        &format!("B SUBACK 1 GrantedQoS2\n{retained}"),
    );
    world.send(
        B,
        subscribe(2, "t", QOS0),
        &format!("B SUBACK 2 GrantedQoS0\n{retained}"),
    );
    world.send(A, publish1(1, "t", "x"), "B PUBLISH t x\nA PUBACK 1");
}

#[test] // 3.1.1/MQTT-3.3.5-1, 3.1.1/MQTT-3.8.4-6
fn overlapping_subscriptions_of_3_1_1_send_one_copy_with_the_highest_qos() {
    let mut world = two_clients();
    world.subscribe(B, "t/#", QOS2);
    world.subscribe(B, "t/+", QOS1);
    world.send(
        A,
        publish1(1, "t/a", "1"),
        "B PUBLISH t/a 1 qos1 #1\nA PUBACK 1",
    );
    world.send(
        A,
        publish2(2, "t/a", "2"),
        "B PUBLISH t/a 2 qos2 #2\nA PUBREC 2",
    );
    world.send(A, publish("t/a", "0"), "B PUBLISH t/a 0");
}

#[test] // 3.1.1/MQTT-3.3.5-2
fn a_denied_message_is_acknowledged_and_reaches_no_subscriber() {
    let users = Users::new()
        .with_anonymous(true)
        .with_rules(vec![Rule::deny(Permission::Publish, "closed").unwrap()]);
    let mut world = World::with_access(plain_config(), users);
    world.join(A, client_311("a"));
    world.subscribe(A, "#", QOS2);
    world.send(A, publish("closed", "x"), "");
    world.send(A, publish1(1, "closed", "x"), "A PUBACK 1");
    world.send(A, publish2(2, "closed", "x"), "A PUBREC 2");
    world.send(A, pubrel(2), "A PUBCOMP 2");
}

#[test] // 3.1.1/MQTT-3.10.4-1, 3.1.1/MQTT-3.10.4-2, 3.1.1/MQTT-3.10.4-3, 3.1.1/MQTT-3.10.4-4, 3.1.1/MQTT-3.10.4-5, 3.1.1/MQTT-3.10.4-6
fn unsubscribing_compares_filters_byte_by_byte_and_keeps_messages_in_flight() {
    let mut world = two_clients();
    world.subscribe(B, "t/+", QOS1);
    world.subscribe(B, "u", QOS1);
    world.send(
        A,
        publish1(1, "t/a", "1"),
        "B PUBLISH t/a 1 qos1 #1\nA PUBACK 1",
    );
    world.send(B, unsubscribe(8, "t/a").add_filter("T/+"), "B UNSUBACK 8");
    world.send(A, publish("t/a", "2"), "B PUBLISH t/a 2");
    world.send(B, unsubscribe(9, "t/+").add_filter("u"), "B UNSUBACK 9");
    world.send(A, publish("t/a", "3"), "");
    world.send(A, publish("u", "3"), "");
    world.send(B, puback(1), "");
}

#[test] // 3.1.1/MQTT-3.12.4-1
fn a_ping_is_answered() {
    let mut world = two_clients();
    world.send_bytes(A, b"\xC0\x00", "A PINGRESP");
}

#[test] // 3.1.1/MQTT-1.5.3-3, 3.1.1/MQTT-3.3.2-3, 3.1.1/MQTT-4.7.2-1, 3.1.1/MQTT-4.7.3-4
fn topics_are_compared_byte_by_byte() {
    let mut world = two_clients();
    world.subscribe(B, "\u{feff}t", QOS0);
    world.subscribe(B, "+/a", QOS0);
    world.send(A, publish("\u{feff}t", "1"), "B PUBLISH \u{feff}t 1");
    world.send(A, publish("t", "2"), "");
    world.send(A, publish("T/a", "3"), "B PUBLISH T/a 3");
    world.send(A, publish("$t/a", "4"), "");
    world.send(A, publish("/a", "5"), "B PUBLISH /a 5");
}

/// SUBSCRIBE and UNSUBSCRIBE of one filter.
fn asking_for(filter: &str) -> [Vec<u8>; 2] {
    let packet = |first: u8, options: &[u8]| {
        let length = u8::try_from(filter.len()).unwrap();
        let body = [&[0, 1, 0, length], filter.as_bytes(), options].concat();
        [&[first, u8::try_from(body.len()).unwrap()], &body[..]].concat()
    };
    [packet(0x82, &[0]), packet(0xA2, &[])]
}

#[test] // 3.1.1/MQTT-4.7.1-2, 3.1.1/MQTT-4.7.1-3, 3.1.1/MQTT-4.7.3-1, 3.1.1/MQTT-4.8.0-1
fn an_invalid_filter_ends_the_connection_without_an_answer() {
    assert_eq!(
        asking_for(""),
        [
            &b"\x82\x05\x00\x01\x00\x00\x00"[..],
            b"\xA2\x04\x00\x01\x00\x00"
        ]
    );
    for filter in [
        "",
        "a/#/b",
        "#/a",
        "a#",
        "a+",
        "a/+b",
        "++",
        "a/b#",
        // MQTT 3.1.1 has no shared subscriptions: the rules are those of 5.0.
        "$share//a",
        "$share/g",
        "$share/g/",
        "$share/g+/a",
        "$share/#",
        "$share/g/a+",
    ] {
        for bytes in asking_for(filter) {
            for connect in [client_311("a"), client_31("a")] {
                let mut world = World::new();
                world.join(A, connect);
                world.send_bytes(A, &bytes, "A closed MalformedPacket");
            }
        }
    }
    let mut world = World::new();
    world.join(A, client_311("a"));
    let [subscribe, unsubscribe] = asking_for("+/a/#");
    world.send_bytes(A, &subscribe, "A SUBACK 1 GrantedQoS0");
    world.send_bytes(A, &unsubscribe, "A UNSUBACK 1");
}

#[test] // 3.1.1/MQTT-1.5.3-1, 3.1.1/MQTT-1.5.3-2, 3.1.1/MQTT-2.2.2-2, 3.1.1/MQTT-2.3.1-1, 3.1.1/MQTT-3.3.1-2, 3.1.1/MQTT-3.3.1-4, 3.1.1/MQTT-3.3.2-1, 3.1.1/MQTT-3.3.2-2, 3.1.1/MQTT-3.6.1-1, 3.1.1/MQTT-3.8.1-1, 3.1.1/MQTT-3.8.3-1, 3.1.1/MQTT-3.8.3-3, 3.1.1/MQTT-3.8.3-4, 3.1.1/MQTT-3.10.1-1, 3.1.1/MQTT-3.10.3-1, 3.1.1/MQTT-3.10.3-2, 3.1.1/MQTT-3.14.1-1, 3.1.1/MQTT-4.7.1-1, 3.1.1/MQTT-4.7.3-2, 3.1.1/MQTT-4.8.0-1
fn a_protocol_violation_closes_the_connection_without_a_packet() {
    for (bytes, reason) in [
        // PUBLISH: QoS 3; QoS 0 with DUP; no topic; topics with a wildcard, with U+0000, not UTF-8; identifier 0.
        (&b"\x36\x05\x00\x01t\x00\x01"[..], "MalformedPacket"),
        (b"\x38\x03\x00\x01t", "ProtocolError"),
        (b"\x30\x02\x00\x00", "ProtocolError"),
        (b"\x30\x03\x00\x01#", "MalformedPacket"),
        (b"\x30\x03\x00\x01\x00", "MalformedPacket"),
        (b"\x30\x03\x00\x01\xFF", "MalformedPacket"),
        (b"\x30\x05\x00\x03\xED\xA0\x80", "MalformedPacket"),
        (b"\x32\x05\x00\x01t\x00\x00", "ProtocolError"),
        // PUBREL, SUBSCRIBE, UNSUBSCRIBE, PINGREQ and DISCONNECT with other flags.
        (b"\x60\x02\x00\x01", "MalformedPacket"),
        (b"\x80\x06\x00\x01\x00\x01t\x00", "MalformedPacket"),
        (b"\xA0\x05\x00\x01\x00\x01t", "MalformedPacket"),
        (b"\xC1\x00", "MalformedPacket"),
        (b"\xE1\x00", "MalformedPacket"),
        // SUBSCRIBE: no filter; one that is not UTF-8; QoS 3; reserved bits; identifier 0.
        (b"\x82\x02\x00\x01", "ProtocolError"),
        (b"\x82\x06\x00\x01\x00\x01\xFF\x00", "MalformedPacket"),
        (b"\x82\x06\x00\x01\x00\x01t\x03", "ProtocolError"),
        (b"\x82\x06\x00\x01\x00\x01t\x80", "MalformedPacket"),
        (b"\x82\x06\x00\x00\x00\x01t\x00", "ProtocolError"),
        // UNSUBSCRIBE: no filter; one that is not UTF-8; identifier 0.
        (b"\xA2\x02\x00\x01", "ProtocolError"),
        (b"\xA2\x05\x00\x01\x00\x01\xFF", "MalformedPacket"),
        (b"\xA2\x05\x00\x00\x00\x01t", "ProtocolError"),
    ] {
        let mut world = two_clients();
        world.subscribe(B, "w", QOS0);
        world.join(C, will(client_311("c")));
        world.send_bytes(C, bytes, &format!("C closed {reason}\nB PUBLISH w gone"));
    }
}
