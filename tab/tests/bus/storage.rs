//! Databases that fail, hang, or have lost data.

use std::sync::Arc;

use tab::access::AllowAll;
use tab::api::{
    Candidacy, Command, Durability, EventKind, Notice, OpenOptions, RequestId, Role, Visibility,
};
use tab::control::ControlMessage;
use tab::storage::{
    Checkpoint, PageLimits, RowKind, Seq, StorageAnswer, StorageEvent, StorageOperation,
    StorageRequestId,
};
use tab::{Input, Lock, LockEvent, Output, Settings, Tab, TabId, Time};

use crate::world::{World, id};

const QUOTA_EXCEEDED: u8 = 0x97;

/// It was acknowledged, and not refused.
fn is_accepted(world: &World, tab: TabId, request: RequestId) -> bool {
    let code = world.reason_code(tab, request);
    code.is_some_and(|code| code != QUOTA_EXCEEDED)
}

/// The retained messages that a new client in this tab gets.
fn retained(world: &mut World, tab: u64) -> Vec<String> {
    let before = world.payloads(id(tab)).len();
    world.subscribe(id(tab), "#");
    world.pass(100);
    world.payloads(id(tab)).split_off(before)
}

fn has_event(world: &World, tab: u64, is_it: impl Fn(&EventKind) -> bool) -> bool {
    world.events(id(tab)).into_iter().any(is_it)
}

fn is_failing(event: &EventKind) -> bool {
    matches!(event, EventKind::StorageFailing(_))
}

fn is_in_memory(event: &EventKind) -> bool {
    matches!(event, EventKind::InMemory(_))
}

#[test]
fn a_failed_database_connection_is_replaced_without_loss() {
    let mut world = World::durable_connected(1);
    world.retain(id(1), "a", "1");
    let (term, opened) = (world.term(id(1)), world.opened);
    for _ in 0..20 {
        world.dead.insert(id(1));
        let request = world.retain(id(1), "a", "2");
        assert_eq!(world.reason_code(id(1), request), None);
        world.pass(100);
        assert!(world.reason_code(id(1), request).is_some());
    }
    // The broker has lost nothing, so it need not restart.
    assert_eq!(world.term(id(1)), term);
    assert_eq!(world.opened, opened + 20);
    assert!(!has_event(&world, 1, is_failing));
    assert_eq!(retained(&mut world, 1), ["2"]);
}

#[test]
fn while_the_database_fails_a_lone_broker_keeps_its_state_and_acknowledges_nothing() {
    let mut world = World::durable_connected(1);
    world.retain(id(1), "a", "before");
    let term = world.term(id(1));
    world.disk.is_down = true;
    let waits = world.retain(id(1), "b", "waits");
    world.pass(2_500);
    assert!(has_event(&world, 1, is_failing));
    let refused = world.retain(id(1), "c", "refused");
    assert_eq!(world.reason_code(id(1), refused), Some(QUOTA_EXCEEDED));
    world.subscribe(id(1), "live");
    world.pass(2_500);
    assert_eq!(world.reason_code(id(1), waits), None);

    world.disk.is_down = false;
    world.pass(2_000);
    assert!(is_accepted(&world, id(1), waits));
    assert!(has_event(&world, 1, |it| *it == EventKind::StorageWorks));
    assert_eq!(world.term(id(1)), term);
    assert_eq!(retained(&mut world, 1), ["before", "waits"]);
    // The next broker has all of it.
    world.crash(id(1));
    world.open(id(2));
    world.pass(1_000);
    world.connect(id(2));
    assert_eq!(retained(&mut world, 2), ["before", "waits"]);
}

#[test]
fn a_database_that_only_opens_is_tried_with_pauses_and_changes_are_refused() {
    let mut world = World::durable_connected(1);
    world.retain(id(1), "a", "before");
    let opened = world.opened;
    world.aborting.insert(id(1));
    let waits = world.retain(id(1), "b", "waits");
    world.pass(4_000);
    assert!(has_event(&world, 1, is_failing));
    assert!(world.opened < opened + 40, "{}", world.opened - opened);
    let refused = world.retain(id(1), "c", "refused");
    assert_eq!(world.reason_code(id(1), refused), Some(QUOTA_EXCEEDED));
    world.aborting.clear();
    world.pass(2_000);
    assert!(is_accepted(&world, id(1), waits));
    assert_eq!(retained(&mut world, 1), ["before", "waits"]);
}

#[test]
fn a_tab_whose_database_works_replaces_a_broker_whose_database_fails() {
    let mut world = World::durable_connected(3);
    world.retain(id(2), "a", "kept");
    world.down.extend([id(1), id(2)]);
    let request = world.retain(id(2), "b", "new");
    let another = world.retain(id(3), "c", "newer");
    world.pass(1_500);
    assert_eq!(world.brokers(1..=3), [id(3)]);
    assert!(is_accepted(&world, id(2), request));
    assert!(is_accepted(&world, id(3), another));
    assert_eq!(retained(&mut world, 3), ["kept", "new", "newer"]);
}

#[test]
fn tabs_whose_databases_all_fail_do_not_replace_each_other_and_forget_nothing() {
    for is_silent_end in [false, true] {
        let mut world = World::durable_connected(3);
        world.retain(id(2), "a", "kept");
        let all = [id(1), id(2), id(3)];
        let term = world.term(id(1));
        match is_silent_end {
            true => world.dead.extend(all),
            false => world.down.extend(all),
        }
        let requests = [2, 3].map(|tab| world.retain(id(tab), "b", "new"));
        world.pass(5_000);
        if !is_silent_end {
            assert_eq!(
                (world.brokers(1..=3), world.term(id(1))),
                (vec![id(1)], term)
            );
        }
        world.down.clear();
        world.pass(3_000);
        for (tab, request) in [2, 3].into_iter().zip(requests) {
            assert!(world.reason_code(id(tab), request).is_some(), "tab {tab}");
        }
        assert_eq!(world.brokers(1..=3).len(), 1);
        assert!((1..=3).all(|tab| !has_event(&world, tab, is_in_memory)));
        assert_eq!(retained(&mut world, 2), ["kept", "new"]);
        world.close(id(1));
        world.pass(1_000);
        assert_eq!(world.brokers(2..=3).len(), 1);
    }
}

#[test]
fn an_elected_tab_that_cannot_read_the_log_waits_and_does_not_begin_empty() {
    let mut world = World::durable_connected(2);
    world.retain(id(1), "a", "kept");
    world.disk.is_down = true;
    world.crash(id(1));
    world.pass(40_000);
    assert!(world.brokers([2]).is_empty());
    assert!(has_event(&world, 2, is_failing) && !has_event(&world, 2, is_in_memory));
    // A tab whose database works arrives, and leads.
    world.disk.is_down = false;
    world.down.insert(id(2));
    world.open(id(3));
    world.pass(4_000);
    assert_eq!(world.brokers(2..=3), [id(3)]);
    world.connect(id(3));
    assert_eq!(retained(&mut world, 3), ["kept"]);
}

#[test]
fn a_database_that_works_again_serves_the_elected_tab_that_waited_for_it() {
    let mut world = World::durable_connected(2);
    world.retain(id(1), "a", "kept");
    world.disk.is_down = true;
    world.crash(id(1));
    world.pass(5_000);
    world.disk.is_down = false;
    world.pass(1_500);
    assert_eq!(world.brokers([2]), [id(2)]);
    assert!(has_event(&world, 2, |it| *it == EventKind::StorageWorks));
    assert_eq!(retained(&mut world, 2), ["kept"]);
}

#[test]
fn a_tab_whose_own_database_fails_does_not_replace_a_frozen_broker() {
    let mut world = World::durable_connected(2);
    world.retain(id(1), "a", "kept");
    world.down.insert(id(2));
    world.freeze(id(1));
    let request = world.retain(id(2), "b", "new");
    world.pass(10_000);
    assert!(matches!(world.role(id(2)), Role::Client { .. }));
    world.down.clear();
    world.pass(17_000);
    assert_eq!(world.brokers([2]), [id(2)]);
    assert!(world.reason_code(id(2), request).is_some());
}

#[test]
fn a_database_that_never_opens_is_reported_and_a_tab_whose_database_opens_leads() {
    let mut world = World::durable(0);
    world.stuck.insert(id(1));
    world.open(id(1));
    world.pass(200);
    world.connect(id(1));
    world.pass(3_500);
    assert!(has_event(&world, 1, |it| matches!(
        it,
        EventKind::Storage(_)
    )));
    assert_eq!(world.role(id(1)), Role::Waiting);
    world.open(id(2));
    world.pass(4_000);
    assert_eq!(world.brokers(1..=2), [id(2)]);
    assert!(world.is_connected(id(1)));
}

#[test]
fn a_lone_tab_whose_database_never_opens_finally_keeps_its_state_in_memory() {
    for is_silent in [false, true] {
        let mut world = World::durable(0);
        match is_silent {
            true => drop(world.stuck.insert(id(1))),
            false => drop(world.down.insert(id(1))),
        }
        world.open(id(1));
        world.connect(id(1));
        world.pass(14_000);
        assert!(world.brokers([1]).is_empty());
        world.pass(6_000);
        assert_eq!(world.brokers([1]), [id(1)]);
        assert!(has_event(&world, 1, is_in_memory));
        assert!(world.is_connected(id(1)));
    }
}

#[test]
fn a_late_answer_does_not_hide_the_next_one() {
    let mut world = World::durable(1);
    world.stuck.insert(id(2));
    world.open(id(2));
    world.pass(200);
    // It is elected and loses the lock again while the first request to open has no answer.
    world.input(id(2), Input::Lock(LockEvent::Granted(Lock::Broker)));
    world.input(id(2), Input::Lock(LockEvent::Lost(Lock::Broker)));
    world.crash(id(1));
    world.pass(3_500);
    world.stuck.clear();
    world.pass(5_000);
    assert_eq!(world.brokers([2]), [id(2)]);
}

#[test]
fn a_clock_that_is_set_ahead_does_not_discard_the_stored_state() {
    let mut world = World::durable(0);
    world.down.insert(id(1));
    world.open(id(1));
    world.connect(id(1));
    world.pass(1_000);
    world.now = world.now.plus_ms(60_000);
    world.pass(4_000);
    assert!(world.brokers([1]).is_empty());
    assert!(!has_event(&world, 1, is_in_memory));
    world.down.clear();
    world.pass(2_000);
    assert_eq!(world.brokers([1]), [id(1)]);
    assert!(!has_event(&world, 1, is_in_memory));
    assert!(world.is_connected(id(1)));
}

#[test]
fn a_pending_row_without_an_answer_is_reported() {
    let mut world = World::durable_connected(1);
    world.stuck.insert(id(1));
    let request = world.retain(id(1), "a", "1");
    world.pass(3_100);
    assert!(has_event(&world, 1, |it| matches!(
        it,
        EventKind::Storage(_)
    )));
    world.unstick(id(1));
    assert!(world.reason_code(id(1), request).is_some());
}

#[test]
fn a_row_that_fails_after_a_suspension_proves_the_leadership_when_it_is_stored() {
    let mut world = World::durable_connected(1);
    world.stuck.insert(id(1));
    let under_way = world.retain(id(1), "a", "1");
    world.freeze(id(1));
    world.pass(3_000);
    world.thaw(id(1));
    let waits = world.retain(id(1), "b", "2");
    world.dead.insert(id(1));
    world.unstick(id(1));
    world.pass(200);
    assert!(is_accepted(&world, id(1), under_way));
    assert!(is_accepted(&world, id(1), waits));
}

#[test]
fn a_database_that_stays_silent_after_a_suspension_is_reopened() {
    let mut world = World::durable_connected(1);
    world.freeze(id(1));
    world.pass(3_000);
    world.dead.insert(id(1));
    world.thaw(id(1));
    let waits = world.retain(id(1), "a", "1");
    world.stuck.insert(id(1));
    // The row has failed, and the next request to open never gets an answer.
    world.pass(1_000);
    world.stuck.clear();
    world.pass(1_000);
    assert_eq!(world.reason_code(id(1), waits), None);
    world.pass(2_500);
    assert!(is_accepted(&world, id(1), waits));
}

#[test]
fn a_database_that_works_but_does_not_accept_a_row_counts_as_full() {
    let mut world = World::durable_connected(2);
    world.retain(id(2), "a", "kept");
    world.disk.refuses_large = true;
    let request = world.retain(id(2), "b", &"x".repeat(10_000));
    world.pass(5_000);
    assert_eq!(world.reason_code(id(2), request), Some(QUOTA_EXCEEDED));
    assert!(has_event(&world, 1, |it| *it == EventKind::StorageFull));
    assert_eq!(world.brokers(1..=2), [id(1)]);
    world.disk.refuses_large = false;
    world.pass(11_000);
    let request = world.retain(id(2), "b", &"x".repeat(10_000));
    assert!(is_accepted(&world, id(2), request));
    assert_eq!(retained(&mut world, 2).len(), 2);
}

#[test]
fn a_pending_large_checkpoint_is_a_sign_of_life() {
    let mut world = World::durable_connected(2);
    for number in 0..6 {
        let payload = "x".repeat(1 << 20);
        world.retain(id(2), &format!("large/{number}"), &payload);
    }
    world.stuck.insert(id(1));
    world.retain(id(2), "next", "1");
    // The row that makes the log long enough, and the checkpoint.
    world.unstick(id(1));
    assert!(world.disk.snapshot.is_some());
    world.stuck.insert(id(1));
    for number in 0..7 {
        let payload = "y".repeat(1 << 20);
        world.retain(id(2), &format!("large/{number}"), &payload);
    }
    while !world.is_asked_for_checkpoint(id(1)) {
        world.answer_one(id(1));
    }
    world.pass(1_500);
    assert_eq!(world.brokers(1..=2), [id(1)]);
    world.unstick(id(1));
    world.pass(500);
    assert_eq!(world.brokers(1..=2), [id(1)]);
}

/// Number of large messages, which is enough for a checkpoint.
const LARGE: usize = 4;

/// A log with a snapshot of several pieces, whose two tabs end, and a third tab that reads small pages. It has sent the request
/// for the first one.
fn world_with_a_long_log() -> World {
    let mut world = World::durable_connected(2);
    for number in 0..LARGE {
        let payload = "x".repeat(1 << 20);
        world.retain(id(2), &format!("large/{number}"), &payload);
    }
    let snapshot = world.disk.snapshot.as_ref();
    assert!(snapshot.is_some_and(|it| it.pieces.len() > 3));
    world.settings.page = PageLimits { rows: 3, pieces: 2 };
    world.open(id(3));
    world.connect(id(3));
    world.pass(500);
    world.disk.pages = 0;
    world.stuck.insert(id(3));
    world.close(id(2));
    world.close(id(1));
    world
}

/// Writes a checkpoint with the same state, as an earlier broker could.
fn write_late_checkpoint(world: &mut World) {
    let snapshot = world.disk.snapshot.clone();
    let last = world.disk.rows.values().next_back();
    let checkpoint = Checkpoint {
        seq: world.disk.tail().next(),
        term: last.map(|row| row.term).unwrap_or_default(),
        pieces: snapshot.map(|it| it.pieces).unwrap_or_default(),
        remove: Vec::new(),
    };
    let answer = world.disk.answer(StorageOperation::Checkpoint(checkpoint));
    assert!(matches!(answer, Some(StorageAnswer::Committed(_))));
}

fn has_skipped(world: &World, tab: u64) -> bool {
    has_event(world, tab, |event| {
        matches!(
            event,
            EventKind::RecordsSkipped { .. } | EventKind::StorageDamaged { .. }
        )
    })
}

#[test]
fn a_long_log_is_read_in_pages() {
    let mut world = world_with_a_long_log();
    world.unstick(id(3));
    world.pass(500);
    assert!(world.disk.pages > 3, "{}", world.disk.pages);
    assert_eq!(world.brokers([3]), [id(3)]);
    assert_eq!(retained(&mut world, 3).len(), LARGE);
    assert!(!has_skipped(&world, 3));
}

#[test]
fn a_usual_log_is_read_in_one_page() {
    let mut world = World::durable_connected(2);
    world.retain(id(1), "a", "1");
    world.disk.pages = 0;
    world.close(id(1));
    world.pass(500);
    assert_eq!((world.brokers([2]), world.disk.pages), (vec![id(2)], 1));
}

#[test]
fn a_checkpoint_between_two_pages_has_the_log_read_anew() {
    let mut world = world_with_a_long_log();
    while !world.is_asked_for_later_page(id(3)) {
        world.answer_one(id(3));
    }
    write_late_checkpoint(&mut world);
    world.unstick(id(3));
    world.pass(500);
    assert_eq!(world.brokers([3]), [id(3)]);
    assert_eq!(retained(&mut world, 3).len(), LARGE);
    assert!(!has_skipped(&world, 3));
}

#[test]
fn a_broker_that_writes_checkpoints_again_and_again_leads() {
    let mut world = world_with_a_long_log();
    let is_waiting = |world: &World| {
        let roles = world
            .notices(id(3))
            .filter(|it| matches!(it, Notice::Role(Role::Waiting)));
        roles.count()
    };
    let before = is_waiting(&world);
    let mut checkpoints = 0;
    while is_waiting(&world) == before && checkpoints < 10 {
        if world.is_asked_for_later_page(id(3)) {
            write_late_checkpoint(&mut world);
            checkpoints += 1;
        }
        world.answer_one(id(3));
    }
    assert_eq!(checkpoints, 4);
    // That broker is gone in the end.
    world.unstick(id(3));
    world.pass(500);
    assert_eq!(world.brokers([3]), [id(3)]);
    assert_eq!(retained(&mut world, 3).len(), LARGE);
}

#[test]
fn a_log_that_was_lost_between_two_visits_is_reported_and_a_kept_one_is_not() {
    let identity = |world: &World, tab| {
        let notices = world.notices(id(tab));
        let logs = notices.filter_map(|it| match it {
            Notice::Log { identity } => Some(*identity),
            _ => None,
        });
        logs.last()
    };
    let is_lost = |event: &EventKind| *event == EventKind::StorageLost;
    let mut world = World::durable_connected(2);
    let first = identity(&world, 1);
    assert!(first.is_some() && first == identity(&world, 2));
    world.crash(id(1));
    world.crash(id(2));

    world.known_log = first;
    world.open(id(3));
    world.pass(500);
    assert_eq!(world.brokers([3]), [id(3)]);
    assert!(!has_event(&world, 3, is_lost));
    world.crash(id(3));

    world.disk.rows.clear();
    world.disk.snapshot = None;
    for number in 4..=5 {
        world.open(id(number));
        world.pass(500);
        assert!(has_event(&world, number, is_lost), "{number}");
        assert!(identity(&world, number).is_some_and(|new| Some(new) != first));
    }
}

#[test]
fn missing_rows_are_reported() {
    let mut world = World::durable_connected(2);
    for number in 0..10 {
        world.retain(id(2), &format!("a/{number}"), "x");
    }
    let kinds = world.disk.rows.iter();
    let segments: Vec<Seq> = kinds
        .filter(|(_, row)| matches!(row.kind, RowKind::Segment(_)))
        .map(|(seq, _)| *seq)
        .collect();
    for seq in &segments[2..5] {
        world.disk.rows.remove(seq);
    }
    world.close(id(1));
    world.pass(500);
    assert!(has_event(&world, 2, |it| {
        matches!(
            it,
            EventKind::StorageDamaged {
                rows: 3,
                snapshot: false
            }
        )
    }));
}

#[test]
fn a_page_that_is_shown_again_has_its_database_checked() {
    use tab::api::{Command, Visibility};
    let mut world = World::durable_connected(2);
    let opened = world.opened;
    world.dead.extend([id(1), id(2)]);
    for tab in [id(1), id(2)] {
        for visibility in [Visibility::Hidden, Visibility::Visible] {
            world.command(tab, Command::Visibility(visibility));
        }
    }
    world.pass(200);
    assert!(world.dead.is_empty());
    assert_eq!(world.opened, opened + 2);
}

#[test]
fn a_session_without_stored_state_begins_with_a_full_storage() {
    let mut world = World::durable_connected(2);
    world.disk.is_full = true;
    let refused = world.retain(id(2), "a", "1");
    world.pass(1_000);
    assert_eq!(world.reason_code(id(2), refused), Some(QUOTA_EXCEEDED));
    world.open(id(3));
    world.pass(500);
    world.connect(id(3));
    world.pass(500);
    assert!(world.is_connected(id(3)));
}

#[test]
fn a_probe_of_a_broker_whose_database_fails_is_not_answered() {
    let mut world = World::durable_connected(1);
    world.disk.is_down = true;
    for number in 1..=100 {
        let tab_id = id(9);
        world.post(ControlMessage::Probe { tab_id, number });
    }
    let pongs = |world: &World| {
        let control = world.control.iter();
        let numbers = control.filter_map(|(_, message)| match message {
            ControlMessage::Pong { number, .. } => Some(*number),
            _ => None,
        });
        numbers.collect::<Vec<u32>>()
    };
    world.pass(Settings::default().storage_silence_ms);
    assert!(pongs(&world).is_empty());
    world.disk.is_down = false;
    world.pass(2_000);
    // One pong for each tab, however often it sent probes.
    assert_eq!(pongs(&world).last(), Some(&100));
    assert!(pongs(&world).len() <= 2, "{:?}", pongs(&world));
}

#[test]
fn a_page_that_is_shown_before_the_tab_holds_its_lock_has_the_database_opened_once() {
    let id = id(1);
    let mut tab = Tab::new(id, String::new(), Settings::default(), Arc::new(AllowAll));
    let open = Command::Open(OpenOptions {
        channel: "test".to_owned(),
        visibility: Visibility::Hidden,
        durability: Durability::Relaxed,
        candidacy: Candidacy::Auto,
        known_log: None,
    });
    let shown = Command::Visibility(Visibility::Visible);
    let mut asked = Vec::new();
    for input in [
        Input::Command(open),
        Input::Command(shown),
        Input::Storage(StorageEvent::Answer(
            StorageRequestId(1),
            StorageAnswer::Opened,
        )),
        Input::Lock(LockEvent::Granted(Lock::Tab(id))),
    ] {
        let mut out = Vec::new();
        tab.handle(Time::from_ms(1_000), input, &mut out);
        asked.extend(out.into_iter().filter_map(|output| match output {
            Output::Storage(request) => Some((request.id, request.operation)),
            _ => None,
        }));
    }
    assert_eq!(
        asked,
        [
            (
                StorageRequestId(1),
                StorageOperation::Open(Durability::Relaxed)
            ),
            (StorageRequestId(2), StorageOperation::Check(None))
        ]
    );
}
