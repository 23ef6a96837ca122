//! Retained messages, and their delivery to new subscriptions.

use broker::packet::publish::PublishPacket;
use broker::packet::subscribe::{RetainHandling, SubscriptionOptions};

use crate::harness::*;

fn retain(topic: &str, payload: &str) -> PublishPacket {
    publish(topic, payload).with_retain(true)
}

fn handling(retain_handling: RetainHandling) -> SubscriptionOptions {
    SubscriptionOptions {
        retain_handling,
        ..SubscriptionOptions::new(QOS0)
    }
}

/// A has published; B is connected and not subscribed.
fn publisher_and_newcomer(messages: &[PublishPacket]) -> World {
    let mut world = World::new();
    world.join(A, client("a"));
    for message in messages {
        world.send(A, message.clone(), "");
    }
    world.join(B, client("b"));
    world
}

#[test] // MQTT-3.3.1-5, MQTT-3.3.1-8, MQTT-3.3.1-9
fn later_subscribers_get_the_last_retained_message_of_a_topic() {
    let mut world =
        publisher_and_newcomer(&[retain("t", "1"), retain("t", "2"), publish("t", "3")]);
    world.send(
        B,
        subscribe(1, "t", QOS0),
        "B SUBACK 1 GrantedQoS0
         B PUBLISH t 2 retain",
    );
    world.leave(A);
    world.send(
        B,
        subscribe(2, "+", QOS0),
        "B SUBACK 2 GrantedQoS0\nB PUBLISH t 2 retain",
    );
}

#[test] // MQTT-3.3.1-9
fn a_subscription_gets_the_retained_message_of_every_matching_topic() {
    let mut world = publisher_and_newcomer(&[
        retain("b", "b"),
        retain("a", "a"),
        retain("a/b/c", "abc"),
        retain("a/b", "ab"),
        retain("ab", "no"),
        retain("$a/b", "no"),
    ]);
    world.send(
        B,
        subscribe(1, "a/#", QOS0).add_filter("+", QOS0),
        "B SUBACK 1 GrantedQoS0 GrantedQoS0
         B PUBLISH a a retain
         B PUBLISH a/b ab retain
         B PUBLISH a/b/c abc retain
         B PUBLISH a a retain
         B PUBLISH ab no retain
         B PUBLISH b b retain",
    );
}

#[test] // MQTT-3.3.1-6, MQTT-3.3.1-7
fn an_empty_retained_message_is_delivered_and_removes_the_retained_one() {
    let mut world = publisher_and_newcomer(&[retain("t", "x")]);
    world.subscribe(A, "u", QOS0);
    world.send(A, retain("t", ""), "");
    world.send(B, subscribe(1, "t", QOS0), "B SUBACK 1 GrantedQoS0");
    world.send(A, retain("t", ""), "B PUBLISH t");
    assert_eq!(world.stats().retained_messages, 0);
}

#[test]
fn a_retained_message_is_sent_with_the_lower_qos() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.send(
        A,
        publish2(1, "t", "x").with_retain(true),
        "A PUBREC 1 NoMatchingSubscribers",
    );
    world.send(
        A,
        subscribe(1, "t", QOS0),
        "A SUBACK 1 PacketIdentifierInUse",
    );
    world.send(
        A,
        subscribe(2, "t", QOS0),
        "A SUBACK 2 GrantedQoS0\nA PUBLISH t x retain",
    );
    world.send(
        A,
        subscribe(2, "t", QOS1),
        "A SUBACK 2 GrantedQoS1\nA PUBLISH t x qos1 #1 retain",
    );
    world.send(
        A,
        subscribe(2, "t", QOS2),
        "A SUBACK 2 GrantedQoS2\nA PUBLISH t x qos2 #2 retain",
    );
}

#[test] // MQTT-3.3.1-9
fn retain_handling_0_sends_at_every_subscribe() {
    let mut world = publisher_and_newcomer(&[retain("t", "x")]);
    let subscribe = || subscribe_with(1, "t", handling(RetainHandling::SendAtSubscribe));
    world.send(
        B,
        subscribe(),
        "B SUBACK 1 GrantedQoS0\nB PUBLISH t x retain",
    );
    world.send(
        B,
        subscribe(),
        "B SUBACK 1 GrantedQoS0\nB PUBLISH t x retain",
    );
}

#[test] // MQTT-3.3.1-10
fn retain_handling_1_sends_if_the_subscription_is_new() {
    let mut world = publisher_and_newcomer(&[retain("t", "x")]);
    let subscribe = || subscribe_with(1, "t", handling(RetainHandling::SendAtSubscribeIfNew));
    world.send(
        B,
        subscribe(),
        "B SUBACK 1 GrantedQoS0\nB PUBLISH t x retain",
    );
    world.send(B, subscribe(), "B SUBACK 1 GrantedQoS0");
    world.send(B, unsubscribe(2, "t"), "B UNSUBACK 2 Success");
    world.send(
        B,
        subscribe(),
        "B SUBACK 1 GrantedQoS0\nB PUBLISH t x retain",
    );
}

#[test] // MQTT-3.3.1-11
fn retain_handling_2_sends_nothing() {
    let mut world = publisher_and_newcomer(&[retain("t", "x")]);
    let subscribe = subscribe_with(1, "t", handling(RetainHandling::DoNotSend));
    world.send(B, subscribe, "B SUBACK 1 GrantedQoS0");
}

#[test]
fn a_retained_message_has_the_identifier_of_its_subscription() {
    let mut world =
        publisher_and_newcomer(&[retain("t", "x").with_user_property("k".into(), "v".into())]);
    world.send(
        B,
        subscribe(1, "t", QOS0).with_subscription_identifier(4),
        "B SUBACK 1 GrantedQoS0
         B PUBLISH t x retain SubscriptionIdentifier=4 k:v",
    );
}

#[test] // MQTT-3.8.3-3
fn with_no_local_a_client_does_not_get_its_own_retained_messages() {
    let mut world = publisher_and_newcomer(&[retain("t", "x")]);
    let no_local = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::new(QOS0)
    };
    world.send(
        A,
        subscribe_with(1, "t", no_local),
        "A SUBACK 1 GrantedQoS0",
    );
    world.send(
        B,
        subscribe_with(1, "t", no_local),
        "B SUBACK 1 GrantedQoS0\nB PUBLISH t x retain",
    );
}

#[test]
fn a_resumed_session_gets_no_retained_messages_again() {
    let mut world = World::new();
    world.join(A, lasting("a", 100));
    world.subscribe(A, "t", QOS0);
    world.gone(A, "");
    world.join(B, client("b"));
    world.send(B, retain("t", "x"), "");
    world.rejoin(A, lasting("a", 100));
}

#[test]
fn retained_messages_respect_the_receive_maximum_and_are_sent_again() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.send(
        A,
        publish1(1, "t", "x").with_retain(true),
        "A PUBACK 1 NoMatchingSubscribers",
    );
    let mut connect = lasting("b", 100);
    connect.properties.set_receive_maximum(1);
    world.join(B, connect.clone());
    let two = subscribe(1, "t", QOS1).add_filter("+", QOS1);
    world.send(
        B,
        two,
        "B SUBACK 1 GrantedQoS1 GrantedQoS1\nB PUBLISH t x qos1 #1 retain",
    );
    world.gone(B, "");
    world.connect(
        B,
        connect,
        "B CONNACK Success session
         B PUBLISH t x qos1 #1 dup retain",
    );
    world.send(B, puback(1), "B PUBLISH t x qos1 #2 retain");
}
