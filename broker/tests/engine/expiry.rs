//! Message Expiry Interval.

use broker::packet::publish::PublishPacket;
use broker::{BrokerEvent, DropReason, TopicName};

use crate::harness::*;

fn expiring(packet_id: u16, topic: &str, payload: &str, seconds: u32) -> PublishPacket {
    publish1(packet_id, topic, payload).with_message_expiry_interval(seconds)
}

/// B has subscribed to `t` and is away.
fn with_absent_subscriber() -> World {
    let mut world = World::new();
    world.join(A, client("a"));
    world.join(B, lasting("b", 1_000));
    world.subscribe(B, "t", QOS2);
    world.gone(B, "");
    world
}

#[test] // MQTT-3.3.2-6
fn a_queued_message_arrives_with_its_remaining_interval() {
    let mut world = with_absent_subscriber();
    world.send(A, expiring(1, "t", "x", 10), "A PUBACK 1");
    world.wait_ms(3_500, "");
    world.connect(
        B,
        lasting("b", 1_000),
        "B CONNACK Success session
         B PUBLISH t x qos1 #1 MessageExpiryInterval=7",
    );
}

#[test] // MQTT-3.3.2-5
fn a_message_that_expires_in_a_queue_is_dropped_and_reported() {
    let mut world = with_absent_subscriber();
    world.send(A, expiring(1, "t", "x", 10), "A PUBACK 1");
    world.send(A, publish1(1, "t", "y"), "A PUBACK 1");
    world.wait_ms(10_000, "");
    world.events();
    world.connect(
        B,
        lasting("b", 1_000),
        "B CONNACK Success session
         B PUBLISH t y qos1 #1",
    );
    assert_eq!(world.stats().messages_dropped, 1);
    let dropped = BrokerEvent::MessageDropped {
        client_id: "b".into(),
        topic: TopicName::parse("t").unwrap(),
        reason: DropReason::Expired,
    };
    assert!(world.events().contains(&dropped));
}

#[test] // MQTT-4.3.3-7
fn an_expired_message_in_flight_is_sent_again() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.join(B, lasting("b", 1_000));
    world.subscribe(B, "t", QOS2);
    let message = publish2(1, "t", "x").with_message_expiry_interval(10);
    world.send(
        A,
        message,
        "B PUBLISH t x qos2 #1 MessageExpiryInterval=10\nA PUBREC 1",
    );
    world.gone(B, "");
    world.wait_ms(60_000, "");
    world.connect(
        B,
        lasting("b", 1_000),
        "B CONNACK Success session
         B PUBLISH t x qos2 #1 dup MessageExpiryInterval=0",
    );
}

#[test] // MQTT-3.3.2-5
fn a_message_expires_while_the_receive_maximum_holds_it_back() {
    let mut world = World::new();
    world.join(A, client("a"));
    let mut connect = client("b");
    connect.properties.set_receive_maximum(1);
    world.join(B, connect);
    world.subscribe(B, "t", QOS1);
    world.send(
        A,
        publish1(1, "t", "1"),
        "B PUBLISH t 1 qos1 #1\nA PUBACK 1",
    );
    world.send(A, expiring(1, "t", "2", 5), "A PUBACK 1");
    world.send(A, expiring(1, "t", "3", 9), "A PUBACK 1");
    world.wait_ms(6_000, "");
    world.send(
        B,
        puback(1),
        "B PUBLISH t 3 qos1 #2 MessageExpiryInterval=3",
    );
}

#[test] // MQTT-3.3.2-5, MQTT-3.3.2-6
fn a_retained_message_counts_down_and_expires() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.send(
        A,
        publish("t", "x")
            .with_retain(true)
            .with_message_expiry_interval(10),
        "",
    );
    assert_eq!(world.ms_to_timeout(), Some(10_000));
    world.wait_ms(4_000, "");
    world.send(
        A,
        subscribe(1, "t", QOS0),
        "A SUBACK 1 GrantedQoS0
         A PUBLISH t x retain MessageExpiryInterval=6",
    );
    world.pass_ms(6_000);
    world.send(A, subscribe(1, "t", QOS0), "A SUBACK 1 GrantedQoS0");
    assert_eq!(world.stats().retained_messages, 0);
    assert_eq!(world.ms_to_timeout(), None);
}

#[test]
fn a_message_with_interval_0_reaches_connected_clients_only() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.subscribe(A, "t", QOS1);
    world.send(
        A,
        expiring(1, "t", "x", 0),
        "A PUBLISH t x qos1 #1 MessageExpiryInterval=0\nA PUBACK 1",
    );
    world.join(B, lasting("b", 1_000));
    world.subscribe(B, "u", QOS1);
    world.gone(B, "");
    world.send(A, expiring(1, "u", "x", 0), "A PUBACK 1");
    world.pass_ms(1);
    world.rejoin(B, lasting("b", 1_000));
}
