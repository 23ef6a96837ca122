//! Valid and invalid packets for the codec: tables with the expected result of each packet, and invariants for any bytes.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy exempts the tests, but not what they share"
)]

use broker::codec::{
    self, DecodeError, EncodeError, ErrorKind, PropertyOwner, ProtocolVersion, Violation,
};
use broker::packet::auth::AuthPacket;
use broker::packet::connack::ConnAckPacket;
use broker::packet::connect::ConnectPacket;
use broker::packet::disconnect::DisconnectPacket;
use broker::packet::puback::PubAckPacket;
use broker::packet::publish::PublishPacket;
use broker::packet::suback::{SubAckPacket, SubAckReasonCode};
use broker::packet::subscribe::{SubscribePacket, SubscriptionOptions, TopicFilter};
use broker::packet::unsubscribe::UnsubscribePacket;
use broker::packet::{Packet, PacketType};
use broker::{Properties, PropertyId, QoS, ReasonCode, TopicError};
use bytes::Bytes;
use mqtt5_protocol::{ConnectOptions, WillMessage};

const ANY_SIZE: u32 = u32::MAX;
const V5: ProtocolVersion = ProtocolVersion::V5;
const V311: ProtocolVersion = ProtocolVersion::V311;
const V31: ProtocolVersion = ProtocolVersion::V31;

#[test]
fn every_packet_of_the_table_is_decoded_or_refused_as_listed() {
    let mut wrong = Vec::new();
    let tables = [V5, V311, V31].map(|version| table(version).map(move |row| (version, row)));
    for (version, row) in tables.into_iter().flatten() {
        let mut bytes = Bytes::from(row.packet);
        let verdict = match codec::decode(&mut bytes, version, ANY_SIZE) {
            Ok(Some(_)) if bytes.is_empty() => "valid",
            Ok(Some(_)) => "a packet, with bytes left",
            Ok(None) => "incomplete",
            Err(error) => match (error.kind(), error.reason_code()) {
                (ErrorKind::Malformed, ReasonCode::MalformedPacket) => "malformed",
                (ErrorKind::ProtocolError, ReasonCode::ProtocolError)
                | (ErrorKind::ProtocolError, ReasonCode::UnsupportedProtocolVersion)
                | (ErrorKind::ProtocolError, ReasonCode::TopicAliasInvalid) => "protocol-error",
                _ => "an error whose reason code is not of its kind",
            },
        };
        if verdict != row.verdict {
            wrong.push(format!(
                "{version} {} ({}): {verdict}",
                row.name, row.section
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn valid_packets_keep_their_meaning_when_reencoded() {
    for row in valid_rows() {
        let packet = decode_all(&row.packet);
        let encoded = encode(&packet);
        let again = decode_all(&encoded);
        assert_eq!(meaning(&again), meaning(&packet), "{}", row.name);
        assert_eq!(
            codec::encoded_len(&packet, V5),
            Ok(encoded.len()),
            "{}",
            row.name
        );
    }
}

#[test]
fn reencoded_packets_of_3_1_1_have_the_same_bytes() {
    for row in table(V311).filter(|row| row.verdict == "valid") {
        let mut bytes = Bytes::from(row.packet.clone());
        let packet = codec::decode(&mut bytes, V311, ANY_SIZE).unwrap().unwrap();
        let mut encoded = Vec::new();
        codec::encode(&packet, V311, &mut encoded).unwrap();
        assert_eq!(encoded, row.packet, "{}", row.name);
    }
}

#[test]
fn dup_in_a_request_of_3_1_is_accepted_and_dropped() {
    for (dup, plain) in [
        ("6a020001", "62020001"),
        ("8a06000100016100", "8206000100016100"),
        ("aa050001000161", "a2050001000161"),
    ] {
        let mut bytes = Bytes::from(unhex(dup));
        let packet = codec::decode(&mut bytes, V31, ANY_SIZE).unwrap().unwrap();
        let mut encoded = Vec::new();
        codec::encode(&packet, V31, &mut encoded).unwrap();
        assert_eq!(encoded, unhex(plain));
    }
}

#[test]
fn fields_that_3_1_1_does_not_have_are_omitted() {
    let publish = PublishPacket::new("t", "x", QoS::AtMostOnce).with_content_type("c".into());
    let suback = SubAckPacket::new(1).add_reason_code(SubAckReasonCode::NotAuthorized);
    let puback = PubAckPacket::new_with_reason(1, ReasonCode::NoMatchingSubscribers);
    for (packet, expected) in [
        (Packet::Publish(publish), &b"\x30\x04\0\x01tx"[..]),
        (Packet::SubAck(suback), b"\x90\x03\0\x01\x80"),
        (Packet::PubAck(puback), b"\x40\x02\0\x01"),
    ] {
        let mut bytes = Vec::new();
        codec::encode(&packet, V311, &mut bytes).unwrap();
        assert_eq!(bytes, expected);
        assert_eq!(codec::encoded_len(&packet, V311), Ok(bytes.len()));
    }
    let auth = Packet::Auth(AuthPacket::new(ReasonCode::Success));
    let busy = Packet::ConnAck(ConnAckPacket::new_v311(false, ReasonCode::ServerBusy));
    for (packet, packet_type) in [(auth, PacketType::Auth), (busy, PacketType::ConnAck)] {
        let error = EncodeError::NotInVersion {
            packet_type,
            version: V311,
        };
        assert_eq!(codec::encode(&packet, V311, &mut Vec::new()), Err(error));
    }
}

#[test]
fn the_same_packet_always_gives_the_same_bytes() {
    for row in valid_rows() {
        let once = encode(&decode_all(&row.packet));
        for _ in 0..8 {
            assert_eq!(encode(&decode_all(&row.packet)), once, "{}", row.name);
        }
    }
}

#[test]
fn properties_ascend_and_user_properties_keep_their_order() {
    let packet = PublishPacket::new("t", "", QoS::AtMostOnce)
        .with_user_property("z".into(), "1".into())
        .with_content_type("c".into())
        .with_user_property("a".into(), "2".into())
        .with_payload_format_indicator(true);
    let bytes = encode(&Packet::Publish(packet));
    assert_eq!(
        bytes,
        b"\x30\x18\x00\x01t\x14\x01\x01\x03\x00\x01c\x26\x00\x01z\x00\x011\x26\x00\x01a\x00\x012"
    );
}

#[test]
fn a_stream_gives_the_same_packets_wherever_it_is_split() {
    let mut stream = Vec::new();
    let mut names = Vec::new();
    for row in valid_rows().filter(|row| row.packet.len() < 1000) {
        if !names.contains(&row.name) {
            stream.extend_from_slice(&encode(&decode_all(&row.packet)));
            names.push(row.name);
        }
    }
    for split in 0..=stream.len() {
        let mut again = Vec::new();
        let mut first = Bytes::copy_from_slice(&stream[..split]);
        drain(&mut first, &mut again);
        let mut second = Bytes::from([&first, &stream[split..]].concat());
        drain(&mut second, &mut again);
        assert!(second.is_empty(), "split at {split}");
        assert_eq!(again, stream, "split at {split}");
    }
}

#[test]
fn an_incomplete_packet_stays_in_the_buffer() {
    for row in valid_rows().filter(|row| row.packet.len() < 1000) {
        for length in 0..row.packet.len() {
            let mut bytes = Bytes::copy_from_slice(&row.packet[..length]);
            let decoded = codec::decode(&mut bytes, V5, ANY_SIZE);
            assert!(matches!(decoded, Ok(None)), "{length} of {}", row.name);
            assert_eq!(bytes, row.packet[..length]);
        }
    }
}

#[test]
fn any_decoded_packet_can_be_encoded_and_no_bytes_panic() {
    for version in [V5, V311, V31] {
        random_bytes_are_refused_or_mean_the_same_again(version);
    }
}

fn random_bytes_are_refused_or_mean_the_same_again(version: ProtocolVersion) {
    let rows: Vec<_> = table(version)
        .filter(|row| row.packet.len() < 1000)
        .collect();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut decoded = 0;
    for _ in 0..180_000 {
        let mut bytes = rows[random.below(rows.len())].packet.clone();
        for _ in 0..=random.below(2) {
            mutate(&mut bytes, &mut random);
        }
        if random.below(4) > 0 {
            repair_length(&mut bytes);
        }
        decoded += usize::from(round_trips(&bytes, version));
    }
    for _ in 0..60_000 {
        let length = random.below(40);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.byte()).collect();
        repair_length(&mut bytes);
        decoded += usize::from(round_trips(&bytes, version));
    }
    assert!(
        decoded > 10_000,
        "only {decoded} got past the decoder, so this proves little"
    );
}

#[test]
fn a_packet_that_is_too_large_is_refused_by_its_fixed_header() {
    let mut announced = Bytes::from_static(b"\x30\x80\x01");
    let error = codec::decode(&mut announced, V5, 130).unwrap_err();
    assert_eq!(
        error,
        DecodeError::PacketTooLarge {
            size: 131,
            maximum: 130
        }
    );
    assert_eq!(error.reason_code(), ReasonCode::PacketTooLarge);
    assert!(matches!(codec::decode(&mut announced, V5, 131), Ok(None)));
}

#[test]
fn errors_in_the_first_bytes_are_reported_at_once() {
    for (bytes, error) in [
        ("00", DecodeError::ReservedPacketType),
        ("36", fixed_header_flags(PacketType::Publish, 6)),
        ("60", fixed_header_flags(PacketType::PubRel, 0)),
        ("30ffffffff", DecodeError::VariableByteIntegerTooLong),
        (
            "30ff00",
            DecodeError::VariableByteIntegerNotMinimal { value: 127 },
        ),
    ] {
        assert_eq!(refusal(bytes), error, "{bytes}");
    }
}

#[test]
fn another_protocol_version_is_recognised_whatever_follows_it() {
    for bytes in ["100a00044d51545406020000", "100700044d51545406"] {
        let error = refusal(bytes);
        let violation = Violation::UnsupportedProtocolVersion { level: 6 };
        assert_eq!(error, DecodeError::Violation(violation));
        assert_eq!(error.kind(), ErrorKind::ProtocolError);
        assert_eq!(error.reason_code(), ReasonCode::UnsupportedProtocolVersion);
    }
}

#[test]
fn errors_name_the_violation_and_its_place() {
    for (bytes, error) in [
        // Codes of the library that MQTT does not have, and codes of other packets.
        ("e001b3", reason_code(PacketType::Disconnect, 0xB3)),
        ("2003008b00", reason_code(PacketType::ConnAck, 0x8B)),
        ("4003000192", reason_code(PacketType::PubAck, 0x92)),
        ("f0021000", reason_code(PacketType::Auth, 0x10)),
        ("b0040001000f", reason_code(PacketType::UnsubAck, 0x0F)),
        // Values that MQTT 3.1.1 allows, and values that no version does.
        ("20020000", truncated(PacketType::ConnAck, 1, 0)),
        ("f00100", truncated(PacketType::Auth, 1, 0)),
        ("d00100", trailing(PacketType::PingResp, 1)),
        // Identifiers, places and values of properties.
        ("e0040002ff01", DecodeError::UnknownProperty { id: 0xFF }),
        (
            "e00400028100",
            DecodeError::VariableByteIntegerNotMinimal { value: 1 },
        ),
        (
            "e0050003210001",
            foreign(PacketType::Disconnect, PropertyId::ReceiveMaximum),
        ),
        ("20050000022402", value(PropertyId::MaximumQoS, 2)),
        ("20050000032100", truncated(PacketType::ConnAck, 3, 2)),
        // A string that is longer than its property block, but not than its packet.
        (
            "e00700031f00036162",
            truncated(PacketType::Disconnect, 3, 0),
        ),
    ] {
        assert_eq!(refusal(bytes), error, "{bytes}");
    }
    for (bytes, violation) in [
        (
            "2003018700",
            Violation::SessionPresentWithError {
                code: ReasonCode::NotAuthorized,
            },
        ),
        ("f0021800", Violation::AuthenticationMethodMissing),
        (
            "9003000100",
            Violation::EmptyPayload {
                packet_type: PacketType::SubAck,
            },
        ),
        (
            "30080001610323000078",
            Violation::PropertyValue {
                id: PropertyId::TopicAlias,
                value: 0,
            },
        ),
    ] {
        assert_eq!(refusal(bytes), DecodeError::Violation(violation), "{bytes}");
    }
}

#[test]
fn a_payload_is_not_copied() {
    let bytes = Bytes::from(unhex("300d0003612f62007061796c6f6164"));
    let Packet::Publish(packet) = decode_all(&bytes) else {
        panic!("not a PUBLISH");
    };
    assert_eq!(packet.payload, "payload");
    let Ok(Some(Packet::Publish(packet))) = codec::decode(&mut bytes.clone(), V5, ANY_SIZE) else {
        panic!("not a PUBLISH");
    };
    assert!(bytes.as_ptr_range().contains(&packet.payload.as_ptr()));
}

#[test]
fn packets_that_mqtt_forbids_are_not_encoded() {
    let publish = |topic: &str, qos| PublishPacket::new(topic, "", qos);
    let mut without_id = publish("t", QoS::AtMostOnce);
    without_id.packet_id = Some(7);
    let mut twice = DisconnectPacket::normal().with_reason_string("a".into());
    twice.properties.set_reason_string("b".into());
    let mut foreign = SubAckPacket::new(1).add_granted_qos(QoS::AtMostOnce);
    foreign.properties.set_topic_alias(1);
    let mut unknown = ConnectPacket::new(ConnectOptions::new("a"));
    unknown.protocol_version = 6;
    let shared = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::default()
    };
    let shared = TopicFilter::with_options("$share/g/a", shared);
    for (packet, violation) in [
        (
            Packet::Publish(publish("t", QoS::AtLeastOnce)),
            Violation::PublishPacketId {
                qos: QoS::AtLeastOnce,
                packet_id: None,
            },
        ),
        (
            Packet::Publish(without_id),
            Violation::PublishPacketId {
                qos: QoS::AtMostOnce,
                packet_id: Some(7),
            },
        ),
        (
            Packet::Publish(publish("a/#", QoS::AtMostOnce)),
            Violation::TopicName(TopicError::Wildcard { offset: 2 }),
        ),
        (
            Packet::Connect(Box::new(unknown)),
            Violation::UnsupportedProtocolVersion { level: 6 },
        ),
        (
            Packet::Disconnect(twice),
            Violation::DuplicateProperty {
                owner: PropertyOwner::Packet(PacketType::Disconnect),
                id: PropertyId::ReasonString,
            },
        ),
        (
            Packet::SubAck(foreign),
            Violation::PropertyNotAllowed {
                owner: PropertyOwner::Packet(PacketType::SubAck),
                id: PropertyId::TopicAlias,
            },
        ),
        (
            Packet::Subscribe(SubscribePacket::new(1).add_filter_with_options(shared)),
            Violation::NoLocalOnSharedSubscription,
        ),
        (
            Packet::Subscribe(SubscribePacket::new(1).add_filter("a+", QoS::AtMostOnce)),
            Violation::TopicFilter(TopicError::MisplacedWildcard { offset: 1 }),
        ),
        (
            Packet::Unsubscribe(UnsubscribePacket::new(1).add_filter("a").add_filter("")),
            Violation::TopicFilter(TopicError::Empty),
        ),
    ] {
        assert_eq!(refused(&packet), EncodeError::Violation(violation));
    }
}

#[test]
fn packets_without_an_encoding_are_not_encoded() {
    let disconnect =
        |text: String| Packet::Disconnect(DisconnectPacket::normal().with_reason_string(text));
    let error = EncodeError::FieldTooLong { bytes: 65_536 };
    assert_eq!(refused(&disconnect("x".repeat(65_536))), error);
    let error = EncodeError::NulCharacter { offset: 1 };
    assert_eq!(refused(&disconnect("x\0".into())), error);
    let payload = vec![0; 268_435_455 - 3];
    let error = EncodeError::PacketTooLarge {
        remaining_length: 268_435_456,
    };
    let publish = Packet::Publish(PublishPacket::new("t", payload, QoS::AtMostOnce));
    assert_eq!(refused(&publish), error);
    assert_eq!(codec::encoded_len(&publish, V5), Err(error));
}

#[test]
fn will_properties_are_decoded_into_both_fields_and_must_be_equal_to_be_encoded() {
    let mut will = WillMessage::new("w", "gone").with_qos(QoS::AtLeastOnce);
    will.properties.will_delay_interval = Some(5);
    will.properties.correlation_data = Some(b"c".to_vec());
    let options = ConnectOptions::new("id").with_will(will);
    let packet = ConnectPacket::new(options);
    let bytes = encode(&Packet::Connect(Box::new(packet.clone())));
    let Packet::Connect(decoded) = decode_all(&bytes) else {
        panic!("not a CONNECT");
    };
    assert_eq!(decoded.will_properties, packet.will_properties);
    let fields = decoded.will.map(|will| Properties::from(will.properties));
    assert_eq!(fields, Some(packet.will_properties.clone()));

    let mut without_block = packet;
    without_block.will_properties = Properties::default();
    let error = EncodeError::Violation(Violation::WillPropertiesDiffer);
    assert_eq!(refused(&Packet::Connect(Box::new(without_block))), error);
}

struct Row<'a> {
    verdict: &'a str,
    section: &'a str,
    name: &'a str,
    packet: Vec<u8>,
}

fn table(version: ProtocolVersion) -> impl Iterator<Item = Row<'static>> {
    let table = match version {
        ProtocolVersion::V5 => include_str!("mqtt5-packets.tsv"),
        ProtocolVersion::V311 => include_str!("mqtt311-packets.tsv"),
        ProtocolVersion::V31 => include_str!("mqtt31-packets.tsv"),
    };
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<_> = line.split('\t').collect();
            let [verdict, section, name, packet] = columns[..] else {
                panic!("not four columns: {line}");
            };
            Row {
                verdict,
                section,
                name,
                packet: unhex(packet),
            }
        })
}

fn valid_rows() -> impl Iterator<Item = Row<'static>> {
    table(V5).filter(|row| row.verdict == "valid")
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(str::from_utf8);
    digits
        .map(|pair| u8::from_str_radix(pair.unwrap(), 16).unwrap())
        .collect()
}

fn decode_all(packet: &[u8]) -> Packet {
    let mut bytes = Bytes::copy_from_slice(packet);
    let decoded = codec::decode(&mut bytes, V5, ANY_SIZE).unwrap().unwrap();
    assert!(bytes.is_empty());
    decoded
}

fn refusal(packet: &str) -> DecodeError {
    let mut bytes = Bytes::from(unhex(packet));
    codec::decode(&mut bytes, V5, ANY_SIZE).unwrap_err()
}

fn encode(packet: &Packet) -> Vec<u8> {
    let mut out = Vec::new();
    codec::encode(packet, V5, &mut out).unwrap();
    out
}

fn refused(packet: &Packet) -> EncodeError {
    let mut out = b"before".to_vec();
    let error = codec::encode(packet, V5, &mut out).unwrap_err();
    assert_eq!(out, b"before");
    error
}

/// Encodes the complete packets of `bytes` again and appends them to `out`.
fn drain(bytes: &mut Bytes, out: &mut Vec<u8>) {
    while let Some(packet) = codec::decode(bytes, V5, ANY_SIZE).unwrap() {
        codec::encode(&packet, V5, out).unwrap();
    }
}

/// Returns whether `bytes` are a packet. Checks that a decoded packet keeps its meaning when it is encoded again.
fn round_trips(bytes: &[u8], version: ProtocolVersion) -> bool {
    let decode =
        |bytes: &[u8]| codec::decode(&mut Bytes::copy_from_slice(bytes), version, ANY_SIZE).ok()?;
    let Some(packet) = decode(bytes) else {
        return false;
    };
    let mut encoded = Vec::new();
    codec::encode(&packet, version, &mut encoded).unwrap();
    assert_eq!(codec::encoded_len(&packet, version), Ok(encoded.len()));
    let again = decode(&encoded).expect("what was encoded");
    assert_eq!(meaning(&again), meaning(&packet));
    true
}

/// A text that is equal for packets of the same meaning, because the library's packets cannot be compared.
fn meaning(packet: &Packet) -> (String, [Properties; 2], Option<Vec<u8>>) {
    let mut packet = packet.clone();
    let mut will_properties = Properties::default();
    let mut password = None;
    let nothing = &mut Properties::default();
    let properties = match &mut packet {
        Packet::Connect(connect) => {
            will_properties = core::mem::take(&mut connect.will_properties);
            password = connect.password.clone();
            &mut connect.properties
        }
        Packet::ConnAck(packet) => &mut packet.properties,
        Packet::Publish(packet) => &mut packet.properties,
        Packet::PubAck(packet) => &mut packet.properties,
        Packet::PubRec(packet) => &mut packet.properties,
        Packet::PubRel(packet) => &mut packet.properties,
        Packet::PubComp(packet) => &mut packet.properties,
        Packet::Subscribe(packet) => &mut packet.properties,
        Packet::SubAck(packet) => &mut packet.properties,
        Packet::Unsubscribe(packet) => &mut packet.properties,
        Packet::UnsubAck(packet) => &mut packet.properties,
        Packet::PingReq | Packet::PingResp => nothing,
        Packet::Disconnect(packet) => &mut packet.properties,
        Packet::Auth(packet) => &mut packet.properties,
    };
    let properties = core::mem::take(properties);
    // The debug output has everything except the properties (their order is random) and the password (never printed).
    (
        format!("{packet:?}"),
        [properties, will_properties],
        password,
    )
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    match random.below(5) {
        0 => bytes.insert(at, random.byte()),
        1 => bytes.truncate(at),
        2 if at < bytes.len() => drop(bytes.remove(at)),
        3 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        _ if at < bytes.len() => bytes[at] = random.byte(),
        _ => bytes.push(random.byte()),
    }
}

/// Sets the second byte to the remaining length, so the decoder reads beyond the fixed header.
fn repair_length(bytes: &mut [u8]) {
    if let [_, length, body @ ..] = bytes {
        *length = body.len().min(0x7F) as u8;
    }
}

/// A xorshift generator: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn byte(&mut self) -> u8 {
        (self.next() >> 32) as u8
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 32) as usize % end
    }
}

fn fixed_header_flags(packet_type: PacketType, flags: u8) -> DecodeError {
    DecodeError::FixedHeaderFlags { packet_type, flags }
}

fn truncated(packet_type: PacketType, needed: usize, left: usize) -> DecodeError {
    DecodeError::Truncated {
        packet_type,
        needed,
        left,
    }
}

fn trailing(packet_type: PacketType, count: usize) -> DecodeError {
    DecodeError::TrailingBytes { packet_type, count }
}

fn reason_code(packet_type: PacketType, code: u8) -> DecodeError {
    Violation::ReasonCode { packet_type, code }.into()
}

fn foreign(packet_type: PacketType, id: PropertyId) -> DecodeError {
    let owner = PropertyOwner::Packet(packet_type);
    Violation::PropertyNotAllowed { owner, id }.into()
}

fn value(id: PropertyId, value: u32) -> DecodeError {
    Violation::PropertyValue { id, value }.into()
}
