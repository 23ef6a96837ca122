//! Normative statements that the tests of the features do not cover. `conformance.toml` lists the tests of each statement.

use broker::access::{Permission, Rule, ScramCredentials, User, Users};
use broker::packet::subscribe::SubscriptionOptions;
use broker::{TopicError, TopicFilter, TopicName};

use crate::harness::*;

/// A CONNECT of MQTT 5.0 without properties, with these flags and this payload.
fn connect_bytes(flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut body = b"\x00\x04MQTT\x05".to_vec();
    body.extend([flags, 0, 0, 0]);
    body.extend(payload);
    frame(0x10, &body)
}

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap();
    assert!(length < 128);
    [&[first, length], body].concat()
}

#[track_caller]
fn refused_as_connect(bytes: &[u8]) {
    let mut world = World::new();
    world.open(A);
    world.send_bytes(
        A,
        bytes,
        "A CONNACK MalformedPacket\nA closed MalformedPacket",
    );
    assert_eq!(world.stats().sessions, 0);
}

#[track_caller]
fn refused(bytes: &[u8]) {
    let mut world = World::new();
    world.join(A, client("a"));
    world.send_bytes(
        A,
        bytes,
        "A DISCONNECT MalformedPacket\nA closed MalformedPacket",
    );
}

#[test] // MQTT-3.1.2-9, MQTT-3.1.4-1
fn a_will_flag_without_a_will_is_malformed() {
    refused_as_connect(&connect_bytes(0x06, b"\x00\x01a"));
    refused_as_connect(&connect_bytes(0x06, b"\x00\x01a\x00\x00\x01t"));
}

#[test] // MQTT-3.1.2-17, MQTT-3.1.2-19, MQTT-3.1.4-1
fn a_flag_without_user_name_or_password_is_malformed() {
    refused_as_connect(&connect_bytes(0x82, b"\x00\x01a"));
    refused_as_connect(&connect_bytes(0x42, b"\x00\x01a"));
    refused_as_connect(&connect_bytes(0xC2, b"\x00\x01a\x00\x01u"));
}

#[test] // MQTT-3.1.2-11, MQTT-3.1.2-16, MQTT-3.1.2-18, MQTT-3.1.4-1
fn fields_that_the_flags_do_not_announce_are_refused() {
    refused_as_connect(&connect_bytes(0x02, b"\x00\x01a\x00\x00\x01t\x00\x01x"));
    refused_as_connect(&connect_bytes(0x02, b"\x00\x01a\x00\x01u"));
    refused_as_connect(&connect_bytes(0x82, b"\x00\x01a\x00\x01u\x00\x01p"));
}

#[test] // MQTT-3.1.3-3
fn a_connect_without_client_identifier_is_malformed() {
    refused_as_connect(&connect_bytes(0x02, b""));
}

#[test] // MQTT-1.5.4-1, MQTT-3.1.3-4, MQTT-3.1.3-11, MQTT-3.1.3-12
fn strings_of_connect_that_are_not_utf_8_are_malformed() {
    refused_as_connect(&connect_bytes(0x02, b"\x00\x01\xFF"));
    refused_as_connect(&connect_bytes(0x06, b"\x00\x01a\x00\x00\x01\xFF\x00\x01x"));
    refused_as_connect(&connect_bytes(0x82, b"\x00\x01a\x00\x01\xFF"));
}

#[test] // MQTT-3.1.3-5
fn client_identifiers_of_1_to_23_letters_and_digits_are_accepted() {
    let characters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut world = World::new();
    for start in 0..characters.len() - 22 {
        world.join(A, client(&characters[start..=start]));
        world.leave(A);
        world.join(A, client(&characters[start..start + 23]));
        world.leave(A);
    }
}

#[test] // MQTT-1.5.4-1, MQTT-3.3.2-1, MQTT-3.3.2-13, MQTT-3.3.2-19
fn strings_of_publish_that_are_not_utf_8_are_malformed() {
    refused(&frame(0x30, b"\x00\x01\xFF\x00"));
    refused(&frame(0x30, b"\x00\x01t\x04\x08\x00\x01\xFF"));
    refused(&frame(0x30, b"\x00\x01t\x04\x03\x00\x01\xFF"));
}

#[test] // MQTT-1.5.4-1, MQTT-3.8.3-1, MQTT-3.10.3-1
fn filters_that_are_not_utf_8_are_malformed() {
    refused(&frame(0x82, b"\x00\x01\x00\x00\x01\xFF\x00"));
    refused(&frame(0xA2, b"\x00\x01\x00\x00\x01\xFF"));
}

#[test] // MQTT-3.4.2-1, MQTT-3.5.2-1, MQTT-3.6.2-1, MQTT-3.7.2-1
fn reason_codes_of_other_packets_are_malformed() {
    refused(&frame(0x40, b"\x00\x01\x92"));
    refused(&frame(0x50, b"\x00\x01\x92"));
    refused(&frame(0x62, b"\x00\x01\x10"));
    refused(&frame(0x70, b"\x00\x01\x10"));
}

#[test] // MQTT-2.1.3-1, MQTT-3.14.1-1, MQTT-3.15.1-1
fn flags_of_disconnect_and_auth_are_0() {
    for flags in 1..16 {
        refused(&frame(0xE0 | flags, b""));
        refused(&frame(0xF0 | flags, b""));
    }
}

#[test] // MQTT-4.7.3-3
fn a_topic_has_at_most_65535_bytes() {
    let longest = "t".repeat(65_535);
    assert!(TopicName::parse(&longest).is_ok() && TopicFilter::parse(&longest).is_ok());
    let longer = "t".repeat(65_536);
    let too_long = TopicError::TooLong { bytes: 65_536 };
    assert_eq!(TopicName::parse(&longer), Err(too_long));
    assert_eq!(TopicFilter::parse(&longer), Err(too_long));
}

#[test] // MQTT-3.8.4-4
fn subscribing_again_sends_retained_messages_again_and_loses_none() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.join(B, client("b"));
    world.send(A, publish("t", "old").with_retain(true), "");
    let mut options = SubscriptionOptions::new(QOS1);
    world.send(
        B,
        subscribe_with(1, "t", options),
        "B SUBACK 1 GrantedQoS1\nB PUBLISH t old retain",
    );
    world.send(
        A,
        publish1(1, "t", "1"),
        "B PUBLISH t 1 qos1 #1\nA PUBACK 1",
    );
    options.qos = QOS2;
    world.send(
        B,
        subscribe_with(2, "t", options),
        "B SUBACK 2 GrantedQoS2\nB PUBLISH t old retain",
    );
    world.send(B, puback(1), "");
    world.send(
        A,
        publish2(2, "t", "2"),
        "B PUBLISH t 2 qos2 #2\nA PUBREC 2",
    );
}

#[test] // MQTT-3.10.4-2
fn after_unsubscribing_no_new_message_is_sent() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.join(B, client("b"));
    world.subscribe(B, "t/+", QOS1);
    world.send(A, publish("t/a", "x"), "B PUBLISH t/a x");
    world.send(B, unsubscribe(1, "t/+"), "B UNSUBACK 1 Success");
    world.send(A, publish("t/a", "x"), "");
    world.send(
        A,
        publish1(1, "t/a", "x"),
        "A PUBACK 1 NoMatchingSubscribers",
    );
}

#[test] // MQTT-4.3.3-13
fn a_qos_2_exchange_continues_after_the_message_has_expired() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.join(B, lasting("b", 100));
    world.subscribe(B, "t", QOS2);
    world.gone(B, "");
    let mut expiring = publish2(1, "t", "x");
    expiring.properties.set_message_expiry_interval(1);
    world.send(A, expiring.clone(), "A PUBREC 1");
    world.wait_ms(2_000, "");
    world.send(A, expiring.with_dup(true), "A PUBREC 1");
    world.send(A, pubrel(1), "A PUBCOMP 1");
    world.rejoin(B, lasting("b", 100));
}

#[test] // MQTT-4.3.3-9
fn after_a_refusing_pubrec_the_packet_identifier_is_of_a_new_message() {
    let users = Users::new()
        .with_anonymous(true)
        .with_rules(vec![Rule::deny(Permission::Publish, "closed").unwrap()]);
    let mut world = World::with_access(plain_config(), users);
    world.join(A, client("a"));
    world.join(B, client("b"));
    world.subscribe(B, "#", QOS0);
    world.send(A, publish2(1, "closed", "x"), "A PUBREC 1 NotAuthorized");
    world.send(A, publish2(1, "open", "y"), "B PUBLISH open y\nA PUBREC 1");
    world.send(A, pubrel(1), "A PUBCOMP 1");
}

#[test] // MQTT-4.12.0-6
fn a_client_without_an_authentication_method_gets_none() {
    let mut users = Users::new().with_anonymous(true);
    users.add(User {
        username: "ann".into(),
        credentials: ScramCredentials::new(b"secret", b"salt", 1),
        rules: Vec::new(),
    });
    let mut world = World::with_access(plain_config(), users);
    world.connect(A, client("a"), "A CONNACK Success");
    let mut ann = client("b");
    ann.username = Some("ann".into());
    ann.password = Some("secret".into());
    world.connect(B, ann.clone(), "B CONNACK Success");
    ann.password = Some("guess".into());
    world.connect(
        C,
        ann,
        "C CONNACK BadUsernameOrPassword\nC closed BadUsernameOrPassword",
    );
}
