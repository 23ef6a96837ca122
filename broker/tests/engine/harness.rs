//! A broker in virtual time, driven step by step. Each step states all packets and closed connections that it causes:
//! an unexpected or a missing one fails the test.
//!
//! Every packet passes the codec in both directions, so a test can only send and expect packets that MQTT allows.

use std::collections::BTreeMap;

use broker::access::{Access, AllowAll};
use broker::codec::{self, ProtocolVersion};
use broker::packet::auth::AuthPacket;
use broker::packet::connect::ConnectPacket;
use broker::packet::disconnect::DisconnectPacket;
use broker::packet::puback::PubAckPacket;
use broker::packet::pubcomp::PubCompPacket;
use broker::packet::publish::PublishPacket;
use broker::packet::pubrec::PubRecPacket;
use broker::packet::pubrel::PubRelPacket;
use broker::packet::subscribe::{SubscribePacket, SubscriptionOptions, TopicFilter};
use broker::packet::unsubscribe::UnsubscribePacket;
use broker::{
    BrokerEvent, Config, ConnId, Input, Output, Packet, Properties, PropertyValue, QoS, ReasonCode,
    Stats, Time,
};
use bytes::Bytes;
use mqtt5_protocol::{ConnectOptions, WillMessage};

use crate::stored::Stored;

pub(crate) use crate::DURABLE;

pub(crate) const A: ConnId = ConnId(1);
pub(crate) const B: ConnId = ConnId(2);
pub(crate) const C: ConnId = ConnId(3);
pub(crate) const D: ConnId = ConnId(4);

pub(crate) const QOS0: QoS = QoS::AtMostOnce;
pub(crate) const QOS1: QoS = QoS::AtLeastOnce;
pub(crate) const QOS2: QoS = QoS::ExactlyOnce;

/// Limits equal to the defaults of MQTT, so CONNACK is short.
pub(crate) fn plain_config() -> Config {
    Config {
        receive_maximum: u16::MAX,
        topic_alias_maximum: 0,
        maximum_packet_size: 268_435_455,
        ..Config::default()
    }
}

pub(crate) struct World {
    pub(crate) broker: Stored,
    /// The versions of connections that are not of MQTT 5.0.
    versions: BTreeMap<ConnId, ProtocolVersion>,
    pub(crate) now: Time,
    /// The packets of the last step.
    pub(crate) sent: Vec<Packet>,
    events: Vec<BrokerEvent>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(plain_config())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::with_access(config, AllowAll)
    }

    pub(crate) fn with_access(config: Config, access: impl Access + 'static) -> Self {
        let config = Config {
            durable: DURABLE,
            ..config
        };
        Self {
            broker: Stored::with_access(config, Box::new(access)),
            versions: BTreeMap::new(),
            now: Time::from_ms(1_000_000),
            sent: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Gives the broker `input` and checks its outputs against `expected`, one per line.
    #[track_caller]
    pub(crate) fn check(&mut self, input: Input, expected: &str) {
        let mut out = Vec::new();
        self.broker.handle(self.now, input, &mut out);
        self.sent.clear();
        let mut lines = Vec::new();
        for output in out.into_iter().map(Output::whole) {
            match output {
                Output::Send(conn, packet) => {
                    let version = self.version(conn);
                    let received = through_codec(&packet, version);
                    let spoken = version == ProtocolVersion::V5
                        || !matches!(packet, Packet::Disconnect(_) | Packet::Auth(_));
                    assert!(spoken, "a server of {version} does not send {packet:?}");
                    lines.push(format!("{} {}", name(conn), show(&received)));
                    self.sent.push(packet);
                }
                Output::Close(conn, reason) => {
                    lines.push(format!("{} closed {reason:?}", name(conn)))
                }
                Output::Event(event) => self.events.push(event),
                Output::Publish(..) => unreachable!("every packet is whole"),
                Output::Persist(..) => panic!("Stored passes no batch on"),
            }
        }
        let mut expected: Vec<&str> = expected
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        if DURABLE {
            // Packets to other connections overtake packets that wait for the log.
            lines.sort_by_key(|line| line.chars().next());
            expected.sort_by_key(|line| line.chars().next());
        }
        assert!(
            lines == expected,
            "\n the broker does:\n{}\n\n expected:\n{}\n",
            lines.join("\n"),
            expected.join("\n")
        );
    }

    #[track_caller]
    pub(crate) fn open(&mut self, conn: ConnId) {
        self.check(Input::Opened(conn), "");
    }

    #[track_caller]
    pub(crate) fn send(&mut self, conn: ConnId, packet: impl IntoPacket, expected: &str) {
        let packet = packet.packet();
        if let Packet::Connect(connect) = &packet {
            self.versions.insert(conn, ProtocolVersion::of(connect));
        }
        let packet = through_codec(&packet, self.version(conn));
        self.check(Input::Packet(conn, packet), expected);
    }

    fn version(&self, conn: ConnId) -> ProtocolVersion {
        self.versions.get(&conn).copied().unwrap_or_default()
    }

    /// Sends bytes that are one packet, valid or malformed.
    #[track_caller]
    pub(crate) fn send_bytes(&mut self, conn: ConnId, bytes: &[u8], expected: &str) {
        let mut bytes = Bytes::copy_from_slice(bytes);
        let input = match codec::decode(&mut bytes, self.version(conn), 1_000) {
            Ok(packet) => Input::Packet(conn, packet.expect("a whole packet")),
            Err(error) => Input::Malformed(conn, error),
        };
        if let Input::Packet(_, Packet::Connect(connect)) = &input {
            self.versions.insert(conn, ProtocolVersion::of(connect));
        }
        self.check(input, expected);
    }

    /// Gives the broker a packet that the codec would have refused.
    #[track_caller]
    pub(crate) fn send_undecoded(&mut self, conn: ConnId, packet: impl IntoPacket, expected: &str) {
        self.check(Input::Packet(conn, packet.packet()), expected);
    }

    /// Opens a connection and connects.
    #[track_caller]
    pub(crate) fn connect(&mut self, conn: ConnId, connect: ConnectPacket, expected: &str) {
        self.open(conn);
        self.send(conn, connect, expected);
    }

    /// Opens a connection and connects with a new session, which is accepted.
    #[track_caller]
    pub(crate) fn join(&mut self, conn: ConnId, connect: ConnectPacket) {
        let expected = format!("{} CONNACK Success", name(conn));
        self.connect(conn, connect, &expected);
    }

    /// Opens a connection and resumes a session without queued messages.
    #[track_caller]
    pub(crate) fn rejoin(&mut self, conn: ConnId, connect: ConnectPacket) {
        let expected = format!("{} CONNACK Success session", name(conn));
        self.connect(conn, connect, &expected);
    }

    /// Subscribes to one filter without retained messages.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, conn: ConnId, filter: &str, qos: QoS) {
        let expected = format!("{} SUBACK 99 GrantedQoS{}", name(conn), u8::from(qos));
        self.send(conn, subscribe(99, filter, qos), &expected);
    }

    #[track_caller]
    pub(crate) fn gone(&mut self, conn: ConnId, expected: &str) {
        self.check(Input::Gone(conn), expected);
    }

    /// Disconnects normally, which removes the will.
    #[track_caller]
    pub(crate) fn leave(&mut self, conn: ConnId) {
        self.send(
            conn,
            DisconnectPacket::normal(),
            &format!("{} closed Success", name(conn)),
        );
    }

    /// Lets time pass without telling the broker.
    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    /// Lets time pass as a runtime does: the broker gets each timeout that it asked for, and no other input.
    #[track_caller]
    pub(crate) fn wait_ms(&mut self, ms: u64, expected: &str) {
        let end = self.now.plus_ms(ms);
        while let Some(timeout) = self.broker.next_timeout().filter(|&at| at < end) {
            self.now = self.now.max(timeout);
            self.check(Input::Timeout, "");
        }
        self.now = end;
        self.check(Input::Timeout, expected);
        assert!(
            self.broker.next_timeout().is_none_or(|at| at > end),
            "a timeout in the past"
        );
    }

    pub(crate) fn ms_to_timeout(&self) -> Option<u64> {
        self.broker.next_timeout().map(|at| at.ms_since(self.now))
    }

    pub(crate) fn stats(&self) -> Stats {
        self.broker.stats()
    }

    /// The events since the last call.
    pub(crate) fn events(&mut self) -> Vec<BrokerEvent> {
        std::mem::take(&mut self.events)
    }
}

/// A packet as it arrives at the other end.
pub(crate) fn through_codec(packet: &Packet, version: ProtocolVersion) -> Packet {
    let version = match packet {
        Packet::ConnAck(connack) if connack.protocol_version < 4 => ProtocolVersion::V31,
        Packet::ConnAck(connack) if connack.protocol_version < 5 => ProtocolVersion::V311,
        _ => version,
    };
    let mut bytes = Vec::new();
    codec::encode(packet, version, &mut bytes).expect("a packet that MQTT allows");
    assert_eq!(codec::encoded_len(packet, version), Ok(bytes.len()));
    let decoded = codec::decode(&mut Bytes::from(bytes), version, 268_435_455);
    decoded
        .expect("a packet that MQTT allows")
        .expect("a whole packet")
}

pub(crate) fn name(conn: ConnId) -> char {
    u8::try_from(conn.0).map_or('?', |number| char::from(b'@' + number))
}

pub(crate) fn show(packet: &Packet) -> String {
    let mut text = packet.packet_type_name().to_string();
    match packet {
        Packet::ConnAck(connack) => {
            text += &format!(" {:?}", connack.reason_code);
            if connack.session_present {
                text += " session";
            }
            let mut properties = connack.properties.clone();
            // The reason string is for people, as that of DISCONNECT.
            properties.remove_reason_string();
            text += &show_properties(&properties);
        }
        Packet::Publish(publish) => {
            text += &format!(" {}", publish.topic_name);
            if !publish.payload.is_empty() {
                text += &format!(" {}", String::from_utf8_lossy(&publish.payload));
            }
            if let Some(packet_id) = publish.packet_id {
                text += &format!(" qos{} #{packet_id}", u8::from(publish.qos));
            }
            if publish.dup {
                text += " dup";
            }
            if publish.retain {
                text += " retain";
            }
            text += &show_properties(&publish.properties);
        }
        Packet::PubAck(ack) => text += &show_ack(ack.packet_id, ack.reason_code),
        Packet::PubRec(ack) => text += &show_ack(ack.packet_id, ack.reason_code),
        Packet::PubRel(ack) => text += &show_ack(ack.packet_id, ack.reason_code),
        Packet::PubComp(ack) => text += &show_ack(ack.packet_id, ack.reason_code),
        Packet::SubAck(suback) => {
            text += &format!(" {}", suback.packet_id);
            suback
                .reason_codes
                .iter()
                .for_each(|code| text += &format!(" {code:?}"));
        }
        Packet::UnsubAck(unsuback) => {
            text += &format!(" {}", unsuback.packet_id);
            unsuback
                .reason_codes
                .iter()
                .for_each(|code| text += &format!(" {code:?}"));
        }
        // The reason string is for people: one test checks it, the others check the code.
        Packet::Disconnect(disconnect) => text += &format!(" {:?}", disconnect.reason_code),
        Packet::Auth(auth) => {
            text += &format!(" {:?}", auth.reason_code);
            text += &show_properties(&auth.properties);
        }
        Packet::PingResp => {}
        Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::PingReq => {
            panic!("a server does not send {packet:?}")
        }
    }
    text
}

fn show_ack(packet_id: u16, reason_code: ReasonCode) -> String {
    match reason_code {
        ReasonCode::Success => format!(" {packet_id}"),
        reason_code => format!(" {packet_id} {reason_code:?}"),
    }
}

fn show_properties(properties: &Properties) -> String {
    let mut all: Vec<_> = properties.iter().collect();
    // The sort is stable, so user properties keep their order.
    all.sort_by_key(|(id, _)| *id as u8);
    all.into_iter()
        .map(|(id, value)| match value {
            PropertyValue::Byte(value) => format!(" {id:?}={value}"),
            PropertyValue::TwoByteInteger(value) => format!(" {id:?}={value}"),
            PropertyValue::FourByteInteger(value) | PropertyValue::VariableByteInteger(value) => {
                format!(" {id:?}={value}")
            }
            PropertyValue::BinaryData(value) => format!(" {id:?}={value:?}"),
            PropertyValue::Utf8String(value) => format!(" {id:?}={value}"),
            PropertyValue::Utf8StringPair(key, value) => format!(" {key}:{value}"),
        })
        .collect()
}

/// A client with Clean Start and without Keep Alive.
pub(crate) fn client(client_id: &str) -> ConnectPacket {
    let mut connect = ConnectPacket::new(ConnectOptions::new(client_id));
    connect.keep_alive = 0;
    connect
}

/// A client of MQTT 3.1.1 whose session ends with its connection.
pub(crate) fn client_311(client_id: &str) -> ConnectPacket {
    let mut connect = client(client_id);
    connect.protocol_version = 4;
    connect.properties = Properties::default();
    connect
}

/// A client of MQTT 3.1 whose session ends with its connection.
pub(crate) fn client_31(client_id: &str) -> ConnectPacket {
    let mut connect = client_311(client_id);
    connect.protocol_version = 3;
    connect
}

/// A client of MQTT 3.1.1 that resumes its session.
pub(crate) fn lasting_311(client_id: &str) -> ConnectPacket {
    let mut connect = client_311(client_id);
    connect.clean_start = false;
    connect
}

/// A client that resumes its session, which outlives its connection by `expiry_interval_s`.
pub(crate) fn lasting(client_id: &str, expiry_interval_s: u32) -> ConnectPacket {
    let mut connect = client(client_id);
    connect.clean_start = false;
    connect
        .properties
        .set_session_expiry_interval(expiry_interval_s);
    connect
}

/// Gives a client a will.
pub(crate) fn with_will(mut connect: ConnectPacket, will: WillMessage) -> ConnectPacket {
    connect.will_properties = will.properties.clone().into();
    connect.will = Some(will);
    connect
}

pub(crate) fn publish(topic: &str, payload: &str) -> PublishPacket {
    PublishPacket::new(topic, payload.to_owned(), QOS0)
}

pub(crate) fn publish1(packet_id: u16, topic: &str, payload: &str) -> PublishPacket {
    PublishPacket::new(topic, payload.to_owned(), QOS1).with_packet_id(packet_id)
}

pub(crate) fn publish2(packet_id: u16, topic: &str, payload: &str) -> PublishPacket {
    PublishPacket::new(topic, payload.to_owned(), QOS2).with_packet_id(packet_id)
}

pub(crate) fn subscribe(packet_id: u16, filter: &str, qos: QoS) -> SubscribePacket {
    SubscribePacket::new(packet_id).add_filter(filter, qos)
}

pub(crate) fn subscribe_with(
    packet_id: u16,
    filter: &str,
    options: SubscriptionOptions,
) -> SubscribePacket {
    SubscribePacket::new(packet_id)
        .add_filter_with_options(TopicFilter::with_options(filter, options))
}

pub(crate) fn unsubscribe(packet_id: u16, filter: &str) -> UnsubscribePacket {
    UnsubscribePacket::new(packet_id).add_filter(filter)
}

pub(crate) fn puback(packet_id: u16) -> PubAckPacket {
    PubAckPacket::new(packet_id)
}

pub(crate) fn pubrec(packet_id: u16) -> PubRecPacket {
    PubRecPacket::new(packet_id)
}

pub(crate) fn pubrel(packet_id: u16) -> PubRelPacket {
    PubRelPacket::new(packet_id)
}

pub(crate) fn pubcomp(packet_id: u16) -> PubCompPacket {
    PubCompPacket::new(packet_id)
}

pub(crate) trait IntoPacket {
    fn packet(self) -> Packet;
}

macro_rules! into_packet {
    ($($packet:ident($of:ty)),* $(,)?) => {
        $(impl IntoPacket for $of {
            fn packet(self) -> Packet {
                Packet::$packet(self.into())
            }
        })*
    };
}

into_packet! {
    Connect(ConnectPacket),
    Publish(PublishPacket),
    PubAck(PubAckPacket),
    PubRec(PubRecPacket),
    PubRel(PubRelPacket),
    PubComp(PubCompPacket),
    Subscribe(SubscribePacket),
    Unsubscribe(UnsubscribePacket),
    Disconnect(DisconnectPacket),
    Auth(AuthPacket),
}

impl IntoPacket for Packet {
    fn packet(self) -> Packet {
        self
    }
}
