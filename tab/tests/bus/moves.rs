//! The broker moves to another tab.

use tab::api::{ClientStatus, EventKind, QoS, Role, Term};
use tab::control::{ControlMessage, SAFE_INTEGER_MAX};
use tab::{Input, Lock, LockEvent};

use crate::world::{World, claim, id};

const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;

#[test]
fn the_next_tab_takes_over_and_subscriptions_live_on() {
    for crashes in [false, true] {
        let mut world = World::connected(3);
        world.subscribe(id(3), "a");
        let before = world.term(id(1));
        world.pass(1_000);
        if crashes {
            world.crash(id(1));
        } else {
            world.close(id(1));
        }
        let after = world.term(id(2));
        assert!(after > before);
        assert_eq!(world.role(id(2)), Role::Broker { term: after });
        assert_eq!(
            world.role(id(3)),
            Role::Client {
                broker: id(2),
                term: after
            }
        );
        world.publish(id(2), "a", "still here", QoS::AtLeastOnce);
        assert_eq!(world.payloads(id(3)), ["still here"]);
        let (last_sign, _) = world.announcements(id(1)).pop().unwrap();
        let elected = EventKind::Elected {
            term: after,
            after_ms: Some(world.now.ms_since(last_sign)),
        };
        assert!(world.events(id(2)).contains(&&elected));
    }
}

#[test]
fn a_change_of_broker_is_no_disconnection_and_publishes_no_will() {
    let mut world = World::with_tabs(3);
    world.connect(id(2));
    world.subscribe(id(2), "will");
    world.connect_with_will(id(3), "will", "");
    world.close(id(1));
    world.pass(60_000);
    assert!(world.is_connected(id(3)));
    assert!(world.payloads(id(2)).is_empty());
    let gone = |status: &&ClientStatus| matches!(status, ClientStatus::Disconnected(_));
    assert!(!world.statuses(id(3)).iter().any(gone));
}

#[test]
fn unacknowledged_and_waiting_messages_go_to_the_next_broker_in_order() {
    let mut world = World::connected(3);
    world.subscribe(id(2), "a");
    world.vanish(id(1));
    // It is the next broker, and does not know it yet.
    world.freeze(id(2));
    let qos = [QoS::AtLeastOnce, QoS::ExactlyOnce];
    let sent = qos.map(|qos| world.publish(id(3), "a", "sent without a broker", qos));
    world.post(ControlMessage::Goodbye {
        tab_id: id(1),
        is_lost: false,
    });
    world.free_locks(id(1));
    assert_eq!(world.role(id(3)), Role::Waiting);
    let qos = [QoS::AtMostOnce, QoS::AtLeastOnce];
    let waited = qos.map(|qos| world.publish(id(3), "a", "waited", qos));
    world.thaw(id(2));
    assert_eq!(
        world.payloads(id(2)),
        [
            "sent without a broker",
            "sent without a broker",
            "waited",
            "waited"
        ]
    );
    let mut published = world.published(id(3));
    published.sort_unstable();
    let expected: Vec<_> = sent.into_iter().chain(waited).map(|it| (it, 0)).collect();
    assert_eq!(published, expected);
}

#[test]
fn a_publish_without_receivers_says_so_with_qos_1_and_2() {
    let mut world = World::connected(2);
    let qos = [QoS::AtLeastOnce, QoS::ExactlyOnce];
    let requests = qos.map(|qos| world.publish(id(2), "a", "", qos));
    assert_eq!(
        world.published(id(2)),
        requests.map(|request| (request, NO_MATCHING_SUBSCRIBERS))
    );
}

#[test]
fn a_broker_that_hears_of_a_higher_term_becomes_a_client() {
    let mut world = World::connected(2);
    let Term(term) = world.term(id(1));
    let higher = Term(term + 1);
    world.input(
        id(1),
        Input::Control(ControlMessage::Announce(claim(id(9), higher))),
    );
    let events = world.events(id(1));
    assert!(events.contains(&&EventKind::SteppedDown { term: Term(term) }));
    assert!(events.contains(&&EventKind::Following {
        broker: id(9),
        term: higher,
        leadership: None,
    }));
    // It released the lock, so the other tab was elected with a higher term.
    assert!(matches!(world.role(id(2)), Role::Broker { term } if term > higher));
    assert!(matches!(world.role(id(1)), Role::Client { broker, .. } if broker == id(2)));
    assert!(world.is_connected(id(1)));
}

#[test]
fn a_broker_that_loses_the_lock_steps_down() {
    let mut world = World::connected(2);
    let lost = Input::Lock(LockEvent::Lost(Lock::Broker));
    world.input(id(1), lost);
    assert_eq!(world.role(id(1)), Role::Waiting);
}

#[test]
fn a_lower_claim_is_answered_and_changes_nothing() {
    let mut world = World::connected(2);
    let before = [world.role(id(1)), world.role(id(2))];
    world.pass(200);
    let announced = world.announcements(id(1)).len();
    world.post(ControlMessage::Announce(claim(id(9), Term(5))));
    assert_eq!([world.role(id(1)), world.role(id(2))], before);
    assert_eq!(world.announcements(id(1)).len(), announced + 1);
    let shown = world.members(id(2)).iter().filter(|tab| tab.is_broker);
    assert_eq!(shown.map(|tab| tab.tab_id).collect::<Vec<_>>(), [id(1)]);
}

#[test]
fn the_greatest_term_does_not_stop_the_election() {
    let mut world = World::connected(3);
    world.post(ControlMessage::Announce(claim(
        id(9),
        Term(SAFE_INTEGER_MAX),
    )));
    world.crash(id(1));
    world.pass(40_000);
    assert!(matches!(world.role(id(2)), Role::Broker { .. }));
    assert!(world.is_connected(id(2)));
    assert!(world.is_connected(id(3)));
}

#[test]
fn a_refused_lock_is_not_requested_in_a_loop() {
    let mut world = World::with_tabs(2);
    world.input(id(2), Input::Lock(LockEvent::Lost(Lock::Broker)));
    let lock = Lock::Tab(id(2));
    world.input(id(2), Input::Lock(LockEvent::Lost(lock)));
    world.pass(1_000);
    world.crash(id(1));
    assert!(matches!(world.role(id(2)), Role::Broker { .. }));
}

#[test]
fn a_tab_that_lost_the_brokers_lock_asks_who_has_it() {
    let mut world = World::connected(2);
    let posted = world.control.len();
    world.input(id(1), Input::Lock(LockEvent::Lost(Lock::Broker)));
    let asks = |message: &ControlMessage| *message == ControlMessage::Who { tab_id: id(1) };
    assert!(world.control[posted..].iter().any(|(_, it)| asks(it)));
}
