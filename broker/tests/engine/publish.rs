//! PUBLISH from clients: QoS 0 to 2, Receive Maximum, topic aliases and refusals.

use broker::packet::pubrel::PubRelPacket;
use broker::{Config, ReasonCode};

use crate::harness::*;

/// A publishes; B is subscribed to everything with QoS 2.
fn publisher_and_subscriber() -> World {
    let mut world = World::new();
    world.join(A, client("a"));
    world.join(B, client("b"));
    world.subscribe(B, "#", QOS2);
    world
}

/// A publishes to a broker that announces limits.
fn limited(receive_maximum: u16, topic_alias_maximum: u16, limits: &str) -> World {
    let mut world = World::with(Config {
        receive_maximum,
        topic_alias_maximum,
        ..plain_config()
    });
    world.connect(A, client("a"), &format!("A CONNACK Success {limits}"));
    world
}

const PROTOCOL_ERROR: &str = "A DISCONNECT ProtocolError
                              A closed ProtocolError";

#[test] // MQTT-4.3.1-1
fn qos_0_is_delivered_without_acknowledgement() {
    let mut world = publisher_and_subscriber();
    world.send(A, publish("t", "x"), "B PUBLISH t x");
}

#[test] // MQTT-4.3.2-4
fn qos_1_is_acknowledged_with_its_packet_identifier() {
    let mut world = publisher_and_subscriber();
    world.send(
        A,
        publish1(7, "t", "x"),
        "B PUBLISH t x qos1 #1
         A PUBACK 7",
    );
    world.send(
        A,
        publish1(7, "t", "y"),
        "B PUBLISH t y qos1 #2
         A PUBACK 7",
    );
}

#[test] // MQTT-4.3.2-5
fn a_repeated_qos_1_message_is_a_new_message_to_the_broker() {
    let mut world = publisher_and_subscriber();
    world.send(
        A,
        publish1(7, "t", "x"),
        "B PUBLISH t x qos1 #1\nA PUBACK 7",
    );
    world.send(
        A,
        publish1(7, "t", "x").with_dup(true),
        "B PUBLISH t x qos1 #2\nA PUBACK 7",
    );
}

#[test] // MQTT-4.3.3-8, MQTT-4.3.3-11
fn qos_2_is_delivered_once_and_released() {
    let mut world = publisher_and_subscriber();
    world.send(
        A,
        publish2(7, "t", "x"),
        "B PUBLISH t x qos2 #1
         A PUBREC 7",
    );
    world.send(A, pubrel(7), "A PUBCOMP 7");
}

#[test] // MQTT-4.3.3-10
fn a_qos_2_message_repeated_before_pubrel_is_acknowledged_and_not_delivered() {
    let mut world = publisher_and_subscriber();
    world.send(
        A,
        publish2(7, "t", "x"),
        "B PUBLISH t x qos2 #1\nA PUBREC 7",
    );
    world.send(A, publish2(7, "t", "x").with_dup(true), "A PUBREC 7");
    world.send(A, publish2(7, "t", "x"), "A PUBREC 7");
}

#[test] // MQTT-4.3.3-12
fn after_pubrel_the_packet_identifier_is_of_a_new_message() {
    let mut world = publisher_and_subscriber();
    world.send(
        A,
        publish2(7, "t", "x"),
        "B PUBLISH t x qos2 #1\nA PUBREC 7",
    );
    world.send(A, pubrel(7), "A PUBCOMP 7");
    world.send(
        A,
        publish2(7, "t", "x"),
        "B PUBLISH t x qos2 #2\nA PUBREC 7",
    );
}

#[test] // MQTT-3.1.2-5, MQTT-4.3.3-10
fn a_qos_2_message_repeated_on_a_new_connection_is_not_delivered_again() {
    let mut world = publisher_and_subscriber();
    world.join(C, lasting("c", 100));
    world.send(
        C,
        publish2(7, "t", "x"),
        "B PUBLISH t x qos2 #1\nC PUBREC 7",
    );
    world.gone(C, "");
    world.rejoin(C, lasting("c", 100));
    world.send(C, publish2(7, "t", "x").with_dup(true), "C PUBREC 7");
    world.gone(C, "");
    world.rejoin(C, lasting("c", 100));
    world.send(C, pubrel(7), "C PUBCOMP 7");
}

#[test]
fn a_client_without_session_state_may_reuse_packet_identifiers() {
    let mut world = publisher_and_subscriber();
    world.join(C, lasting("c", 100));
    world.send(
        C,
        publish2(7, "t", "x"),
        "B PUBLISH t x qos2 #1\nC PUBREC 7",
    );
    world.gone(C, "");
    let mut connect = lasting("c", 100);
    let (name, value) = broker::NO_SESSION_STATE;
    connect
        .properties
        .add_user_property(name.to_owned(), value.to_owned());
    world.rejoin(C, connect);
    world.send(
        C,
        publish2(7, "t", "y").with_dup(true),
        "B PUBLISH t y qos2 #2\nC PUBREC 7",
    );
}

#[test]
fn an_unknown_pubrel_is_answered_with_0x92() {
    let mut world = publisher_and_subscriber();
    world.send(A, pubrel(7), "A PUBCOMP 7 PacketIdentifierNotFound");
    let not_found = PubRelPacket::new_with_reason(8, ReasonCode::PacketIdentifierNotFound);
    world.send(A, not_found, "A PUBCOMP 8 PacketIdentifierNotFound");
}

#[test] // MQTT-2.2.1-3
fn a_packet_identifier_that_a_qos_2_message_holds_is_in_use() {
    let mut world = publisher_and_subscriber();
    world.send(
        A,
        publish2(7, "t", "x"),
        "B PUBLISH t x qos2 #1\nA PUBREC 7",
    );
    world.send(A, publish1(7, "t", "y"), "A PUBACK 7 PacketIdentifierInUse");
    let two = subscribe(7, "a", QOS0).add_filter("b", QOS0);
    world.send(
        A,
        two,
        "A SUBACK 7 PacketIdentifierInUse PacketIdentifierInUse",
    );
    world.send(A, unsubscribe(7, "a"), "A UNSUBACK 7 PacketIdentifierInUse");
    assert_eq!(world.stats().subscriptions, 1);
}

#[test]
fn a_message_without_subscribers_is_acknowledged_with_0x10() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.send(A, publish1(1, "t", "x"), "A PUBACK 1 NoMatchingSubscribers");
    world.send(A, publish2(2, "t", "x"), "A PUBREC 2 NoMatchingSubscribers");
    world.send(A, publish2(2, "t", "x").with_dup(true), "A PUBREC 2");
    world.send(A, pubrel(2), "A PUBCOMP 2");
}

#[test] // MQTT-3.3.4-7
fn messages_above_the_receive_maximum_disconnect_with_0x93() {
    let mut world = limited(2, 0, "ReceiveMaximum=2");
    world.send(A, publish2(1, "t", "x"), "A PUBREC 1 NoMatchingSubscribers");
    world.send(A, publish2(2, "t", "x"), "A PUBREC 2 NoMatchingSubscribers");
    world.send(A, publish2(2, "t", "x").with_dup(true), "A PUBREC 2");
    world.send(A, publish("t", "x"), "");
    world.send(
        A,
        publish2(3, "t", "x"),
        "A DISCONNECT ReceiveMaximumExceeded
         A closed ReceiveMaximumExceeded",
    );
}

#[test] // MQTT-3.3.4-7
fn a_qos_1_message_above_the_receive_maximum_disconnects_with_0x93() {
    let mut world = limited(1, 0, "ReceiveMaximum=1");
    world.send(A, publish1(1, "t", "x"), "A PUBACK 1 NoMatchingSubscribers");
    world.send(A, publish2(2, "t", "x"), "A PUBREC 2 NoMatchingSubscribers");
    world.send(
        A,
        publish1(3, "t", "x"),
        "A DISCONNECT ReceiveMaximumExceeded
         A closed ReceiveMaximumExceeded",
    );
}

#[test] // MQTT-3.3.4-7
fn pubcomp_makes_room_under_the_receive_maximum() {
    let mut world = limited(1, 0, "ReceiveMaximum=1");
    for packet_id in 1..10 {
        world.send(
            A,
            publish2(packet_id, "t", "x"),
            &format!("A PUBREC {packet_id} NoMatchingSubscribers"),
        );
        world.send(A, pubrel(packet_id), &format!("A PUBCOMP {packet_id}"));
    }
}

#[test] // MQTT-4.9.0-1
fn each_connection_has_its_own_count_against_the_receive_maximum() {
    let limits = "ReceiveMaximum=1";
    let mut world = World::with(Config {
        receive_maximum: 1,
        ..plain_config()
    });
    world.connect(A, lasting("a", 100), &format!("A CONNACK Success {limits}"));
    world.send(A, publish2(1, "t", "x"), "A PUBREC 1 NoMatchingSubscribers");
    world.gone(A, "");
    world.connect(
        A,
        lasting("a", 100),
        &format!("A CONNACK Success session {limits}"),
    );
    world.send(A, publish2(2, "t", "x"), "A PUBREC 2 NoMatchingSubscribers");
    world.send(A, pubrel(1), "A PUBCOMP 1");
    world.send(
        A,
        publish2(3, "t", "x"),
        "A DISCONNECT ReceiveMaximumExceeded\nA closed ReceiveMaximumExceeded",
    );
}

#[test] // MQTT-3.3.2-12
fn a_topic_alias_stands_for_its_latest_topic() {
    let mut world = limited(u16::MAX, 2, "TopicAliasMaximum=2");
    world.send(A, subscribe(1, "#", QOS0), "A SUBACK 1 GrantedQoS0");
    world.send(A, publish("t", "1").with_topic_alias(1), "A PUBLISH t 1");
    world.send(A, publish("u", "2").with_topic_alias(2), "A PUBLISH u 2");
    world.send(A, publish("", "3").with_topic_alias(1), "A PUBLISH t 3");
    world.send(A, publish("v", "4").with_topic_alias(1), "A PUBLISH v 4");
    world.send(A, publish("", "5").with_topic_alias(1), "A PUBLISH v 5");
    world.send(A, publish("", "6").with_topic_alias(2), "A PUBLISH u 6");
}

#[test] // MQTT-3.3.2-9
fn a_topic_alias_above_the_maximum_disconnects_with_0x94() {
    let mut world = limited(u16::MAX, 2, "TopicAliasMaximum=2");
    world.send(
        A,
        publish("t", "x").with_topic_alias(3),
        "A DISCONNECT TopicAliasInvalid
         A closed TopicAliasInvalid",
    );
    let mut world = publisher_and_subscriber();
    world.send(
        A,
        publish("t", "x").with_topic_alias(1),
        "A DISCONNECT TopicAliasInvalid\nA closed TopicAliasInvalid",
    );
}

#[test] // MQTT-3.3.2-8
fn a_topic_alias_of_0_disconnects_with_0x94() {
    let mut world = publisher_and_subscriber();
    let publish = [0x30, 7, 0, 1, b't', 3, 0x23, 0, 0];
    world.send_bytes(
        A,
        &publish,
        "A DISCONNECT TopicAliasInvalid\nA closed TopicAliasInvalid",
    );
}

#[test]
fn an_unknown_topic_alias_without_a_topic_is_a_protocol_error() {
    let mut world = limited(u16::MAX, 2, "TopicAliasMaximum=2");
    world.send(A, publish("t", "x").with_topic_alias(1), "");
    world.send(A, publish("", "x").with_topic_alias(2), PROTOCOL_ERROR);
}

#[test] // MQTT-3.3.2-7
fn topic_aliases_of_a_client_end_with_its_connection() {
    let limits = "TopicAliasMaximum=2";
    let mut world = World::with(Config {
        topic_alias_maximum: 2,
        ..plain_config()
    });
    world.connect(A, lasting("a", 100), &format!("A CONNACK Success {limits}"));
    world.send(A, publish("t", "x").with_topic_alias(1), "");
    world.gone(A, "");
    world.connect(
        A,
        lasting("a", 100),
        &format!("A CONNACK Success session {limits}"),
    );
    world.send(A, publish("", "x").with_topic_alias(1), PROTOCOL_ERROR);
}

#[test] // MQTT-3.3.4-6
fn a_subscription_identifier_from_a_client_is_a_protocol_error() {
    let mut world = publisher_and_subscriber();
    world.send(
        A,
        publish("t", "x").with_subscription_identifier(1),
        PROTOCOL_ERROR,
    );
}

#[test]
fn a_publish_without_topic_and_alias_is_a_protocol_error() {
    let mut world = publisher_and_subscriber();
    world.send_bytes(A, &[0x30, 3, 0, 0, 0], PROTOCOL_ERROR);
}

#[test] // MQTT-3.3.2-4, MQTT-3.3.2-15, MQTT-3.3.2-16, MQTT-3.3.2-17, MQTT-3.3.2-18, MQTT-3.3.2-20
fn properties_of_a_message_arrive_unaltered_and_in_order() {
    let mut world = publisher_and_subscriber();
    let request = publish("t", "x")
        .with_payload_format_indicator(true)
        .with_content_type("text/plain".into())
        .with_response_topic("answers/a".into())
        .with_correlation_data(vec![1, 2])
        .with_user_property("z".into(), "1".into())
        .with_user_property("a".into(), "2".into())
        .with_user_property("z".into(), "3".into());
    world.send(
        A,
        request,
        r#"B PUBLISH t x PayloadFormatIndicator=1 ContentType=text/plain ResponseTopic=answers/a CorrelationData=b"\x01\x02" z:1 a:2 z:3"#,
    );
}

#[test]
fn a_message_with_an_empty_payload_is_delivered() {
    let mut world = publisher_and_subscriber();
    world.send(A, publish1(1, "t", ""), "B PUBLISH t qos1 #1\nA PUBACK 1");
}

#[test] // MQTT-3.3.1-3
fn dup_and_retain_of_the_publisher_are_not_forwarded() {
    let mut world = publisher_and_subscriber();
    world.send(
        A,
        publish1(1, "t", "x").with_dup(true).with_retain(true),
        "B PUBLISH t x qos1 #1
         A PUBACK 1",
    );
}
