//! Brokers that fail without ending.

use tab::Input;
use tab::api::{Candidacy, Durability, EventKind, QoS, Role, Term};
use tab::control::ControlMessage;
use tab::storage::{RowKind, Seq, StorageEvent};

use crate::world::{World, id};

/// The terms of all rows in order, including fences.
fn terms(world: &World) -> Vec<Term> {
    world.disk.rows.values().map(|row| row.term).collect()
}

fn fences(world: &World) -> Vec<(Seq, Term)> {
    let rows = world.disk.rows.iter();
    rows.filter(|(_, row)| row.kind == RowKind::Fence)
        .map(|(seq, row)| (*seq, row.term))
        .collect()
}

#[test]
fn each_broker_begins_with_a_fence_behind_the_last_row() {
    let mut world = World::durable_connected(2);
    assert_eq!(fences(&world), [(Seq(1), world.term(id(1)))]);
    world.close(id(1));
    world.pass(100);
    let [_, (_, second)] = fences(&world)[..] else {
        panic!("{:?}", fences(&world));
    };
    assert_eq!(second, world.term(id(2)));
    assert!(terms(&world).is_sorted());
    let rows: Vec<u64> = world.disk.rows.keys().map(|seq| seq.0).collect();
    assert_eq!(rows, (1..=rows.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_suspended_broker_is_replaced_by_a_tab_that_waits_for_an_answer() {
    let mut world = World::durable_connected(3);
    world.freeze(id(1));
    let requests = [2, 3].map(|number| world.publish(id(number), "a", "x", QoS::AtLeastOnce));
    world.pass(690);
    assert!(world.brokers(2..=3).is_empty());
    world.pass(200);
    assert_eq!(world.brokers(2..=3).len(), 1);
    for (number, request) in [2, 3].into_iter().zip(requests) {
        assert!(world.published(id(number)).iter().any(|it| it.0 == request));
    }
    world.thaw(id(1));
    world.pass(1_000);
    assert_eq!(world.brokers(1..=3).len(), 1);
    assert!(matches!(world.role(id(1)), Role::Client { .. }));
    assert!(terms(&world).is_sorted());
}

#[test]
fn a_replaced_broker_writes_nothing_and_the_next_one_answers_its_client() {
    let mut world = World::durable_connected(2);
    world.freeze(id(1));
    let request = world.publish(id(1), "a", "late", QoS::AtLeastOnce);
    world.publish(id(2), "a", "x", QoS::AtLeastOnce);
    world.pass(1_500);
    assert_eq!(world.brokers([2]), [id(2)]);
    let fence = *fences(&world).last().unwrap();
    world.thaw(id(1));
    world.pass(500);
    let after = world.disk.rows.range(fence.0..);
    assert!(after.map(|(_, row)| row.term).all(|term| term == fence.1));
    assert!(world.published(id(1)).iter().any(|it| it.0 == request));
}

#[test]
fn a_broker_whose_database_hangs_is_replaced() {
    let mut world = World::durable_connected(2);
    world.stuck.insert(id(1));
    let request = world.publish(id(2), "a", "x", QoS::AtLeastOnce);
    let subscribed = world.subscribe(id(2), "b");
    world.pass(2_000);
    assert_eq!(world.brokers(1..=2), [id(2)]);
    world.unstick(id(1));
    world.pass(1_000);
    assert_eq!(world.brokers(1..=2), [id(2)]);
    assert!(terms(&world).is_sorted());
    // Whether or not it needed a row.
    assert!(world.published(id(2)).iter().any(|it| it.0 == request));
    let _ = subscribed;
}

#[test]
fn a_tab_that_stole_the_lock_and_cannot_read_the_log_is_replaced_in_turn() {
    let mut world = World::durable_connected(3);
    world.freeze(id(1));
    let request = world.publish(id(2), "a", "x", QoS::AtLeastOnce);
    world.stuck.insert(id(2));
    world.pass(1_000);
    assert!(world.brokers([2, 3]).is_empty());
    world.publish(id(3), "a", "y", QoS::AtLeastOnce);
    world.pass(8_000);
    assert_eq!(world.brokers([2, 3]), [id(3)]);
    assert!(world.published(id(2)).iter().any(|it| it.0 == request));
}

#[test]
fn a_frozen_tab_at_the_head_of_the_queue_is_skipped() {
    let mut world = World::durable_connected(3);
    world.freeze(id(2));
    world.close(id(1));
    world.pass(2_500);
    assert_eq!(world.brokers([2, 3]), [id(3)]);
    world.thaw(id(2));
    world.pass(1_000);
    assert_eq!(world.brokers([2, 3]), [id(3)]);
    assert!(matches!(world.role(id(2)), Role::Client { .. }));
}

#[test]
fn without_locks_a_silent_broker_is_fenced() {
    let mut world = World::durable_connected(2);
    world.has_no_locks = true;
    world.freeze(id(1));
    world.publish(id(2), "a", "x", QoS::AtLeastOnce);
    world.pass(1_500);
    assert_eq!(world.brokers([2]), [id(2)]);
    world.thaw(id(1));
    world.pass(1_500);
    assert_eq!(world.brokers(1..=2), [id(2)]);
}

#[test]
fn without_locks_and_without_a_database_one_tab_leads_in_memory_and_another_after_it() {
    let mut world = World::durable(0);
    world.has_no_locks = true;
    world.has_no_mutex = true;
    world.disk.is_missing = true;
    world.open(id(1));
    world.pass(2_000);
    assert_eq!(world.brokers([1]), [id(1)]);
    let in_memory = EventKind::InMemory("there is none".to_owned());
    assert!(world.events(id(1)).contains(&&in_memory));

    // Two tabs learn of the broker at once, and wait for no lock.
    world.open(id(2));
    world.open(id(3));
    world.pass(3_000);
    assert_eq!(world.brokers(1..=3), [id(1)]);
    world.connect(id(2));
    world.publish(id(2), "a", "x", QoS::AtLeastOnce);
    world.pass(100);
    assert_eq!(world.published(id(2)).len(), 1);

    world.close(id(1));
    world.pass(3_000);
    assert_eq!(world.brokers(2..=3).len(), 1);
    assert!(world.is_connected(id(2)));
    let broker = world.brokers(2..=3)[0];
    world.vanish(broker);
    world.pass(60_000);
    let last = if broker == id(2) { 3 } else { 2 };
    assert_eq!(world.brokers([last]), [id(last)]);
}

#[test]
fn without_locks_tabs_that_start_together_agree_on_one_broker() {
    let mut world = World::durable(0);
    world.has_no_locks = true;
    world.has_no_mutex = true;
    world.disk.is_missing = true;
    for number in 1..=4 {
        world.open(id(number));
    }
    world.pass(5_000);
    assert_eq!(world.brokers(1..=4).len(), 1);
    let terms: Vec<_> = (1..=4).map(|number| world.term(id(number))).collect();
    assert!(terms.iter().all(|term| *term == terms[0]), "{terms:?}");
}

#[test]
fn a_broker_that_answers_is_not_probed() {
    let mut world = World::durable_connected(2);
    let before = world.term(id(1));
    world.stuck.insert(id(1));
    world.publish(id(2), "a", "x", QoS::AtLeastOnce);
    world.pass(400);
    world.unstick(id(1));
    world.pass(3_000);
    assert_eq!(world.brokers(1..=2), [id(1)]);
    assert_eq!(world.term(id(1)), before);
}

#[test]
fn after_a_suspension_nothing_leaves_before_a_row_is_stored() {
    let mut world = World::durable_connected(1);
    let tail = world.disk.tail();
    world.freeze(id(1));
    world.pass(3_000);
    world.stuck.insert(id(1));
    let posted = world.control.len();
    let request = world.publish(id(1), "a", "x", QoS::AtMostOnce);
    world.thaw(id(1));
    world.pass(1_000);
    assert!(!world.published(id(1)).iter().any(|it| it.0 == request));
    assert_eq!(world.control.len(), posted);
    world.unstick(id(1));
    assert!(world.published(id(1)).iter().any(|it| it.0 == request));
    assert!(world.disk.tail() > tail);
    let on_suspended = |event: &&EventKind| matches!(event, EventKind::Suspended { .. });
    assert!(world.events(id(1)).iter().any(on_suspended));
}

#[test]
fn without_a_database_the_broker_reports_that_its_state_is_in_memory() {
    let mut world = World::durable(0);
    world.disk.is_missing = true;
    for number in 1..=2 {
        world.open(id(number));
        world.pass(200);
    }
    assert_eq!(world.brokers(1..=2), [id(1)]);
    let announcements = world.announcements(id(1));
    let (_, last) = announcements.last().unwrap();
    assert_eq!(last.durability, Durability::Memory);
    let in_memory = |event: &&EventKind| matches!(event, EventKind::InMemory(_));
    assert!(world.events(id(1)).iter().any(in_memory));
    world.close(id(1));
    world.pass(200);
    assert_eq!(world.brokers([2]), [id(2)]);
}

#[test]
fn a_database_that_fails_for_a_moment_is_tried_again() {
    let mut world = World::durable_connected(1);
    let before = world.term(id(1));
    world.disk.failures = 2;
    world.post(ControlMessage::Probe {
        tab_id: id(9),
        number: 1,
    });
    assert!(!has_pong(&world));
    world.pass(1_000);
    assert!(has_pong(&world));
    assert_eq!(world.term(id(1)), before);
}

fn has_pong(world: &World) -> bool {
    let is_pong = |message: &ControlMessage| matches!(message, ControlMessage::Pong { tab_id, number: 1, .. } if *tab_id == id(9));
    world.control.iter().any(|(_, message)| is_pong(message))
}

#[test]
fn when_the_browser_removes_the_log_a_new_leadership_writes_it_anew() {
    let mut world = World::durable_connected(2);
    let before = world.term(id(1));
    world.disk.rows.clear();
    world.disk.snapshot = None;
    // While the browser removes it, the database does not open.
    world.disk.is_missing = true;
    world.input(id(1), Input::Storage(StorageEvent::Closed));
    world.pass(50);
    world.disk.is_missing = false;
    world.pass(1_000);
    assert_eq!(world.brokers(1..=2), [id(1)]);
    assert!(world.term(id(1)) > before);
    assert!(world.is_connected(id(1)) && world.is_connected(id(2)));
    let kinds: Vec<&RowKind> = world.disk.rows.values().map(|row| &row.kind).collect();
    assert!(
        matches!(kinds[..2], [RowKind::Fence, RowKind::Checkpoint]),
        "{kinds:?}"
    );
    assert!(world.disk.snapshot.is_some());
    let removed = |event: &&EventKind| matches!(event, EventKind::StorageRemoved);
    assert!(world.events(id(1)).iter().any(removed));
}

#[test]
fn a_tab_with_candidacy_client_waits_for_a_broker_and_never_becomes_it() {
    let mut world = World::durable(0);
    world.open_as(id(1), Candidacy::Client);
    world.connect(id(1));
    let request = world.publish(id(1), "a", "x", QoS::AtLeastOnce);
    world.pass(20_000);
    assert_eq!(world.role(id(1)), Role::Waiting);
    assert!(world.published(id(1)).is_empty());

    world.open(id(2));
    world.pass(1_000);
    assert!(matches!(world.role(id(2)), Role::Broker { .. }));
    assert_eq!(world.published(id(1)), [(request, 0x10)]);

    // Any remaining tab, even if the broker does not answer it.
    world.freeze(id(2));
    world.publish(id(1), "a", "y", QoS::AtLeastOnce);
    world.pass(20_000);
    assert!(world.brokers([1]).is_empty());
    world.thaw(id(2));
    world.pass(10_000);
    assert_eq!(world.published(id(1)).len(), 2);
    assert!(matches!(world.role(id(1)), Role::Client { .. }));
    world.crash(id(2));
    assert_eq!(
        world.role(id(1)),
        Role::Waiting,
        "the loss of the lock is reported at once"
    );
    world.pass(20_000);
    assert!(world.brokers([1]).is_empty());
}

#[test]
fn a_thawed_tab_shows_the_broker_that_replaced_it() {
    for frozen_ms in [1_500, 10_000, 31_000] {
        let mut world = World::durable_connected(3);
        world.freeze(id(1));
        world.publish(id(2), "a", "x", QoS::AtLeastOnce);
        world.pass(frozen_ms);
        let [broker] = world.brokers([2, 3])[..] else {
            panic!("no broker");
        };
        world.thaw(id(1));
        world.pass(500);
        let shown = world.members(id(1)).iter();
        let shown: Vec<_> = shown.filter(|tab| tab.is_broker).collect();
        assert_eq!(shown.len(), 1, "{frozen_ms}: {:#?}", world.members(id(1)));
        assert_eq!(shown[0].tab_id, broker);
    }
}
