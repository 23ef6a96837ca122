//! Events and counters.

use broker::codec::DecodeError;
use broker::packet::disconnect::DisconnectPacket;
use broker::{
    Broker, BrokerEvent, CloseReason, DisconnectCause, Packet, ReasonCode, Stats, TopicFilter,
};

use crate::harness::*;

#[test]
fn connections_subscriptions_and_disconnections_are_reported() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.subscribe(A, "t/+", QOS1);
    world.send(A, unsubscribe(1, "t/+"), "A UNSUBACK 1 Success");
    world.send(
        A,
        unsubscribe(1, "t/+"),
        "A UNSUBACK 1 NoSubscriptionExisted",
    );
    world.leave(A);
    let filter = TopicFilter::parse("t/+").unwrap();
    assert_eq!(
        world.events(),
        [
            BrokerEvent::Connected {
                conn: A,
                client_id: "a".into(),
                session_present: false
            },
            BrokerEvent::Subscribed {
                client_id: "a".into(),
                topic_filter: filter.clone(),
                qos: QOS1
            },
            BrokerEvent::Unsubscribed {
                client_id: "a".into(),
                topic_filter: filter
            },
            BrokerEvent::Disconnected {
                conn: A,
                client_id: "a".into(),
                cause: DisconnectCause::Client(ReasonCode::Success),
            },
        ]
    );
}

#[test]
fn a_disconnection_event_names_its_initiator() {
    let closed = "A DISCONNECT ProtocolError\nA closed ProtocolError";
    let mut world = World::new();
    world.join(A, client("a"));
    world.gone(A, "");
    world.join(A, client("a"));
    let with_will = DisconnectPacket::new(ReasonCode::DisconnectWithWillMessage);
    world.send(A, with_will, "A closed DisconnectWithWillMessage");
    world.join(A, client("a"));
    world.send(A, Packet::PingResp, closed);
    let causes: Vec<DisconnectCause> = world
        .events()
        .into_iter()
        .filter_map(|event| match event {
            BrokerEvent::Disconnected { cause, .. } => Some(cause),
            _ => None,
        })
        .collect();
    assert_eq!(
        causes,
        [
            DisconnectCause::ConnectionLost,
            DisconnectCause::Client(ReasonCode::DisconnectWithWillMessage),
            DisconnectCause::Broker(CloseReason::ServerPacket { packet: "PINGRESP" }),
        ]
    );
}

#[test]
fn a_takeover_event_names_the_new_connection() {
    let mut world = World::new();
    world.join(A, lasting("a", 10));
    world.events();
    world.connect(
        B,
        lasting("a", 10),
        "A DISCONNECT SessionTakenOver
         A closed SessionTakenOver
         B CONNACK Success session",
    );
    assert_eq!(
        world.events(),
        [
            BrokerEvent::Disconnected {
                conn: A,
                client_id: "a".into(),
                cause: DisconnectCause::Broker(CloseReason::TakenOver { by: B }),
            },
            BrokerEvent::Connected {
                conn: B,
                client_id: "a".into(),
                session_present: true
            },
        ]
    );
}

#[test]
fn a_refused_connection_is_reported_with_its_reason() {
    let mut world = World::new();
    world.open(A);
    world.send_bytes(A, &[0], "A closed MalformedPacket");
    world.open(A);
    world.send(A, Packet::PingReq, "A closed ProtocolError");
    assert_eq!(
        world.events(),
        [
            BrokerEvent::Refused {
                conn: A,
                reason: CloseReason::Malformed(DecodeError::ReservedPacketType)
            },
            BrokerEvent::Refused {
                conn: A,
                reason: CloseReason::NoConnect { packet: "PINGREQ" }
            },
        ]
    );
}

#[test]
fn the_statistics_have_current_and_total_numbers() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.join(B, lasting("b", 100));
    world.subscribe(A, "t", QOS1);
    world.subscribe(B, "t", QOS1);
    world.subscribe(B, "u", QOS0);
    world.gone(B, "");
    world.send(
        A,
        publish1(1, "t", "x").with_retain(true),
        "A PUBLISH t x qos1 #1\nA PUBACK 1",
    );
    world.send(A, publish2(2, "n", "x"), "A PUBREC 2 NoMatchingSubscribers");
    world.send(A, publish2(2, "n", "x").with_dup(true), "A PUBREC 2");
    assert_eq!(
        world.stats(),
        Stats {
            connections: 1,
            sessions: 2,
            subscriptions: 3,
            retained_messages: 1,
            messages_received: 2,
            messages_delivered: 1,
            messages_dropped: 0,
        }
    );
    world.connect(
        B,
        lasting("b", 100),
        "B CONNACK Success session
         B PUBLISH t x qos1 #1",
    );
    world.gone(B, "");
    world.connect(
        B,
        lasting("b", 100),
        "B CONNACK Success session
         B PUBLISH t x qos1 #1 dup",
    );
    assert_eq!(
        (world.stats().connections, world.stats().messages_delivered),
        (2, 2)
    );
    world.leave(A);
    assert_eq!(
        (
            world.stats().connections,
            world.stats().sessions,
            world.stats().subscriptions
        ),
        (1, 1, 2)
    );
}

#[test]
fn a_broker_can_move_to_another_thread() {
    fn assert_send<T: Send>() {}
    assert_send::<Broker>();
}
