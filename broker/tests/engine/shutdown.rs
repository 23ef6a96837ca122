//! Shutdown of the broker.

use broker::access::{Access, AllowAll, Client, Entropy, Exchange, Login, Step};
use broker::{Input, ReasonCode, TopicFilter, TopicName};
use mqtt5_protocol::WillMessage;

use crate::harness::*;

#[test]
fn shutdown_sends_a_reason_to_every_client_whose_version_has_one() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.join(B, client_311("b"));
    world.open(C);
    world.check(
        Input::Shutdown,
        "C closed ServerShuttingDown
         A DISCONNECT ServerShuttingDown
         A closed ServerShuttingDown
         B closed ServerShuttingDown",
    );
    assert_eq!(world.stats().connections, 0);
    assert_eq!(world.ms_to_timeout(), None);
    world.check(Input::Shutdown, "");
}

#[test]
fn shutdown_treats_sessions_and_wills_as_closed_connections_do() {
    let mut world = World::new();
    world.join(A, with_will(client("a"), WillMessage::new("will", "now")));
    let mut late = WillMessage::new("will", "later");
    late.properties.will_delay_interval = Some(20);
    world.join(B, with_will(lasting("b", 100), late));
    world.join(C, lasting("c", 100));
    world.subscribe(C, "will", QOS1);
    world.check(
        Input::Shutdown,
        "A DISCONNECT ServerShuttingDown
         A closed ServerShuttingDown
         C PUBLISH will now
         B DISCONNECT ServerShuttingDown
         B closed ServerShuttingDown
         C DISCONNECT ServerShuttingDown
         C closed ServerShuttingDown",
    );
    assert_eq!(world.stats().sessions, 2);
    // The broker still runs, so a client that reconnects has its session.
    world.rejoin(C, lasting("c", 100));
    world.wait_ms(20_000, "C PUBLISH will later");
}

/// Has an authentication method that never ends.
#[derive(Debug)]
struct Endless;

impl Exchange for Endless {
    fn step(&mut self, _: &[u8]) -> Step {
        Step::Continue(b"go on".to_vec())
    }
}

impl Access for Endless {
    fn login(&mut self, login: &Login<'_>) -> ReasonCode {
        AllowAll.login(login)
    }

    fn authentication(&mut self, _: &str, _: Entropy) -> Option<Box<dyn Exchange>> {
        Some(Box::new(Self))
    }

    fn may_publish(&mut self, client: &Client<'_>, topic: &TopicName) -> ReasonCode {
        AllowAll.may_publish(client, topic)
    }

    fn may_subscribe(&mut self, client: &Client<'_>, filter: &TopicFilter) -> ReasonCode {
        AllowAll.may_subscribe(client, filter)
    }
}

#[test] // MQTT-3.14.0-1
fn shutdown_refuses_a_client_that_is_authenticating() {
    let mut world = World::with_access(plain_config(), Endless);
    let mut connect = client("a");
    connect
        .properties
        .set_authentication_method("ENDLESS".into());
    world.open(A);
    world.send(
        A,
        connect,
        "A AUTH ContinueAuthentication AuthenticationMethod=ENDLESS AuthenticationData=b\"go on\"",
    );
    world.check(
        Input::Shutdown,
        "A CONNACK ServerUnavailable\nA closed ServerShuttingDown",
    );
}
