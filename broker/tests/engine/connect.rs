//! CONNECT, CONNACK, Keep Alive, and the end of connections.

use broker::packet::auth::AuthPacket;
use broker::packet::connack::ConnAckPacket;
use broker::packet::connect::ConnectPacket;
use broker::packet::suback::SubAckPacket;
use broker::packet::unsuback::UnsubAckPacket;
use broker::{Config, Input, Packet, Properties, PropertyId, PropertyValue, ReasonCode};

use crate::harness::*;

#[test] // MQTT-3.1.0-1, MQTT-3.14.0-1
fn a_first_packet_other_than_connect_closes_the_connection_without_a_packet() {
    for packet in [
        Packet::PingReq,
        publish("t", "x").packet(),
        Packet::ConnAck(ConnAckPacket::new(false, ReasonCode::Success)),
    ] {
        let mut world = World::new();
        world.open(A);
        world.send(A, packet, "A closed ProtocolError");
    }
}

#[test] // MQTT-3.1.0-2
fn a_second_connect_is_a_protocol_error() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.send(
        A,
        client("a"),
        "A DISCONNECT ProtocolError
         A closed ProtocolError",
    );
}

#[test] // MQTT-3.1.4-6
fn inputs_for_a_closed_or_unknown_connection_are_ignored() {
    let mut world = World::new();
    world.send(A, client("a"), "");
    world.gone(A, "");
    world.join(A, client("a"));
    world.send(
        A,
        client("a"),
        "A DISCONNECT ProtocolError\nA closed ProtocolError",
    );
    world.send(A, client("a"), "");
    world.send(A, Packet::PingReq, "");
    world.send_bytes(A, &[0], "");
    world.gone(A, "");
    assert_eq!(world.stats().sessions, 0);
}

#[test]
fn the_number_of_a_closed_connection_may_be_used_again() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.leave(A);
    world.join(A, client("b"));
    world.gone(A, "");
    world.gone(A, "");
    world.join(A, client("c"));
}

#[test]
fn opening_an_open_connection_changes_nothing() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.open(A);
    world.send(A, Packet::PingReq, "A PINGRESP");
}

#[test]
fn a_connection_without_connect_is_closed_after_the_connect_timeout() {
    let mut world = World::with(Config {
        connect_timeout_ms: 500,
        ..plain_config()
    });
    world.open(A);
    world.wait_ms(499, "");
    world.wait_ms(1, "A closed KeepAliveTimeout");
    assert_eq!(world.ms_to_timeout(), None);
    world.join(B, client("b"));
    assert_eq!(world.ms_to_timeout(), None);
    world.open(A);
    world.gone(A, "");
    assert_eq!(world.ms_to_timeout(), None);
}

#[test] // MQTT-3.1.2-2
fn another_protocol_version_is_refused_with_0x84() {
    let connect_6 = [
        0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 6, 2, 0, 0, 0, 0, 1, b'a',
    ];
    let mut world = World::new();
    world.open(A);
    world.send_bytes(
        A,
        &connect_6,
        "A CONNACK UnsupportedProtocolVersion
         A closed UnsupportedProtocolVersion",
    );
    world.join(B, client("b"));
    world.send_bytes(
        B,
        &connect_6,
        "B DISCONNECT ProtocolError
         B closed UnsupportedProtocolVersion",
    );
}

#[test] // MQTT-3.1.4-1, MQTT-3.1.4-2, MQTT-3.1.2-3, MQTT-1.5.4-2
fn an_invalid_connect_of_mqtt_5_is_answered_with_connack() {
    let mqtt_5 = [0, 4, b'M', b'Q', b'T', b'T', 5];
    for (rest, answer) in [
        // A reserved flag, two Receive Maximums, a client identifier with U+0000, bytes left over.
        (&[1, 0, 0, 0, 0, 0][..], "MalformedPacket"),
        (&[2, 0, 0, 6, 0x21, 0, 1, 0x21, 0, 1, 0, 0], "ProtocolError"),
        (&[2, 0, 0, 0, 0, 1, 0], "MalformedPacket"),
        (&[2, 0, 0, 0, 0, 0, 7], "MalformedPacket"),
    ] {
        let body = [&mqtt_5[..], rest].concat();
        let mut world = World::new();
        world.open(A);
        let packet = [&[0x10, u8::try_from(body.len()).unwrap()][..], &body].concat();
        world.send_bytes(
            A,
            &packet,
            &format!("A CONNACK {answer}\nA closed {answer}"),
        );
    }
    let mut world = World::new();
    world.open(A);
    let other_name = [0x10, 7, 0, 4, b'm', b'q', b't', b't', 5];
    world.send_bytes(A, &other_name, "A closed MalformedPacket");
}

#[test] // MQTT-4.13.1-1, MQTT-3.14.0-1
fn malformed_bytes_close_the_connection_and_a_connected_client_gets_the_reason() {
    let mut world = World::new();
    world.open(A);
    world.send_bytes(A, &[0xF3, 0], "A closed MalformedPacket");
    world.join(A, client("a"));
    world.send_bytes(
        A,
        &[0xF3, 0],
        "A DISCONNECT MalformedPacket\nA closed MalformedPacket",
    );
    world.join(A, client("a"));
    world.send_bytes(
        A,
        &[0x30, 0xFF, 0xFF, 0x03],
        "A DISCONNECT PacketTooLarge\nA closed PacketTooLarge",
    );
}

#[test] // MQTT-4.12.0-1
fn an_authentication_method_is_refused_with_0x8c() {
    let mut connect = client("a");
    connect
        .properties
        .set_authentication_method("SCRAM-SHA-256".into());
    let mut world = World::new();
    world.connect(
        A,
        connect,
        "A CONNACK BadAuthenticationMethod
         A closed BadAuthenticationMethod",
    );
}

#[test] // MQTT-4.12.0-7
fn auth_without_an_authentication_method_in_connect_is_a_protocol_error() {
    let mut world = World::new();
    world.join(A, client("a"));
    let auth = AuthPacket::re_authenticate("SCRAM-SHA-256".into(), None).unwrap();
    world.send(
        A,
        Packet::Auth(auth),
        "A DISCONNECT ProtocolError\nA closed ProtocolError",
    );
}

#[test]
fn packets_that_only_a_server_sends_are_protocol_errors() {
    let packets = [
        Packet::ConnAck(ConnAckPacket::new(false, ReasonCode::Success)),
        Packet::SubAck(SubAckPacket::new(1).add_granted_qos(QOS0)),
        Packet::UnsubAck(UnsubAckPacket::new(1).add_success()),
        Packet::PingResp,
    ];
    for packet in packets {
        let mut world = World::new();
        world.join(A, client("a"));
        world.send(
            A,
            packet,
            "A DISCONNECT ProtocolError\nA closed ProtocolError",
        );
    }
}

#[test]
fn connack_announces_the_limits_that_differ_from_mqtt_defaults() {
    let mut world = World::with(Config {
        receive_maximum: 10,
        topic_alias_maximum: 5,
        maximum_packet_size: 1_000,
        session_expiry_interval_max_s: 60,
        ..Config::default()
    });
    world.connect(
        A,
        lasting("a", 61),
        "A CONNACK Success SessionExpiryInterval=60 ReceiveMaximum=10 TopicAliasMaximum=5 MaximumPacketSize=1000",
    );
    world.connect(
        B,
        lasting("b", 60),
        "B CONNACK Success ReceiveMaximum=10 TopicAliasMaximum=5 MaximumPacketSize=1000",
    );
}

#[test]
fn limits_outside_the_range_of_mqtt_are_clamped() {
    let mut world = World::with(Config {
        receive_maximum: 0,
        maximum_packet_size: u32::MAX,
        ..plain_config()
    });
    world.connect(A, client("a"), "A CONNACK Success ReceiveMaximum=1");
}

#[test] // MQTT-3.1.3-6, MQTT-3.1.3-7, MQTT-3.2.2-16
fn a_client_without_an_identifier_is_assigned_an_unused_one() {
    let mut world = World::with(Config {
        assigned_id_prefix: "x-".into(),
        ..plain_config()
    });
    world.join(A, client("x-1"));
    world.connect(
        B,
        client(""),
        "B CONNACK Success AssignedClientIdentifier=x-2",
    );
    world.connect(
        C,
        lasting("", 100),
        "C CONNACK Success AssignedClientIdentifier=x-3",
    );
    world.gone(C, "");
    world.rejoin(C, lasting("x-3", 100));
}

/// The size of CONNACK with all limits of the default configuration.
const FULL_CONNACK_BYTES: u32 = 16;

fn small(client_id: &str, maximum_packet_size: u32) -> ConnectPacket {
    let mut connect = client(client_id);
    connect
        .properties
        .set_maximum_packet_size(maximum_packet_size);
    connect
}

#[test] // MQTT-3.1.2-24
fn connack_omits_limits_above_the_maximum_packet_size_of_the_client() {
    let mut world = World::with(Config::default());
    world.connect(
        A,
        small("a", FULL_CONNACK_BYTES),
        "A CONNACK Success ReceiveMaximum=1024 TopicAliasMaximum=16 MaximumPacketSize=33554432",
    );
    world.connect(B, small("b", FULL_CONNACK_BYTES - 1), "B CONNACK Success");
    world.connect(C, small("c", 5), "C CONNACK Success");
}

#[test]
fn limits_that_do_not_fit_into_connack_have_the_defaults_of_mqtt() {
    let mut world = World::with(Config {
        receive_maximum: 1,
        topic_alias_maximum: 5,
        ..Config::default()
    });
    world.connect(A, small("a", 8), "A CONNACK Success");
    world.send(A, publish2(1, "t", "x"), "A PUBREC 1 NoMatchingSubscribers");
    world.send(A, publish2(2, "t", "x"), "A PUBREC 2 NoMatchingSubscribers");
    world.send(
        A,
        publish("t", "x").with_topic_alias(1),
        "A DISCONNECT TopicAliasInvalid
         A closed TopicAliasInvalid",
    );
}

#[test] // MQTT-3.1.2-24
fn a_client_whose_connack_is_too_large_for_it_is_refused() {
    let mut world = World::new();
    world.connect(A, small("a", 4), "A closed PacketTooLarge");
    world.connect(
        B,
        small("", 12),
        "B CONNACK PacketTooLarge\nB closed PacketTooLarge",
    );
    assert_eq!(world.stats().sessions, 0);
}

#[test] // MQTT-3.1.2-24
fn an_answer_too_large_for_its_client_ends_the_connection() {
    let mut world = World::new();
    world.join(A, small("a", 8));
    let many = subscribe(1, "a", QOS0)
        .add_filter("b", QOS0)
        .add_filter("c", QOS0);
    world.send(A, many, "A SUBACK 1 GrantedQoS0 GrantedQoS0 GrantedQoS0");
    let too_many = subscribe(2, "a", QOS0)
        .add_filter("b", QOS0)
        .add_filter("c", QOS0)
        .add_filter("d", QOS0);
    world.send(
        A,
        too_many,
        "A DISCONNECT PacketTooLarge\nA closed PacketTooLarge",
    );
}

#[test] // MQTT-3.14.2-3, MQTT-3.1.2-29
fn disconnect_has_a_reason_string_if_the_client_requests_it_and_it_fits() {
    let mut unwanted = client("a");
    unwanted.properties.set_request_problem_information(false);
    for (connect, words) in [
        (client("a"), Some("a second CONNECT")),
        (unwanted, None),
        (small("a", 40), Some("a second CONNECT")),
        (small("a", 20), None),
    ] {
        let mut world = World::new();
        world.open(A);
        world.send(A, connect.clone(), "A CONNACK Success");
        world.send(
            A,
            connect,
            "A DISCONNECT ProtocolError\nA closed ProtocolError",
        );
        let [Packet::Disconnect(disconnect)] = &world.sent[..] else {
            panic!("{:?}", world.sent)
        };
        let mut expected = broker::Properties::new();
        if let Some(words) = words {
            expected.set_reason_string(words.into());
        }
        assert_eq!(disconnect.properties, expected);
    }
}

fn alive(client_id: &str, keep_alive_s: u16) -> ConnectPacket {
    let mut connect = client(client_id);
    connect.keep_alive = keep_alive_s;
    connect
}

#[test] // MQTT-3.1.2-22
fn a_silent_client_is_disconnected_after_one_and_a_half_times_its_keep_alive() {
    let mut world = World::new();
    world.join(A, alive("a", 10));
    assert_eq!(world.ms_to_timeout(), Some(15_000));
    world.wait_ms(14_999, "");
    world.wait_ms(
        1,
        "A DISCONNECT KeepAliveTimeout
         A closed KeepAliveTimeout",
    );
    assert_eq!(world.ms_to_timeout(), None);
}

#[test] // MQTT-3.1.2-22, MQTT-3.12.4-1
fn every_packet_restarts_keep_alive() {
    let mut world = World::new();
    world.join(A, alive("a", 10));
    world.wait_ms(10_000, "");
    world.send(A, Packet::PingReq, "A PINGRESP");
    world.wait_ms(14_000, "");
    world.send(A, publish("t", "x"), "");
    world.wait_ms(14_999, "");
    world.wait_ms(
        1,
        "A DISCONNECT KeepAliveTimeout\nA closed KeepAliveTimeout",
    );
}

#[test]
fn a_keep_alive_of_0_has_no_timeout() {
    let mut world = World::new();
    world.join(A, alive("a", 0));
    assert_eq!(world.ms_to_timeout(), None);
    world.wait_ms(1_000_000_000, "");
}

#[test]
fn packets_that_waited_during_a_suspension_precede_the_keep_alive_timeout() {
    let mut world = World::new();
    world.join(A, alive("a", 10));
    world.join(B, alive("b", 10));
    world.pass_ms(60_000);
    world.send(A, Packet::PingReq, "A PINGRESP");
    world.send(B, Packet::PingReq, "B PINGRESP");
    world.check(Input::Timeout, "");
    assert_eq!(world.ms_to_timeout(), Some(15_000));
}

#[test]
fn keep_alive_excludes_the_time_of_a_suspended_caller() {
    let mut world = World::new();
    world.join(A, alive("a", 10));
    world.check(Input::Opened(B), "");
    world.pass_ms(60_000);
    world.check(Input::Suspended(60_000), "");
    world.check(Input::Timeout, "");
    world.wait_ms(9_999, "");
    world.wait_ms(1, "B closed KeepAliveTimeout");
    world.wait_ms(4_999, "");
    world.wait_ms(
        1,
        "A DISCONNECT KeepAliveTimeout\nA closed KeepAliveTimeout",
    );
}

#[test]
fn a_connection_that_ended_leaves_no_timer() {
    let mut world = World::new();
    world.join(A, alive("a", 10));
    world.gone(A, "");
    world.join(A, alive("a", 20));
    world.leave(A);
    assert_eq!(world.ms_to_timeout(), None);
}

#[test] // MQTT-3.1.2-29, MQTT-3.2.2-19
fn a_refusal_has_a_reason_string_if_the_client_requests_it_and_it_fits() {
    let words = |connect: ConnectPacket| {
        let mut world = World::with(Config {
            clients_max: 0,
            ..plain_config()
        });
        world.connect(
            A,
            connect,
            "A CONNACK QuotaExceeded\nA closed QuotaExceeded",
        );
        let [Packet::ConnAck(connack)] = &world.sent[..] else {
            panic!("not one CONNACK");
        };
        show_words(&connack.properties)
    };
    assert_eq!(words(client("a")), "clients_max is reached");
    assert_eq!(words(small("a", 10)), "");
    let mut silent = client("a");
    silent.properties.set_request_problem_information(false);
    assert_eq!(words(silent), "");
}

fn show_words(properties: &Properties) -> String {
    match properties.get(PropertyId::ReasonString) {
        Some(PropertyValue::Utf8String(text)) => text.clone(),
        _ => String::new(),
    }
}
