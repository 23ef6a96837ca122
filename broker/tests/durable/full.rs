//! The storage is full: requests that need storage are refused, so nothing is promised that cannot be stored.

use broker::Input;
use mqtt5_protocol::WillMessage;

use crate::harness::*;

const LONG: u32 = 1_000;

/// A and B are connected, B has subscribed to `t`, and the storage is full.
fn full() -> World {
    let mut world = World::new();
    world.join(A, lasting("a", LONG));
    world.join(B, lasting("b", LONG));
    world.subscribe(B, "t", QOS2);
    world.check(Input::StorageFull(true), "");
    world
}

#[test]
fn messages_that_require_storage_are_refused() {
    let mut world = full();
    world.send(A, publish1(1, "t", "x"), "A PUBACK 1 QuotaExceeded");
    world.send(A, publish2(2, "t", "x"), "A PUBREC 2 QuotaExceeded");
    world.send(
        A,
        publish1(3, "t", "x").with_retain(true),
        "A PUBACK 3 QuotaExceeded",
    );
    assert_eq!(world.stats().retained_messages, 0);
    world.check(Input::StorageFull(false), "");
    world.send(
        A,
        publish2(2, "t", "y"),
        "A PUBREC 2\nB PUBLISH t y qos2 #1",
    );
}

#[test]
fn qos_0_messages_are_delivered_and_not_retained() {
    let mut world = full();
    world.send(A, publish("t", "x"), "B PUBLISH t x");
    world.send(A, publish("t", "y").with_retain(true), "B PUBLISH t y");
    assert_eq!(world.stats().retained_messages, 0);
}

#[test]
fn a_repeated_qos_2_message_that_is_stored_is_answered() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.send(A, publish2(1, "t", "x"), "A PUBREC 1 NoMatchingSubscribers");
    world.check(Input::StorageFull(true), "");
    world.send(A, publish2(1, "t", "x").with_dup(true), "A PUBREC 1");
    world.send(A, pubrel(1), "A PUBCOMP 1");
}

#[test]
fn acknowledgements_are_accepted_and_stored() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.join(B, lasting("b", LONG));
    world.subscribe(B, "t", QOS2);
    world.send(
        A,
        publish1(1, "t", "x"),
        "A PUBACK 1\nB PUBLISH t x qos1 #1",
    );
    world.send(
        A,
        publish2(2, "t", "y"),
        "A PUBREC 2\nB PUBLISH t y qos2 #2",
    );
    world.check(Input::StorageFull(true), "");
    world.send(B, puback(1), "");
    world.send(B, pubrec(2), "B PUBREL 2");
    world.send(B, pubcomp(2), "");
    assert_eq!(world.change_broker().messages, 0);
}

#[test]
fn subscriptions_are_refused_and_can_be_ended() {
    let mut world = full();
    world.send(B, subscribe(1, "u", QOS0), "B SUBACK 1 QuotaExceeded");
    world.send(B, unsubscribe(2, "t"), "B UNSUBACK 2 Success");
}

#[test]
fn clients_whose_session_must_be_stored_are_refused() {
    let mut world = full();
    let refused = "C CONNACK QuotaExceeded\nC closed QuotaExceeded";
    world.connect(C, lasting("c", LONG), refused);
    let mut clean = lasting("a", 0);
    clean.clean_start = true;
    world.connect(C, clean, refused);
    // The refusal did not change A's session.
    world.send(A, publish("t", "x"), "B PUBLISH t x");
    world.gone(A, "");
    // Its session is stored already, so it is resumed.
    world.rejoin(A, lasting("a", LONG));
}

#[test]
fn a_client_whose_session_ends_with_its_connection_is_accepted_unless_it_has_a_will() {
    let mut world = full();
    world.connect(C, client("c"), "C CONNACK Success");
    world.send(C, publish("t", "x"), "B PUBLISH t x");
    let messages = world.stats().messages_received;
    assert_eq!(messages, 1);
    // A will must survive the end of this broker, so it needs storage.
    let with_will = with_will(client("d"), WillMessage::new("w", "x"));
    world.connect(
        D,
        with_will,
        "D CONNACK QuotaExceeded\nD closed QuotaExceeded",
    );
}

#[test]
fn a_client_without_session_state_is_refused_if_its_session_has_state_to_remove() {
    let mut world = World::new();
    for (conn, id) in [(A, "a"), (B, "b")] {
        world.join(conn, lasting(id, LONG));
    }
    world.send(A, publish2(1, "t", "x"), "A PUBREC 1 NoMatchingSubscribers");
    world.gone(A, "");
    world.gone(B, "");
    world.check(Input::StorageFull(true), "");
    let stateless = |id| {
        let mut connect = lasting(id, LONG);
        let (name, value) = broker::NO_SESSION_STATE;
        connect
            .properties
            .add_user_property(name.to_owned(), value.to_owned());
        connect
    };
    let refused = "A CONNACK QuotaExceeded\nA closed QuotaExceeded";
    world.connect(A, stateless("a"), refused);
    world.rejoin(B, stateless("b"));
    world.check(Input::StorageFull(false), "");
    world.rejoin(A, stateless("a"));
    world.send(A, publish2(1, "t", "y"), "A PUBREC 1 NoMatchingSubscribers");
}

#[test]
fn a_client_of_mqtt_3_1_1_is_refused_with_a_code_of_its_version_or_closed() {
    let mut world = World::new();
    world.join(A, client_311("a"));
    world.join(B, client_311("b"));
    world.check(Input::StorageFull(true), "");
    world.send(A, subscribe(1, "t", QOS0), "A SUBACK 1 UnspecifiedError");
    world.send(A, publish1(1, "t", "x"), "A closed QuotaExceeded");
    world.send(B, publish2(1, "t", "x"), "B closed QuotaExceeded");
    world.connect(
        C,
        lasting_311("c"),
        "C CONNACK ServerUnavailable\nC closed QuotaExceeded",
    );
    world.connect(D, client_311("d"), "D CONNACK Success");
}

#[test]
fn a_qos_2_message_of_mqtt_3_1_1_that_found_no_room_is_routed_when_it_is_repeated() {
    let mut world = World::new();
    world.join(A, lasting_311("a"));
    world.join(B, client("b"));
    world.subscribe(B, "t", QOS0);
    world.check(Input::StorageFull(true), "");
    world.send(A, publish2(1, "t", "x"), "A closed QuotaExceeded");
    world.check(Input::StorageFull(false), "");
    world.rejoin(A, lasting_311("a"));
    world.send(
        A,
        publish2(1, "t", "x").with_dup(true),
        "A PUBREC 1\nB PUBLISH t x",
    );
}

#[test]
fn a_will_is_published_without_room() {
    let mut world = World::new();
    world.join(B, client("b"));
    world.subscribe(B, "will", QOS1);
    let will = WillMessage::new("will", "gone").with_qos(QOS1);
    world.join(A, with_will(client("a"), will));
    world.check(Input::StorageFull(true), "");
    world.gone(A, "B PUBLISH will gone qos1 #1");
}
