//! Other scripts of the origin, whose messages and locks must not stop the tabs.

use tab::api::{
    ClientCommand, ClientStatus, ConnectOptions, EventKind, LeadershipTimes, QoS, RequestId, Role,
    Term,
};
use tab::control::{Announcement, ControlMessage, SAFE_INTEGER_MAX};
use tab::storage::{Row, RowKind, Seq};
use tab::{Input, Lane, Lock, Settings, TabId};

use crate::world::{World, claim, id};

fn after(term: Term, steps: u64) -> Term {
    Term(term.0 + steps)
}

/// Publishes with QoS 1 from these tabs every 100 ms for this long, and calls `act` every second. All messages must be
/// acknowledged in the end, and more than half of them within their second.
#[track_caller]
fn is_served(world: &mut World, tabs: &[u64], seconds: u64, mut act: impl FnMut(&mut World, u64)) {
    let mut requests: Vec<(TabId, RequestId)> = Vec::new();
    let mut soon = 0;
    for second in 0..seconds {
        act(world, second);
        let before = requests.len();
        for _ in 0..10 {
            for tab in tabs {
                let request = world.publish(id(*tab), "a", "x", QoS::AtLeastOnce);
                requests.push((id(*tab), request));
            }
            world.pass(100);
        }
        soon += answered(world, &requests[before..]);
    }
    assert!(2 * soon > requests.len(), "{soon} of {}", requests.len());
    world.pass(3_000);
    assert_eq!(answered(world, &requests), requests.len());
}

fn answered(world: &World, requests: &[(TabId, RequestId)]) -> usize {
    let is_answered = |(tab, request): &&(TabId, RequestId)| {
        let published = world.published(*tab);
        published.iter().any(|(it, _)| it == request)
    };
    requests.iter().filter(is_answered).count()
}

// Terms.

#[test]
fn a_term_far_ahead_of_the_clock_is_dropped_and_counted() {
    let mut world = World::durable_connected(2);
    let before = [world.role(id(1)), world.role(id(2))];
    let far = Term(SAFE_INTEGER_MAX);
    world.post(ControlMessage::Announce(claim(id(9), far)));
    world.post(ControlMessage::Announce(Announcement {
        is_broker: false,
        ..claim(id(9), far)
    }));
    world.post(ControlMessage::Bind {
        lane: Lane {
            tab: id(9),
            broker: id(1),
            term: far,
        },
        binding: 1,
    });
    world.post(ControlMessage::Unbind {
        lane: Lane {
            tab: id(2),
            broker: id(1),
            term: far,
        },
        binding: 1,
    });
    world.post(ControlMessage::Pong {
        tab_id: id(2),
        number: 1,
        term: far,
        committed: 1,
    });
    world.pass(6_000);
    assert_eq!([world.role(id(1)), world.role(id(2))], before);
    for tab in [id(1), id(2)] {
        assert_eq!(world.stats(tab).unwrap().foreign, 5);
    }
    world.crash(id(1));
    world.pass(100);
    assert!(world.term(id(2)) < Term(SAFE_INTEGER_MAX / 2));
}

#[test]
fn an_implausible_term_in_a_row_is_ignored() {
    let mut world = World::durable_connected(2);
    world.subscribe(id(2), "a");
    let row = |kind| Row {
        term: Term(SAFE_INTEGER_MAX),
        kind,
    };
    let tail = world.disk.tail();
    world.disk.rows.insert(tail.next(), row(RowKind::Fence));
    for round in 0..3 {
        world.publish(id(2), "a", "x", QoS::AtLeastOnce);
        world.pass(1_000);
        let broker = world.brokers(1..=2)[0];
        let terms = [world.term(id(1)), world.term(id(2))];
        assert_eq!(terms[0], terms[1], "round {round}");
        assert!(terms[0] < Term(SAFE_INTEGER_MAX / 2));
        // Each next broker has a term of its own.
        world.freeze(broker);
        let other = if broker == id(1) { id(2) } else { id(1) };
        world.publish(other, "a", "y", QoS::AtLeastOnce);
        world.pass(5_000);
        assert!(world.term(other) > terms[0]);
        world.thaw(broker);
        world.pass(2_000);
    }
    let payloads = world.payloads(id(2));
    assert_eq!(payloads.iter().filter(|it| *it == "x").count(), 3);
}

#[test]
fn a_tab_leaves_a_broker_that_announces_it_is_none() {
    let mut world = World::durable_connected(3);
    let term = world.term(id(1));
    world.freeze(id(1));
    world.input(
        id(2),
        Input::Control(ControlMessage::Announce(Announcement {
            is_broker: false,
            ..claim(id(1), after(term, 1))
        })),
    );
    assert_eq!(world.role(id(2)), Role::Waiting);
    assert!(matches!(world.role(id(3)), Role::Client { .. }));
    world.thaw(id(1));
    world.pass(5_000);
    assert_eq!(world.role(id(2)), world.role(id(3)));
    assert!(world.is_connected(id(2)));
}

#[test]
fn of_two_brokers_of_one_term_the_one_elected_later_wins() {
    let mut world = World::with_tabs(2);
    let term = world.term(id(1));
    let claim_of = |number, elected| {
        let at = tab::Time::from_ms(elected);
        Input::Control(ControlMessage::Announce(Announcement {
            leadership: Some(LeadershipTimes {
                elected: at,
                restored: at,
            }),
            ..claim(id(number), after(term, 1))
        }))
    };
    let followed = |world: &World| match world.role(id(2)) {
        Role::Client { broker, .. } => broker,
        other => panic!("{other:?}"),
    };
    world.input(id(2), claim_of(9, 5_000));
    assert_eq!(followed(&world), id(9));
    world.input(id(2), claim_of(10, 4_000));
    assert_eq!(followed(&world), id(9));
    world.input(id(2), claim_of(8, 6_000));
    assert_eq!(followed(&world), id(8));
    world.input(id(2), claim_of(11, 6_000));
    assert_eq!(followed(&world), id(11));
    world.input(
        id(2),
        Input::Control(ControlMessage::Announce(claim(id(12), after(term, 1)))),
    );
    assert_eq!(followed(&world), id(11));
}

// Rows.

#[test]
fn a_row_far_behind_the_last_is_no_row_of_the_log() {
    for far in [Seq(SAFE_INTEGER_MAX), Seq(3_000_000)] {
        let mut world = World::durable_connected(2);
        let options = ConnectOptions {
            clean_start: false,
            session_expiry_interval: u32::MAX,
            ..ConnectOptions::default()
        };
        world.client(id(2), ClientCommand::Connect(options));
        world.subscribe(id(2), "a");
        world.pass(100);
        let row = Row {
            term: world.term(id(1)),
            kind: RowKind::Fence,
        };
        world.disk.rows.insert(far, row.clone());
        let tail = world.disk.tail();
        assert!(tail < far);
        world.freeze(id(1));
        let request = world.publish(id(2), "a", "x", QoS::AtLeastOnce);
        world.pass(3_000);
        // The session exists, and the row is still in the log.
        assert_eq!(world.brokers([2]), [id(2)]);
        assert_eq!(world.published(id(2)).last(), Some(&(request, 0)));
        assert_eq!(world.payloads(id(2)), ["x"]);
        assert!(world.disk.tail() > tail);
        assert_eq!(world.disk.rows.get(&far), Some(&row));
        assert_eq!(world.stats(id(2)).unwrap().records_skipped, 1);
        world.thaw(id(1));
        world.pass(2_000);
        assert_eq!(world.brokers(1..=2), [id(2)]);
    }
}

// Locks.

#[test]
fn locks_of_another_script_are_reported_and_used_when_they_are_free() {
    let mut world = World::durable(0);
    let stranger = id(99);
    world.hold(stranger, Lock::Broker);
    world.hold(stranger, Lock::Steal);
    world.open(id(1));
    world.connect(id(1));
    let request = world.publish(id(1), "a", "x", QoS::AtLeastOnce);
    let reported = |world: &World| {
        let events = world.events(id(1)).into_iter();
        let held = EventKind::LockHeld("test/v1/steal".to_owned());
        events.filter(|kind| **kind == held).count()
    };
    world.pass(4_000);
    assert_eq!(reported(&world), 1);
    world.pass(60_000);
    assert!((2..=10).contains(&reported(&world)), "{}", reported(&world));
    assert_eq!(world.role(id(1)), Role::Waiting);
    let before = reported(&world);
    world.free_locks(stranger);
    world.pass(1_000);
    assert!(matches!(world.role(id(1)), Role::Broker { .. }));
    assert_eq!(world.published(id(1)), [(request, 0x10)]);
    world.pass(60_000);
    assert_eq!(reported(&world), before);
}

#[test]
fn a_promotion_is_not_reported_as_a_foreign_lock() {
    let mut world = World::durable_connected(4);
    world.freeze(id(1));
    for number in 2..=4 {
        world.publish(id(number), "a", "x", QoS::AtLeastOnce);
    }
    world.pass(10_000);
    for number in 2..=4 {
        let is_held = |kind: &&EventKind| matches!(kind, EventKind::LockHeld(_));
        assert!(!world.events(id(number)).iter().any(is_held));
    }
}

// Goodbyes.

#[test]
fn a_forged_goodbye_ends_no_session_and_sends_no_will() {
    let mut world = World::durable_connected(3);
    world.subscribe(id(2), "will");
    world.connect_with_will(id(3), "will", "");
    world.pass(1_000);
    let before = [1, 2, 3].map(|number| world.role(id(number)));
    let statuses = [1, 2, 3].map(|number| world.statuses(id(number)).len());
    is_served(&mut world, &[1, 2, 3], 10, |world, _| {
        for number in 1..=3 {
            world.post(ControlMessage::Goodbye {
                tab_id: id(number),
                is_lost: false,
            });
        }
    });
    assert!(world.payloads(id(2)).is_empty());
    assert_eq!([1, 2, 3].map(|number| world.role(id(number))), before);
    // No connection was interrupted either.
    let now = [1, 2, 3].map(|number| world.statuses(id(number)).len());
    assert_eq!(now, statuses);
    for number in 1..=3 {
        assert_eq!(world.members(id(number)).len(), 3);
        assert_eq!(world.stats(id(number)).unwrap().lane_resets, 0);
    }
    // The real end of a tab is noticed as such.
    world.close(id(3));
    assert_eq!(world.payloads(id(2)), [""]);
}

#[test]
fn the_end_of_a_broker_that_sent_goodbye_is_known_as_soon_as_its_lock_is_free() {
    let mut world = World::durable_connected(3);
    let goodbye = ControlMessage::Goodbye {
        tab_id: id(1),
        is_lost: false,
    };
    let term = world.term(id(1));
    let lost = EventKind::BrokerLost { term };
    // A forged message, which then becomes true.
    world.post(goodbye.clone());
    world.pass(1_000);
    world.vanish(id(1));
    world.post(goodbye);
    world.freeze(id(2));
    assert!(matches!(world.role(id(3)), Role::Client { .. }));
    assert!(!world.events(id(3)).contains(&&lost));
    world.free_locks(id(1));
    assert_eq!(world.role(id(3)), Role::Waiting);
    assert!(world.events(id(3)).contains(&&lost));
}

#[test]
fn a_forged_message_about_a_broker_leaves_no_tab_in_the_queue_for_its_lock() {
    let mut world = World::durable_connected(3);
    for number in 1..=3 {
        world.post(ControlMessage::Goodbye {
            tab_id: id(number),
            is_lost: false,
        });
    }
    let term = world.term(id(1));
    world.freeze(id(1));
    world.publish(id(2), "a", "x", QoS::AtLeastOnce);
    world.pass(2_000);
    assert!(world.term(id(3)) > term);
    // Only the new broker queues for it.
    world.thaw(id(1));
    world.pass(2_000);
    let broker = world.brokers([2, 3])[0];
    assert_eq!(world.queue(Lock::Tab(id(1))), [id(1), broker]);
}

// Claims.

#[test]
fn forged_claims_of_a_living_broker_do_not_stop_the_service() {
    for (has_lanes, rises) in [(false, true), (true, true), (false, false), (true, false)] {
        let mut world = World::durable_connected(3);
        is_served(&mut world, &[1, 2, 3], 10, |world, second| {
            let broker = world.brokers(1..=3)[0];
            let steps = if rises { second + 1 } else { 0 };
            let term = after(world.term(broker), steps);
            let lanes = [1, 2, 3].into_iter().map(id);
            world.post(ControlMessage::Announce(Announcement {
                lanes: lanes.filter(|_| has_lanes).collect(),
                ..claim(broker, term)
            }));
        });
        // The broker did not change either.
        let term = world.term(id(1));
        assert_eq!(world.brokers(1..=3), [id(1)]);
        let deposed = EventKind::SteppedDown { term };
        assert!(!world.events(id(1)).contains(&&deposed));
        for number in 1..=3 {
            let ended = |it: &&ClientStatus| matches!(it, ClientStatus::Disconnected(_));
            assert!(!world.statuses(id(number)).iter().any(ended));
        }
    }
}

/// Posts of different senders may arrive in different orders at each tab.
#[test]
fn a_forged_claim_after_its_refutation_is_refuted_again() {
    let mut world = World::durable_connected(2);
    let term = world.term(id(1));
    is_served(&mut world, &[1, 2], 10, |world, second| {
        let forged = claim(id(1), after(term, second + 1));
        world.input(id(2), Input::Control(ControlMessage::Announce(forged)));
    });
    assert_eq!(world.brokers([1, 2]), [id(1)]);
    assert_eq!(world.term(id(1)), term);
}

#[test]
fn forged_claims_of_a_suspended_broker_do_not_keep_it_in_its_place() {
    for has_lanes in [false, true] {
        let mut world = World::durable_connected(3);
        let term = world.term(id(1));
        world.freeze(id(1));
        world.publish(id(2), "a", "x", QoS::AtLeastOnce);
        for second in 1..=8 {
            world.post(ControlMessage::Announce(Announcement {
                lanes: [2, 3].into_iter().map(id).filter(|_| has_lanes).collect(),
                ..claim(id(1), after(term, second))
            }));
            world.pass(1_000);
        }
        let broker = world.brokers([2, 3])[0];
        world.pass(Settings::default().announce_interval_ms);
        assert_eq!(world.brokers([2, 3]), [broker]);
        assert_eq!(world.published(id(2)).len(), 1);
    }
}
