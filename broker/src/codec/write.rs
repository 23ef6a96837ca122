//! From packets to bytes.

use mqtt5_protocol::encoding::VARIABLE_INT_MAX;
use mqtt5_protocol::packet::connack::ConnAckPacket;
use mqtt5_protocol::packet::connect::ConnectPacket;
use mqtt5_protocol::packet::publish::PublishPacket;
use mqtt5_protocol::packet::suback::SubAckReasonCode;
use mqtt5_protocol::packet::{MqttPacket, Packet, PacketType};
use mqtt5_protocol::{
    ConnAckFlags, ConnectFlags, Properties, PropertyId, PropertyValue, QoS, ReasonCode,
};

use super::property::PropertyOwner;
use super::read::RETURN_CODES;
use super::version;
use super::{EncodeError, ProtocolVersion, packet_type};

/// Appends a packet. Nothing is written unless all of it can be.
pub(super) fn packet(
    packet: &Packet,
    version: ProtocolVersion,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let remaining_length = remaining_length(packet, version)?;
    let first = u8::from(packet_type(packet)) << 4 | flags(packet);
    fixed_header(first, remaining_length, remaining_length, out);
    body(packet, version, out)
}

/// Appends a PUBLISH up to its payload. `shared` are more properties, encoded already. Nothing is written unless all of
/// it can be.
pub(super) fn publish(
    packet: &PublishPacket,
    shared: &[u8],
    version: ProtocolVersion,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let mut length = Length(0);
    publish_head(packet, shared, version, &mut length)?;
    let remaining_length = within_limit(length.0 + packet.payload.len())?;
    let first = u8::from(PacketType::Publish) << 4 | packet.flags();
    fixed_header(first, remaining_length, length.0, out);
    publish_head(packet, shared, version, out)
}

pub(super) fn publish_len(
    packet: &PublishPacket,
    shared: &[u8],
    version: ProtocolVersion,
) -> Result<usize, EncodeError> {
    let mut length = Length(packet.payload.len());
    publish_head(packet, shared, version, &mut length)?;
    let remaining_length = within_limit(length.0)?;
    Ok(fixed_header_len(remaining_length) + remaining_length)
}

/// The properties of these identifiers that can be written, without the length in front.
pub(super) fn properties(ids: &[PropertyId], block: &Properties) -> Vec<u8> {
    let mut out = Vec::new();
    for &id in ids {
        for value in block.get_all(id).unwrap_or_default() {
            let before = out.len();
            out.u8(id as u8);
            if out.property_value(value).is_err() {
                out.truncate(before);
            }
        }
    }
    out
}

/// Appends a fixed header, and makes room for the bytes that the caller appends next.
fn fixed_header(first: u8, remaining_length: usize, next: usize, out: &mut Vec<u8>) {
    out.reserve(fixed_header_len(remaining_length) + next);
    out.u8(first);
    out.variable_byte_integer(remaining_length);
}

pub(super) fn encoded_len(packet: &Packet, version: ProtocolVersion) -> Result<usize, EncodeError> {
    let remaining_length = remaining_length(packet, version)?;
    Ok(fixed_header_len(remaining_length) + remaining_length)
}

fn remaining_length(packet: &Packet, version: ProtocolVersion) -> Result<usize, EncodeError> {
    let mut length = Length(0);
    body(packet, version, &mut length)?;
    within_limit(length.0)
}

fn within_limit(remaining_length: usize) -> Result<usize, EncodeError> {
    if remaining_length > VARIABLE_INT_MAX as usize {
        return Err(EncodeError::PacketTooLarge { remaining_length });
    }
    Ok(remaining_length)
}

fn fixed_header_len(remaining_length: usize) -> usize {
    let mut length = Length(1);
    length.variable_byte_integer(remaining_length);
    length.0
}

fn flags(packet: &Packet) -> u8 {
    match packet {
        Packet::Publish(packet) => packet.flags(),
        Packet::PubRel(packet) => packet.flags(),
        Packet::Subscribe(packet) => packet.flags(),
        Packet::Unsubscribe(packet) => packet.flags(),
        Packet::Connect(_)
        | Packet::ConnAck(_)
        | Packet::PubAck(_)
        | Packet::PubRec(_)
        | Packet::PubComp(_)
        | Packet::SubAck(_)
        | Packet::UnsubAck(_)
        | Packet::PingReq
        | Packet::PingResp
        | Packet::Disconnect(_)
        | Packet::Auth(_) => 0,
    }
}

/// The target of bytes: memory, or a count of them. One layout serves both, so a length always equals what is written.
trait Sink {
    fn put(&mut self, bytes: &[u8]);

    fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    fn variable_byte_integer(&mut self, mut value: usize) {
        while value > 0x7F {
            self.u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.u8(value as u8);
    }

    fn binary(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let length = u16::try_from(bytes.len());
        self.u16(length.map_err(|_| EncodeError::FieldTooLong { bytes: bytes.len() })?);
        self.put(bytes);
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<(), EncodeError> {
        match text.find('\0') {
            Some(offset) => Err(EncodeError::NulCharacter { offset }),
            None => self.binary(text.as_bytes()),
        }
    }

    fn property_value(&mut self, value: &PropertyValue) -> Result<(), EncodeError> {
        match value {
            PropertyValue::Byte(value) => self.u8(*value),
            PropertyValue::TwoByteInteger(value) => self.u16(*value),
            PropertyValue::FourByteInteger(value) => self.u32(*value),
            PropertyValue::VariableByteInteger(value) => {
                self.variable_byte_integer(*value as usize);
            }
            PropertyValue::BinaryData(bytes) => self.binary(bytes)?,
            PropertyValue::Utf8String(text) => self.string(text)?,
            PropertyValue::Utf8StringPair(name, value) => {
                self.string(name)?;
                self.string(value)?;
            }
        }
        Ok(())
    }

    /// Properties by ascending identifier, without the length in front.
    fn properties(&mut self, owner: PropertyOwner, block: &Properties) -> Result<(), EncodeError>;

    fn property_block(
        &mut self,
        owner: PropertyOwner,
        block: &Properties,
    ) -> Result<(), EncodeError> {
        self.property_block_with(owner, block, &[])
    }

    /// A block of properties, of which the last ones are encoded already.
    fn property_block_with(
        &mut self,
        owner: PropertyOwner,
        block: &Properties,
        last: &[u8],
    ) -> Result<(), EncodeError> {
        let mut length = Length(last.len());
        if !block.is_empty() {
            length.properties(owner, block)?;
        }
        self.variable_byte_integer(length.0);
        if !block.is_empty() {
            self.properties(owner, block)?;
        }
        self.put(last);
        Ok(())
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn properties(&mut self, owner: PropertyOwner, block: &Properties) -> Result<(), EncodeError> {
        for &id in owner.allowed() {
            for value in block.get_all(id).unwrap_or_default() {
                self.u8(id as u8);
                self.property_value(value)?;
            }
        }
        Ok(())
    }
}

struct Length(usize);

impl Sink for Length {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    /// A sum is the same in any order, so the library's random one will do, and it is faster.
    fn properties(&mut self, _: PropertyOwner, block: &Properties) -> Result<(), EncodeError> {
        block.iter().try_for_each(|(id, value)| {
            self.u8(id as u8);
            self.property_value(value)
        })
    }
}

fn body(packet: &Packet, version: ProtocolVersion, out: &mut impl Sink) -> Result<(), EncodeError> {
    match version {
        ProtocolVersion::V31 | ProtocolVersion::V311 => body_v311(packet, version, out),
        ProtocolVersion::V5 => body_v5(packet, out),
    }
}

fn body_v5(packet: &Packet, out: &mut impl Sink) -> Result<(), EncodeError> {
    let owner = PropertyOwner::Packet(packet_type(packet));
    match packet {
        Packet::Connect(packet) => connect(packet, out),
        Packet::ConnAck(packet) => connack(packet, out),
        Packet::Publish(packet) => {
            publish_head(packet, &[], ProtocolVersion::V5, out)?;
            out.put(&packet.payload);
            Ok(())
        }
        Packet::PubAck(packet) => {
            out.u16(packet.packet_id);
            short_reason(owner, packet.reason_code, &packet.properties, out)
        }
        Packet::PubRec(packet) => {
            out.u16(packet.packet_id);
            short_reason(owner, packet.reason_code, &packet.properties, out)
        }
        Packet::PubRel(packet) => {
            out.u16(packet.packet_id);
            short_reason(owner, packet.reason_code, &packet.properties, out)
        }
        Packet::PubComp(packet) => {
            out.u16(packet.packet_id);
            short_reason(owner, packet.reason_code, &packet.properties, out)
        }
        Packet::Subscribe(packet) => {
            out.u16(packet.packet_id);
            out.property_block(owner, &packet.properties)?;
            packet.filters.iter().try_for_each(|subscription| {
                out.string(&subscription.filter)?;
                out.u8(subscription.options.encode());
                Ok(())
            })
        }
        Packet::SubAck(packet) => {
            out.u16(packet.packet_id);
            out.property_block(owner, &packet.properties)?;
            packet
                .reason_codes
                .iter()
                .for_each(|code| out.u8(*code as u8));
            Ok(())
        }
        Packet::Unsubscribe(packet) => {
            out.u16(packet.packet_id);
            out.property_block(owner, &packet.properties)?;
            packet
                .filters
                .iter()
                .try_for_each(|filter| out.string(filter))
        }
        Packet::UnsubAck(packet) => {
            out.u16(packet.packet_id);
            out.property_block(owner, &packet.properties)?;
            packet
                .reason_codes
                .iter()
                .for_each(|code| out.u8(*code as u8));
            Ok(())
        }
        Packet::PingReq | Packet::PingResp => Ok(()),
        Packet::Disconnect(packet) => {
            short_reason(owner, packet.reason_code, &packet.properties, out)
        }
        Packet::Auth(packet) => {
            if packet.reason_code == ReasonCode::Success && packet.properties.is_empty() {
                return Ok(());
            }
            out.u8(packet.reason_code.into());
            out.property_block(owner, &packet.properties)
        }
    }
}

/// MQTT 3.1.1 and 3.1 have no place for some things, which are left out: properties, reason codes where nothing but success can be said,
/// the difference between two failures.
fn body_v311(
    packet: &Packet,
    version: ProtocolVersion,
    out: &mut impl Sink,
) -> Result<(), EncodeError> {
    match packet {
        Packet::Connect(packet) => connect(packet, out)?,
        Packet::ConnAck(packet) => connack(packet, out)?,
        Packet::Publish(packet) => {
            publish_head(packet, &[], version, out)?;
            out.put(&packet.payload);
        }
        Packet::PubAck(packet) => out.u16(packet.packet_id),
        Packet::PubRec(packet) => out.u16(packet.packet_id),
        Packet::PubRel(packet) => out.u16(packet.packet_id),
        Packet::PubComp(packet) => out.u16(packet.packet_id),
        Packet::Subscribe(packet) => {
            out.u16(packet.packet_id);
            for subscription in &packet.filters {
                out.string(&subscription.filter)?;
                out.u8(subscription.options.qos.into());
            }
        }
        Packet::SubAck(packet) => {
            out.u16(packet.packet_id);
            for code in &packet.reason_codes {
                out.u8((*code as u8).min(SubAckReasonCode::UnspecifiedError as u8));
            }
        }
        Packet::Unsubscribe(packet) => {
            out.u16(packet.packet_id);
            packet
                .filters
                .iter()
                .try_for_each(|filter| out.string(filter))?;
        }
        Packet::UnsubAck(packet) => out.u16(packet.packet_id),
        Packet::PingReq | Packet::PingResp | Packet::Disconnect(_) => {}
        Packet::Auth(_) => {
            return Err(EncodeError::NotInVersion {
                packet_type: PacketType::Auth,
                version,
            });
        }
    }
    Ok(())
}

/// The variable header of a PUBLISH.
fn publish_head(
    packet: &PublishPacket,
    shared: &[u8],
    version: ProtocolVersion,
    out: &mut impl Sink,
) -> Result<(), EncodeError> {
    out.string(&packet.topic_name)?;
    if let Some(packet_id) = packet.packet_id {
        out.u16(packet_id);
    }
    match version {
        ProtocolVersion::V5 => {
            let owner = PropertyOwner::Packet(PacketType::Publish);
            out.property_block_with(owner, &packet.properties, shared)
        }
        ProtocolVersion::V31 | ProtocolVersion::V311 => Ok(()),
    }
}

/// It is of the version that it states.
fn connack(packet: &ConnAckPacket, out: &mut impl Sink) -> Result<(), EncodeError> {
    let flags = ConnAckFlags::SessionPresent as u8 * u8::from(packet.session_present);
    let packet_type = PacketType::ConnAck;
    match ProtocolVersion::of_level(packet.protocol_version) {
        ProtocolVersion::V5 => {
            out.u8(flags);
            out.u8(packet.reason_code.into());
            out.property_block(PropertyOwner::Packet(packet_type), &packet.properties)
        }
        version @ (ProtocolVersion::V31 | ProtocolVersion::V311) => {
            let mut known = RETURN_CODES.iter();
            let known = known.find(|(_, reason_code)| *reason_code == packet.reason_code);
            let not_in_version = EncodeError::NotInVersion {
                packet_type,
                version,
            };
            let (return_code, _) = known.ok_or(not_in_version)?;
            // MQTT 3.1 reserves the byte.
            out.u8(match version {
                ProtocolVersion::V31 => 0,
                ProtocolVersion::V311 | ProtocolVersion::V5 => flags,
            });
            out.u8(*return_code);
            Ok(())
        }
    }
}

/// It is of the version that it states.
fn connect(packet: &ConnectPacket, out: &mut impl Sink) -> Result<(), EncodeError> {
    let level = packet.protocol_version;
    let has_properties = ProtocolVersion::of_level(level) == ProtocolVersion::V5;
    out.binary(version::name(level))?;
    out.u8(level);
    out.u8(connect_flags(packet));
    out.u16(packet.keep_alive);
    if has_properties {
        let owner = PropertyOwner::Packet(PacketType::Connect);
        out.property_block(owner, &packet.properties)?;
    }
    out.string(&packet.client_id)?;
    if let Some(will) = &packet.will {
        if has_properties {
            out.property_block(PropertyOwner::Will, &packet.will_properties)?;
        }
        out.string(&will.topic)?;
        out.binary(&will.payload)?;
    }
    if let Some(username) = &packet.username {
        out.string(username)?;
    }
    if let Some(password) = &packet.password {
        out.binary(password)?;
    }
    Ok(())
}

fn connect_flags(packet: &ConnectPacket) -> u8 {
    let will = packet.will.as_ref();
    let will_qos = will.map_or(QoS::AtMostOnce, |will| will.qos);
    let flags = [
        (packet.clean_start, ConnectFlags::CleanStart),
        (will.is_some(), ConnectFlags::WillFlag),
        (
            will.is_some_and(|will| will.retain),
            ConnectFlags::WillRetain,
        ),
        (packet.username.is_some(), ConnectFlags::UsernameFlag),
        (packet.password.is_some(), ConnectFlags::PasswordFlag),
    ];
    let set = flags.into_iter().filter(|(is_set, _)| *is_set);
    let flags = set.fold(0, |flags, (_, flag)| flags | flag as u8);
    ConnectFlags::with_will_qos(flags, will_qos.into())
}

/// A reason code and properties, without what may be left out.
fn short_reason(
    owner: PropertyOwner,
    reason_code: ReasonCode,
    properties: &Properties,
    out: &mut impl Sink,
) -> Result<(), EncodeError> {
    if reason_code != ReasonCode::Success || !properties.is_empty() {
        out.u8(reason_code.into());
    }
    if !properties.is_empty() {
        out.property_block(owner, properties)?;
    }
    Ok(())
}
