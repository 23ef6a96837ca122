//! Authentication in several steps.

use broker::access::{Access, AllowAll, Client, Entropy, Exchange, Login, Step};
use broker::packet::auth::AuthPacket;
use broker::packet::connect::ConnectPacket;
use broker::packet::disconnect::DisconnectPacket;
use broker::{Packet, Properties, ReasonCode, TopicFilter, TopicName};

use crate::harness::*;

/// Has the method `PLUS`: the client answers a number with the next one.
#[derive(Debug)]
struct Plus;

#[derive(Debug)]
struct PlusExchange(Option<u8>);

impl Exchange for PlusExchange {
    fn step(&mut self, data: &[u8]) -> Step {
        match (self.0, data) {
            (None, b"hello") => {
                self.0 = Some(b'2');
                Step::Continue(b"1".to_vec())
            }
            (Some(expected), [answer]) if *answer == expected => Step::Success {
                username: Some("counter".into()),
                data: b"right".to_vec(),
            },
            _ => Step::Failure(ReasonCode::NotAuthorized),
        }
    }
}

impl Access for Plus {
    fn login(&mut self, login: &Login<'_>) -> ReasonCode {
        AllowAll.login(login)
    }

    fn authentication(&mut self, method: &str, _: Entropy) -> Option<Box<dyn Exchange>> {
        (method == "PLUS").then(|| Box::new(PlusExchange(None)) as Box<dyn Exchange>)
    }

    fn may_publish(&mut self, client: &Client<'_>, _: &TopicName) -> ReasonCode {
        match client.username {
            Some("counter") => ReasonCode::Success,
            _ => ReasonCode::NotAuthorized,
        }
    }

    fn may_subscribe(&mut self, client: &Client<'_>, filter: &TopicFilter) -> ReasonCode {
        AllowAll.may_subscribe(client, filter)
    }
}

fn world() -> World {
    World::with_access(plain_config(), Plus)
}

fn with_method(mut connect: ConnectPacket, method: &str, data: &'static str) -> ConnectPacket {
    connect.properties.set_authentication_method(method.into());
    connect.properties.set_authentication_data(data.into());
    connect
}

fn auth(reason_code: ReasonCode, method: &str, data: &'static str) -> AuthPacket {
    let mut properties = Properties::new();
    properties.set_authentication_method(method.into());
    properties.set_authentication_data(data.into());
    AuthPacket::with_properties(reason_code, properties)
}

const CONTINUE: ReasonCode = ReasonCode::ContinueAuthentication;
const AGAIN: ReasonCode = ReasonCode::ReAuthenticate;
const CHALLENGE: &str =
    "A AUTH ContinueAuthentication AuthenticationMethod=PLUS AuthenticationData=b\"1\"";

fn challenged() -> World {
    let mut world = world();
    world.connect(A, with_method(client("a"), "PLUS", "hello"), CHALLENGE);
    world
}

fn authenticated() -> World {
    let mut world = challenged();
    world.send(
        A,
        auth(CONTINUE, "PLUS", "2"),
        "A CONNACK Success AuthenticationMethod=PLUS AuthenticationData=b\"right\"",
    );
    world
}

#[test] // MQTT-4.12.0-2, MQTT-4.12.0-3, MQTT-4.12.0-5
fn a_client_with_the_right_answer_is_accepted_under_its_user_name() {
    let mut world = authenticated();
    world.send(A, publish1(1, "t", ""), "A PUBACK 1 NoMatchingSubscribers");
    world.join(B, client("b"));
    world.send(B, publish1(1, "t", ""), "B PUBACK 1 NotAuthorized");
}

#[test] // MQTT-4.12.0-4
fn a_client_with_a_wrong_answer_is_refused() {
    let refused = "A CONNACK NotAuthorized\nA closed NotAuthorized";
    let mut world = challenged();
    world.send(A, auth(CONTINUE, "PLUS", "3"), refused);
    assert_eq!(world.stats().sessions, 0);
    world.connect(A, with_method(client("a"), "PLUS", "bye"), refused);
}

#[test] // MQTT-4.12.0-1
fn an_unknown_method_is_refused() {
    let refused = "A CONNACK BadAuthenticationMethod\nA closed BadAuthenticationMethod";
    world().connect(A, with_method(client("a"), "MINUS", ""), refused);
}

#[test] // MQTT-4.12.0-5, MQTT-4.12.0-3
fn before_connack_only_auth_with_the_same_method_is_accepted() {
    let refused = "A CONNACK ProtocolError\nA closed ProtocolError";
    challenged().send(A, auth(CONTINUE, "MINUS", "2"), refused);
    challenged().send(A, auth(AGAIN, "PLUS", "2"), refused);
    challenged().send(A, auth(ReasonCode::Success, "PLUS", "2"), refused);
    challenged().send(A, publish("t", "x"), refused);
    challenged().send(A, client("a"), refused);
    challenged().send(A, Packet::PingReq, refused);
    challenged().send(A, DisconnectPacket::normal(), "A closed ProtocolError");
}

#[test]
fn an_exchange_ends_at_the_connect_timeout() {
    let mut world = challenged();
    world.wait_ms(9_999, "");
    world.wait_ms(1, "A closed KeepAliveTimeout");
    assert_eq!(world.ms_to_timeout(), None);
    let mut world = challenged();
    world.gone(A, "");
    assert_eq!(world.ms_to_timeout(), None);
}

#[test]
fn an_exchange_takes_over_no_session_until_it_succeeds() {
    let mut world = world();
    world.join(B, client("a"));
    world.connect(A, with_method(client("a"), "PLUS", "hello"), CHALLENGE);
    world.send(B, Packet::PingReq, "B PINGRESP");
    world.send(
        A,
        auth(CONTINUE, "PLUS", "2"),
        "B DISCONNECT SessionTakenOver
         B closed SessionTakenOver
         A CONNACK Success AuthenticationMethod=PLUS AuthenticationData=b\"right\"",
    );
}

#[test] // MQTT-4.12.1-1
fn a_client_may_authenticate_again_and_use_its_connection_meanwhile() {
    let mut world = authenticated();
    for _ in 0..2 {
        world.send(A, auth(AGAIN, "PLUS", "hello"), CHALLENGE);
        world.send(A, Packet::PingReq, "A PINGRESP");
        world.send(A, publish1(1, "t", ""), "A PUBACK 1 NoMatchingSubscribers");
        world.send(
            A,
            auth(CONTINUE, "PLUS", "2"),
            "A AUTH Success AuthenticationMethod=PLUS AuthenticationData=b\"right\"",
        );
    }
}

#[test] // MQTT-4.12.1-2
fn a_client_that_cannot_authenticate_again_is_disconnected() {
    let mut world = authenticated();
    world.send(A, auth(AGAIN, "PLUS", "hello"), CHALLENGE);
    world.send(
        A,
        auth(CONTINUE, "PLUS", "3"),
        "A DISCONNECT NotAuthorized\nA closed NotAuthorized",
    );
}

#[test] // MQTT-4.12.0-5, MQTT-4.12.0-7
fn an_unexpected_auth_is_a_protocol_error() {
    let refused = "A DISCONNECT ProtocolError\nA closed ProtocolError";
    authenticated().send(A, auth(CONTINUE, "PLUS", "2"), refused);
    authenticated().send(A, auth(AGAIN, "MINUS", "hello"), refused);
    let mut world = authenticated();
    world.send(A, auth(AGAIN, "PLUS", "hello"), CHALLENGE);
    world.send(A, auth(AGAIN, "PLUS", "hello"), refused);
    let mut world = self::world();
    world.join(A, client("a"));
    world.send(A, auth(AGAIN, "PLUS", "hello"), refused);
}
