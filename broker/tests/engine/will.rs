//! Wills: the time and the properties of their publication, and their removal.

use broker::packet::connect::ConnectPacket;
use broker::packet::disconnect::DisconnectPacket;
use broker::{BrokerEvent, Input, Packet, ReasonCode, TopicName};
use mqtt5_protocol::{WillMessage, WillProperties};

use crate::harness::*;

const NEVER: u32 = u32::MAX;

fn will(delay_s: u32) -> WillMessage {
    let mut will = WillMessage::new("will", "gone");
    will.properties.will_delay_interval = (delay_s > 0).then_some(delay_s);
    will
}

fn mortal(delay_s: u32, expiry_interval_s: u32) -> ConnectPacket {
    with_will(lasting("a", expiry_interval_s), will(delay_s))
}

/// B is subscribed to wills; A has a will.
fn watched(connect: ConnectPacket) -> World {
    let mut world = World::new();
    world.join(B, client("b"));
    world.subscribe(B, "will", QOS2);
    world.join(A, connect);
    world
}

const WILL: &str = "B PUBLISH will gone";

#[test] // MQTT-3.1.2-8
fn a_lost_connection_publishes_the_will() {
    let mut world = watched(mortal(0, 100));
    world.gone(A, WILL);
    world.rejoin(A, lasting("a", 100));
    world.gone(A, "");
}

#[test] // MQTT-3.14.4-3, MQTT-3.1.2-10
fn a_normal_disconnect_removes_the_will() {
    let mut world = watched(mortal(0, 100));
    world.leave(A);
    world.wait_ms(200_000, "");
}

#[test]
fn disconnect_0x04_publishes_the_will() {
    let mut world = watched(mortal(0, 100));
    world.send(
        A,
        DisconnectPacket::new(ReasonCode::DisconnectWithWillMessage),
        "A closed DisconnectWithWillMessage
         B PUBLISH will gone",
    );
}

#[test]
fn a_disconnect_with_an_error_publishes_the_will() {
    let mut world = watched(mortal(0, 100));
    world.send(
        A,
        DisconnectPacket::new(ReasonCode::UnspecifiedError),
        "A closed UnspecifiedError
         B PUBLISH will gone",
    );
}

#[test] // MQTT-3.1.2-8
fn a_protocol_error_publishes_the_will() {
    let mut world = watched(mortal(0, 0));
    world.send(
        A,
        Packet::PingResp,
        "A DISCONNECT ProtocolError
         A closed ProtocolError
         B PUBLISH will gone",
    );
}

#[test] // MQTT-3.1.2-8
fn an_invalid_disconnect_publishes_the_will() {
    let mut world = watched(mortal(0, 0));
    world.send(
        A,
        DisconnectPacket::normal().with_session_expiry_interval(5),
        "A DISCONNECT ProtocolError
         A closed ProtocolError
         B PUBLISH will gone",
    );
}

#[test] // MQTT-3.1.2-8, MQTT-3.1.2-22
fn a_keep_alive_timeout_publishes_the_will() {
    let mut connect = mortal(0, 0);
    connect.keep_alive = 2;
    let mut world = watched(connect);
    world.wait_ms(
        3_000,
        "A DISCONNECT KeepAliveTimeout
         A closed KeepAliveTimeout
         B PUBLISH will gone",
    );
}

#[test] // MQTT-3.1.2-8
fn a_will_is_published_after_its_delay() {
    let mut world = watched(mortal(10, 100));
    world.gone(A, "");
    assert_eq!(world.ms_to_timeout(), Some(10_000));
    world.wait_ms(9_999, "");
    world.wait_ms(1, WILL);
    world.wait_ms(200_000, "");
}

#[test] // MQTT-3.1.2-8
fn a_will_is_published_at_the_latest_when_its_session_ends() {
    let mut world = watched(mortal(100, 10));
    world.gone(A, "");
    world.wait_ms(9_999, "");
    world.wait_ms(1, WILL);
    assert_eq!(world.ms_to_timeout(), None);
}

#[test] // MQTT-3.1.2-8
fn a_will_of_a_session_with_expiry_interval_0_has_no_delay() {
    let mut world = watched(mortal(5, 0));
    world.gone(A, WILL);
    world.wait_ms(10_000, "");
}

#[test]
fn a_will_due_at_the_end_of_its_session_is_published_once() {
    let mut world = watched(mortal(10, 10));
    world.gone(A, "");
    world.wait_ms(10_000, WILL);
    assert_eq!(world.stats().sessions, 1);
}

#[test]
fn the_will_of_a_session_that_never_expires_is_published() {
    let mut world = watched(mortal(10, NEVER));
    world.gone(A, "");
    world.wait_ms(10_000, WILL);
    assert_eq!(world.ms_to_timeout(), None);
}

#[test]
fn disconnect_0x04_that_ends_the_session_publishes_the_will_at_once() {
    let mut world = watched(mortal(10, 100));
    world.send(
        A,
        DisconnectPacket::new(ReasonCode::DisconnectWithWillMessage)
            .with_session_expiry_interval(0),
        "A closed DisconnectWithWillMessage
         B PUBLISH will gone",
    );
}

#[test] // MQTT-3.1.3-9
fn reconnecting_within_the_delay_cancels_the_will() {
    let mut world = watched(mortal(10, 100));
    world.gone(A, "");
    world.wait_ms(9_999, "");
    world.rejoin(A, lasting("a", 100));
    world.wait_ms(100_000, "");
    world.gone(A, "");
    world.wait_ms(100_000, "");
}

#[test] // MQTT-3.1.3-9
fn reconnecting_after_the_delay_publishes_the_will_even_if_the_timer_is_late() {
    let mut world = watched(mortal(10, 100));
    world.gone(A, "");
    world.pass_ms(10_000);
    world.check(Input::Opened(C), WILL);
    world.send(C, lasting("a", 100), "C CONNACK Success session");
}

#[test] // MQTT-3.1.2-8
fn reconnecting_with_clean_start_ends_the_session_and_publishes_its_will() {
    let mut world = watched(mortal(10, 100));
    world.gone(A, "");
    world.connect(
        A,
        client("a"),
        "B PUBLISH will gone
         A CONNACK Success",
    );
    world.wait_ms(100_000, "");
}

#[test] // MQTT-3.1.4-3
fn a_takeover_publishes_a_will_without_delay() {
    let mut world = watched(mortal(0, 100));
    world.connect(
        C,
        mortal(0, 100),
        "A DISCONNECT SessionTakenOver
         A closed SessionTakenOver
         B PUBLISH will gone
         C CONNACK Success session",
    );
}

#[test] // MQTT-3.1.3-9, MQTT-3.1.4-3
fn a_takeover_within_the_delay_cancels_the_will() {
    let mut world = watched(mortal(10, 100));
    world.connect(
        C,
        lasting("a", 100),
        "A DISCONNECT SessionTakenOver
         A closed SessionTakenOver
         C CONNACK Success session",
    );
    world.wait_ms(100_000, "");
}

#[test] // MQTT-3.1.4-3
fn a_takeover_with_clean_start_publishes_a_delayed_will_at_once() {
    let mut world = watched(mortal(10, 100));
    world.connect(
        C,
        client("a"),
        "A DISCONNECT SessionTakenOver
         A closed SessionTakenOver
         B PUBLISH will gone
         C CONNACK Success",
    );
}

#[test]
fn the_last_connect_gives_the_will() {
    let mut world = watched(mortal(0, 100));
    world.leave(A);
    world.rejoin(
        A,
        with_will(lasting("a", 100), WillMessage::new("will", "second")),
    );
    world.gone(A, "B PUBLISH will second");
}

#[test] // MQTT-3.1.3-10
fn a_will_keeps_its_properties_and_the_order_of_its_user_properties() {
    let mut message = will(3).with_qos(QOS2);
    message.properties = WillProperties {
        will_delay_interval: Some(3),
        payload_format_indicator: Some(true),
        message_expiry_interval: Some(60),
        content_type: Some("text/plain".into()),
        response_topic: Some("answers".into()),
        correlation_data: Some(vec![7]),
        user_properties: vec![
            ("b".into(), "1".into()),
            ("a".into(), "2".into()),
            ("b".into(), "3".into()),
        ],
    };
    let mut world = watched(with_will(lasting("a", 100), message));
    world.pass_ms(500_000);
    world.gone(A, "");
    world.wait_ms(
        3_000,
        r#"B PUBLISH will gone qos2 #1 PayloadFormatIndicator=1 MessageExpiryInterval=60 ContentType=text/plain ResponseTopic=answers CorrelationData=b"\x07" b:1 a:2 b:3"#,
    );
}

#[test] // MQTT-3.1.2-14, MQTT-3.1.2-15
fn a_will_is_retained_only_with_will_retain() {
    for (retain, retained) in [(false, ""), (true, "B PUBLISH will gone retain")] {
        let mut world = watched(with_will(client("a"), will(0).with_retain(retain)));
        world.gone(A, WILL);
        world.send(
            B,
            subscribe(1, "will", QOS0),
            &format!("B SUBACK 1 GrantedQoS0\n{retained}"),
        );
    }
}

#[test]
fn an_expired_will_is_not_delivered() {
    let mut message = will(0).with_qos(QOS1);
    message.properties.message_expiry_interval = Some(5);
    let mut world = World::new();
    world.join(B, lasting("b", 100));
    world.subscribe(B, "will", QOS1);
    world.gone(B, "");
    world.join(A, with_will(client("a"), message));
    world.pass_ms(60_000);
    world.gone(A, "");
    world.pass_ms(4_000);
    world.connect(
        B,
        lasting("b", 100),
        "B CONNACK Success session
         B PUBLISH will gone qos1 #1 MessageExpiryInterval=1",
    );
    world.gone(B, "");
}

#[test]
fn a_client_that_reconnects_gets_its_own_retained_will() {
    let mut world = World::new();
    world.join(A, with_will(lasting("a", 100), will(1).with_qos(QOS1)));
    world.subscribe(A, "will", QOS1);
    world.gone(A, "");
    world.wait_ms(1_000, "");
    world.connect(
        B,
        lasting("a", 100),
        "B CONNACK Success session
         B PUBLISH will gone qos1 #1",
    );
}

#[test]
fn the_publication_of_a_will_is_reported() {
    let mut world = watched(mortal(0, 0));
    world.events();
    world.check(Input::Gone(A), WILL);
    let published = BrokerEvent::WillPublished {
        client_id: "a".into(),
        topic: TopicName::parse("will").unwrap(),
    };
    assert!(world.events().contains(&published));
}
