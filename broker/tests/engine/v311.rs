//! Clients of MQTT 3.1.1 and 3.1, alone and together with clients of 5.0.

use broker::codec::{self, ProtocolVersion};
use broker::packet::disconnect::DisconnectPacket;
use broker::packet::subscribe::SubscribePacket;
use broker::{Config, Input, Packet, Properties, WillMessage};

use crate::harness::*;

#[test] // 3.1.1/MQTT-3.1.2-4, 3.1.1/MQTT-3.1.2-5, 3.1.1/MQTT-3.1.2-6, 3.1.1/MQTT-4.1.0-2
fn a_clean_session_ends_with_its_connection_and_another_one_lasts() {
    let mut world = World::new();
    world.join(A, client_311("a"));
    world.leave(A);
    assert_eq!(world.stats().sessions, 0);
    world.join(A, lasting_311("a"));
    world.subscribe(A, "t", QOS1);
    world.leave(A);
    world.join(B, client("b"));
    world.send(B, publish1(1, "t", "x"), "B PUBACK 1");
    world.connect(
        A,
        lasting_311("a"),
        "A CONNACK Success session
         A PUBLISH t x qos1 #1",
    );
    world.send(A, puback(1), "");
    world.leave(A);
    world.join(A, client_311("a"));
    world.leave(A);
    assert_eq!(world.stats().sessions, 1);
}

#[test]
fn the_maximum_expiry_interval_bounds_sessions_of_3_1_1() {
    let mut world = World::with(Config {
        session_expiry_interval_max_s: 10,
        ..plain_config()
    });
    world.join(A, lasting_311("a"));
    world.leave(A);
    world.wait_ms(9_999, "");
    assert_eq!(world.stats().sessions, 1);
    world.wait_ms(1, "");
    assert_eq!(world.stats().sessions, 0);
}

#[test]
fn messages_between_versions_keep_the_fields_of_the_receivers_version() {
    let mut world = World::new();
    world.join(A, client_311("a"));
    world.join(B, client("b"));
    world.subscribe(A, "t", QOS2);
    world.subscribe(B, "t", QOS2);
    let full = publish("t", "x")
        .with_content_type("text".into())
        .with_user_property("k".into(), "v".into());
    world.send(B, full, "A PUBLISH t x\nB PUBLISH t x ContentType=text k:v");
    world.send(
        A,
        publish2(7, "t", "y"),
        "A PUBLISH t y qos2 #1
         B PUBLISH t y qos2 #1
         A PUBREC 7",
    );
    world.send(A, pubrel(7), "A PUBCOMP 7");
    world.send(A, pubrec(1), "A PUBREL 1");
    world.send(A, pubcomp(1), "");
    world.send(
        B,
        publish1(8, "unsubscribed", ""),
        "B PUBACK 8 NoMatchingSubscribers",
    );
    world.send(A, publish1(8, "unsubscribed", ""), "A PUBACK 8");
}

#[test]
fn a_topic_alias_is_resolved_for_a_client_of_3_1_1() {
    let mut world = World::with(Config {
        topic_alias_maximum: 1,
        ..plain_config()
    });
    world.join(A, client_311("a"));
    world.subscribe(A, "t", QOS0);
    world.connect(B, client("b"), "B CONNACK Success TopicAliasMaximum=1");
    world.send(B, publish("t", "x").with_topic_alias(1), "A PUBLISH t x");
    world.send(B, publish("", "y").with_topic_alias(1), "A PUBLISH t y");
}

#[test] // 3.1.1/MQTT-3.9.3-2, 3.1.1/MQTT-3.10.4-5
fn suback_of_3_1_1_has_one_failure_code() {
    let mut world = World::with(Config {
        topic_levels_max: 2,
        ..plain_config()
    });
    world.join(A, client_311("a"));
    let many = SubscribePacket::new(1)
        .add_filter("a", QOS2)
        .add_filter("a/b/c", QOS0);
    world.send(A, many, "A SUBACK 1 GrantedQoS2 UnspecifiedError");
    world.send(A, unsubscribe(2, "a"), "A UNSUBACK 2");
    world.send(A, unsubscribe(3, "a"), "A UNSUBACK 3");
}

#[test] // 3.1.1/MQTT-3.1.3-6, 3.1.1/MQTT-3.1.3-7, 3.1.1/MQTT-3.1.3-8, 3.1.1/MQTT-3.1.3-9, 3.1.1/MQTT-3.2.2-4, 3.1.1/MQTT-3.2.2-5
fn an_empty_identifier_is_accepted_with_clean_session_only() {
    let mut world = World::new();
    world.join(A, client_311(""));
    world.connect(
        B,
        lasting_311(""),
        "B CONNACK ClientIdentifierNotValid
         B closed ClientIdentifierNotValid",
    );
}

#[test] // 3.1.1/MQTT-4.8.0-1
fn errors_close_the_connection_without_a_packet() {
    for (bytes, reason) in [
        // SUBSCRIBE with No Local, PUBLISH without topic, PUBACK with a reason code, AUTH, CONNACK.
        (&[0x82, 6, 0, 1, 0, 1, b'a', 4][..], "ProtocolError"),
        (&[0x30, 2, 0, 0], "ProtocolError"),
        (&[0x40, 3, 0, 1, 0], "MalformedPacket"),
        (&[0xF0, 0], "MalformedPacket"),
        (&[0x20, 2, 0, 0], "ProtocolError"),
    ] {
        let mut world = World::new();
        world.join(A, client_311("a"));
        world.send_bytes(A, bytes, &format!("A closed {reason}"));
    }
}

#[test] // 3.1.1/MQTT-3.1.4-2
fn a_takeover_sends_disconnect_only_to_mqtt_5() {
    let mut world = World::new();
    world.join(A, client_311("a"));
    world.connect(
        B,
        client("a"),
        "A closed SessionTakenOver\nB CONNACK Success",
    );
    world.connect(
        C,
        client_311("a"),
        "B DISCONNECT SessionTakenOver
         B closed SessionTakenOver
         C CONNACK Success",
    );
}

#[test] // 3.1.1/MQTT-3.1.2-8, 3.1.1/MQTT-3.1.2-24
fn a_will_is_published_for_a_client_that_is_lost_or_silent() {
    let mut world = World::new();
    world.join(B, client("b"));
    world.subscribe(B, "w", QOS1);
    let will = || WillMessage::new("w", "gone").with_qos(QOS1);
    world.join(A, with_will(client_311("a"), will()));
    world.gone(A, "B PUBLISH w gone qos1 #1");
    let mut silent = with_will(client_311("a"), will());
    silent.keep_alive = 10;
    world.join(A, silent);
    world.wait_ms(14_999, "");
    world.wait_ms(1, "A closed KeepAliveTimeout\nB PUBLISH w gone qos1 #2");
    world.join(A, with_will(client_311("a"), will()));
    world.send(A, DisconnectPacket::normal(), "A closed Success");
}

#[test]
fn mqtt_3_1_is_served_like_3_1_1() {
    let connect = [
        0x10, 15, 0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, 2, 0, 0, 0, 1, b'a',
    ];
    let mut world = World::new();
    world.open(A);
    world.send_bytes(A, &connect, "A CONNACK Success");
    let [Packet::ConnAck(connack)] = &world.sent[..] else {
        panic!("not one CONNACK");
    };
    assert_eq!(connack.protocol_version, 3);
    assert_eq!(connack.properties, Properties::default());
}

#[test]
fn repeated_requests_of_3_1_with_dup_are_answered_again() {
    let mut world = World::new();
    world.join(A, client_31("a"));
    for first in [0x82, 0x8A] {
        world.send_bytes(
            A,
            &[first, 6, 0, 1, 0, 1, b't', 0],
            "A SUBACK 1 GrantedQoS0",
        );
    }
    world.send(A, publish2(1, "t", "x"), "A PUBLISH t x\nA PUBREC 1");
    for first in [0x62, 0x6A] {
        world.send_bytes(A, &[first, 2, 0, 1], "A PUBCOMP 1");
    }
    for first in [0xA2, 0xAA] {
        world.send_bytes(A, &[first, 5, 0, 1, 0, 1, b't'], "A UNSUBACK 1");
    }
    assert_eq!(world.stats().subscriptions, 0);
}

#[test] // 3.1.1/MQTT-3.6.1-1, 3.1.1/MQTT-3.8.1-1, 3.1.1/MQTT-3.10.1-1
fn requests_of_3_1_1_and_5_0_with_dup_are_malformed() {
    for bytes in [
        &b"\x6A\x02\x00\x01"[..],
        b"\x8A\x06\x00\x01\x00\x01t\x00",
        b"\xAA\x05\x00\x01\x00\x01t",
    ] {
        let mut world = World::new();
        world.join(A, client_311("a"));
        world.send_bytes(A, bytes, "A closed MalformedPacket");
        world.join(B, client("b"));
        world.send_bytes(
            B,
            bytes,
            "B DISCONNECT MalformedPacket\nB closed MalformedPacket",
        );
    }
}

#[test]
fn a_client_of_3_1_has_an_identifier_of_1_to_23_characters() {
    let mut world = World::new();
    // 23 characters of 46 bytes are not too many.
    for client_id in ["a", &"a".repeat(23), &"ü".repeat(23)] {
        world.join(A, client_31(client_id));
        world.leave(A);
    }
    for client_id in ["", &"a".repeat(24)] {
        for clean_start in [true, false] {
            let mut connect = client_31(client_id);
            connect.clean_start = clean_start;
            world.connect(
                A,
                connect,
                "A CONNACK ClientIdentifierNotValid
                 A closed ClientIdentifierNotValid",
            );
        }
        let connack = world.sent.first().expect("a CONNACK");
        let mut bytes = Vec::new();
        codec::encode(connack, ProtocolVersion::V31, &mut bytes).unwrap();
        assert_eq!(bytes, b"\x20\x02\x00\x02");
    }
    // Later versions accept a longer one.
    world.join(A, client_311(&"a".repeat(24)));
    world.join(B, client(&"b".repeat(24)));
}

#[test] // 3.1.1/MQTT-3.1.2-2, 3.1.1/MQTT-3.2.2-5
fn other_protocol_levels_and_names_are_refused_with_return_code_1() {
    for connect in [
        &[
            0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 3, 2, 0, 0, 0, 1, b'a',
        ][..],
        &[
            0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 0, 2, 0, 0, 0, 1, b'a',
        ],
        &[
            0x10, 15, 0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 4, 2, 0, 0, 0, 1, b'a',
        ],
    ] {
        let mut world = World::new();
        world.open(A);
        world.send_bytes(
            A,
            connect,
            "A CONNACK UnsupportedProtocolVersion
             A closed UnsupportedProtocolVersion",
        );
    }
}

#[test] // 3.1.1/MQTT-3.1.2-22, 3.1.1/MQTT-3.1.4-1
fn a_malformed_connect_gets_no_answer() {
    let password_alone = [
        0x10, 16, 0, 4, b'M', b'Q', b'T', b'T', 4, 0x42, 0, 0, 0, 1, b'a', 0, 1, b'p',
    ];
    let mut world = World::new();
    world.open(A);
    world.send_bytes(A, &password_alone, "A closed MalformedPacket");
}

#[test]
fn the_number_of_a_closed_connection_may_be_reused_with_another_version() {
    let mut world = World::new();
    world.join(A, client_311("a"));
    world.check(Input::Gone(A), "");
    world.join(A, client("a"));
}
