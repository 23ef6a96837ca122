//! Clients of several tabs and one broker.

use tab::api::{
    Candidacy, ClientCommand, ClientNo, ClientNotice, ClientStatus, Command, ConnectOptions,
    DisconnectCause, Durability, Notice, OpenOptions, Problem, Publication, QoS, RequestId, Role,
    Visibility,
};
use tab::{ChannelName, names::ChannelError};

use crate::world::{World, id};

const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const SUCCESS: u8 = 0;
const SESSION_TAKEN_OVER: u8 = 0x8e;

#[test]
fn the_first_tab_is_the_broker_and_the_second_its_client() {
    let world = World::with_tabs(2);
    let Role::Broker { term } = world.role(id(1)) else {
        panic!("{:?}", world.role(id(1)));
    };
    let broker = id(1);
    assert_eq!(world.role(id(2)), Role::Client { broker, term });
}

#[test]
fn a_publication_reaches_another_tab_once_with_every_qos() {
    for (from, to) in [(id(1), id(2)), (id(2), id(1)), (id(2), id(3))] {
        let mut world = World::with_tabs(3);
        world.connect(from);
        world.connect(to);
        world.subscribe(to, "a/#");
        let requests = ALL_QOS.map(|qos| world.publish(from, "a/b", "hello", qos));
        let received: Vec<(&str, QoS)> = world
            .messages(to)
            .iter()
            .map(|message| (&*message.topic, message.qos))
            .collect();
        assert_eq!(received, ALL_QOS.map(|qos| ("a/b", qos)));
        let published = requests.map(|request| (request, SUCCESS));
        assert_eq!(world.published(from), published);
    }
}

#[test]
fn clients_of_one_tab_receive_each_others_messages() {
    let mut world = World::with_tabs(1);
    let other = ClientNo(7);
    world.connect(id(1));
    world.subscribe(id(1), "a");
    let connect = ClientCommand::Connect(ConnectOptions::default());
    world.command(id(1), Command::Client(other, connect));
    let publication = Publication {
        topic: "a".to_owned(),
        ..Publication::default()
    };
    let publish = ClientCommand::Publish(RequestId(9), publication);
    world.command(id(1), Command::Client(other, publish));
    assert_eq!(world.messages(id(1)).len(), 1);
    // They have no client identifier of their own, and are two clients.
    assert!(world.is_connected(id(1)));
}

#[test]
fn a_retained_message_reaches_a_later_tab() {
    let mut world = World::with_tabs(1);
    world.connect(id(1));
    let publication = Publication {
        topic: "state".to_owned(),
        payload: b"on".to_vec(),
        retain: true,
        ..Publication::default()
    };
    world.client(id(1), ClientCommand::Publish(RequestId(1), publication));
    world.pass(1_000);
    world.open(id(2));
    world.connect(id(2));
    world.subscribe(id(2), "state");
    let messages = world.messages(id(2));
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].payload, b"on");
    assert!(messages[0].retain);
}

#[test]
fn the_same_client_id_elsewhere_disconnects_the_first_for_good() {
    let mut world = World::with_tabs(3);
    let options = ConnectOptions {
        client_id: "one".to_owned(),
        ..ConnectOptions::default()
    };
    world.client(id(2), ClientCommand::Connect(options.clone()));
    world.client(id(3), ClientCommand::Connect(options));
    world.pass(120_000);
    assert!(world.is_connected(id(3)));
    assert_eq!(
        world.statuses(id(2)).last(),
        Some(&&ClientStatus::Disconnected(DisconnectCause::ByBroker(
            SESSION_TAKEN_OVER
        )))
    );
    let count = world.statuses(id(2)).len();
    assert_eq!(count, 4, "{:?}", world.statuses(id(2)));
}

#[test]
fn a_connect_that_mqtt_cannot_carry_is_refused_at_once() {
    let mut world = World::with_tabs(2);
    let options = ConnectOptions {
        client_id: "x".repeat(70_000),
        ..ConnectOptions::default()
    };
    world.client(id(2), ClientCommand::Connect(options));
    assert_eq!(
        world.statuses(id(2)),
        [&ClientStatus::Disconnected(DisconnectCause::Refused(0x81))]
    );
}

#[test]
fn a_will_is_published_when_the_tab_crashes_and_not_after_disconnect() {
    for (disconnects, wills) in [(false, 1), (true, 0)] {
        let mut world = World::with_tabs(2);
        world.connect(id(1));
        world.subscribe(id(1), "will");
        world.connect_with_will(id(2), "will", "");
        if disconnects {
            let with_will = false;
            world.client(id(2), ClientCommand::Disconnect { with_will });
        }
        world.crash(id(2));
        assert_eq!(world.messages(id(1)).len(), wills, "{disconnects}");
    }
}

#[test]
fn idle_clients_stay_connected() {
    let mut world = World::with_tabs(2);
    for tab in [id(1), id(2)] {
        let options = ConnectOptions {
            keep_alive: 1,
            ..ConnectOptions::default()
        };
        world.client(tab, ClientCommand::Connect(options));
        world.take_notices(tab);
    }
    world.pass(60_000);
    assert!(world.statuses(id(1)).is_empty());
    assert!(world.statuses(id(2)).is_empty());
}

#[test]
fn commands_before_open_are_refused() {
    let mut world = World::with_tabs(0);
    world.start(id(1));
    world.connect(id(1));
    world.command(id(1), Command::Visibility(Visibility::Hidden));
    let refused = Notice::Refused(Problem::NotOpen);
    assert_eq!(world.take_notices(id(1)), [refused.clone(), refused]);
}

#[test]
fn a_tab_joins_one_channel_and_one_with_a_valid_name() {
    let mut world = World::with_tabs(0);
    world.start(id(1));
    let open = |channel: &str| {
        Command::Open(OpenOptions {
            channel: channel.to_owned(),
            visibility: Visibility::Visible,
            durability: Durability::Memory,
            candidacy: Candidacy::Auto,
            known_log: None,
        })
    };
    world.command(id(1), open("a/b"));
    let error = ChannelError::Character {
        offset: 1,
        found: '/',
    };
    assert_eq!(ChannelName::parse("a/b"), Err(error.clone()));
    assert_eq!(
        world.take_notices(id(1)),
        [Notice::Refused(Problem::Channel(error))]
    );
    world.command(id(1), open("test"));
    assert!(matches!(
        world.take_notices(id(1))[0],
        Notice::Opened { .. }
    ));
    world.command(id(1), open("test"));
    assert_eq!(
        world.take_notices(id(1)),
        [Notice::Refused(Problem::AlreadyOpen)]
    );
}

#[test]
fn requests_without_a_connection_are_refused() {
    let mut world = World::with_tabs(1);
    let subscribe = world.subscribe(id(1), "a");
    let publish = world.publish(id(1), "a", "", QoS::AtMostOnce);
    world.connect(id(1));
    let wildcard = world.publish(id(1), "a/#", "", QoS::AtMostOnce);
    let filter = world.subscribe(id(1), "a/#/b");
    let refused: Vec<(RequestId, bool)> = world
        .client_notices(id(1))
        .filter_map(|notice| match notice {
            ClientNotice::Refused(request, problem) => {
                Some((*request, *problem == Problem::NotConnected))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        refused,
        [
            (subscribe, true),
            (publish, true),
            (wildcard, false),
            (filter, false)
        ]
    );
}
