//! Each limit has its reason code, and no accepted message is lost.

use broker::packet::connect::ConnectPacket;
use broker::packet::subscribe::SubscribePacket;
use broker::{Config, Packet, PropertyId, WillMessage};

use crate::harness::*;

fn limited(limit: impl FnOnce(&mut Config)) -> World {
    let mut config = plain_config();
    limit(&mut config);
    World::with(config)
}

fn refused(code: &str) -> String {
    format!("C CONNACK {code}\nC closed {code}")
}

#[test]
fn at_the_limit_a_new_client_is_refused_and_a_takeover_accepted() {
    let mut world = limited(|config| config.clients_max = 2);
    world.join(A, client("a"));
    world.join(B, lasting("b", 100));
    world.connect(C, client("c"), &refused("QuotaExceeded"));
    world.connect(
        C,
        client_311("c"),
        "C CONNACK ServerUnavailable\nC closed QuotaExceeded",
    );
    world.connect(
        C,
        lasting("b", 100),
        "B DISCONNECT SessionTakenOver
         B closed SessionTakenOver
         C CONNACK Success session",
    );
    world.leave(C);
    world.join(D, client("d"));
}

#[test]
fn at_the_limit_a_new_session_is_refused_and_the_others_stay() {
    let mut world = limited(|config| config.sessions_max = 2);
    world.join(A, lasting("a", 100));
    world.gone(A, "");
    world.join(B, client("b"));
    world.connect(C, client("c"), &refused("QuotaExceeded"));
    world.rejoin(A, lasting("a", 100));
    world.leave(B);
    world.join(C, client("c"));
}

#[test]
fn at_the_limit_a_new_subscription_is_refused_and_others_can_be_changed() {
    let mut world = limited(|config| {
        config.session_subscriptions_max = 2;
        config.subscriptions_max = 3;
    });
    world.join(A, client("a"));
    let many = SubscribePacket::new(1)
        .add_filter("a", QOS0)
        .add_filter("$share/g/b", QOS0)
        .add_filter("c", QOS0)
        .add_filter("a", QOS1);
    world.send(
        A,
        many,
        "A SUBACK 1 GrantedQoS0 GrantedQoS0 QuotaExceeded GrantedQoS1",
    );
    world.join(B, client("b"));
    world.subscribe(B, "a", QOS0);
    world.send(B, subscribe(2, "b", QOS0), "B SUBACK 2 QuotaExceeded");
    world.leave(A);
    world.subscribe(B, "b", QOS0);
}

#[test]
fn at_the_limit_a_new_retained_message_is_refused_and_others_can_be_replaced() {
    let mut world = limited(|config| config.retained_messages_max = 1);
    world.join(A, client("a"));
    world.subscribe(A, "#", QOS0);
    world.send(A, publish("a", "1").with_retain(true), "A PUBLISH a 1");
    world.send(
        A,
        publish1(1, "b", "1").with_retain(true),
        "A PUBACK 1 QuotaExceeded",
    );
    world.send(
        A,
        publish2(2, "b", "1").with_retain(true),
        "A PUBREC 2 QuotaExceeded",
    );
    // The identifier is free again, and a QoS 0 message is still routed.
    world.send(A, publish2(2, "b", "1"), "A PUBLISH b 1\nA PUBREC 2");
    world.send(A, publish("b", "2").with_retain(true), "A PUBLISH b 2");
    world.send(
        A,
        publish1(3, "a", "3").with_retain(true),
        "A PUBLISH a 3\nA PUBACK 3",
    );
    world.send(
        A,
        publish1(4, "b", "").with_retain(true),
        "A PUBLISH b\nA PUBACK 4",
    );
    assert_eq!(world.stats().retained_messages, 1);
    world.join(B, client_311("b"));
    world.send(
        B,
        publish1(1, "b", "1").with_retain(true),
        "B closed QuotaExceeded",
    );
}

#[test]
fn a_will_above_the_limit_of_retained_messages_is_routed_and_not_retained() {
    let mut world = limited(|config| config.retained_messages_max = 1);
    world.join(A, client("a"));
    world.send(A, publish("t", "x").with_retain(true), "");
    world.subscribe(A, "w", QOS0);
    let will = WillMessage::new("w", "gone").with_retain(true);
    world.join(B, with_will(client("b"), will));
    world.gone(B, "A PUBLISH w gone");
    assert_eq!(world.stats().retained_messages, 1);
}

#[test] // MQTT-3.1.2-29, MQTT-3.4.2-2, MQTT-3.5.2-2
fn a_refused_message_has_a_reason_string_if_the_client_requests_it_and_it_fits() {
    let explained = |connect: ConnectPacket| {
        let mut world = limited(|config| config.topic_levels_max = 1);
        world.join(A, connect);
        world.send(A, publish1(1, "a/b", ""), "A PUBACK 1 TopicNameInvalid");
        let [Packet::PubAck(puback)] = &world.sent[..] else {
            panic!("not one PUBACK");
        };
        let puback = puback.properties.contains(PropertyId::ReasonString);
        world.send(A, publish2(1, "a/b", ""), "A PUBREC 1 TopicNameInvalid");
        let [Packet::PubRec(pubrec)] = &world.sent[..] else {
            panic!("not one PUBREC");
        };
        [puback, pubrec.properties.contains(PropertyId::ReasonString)]
    };
    assert_eq!(explained(client("a")), [true, true]);
    let mut small = client("a");
    small.properties.set_maximum_packet_size(20);
    assert_eq!(explained(small), [false, false]);
    let mut silent = client("a");
    silent.properties.set_request_problem_information(false);
    assert_eq!(explained(silent), [false, false]);
}

#[test]
fn retained_messages_have_a_limit_in_bytes() {
    let mut world = limited(|config| config.retained_bytes_max = 10);
    world.join(A, client("a"));
    world.send(
        A,
        publish1(1, "t", "123456").with_retain(true),
        "A PUBACK 1 NoMatchingSubscribers",
    );
    world.send(
        A,
        publish1(2, "u", "123").with_retain(true),
        "A PUBACK 2 QuotaExceeded",
    );
    world.send(
        A,
        publish1(3, "t", "12345").with_retain(true),
        "A PUBACK 3 NoMatchingSubscribers",
    );
    world.send(
        A,
        publish1(4, "u", "123").with_retain(true),
        "A PUBACK 4 NoMatchingSubscribers",
    );
}

#[test]
fn the_queue_of_a_session_has_a_limit_in_bytes() {
    let mut world = limited(|config| config.queue_bytes_max = 8);
    world.join(A, lasting("a", 100));
    world.subscribe(A, "t", QOS1);
    world.gone(A, "");
    world.join(B, client("b"));
    let full = " QuotaExceeded";
    for (packet_id, payload, code) in [
        (1, "123", ""),
        (2, "1234", full),
        (3, "12", ""),
        (4, "1", full),
    ] {
        let expected = format!("B PUBACK {packet_id}{code}");
        world.send(B, publish1(packet_id, "t", payload), &expected);
    }
    assert_eq!(world.stats().messages_dropped, 2);
    world.connect(
        A,
        lasting("a", 100),
        "A CONNACK Success session
         A PUBLISH t 123 qos1 #1
         A PUBLISH t 12 qos1 #2",
    );
}

#[test] // MQTT-3.3.4-9
fn the_configuration_bounds_the_messages_in_flight() {
    let mut world = limited(|config| config.in_flight_max = 1);
    for connect in [client("a"), client_311("a")] {
        world.join(A, connect);
        world.subscribe(A, "t", QOS1);
        world.send(
            A,
            publish1(1, "t", "1"),
            "A PUBLISH t 1 qos1 #1\nA PUBACK 1",
        );
        world.send(A, publish1(2, "t", "2"), "A PUBACK 2");
        world.send(A, puback(1), "A PUBLISH t 2 qos1 #2");
        world.leave(A);
    }
}

#[test]
fn a_topic_that_is_too_long_or_too_deep_is_refused() {
    let mut world = limited(|config| {
        config.topic_bytes_max = 8;
        config.topic_levels_max = 3;
    });
    world.join(A, client("a"));
    for topic in ["123456789", "a/b/c/d", "a///"] {
        world.send(A, publish1(1, topic, ""), "A PUBACK 1 TopicNameInvalid");
        world.send(A, publish2(1, topic, ""), "A PUBREC 1 TopicNameInvalid");
        world.send(
            A,
            subscribe(1, topic, QOS0),
            "A SUBACK 1 TopicFilterInvalid",
        );
    }
    world.send(
        A,
        publish1(1, "12345678", ""),
        "A PUBACK 1 NoMatchingSubscribers",
    );
    world.send(
        A,
        publish1(1, "a/b/c", ""),
        "A PUBACK 1 NoMatchingSubscribers",
    );
    world.send(
        A,
        publish("a/b/c/d", ""),
        "A DISCONNECT TopicNameInvalid\nA closed TopicNameInvalid",
    );
    let will = WillMessage::new("a/b/c/d", "");
    world.connect(
        C,
        with_will(client("c"), will),
        &refused("TopicNameInvalid"),
    );
}

#[test]
fn a_client_that_publishes_too_fast_is_disconnected() {
    let mut world = limited(|config| config.publish_rate_max = 2);
    world.join(A, client("a"));
    for _ in 0..5 {
        world.send(A, publish("t", ""), "");
        world.pass_ms(500);
    }
    world.send(A, publish("t", ""), "");
    world.send(A, publish("t", ""), "");
    world.send(
        A,
        publish("t", ""),
        "A DISCONNECT MessageRateTooHigh\nA closed MessageRateTooHigh",
    );
}

#[test] // MQTT-3.2.2-9, MQTT-3.2.2-10, MQTT-3.2.2-11, MQTT-3.2.2-12
fn a_maximum_qos_is_announced_granted_and_enforced() {
    let mut world = limited(|config| config.maximum_qos = QOS1);
    let connack = "CONNACK Success MaximumQoS=1";
    world.connect(A, client("a"), &format!("A {connack}"));
    world.send(A, subscribe(1, "t", QOS2), "A SUBACK 1 GrantedQoS1");
    world.connect(B, client("b"), &format!("B {connack}"));
    world.send(
        B,
        publish1(1, "t", "x"),
        "A PUBLISH t x qos1 #1\nB PUBACK 1",
    );
    world.send(
        B,
        publish2(2, "t", "x"),
        "B DISCONNECT QoSNotSupported\nB closed QoSNotSupported",
    );
    let will = WillMessage::new("t", "").with_qos(QOS2);
    world.connect(C, with_will(client("c"), will), &refused("QoSNotSupported"));
    // MQTT 3.1.1 cannot announce the maximum, so its clients may exceed it.
    world.join(D, client_311("d"));
    world.send(D, publish2(1, "u", ""), "D PUBREC 1");
}

fn keep_alive(client_id: &str, keep_alive: u16) -> ConnectPacket {
    let mut connect = client(client_id);
    connect.keep_alive = keep_alive;
    connect
}

#[test] // MQTT-3.1.2-21, MQTT-3.2.2-21
fn a_keep_alive_that_is_too_long_is_replaced() {
    let mut world = limited(|config| config.keep_alive_max_s = 60);
    world.connect(A, keep_alive("a", 60), "A CONNACK Success");
    world.connect(
        B,
        keep_alive("b", 61),
        "B CONNACK Success ServerKeepAlive=60",
    );
    world.connect(
        C,
        keep_alive("c", 0),
        "C CONNACK Success ServerKeepAlive=60",
    );
    world.join(D, client_311("d"));
    world.wait_ms(89_999, "");
    let silent =
        |conn| format!("{conn} DISCONNECT KeepAliveTimeout\n{conn} closed KeepAliveTimeout");
    world.wait_ms(1, &["A", "B", "C"].map(silent).join("\n"));
    assert_eq!(world.stats().connections, 1);
}

#[test] // MQTT-3.1.2-28
fn connack_has_response_information_if_the_client_requests_it() {
    let mut world = limited(|config| config.response_information = Some("reply/%c".into()));
    let asking = |client_id, ask| {
        let mut connect = client(client_id);
        connect.properties.set_request_response_information(ask);
        connect
    };
    world.join(A, client("a"));
    world.join(B, asking("b", false));
    world.connect(
        C,
        asking("c", true),
        "C CONNACK Success ResponseInformation=reply/c",
    );
    let mut small = asking("d", true);
    small.properties.set_maximum_packet_size(10);
    world.join(D, small);
}

#[test]
fn a_payload_that_contradicts_its_format_is_refused_if_the_check_is_on() {
    let mut world = limited(|config| config.payload_format_checked = true);
    world.join(A, client("a"));
    let invalid = |mut publish: broker::packet::publish::PublishPacket| {
        publish.payload = bytes::Bytes::from_static(&[0xFF]);
        publish
    };
    let text = |publish| invalid(publish).with_payload_format_indicator(true);
    world.send(
        A,
        text(publish1(1, "t", "")),
        "A PUBACK 1 PayloadFormatInvalid",
    );
    world.send(
        A,
        text(publish2(1, "t", "")),
        "A PUBREC 1 PayloadFormatInvalid",
    );
    world.send(
        A,
        invalid(publish1(1, "t", "")),
        "A PUBACK 1 NoMatchingSubscribers",
    );
    world.send(
        A,
        text(publish("t", "")),
        "A DISCONNECT PayloadFormatInvalid\nA closed PayloadFormatInvalid",
    );
    let mut will = WillMessage::new("t", vec![0xFF]);
    will.properties.payload_format_indicator = Some(true);
    world.connect(
        C,
        with_will(client("c"), will),
        &refused("PayloadFormatInvalid"),
    );
}
