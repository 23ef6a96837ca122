//! Databases that fail, stay silent, or have lost something.

use tab::api::{
    ClientCommand, ConnectOptions, EventKind, Notice, Publication, QoS, RequestId, Role,
};
use tab::control::ControlMessage;
use tab::storage::{RowKind, Seq};
use tab::{Input, Lock, LockEvent, Settings, TabId};

use crate::world::{World, id};

const QUOTA_EXCEEDED: u8 = 0x97;

fn with_connected_tabs(count: u64) -> World {
    let mut world = World::durable(count);
    for number in 1..=count {
        world.connect(id(number));
    }
    world.pass(1_000);
    world
}

fn brokers(world: &World, tabs: impl IntoIterator<Item = u64>) -> Vec<TabId> {
    tabs.into_iter()
        .map(id)
        .filter(|tab| matches!(world.role(*tab), Role::Broker { .. }))
        .collect()
}

fn retain(world: &mut World, tab: u64, topic: &str, payload: &str, request: u64) -> RequestId {
    let publication = Publication {
        topic: topic.to_owned(),
        payload: payload.into(),
        qos: QoS::AtLeastOnce,
        retain: true,
        ..Publication::default()
    };
    let request = RequestId(request);
    world.client(id(tab), ClientCommand::Publish(request, publication));
    request
}

fn code(world: &World, tab: u64, request: RequestId) -> Option<u8> {
    let published = world.published(id(tab));
    let found = published.into_iter().find(|it| it.0 == request);
    found.map(|(_, code)| code)
}

/// What a new client in this tab gets of all retained messages.
fn retained(world: &mut World, tab: u64) -> Vec<String> {
    let before = world.payloads(id(tab)).len();
    world.subscribe(id(tab), "#");
    world.pass(100);
    world.payloads(id(tab)).split_off(before)
}

fn was_told(world: &World, tab: u64, is_it: impl Fn(&EventKind) -> bool) -> bool {
    world.events(id(tab)).into_iter().any(is_it)
}

fn is_failing(event: &EventKind) -> bool {
    matches!(event, EventKind::StorageFailing(_))
}

fn is_in_memory(event: &EventKind) -> bool {
    matches!(event, EventKind::InMemory(_))
}

#[test]
fn a_connection_that_fails_is_replaced_and_costs_nothing() {
    let mut world = with_connected_tabs(1);
    retain(&mut world, 1, "a", "1", 900);
    let (term, opened) = (world.term(id(1)), world.opened);
    for round in 0..20 {
        world.dead.insert(id(1));
        let request = retain(&mut world, 1, "a", "2", 901 + round);
        assert_eq!(code(&world, 1, request), None);
        world.pass(100);
        assert!(code(&world, 1, request).is_some());
    }
    // The broker has lost nothing, so it need not begin anew.
    assert_eq!(world.term(id(1)), term);
    assert_eq!(world.opened, opened + 20);
    assert!(!was_told(&world, 1, is_failing));
    assert_eq!(retained(&mut world, 1), ["2"]);
}

#[test]
fn while_the_database_fails_a_lone_broker_keeps_its_state_and_promises_nothing() {
    let mut world = with_connected_tabs(1);
    retain(&mut world, 1, "a", "before", 900);
    let term = world.term(id(1));
    world.disk.is_down = true;
    let waits = retain(&mut world, 1, "b", "waits", 901);
    world.pass(2_500);
    assert!(was_told(&world, 1, is_failing));
    let refused = retain(&mut world, 1, "c", "refused", 902);
    assert_eq!(code(&world, 1, refused), Some(QUOTA_EXCEEDED));
    world.subscribe(id(1), "live");
    world.pass(2_500);
    assert_eq!(code(&world, 1, waits), None);

    world.disk.is_down = false;
    world.pass(2_000);
    assert!(code(&world, 1, waits).is_some_and(|code| code != QUOTA_EXCEEDED));
    assert!(was_told(&world, 1, |it| *it == EventKind::StorageWorks));
    assert_eq!(world.term(id(1)), term);
    assert_eq!(retained(&mut world, 1), ["before", "waits"]);
    // The next broker knows all of it.
    world.crash(id(1));
    world.open(id(2));
    world.pass(1_000);
    world.connect(id(2));
    assert_eq!(retained(&mut world, 2), ["before", "waits"]);
}

#[test]
fn a_database_that_opens_and_fails_in_all_else_is_tried_with_pauses_and_refused_from() {
    let mut world = with_connected_tabs(1);
    retain(&mut world, 1, "a", "before", 900);
    let opened = world.opened;
    world.aborting.insert(id(1));
    let waits = retain(&mut world, 1, "b", "waits", 901);
    world.pass(4_000);
    assert!(was_told(&world, 1, is_failing));
    assert!(world.opened < opened + 40, "{}", world.opened - opened);
    let refused = retain(&mut world, 1, "c", "refused", 902);
    assert_eq!(code(&world, 1, refused), Some(QUOTA_EXCEEDED));
    world.aborting.clear();
    world.pass(2_000);
    assert!(code(&world, 1, waits).is_some_and(|code| code != QUOTA_EXCEEDED));
    assert_eq!(retained(&mut world, 1), ["before", "waits"]);
}

#[test]
fn a_tab_whose_database_works_takes_the_place_of_a_broker_whose_does_not() {
    let mut world = with_connected_tabs(3);
    retain(&mut world, 2, "a", "kept", 900);
    world.down.extend([id(1), id(2)]);
    let request = retain(&mut world, 2, "b", "new", 901);
    let another = retain(&mut world, 3, "c", "newer", 902);
    world.pass(1_500);
    assert_eq!(brokers(&world, 1..=3), [id(3)]);
    assert!(code(&world, 2, request).is_some_and(|code| code != QUOTA_EXCEEDED));
    assert!(code(&world, 3, another).is_some_and(|code| code != QUOTA_EXCEEDED));
    assert_eq!(retained(&mut world, 3), ["kept", "new", "newer"]);
}

#[test]
fn tabs_whose_databases_all_fail_do_not_replace_each_other_and_forget_nothing() {
    for is_silent_end in [false, true] {
        let mut world = with_connected_tabs(3);
        retain(&mut world, 2, "a", "kept", 900);
        let all = [id(1), id(2), id(3)];
        let term = world.term(id(1));
        match is_silent_end {
            true => world.dead.extend(all),
            false => world.down.extend(all),
        }
        let requests = [2, 3].map(|tab| retain(&mut world, tab, "b", "new", 901));
        world.pass(5_000);
        if !is_silent_end {
            assert_eq!(
                (brokers(&world, 1..=3), world.term(id(1))),
                (vec![id(1)], term)
            );
        }
        world.down.clear();
        world.pass(3_000);
        for (tab, request) in [2, 3].into_iter().zip(requests) {
            assert!(code(&world, tab, request).is_some(), "tab {tab}");
        }
        assert_eq!(brokers(&world, 1..=3).len(), 1);
        assert!((1..=3).all(|tab| !was_told(&world, tab, is_in_memory)));
        assert_eq!(retained(&mut world, 2), ["kept", "new"]);
        world.close(id(1));
        world.pass(1_000);
        assert_eq!(brokers(&world, 2..=3).len(), 1);
    }
}

#[test]
fn an_elected_tab_that_cannot_read_what_is_stored_waits_and_does_not_begin_empty() {
    let mut world = with_connected_tabs(2);
    retain(&mut world, 1, "a", "kept", 900);
    world.disk.is_down = true;
    world.crash(id(1));
    world.pass(40_000);
    assert!(brokers(&world, [2]).is_empty());
    assert!(was_told(&world, 2, is_failing) && !was_told(&world, 2, is_in_memory));
    // A tab whose database works comes, and leads.
    world.disk.is_down = false;
    world.down.insert(id(2));
    world.open(id(3));
    world.pass(4_000);
    assert_eq!(brokers(&world, 2..=3), [id(3)]);
    world.connect(id(3));
    assert_eq!(retained(&mut world, 3), ["kept"]);
}

#[test]
fn a_database_that_works_again_serves_the_elected_tab_that_waited_for_it() {
    let mut world = with_connected_tabs(2);
    retain(&mut world, 1, "a", "kept", 900);
    world.disk.is_down = true;
    world.crash(id(1));
    world.pass(5_000);
    world.disk.is_down = false;
    world.pass(1_500);
    assert_eq!(brokers(&world, [2]), [id(2)]);
    assert!(was_told(&world, 2, |it| *it == EventKind::StorageWorks));
    assert_eq!(retained(&mut world, 2), ["kept"]);
}

#[test]
fn a_tab_whose_own_database_fails_takes_no_frozen_brokers_place() {
    let mut world = with_connected_tabs(2);
    retain(&mut world, 1, "a", "kept", 900);
    world.down.insert(id(2));
    world.freeze(id(1));
    let request = retain(&mut world, 2, "b", "new", 901);
    world.pass(10_000);
    assert!(matches!(world.role(id(2)), Role::Client { .. }));
    world.down.clear();
    world.pass(17_000);
    assert_eq!(brokers(&world, [2]), [id(2)]);
    assert!(code(&world, 2, request).is_some());
}

#[test]
fn a_database_that_never_opens_is_told_and_a_tab_whose_database_opens_leads() {
    let mut world = World::durable(0);
    world.stuck.insert(id(1));
    world.open(id(1));
    world.pass(200);
    world.connect(id(1));
    world.pass(3_500);
    assert!(was_told(&world, 1, |it| matches!(
        it,
        EventKind::Storage(_)
    )));
    assert_eq!(world.role(id(1)), Role::Waiting);
    world.open(id(2));
    world.pass(4_000);
    assert_eq!(brokers(&world, 1..=2), [id(2)]);
    assert!(world.is_connected(id(1)));
}

#[test]
fn a_lone_tab_whose_database_never_opens_keeps_its_state_in_memory_in_the_end() {
    for is_silent in [false, true] {
        let mut world = World::durable(0);
        match is_silent {
            true => drop(world.stuck.insert(id(1))),
            false => drop(world.down.insert(id(1))),
        }
        world.open(id(1));
        world.connect(id(1));
        world.pass(14_000);
        assert!(brokers(&world, [1]).is_empty());
        world.pass(6_000);
        assert_eq!(brokers(&world, [1]), [id(1)]);
        assert!(was_told(&world, 1, is_in_memory));
        assert!(world.is_connected(id(1)));
    }
}

#[test]
fn an_answer_that_nobody_waits_for_any_more_does_not_hide_the_next_one() {
    let mut world = World::durable(1);
    world.stuck.insert(id(2));
    world.open(id(2));
    world.pass(200);
    // It is elected, and loses the lock again, while the first opening has no answer.
    world.input(id(2), Input::Lock(LockEvent::Granted(Lock::Broker)));
    world.input(id(2), Input::Lock(LockEvent::Lost(Lock::Broker)));
    world.crash(id(1));
    world.pass(3_500);
    world.stuck.clear();
    world.pass(5_000);
    assert_eq!(brokers(&world, [2]), [id(2)]);
}

#[test]
fn a_clock_that_is_set_ahead_does_not_make_a_tab_give_up_what_is_stored() {
    let mut world = World::durable(0);
    world.down.insert(id(1));
    world.open(id(1));
    world.connect(id(1));
    world.pass(1_000);
    world.now = world.now.plus_ms(60_000);
    world.pass(4_000);
    assert!(brokers(&world, [1]).is_empty());
    assert!(!was_told(&world, 1, is_in_memory));
    world.down.clear();
    world.pass(2_000);
    assert_eq!(brokers(&world, [1]), [id(1)]);
    assert!(!was_told(&world, 1, is_in_memory));
    assert!(world.is_connected(id(1)));
}

#[test]
fn a_row_that_does_not_answer_is_told() {
    let mut world = with_connected_tabs(1);
    world.stuck.insert(id(1));
    let request = retain(&mut world, 1, "a", "1", 900);
    world.pass(3_100);
    assert!(was_told(&world, 1, |it| matches!(
        it,
        EventKind::Storage(_)
    )));
    world.unstick(id(1));
    assert!(code(&world, 1, request).is_some());
}

#[test]
fn a_database_that_works_but_does_not_take_a_row_counts_as_full() {
    let mut world = with_connected_tabs(2);
    retain(&mut world, 2, "a", "kept", 900);
    world.disk.refuses_large = true;
    let request = retain(&mut world, 2, "b", &"x".repeat(10_000), 901);
    world.pass(5_000);
    assert_eq!(code(&world, 2, request), Some(QUOTA_EXCEEDED));
    assert!(was_told(&world, 1, |it| *it == EventKind::StorageFull));
    assert_eq!(brokers(&world, 1..=2), [id(1)]);
    world.disk.refuses_large = false;
    world.pass(11_000);
    let request = retain(&mut world, 2, "b", &"x".repeat(10_000), 902);
    assert!(code(&world, 2, request).is_some_and(|code| code != QUOTA_EXCEEDED));
    assert_eq!(retained(&mut world, 2).len(), 2);
}

#[test]
fn a_large_checkpoint_under_way_is_a_sign_of_life() {
    let mut world = with_connected_tabs(2);
    for number in 0..6 {
        let payload = "x".repeat(1 << 20);
        retain(
            &mut world,
            2,
            &format!("large/{number}"),
            &payload,
            900 + number,
        );
    }
    world.stuck.insert(id(1));
    retain(&mut world, 2, "next", "1", 950);
    // The row that makes the log long enough, and then the checkpoint.
    world.unstick(id(1));
    assert!(world.disk.snapshot.is_some());
    world.stuck.insert(id(1));
    for number in 0..7 {
        let payload = "y".repeat(1 << 20);
        retain(
            &mut world,
            2,
            &format!("large/{number}"),
            &payload,
            960 + number,
        );
    }
    while !world.is_asked_for_checkpoint(id(1)) {
        world.answer_one(id(1));
    }
    world.pass(1_500);
    assert_eq!(brokers(&world, 1..=2), [id(1)]);
    world.unstick(id(1));
    world.pass(500);
    assert_eq!(brokers(&world, 1..=2), [id(1)]);
}

#[test]
fn a_log_that_was_lost_between_two_visits_is_told_and_one_that_was_kept_is_not() {
    let identity = |world: &World, tab| {
        let notices = world.notices(id(tab));
        let logs = notices.filter_map(|it| match it {
            Notice::Log { identity } => Some(*identity),
            _ => None,
        });
        logs.last()
    };
    let is_lost = |event: &EventKind| *event == EventKind::StorageLost;
    let mut world = with_connected_tabs(2);
    let first = identity(&world, 1);
    assert!(first.is_some() && first == identity(&world, 2));
    world.crash(id(1));
    world.crash(id(2));

    world.known_log = first;
    world.open(id(3));
    world.pass(500);
    assert_eq!(brokers(&world, [3]), [id(3)]);
    assert!(!was_told(&world, 3, is_lost));
    world.crash(id(3));

    world.disk.rows.clear();
    world.disk.snapshot = None;
    for number in 4..=5 {
        world.open(id(number));
        world.pass(500);
        assert!(was_told(&world, number, is_lost), "{number}");
        assert!(identity(&world, number).is_some_and(|new| Some(new) != first));
    }
}

#[test]
fn rows_that_are_missing_are_told() {
    let mut world = with_connected_tabs(2);
    for number in 0..10 {
        retain(&mut world, 2, &format!("a/{number}"), "x", 900 + number);
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
    assert!(was_told(&world, 2, |it| {
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
    let mut world = with_connected_tabs(2);
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
fn a_session_that_needs_nothing_stored_begins_without_room() {
    let mut world = with_connected_tabs(2);
    world.disk.is_full = true;
    let refused = retain(&mut world, 2, "a", "1", 900);
    world.pass(1_000);
    assert_eq!(code(&world, 2, refused), Some(QUOTA_EXCEEDED));
    world.open(id(3));
    world.pass(500);
    world.client(id(3), ClientCommand::Connect(ConnectOptions::default()));
    world.pass(500);
    assert!(world.is_connected(id(3)));
}

#[test]
fn a_probe_of_a_broker_whose_database_fails_is_not_answered() {
    let mut world = with_connected_tabs(1);
    world.disk.is_down = true;
    for number in 1..=100 {
        let tab_id = id(9);
        world.say(ControlMessage::Probe { tab_id, number });
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
    // One answer for each tab, however often it asked.
    assert_eq!(pongs(&world).last(), Some(&100));
    assert!(pongs(&world).len() <= 2, "{:?}", pongs(&world));
}
