//! Presence: the known tabs, and how often they are announced.

use tab::api::{
    ClientCommand, Command, ConnectOptions, EventKind, QoS, StorageState, TabInfo, Visibility,
};
use tab::control::ControlMessage;
use tab::{Input, Settings, TabId, Time};

use crate::world::{World, announcement, id};

fn times(world: &World, tab: TabId) -> Vec<Time> {
    let announcements = world.announcements(tab);
    announcements.into_iter().map(|(at, _)| at).collect()
}

fn ids(members: &[TabInfo]) -> Vec<TabId> {
    members.iter().map(|tab| tab.tab_id).collect()
}

#[test]
fn the_members_are_ordered_by_id() {
    let mut world = World::with_tabs(0);
    let since = world.now;
    world.open(id(2));
    world.open(id(3));
    world.open(id(1));
    world.connect(id(2));
    world.pass(1_000);
    for tab in [id(1), id(2), id(3)] {
        let members = world.members(tab);
        assert_eq!(ids(members), [id(1), id(2), id(3)]);
        for info in members {
            assert_eq!(info.is_self, info.tab_id == tab);
            assert_eq!(info.is_broker, info.tab_id == id(2));
            assert_eq!(info.clients, u32::from(info.tab_id == id(2)));
            assert_eq!(info.since, since);
            assert_eq!(info.visibility, Visibility::Visible);
            assert_eq!(info.build, "test");
        }
    }
}

#[test]
fn arriving_leaving_and_lost_tabs_are_reported() {
    let mut world = World::with_tabs(3);
    world.close(id(2));
    world.crash(id(3));
    world.pass(Settings::default().members_gap_ms);
    assert_eq!(ids(world.members(id(1))), [id(1)]);
    let expected = [
        EventKind::TabAppeared(id(2)),
        EventKind::TabAppeared(id(3)),
        EventKind::TabLeft(id(2)),
        EventKind::TabLost(id(3)),
    ];
    let events = world.events(id(1));
    let about_tabs: Vec<&EventKind> = events
        .into_iter()
        .filter(|kind| expected.contains(kind))
        .collect();
    assert_eq!(about_tabs, expected.iter().collect::<Vec<_>>());
}

#[test]
fn all_tabs_report_the_same_end_of_a_tab() {
    let mut world = World::durable_connected(5);
    world.close(id(5));
    world.crash(id(4));
    world.pass(1_000);
    // The broker.
    world.crash(id(1));
    world.pass(3_000);
    for number in [2, 3] {
        let ends = world
            .events(id(number))
            .into_iter()
            .filter(|kind| matches!(kind, EventKind::TabLeft(_) | EventKind::TabLost(_)));
        let expected = [
            EventKind::TabLeft(id(5)),
            EventKind::TabLost(id(4)),
            EventKind::TabLost(id(1)),
        ];
        assert_eq!(
            ends.collect::<Vec<_>>(),
            expected.iter().collect::<Vec<_>>(),
            "{number}"
        );
    }
}

#[test]
fn a_tab_announces_itself_every_five_seconds() {
    let mut world = World::with_tabs(2);
    world.pass(1_000);
    world.control.clear();
    world.pass(20_000);
    for tab in [id(1), id(2)] {
        let times = times(&world, tab);
        assert_eq!(times.len(), 4);
        assert!(
            times
                .windows(2)
                .all(|pair| pair[1].ms_since(pair[0]) == 5_000)
        );
    }
}

#[test]
fn changes_are_announced_soon_and_not_more_often_than_the_gap_allows() {
    let gap_ms = Settings::default().announce_gap_ms;
    let mut world = World::with_tabs(2);
    world.pass(1_000);
    world.control.clear();
    for round in 0..50 {
        let visibility = [Visibility::Hidden, Visibility::Visible][round % 2];
        for tab in [id(1), id(2)] {
            world.command(tab, Command::Visibility(visibility));
        }
        world.post(ControlMessage::Who { tab_id: id(9) });
        world.pass(10);
    }
    for tab in [id(1), id(2)] {
        let times = times(&world, tab);
        assert!((5..=6).contains(&times.len()), "{}", times.len());
        assert!(
            times
                .windows(2)
                .all(|pair| pair[1].ms_since(pair[0]) >= gap_ms)
        );
    }
    world.pass(gap_ms);
    let last = world.announcements(id(2)).last().unwrap().1;
    assert_eq!(last.visibility, Visibility::Visible);
}

#[test]
fn a_client_that_disconnects_for_good_is_announced() {
    let mut world = World::with_tabs(2);
    world.connect(id(2));
    world.pass(1_000);
    assert_eq!(world.announcements(id(2)).last().unwrap().1.clients, 1);
    // The broker of tab 1 disconnects it, because tab 1 uses its client id.
    let options = ConnectOptions {
        client_id: format!("tab-{}", id(2)),
        ..ConnectOptions::default()
    };
    world.client(id(1), ClientCommand::Connect(options));
    world.pass(200);
    assert_eq!(world.announcements(id(2)).last().unwrap().1.clients, 0);
}

fn storage_of_broker(world: &World, tab: u64) -> Option<StorageState> {
    let members = world.members(id(tab));
    let broker = members.iter().find(|it| it.is_broker);
    broker.map(|it| it.storage)
}

#[test]
fn every_tab_learns_the_state_of_the_brokers_storage() {
    let mut world = World::durable(2);
    world.connect(id(2));
    world.pass(1_000);
    assert_eq!(
        [1, 2].map(|tab| storage_of_broker(&world, tab)),
        [Some(StorageState::Ok); 2]
    );
    world.disk.is_full = true;
    world.publish(id(2), "a", "x", QoS::AtLeastOnce);
    world.pass(1_000);
    assert_eq!(
        [1, 2].map(|tab| storage_of_broker(&world, tab)),
        [Some(StorageState::Full); 2]
    );
    world.disk.is_full = false;
    world.pass(60_000);
    assert_eq!(
        [1, 2].map(|tab| storage_of_broker(&world, tab)),
        [Some(StorageState::Ok); 2]
    );

    let mut world = World::with_tabs(2);
    world.pass(1_000);
    assert_eq!(
        [1, 2].map(|tab| storage_of_broker(&world, tab)),
        [Some(StorageState::Memory); 2]
    );
    let own = world.members(id(1)).iter().find(|it| it.tab_id == id(2));
    assert_eq!(own.map(|it| it.storage), Some(StorageState::Ok));
}

#[test]
fn a_member_list_flooded_with_foreign_tabs_is_bounded_and_recovers() {
    let tabs_max = Settings::default().tabs_max;
    let mut world = World::with_tabs(2);
    for stranger in 0..2 * tabs_max as u64 {
        let announcement = ControlMessage::Announce(announcement(id(1_000 + stranger)));
        world.input(id(2), Input::Control(announcement));
    }
    // The page gets updates at intervals, however many tabs appear.
    assert_eq!(world.members(id(2)).len(), 2);
    world.pass(Settings::default().members_gap_ms);
    assert_eq!(world.members(id(2)).len(), tabs_max + 1);
    world.pass(60_000);
    assert_eq!(ids(world.members(id(2))), [id(1), id(2)]);
}

#[test]
fn a_claim_without_the_lock_is_refuted_by_the_broker() {
    let mut world = World::with_tabs(2);
    world.post(ControlMessage::Announce(announcement(id(9))));
    world.pass(Settings::default().members_gap_ms);
    assert_eq!(ids(world.members(id(1))), [id(1), id(2)]);
    assert_eq!(ids(world.members(id(2))), [id(1), id(2)]);
}
