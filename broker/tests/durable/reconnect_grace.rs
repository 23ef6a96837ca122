//! Reconnect grace: sessions whose clients have not reconnected since the broker changed. A change of broker is no
//! disconnection.

use broker::packet::connect::ConnectPacket;
use broker::{BrokerEvent, Config, Input, Origin};
use mqtt5_protocol::WillMessage;

use crate::harness::*;

const LONG: u32 = 1_000;

fn mortal(expiry_interval_s: u32, delay_s: u32) -> ConnectPacket {
    let mut will = WillMessage::new("will", "gone");
    will.properties.will_delay_interval = (delay_s > 0).then_some(delay_s);
    with_will(lasting("a", expiry_interval_s), will)
}

/// Origin 1 has A, with a will; origin 2 has B, which is subscribed to wills. The broker changes, and B reconnects.
fn changed(connect: ConnectPacket) -> World {
    let mut world = World::new();
    world.join_from(1, A, connect);
    world.subscribe(A, "t", QOS1);
    world.join_from(2, B, lasting("b", 0));
    world.subscribe(B, "will", QOS0);
    let restored = world.change_broker();
    assert_eq!((restored.sessions, restored.in_reconnect_grace), (2, 2));
    assert_eq!(world.in_reconnect_grace(), [1, 2]);
    world.check(Input::OpenedBy(B, Origin(2)), "");
    world.send(B, lasting("b", 0), "B CONNACK Success session");
    assert_eq!(world.in_reconnect_grace(), [1]);
    world
}

#[test]
fn a_change_of_broker_neither_ends_a_session_of_interval_0_nor_sends_its_will() {
    let mut world = changed(mortal(0, 0));
    world.send(B, publish1(1, "t", "x"), "B PUBACK 1");
    world.connect(
        A,
        mortal(0, 0),
        "A CONNACK Success session\nA PUBLISH t x qos1 #1",
    );
    assert_eq!(world.in_reconnect_grace(), [0; 0]);
    world.wait_ms(100_000, "");
    // After the reconnection, a lost connection publishes the will as usual.
    world.gone(A, "B PUBLISH will gone");
    assert_eq!(world.stats().sessions, 1);
}

#[test]
fn a_disconnect_in_reconnect_grace_ends_a_session_of_interval_0() {
    let mut world = changed(mortal(0, 0));
    world.rejoin(A, mortal(0, 0));
    world.leave(A);
    assert_eq!(world.stats().sessions, 1);
    assert_eq!(world.change_broker().sessions, 1);
}

#[test]
fn the_will_of_the_new_connect_replaces_the_old_one() {
    let mut world = changed(mortal(LONG, 0));
    world.rejoin(A, lasting("a", LONG));
    world.gone(A, "");
    world.wait_ms(100_000, "");
}

#[test]
fn clean_start_ends_a_session_in_reconnect_grace_as_a_connected_one() {
    let mut world = changed(mortal(LONG, 50));
    let mut connect = mortal(LONG, 0);
    connect.clean_start = true;
    world.connect(A, connect, "B PUBLISH will gone\nA CONNACK Success");
    world.send(B, publish1(1, "t", "x"), "B PUBACK 1 NoMatchingSubscribers");
    assert_eq!(world.in_reconnect_grace(), [0; 0]);
}

#[test]
fn a_resumed_connection_ignores_the_clean_start_of_its_connect() {
    for connect in [client("a"), client_311("a")] {
        assert!(connect.clean_start);
        let mut world = changed(connect.clone());
        world.send(B, publish1(1, "t", "x"), "B PUBACK 1");
        world.check(Input::Resume(A, Origin(1)), "");
        world.send(
            A,
            connect,
            "A CONNACK Success session\nA PUBLISH t x qos1 #1",
        );
        assert_eq!(world.in_reconnect_grace(), [0; 0]);
        // The session still ends with its connection.
        world.leave(A);
        assert_eq!(world.stats().sessions, 1);
    }
}

#[test]
fn a_resumed_connection_whose_session_is_lost_is_refused() {
    let mut world = changed(client_311("a"));
    world.check(Input::OriginGone(Origin(1)), "");
    let sessions = world.stats().sessions;
    // The first attempt begins no session that the second one could resume.
    for _ in 0..2 {
        world.check(Input::Resume(A, Origin(1)), "");
        world.send(
            A,
            client_311("a"),
            "A CONNACK ServerUnavailable\nA closed ServerUnavailable",
        );
        assert_eq!(world.stats().sessions, sessions);
    }
}

#[test]
fn the_will_delay_and_the_expiry_of_a_session_begin_when_its_origin_is_gone() {
    let mut world = changed(mortal(100, 20));
    world.wait_ms(10_000, "");
    world.check(Input::OriginGone(Origin(1)), "");
    assert!(world.events().contains(&BrokerEvent::ReconnectGraceEnded {
        client_id: "a".into()
    }));
    assert_eq!(world.in_reconnect_grace(), [0; 0]);
    world.wait_ms(19_999, "");
    world.wait_ms(1, "B PUBLISH will gone");
    world.wait_ms(79_999, "");
    assert_eq!(world.stats().sessions, 2);
    world.wait_ms(1, "");
    assert_eq!(world.stats().sessions, 1);
}

#[test]
fn a_lost_origin_ends_only_its_own_reconnect_graces() {
    let mut world = changed(mortal(0, 0));
    world.check(Input::OriginGone(Origin(3)), "");
    // B has reconnected, so the end of its connection decides, not its origin.
    world.check(Input::OriginGone(Origin(2)), "");
    assert_eq!(world.stats().sessions, 2);
    world.check(Input::OriginGone(Origin(1)), "B PUBLISH will gone");
    world.check(Input::OriginGone(Origin(1)), "");
    assert_eq!(world.stats().sessions, 1);
    world.connect(A, mortal(0, 0), "A CONNACK Success");
}

#[test]
fn other_origins_stay_in_reconnect_grace() {
    let mut world = World::new();
    for (origin, conn, client_id) in [(1, A, "a"), (2, B, "b"), (3, C, "c")] {
        world.join_from(origin, conn, client(client_id));
    }
    world.join(D, client("d"));
    world.change_broker();
    world.check(Input::OriginGone(Origin(2)), "");
    assert_eq!(
        (world.in_reconnect_grace(), world.stats().sessions),
        (vec![1, 3], 3)
    );
    world.rejoin(D, lasting("d", 0));
}

#[test]
fn a_client_that_does_not_reconnect_is_lost_after_the_grace_period() {
    let mut world = changed(mortal(0, 0));
    world.wait_ms(29_999, "");
    world.wait_ms(1, "B PUBLISH will gone");
    assert_eq!(
        (world.stats().sessions, world.in_reconnect_grace()),
        (1, vec![])
    );
    assert_eq!(world.ms_to_timeout(), None);
}

#[test]
fn a_client_that_reconnects_after_a_suspension_of_the_broker_is_not_lost() {
    let mut world = changed(mortal(0, 0));
    world.pass_ms(60_000);
    world.rejoin(A, mortal(0, 0));
}

#[test]
fn the_grace_period_is_configurable() {
    let mut world = World::with(Config {
        reconnect_grace_ms: 500,
        ..plain_config()
    });
    world.join(A, client("a"));
    world.change_broker();
    assert_eq!(world.ms_to_timeout(), Some(500));
    world.wait_ms(500, "");
    assert_eq!(world.stats().sessions, 0);
}

#[test]
fn reconnect_grace_survives_any_number_of_broker_changes() {
    let mut world = changed(mortal(0, 0));
    world.change_broker();
    assert_eq!(world.in_reconnect_grace(), [1, 2]);
    world.wait_ms(29_000, "");
    world.change_broker();
    assert_eq!(world.in_reconnect_grace(), [1, 2]);
    world.wait_ms(29_000, "");
    world.rejoin(A, mortal(0, 0));
    world.check(Input::OriginGone(Origin(2)), "");
    world.change_broker();
    assert_eq!(world.stats().sessions, 1);
}

#[test]
fn a_session_whose_grace_ended_stays_lost_for_the_next_broker() {
    let mut world = changed(mortal(100, 0));
    world.check(Input::OriginGone(Origin(1)), "B PUBLISH will gone");
    world.wait_ms(50_000, "");
    world.change_broker();
    assert_eq!(world.in_reconnect_grace(), [2]);
    world.wait_ms(49_999, "");
    assert!(world.stats().sessions > 0);
    world.wait_ms(1, "");
    world.connect(A, mortal(100, 0), "A CONNACK Success");
}

#[test]
fn reconnect_grace_excludes_the_time_of_a_suspended_broker() {
    let mut world = changed(mortal(LONG, 0));
    world.pass_ms(60_000);
    world.check(Input::Suspended(60_000), "");
    world.check(Input::Timeout, "");
    world.wait_ms(29_999, "");
    world.wait_ms(1, "B PUBLISH will gone");
}

#[test]
fn the_first_broker_has_no_session_in_reconnect_grace() {
    let mut world = World::new();
    world.join_from(1, A, client("a"));
    assert_eq!(world.in_reconnect_grace(), [0; 0]);
    assert_eq!(world.ms_to_timeout(), None);
}
