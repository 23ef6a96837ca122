//! Clients that read more slowly than messages arrive.

use broker::{BrokerEvent, Config, DropReason, Input, TopicName};

use crate::harness::*;

/// A publishes; B and C have subscribed to `t` with QoS 2, and keep two messages at most.
fn world() -> World {
    let mut world = World::with(Config {
        queue_messages_max: 2,
        ..plain_config()
    });
    world.join(A, client("a"));
    for (conn, client_id) in [(B, "b"), (C, "c")] {
        world.join(conn, lasting(client_id, 100));
        world.subscribe(conn, "t", QOS2);
    }
    world.events();
    world
}

fn dropped(reason: DropReason) -> BrokerEvent {
    BrokerEvent::MessageDropped {
        client_id: "b".into(),
        topic: TopicName::parse("t").unwrap(),
        reason,
    }
}

#[test]
fn a_congested_client_loses_qos_0_and_its_other_messages_wait() {
    let mut world = world();
    world.check(Input::Congested(B, true), "");
    world.send(A, publish("t", "1"), "C PUBLISH t 1");
    assert_eq!(world.events(), [dropped(DropReason::Congested)]);
    world.send(
        A,
        publish1(1, "t", "2"),
        "C PUBLISH t 2 qos1 #1\nA PUBACK 1",
    );
    world.send(
        A,
        publish2(2, "t", "3"),
        "C PUBLISH t 3 qos2 #2\nA PUBREC 2",
    );
    // Its requests are still answered.
    world.subscribe(B, "u", QOS1);
    let waiting = "B PUBLISH t 2 qos1 #1\nB PUBLISH t 3 qos2 #2";
    world.check(Input::Congested(B, false), waiting);
    world.send(A, publish("t", "4"), "B PUBLISH t 4\nC PUBLISH t 4");
    assert_eq!(world.stats().messages_dropped, 1);
}

#[test]
fn a_congested_client_gets_no_message_after_an_acknowledgement() {
    let mut world = world();
    world.send(
        A,
        publish1(1, "t", "1"),
        "B PUBLISH t 1 qos1 #1\nC PUBLISH t 1 qos1 #1\nA PUBACK 1",
    );
    world.check(Input::Congested(B, true), "");
    world.send(
        A,
        publish1(1, "t", "2"),
        "C PUBLISH t 2 qos1 #2\nA PUBACK 1",
    );
    world.send(B, puback(1), "");
    world.check(Input::Congested(B, true), "");
    world.check(Input::Congested(B, false), "B PUBLISH t 2 qos1 #2");
}

#[test]
fn a_new_connection_is_not_congested() {
    let mut world = world();
    world.check(Input::Congested(B, true), "");
    world.send(
        A,
        publish1(1, "t", "1"),
        "C PUBLISH t 1 qos1 #1\nA PUBACK 1",
    );
    world.gone(B, "");
    // The connection has ended.
    world.check(Input::Congested(B, false), "");
    world.connect(
        B,
        lasting("b", 100),
        "B CONNACK Success session\nB PUBLISH t 1 qos1 #1",
    );
    world.send(A, publish("t", "2"), "B PUBLISH t 2\nC PUBLISH t 2");
}

#[test]
fn a_message_that_fits_into_no_queue_is_refused() {
    let mut world = world();
    for conn in [B, C] {
        world.check(Input::Congested(conn, true), "");
    }
    for payload in ["1", "2"] {
        world.send(A, publish1(1, "t", payload), "A PUBACK 1");
    }
    world.send(A, publish1(1, "t", "3"), "A PUBACK 1 QuotaExceeded");
    world.send(A, publish2(2, "t", "4"), "A PUBREC 2 QuotaExceeded");
    // The identifier is free again, because the refused message needs no release.
    world.send(A, publish2(2, "t", "5"), "A PUBREC 2 QuotaExceeded");
    // QoS 0 is neither queued nor answered.
    world.send(A, publish("t", "6"), "");
    // The retained message is stored, so the message is accepted.
    world.send(A, publish1(1, "t", "7").with_retain(true), "A PUBACK 1");
    // One subscriber with room is enough.
    let waiting = "C PUBLISH t 1 qos1 #1\nC PUBLISH t 2 qos1 #2";
    world.check(Input::Congested(C, false), waiting);
    world.send(
        A,
        publish1(1, "t", "8"),
        "C PUBLISH t 8 qos1 #3\nA PUBACK 1",
    );
    let waiting = "B PUBLISH t 1 qos1 #1\nB PUBLISH t 2 qos1 #2";
    world.check(Input::Congested(B, false), waiting);
}

#[test]
fn a_message_of_mqtt_3_1_1_that_fits_into_no_queue_is_dropped_and_acknowledged() {
    let mut world = world();
    for conn in [B, C] {
        world.check(Input::Congested(conn, true), "");
    }
    world.leave(A);
    world.join(A, client_311("a"));
    for payload in ["1", "2", "3"] {
        world.send(A, publish1(1, "t", payload), "A PUBACK 1");
    }
    assert_eq!(world.stats().messages_dropped, 2);
}

#[test]
fn a_congested_member_of_a_shared_subscription_is_skipped() {
    let mut world = World::new();
    world.join(A, client("a"));
    for (conn, client_id) in [(B, "b"), (C, "c")] {
        world.join(conn, client(client_id));
        world.subscribe(conn, "$share/g/t", QOS1);
    }
    world.check(Input::Congested(B, true), "");
    for payload in ["1", "2"] {
        world.send(A, publish("t", payload), &format!("C PUBLISH t {payload}"));
    }
    // If all members are congested, the message waits for the next one in turn.
    world.check(Input::Congested(C, true), "");
    world.send(A, publish1(1, "t", "3"), "A PUBACK 1");
    world.check(Input::Congested(C, false), "");
    world.check(Input::Congested(B, false), "B PUBLISH t 3 qos1 #1");
}
