//! Topic aliases from the broker to a client.

use broker::Config;
use broker::packet::connect::ConnectPacket;

use crate::harness::*;

fn with_aliases(mut connect: ConnectPacket, maximum: u16) -> ConnectPacket {
    connect.properties.set_topic_alias_maximum(maximum);
    connect
}

fn world(maximum: u16) -> World {
    let mut world = World::new();
    world.join(A, with_aliases(client("a"), maximum));
    world.subscribe(A, "#", QOS1);
    world.join(B, client("b"));
    world
}

#[test] // MQTT-3.1.2-27
fn a_client_without_a_topic_alias_maximum_gets_no_alias() {
    let mut world = world(0);
    world.send(B, publish("t", "1"), "A PUBLISH t 1");
    world.send(B, publish("t", "2"), "A PUBLISH t 2");
}

#[test] // MQTT-3.1.2-26, MQTT-3.3.2-11
fn topics_get_aliases_up_to_the_clients_maximum() {
    let mut world = world(2);
    world.send(B, publish("t", "1"), "A PUBLISH t 1 TopicAlias=1");
    world.send(B, publish("u", "2"), "A PUBLISH u 2 TopicAlias=2");
    world.send(B, publish("t", "3"), "A PUBLISH  3 TopicAlias=1");
    world.send(
        B,
        publish1(1, "u", "4"),
        "A PUBLISH  4 qos1 #1 TopicAlias=2\nB PUBACK 1",
    );
}

#[test] // MQTT-3.1.2-26
fn a_new_topic_gets_the_least_recently_used_alias() {
    let mut world = world(2);
    world.send(B, publish("t", "1"), "A PUBLISH t 1 TopicAlias=1");
    world.send(B, publish("u", "2"), "A PUBLISH u 2 TopicAlias=2");
    world.send(B, publish("t", "3"), "A PUBLISH  3 TopicAlias=1");
    world.send(B, publish("v", "4"), "A PUBLISH v 4 TopicAlias=2");
    world.send(B, publish("v", "5"), "A PUBLISH  5 TopicAlias=2");
    world.send(B, publish("t", "6"), "A PUBLISH  6 TopicAlias=1");
    world.send(B, publish("u", "7"), "A PUBLISH u 7 TopicAlias=2");
}

#[test] // MQTT-3.3.2-7
fn topic_aliases_of_the_broker_end_with_the_connection() {
    let mut world = World::new();
    world.join(A, with_aliases(lasting("a", 100), 1));
    world.subscribe(A, "t", QOS1);
    world.join(B, client("b"));
    world.send(
        B,
        publish1(1, "t", "x"),
        "A PUBLISH t x qos1 #1 TopicAlias=1\nB PUBACK 1",
    );
    world.gone(A, "");
    world.connect(
        A,
        with_aliases(lasting("a", 100), 1),
        "A CONNACK Success session\nA PUBLISH t x qos1 #1 dup TopicAlias=1",
    );
    world.gone(A, "");
    world.connect(
        A,
        lasting("a", 100),
        "A CONNACK Success session\nA PUBLISH t x qos1 #1 dup",
    );
}

#[test]
fn the_configuration_may_lower_the_number_of_aliases() {
    let mut world = World::with(Config {
        outbound_topic_alias_maximum: 1,
        ..plain_config()
    });
    world.join(A, with_aliases(client("a"), 9));
    world.subscribe(A, "#", QOS0);
    world.send(A, publish("t", "1"), "A PUBLISH t 1 TopicAlias=1");
    world.send(A, publish("u", "2"), "A PUBLISH u 2 TopicAlias=1");
}

#[test] // MQTT-3.1.2-24
fn an_alias_that_makes_the_packet_too_large_is_omitted() {
    let mut world = World::new();
    let mut small = with_aliases(client("a"), 9);
    small.properties.set_maximum_packet_size(9);
    world.join(A, small);
    world.subscribe(A, "#", QOS0);
    world.send(A, publish("t", "1234"), "");
    world.send(A, publish("t", "123"), "A PUBLISH t 123");
    world.send(A, publish("t", ""), "A PUBLISH t TopicAlias=1");
    world.send(A, publish("t", "1"), "A PUBLISH  1 TopicAlias=1");
}
