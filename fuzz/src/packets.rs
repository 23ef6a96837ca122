//! Checks the codec: it never panics, and a decoded packet has the same meaning after encoding.

use broker::codec::{self, ProtocolVersion};
use broker::packet::Packet;
use broker::{Properties, PropertyValue};
use bytes::Bytes;

const MAXIMUM_PACKET_SIZE: u32 = 64 * 1024;

/// Decodes `bytes` as a stream of each version, and encodes and decodes every packet again.
pub fn check(bytes: &[u8]) {
    check_stream(bytes, ProtocolVersion::V5);
    check_stream(bytes, ProtocolVersion::V311);
    check_stream(bytes, ProtocolVersion::V31);
}

fn check_stream(bytes: &[u8], version: ProtocolVersion) {
    let mut rest = Bytes::copy_from_slice(bytes);
    loop {
        let before = rest.clone();
        match codec::decode(&mut rest, version, MAXIMUM_PACKET_SIZE) {
            Ok(Some(packet)) => {
                let came = before.slice(..before.len() - rest.len());
                assert!(!came.is_empty(), "a packet without bytes");
                check_packet(&came, &packet, version);
            }
            Ok(None) => {
                assert_eq!(rest, before, "the decoder consumed a part of a packet");
                return;
            }
            Err(error) => {
                assert!(error.reason_code().is_error(), "{error}");
                return;
            }
        }
    }
}

fn check_packet(came: &[u8], packet: &Packet, version: ProtocolVersion) {
    let came = &without_dup(came, packet, version)[..];
    let once = encode(packet, version);
    let again = decode(&once, version);
    assert_eq!(meaning(&again), meaning(packet));
    assert_eq!(
        encode(&again, version),
        once,
        "the packet is equal, but its bytes differ"
    );
    // Properties may change their order, and default values may be omitted. Nothing else changes.
    if once.len() == came.len() {
        assert_eq!(sorted(&once), sorted(came), "{packet:?}");
    } else {
        assert!(
            may_be_shorter(packet) && once.len() < came.len(),
            "{packet:?}"
        );
    }
}

/// The received bytes without the DUP flag, which MQTT 3.1 allows in these packets. The codec does not keep it.
fn without_dup(came: &[u8], packet: &Packet, version: ProtocolVersion) -> Vec<u8> {
    let mut came = came.to_vec();
    let may_have_dup = matches!(
        packet,
        Packet::PubRel(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_)
    );
    if let Some(first) = came.first_mut()
        && may_have_dup
        && version == ProtocolVersion::V31
    {
        *first &= !0x08;
    }
    came
}

/// Whether a reason code of 0 and an empty block of properties can be omitted.
fn may_be_shorter(packet: &Packet) -> bool {
    matches!(
        packet,
        Packet::PubAck(_)
            | Packet::PubRec(_)
            | Packet::PubRel(_)
            | Packet::PubComp(_)
            | Packet::Disconnect(_)
            | Packet::Auth(_)
    )
}

fn encode(packet: &Packet, version: ProtocolVersion) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(packet, version, &mut bytes).expect("a decoded packet can be encoded");
    assert_eq!(codec::encoded_len(packet, version), Ok(bytes.len()));
    bytes
}

fn decode(bytes: &[u8], version: ProtocolVersion) -> Packet {
    let mut bytes = Bytes::copy_from_slice(bytes);
    let packet = codec::decode(&mut bytes, version, MAXIMUM_PACKET_SIZE);
    assert!(bytes.is_empty(), "bytes remain after decoding");
    packet
        .expect("an encoded packet can be decoded")
        .expect("the packet is complete")
}

/// The contents of a packet as text, without passwords, which are not printed. Their bytes are compared.
fn meaning(packet: &Packet) -> (String, Vec<String>) {
    let mut packet = packet.clone();
    let mut blocks = Vec::new();
    match &mut packet {
        Packet::Connect(packet) => {
            blocks.push(take(&mut packet.properties));
            blocks.push(take(&mut packet.will_properties));
            if let Some(will) = &mut packet.will {
                blocks.push(lines(&will.properties.clone().into()));
                will.properties = Default::default();
            }
        }
        Packet::ConnAck(packet) => blocks.push(take(&mut packet.properties)),
        Packet::Publish(packet) => blocks.push(take(&mut packet.properties)),
        Packet::PubAck(packet) => blocks.push(take(&mut packet.properties)),
        Packet::PubRec(packet) => blocks.push(take(&mut packet.properties)),
        Packet::PubRel(packet) => blocks.push(take(&mut packet.properties)),
        Packet::PubComp(packet) => blocks.push(take(&mut packet.properties)),
        Packet::Subscribe(packet) => blocks.push(take(&mut packet.properties)),
        Packet::SubAck(packet) => blocks.push(take(&mut packet.properties)),
        Packet::Unsubscribe(packet) => blocks.push(take(&mut packet.properties)),
        Packet::UnsubAck(packet) => blocks.push(take(&mut packet.properties)),
        Packet::Disconnect(packet) => blocks.push(take(&mut packet.properties)),
        Packet::Auth(packet) => blocks.push(take(&mut packet.properties)),
        Packet::PingReq | Packet::PingResp => {}
    }
    (format!("{packet:?}"), blocks.concat())
}

fn take(properties: &mut Properties) -> Vec<String> {
    lines(&core::mem::take(properties))
}

/// One line for each property. The library iterates in random order, but keeps the order of equal identifiers.
fn lines(properties: &Properties) -> Vec<String> {
    let mut all: Vec<_> = properties.iter().collect();
    all.sort_by_key(|(id, _)| *id as u8);
    let line = |(id, value): (_, &PropertyValue)| format!("{id:?} {value:?}");
    all.into_iter().map(line).collect()
}

fn sorted(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.sort_unstable();
    bytes
}
