//! A slow subscriber does not delay others, and the memory it can hold is bounded.

use tab::api::{
    Answer, ClientCommand, ClientNo, ClientNotice, Command, ConnectOptions, Notice, Problem,
    Publication, QoS, Question, RequestId, Subscription,
};
use tab::{Settings, TabId};

use crate::world::{World, id};

/// Maximum bytes in flight to a receiver that acknowledges nothing: a lane's window, and the turn in which it became
/// full.
const ON_WAY_MAX: usize = 6 << 20;

const KB: usize = 1_000;

fn publish(world: &mut World, tab: TabId, client: u32, topic: &str, bytes: usize, qos: QoS) {
    let publication = Publication {
        topic: topic.to_owned(),
        payload: vec![b'x'; bytes],
        qos,
        ..Publication::default()
    };
    let no = RequestId(1_000 + u64::from(client));
    let publish = ClientCommand::Publish(no, publication);
    world.command(tab, Command::Client(ClientNo(client), publish));
}

fn subscribe(world: &mut World, tab: TabId, topic_filter: &str, qos: QoS) {
    let subscription = Subscription {
        topic_filter: topic_filter.to_owned(),
        qos,
        ..Subscription::default()
    };
    let subscribe = ClientCommand::Subscribe(RequestId(1), vec![subscription]);
    world.client(tab, subscribe);
}

fn received(world: &World, tab: TabId, topic: &str) -> usize {
    let messages = world.messages(tab);
    messages.iter().filter(|it| it.topic == topic).count()
}

fn dropped(world: &mut World, broker: TabId) -> u64 {
    world.command(broker, Command::Ask(RequestId(9), Question::Load));
    let load = world.notices(broker).filter_map(|it| match it {
        Notice::Answer(_, Answer::Load(load)) => Some(load.stats.messages_dropped),
        _ => None,
    });
    load.last().unwrap_or_default()
}

#[test]
fn a_frozen_subscriber_holds_one_window_and_the_others_get_everything() {
    let mut world = World::connected(3);
    for tab in [id(1), id(2)] {
        subscribe(&mut world, tab, "#", QoS::ExactlyOnce);
    }
    world.freeze(id(2));
    for _ in 0..300 {
        publish(&mut world, id(3), 0, "some", 100 * KB, QoS::AtMostOnce);
        publish(&mut world, id(3), 0, "all", KB, QoS::AtLeastOnce);
    }
    assert_eq!(received(&world, id(1), "some"), 300);
    assert_eq!(received(&world, id(1), "all"), 300);
    assert!(world.held_bytes(id(2)) < ON_WAY_MAX);

    world.thaw(id(2));
    assert_eq!(received(&world, id(2), "all"), 300);
    let came = received(&world, id(2), "some");
    assert!((10..200).contains(&came), "{came}");
    assert_eq!(dropped(&mut world, id(1)), 300 - came as u64);
    // From then on it gets all messages again.
    publish(&mut world, id(3), 0, "some", 100 * KB, QoS::AtMostOnce);
    assert_eq!(received(&world, id(2), "some"), came + 1);
}

#[test]
fn a_publisher_faster_than_the_broker_waits_and_loses_nothing() {
    let mut world = World::connected(3);
    subscribe(&mut world, id(3), "#", QoS::AtMostOnce);
    world.freeze(id(1));
    for _ in 0..200 {
        publish(&mut world, id(2), 0, "a", 100 * KB, QoS::AtMostOnce);
    }
    // The page knows which ones have left.
    let gone = world.published(id(2)).len();
    assert!((10..15).contains(&gone), "{gone}");
    assert!(world.held_bytes(id(1)) < ON_WAY_MAX);
    world.thaw(id(1));
    assert_eq!(world.published(id(2)).len(), 200);
    assert_eq!(received(&world, id(3), "a"), 200);
}

#[test]
fn an_endpoint_that_waits_for_room_survives_a_timer() {
    let mut world = World::connected(3);
    subscribe(&mut world, id(3), "#", QoS::AtMostOnce);
    world.restless.insert(id(2));
    world.freeze(id(1));
    for _ in 0..200 {
        publish(&mut world, id(2), 0, "a", 65_536, QoS::AtMostOnce);
    }
    world.thaw(id(1));
    assert_eq!(received(&world, id(3), "a"), 200);
}

#[test]
fn messages_that_wait_for_room_go_to_the_next_broker() {
    let mut world = World::durable(3);
    for number in 1..=3 {
        world.connect(id(number));
    }
    subscribe(&mut world, id(3), "#", QoS::ExactlyOnce);
    world.freeze(id(1));
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for _ in 0..50 {
            publish(&mut world, id(2), 0, "a", 100 * KB, qos);
        }
    }
    world.crash(id(1));
    world.pass(1_000);
    assert_eq!(world.published(id(2)).len(), 100);
    assert_eq!(received(&world, id(3), "a"), 100);
}

#[test]
fn a_busy_client_leaves_room_for_the_other_clients_of_its_tab() {
    let mut world = World::connected(3);
    subscribe(&mut world, id(3), "#", QoS::AtMostOnce);
    for client in [1, 2] {
        let connect = ClientCommand::Connect(ConnectOptions::default());
        world.command(id(2), Command::Client(ClientNo(client), connect));
    }
    world.freeze(id(1));
    for _ in 0..500 {
        publish(&mut world, id(2), 1, "much", 100 * KB, QoS::AtMostOnce);
    }
    publish(&mut world, id(2), 2, "little", 10, QoS::AtMostOnce);
    assert_eq!(received(&world, id(3), "little"), 0);
    world.thaw(id(1));
    let topics: Vec<&str> = world
        .messages(id(3))
        .iter()
        .map(|it| it.topic.as_str())
        .collect();
    assert_eq!(topics.len(), 501);
    let place = topics.iter().position(|it| *it == "little");
    // They follow the bytes in flight and the next share of the other client.
    assert!(place.is_some_and(|it| it < 40), "{place:?}");
}

/// The work is counted: time would depend on the machine.
#[test]
fn a_client_that_publishes_much_to_many_delays_other_tabs_by_a_slice_of_work() {
    let mut world = World::connected(4);
    // Each message of tab 2 goes to a hundred clients of tab 3.
    for client in 1..=100 {
        let connect = ClientCommand::Connect(ConnectOptions::default());
        world.command(id(3), Command::Client(ClientNo(client), connect));
        let subscription = Subscription {
            topic_filter: "f".to_owned(),
            ..Subscription::default()
        };
        let subscribe = ClientCommand::Subscribe(RequestId(1), vec![subscription]);
        world.command(id(3), Command::Client(ClientNo(client), subscribe));
    }
    subscribe(&mut world, id(4), "#", QoS::AtMostOnce);
    world.freeze(id(1));
    for _ in 0..1_000 {
        publish(&mut world, id(2), 0, "f", 1, QoS::AtMostOnce);
    }
    publish(&mut world, id(4), 0, "mine", 1, QoS::AtMostOnce);
    world.thaw(id(1));
    let messages = world.messages(id(4));
    assert_eq!(messages.len(), 1_001);
    let place = messages.iter().position(|it| it.topic == "mine");
    // It was the last to be sent. Two slices come first, each of 2,000 packets, which are 20 messages to all.
    assert!(place.is_some_and(|it| it < 50), "{place:?}");
}

#[test]
fn a_long_message_lets_the_short_ones_of_others_pass() {
    let mut world = World::connected(2);
    for client in [1, 2] {
        let connect = ClientCommand::Connect(ConnectOptions::default());
        world.command(id(2), Command::Client(ClientNo(client), connect));
    }
    subscribe(&mut world, id(1), "#", QoS::AtMostOnce);
    world.freeze(id(1));
    publish(&mut world, id(2), 1, "long", 16_000 * KB, QoS::AtLeastOnce);
    publish(&mut world, id(2), 1, "after", 1, QoS::AtLeastOnce);
    publish(&mut world, id(2), 2, "short", 1, QoS::AtLeastOnce);
    world.thaw(id(1));
    let messages = world.messages(id(1));
    let topics: Vec<_> = messages
        .iter()
        .map(|it| (it.topic.as_str(), it.payload.len()))
        .collect();
    // A client's own messages keep their order.
    assert_eq!(topics, [("short", 1), ("long", 16_000 * KB), ("after", 1)]);
}

#[test]
fn a_slow_page_misses_qos_0_and_gets_the_rest_later() {
    // The broker is in another tab, or in the same one.
    for slow in [id(2), id(1)] {
        let mut world = World::connected(3);
        for tab in [slow, id(3)] {
            subscribe(&mut world, tab, "#", QoS::ExactlyOnce);
        }
        world.silent_pages.insert(slow);
        for _ in 0..300 {
            publish(&mut world, id(3), 0, "some", 100 * KB, QoS::AtMostOnce);
            publish(&mut world, id(3), 0, "all", KB, QoS::AtLeastOnce);
        }
        assert_eq!(received(&world, id(3), "some"), 300);
        let came = received(&world, slow, "some");
        assert!((30..200).contains(&came), "{came} at {slow}");
        assert!(received(&world, slow, "all") < 300);
        world.acknowledge_checkpoints(slow);
        assert_eq!(received(&world, slow, "all"), 300);
        // Including the bytes in flight.
        let came = received(&world, slow, "some");
        assert_eq!(dropped(&mut world, id(1)), 300 - came as u64);
    }
}

#[test]
fn waiting_publications_are_bounded() {
    let mut world = World::connected(2);
    world.freeze(id(1));
    let maximum = Settings::default().waiting_bytes_max;
    for _ in 0..(maximum / (1_000 * KB) + 10) {
        publish(&mut world, id(2), 0, "a", 1_000 * KB, QoS::AtMostOnce);
    }
    let refused = |world: &World| {
        let notices = world.client_notices(id(2));
        let refused = notices.filter(|it| match it {
            ClientNotice::Refused(_, problem) => *problem == Problem::TooMuchWaiting,
            _ => false,
        });
        refused.count()
    };
    // Ten more than can wait, and some have left.
    assert!((1..10).contains(&refused(&world)), "{}", refused(&world));
    world.thaw(id(1));
    let before = refused(&world);
    publish(&mut world, id(2), 0, "a", 1_000 * KB, QoS::AtMostOnce);
    assert_eq!(refused(&world), before);
}

#[test]
fn publications_during_a_leadership_in_doubt_are_bounded() {
    let mut world = World::durable_connected(1);
    world.freeze(id(1));
    world.pass(3_000);
    world.stuck.insert(id(1));
    world.thaw(id(1));
    let maximum = Settings::default().waiting_bytes_max;
    let fit = maximum / (1_000 * KB + 100);
    for _ in 0..fit + 10 {
        publish(&mut world, id(1), 0, "a", 1_000 * KB, QoS::AtMostOnce);
    }
    let refused = |world: &World| {
        let notices = world.client_notices(id(1));
        let is_refused = |it: &&ClientNotice| match it {
            ClientNotice::Refused(_, problem) => *problem == Problem::TooMuchWaiting,
            _ => false,
        };
        notices.filter(is_refused).count()
    };
    assert_eq!(refused(&world), 10);
    assert!(world.published(id(1)).is_empty());
    world.unstick(id(1));
    assert_eq!(world.published(id(1)).len(), fit);
    assert_eq!(refused(&world), 10);
}
