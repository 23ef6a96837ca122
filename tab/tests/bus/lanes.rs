//! Lanes break and are bound again.

use tab::api::{ClientCommand, ConnectOptions, EventKind, QoS, Role, Source, Term};
use tab::control::{Announcement, ControlMessage};
use tab::{Input, Lane, Lock, LockEvent, TabId};

use crate::world::{World, id};

/// Tab 1 is the broker; the sessions of both clients outlive their connections.
fn two_tabs() -> World {
    let mut world = World::with_tabs(2);
    for tab in [id(1), id(2)] {
        let options = ConnectOptions {
            session_expiry_interval: 600,
            ..ConnectOptions::default()
        };
        world.client(tab, ClientCommand::Connect(options));
    }
    world
}

fn lane(world: &World, tab: TabId) -> Lane {
    let broker = match world.role(tab) {
        Role::Client { broker, .. } => broker,
        Role::Broker { .. } | Role::Waiting => tab,
    };
    let term = world.term(tab);
    Lane { tab, broker, term }
}

fn assert_works(world: &mut World) {
    assert_works_between(world, id(1), id(2));
}

fn assert_works_between(world: &mut World, subscriber: TabId, publisher: TabId) {
    world.pass(1_000);
    world.subscribe(subscriber, "works");
    world.publish(publisher, "works", "it works", QoS::AtLeastOnce);
    let payloads = world.payloads(subscriber);
    assert_eq!(payloads.last().map(String::as_str), Some("it works"));
}

#[test]
fn a_frame_lost_to_the_broker_loses_no_message() {
    let mut world = two_tabs();
    world.subscribe(id(1), "a");
    world.frames_to_lose = 1;
    world.publish(id(2), "a", "1", QoS::ExactlyOnce);
    assert!(world.payloads(id(1)).is_empty());
    world.publish(id(2), "a", "2", QoS::ExactlyOnce);
    assert_eq!(world.payloads(id(1)), ["1", "2"]);
    assert!(world.events(id(1)).contains(&&EventKind::LaneReset(id(2))));
    assert!(world.events(id(2)).contains(&&EventKind::LaneReset(id(1))));
}

#[test]
fn a_frame_lost_from_the_broker_loses_no_message() {
    let mut world = two_tabs();
    world.subscribe(id(2), "a");
    world.frames_to_lose = 1;
    world.publish(id(1), "a", "1", QoS::ExactlyOnce);
    assert!(world.payloads(id(2)).is_empty());
    world.publish(id(1), "a", "2", QoS::ExactlyOnce);
    assert_eq!(world.payloads(id(2)), ["1", "2"]);
}

#[test]
fn a_new_broker_opens_the_lanes_of_known_tabs_without_bind() {
    let mut world = World::with_tabs(3);
    for tab in [id(1), id(2), id(3)] {
        world.connect(tab);
    }
    world.pass(1_000);
    let posted = world.control.len();
    world.close(id(1));
    assert!(matches!(world.role(id(2)), Role::Broker { .. }));
    assert!(world.is_connected(id(3)));
    let news = || world.control[posted..].iter().map(|(_, message)| message);
    assert!(!news().any(|message| matches!(message, ControlMessage::Bind { .. })));
    let lanes = news().find_map(|message| match message {
        ControlMessage::Announce(it) if it.is_broker => Some(&it.lanes[..]),
        _ => None,
    });
    assert_eq!(lanes.map(|lanes| lanes.contains(&id(3))), Some(true));
    assert_works_between(&mut world, id(2), id(3));
}

/// Only the second tab receives that the first is no longer the broker.
fn say_that_there_is_no_broker(world: &mut World) {
    let announcement = world.announcements(id(1)).pop();
    let (_, announcement) = announcement.unwrap_or_else(|| unreachable!("it is the broker"));
    let disclaimer = ControlMessage::Announce(Announcement {
        is_broker: false,
        ..announcement.clone()
    });
    world.input(id(2), Input::Control(disclaimer));
    assert_eq!(world.role(id(2)), Role::Waiting);
}

#[test]
fn a_lane_that_is_announced_but_not_open_is_bound() {
    let mut world = two_tabs();
    // An old announcement; the broker has another binding by now.
    let announcement = world.announcements(id(1)).last().unwrap().1.clone();
    say_that_there_is_no_broker(&mut world);
    world.input(
        id(2),
        Input::Control(ControlMessage::Announce(Announcement {
            lanes: vec![id(2)],
            ..announcement
        })),
    );
    assert!(!world.is_connected(id(2)));
    // The broker answers two probes, and still owes an answer.
    world.pass(3_000);
    assert!(world.is_connected(id(2)));
    assert_works(&mut world);
}

#[test]
fn a_lost_confirmation_is_repeated() {
    let mut world = World::with_tabs(1);
    world.frames_to_lose = 1;
    world.open(id(2));
    world.connect(id(1));
    world.connect(id(2));
    assert!(!world.is_connected(id(2)));
    world.pass(300);
    assert!(world.is_connected(id(2)));
    assert_works(&mut world);
}

#[test]
fn a_lost_connect_is_repeated() {
    let mut world = World::with_tabs(2);
    world.connect(id(1));
    world.frames_to_lose = 1;
    world.connect(id(2));
    assert!(!world.is_connected(id(2)));
    world.pass(10_000);
    assert!(world.is_connected(id(2)));
}

#[test]
fn a_living_tab_that_the_broker_gave_up_binds_again() {
    let mut world = two_tabs();
    // Another tab stole its lock.
    let granted = LockEvent::Granted(Lock::Tab(id(2)));
    world.input(id(1), Input::Lock(granted));
    let resets = |world: &World| world.stats(id(2)).unwrap().lane_resets;
    world.pass(5_000);
    assert_eq!(resets(&world), 1);
    assert!(world.is_connected(id(2)));
    assert_works(&mut world);
}

#[test]
fn a_forged_goodbye_does_not_end_a_broker() {
    let mut world = two_tabs();
    let roles = [world.role(id(1)), world.role(id(2))];
    world.take_notices(id(2));
    world.post(ControlMessage::Goodbye {
        tab_id: id(1),
        is_lost: false,
    });
    assert_eq!([world.role(id(1)), world.role(id(2))], roles);
    assert!(world.statuses(id(2)).is_empty());
    assert_works(&mut world);
}

fn last_binding(world: &World) -> u32 {
    let posted = world.control.iter().map(|(_, message)| message);
    let bindings = posted.filter_map(|message| match message {
        ControlMessage::Bind { binding, .. } => Some(*binding),
        _ => None,
    });
    bindings.max().unwrap_or_default()
}

/// Without a database two brokers may choose one term.
#[test]
fn frames_for_another_broker_of_the_same_term_are_ignored() {
    let mut world = two_tabs();
    world.subscribe(id(1), "a");
    world.frames_to_lose = 1;
    world.publish(id(2), "a", "once", QoS::AtMostOnce);
    let (own, frame) = world.lost.pop().unwrap();
    assert_eq!(own, lane(&world, id(2)));
    let others = Lane {
        broker: id(9),
        ..own
    };
    world.take_notices(id(2));
    world.post(ControlMessage::Bind {
        lane: others,
        binding: 99,
    });
    let unbind = ControlMessage::Unbind {
        lane: others,
        binding: last_binding(&world),
    };
    world.post(unbind);
    world.input(id(1), Input::Frame(others, frame.clone()));
    world.input(id(2), Input::Frame(others, frame.clone()));
    world.pass(1_000);
    assert!(world.payloads(id(1)).is_empty());
    assert!(world.statuses(id(2)).is_empty());
    world.input(id(1), Input::Frame(own, frame));
    assert_eq!(world.payloads(id(1)), ["once"]);
    assert!(world.statuses(id(2)).is_empty());
    assert_works(&mut world);
}

#[test]
fn an_unbind_leads_to_a_new_binding() {
    let mut world = two_tabs();

    let lane = lane(&world, id(2));
    let binding = last_binding(&world);
    let unbind = |binding| ControlMessage::Unbind { lane, binding };
    world.take_notices(id(2));
    world.post(unbind(binding - 1));
    assert!(
        world.statuses(id(2)).is_empty(),
        "an old message is ignored"
    );
    world.post(unbind(binding));
    assert!(world.is_connected(id(2)));
    assert_works(&mut world);
}

#[test]
fn a_tab_that_left_the_broker_by_mistake_returns_to_it() {
    let mut world = two_tabs();
    say_that_there_is_no_broker(&mut world);
    world.pass(5_000);
    assert!(matches!(world.role(id(2)), Role::Client { broker, .. } if broker == id(1)));
    assert_works(&mut world);
}

#[test]
fn garbage_is_counted_and_reported_once_a_second_and_changes_nothing() {
    let mut world = two_tabs();
    let lane = lane(&world, id(2));
    let roles = [world.role(id(1)), world.role(id(2))];
    world.take_notices(id(1));
    for round in 0..30 {
        for bytes in [vec![], b"TMQ1".to_vec(), vec![round; 40]] {
            world.input(id(1), Input::Frame(lane, bytes));
        }
        world.input(id(1), Input::Foreign(Source::Control));
        world.input(
            id(1),
            Input::Control(ControlMessage::Unbind {
                lane: Lane {
                    term: Term(u64::MAX),
                    ..lane
                },
                binding: 1,
            }),
        );
        world.pass(100);
    }
    let reported = |world: &World, source| {
        let foreign = EventKind::Foreign(source);
        let events = world.events(id(1));
        events.into_iter().filter(|kind| **kind == foreign).count()
    };
    assert_eq!(reported(&world, Source::Lane), 3);
    assert_eq!(reported(&world, Source::Control), 3);
    world.pass(5_000);
    assert_eq!(world.stats(id(1)).unwrap().foreign, 150);
    assert_eq!([world.role(id(1)), world.role(id(2))], roles);
    assert!(world.statuses(id(1)).is_empty());
    assert_works(&mut world);
}
