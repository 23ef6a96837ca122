//! Access control of connections, publications and subscriptions.

use broker::access::{Permission, Rule, ScramCredentials, User, Users};
use broker::packet::connect::ConnectPacket;
use broker::packet::subscribe::SubscribePacket;
use broker::{BrokerEvent, ReasonCode, TopicName, WillMessage};

use crate::harness::*;

fn users() -> Users {
    let mut users = Users::new().with_anonymous(true).with_rules(vec![
        Rule::deny(Permission::Subscribe, "nosubscribe").unwrap(),
        Rule::deny(Permission::Publish, "nopublish/#").unwrap(),
    ]);
    users.add(User {
        username: "ann".into(),
        credentials: ScramCredentials::new(b"secret", b"salt", 1),
        rules: vec![Rule::allow(Permission::All, "nopublish/%u/%c").unwrap()],
    });
    users
}

fn world() -> World {
    World::with_access(plain_config(), users())
}

fn ann(mut connect: ConnectPacket, password: &str) -> ConnectPacket {
    connect.username = Some("ann".into());
    connect.password = Some(password.into());
    connect
}

#[test] // MQTT-3.1.4-2
fn a_wrong_password_is_refused_with_the_code_of_the_version() {
    let mut world = world();
    let refused = "A CONNACK BadUsernameOrPassword\nA closed BadUsernameOrPassword";
    world.connect(A, ann(client("a"), "guess"), refused);
    world.connect(A, ann(client_311("a"), "guess"), refused);
    world.join(A, ann(client("a"), "secret"));
    world.join(B, ann(client_311("b"), "secret"));
    world.join(C, client("c"));
}

#[test]
fn anonymous_clients_are_refused_by_default() {
    let mut world = World::with_access(plain_config(), Users::new());
    let refused = "A CONNACK NotAuthorized\nA closed NotAuthorized";
    world.connect(A, client("a"), refused);
    world.connect(A, client_311("a"), refused);
}

#[test]
fn a_denied_filter_is_refused_and_the_others_are_granted() {
    let mut world = world();
    let many = || {
        SubscribePacket::new(1)
            .add_filter("t", QOS0)
            .add_filter("nosubscribe", QOS0)
            .add_filter("#", QOS0)
    };
    world.join(A, client("a"));
    world.send(
        A,
        many(),
        "A SUBACK 1 GrantedQoS0 NotAuthorized NotAuthorized",
    );
    world.join(B, client_311("b"));
    world.send(
        B,
        many(),
        "B SUBACK 1 GrantedQoS0 UnspecifiedError UnspecifiedError",
    );
}

#[test]
fn deny_all_denies_the_statistics_too() {
    let rules = vec![
        Rule::allow(Permission::All, "open/#").unwrap(),
        Rule::deny(Permission::All, "#").unwrap(),
    ];
    let users = Users::new().with_anonymous(true).with_rules(rules);
    let mut world = World::with_access(plain_config(), users);
    world.join(A, client("a"));
    let many = SubscribePacket::new(1)
        .add_filter("open/#", QOS0)
        .add_filter("#", QOS0)
        .add_filter("$SYS/#", QOS0)
        .add_filter("$private/a", QOS0);
    world.send(
        A,
        many,
        "A SUBACK 1 GrantedQoS0 NotAuthorized NotAuthorized NotAuthorized",
    );
    world.send(A, publish1(1, "$x", ""), "A PUBACK 1 NotAuthorized");
}

#[test]
fn a_denied_message_reaches_no_subscriber() {
    let mut world = world();
    world.join(A, client("a"));
    world.subscribe(A, "nopublish/#", QOS2);
    world.send(A, publish("nopublish/x", ""), "");
    world.send(
        A,
        publish1(1, "nopublish/x", ""),
        "A PUBACK 1 NotAuthorized",
    );
    world.send(
        A,
        publish2(1, "nopublish/x", ""),
        "A PUBREC 1 NotAuthorized",
    );
    world.send(A, pubrel(1), "A PUBCOMP 1 PacketIdentifierNotFound");
    world.join(B, client_311("b"));
    world.send(B, publish1(1, "nopublish/x", ""), "B PUBACK 1");
    world.send(B, publish2(1, "nopublish/x", ""), "B PUBREC 1");
    world.send(B, pubrel(1), "B PUBCOMP 1");
    assert_eq!(world.stats().messages_received, 0);
    let refused = world.events().into_iter().filter(|event| {
        *event
            == BrokerEvent::PublishRefused {
                client_id: "a".into(),
                topic: TopicName::parse("nopublish/x").unwrap(),
                reason_code: ReasonCode::NotAuthorized,
            }
    });
    assert_eq!(refused.count(), 3);
}

#[test]
fn a_rule_for_one_user_precedes_the_rules_for_all() {
    let mut world = world();
    world.join(A, ann(client("a"), "secret"));
    world.send(
        A,
        publish1(1, "nopublish/ann/a", ""),
        "A PUBACK 1 NoMatchingSubscribers",
    );
    world.send(
        A,
        publish1(1, "nopublish/ann/b", ""),
        "A PUBACK 1 NotAuthorized",
    );
}

#[test]
fn a_client_with_a_denied_will_is_refused() {
    let mut world = world();
    let will = || WillMessage::new("nopublish/x", "");
    let refused = "A CONNACK NotAuthorized\nA closed NotAuthorized";
    world.connect(A, with_will(client("a"), will()), refused);
    world.connect(A, with_will(client_311("a"), will()), refused);
    assert_eq!(world.stats().sessions, 0);
}
