//! `$SYS`.

use broker::Config;

use crate::harness::*;

#[test]
fn statistics_are_published_at_once_and_at_every_interval() {
    let mut world = World::with(Config {
        sys_interval_s: 10,
        ..plain_config()
    });
    world.join(A, client("a"));
    world.send(
        A,
        subscribe(1, "$SYS/broker/uptime", QOS0),
        "A SUBACK 1 GrantedQoS0\nA PUBLISH $SYS/broker/uptime 0 seconds retain",
    );
    world.send(
        A,
        subscribe(2, "$SYS/broker/clients/+", QOS0),
        "A SUBACK 2 GrantedQoS0
         A PUBLISH $SYS/broker/clients/connected 0 retain
         A PUBLISH $SYS/broker/clients/total 0 retain",
    );
    world.wait_ms(9_999, "");
    world.wait_ms(
        1,
        "A PUBLISH $SYS/broker/uptime 10 seconds
         A PUBLISH $SYS/broker/clients/connected 1
         A PUBLISH $SYS/broker/clients/total 1",
    );
}

#[test]
fn clients_cannot_publish_statistics() {
    let mut world = World::with(Config {
        sys_interval_s: 10,
        ..plain_config()
    });
    world.join(A, client("a"));
    world.send(A, publish("$SYS/broker/uptime", "x").with_retain(true), "");
    world.send(
        A,
        publish1(1, "$SYS/broker/uptime", "x"),
        "A PUBACK 1 NotAuthorized",
    );
    world.send(
        A,
        subscribe(1, "$SYS/broker/uptime", QOS0),
        "A SUBACK 1 GrantedQoS0\nA PUBLISH $SYS/broker/uptime 0 seconds retain",
    );
}

#[test]
fn without_an_interval_there_are_none() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.send(A, subscribe(1, "$SYS/#", QOS0), "A SUBACK 1 GrantedQoS0");
    assert_eq!(world.ms_to_timeout(), None);
    world.send(A, publish("$SYS/a", "x"), "A PUBLISH $SYS/a x");
}
