//! From bytes to packets: the layout, and nothing about whether a packet may say what it says.

use bytes::{Buf, Bytes};
use mqtt5_protocol::packet::auth::AuthPacket;
use mqtt5_protocol::packet::connack::ConnAckPacket;
use mqtt5_protocol::packet::connect::ConnectPacket;
use mqtt5_protocol::packet::disconnect::DisconnectPacket;
use mqtt5_protocol::packet::puback::PubAckPacket;
use mqtt5_protocol::packet::pubcomp::PubCompPacket;
use mqtt5_protocol::packet::publish::PublishPacket;
use mqtt5_protocol::packet::pubrec::PubRecPacket;
use mqtt5_protocol::packet::pubrel::PubRelPacket;
use mqtt5_protocol::packet::suback::{SubAckPacket, SubAckReasonCode};
use mqtt5_protocol::packet::subscribe::{SubscribePacket, SubscriptionOptions, TopicFilter};
use mqtt5_protocol::packet::unsuback::{UnsubAckPacket, UnsubAckReasonCode};
use mqtt5_protocol::packet::unsubscribe::UnsubscribePacket;
use mqtt5_protocol::packet::{FixedHeader, Packet, PacketType};
use mqtt5_protocol::{
    ConnAckFlags, ConnectFlags, MessageProperties, Properties, PropertyId, PropertyValue,
    PropertyValueType, PublishFlags, QoS, ReasonCode, WillMessage, WillProperties,
};

use super::check::{Many, Violation};
use super::property::PropertyOwner;
use super::version::{self, V5_LEVEL, V31_LEVEL, V311_LEVEL};
use super::{DecodeError, ProtocolVersion};

/// The fixed header at the start of `bytes` and its length, as soon as all of it is there.
pub(super) fn fixed_header(
    bytes: &[u8],
    version: ProtocolVersion,
) -> Result<Option<(FixedHeader, usize)>, DecodeError> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let packet_type = PacketType::from_u8(first >> 4).ok_or(DecodeError::ReservedPacketType)?;
    if packet_type == PacketType::Auth && version != ProtocolVersion::V5 {
        return Err(DecodeError::ReservedPacketType);
    }
    let flags = without_dup(packet_type, first & 0x0F, version);
    let known_qos = packet_type != PacketType::Publish || publish_qos(flags).is_some();
    if !known_qos || !FixedHeader::new(packet_type, flags, 0).validate_flags() {
        return Err(DecodeError::FixedHeaderFlags { packet_type, flags });
    }
    let Some((remaining_length, length)) = variable_byte_integer(rest)? else {
        return Ok(None);
    };
    let header = FixedHeader::new(packet_type, flags, remaining_length);
    Ok(Some((header, 1 + length)))
}

/// The flags without the DUP that MQTT 3.1 allows where later versions reserve the bit. A request that comes again is
/// answered again, so the difference has no effect.
fn without_dup(packet_type: PacketType, flags: u8, version: ProtocolVersion) -> u8 {
    match (version, packet_type) {
        (
            ProtocolVersion::V31,
            PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe,
        ) => flags & !(PublishFlags::Dup as u8),
        _ => flags,
    }
}

/// The packet of a fixed header and all the bytes that it announces.
pub(super) fn packet(
    header: FixedHeader,
    body: Bytes,
    version: ProtocolVersion,
) -> Result<Packet, DecodeError> {
    let mut body = Body {
        packet_type: header.packet_type,
        version,
        bytes: body,
    };
    let packet = match header.packet_type {
        // It ends here, so that what is left over is known to be in a CONNECT, too.
        PacketType::Connect => return Ok(Packet::Connect(Box::new(connect(body)?))),
        PacketType::ConnAck => Packet::ConnAck(connack(&mut body)?),
        PacketType::Publish => Packet::Publish(publish(header.flags, &mut body)?),
        PacketType::PubAck => {
            let (packet_id, reason_code, properties) = publish_ack(&mut body)?;
            Packet::PubAck(PubAckPacket {
                packet_id,
                reason_code,
                properties,
            })
        }
        PacketType::PubRec => {
            let (packet_id, reason_code, properties) = publish_ack(&mut body)?;
            Packet::PubRec(PubRecPacket {
                packet_id,
                reason_code,
                properties,
            })
        }
        PacketType::PubRel => {
            let (packet_id, reason_code, properties) = publish_ack(&mut body)?;
            Packet::PubRel(PubRelPacket {
                packet_id,
                reason_code,
                properties,
            })
        }
        PacketType::PubComp => {
            let (packet_id, reason_code, properties) = publish_ack(&mut body)?;
            Packet::PubComp(PubCompPacket {
                packet_id,
                reason_code,
                properties,
            })
        }
        PacketType::Subscribe => Packet::Subscribe(subscribe(&mut body)?),
        PacketType::SubAck => Packet::SubAck(SubAckPacket {
            packet_id: body.u16()?,
            properties: body.properties()?,
            reason_codes: body.reason_codes(match version {
                ProtocolVersion::V31 | ProtocolVersion::V311 => suback_code_311,
                ProtocolVersion::V5 => SubAckReasonCode::from_u8,
            })?,
            protocol_version: V5_LEVEL,
        }),
        PacketType::Unsubscribe => Packet::Unsubscribe(unsubscribe(&mut body)?),
        PacketType::UnsubAck => Packet::UnsubAck(UnsubAckPacket {
            packet_id: body.u16()?,
            properties: body.properties()?,
            // Before 5.0 there are none.
            reason_codes: match version {
                ProtocolVersion::V31 | ProtocolVersion::V311 => Vec::new(),
                ProtocolVersion::V5 => body.reason_codes(UnsubAckReasonCode::from_u8)?,
            },
            protocol_version: V5_LEVEL,
        }),
        PacketType::PingReq => Packet::PingReq,
        PacketType::PingResp => Packet::PingResp,
        PacketType::Disconnect => Packet::Disconnect(disconnect(&mut body)?),
        PacketType::Auth => Packet::Auth(auth(&mut body)?),
    };
    body.finish()?;
    Ok(packet)
}

/// The codes that 3.1.1 has: a granted QoS, or a failure of any kind.
fn suback_code_311(code: u8) -> Option<SubAckReasonCode> {
    match code {
        0..=2 | 0x80 => SubAckReasonCode::from_u8(code),
        _ => None,
    }
}

fn connect(mut body: Body) -> Result<ConnectPacket, DecodeError> {
    let name = body.binary()?;
    if ![V31_LEVEL, V5_LEVEL].map(version::name).contains(&&*name) {
        return Err(DecodeError::ProtocolName);
    }
    let level = body.u8()?;
    let known = [V31_LEVEL, V311_LEVEL, V5_LEVEL].contains(&level);
    if !known || name != version::name(level) {
        // The rest may have another layout.
        return Err(Violation::UnsupportedProtocolVersion { level }.into());
    }
    body.version = ProtocolVersion::of_level(level);
    connect_after_level(level, &mut body)
        .and_then(|connect| body.finish().map(|()| connect))
        .map_err(|error| error.in_connect(level))
}

fn connect_after_level(level: u8, body: &mut Body) -> Result<ConnectPacket, DecodeError> {
    let flags = body.u8()?;
    let has = |flag: ConnectFlags| flags & flag as u8 != 0;
    let bad_flags = || DecodeError::ConnectFlags { flags };
    let has_will = has(ConnectFlags::WillFlag);
    let will_retain = has(ConnectFlags::WillRetain);
    let will_qos = qos(ConnectFlags::extract_will_qos(flags)).ok_or_else(bad_flags)?;
    let says_nothing_of_will = will_qos == QoS::AtMostOnce && !will_retain;
    if has(ConnectFlags::Reserved) || !(has_will || says_nothing_of_will) {
        return Err(bad_flags());
    }
    // Only MQTT 5.0 has passwords without user names.
    let password_alone = has(ConnectFlags::PasswordFlag) && !has(ConnectFlags::UsernameFlag);
    if password_alone && body.version != ProtocolVersion::V5 {
        return Err(bad_flags());
    }
    let keep_alive = body.u16()?;
    let properties = body.properties()?;
    let client_id = body.string()?;
    let mut will = None;
    let mut will_properties = Properties::default();
    if has_will {
        will_properties = body.property_block(PropertyOwner::Will)?;
        will = Some(WillMessage {
            topic: body.string()?,
            payload: body.binary()?.to_vec(),
            qos: will_qos,
            retain: will_retain,
            properties: will_fields(&will_properties),
        });
    }
    let username = match has(ConnectFlags::UsernameFlag) {
        true => Some(body.string()?),
        false => None,
    };
    let password = match has(ConnectFlags::PasswordFlag) {
        true => Some(body.binary()?.to_vec()),
        false => None,
    };
    Ok(ConnectPacket {
        protocol_version: level,
        clean_start: has(ConnectFlags::CleanStart),
        keep_alive,
        client_id,
        username,
        password,
        will,
        properties,
        will_properties,
    })
}

/// The fields that the library keeps beside the block of will properties.
fn will_fields(block: &Properties) -> WillProperties {
    let will_delay_interval = match block.get(PropertyId::WillDelayInterval) {
        Some(PropertyValue::FourByteInteger(seconds)) => Some(*seconds),
        _ => None,
    };
    let message = MessageProperties::from(block.clone());
    WillProperties {
        will_delay_interval,
        payload_format_indicator: message.payload_format_indicator,
        message_expiry_interval: message.message_expiry_interval,
        content_type: message.content_type,
        response_topic: message.response_topic,
        correlation_data: message.correlation_data,
        user_properties: message.user_properties,
    }
}

fn connack(body: &mut Body) -> Result<ConnAckPacket, DecodeError> {
    let flags = body.u8()?;
    let session_present = ConnAckFlags::SessionPresent as u8;
    let known = match body.version {
        // It reserves the whole byte.
        ProtocolVersion::V31 => 0,
        ProtocolVersion::V311 | ProtocolVersion::V5 => session_present,
    };
    if flags & !known != 0 {
        return Err(DecodeError::AcknowledgeFlags { flags });
    }
    Ok(ConnAckPacket {
        session_present: flags == session_present,
        reason_code: match body.version {
            ProtocolVersion::V5 => body.reason_code()?,
            ProtocolVersion::V31 | ProtocolVersion::V311 => body.return_code()?,
        },
        properties: body.properties()?,
        protocol_version: body.version.level(),
    })
}

fn publish(flags: u8, body: &mut Body) -> Result<PublishPacket, DecodeError> {
    let packet_type = PacketType::Publish;
    let qos = publish_qos(flags).ok_or(DecodeError::FixedHeaderFlags { packet_type, flags })?;
    let topic_name = body.string()?;
    let packet_id = match qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce | QoS::ExactlyOnce => Some(body.u16()?),
    };
    Ok(PublishPacket {
        topic_name,
        packet_id,
        properties: body.properties()?,
        payload: body.rest(),
        qos,
        retain: flags & PublishFlags::Retain as u8 != 0,
        dup: flags & PublishFlags::Dup as u8 != 0,
        protocol_version: V5_LEVEL,
        stream_id: None,
    })
}

/// The content of PUBACK, PUBREC, PUBREL and PUBCOMP.
fn publish_ack(body: &mut Body) -> Result<(u16, ReasonCode, Properties), DecodeError> {
    let packet_id = body.u16()?;
    let (reason_code, properties) = body.optional_reason()?;
    Ok((packet_id, reason_code, properties))
}

fn subscribe(body: &mut Body) -> Result<SubscribePacket, DecodeError> {
    let mut packet = SubscribePacket::new(body.u16()?);
    packet.properties = body.properties()?;
    while !body.bytes.is_empty() {
        let filter = body.string()?;
        let options = body.subscription_options()?;
        packet.filters.push(TopicFilter { filter, options });
        Many::TopicFilters.check(packet.filters.len())?;
    }
    Ok(packet)
}

fn unsubscribe(body: &mut Body) -> Result<UnsubscribePacket, DecodeError> {
    let mut packet = UnsubscribePacket::new(body.u16()?);
    packet.properties = body.properties()?;
    while !body.bytes.is_empty() {
        packet.filters.push(body.string()?);
        Many::TopicFilters.check(packet.filters.len())?;
    }
    Ok(packet)
}

fn disconnect(body: &mut Body) -> Result<DisconnectPacket, DecodeError> {
    let (reason_code, properties) = body.optional_reason()?;
    Ok(DisconnectPacket {
        reason_code,
        properties,
    })
}

fn auth(body: &mut Body) -> Result<AuthPacket, DecodeError> {
    if body.bytes.is_empty() {
        return Ok(AuthPacket::new(ReasonCode::Success));
    }
    // Unlike elsewhere, the reason code never stands alone: both are there or neither.
    Ok(AuthPacket {
        reason_code: body.reason_code()?,
        properties: body.properties()?,
    })
}

/// The unread rest of a packet after its fixed header, or of its properties.
struct Body {
    packet_type: PacketType,
    version: ProtocolVersion,
    bytes: Bytes,
}

impl Body {
    fn u8(&mut self) -> Result<u8, DecodeError> {
        let read = self.bytes.try_get_u8();
        read.map_err(|error| self.truncated(error.requested))
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        let read = self.bytes.try_get_u16();
        read.map_err(|error| self.truncated(error.requested))
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        let read = self.bytes.try_get_u32();
        read.map_err(|error| self.truncated(error.requested))
    }

    fn variable_byte_integer(&mut self) -> Result<u32, DecodeError> {
        let read = variable_byte_integer(&self.bytes)?;
        let (value, length) = read.ok_or_else(|| self.truncated(self.bytes.len() + 1))?;
        self.bytes.advance(length);
        Ok(value)
    }

    /// The next `length` bytes, without a step.
    fn peek(&self, length: usize) -> Result<&[u8], DecodeError> {
        let bytes = self.bytes.get(..length);
        bytes.ok_or_else(|| self.truncated(length))
    }

    fn take(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        self.peek(length)?;
        Ok(self.bytes.split_to(length))
    }

    fn binary(&mut self) -> Result<Bytes, DecodeError> {
        let length = self.u16()?;
        self.take(length.into())
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        let packet_type = self.packet_type;
        let length = self.u16()?.into();
        let text = str::from_utf8(self.peek(length)?).map_err(|error| DecodeError::NotUtf8 {
            packet_type,
            offset: error.valid_up_to(),
        })?;
        if let Some(offset) = text.find('\0') {
            return Err(DecodeError::NulCharacter {
                packet_type,
                offset,
            });
        }
        let text = text.to_owned();
        self.bytes.advance(length);
        Ok(text)
    }

    fn rest(&mut self) -> Bytes {
        core::mem::take(&mut self.bytes)
    }

    fn reason_code(&mut self) -> Result<ReasonCode, DecodeError> {
        let code = self.u8()?;
        ReasonCode::from_u8(code).ok_or(self.unknown_reason_code(code))
    }

    /// The return codes of MQTT 3.1.1's CONNACK.
    fn return_code(&mut self) -> Result<ReasonCode, DecodeError> {
        let code = self.u8()?;
        let known = RETURN_CODES.iter().find(|(known, _)| *known == code);
        known
            .map(|(_, reason_code)| *reason_code)
            .ok_or(self.unknown_reason_code(code))
    }

    fn subscription_options(&mut self) -> Result<SubscriptionOptions, DecodeError> {
        let options = self.u8()?;
        let known = match self.version {
            ProtocolVersion::V5 => SubscriptionOptions::decode(options).ok(),
            ProtocolVersion::V31 | ProtocolVersion::V311 => {
                qos(options).map(SubscriptionOptions::new)
            }
        };
        known.ok_or(DecodeError::SubscriptionOptions { options })
    }

    /// The reason codes that make up the rest of the packet.
    fn reason_codes<T>(&mut self, from_u8: fn(u8) -> Option<T>) -> Result<Vec<T>, DecodeError> {
        let codes = self.rest().into_iter();
        codes
            .map(|code| from_u8(code).ok_or(self.unknown_reason_code(code)))
            .collect()
    }

    /// A reason code and properties, of which the latter or both may have been left out.
    fn optional_reason(&mut self) -> Result<(ReasonCode, Properties), DecodeError> {
        if self.version != ProtocolVersion::V5 {
            return Ok((ReasonCode::Success, Properties::default()));
        }
        let reason_code = match self.bytes.is_empty() {
            true => ReasonCode::Success,
            false => self.reason_code()?,
        };
        let properties = match self.bytes.is_empty() {
            true => Properties::default(),
            false => self.properties()?,
        };
        Ok((reason_code, properties))
    }

    fn properties(&mut self) -> Result<Properties, DecodeError> {
        self.property_block(PropertyOwner::Packet(self.packet_type))
    }

    fn property_block(&mut self, owner: PropertyOwner) -> Result<Properties, DecodeError> {
        if self.version != ProtocolVersion::V5 {
            return Ok(Properties::default());
        }
        let length = self.variable_byte_integer()?;
        let mut block = Body {
            packet_type: self.packet_type,
            version: self.version,
            bytes: self.take(length as usize)?,
        };
        let mut properties = Properties::default();
        let (mut user_properties, mut user_property_bytes) = (0, 0);
        while !block.bytes.is_empty() {
            let (id, value) = block.property()?;
            if let PropertyValue::Utf8StringPair(name, value) = &value {
                user_properties += 1;
                user_property_bytes += name.len() + value.len();
                Many::UserProperties.check(user_properties)?;
                Many::UserPropertyBytes.check(user_property_bytes)?;
            }
            // The value is of the type that the identifier has, so it can only be there already.
            let added = properties.add(id, value);
            added.map_err(|_| Violation::DuplicateProperty { owner, id })?;
        }
        Ok(properties)
    }

    fn property(&mut self) -> Result<(PropertyId, PropertyValue), DecodeError> {
        let id = self.variable_byte_integer()?;
        let known = u8::try_from(id).ok().and_then(PropertyId::from_u8);
        let id = known.ok_or(DecodeError::UnknownProperty { id })?;
        let value = match id.value_type() {
            PropertyValueType::Byte => PropertyValue::Byte(self.u8()?),
            PropertyValueType::TwoByteInteger => PropertyValue::TwoByteInteger(self.u16()?),
            PropertyValueType::FourByteInteger => PropertyValue::FourByteInteger(self.u32()?),
            PropertyValueType::VariableByteInteger => {
                PropertyValue::VariableByteInteger(self.variable_byte_integer()?)
            }
            PropertyValueType::BinaryData => PropertyValue::BinaryData(self.binary()?),
            PropertyValueType::Utf8String => PropertyValue::Utf8String(self.string()?),
            PropertyValueType::Utf8StringPair => {
                PropertyValue::Utf8StringPair(self.string()?, self.string()?)
            }
        };
        Ok((id, value))
    }

    fn finish(self) -> Result<(), DecodeError> {
        match self.bytes.len() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes {
                packet_type: self.packet_type,
                count,
            }),
        }
    }

    fn truncated(&self, needed: usize) -> DecodeError {
        DecodeError::Truncated {
            packet_type: self.packet_type,
            needed,
            left: self.bytes.len(),
        }
    }

    fn unknown_reason_code(&self, code: u8) -> DecodeError {
        let packet_type = self.packet_type;
        Violation::ReasonCode { packet_type, code }.into()
    }
}

/// The return codes that CONNACK has in MQTT 3.1.1, and what they are in MQTT 5.0.
pub(super) const RETURN_CODES: [(u8, ReasonCode); 6] = [
    (0, ReasonCode::Success),
    (1, ReasonCode::UnsupportedProtocolVersion),
    (2, ReasonCode::ClientIdentifierNotValid),
    (3, ReasonCode::ServerUnavailable),
    (4, ReasonCode::BadUsernameOrPassword),
    (5, ReasonCode::NotAuthorized),
];

/// A variable byte integer at the start of `bytes` and its length, if all of it is there.
fn variable_byte_integer(bytes: &[u8]) -> Result<Option<(u32, usize)>, DecodeError> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            if byte == 0 && index > 0 {
                return Err(DecodeError::VariableByteIntegerNotMinimal { value });
            }
            return Ok(Some((value, index + 1)));
        }
    }
    match bytes.len() {
        0..4 => Ok(None),
        _ => Err(DecodeError::VariableByteIntegerTooLong),
    }
}

fn publish_qos(flags: u8) -> Option<QoS> {
    qos(PublishFlags::extract_qos(flags))
}

fn qos(bits: u8) -> Option<QoS> {
    match bits {
        0 => Some(QoS::AtMostOnce),
        1 => Some(QoS::AtLeastOnce),
        2 => Some(QoS::ExactlyOnce),
        _ => None,
    }
}
