//! Sessions: resumption, end and takeover.

use broker::packet::disconnect::DisconnectPacket;
use broker::{BrokerEvent, Config, Packet};

use crate::harness::*;

const NEVER: u32 = u32::MAX;

#[test] // MQTT-3.1.2-5, MQTT-3.2.2-3
fn a_resumed_session_has_its_subscriptions() {
    let mut world = World::new();
    world.join(A, lasting("a", 100));
    world.subscribe(A, "t", QOS1);
    world.gone(A, "");
    world.rejoin(B, lasting("a", 100));
    world.send(B, publish("t", "x"), "B PUBLISH t x");
}

#[test] // MQTT-3.1.2-4, MQTT-3.1.2-6, MQTT-3.2.2-2
fn clean_start_ends_the_former_session_with_its_subscriptions_and_messages() {
    let mut world = World::new();
    world.join(A, lasting("a", 100));
    world.subscribe(A, "t", QOS1);
    world.gone(A, "");
    world.join(B, client("b"));
    world.send(B, publish1(1, "t", "x"), "B PUBACK 1");
    world.join(A, client("a"));
    world.send(B, publish1(1, "t", "x"), "B PUBACK 1 NoMatchingSubscribers");
    assert_eq!(world.stats().subscriptions, 0);
}

#[test] // MQTT-3.2.2-2
fn without_a_former_session_session_present_is_0() {
    let mut world = World::new();
    world.join(A, lasting("a", 100));
}

#[test]
fn a_session_without_expiry_interval_ends_with_its_connection() {
    let mut world = World::new();
    let mut connect = client("a");
    connect.clean_start = false;
    world.join(A, connect.clone());
    world.subscribe(A, "t", QOS1);
    world.gone(A, "");
    assert_eq!(
        (world.stats().sessions, world.stats().subscriptions),
        (0, 0)
    );
    world.join(A, connect);
}

#[test] // MQTT-3.1.2-23, MQTT-4.1.0-2
fn a_session_ends_when_its_expiry_interval_has_passed() {
    let mut world = World::new();
    world.join(A, lasting("a", 10));
    world.gone(A, "");
    assert_eq!(world.ms_to_timeout(), Some(10_000));
    world.wait_ms(9_999, "");
    assert_eq!(world.stats().sessions, 1);
    world.wait_ms(1, "");
    assert_eq!(world.stats().sessions, 0);
    world.join(A, lasting("a", 10));
}

#[test] // MQTT-4.1.0-2
fn an_expired_session_is_not_resumed_before_its_late_timer() {
    let mut world = World::new();
    world.join(A, lasting("a", 10));
    world.gone(A, "");
    world.pass_ms(10_000);
    world.join(A, lasting("a", 10));
}

#[test] // MQTT-4.1.0-1
fn a_session_does_not_expire_while_its_client_is_connected() {
    let mut world = World::new();
    world.join(A, lasting("a", 10));
    world.gone(A, "");
    world.rejoin(B, lasting("a", 10));
    assert_eq!(world.ms_to_timeout(), None);
    world.wait_ms(100_000, "");
    world.gone(B, "");
    world.rejoin(A, lasting("a", 10));
}

#[test]
fn a_session_with_expiry_interval_0xffffffff_never_expires() {
    let mut world = World::new();
    world.join(A, lasting("a", NEVER));
    world.gone(A, "");
    assert_eq!(world.ms_to_timeout(), None);
    world.wait_ms(u64::from(NEVER) * 1000 + 1, "");
    world.rejoin(A, lasting("a", NEVER));
}

#[test]
fn the_last_connect_gives_the_expiry_interval() {
    let mut world = World::new();
    world.join(A, lasting("a", 100));
    world.gone(A, "");
    world.rejoin(A, lasting("a", 1));
    world.gone(A, "");
    world.wait_ms(1_000, "");
    assert_eq!(world.stats().sessions, 0);
}

#[test]
fn the_server_caps_the_expiry_interval() {
    let mut world = World::with(Config {
        session_expiry_interval_max_s: 5,
        ..plain_config()
    });
    world.connect(
        A,
        lasting("a", NEVER),
        "A CONNACK Success SessionExpiryInterval=5",
    );
    world.gone(A, "");
    world.wait_ms(5_000, "");
    assert_eq!(world.stats().sessions, 0);
    world.connect(A, lasting("a", 5), "A CONNACK Success");
    let longer = DisconnectPacket::normal().with_session_expiry_interval(NEVER);
    world.send(A, longer, "A closed Success");
    assert_eq!(world.ms_to_timeout(), Some(5_000));
}

#[test]
fn disconnect_may_change_the_expiry_interval() {
    let mut world = World::new();
    world.join(A, lasting("a", 100));
    world.send(
        A,
        DisconnectPacket::normal().with_session_expiry_interval(7),
        "A closed Success",
    );
    assert_eq!(world.ms_to_timeout(), Some(7_000));
    world.rejoin(A, lasting("a", 100));
    world.send(
        A,
        DisconnectPacket::normal().with_session_expiry_interval(0),
        "A closed Success",
    );
    assert_eq!(world.stats().sessions, 0);
}

#[test]
fn disconnect_must_not_set_an_expiry_interval_after_0() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.send(
        A,
        DisconnectPacket::normal().with_session_expiry_interval(1),
        "A DISCONNECT ProtocolError
         A closed ProtocolError",
    );
    assert_eq!(world.stats().sessions, 0);
    world.join(A, client("a"));
    world.send(
        A,
        DisconnectPacket::normal().with_session_expiry_interval(0),
        "A closed Success",
    );
}

#[test] // MQTT-3.1.4-3
fn a_second_connection_takes_over_the_session() {
    let mut world = World::new();
    world.join(A, lasting("a", 100));
    world.subscribe(A, "t", QOS1);
    world.connect(
        B,
        lasting("a", 100),
        "A DISCONNECT SessionTakenOver
         A closed SessionTakenOver
         B CONNACK Success session",
    );
    world.send(A, Packet::PingReq, "");
    world.gone(A, "");
    world.send(B, publish("t", "x"), "B PUBLISH t x");
    assert_eq!((world.stats().connections, world.stats().sessions), (1, 1));
}

#[test] // MQTT-3.1.4-3, MQTT-3.1.2-4
fn taking_over_with_clean_start_starts_a_new_session() {
    let mut world = World::new();
    world.join(A, lasting("a", 100));
    world.subscribe(A, "t", QOS1);
    world.connect(
        B,
        client("a"),
        "A DISCONNECT SessionTakenOver
         A closed SessionTakenOver
         B CONNACK Success",
    );
    world.send(B, publish("t", "x"), "");
    assert_eq!(
        (world.stats().sessions, world.stats().subscriptions),
        (1, 0)
    );
}

#[test]
fn taking_over_a_session_with_expiry_interval_0_starts_a_new_one() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.subscribe(A, "t", QOS1);
    world.connect(
        B,
        lasting("a", 100),
        "A DISCONNECT SessionTakenOver
         A closed SessionTakenOver
         B CONNACK Success",
    );
    world.send(B, publish("t", "x"), "");
}

#[test]
fn a_session_in_the_slot_of_an_ended_one_has_none_of_its_state() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.subscribe(A, "a", QOS0);
    world.leave(A);
    world.join(B, client("b"));
    world.subscribe(B, "b", QOS0);
    world.join(A, client("a"));
    world.send(A, publish("a", "x"), "");
    world.send(A, publish("b", "x"), "B PUBLISH b x");
}

#[test]
fn expiry_is_reported() {
    let mut world = World::new();
    world.join(A, lasting("a", 1));
    world.gone(A, "");
    world.events();
    world.wait_ms(1_000, "");
    assert_eq!(
        world.events(),
        [BrokerEvent::SessionExpired {
            client_id: "a".into()
        }]
    );
}
