//! The codec between bytes and packets of MQTT 5.0, 3.1.1 and 3.1, for both sides.
//!
//! Inside there is one kind of packet, that of MQTT 5.0. Read from 3.1.1, it lacks properties and reason codes;
//! written as 3.1.1, it leaves out what has no place there. A SUBSCRIBE or an UNSUBSCRIBE with a topic filter that is
//! not well formed is malformed as a whole. The broker decides for each filter whether a client may use it.
//!
//! The packet types are the library's. Their own decoding is not used, because it leaves much unchecked (which
//! properties a packet may have, their values, topics, bytes left over) and says what is wrong as text; nor is their
//! encoding, because it writes properties in random order. Packets that are read and packets that are to be written go
//! through one check, so whatever is encoded here is decoded here as well, and the other way round.

mod check;
mod property;
mod read;
mod shared_publish;
mod version;
mod write;

use core::fmt;

use bytes::{Buf, Bytes};
use mqtt5_protocol::ReasonCode;
use mqtt5_protocol::packet::{Packet, PacketType};

pub(crate) use check::has_reason_code;
pub use check::{FILTERS_MAX, Many, USER_PROPERTIES_MAX, USER_PROPERTY_BYTES_MAX, Violation};
pub use property::PropertyOwner;
pub(crate) use shared_publish::SharedValue;
pub use shared_publish::{SharedProperties, SharedPublish};
pub use version::ProtocolVersion;
pub(crate) use version::{V5_LEVEL, V31_LEVEL, V311_LEVEL};

/// Splits the next packet off `bytes`. `None` if more bytes are needed; `bytes` then stay as they are.
///
/// CONNECT states its version, so before it any `version` will do. After it, give [`ProtocolVersion::of`] it.
///
/// A packet is refused as soon as its fixed header shows an error, so the caller never buffers more than
/// `maximum_packet_size`. Payloads and binary data are not copied: they share their memory with `bytes`.
///
/// # Errors
///
/// The error of the packet. The stream is unusable afterwards: close it with [`DecodeError::reason_code`].
pub fn decode(
    bytes: &mut Bytes,
    version: ProtocolVersion,
    maximum_packet_size: u32,
) -> Result<Option<Packet>, DecodeError> {
    let Some((header, header_length)) = read::fixed_header(bytes, version)? else {
        return Ok(None);
    };
    let body_length = header.remaining_length as usize;
    let size = header_length + body_length;
    if size > maximum_packet_size as usize {
        return Err(DecodeError::PacketTooLarge {
            size,
            maximum: maximum_packet_size,
        });
    }
    if bytes.len() < size {
        return Ok(None);
    }
    bytes.advance(header_length);
    let packet = read::packet(header, bytes.split_to(body_length), version)?;
    check::packet(&packet, version).map_err(|violation| match &packet {
        Packet::Connect(connect) => {
            DecodeError::from(violation).in_connect(connect.protocol_version)
        }
        _ => violation.into(),
    })?;
    Ok(Some(packet))
}

/// Appends `packet` to `out`, as `version` has it; a CONNECT and a CONNACK are of the version that they state themselves.
/// The same packet always gives the same bytes: properties go by ascending identifier, user properties in the order they
/// were added.
///
/// # Errors
///
/// Why `packet` cannot be sent; `out` is then as it was.
pub fn encode(
    packet: &Packet,
    version: ProtocolVersion,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    check::packet(packet, version)?;
    write::packet(packet, version, out)
}

/// The number of bytes that [`encode`] would append.
///
/// # Errors
///
/// `packet` has no length, because a part of it cannot be written. Whether its content is allowed, only [`encode`] says.
pub fn encoded_len(packet: &Packet, version: ProtocolVersion) -> Result<usize, EncodeError> {
    write::encoded_len(packet, version)
}

fn packet_type(packet: &Packet) -> PacketType {
    match packet {
        Packet::Connect(_) => PacketType::Connect,
        Packet::ConnAck(_) => PacketType::ConnAck,
        Packet::Publish(_) => PacketType::Publish,
        Packet::PubAck(_) => PacketType::PubAck,
        Packet::PubRec(_) => PacketType::PubRec,
        Packet::PubRel(_) => PacketType::PubRel,
        Packet::PubComp(_) => PacketType::PubComp,
        Packet::Subscribe(_) => PacketType::Subscribe,
        Packet::SubAck(_) => PacketType::SubAck,
        Packet::Unsubscribe(_) => PacketType::Unsubscribe,
        Packet::UnsubAck(_) => PacketType::UnsubAck,
        Packet::PingReq => PacketType::PingReq,
        Packet::PingResp => PacketType::PingResp,
        Packet::Disconnect(_) => PacketType::Disconnect,
        Packet::Auth(_) => PacketType::Auth,
    }
}

/// Whether bytes were not a packet at all, or a packet that MQTT does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Malformed Packet: it cannot be parsed according to the specification.
    Malformed,
    /// Protocol Error: it can be parsed, and its content is forbidden.
    ProtocolError,
}

/// Why bytes were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A CONNECT of MQTT 5.0 is wrong: it can still be answered with CONNACK.
    InConnect(Box<Self>),
    /// The packet type is 0, which is reserved, or 15 before MQTT 5.0.
    ReservedPacketType,
    /// The flags of the fixed header are not those of the packet type. [MQTT-2.1.3-1] [MQTT-3.3.1-4]
    FixedHeaderFlags {
        /// The packet's type.
        packet_type: PacketType,
        /// The lower half of the first byte.
        flags: u8,
    },
    /// The packet is longer than the receiver accepts.
    PacketTooLarge {
        /// Its length, fixed header included.
        size: usize,
        /// The longest that was accepted.
        maximum: u32,
    },
    /// A variable byte integer has more than four bytes.
    VariableByteIntegerTooLong,
    /// A variable byte integer has more bytes than its value needs. [MQTT-1.5.5-1]
    VariableByteIntegerNotMinimal {
        /// The value.
        value: u32,
    },
    /// The packet, or its block of properties, ends before what it announces.
    Truncated {
        /// The packet's type.
        packet_type: PacketType,
        /// How many bytes should have come next.
        needed: usize,
        /// How many were left.
        left: usize,
    },
    /// Bytes are left over after the packet's last field.
    TrailingBytes {
        /// The packet's type.
        packet_type: PacketType,
        /// How many are left over.
        count: usize,
    },
    /// A string is not UTF-8. [MQTT-1.5.4-1]
    NotUtf8 {
        /// The packet's type.
        packet_type: PacketType,
        /// The first byte of the string that is not.
        offset: usize,
    },
    /// A string contains U+0000. [MQTT-1.5.4-2]
    NulCharacter {
        /// The packet's type.
        packet_type: PacketType,
        /// Where the character stands in the string.
        offset: usize,
    },
    /// The protocol name in CONNECT is neither `MQTT` nor the `MQIsdp` of MQTT 3.1. [MQTT-3.1.2-1]
    ProtocolName,
    /// The flags of CONNECT contradict each other or the specification. [MQTT-3.1.2-3] [MQTT-3.1.2-11]
    ConnectFlags {
        /// The flags.
        flags: u8,
    },
    /// A reserved bit is set in the flags of CONNACK. [MQTT-3.2.2-1]
    AcknowledgeFlags {
        /// The flags.
        flags: u8,
    },
    /// The options of a subscription have a reserved bit, QoS 3 or Retain Handling 3. [MQTT-3.8.3-5]
    SubscriptionOptions {
        /// The options.
        options: u8,
    },
    /// No property has this identifier.
    UnknownProperty {
        /// The identifier.
        id: u32,
    },
    /// The packet can be read, but MQTT forbids what it says.
    Violation(Violation),
}

impl DecodeError {
    /// Malformed Packet or Protocol Error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InConnect(error) => error.kind(),
            Self::ReservedPacketType
            | Self::FixedHeaderFlags { .. }
            | Self::VariableByteIntegerTooLong
            | Self::VariableByteIntegerNotMinimal { .. }
            | Self::Truncated { .. }
            | Self::TrailingBytes { .. }
            | Self::NotUtf8 { .. }
            | Self::NulCharacter { .. }
            | Self::ProtocolName
            | Self::ConnectFlags { .. }
            | Self::AcknowledgeFlags { .. }
            | Self::UnknownProperty { .. } => ErrorKind::Malformed,
            Self::PacketTooLarge { .. } => ErrorKind::ProtocolError,
            // Reserved bits make it malformed; the other values are defined, as ones that must not be used.
            Self::SubscriptionOptions { options } if options & 0xC0 != 0 => ErrorKind::Malformed,
            Self::SubscriptionOptions { .. } => ErrorKind::ProtocolError,
            Self::Violation(violation) => violation.kind(),
        }
    }

    /// The reason code for the other side: that of the error if it has one, else that of its kind.
    #[must_use]
    pub fn reason_code(&self) -> ReasonCode {
        match self {
            Self::PacketTooLarge { .. } => ReasonCode::PacketTooLarge,
            Self::Violation(violation) => violation.reason_code(),
            Self::InConnect(error) => error.reason_code(),
            _ => self.kind().reason_code(),
        }
    }

    /// Remembers that this is about a CONNECT which said that it is of protocol version `level`.
    fn in_connect(self, level: u8) -> Self {
        match (level, self) {
            (V5_LEVEL, error) => Self::InConnect(Box::new(error)),
            (_, error) => error,
        }
    }
}

impl ErrorKind {
    fn reason_code(self) -> ReasonCode {
        match self {
            Self::Malformed => ReasonCode::MalformedPacket,
            Self::ProtocolError => ReasonCode::ProtocolError,
        }
    }
}

impl From<Violation> for DecodeError {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InConnect(error) => error.fmt(f),
            Self::ReservedPacketType => write!(f, "packet type 0"),
            Self::FixedHeaderFlags { packet_type, flags } => {
                write!(
                    f,
                    "{packet_type:?} with flags {flags:#x} in its fixed header"
                )
            }
            Self::PacketTooLarge { size, maximum } => {
                write!(f, "a packet of {size} bytes exceeds {maximum} bytes")
            }
            Self::VariableByteIntegerTooLong => {
                write!(f, "a variable byte integer of more than four bytes")
            }
            Self::VariableByteIntegerNotMinimal { value } => {
                write!(
                    f,
                    "a variable byte integer longer than its value {value} needs"
                )
            }
            Self::Truncated {
                packet_type,
                needed,
                left,
            } => write!(f, "{packet_type:?} ends after {left} of {needed} bytes"),
            Self::TrailingBytes { packet_type, count } => {
                write!(f, "{count} bytes after the end of {packet_type:?}")
            }
            Self::NotUtf8 {
                packet_type,
                offset,
            } => write!(
                f,
                "a string in {packet_type:?} is not UTF-8 at byte {offset}"
            ),
            Self::NulCharacter {
                packet_type,
                offset,
            } => write!(f, "a string in {packet_type:?} has U+0000 at byte {offset}"),
            Self::ProtocolName => write!(f, "a protocol name other than MQTT and MQIsdp"),
            Self::ConnectFlags { flags } => write!(f, "connect flags {flags:#04x}"),
            Self::AcknowledgeFlags { flags } => write!(f, "connect acknowledge flags {flags:#04x}"),
            Self::SubscriptionOptions { options } => {
                write!(f, "subscription options {options:#04x}")
            }
            Self::UnknownProperty { id } => write!(f, "unknown property {id:#04x}"),
            Self::Violation(violation) => violation.fmt(f),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Why a packet was not encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// A string or binary data is longer than its two-byte length can say.
    FieldTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A string contains U+0000. [MQTT-1.5.4-2]
    NulCharacter {
        /// Where the character stands in the string.
        offset: usize,
    },
    /// The protocol version has no such packet.
    NotInVersion {
        /// The packet's type.
        packet_type: PacketType,
        /// The version.
        version: ProtocolVersion,
    },
    /// The packet is longer than a fixed header can state.
    PacketTooLarge {
        /// Its length.
        remaining_length: usize,
    },
    /// MQTT forbids what the packet says.
    Violation(Violation),
}

impl From<Violation> for EncodeError {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldTooLong { bytes } => write!(f, "a field of {bytes} bytes"),
            Self::NulCharacter { offset } => write!(f, "a string has U+0000 at byte {offset}"),
            Self::NotInVersion {
                packet_type,
                version,
            } => write!(f, "{version} has no such {packet_type:?}"),
            Self::PacketTooLarge { remaining_length } => {
                write!(f, "{remaining_length} bytes after the fixed header")
            }
            Self::Violation(violation) => violation.fmt(f),
        }
    }
}

impl core::error::Error for EncodeError {}
