//! State that a broker acknowledged exists under the next one.

use tab::api::{ClientCommand, ClientStatus, ConnectOptions, Notice, QoS, Role, TabStats};
use tab::storage::RowKind;
use tab::{Input, Lock, LockEvent, TabId};

use crate::world::{World, id};

/// Publishes a retained message, which is acknowledged at once.
fn retain_now(world: &mut World, tab: TabId, topic: &str, payload: &str) {
    let request = world.retain(tab, topic, payload);
    assert!(world.reason_code(tab, request).is_some());
}

fn sessions_present(world: &World, tab: u64) -> Vec<bool> {
    let statuses = world.statuses(id(tab)).into_iter();
    let present = statuses.filter_map(|status| match status {
        ClientStatus::Connected {
            session_present, ..
        } => Some(*session_present),
        _ => None,
    });
    present.collect()
}

#[test]
fn retained_messages_and_sessions_outlive_the_broker() {
    for crashes in [false, true] {
        let mut world = World::durable_connected(3);
        world.subscribe(id(3), "a/#");
        retain_now(&mut world, id(2), "a/b", "kept");
        // The arrival is stored as well: otherwise the message would arrive again.
        world.pass(10);
        if crashes {
            world.crash(id(1));
        } else {
            world.close(id(1));
        }
        world.pass(500);
        assert_eq!(sessions_present(&world, 3), [false, true]);
        world.publish(id(2), "a/c", "new", QoS::ExactlyOnce);
        assert_eq!(world.payloads(id(3)), ["kept", "new"]);
        world.open(id(4));
        world.pass(200);
        world.connect(id(4));
        world.subscribe(id(4), "a/#");
        assert_eq!(world.payloads(id(4)), ["kept"]);
    }
}

#[test]
fn persistent_state_outlives_the_browser() {
    let mut world = World::durable_connected(1);
    let away = ConnectOptions {
        client_id: "away".to_owned(),
        session_expiry_interval: 3_600,
        ..ConnectOptions::default()
    };
    world.client(id(1), ClientCommand::Connect(away.clone()));
    world.subscribe(id(1), "a");
    world.client(id(1), ClientCommand::Disconnect { with_will: false });
    world.connect(id(1));
    retain_now(&mut world, id(1), "r", "kept");
    for payload in ["1", "2", "3"] {
        world.publish(id(1), "a", payload, QoS::ExactlyOnce);
    }
    world.crash(id(1));
    world.pass(1_000_000);
    world.open(id(2));
    world.pass(500);
    let options = ConnectOptions {
        clean_start: false,
        ..away
    };
    world.client(id(2), ClientCommand::Connect(options));
    assert_eq!(sessions_present(&world, 2), [true]);
    assert_eq!(world.payloads(id(2)), ["1", "2", "3"]);
}

#[test]
fn nothing_is_acknowledged_before_it_is_stored() {
    let mut world = World::durable_connected(2);
    world.subscribe(id(1), "a");
    world.stuck.insert(id(1));
    let request = world.publish(id(2), "a", "x", QoS::AtLeastOnce);
    assert_eq!(world.reason_code(id(2), request), None);
    assert!(world.payloads(id(1)).is_empty());
    world.unstick(id(1));
    assert_eq!(world.reason_code(id(2), request), Some(0));
    assert_eq!(world.payloads(id(1)), ["x"]);
}

#[test]
fn no_will_is_sent_when_the_broker_moves_and_all_wills_of_its_own_tab_are() {
    let mut world = World::durable_connected(3);
    for number in [1, 2] {
        world.connect_with_will(id(number), "will", &number.to_string());
    }
    world.subscribe(id(3), "will");
    world.crash(id(1));
    world.pass(40_000);
    assert_eq!(world.payloads(id(3)), ["1"]);
}

#[test]
fn a_tab_that_ends_while_there_is_no_broker_counts_as_lost() {
    let mut world = World::durable_connected(3);
    world.connect_with_will(id(2), "will", "2");
    world.subscribe(id(3), "will");
    world.vanish(id(1));
    world.vanish(id(2));
    world.free_locks(id(1));
    world.free_locks(id(2));
    world.pass(500);
    assert!(matches!(world.role(id(3)), Role::Broker { .. }));
    assert_eq!(world.payloads(id(3)), ["2"]);
}

#[test]
fn a_lost_frame_ends_no_session_and_sends_no_will() {
    let mut world = World::durable_connected(3);
    world.connect_with_will(id(2), "will", "");
    world.subscribe(id(2), "a");
    world.subscribe(id(3), "#");
    world.frames_to_lose = 1;
    let first = world.publish(id(2), "a", "1", QoS::AtLeastOnce);
    world.publish(id(2), "a", "2", QoS::AtLeastOnce);
    world.pass(2_000);
    assert_eq!(world.reason_code(id(2), first), Some(0));
    assert_eq!(sessions_present(&world, 2).last(), Some(&true));
    assert_eq!(world.payloads(id(3)), ["1", "2"]);
}

#[test]
fn without_room_changes_to_store_are_refused_and_the_rest_works() {
    let mut world = World::durable_connected(2);
    world.subscribe(id(2), "a");
    world.disk.is_full = true;
    let request = world.publish(id(2), "a", "1", QoS::AtLeastOnce);
    world.pass(500);
    assert_eq!(world.reason_code(id(2), request), Some(0x97));
    assert!(world.payloads(id(2)).is_empty());
    world.publish(id(2), "a", "2", QoS::AtMostOnce);
    assert_eq!(world.payloads(id(2)), ["2"]);
    world.disk.is_full = false;
    world.pass(20_000);
    let request = world.publish(id(2), "a", "3", QoS::AtLeastOnce);
    assert_eq!(world.reason_code(id(2), request), Some(0));
    assert_eq!(world.payloads(id(2)), ["2", "3"]);
}

#[test]
fn a_damaged_row_is_skipped_and_reported_and_nothing_else_is_lost() {
    let mut world = World::durable_connected(2);
    retain_now(&mut world, id(2), "a", "1");
    let damaged = world.disk.tail();
    retain_now(&mut world, id(2), "b", "2");
    let row = world.disk.rows.get_mut(&damaged).unwrap();
    let RowKind::Segment(bytes) = &mut row.kind else {
        panic!("{row:?}");
    };
    *bytes.last_mut().unwrap() ^= 1;
    world.close(id(1));
    world.pass(6_000);
    world.subscribe(id(2), "#");
    assert_eq!(world.payloads(id(2)), ["2"]);
    let stats: Vec<TabStats> = world
        .take_notices(id(2))
        .into_iter()
        .filter_map(|notice| match notice {
            Notice::Stats(stats) => Some(stats),
            _ => None,
        })
        .collect();
    assert!(stats.last().unwrap().records_skipped > 0);
}

#[test]
fn a_broker_that_loses_its_lock_and_regains_it_continues_from_the_log() {
    let mut world = World::durable_connected(1);
    retain_now(&mut world, id(1), "a", "kept");
    world.input(id(1), Input::Lock(LockEvent::Lost(Lock::Broker)));
    world.input(id(1), Input::Lock(LockEvent::Granted(Lock::Broker)));
    world.pass(500);
    assert_eq!(sessions_present(&world, 1), [false, true]);
    world.subscribe(id(1), "a");
    assert_eq!(world.payloads(id(1)), ["kept"]);
}

#[test]
fn a_long_log_is_replaced_by_an_equivalent_snapshot() {
    let mut world = World::durable_connected(2);
    world.subscribe(id(2), "a");
    retain_now(&mut world, id(2), "r", "kept");
    for _ in 0..5_000 {
        world.publish(id(2), "a", "x", QoS::AtLeastOnce);
    }
    assert_eq!(world.payloads(id(2)).len(), 5_000);
    assert!(world.disk.snapshot.is_some());
    assert!(world.disk.rows.len() < 4_200, "{}", world.disk.rows.len());
    assert_eq!(world.disk.rows[&tab::storage::Seq(1)].kind, RowKind::Fence);
    world.close(id(1));
    world.pass(500);
    assert_eq!(sessions_present(&world, 2), [false, true]);
    world.subscribe(id(2), "r");
    assert_eq!(world.payloads(id(2)).last().unwrap(), "kept");
}
