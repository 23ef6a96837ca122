//! The state that the next broker restores, one kind per test.

use broker::access::AllowAll;
use broker::packet::publish::PublishPacket;
use broker::packet::pubrec::PubRecPacket;
use broker::packet::subscribe::{RetainHandling, SubscriptionOptions};
use broker::{Broker, Config, ConnId, Input, Output, ReasonCode, Time};
use mqtt5_protocol::WillMessage;

use crate::harness::*;

const LONG: u32 = 1_000;

/// A retained message without a subscriber.
fn retained(packet_id: u16, topic: &str, payload: &str) -> PublishPacket {
    publish1(packet_id, topic, payload).with_retain(true)
}

/// A client connects, publishes one message and disconnects.
fn publish_from_elsewhere(world: &mut World, publish: PublishPacket) {
    world.join(D, client("elsewhere"));
    let answer = match (publish.qos, publish.packet_id) {
        (QOS1, Some(packet_id)) => format!("D PUBACK {packet_id}"),
        (QOS2, Some(packet_id)) => format!("D PUBREC {packet_id}"),
        _ => String::new(),
    };
    world.send(D, publish, &answer);
    world.leave(D);
}

#[test]
fn subscriptions_are_restored_with_their_options() {
    let mut world = World::new();
    world.join(A, lasting("a", LONG));
    let options = SubscriptionOptions {
        qos: QOS1,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::SendAtSubscribe,
    };
    let mut subscribe = subscribe_with(1, "t/+", options);
    subscribe.properties.set_subscription_identifier(7);
    world.send(A, subscribe, "A SUBACK 1 GrantedQoS1");
    world.subscribe(A, "u/#", QOS2);
    world.subscribe(A, "v", QOS0);
    world.send(A, unsubscribe(2, "v"), "A UNSUBACK 2 Success");
    let restored = world.change_broker();
    assert_eq!((restored.sessions, restored.subscriptions), (1, 2));
    world.rejoin(A, lasting("a", LONG));
    world.send(
        A,
        publish1(1, "t/a", "own"),
        "A PUBACK 1 NoMatchingSubscribers",
    );
    world.join(B, client("b"));
    world.send(
        B,
        publish2(1, "t/a", "x").with_retain(true),
        "B PUBREC 1
         A PUBLISH t/a x qos1 #1 retain SubscriptionIdentifier=7",
    );
    world.send(B, publish("u", "y"), "A PUBLISH u y");
    world.send(B, publish("v", "z"), "");
}

#[test]
fn queued_messages_are_restored_in_order() {
    let mut world = World::new();
    world.join(A, lasting("a", LONG));
    world.subscribe(A, "t", QOS2);
    world.gone(A, "");
    for publish in [
        publish1(1, "t", "x"),
        publish2(2, "t", "y"),
        publish1(3, "t", "z"),
    ] {
        publish_from_elsewhere(&mut world, publish);
    }
    assert_eq!(world.change_broker().messages, 3);
    world.connect(
        A,
        lasting("a", LONG),
        "A CONNACK Success session
         A PUBLISH t x qos1 #1
         A PUBLISH t y qos2 #2
         A PUBLISH t z qos1 #3",
    );
}

#[test]
fn messages_in_flight_are_sent_again_with_their_packet_identifiers() {
    let mut world = World::new();
    world.join(A, lasting("a", LONG));
    world.subscribe(A, "t", QOS2);
    world.join(B, client("b"));
    world.send(
        B,
        publish1(1, "t", "x"),
        "A PUBLISH t x qos1 #1\nB PUBACK 1",
    );
    world.send(
        B,
        publish2(2, "t", "y"),
        "A PUBLISH t y qos2 #2\nB PUBREC 2",
    );
    world.send(
        B,
        publish1(3, "t", "z"),
        "A PUBLISH t z qos1 #3\nB PUBACK 3",
    );
    world.send(A, puback(1), "");
    world.change_broker();
    world.connect(
        A,
        lasting("a", LONG),
        "A CONNACK Success session
         A PUBLISH t y qos2 #2 dup
         A PUBLISH t z qos1 #3 dup",
    );
    world.rejoin(B, client_again("b"));
    world.send(
        B,
        publish1(4, "t", "w"),
        "A PUBLISH t w qos1 #4\nB PUBACK 4",
    );
}

/// A client that resumes its session, which ends with the connection.
fn client_again(client_id: &str) -> broker::packet::connect::ConnectPacket {
    lasting(client_id, 0)
}

#[test]
fn packet_identifiers_continue_after_the_last_assigned_one() {
    let mut world = World::new();
    world.join(A, lasting("a", LONG));
    world.subscribe(A, "t", QOS1);
    world.join(B, client("b"));
    for packet_id in 1..=3 {
        let sent = format!("A PUBLISH t  qos1 #{packet_id}\nB PUBACK {packet_id}");
        let sent = sent.replace("  ", " ");
        world.send(B, publish1(packet_id, "t", ""), &sent);
    }
    world.send(A, puback(3), "");
    world.send(A, puback(1), "");
    world.change_broker();
    world.connect(
        A,
        lasting("a", LONG),
        "A CONNACK Success session\nA PUBLISH t qos1 #2 dup",
    );
    world.rejoin(B, client_again("b"));
    world.send(
        B,
        publish1(4, "t", "w"),
        "A PUBLISH t w qos1 #4\nB PUBACK 4",
    );
}

#[test]
fn an_unanswered_pubrel_is_sent_again_and_its_publish_is_not() {
    let mut world = World::new();
    world.join(A, lasting("a", LONG));
    world.subscribe(A, "t", QOS2);
    publish_from_elsewhere_with(&mut world, publish2(1, "t", "x"), "A PUBLISH t x qos2 #1");
    publish_from_elsewhere_with(&mut world, publish2(2, "t", "y"), "A PUBLISH t y qos2 #2");
    world.send(A, pubrec(2), "A PUBREL 2");
    world.send(A, pubrec(1), "A PUBREL 1");
    world.send(A, pubcomp(2), "");
    world.change_broker();
    world.connect(
        A,
        lasting("a", LONG),
        "A CONNACK Success session\nA PUBREL 1",
    );
    world.send(A, pubcomp(1), "");
    world.change_broker();
    world.rejoin(A, lasting("a", LONG));
}

/// The same with a subscriber that receives the message at once.
fn publish_from_elsewhere_with(world: &mut World, publish: PublishPacket, received: &str) {
    world.join(D, client("elsewhere"));
    let packet_id = publish.packet_id.unwrap();
    world.send(D, publish, &format!("{received}\nD PUBREC {packet_id}"));
    world.leave(D);
}

#[test]
fn a_message_that_its_receiver_refused_is_not_restored() {
    let mut world = World::new();
    world.join(A, lasting("a", LONG));
    world.subscribe(A, "t", QOS2);
    publish_from_elsewhere_with(&mut world, publish2(1, "t", "x"), "A PUBLISH t x qos2 #1");
    let refusal = PubRecPacket::new_with_reason(1, ReasonCode::UnspecifiedError);
    world.send(A, broker::Packet::PubRec(refusal), "");
    world.change_broker();
    world.rejoin(A, lasting("a", LONG));
}

#[test]
fn a_message_above_the_maximum_packet_size_of_the_client_is_not_restored() {
    let mut world = World::new();
    world.join(A, lasting("a", LONG));
    world.subscribe(A, "t", QOS1);
    let payload = "x".repeat(100);
    world.join(D, client("elsewhere"));
    world.send(
        D,
        publish1(1, "t", &payload),
        &format!("A PUBLISH t {payload} qos1 #1\nD PUBACK 1"),
    );
    world.leave(D);
    world.gone(A, "");
    let mut small = lasting("a", LONG);
    small.properties.set_maximum_packet_size(50);
    world.rejoin(A, small);
    assert_eq!(world.change_broker().messages, 0);
    world.rejoin(A, lasting("a", LONG));
}

#[test]
fn a_repeated_qos_2_message_is_not_routed_again_after_a_change_of_broker() {
    let mut world = World::new();
    world.join(A, lasting("a", LONG));
    world.join(B, lasting("b", LONG));
    world.subscribe(B, "t", QOS1);
    world.send(
        A,
        publish2(5, "t", "x"),
        "A PUBREC 5\nB PUBLISH t x qos1 #1",
    );
    world.send(B, puback(1), "");
    world.change_broker();
    world.rejoin(A, lasting("a", LONG));
    world.rejoin(B, lasting("b", LONG));
    world.send(A, publish2(5, "t", "x").with_dup(true), "A PUBREC 5");
    world.send(A, pubrel(5), "A PUBCOMP 5");
    world.change_broker();
    world.rejoin(A, lasting("a", LONG));
    world.rejoin(B, lasting("b", LONG));
    // After PUBREL, the identifier is of a new message.
    world.send(
        A,
        publish2(5, "t", "y"),
        "A PUBREC 5\nB PUBLISH t y qos1 #2",
    );
}

#[test]
fn retained_messages_are_restored_and_cleared_ones_are_not() {
    let mut world = World::new();
    world.join(A, client("a"));
    for (packet_id, topic, payload) in [
        (1, "t/a", "1"),
        (2, "t/a", "2"),
        (3, "t/b", "3"),
        (4, "t/b", ""),
    ] {
        let answer = format!("A PUBACK {packet_id} NoMatchingSubscribers");
        world.send(A, retained(packet_id, topic, payload), &answer);
    }
    world.send(A, publish("t/c", "4").with_retain(true), "");
    let restored = world.change_broker();
    assert_eq!(restored.retained_messages, 2);
    world.join(B, client("b"));
    world.send(
        B,
        subscribe(1, "#", QOS1),
        "B SUBACK 1 GrantedQoS1
         B PUBLISH t/a 2 qos1 #1 retain
         B PUBLISH t/c 4 retain",
    );
}

#[test]
fn a_message_is_restored_with_its_properties() {
    let mut world = World::new();
    world.join(A, client("a"));
    let mut message = retained(1, "t", "x");
    message.properties.set_payload_format_indicator(true);
    message.properties.set_content_type("text/plain".into());
    message.properties.set_response_topic("r".into());
    message.properties.set_correlation_data("c".into());
    message.properties.add_user_property("b".into(), "1".into());
    message.properties.add_user_property("a".into(), "2".into());
    message.properties.set_message_expiry_interval(10);
    world.send(A, message, "A PUBACK 1 NoMatchingSubscribers");
    world.pass_ms(4_000);
    world.change_broker();
    world.join(B, client("b"));
    world.send(
        B,
        subscribe(1, "t", QOS0),
        "B SUBACK 1 GrantedQoS0
         B PUBLISH t x retain PayloadFormatIndicator=1 MessageExpiryInterval=6 ContentType=text/plain \
         ResponseTopic=r CorrelationData=b\"c\" b:1 a:2",
    );
    world.wait_ms(6_000, "");
    assert_eq!(world.stats().retained_messages, 0);
}

#[test]
fn the_publisher_of_a_retained_message_is_known_after_its_session_has_ended() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.send(A, retained(1, "t", "x"), "A PUBACK 1 NoMatchingSubscribers");
    world.leave(A);
    world.change_broker();
    world.join(A, client("a"));
    let no_local = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::default()
    };
    world.send(
        A,
        subscribe_with(1, "t", no_local),
        "A SUBACK 1 GrantedQoS0",
    );
}

#[test]
fn a_queued_message_expires_while_there_is_no_broker() {
    let mut world = World::new();
    world.join(A, lasting("a", LONG));
    world.subscribe(A, "t", QOS1);
    world.gone(A, "");
    let brief = publish1(1, "t", "x").with_message_expiry_interval(10);
    publish_from_elsewhere(&mut world, brief);
    let longer = publish1(2, "t", "y").with_message_expiry_interval(30);
    publish_from_elsewhere(&mut world, longer);
    world.pass_ms(12_000);
    world.change_broker();
    world.connect(
        A,
        lasting("a", LONG),
        "A CONNACK Success session\nA PUBLISH t y qos1 #1 MessageExpiryInterval=18",
    );
}

/// B is subscribed to wills. A has a will with a delay of 20 s and a session of 100 s.
fn with_will_that_waits() -> World {
    let mut world = World::new();
    world.join(B, lasting("b", LONG));
    world.subscribe(B, "will", QOS0);
    let mut will = WillMessage::new("will", "gone").with_qos(QOS1);
    will.properties.will_delay_interval = Some(20);
    will.properties.content_type = Some("text".into());
    world.join(A, with_will(lasting("a", 100), will));
    world.gone(A, "");
    world
}

#[test]
fn a_delayed_will_keeps_its_due_time() {
    let mut world = with_will_that_waits();
    world.pass_ms(15_000);
    world.change_broker();
    world.rejoin(B, lasting("b", LONG));
    world.wait_ms(4_999, "");
    world.wait_ms(1, "B PUBLISH will gone ContentType=text");
    world.change_broker();
    world.rejoin(B, lasting("b", LONG));
    world.wait_ms(200_000, "");
}

#[test]
fn a_will_that_became_due_without_a_broker_is_published_with_the_first_input() {
    let mut world = with_will_that_waits();
    world.pass_ms(50_000);
    world.change_broker();
    // B has not reconnected, and QoS 0 is not queued, so only the event shows the will.
    world.open(C);
    assert_eq!(
        world.events().iter().filter(|event| is_will(event)).count(),
        1
    );
    world.rejoin(A, lasting("a", 100));
}

fn is_will(event: &broker::BrokerEvent) -> bool {
    matches!(event, broker::BrokerEvent::WillPublished { .. })
}

#[test]
fn a_client_that_reconnects_within_the_delay_cancels_its_will() {
    let mut world = with_will_that_waits();
    world.pass_ms(15_000);
    world.change_broker();
    world.rejoin(B, lasting("b", LONG));
    world.rejoin(A, lasting("a", 100));
    world.wait_ms(200_000, "");
}

#[test]
fn a_session_without_a_connection_keeps_its_expiry_time() {
    let mut world = World::new();
    world.join(A, lasting("a", 100));
    world.gone(A, "");
    world.pass_ms(60_000);
    assert_eq!(world.change_broker().in_reconnect_grace, 0);
    world.wait_ms(39_999, "");
    assert_eq!(world.stats().sessions, 1);
    world.wait_ms(1, "");
    assert_eq!(world.stats().sessions, 0);
    assert_eq!(world.change_broker().sessions, 0);
}

#[test]
fn a_session_that_expired_without_a_broker_is_not_resumed() {
    let mut world = World::new();
    world.join(A, lasting("a", 100));
    world.subscribe(A, "t", QOS1);
    world.gone(A, "");
    world.pass_ms(100_000);
    assert_eq!(world.change_broker().sessions, 1);
    world.connect(A, lasting("a", 100), "A CONNACK Success");
}

#[test]
fn an_expiry_interval_from_disconnect_is_restored() {
    let mut world = World::new();
    world.join(A, lasting("a", 100));
    let mut disconnect = broker::packet::disconnect::DisconnectPacket::normal();
    disconnect.properties.set_session_expiry_interval(10);
    world.send(A, disconnect, "A closed Success");
    world.change_broker();
    world.wait_ms(10_000, "");
    assert_eq!(world.stats().sessions, 0);
}

#[test]
fn members_of_a_shared_subscription_are_restored_with_their_messages() {
    let mut world = World::new();
    world.join(A, lasting("a", LONG));
    world.subscribe(A, "$share/g/t", QOS1);
    world.join(B, lasting("b", LONG));
    world.subscribe(B, "$share/g/t", QOS1);
    world.join(C, client("c"));
    world.send(
        C,
        publish1(1, "t", "x"),
        "A PUBLISH t x qos1 #1\nC PUBACK 1",
    );
    assert_eq!(world.change_broker().messages, 1);
    world.rejoin(B, lasting("b", LONG));
    // A does not reconnect, so its message goes to B.
    world.wait_ms(30_000, "B PUBLISH t x qos1 #1");
    world.send(B, puback(1), "");
    world.change_broker();
    world.rejoin(A, lasting("a", LONG));
    world.rejoin(B, lasting("b", LONG));
}

#[test]
fn client_identifiers_are_not_assigned_twice() {
    let mut world = World::new();
    let assigned = |number| format!("A CONNACK Success AssignedClientIdentifier=auto-{number}");
    world.connect(A, client(""), &assigned(1));
    world.leave(A);
    world.change_broker();
    world.connect(A, client(""), &assigned(2));
}

#[test]
fn the_statistics_are_not_stored() {
    let mut world = World::with(Config {
        sys_interval_s: 10,
        ..plain_config()
    });
    world.join(A, client("a"));
    assert!(world.stats().retained_messages > 0);
    assert_eq!(world.change_broker().retained_messages, 0);
    world.wait_ms(1, "");
    assert!(world.stats().retained_messages > 0);
}

#[test]
fn a_message_for_many_receivers_is_stored_once() {
    let mut broker = Broker::new(Config {
        durable: true,
        ..plain_config()
    });
    let mut batches = Vec::new();
    let mut tell = |broker: &mut Broker, input| {
        let mut out = Vec::new();
        broker.handle(Time::from_ms(1_000), input, &mut out);
        batches.extend(out.into_iter().filter_map(|output| match output {
            Output::Persist(_, bytes) => Some(bytes),
            _ => None,
        }));
    };
    for number in 0..5_000 {
        let conn = ConnId(100 + number);
        let client = lasting(&format!("client-{number}"), LONG);
        tell(&mut broker, Input::Opened(conn));
        tell(&mut broker, Input::Packet(conn, client.packet()));
        tell(
            &mut broker,
            Input::Packet(conn, subscribe(1, "t", QOS1).packet()),
        );
        tell(&mut broker, Input::Gone(conn));
    }
    tell(&mut broker, Input::Opened(A));
    tell(&mut broker, Input::Packet(A, client("a").packet()));
    let payload = "x".repeat(100_000);
    tell(
        &mut broker,
        Input::Packet(A, publish1(1, "t", &payload).packet()),
    );
    let stored = batches.last().unwrap().len();
    assert!(stored < 100_000 + 5_000 * 12, "{stored} bytes");
    let snapshot = broker.snapshot();
    let stored: usize = snapshot.iter().map(Vec::len).sum();
    assert!(stored < 1_000_000, "{stored} bytes");
    assert!(snapshot.iter().all(|block| block.len() < 500_000));
    for log in [&batches, &snapshot] {
        let blocks = log.iter().map(Vec::as_slice);
        let access = Box::new(AllowAll);
        let (_, restored) = Broker::restore(plain_config(), access, blocks, Time::from_ms(1_000));
        assert_eq!((restored.skipped, restored.messages), (0, 5_000));
    }
}

#[test]
fn a_message_without_receivers_is_not_stored() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.join(B, client("b"));
    world.subscribe(B, "v", QOS0);
    let stored = world.broker.stored;
    world.send(A, publish1(1, "t", "x"), "A PUBACK 1 NoMatchingSubscribers");
    world.send(A, publish1(2, "v", "x"), "A PUBACK 2\nB PUBLISH v x");
    world.send(A, publish("v", "x"), "B PUBLISH v x");
    assert_eq!(world.broker.stored, stored);
}

#[test]
fn a_message_dropped_at_a_full_queue_is_not_stored() {
    let mut world = World::with(Config {
        queue_messages_max: 1,
        ..plain_config()
    });
    world.join(A, lasting("a", LONG));
    world.subscribe(A, "t", QOS1);
    world.gone(A, "");
    world.join(B, client("b"));
    world.send(B, publish1(1, "t", "x"), "B PUBACK 1");
    let stored = world.broker.stored;
    world.send(B, publish1(2, "t", "y"), "B PUBACK 2 QuotaExceeded");
    assert_eq!(world.broker.stored, stored);
    assert_eq!(world.change_broker().messages, 1);
}
