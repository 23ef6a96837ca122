//! Statistics under `$SYS`.

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
fn without_an_interval_no_statistics_are_published() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.send(A, subscribe(1, "$SYS/#", QOS0), "A SUBACK 1 GrantedQoS0");
    assert_eq!(world.ms_to_timeout(), None);
    world.send(A, publish("$SYS/a", "x"), "A PUBLISH $SYS/a x");
}

#[test]
fn statistics_do_not_count_against_the_limit_of_retained_messages() {
    let mut world = World::with(Config {
        sys_interval_s: 10,
        retained_messages_max: 1,
        retained_bytes_max: 6,
        ..plain_config()
    });
    world.join(A, client("a"));
    world.subscribe(A, "no/matter", QOS0);
    let statistics = world.stats().retained_messages;
    assert!(statistics > 1);
    let retained =
        |packet_id, topic, payload| publish1(packet_id, topic, payload).with_retain(true);
    world.send(
        A,
        retained(1, "t", "12345"),
        "A PUBACK 1 NoMatchingSubscribers",
    );
    assert_eq!(world.stats().retained_messages, statistics + 1);
    world.send(A, retained(2, "u", ""), "A PUBACK 2 NoMatchingSubscribers");
    world.send(A, retained(3, "u", "1"), "A PUBACK 3 QuotaExceeded");
    world.send(A, retained(4, "t", "123456"), "A PUBACK 4 QuotaExceeded");
    // The next statistics are longer, and still do not count against the limit.
    world.wait_ms(100_000, "");
    world.send(A, retained(5, "u", "1"), "A PUBACK 5 QuotaExceeded");
    world.send(A, retained(6, "t", ""), "A PUBACK 6 NoMatchingSubscribers");
    world.send(
        A,
        retained(7, "u", "12345"),
        "A PUBACK 7 NoMatchingSubscribers",
    );
}
