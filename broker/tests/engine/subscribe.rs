//! SUBSCRIBE, UNSUBSCRIBE, and the copy of a message that a subscriber gets.

use broker::packet::connect::ConnectPacket;
use broker::packet::subscribe::{SubscribePacket, SubscriptionOptions, TopicFilter};
use broker::packet::unsubscribe::UnsubscribePacket;
use broker::{Config, Packet, Properties, PropertyId, PropertyValue};

use crate::harness::*;

fn options(qos: broker::QoS) -> SubscriptionOptions {
    SubscriptionOptions::new(qos)
}

fn no_local(qos: broker::QoS) -> SubscriptionOptions {
    SubscriptionOptions {
        no_local: true,
        ..options(qos)
    }
}

fn retain_as_published(qos: broker::QoS) -> SubscriptionOptions {
    SubscriptionOptions {
        retain_as_published: true,
        ..options(qos)
    }
}

/// A and B are connected.
fn two_clients() -> World {
    let mut world = World::new();
    world.join(A, client("a"));
    world.join(B, client("b"));
    world
}

#[test] // MQTT-3.8.4-1, MQTT-3.8.4-2, MQTT-3.8.4-5, MQTT-3.8.4-6, MQTT-3.9.3-1
fn suback_has_one_reason_code_for_each_filter_in_order() {
    let mut world = two_clients();
    let many = subscribe(513, "a", QOS2)
        .add_filter("$share/g/a", QOS0)
        .add_filter("b/+", QOS0)
        .add_filter("#", QOS1);
    world.send(
        A,
        many,
        "A SUBACK 513 GrantedQoS2 GrantedQoS0 GrantedQoS0 GrantedQoS1",
    );
    assert_eq!(world.stats().subscriptions, 4);
}

#[test]
fn a_message_reaches_matching_subscriptions_only() {
    let mut world = two_clients();
    world.subscribe(A, "a/+/c", QOS0);
    world.subscribe(B, "a/#", QOS0);
    world.send(
        A,
        publish("a/b/c", "1"),
        "A PUBLISH a/b/c 1\nB PUBLISH a/b/c 1",
    );
    world.send(A, publish("a", "2"), "B PUBLISH a 2");
    world.send(A, publish("b", "3"), "");
}

#[test] // MQTT-4.7.2-1
fn leading_wildcards_do_not_match_topics_that_start_with_a_dollar() {
    let mut world = two_clients();
    world.subscribe(A, "#", QOS0);
    world.subscribe(A, "+/b", QOS0);
    world.subscribe(B, "$a/#", QOS0);
    world.send(A, publish("$a/b", "x"), "B PUBLISH $a/b x");
}

#[test] // MQTT-1.5.4-3, MQTT-4.7.3-4
fn topics_are_compared_byte_by_byte() {
    let mut world = two_clients();
    world.subscribe(A, "\u{feff}ü/+", QOS0);
    world.send(
        B,
        publish("\u{feff}ü/日本", "x"),
        "A PUBLISH \u{feff}ü/日本 x",
    );
    world.send(B, publish("ü/日本", "x"), "");
    world.send(B, publish("\u{feff}Ü/日本", "x"), "");
}

#[test] // MQTT-3.8.4-8
fn a_message_is_sent_with_the_lower_of_its_qos_and_the_granted_one() {
    for (granted, packets) in [
        (QOS0, ["B PUBLISH t 0", "B PUBLISH t 1", "B PUBLISH t 2"]),
        (
            QOS1,
            [
                "B PUBLISH t 0",
                "B PUBLISH t 1 qos1 #1",
                "B PUBLISH t 2 qos1 #2",
            ],
        ),
        (
            QOS2,
            [
                "B PUBLISH t 0",
                "B PUBLISH t 1 qos1 #1",
                "B PUBLISH t 2 qos2 #2",
            ],
        ),
    ] {
        let mut world = two_clients();
        world.subscribe(B, "t", granted);
        let [qos0, qos1, qos2] = packets;
        world.send(A, publish("t", "0"), qos0);
        world.send(A, publish1(1, "t", "1"), &format!("{qos1}\nA PUBACK 1"));
        world.send(A, publish2(2, "t", "2"), &format!("{qos2}\nA PUBREC 2"));
    }
}

#[test] // MQTT-3.3.4-2
fn overlapping_subscriptions_send_one_copy_with_the_highest_qos() {
    let mut world = two_clients();
    world.subscribe(B, "t/+", QOS1);
    world.subscribe(B, "t/#", QOS2);
    world.subscribe(B, "#", QOS0);
    world.send(
        A,
        publish2(1, "t/x", "x"),
        "B PUBLISH t/x x qos2 #1\nA PUBREC 1",
    );
    world.send(
        A,
        publish2(2, "t", "x"),
        "B PUBLISH t x qos2 #2\nA PUBREC 2",
    );
    world.send(A, publish2(3, "u", "x"), "B PUBLISH u x\nA PUBREC 3");
}

#[test] // MQTT-3.3.4-3, MQTT-3.3.4-4
fn one_copy_has_the_identifiers_of_all_matching_subscriptions() {
    let mut world = two_clients();
    for (filter, id) in [
        ("t/+", Some(10)),
        ("t/#", Some(268_435_455)),
        ("#", None),
        ("t/x", Some(10)),
        ("u", Some(1)),
    ] {
        let mut subscribe = subscribe(1, filter, QOS0);
        if let Some(id) = id {
            subscribe = subscribe.with_subscription_identifier(id);
        }
        world.send(B, subscribe, "B SUBACK 1 GrantedQoS0");
    }
    world.send(
        A,
        publish("t/x", "x"),
        "B PUBLISH t/x x SubscriptionIdentifier=10 SubscriptionIdentifier=268435455 SubscriptionIdentifier=10",
    );
}

#[test] // MQTT-3.8.4-3
fn subscribing_again_replaces_the_subscription() {
    let mut world = two_clients();
    world.send(
        B,
        subscribe(1, "t", QOS2).with_subscription_identifier(1),
        "B SUBACK 1 GrantedQoS2",
    );
    world.send(
        B,
        subscribe(2, "t", QOS0).with_subscription_identifier(2),
        "B SUBACK 2 GrantedQoS0",
    );
    world.send(
        A,
        publish1(1, "t", "x"),
        "B PUBLISH t x SubscriptionIdentifier=2\nA PUBACK 1",
    );
    world.send(B, subscribe(3, "t", QOS1), "B SUBACK 3 GrantedQoS1");
    world.send(
        A,
        publish1(1, "t", "x"),
        "B PUBLISH t x qos1 #1\nA PUBACK 1",
    );
    assert_eq!(world.stats().subscriptions, 1);
}

#[test]
fn subscription_identifiers_last_as_long_as_the_session() {
    let mut world = two_clients();
    world.join(C, lasting("c", 100));
    world.send(
        C,
        subscribe(1, "t", QOS1).with_subscription_identifier(5),
        "C SUBACK 1 GrantedQoS1",
    );
    world.gone(C, "");
    world.send(A, publish1(1, "t", "x"), "A PUBACK 1");
    world.connect(
        C,
        lasting("c", 100),
        "C CONNACK Success session
         C PUBLISH t x qos1 #1 SubscriptionIdentifier=5",
    );
    world.send(
        A,
        publish("t", "y"),
        "C PUBLISH t y SubscriptionIdentifier=5",
    );
}

#[test] // MQTT-3.8.3-3
fn with_no_local_a_client_does_not_get_its_own_messages() {
    let mut world = two_clients();
    world.send(
        A,
        subscribe_with(1, "t", no_local(QOS1)),
        "A SUBACK 1 GrantedQoS1",
    );
    world.send(A, publish1(1, "t", "x"), "A PUBACK 1 NoMatchingSubscribers");
    world.send(
        B,
        publish1(1, "t", "x"),
        "A PUBLISH t x qos1 #1\nB PUBACK 1",
    );
}

#[test] // MQTT-3.8.3-3
fn no_local_affects_only_its_subscription() {
    let mut world = two_clients();
    world.send(
        A,
        subscribe_with(1, "t", no_local(QOS1)).with_subscription_identifier(1),
        "A SUBACK 1 GrantedQoS1",
    );
    world.send(
        A,
        subscribe(2, "#", QOS0).with_subscription_identifier(2),
        "A SUBACK 2 GrantedQoS0",
    );
    world.send(
        A,
        publish1(1, "t", "x"),
        "A PUBLISH t x SubscriptionIdentifier=2\nA PUBACK 1",
    );
}

#[test] // MQTT-3.3.1-12, MQTT-3.3.1-13
fn retain_is_forwarded_only_with_retain_as_published() {
    let mut world = two_clients();
    world.subscribe(A, "t", QOS0);
    world.send(
        B,
        subscribe_with(1, "t", retain_as_published(QOS0)),
        "B SUBACK 1 GrantedQoS0",
    );
    world.send(
        A,
        publish("t", "x").with_retain(true),
        "A PUBLISH t x\nB PUBLISH t x retain",
    );
    world.send(A, publish("t", "x"), "A PUBLISH t x\nB PUBLISH t x");
}

#[test] // MQTT-3.8.3-4
fn no_local_on_a_shared_subscription_is_a_protocol_error() {
    let mut world = two_clients();
    let subscribe = [
        0x82, 16, 0, 1, 0, 0, 10, b'$', b's', b'h', b'a', b'r', b'e', b'/', b'g', b'/', b't', 4,
    ];
    world.send_bytes(
        A,
        &subscribe,
        "A DISCONNECT ProtocolError\nA closed ProtocolError",
    );
}

const NO_FILTERS: [(&str, &str); 12] = [
    ("", "it is empty"),
    ("a/#/b", "misplaced wildcard at byte 2"),
    ("#/a", "misplaced wildcard at byte 0"),
    ("a#", "misplaced wildcard at byte 1"),
    ("a+", "misplaced wildcard at byte 1"),
    ("a/+b", "misplaced wildcard at byte 2"),
    ("$share//a", "the share group is empty"),
    ("$share/g", "no topic filter after the share group"),
    ("$share/g/", "no topic filter after the share group"),
    ("$share/g+/t", "wildcard at byte 8, in the share group"),
    ("$share/#", "wildcard at byte 7, in the share group"),
    ("$share/g/a+", "misplaced wildcard at byte 10"),
];

/// SUBSCRIBE and UNSUBSCRIBE of one filter.
fn asking_for(filter: &str) -> [Vec<u8>; 2] {
    let packet = |first: u8, options: &[u8]| {
        let length = u8::try_from(filter.len()).unwrap();
        let body = [&[0, 1, 0, 0, length], filter.as_bytes(), options].concat();
        [&[first, u8::try_from(body.len()).unwrap()], &body[..]].concat()
    };
    [packet(0x82, &[0]), packet(0xA2, &[])]
}

#[track_caller]
fn assert_words(world: &World, expected: &str) {
    let [Packet::Disconnect(disconnect)] = &world.sent[..] else {
        panic!("not one DISCONNECT");
    };
    assert_eq!(words(&disconnect.properties), Some(expected));
}

#[test] // MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.3-1, MQTT-4.8.2-1, MQTT-4.8.2-2, MQTT-4.13.1-1
fn an_invalid_filter_ends_the_connection_with_the_reason() {
    for (filter, why) in NO_FILTERS {
        for bytes in asking_for(filter) {
            let mut world = two_clients();
            world.subscribe(A, "ok", QOS1);
            world.send_bytes(
                A,
                &bytes,
                "A DISCONNECT MalformedPacket\nA closed MalformedPacket",
            );
            assert_words(&world, &format!("topic filter: {why}"));
        }
    }
}

#[test] // MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.3-1, MQTT-4.8.2-1, MQTT-4.8.2-2
fn one_invalid_filter_refuses_the_whole_packet() {
    for (filter, why) in NO_FILTERS {
        let many = subscribe(1, "new", QOS1).add_filter(filter, QOS1);
        let fewer = unsubscribe(1, "old").add_filter(filter);
        for packet in [many.packet(), fewer.packet()] {
            let mut world = two_clients();
            world.join(C, lasting("c", 60));
            world.subscribe(C, "old", QOS0);
            // The broker does not rely on the decoder.
            world.send_undecoded(
                C,
                packet,
                "C DISCONNECT MalformedPacket\nC closed MalformedPacket",
            );
            assert_words(&world, &format!("topic filter: {why}"));
            world.rejoin(C, lasting("c", 60));
            world.send(A, publish("old", "1"), "C PUBLISH old 1");
            world.send(A, publish("new", "2"), "");
            assert_eq!(world.stats().subscriptions, 1);
        }
    }
}

#[test] // MQTT-3.10.4-1, MQTT-3.10.4-4, MQTT-3.10.4-5, MQTT-3.10.4-6, MQTT-3.11.3-1, MQTT-3.11.3-2
fn unsuback_has_one_reason_code_for_each_filter_in_order() {
    let mut world = two_clients();
    world.subscribe(A, "a/+", QOS0);
    world.subscribe(A, "b", QOS0);
    let many = UnsubscribePacket::new(5)
        .add_filter("a/b")
        .add_filter("a/+")
        .add_filter("a/+")
        .add_filter("b");
    world.send(
        A,
        many,
        "A UNSUBACK 5 NoSubscriptionExisted Success NoSubscriptionExisted Success",
    );
    world.send(B, publish("a/b", "x"), "");
    assert_eq!(world.stats().subscriptions, 0);
}

#[test]
fn unsubscribing_affects_one_client_only() {
    let mut world = two_clients();
    world.subscribe(A, "t", QOS0);
    world.subscribe(B, "t", QOS0);
    world.send(A, unsubscribe(1, "t"), "A UNSUBACK 1 Success");
    world.send(A, publish("t", "x"), "B PUBLISH t x");
}

#[test] // MQTT-3.10.4-3
fn messages_in_flight_survive_unsubscribing() {
    let mut world = two_clients();
    let mut one_at_a_time = client("c");
    one_at_a_time.properties.set_receive_maximum(1);
    world.join(C, one_at_a_time);
    world.subscribe(C, "t", QOS2);
    world.send(
        A,
        publish2(1, "t", "1"),
        "C PUBLISH t 1 qos2 #1\nA PUBREC 1",
    );
    world.send(A, publish2(2, "t", "2"), "A PUBREC 2");
    world.send(C, unsubscribe(1, "t"), "C UNSUBACK 1 Success");
    world.send(C, pubrec(1), "C PUBREL 1");
    world.send(C, pubcomp(1), "C PUBLISH t 2 qos2 #2");
}

#[test]
fn two_filters_of_one_subscribe_share_its_identifier() {
    let mut world = two_clients();
    let two = SubscribePacket::new(1)
        .add_filter_with_options(TopicFilter::new("a", QOS0))
        .add_filter_with_options(TopicFilter::new("+", QOS0))
        .with_subscription_identifier(3);
    world.send(A, two, "A SUBACK 1 GrantedQoS0 GrantedQoS0");
    world.send(
        B,
        publish("b", "x"),
        "A PUBLISH b x SubscriptionIdentifier=3",
    );
    world.send(
        B,
        publish("a", "x"),
        "A PUBLISH a x SubscriptionIdentifier=3 SubscriptionIdentifier=3",
    );
}

fn words(properties: &Properties) -> Option<&str> {
    match properties.get(PropertyId::ReasonString) {
        Some(PropertyValue::Utf8String(text)) => Some(text),
        _ => None,
    }
}

#[test] // MQTT-3.1.2-29, MQTT-3.9.2-1, MQTT-3.11.2-1
fn refused_filters_have_a_reason_string_if_the_client_requests_it_and_it_fits() {
    let explained = |connect: ConnectPacket| {
        let mut world = World::with(Config {
            session_subscriptions_max: 1,
            topic_levels_max: 2,
            ..plain_config()
        });
        world.join(A, connect);
        let many = subscribe(1, "a/b/c", QOS0)
            .add_filter("ok", QOS0)
            .add_filter("a/+/#", QOS0)
            .add_filter("more", QOS0);
        world.send(
            A,
            many,
            "A SUBACK 1 TopicFilterInvalid GrantedQoS0 TopicFilterInvalid QuotaExceeded",
        );
        let [Packet::SubAck(suback)] = &world.sent[..] else {
            panic!("not one SUBACK");
        };
        let of_suback = words(&suback.properties).map(str::to_owned);
        world.send(A, publish2(2, "t", ""), "A PUBREC 2 NoMatchingSubscribers");
        world.send(
            A,
            unsubscribe(2, "ok"),
            "A UNSUBACK 2 PacketIdentifierInUse",
        );
        let [Packet::UnsubAck(unsuback)] = &world.sent[..] else {
            panic!("not one UNSUBACK");
        };
        [of_suback, words(&unsuback.properties).map(str::to_owned)]
    };
    // Each reason once, in the order of the filters.
    let suback = "this filter is too long or has too many levels; \
                  there is no room for another subscription";
    let unsuback = "an unreleased message has this identifier";
    let expected = [suback, unsuback].map(|text| Some(text.to_owned()));
    assert_eq!(explained(client("a")), expected);
    let mut small = client("a");
    small.properties.set_maximum_packet_size(20);
    assert_eq!(explained(small), [None, None]);
    let mut silent = client("a");
    silent.properties.set_request_problem_information(false);
    assert_eq!(explained(silent), [None, None]);
}

#[test]
fn granted_subscriptions_have_no_reason_string() {
    let mut world = two_clients();
    world.subscribe(A, "t", QOS1);
    let [Packet::SubAck(suback)] = &world.sent[..] else {
        panic!("not one SUBACK");
    };
    assert_eq!(words(&suback.properties), None);
    world.send(A, unsubscribe(1, "u"), "A UNSUBACK 1 NoSubscriptionExisted");
    let [Packet::UnsubAck(unsuback)] = &world.sent[..] else {
        panic!("not one UNSUBACK");
    };
    assert_eq!(words(&unsuback.properties), None);
}
