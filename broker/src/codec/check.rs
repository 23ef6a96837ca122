//! The rules for the content of packets, in both directions.

use core::fmt;

use mqtt5_protocol::packet::connect::ConnectPacket;
use mqtt5_protocol::packet::publish::PublishPacket;
use mqtt5_protocol::packet::{
    Packet, PacketType, is_valid_publish_ack_reason_code, is_valid_pubrel_reason_code,
};
use mqtt5_protocol::{Properties, PropertyId, QoS, ReasonCode};

use super::property::{self, PropertyOwner};
use super::version::{V5_LEVEL, V31_LEVEL, V311_LEVEL};
use super::{ErrorKind, ProtocolVersion, packet_type};
use crate::topic::{TopicError, TopicFilter, TopicName};

/// Content that MQTT forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The protocol version is not supported. [MQTT-3.1.2-2]
    UnsupportedProtocolVersion {
        /// The protocol version as CONNECT states it: 3 is MQTT 3.1, 4 is MQTT 3.1.1, 5 is MQTT 5.0.
        level: u8,
    },
    /// The packet identifier is 0. [MQTT-2.2.1-3]
    PacketIdZero {
        /// The packet's type.
        packet_type: PacketType,
    },
    /// A PUBLISH of QoS 0 has a packet identifier, or one of QoS 1 or 2 has none. [MQTT-2.2.1-2]
    PublishPacketId {
        /// Its QoS.
        qos: QoS,
        /// Its packet identifier.
        packet_id: Option<u16>,
    },
    /// A PUBLISH of QoS 0 is marked as a duplicate. [MQTT-3.3.1-2]
    DupWithoutQoS,
    /// A PUBLISH has neither a topic nor a topic alias.
    TopicMissing,
    /// The topic of a PUBLISH is no topic name. [MQTT-3.3.2-2]
    TopicName(TopicError),
    /// The topic of a will is no topic name.
    WillTopic(TopicError),
    /// A response topic is no topic name. [MQTT-3.3.2-14]
    ResponseTopic(TopicError),
    /// A SUBSCRIBE or an UNSUBSCRIBE asks for what is no topic filter. [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1]
    /// [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    TopicFilter(TopicError),
    /// A shared subscription has No Local. [MQTT-3.8.3-4]
    NoLocalOnSharedSubscription,
    /// There is more of something than is accepted here: a few bytes of it take a hundred in memory.
    TooMany(Many),
    /// A list of topic filters or reason codes is empty. [MQTT-3.8.3-2] [MQTT-3.10.3-2]
    EmptyPayload {
        /// The packet's type.
        packet_type: PacketType,
    },
    /// The packet type has no such reason code.
    ReasonCode {
        /// The packet's type.
        packet_type: PacketType,
        /// The code.
        code: u8,
    },
    /// A CONNACK says that there is a session, and refuses it. [MQTT-3.2.2-6]
    SessionPresentWithError {
        /// The code it refuses with.
        code: ReasonCode,
    },
    /// A property stands where it must not.
    PropertyNotAllowed {
        /// Where it stands.
        owner: PropertyOwner,
        /// The property.
        id: PropertyId,
    },
    /// A property that may stand there once stands there more often.
    DuplicateProperty {
        /// Where it stands.
        owner: PropertyOwner,
        /// The property.
        id: PropertyId,
    },
    /// A property has a value that it must not have.
    PropertyValue {
        /// The property.
        id: PropertyId,
        /// Its value.
        value: u32,
    },
    /// Authentication Data without an Authentication Method, or an AUTH without one.
    AuthenticationMethodMissing,
    /// A CONNECT carries the properties of its will twice, as fields and as a block, and they differ. Only the block is
    /// sent, so fields alone would be lost without a word.
    WillPropertiesDiffer,
}

/// Parts of which a packet may have too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    /// At most [`USER_PROPERTIES_MAX`] in one block.
    UserProperties,
    /// At most [`USER_PROPERTY_BYTES_MAX`] in one block.
    UserPropertyBytes,
    /// At most [`FILTERS_MAX`] in one packet.
    TopicFilters,
}

/// How many User Properties a packet may have, or a will.
pub const USER_PROPERTIES_MAX: usize = 1_000;

/// How many bytes the names and values of a packet's User Properties may have together, or those of a will.
pub const USER_PROPERTY_BYTES_MAX: usize = 65_536;

/// How many topic filters a SUBSCRIBE or UNSUBSCRIBE may have.
pub const FILTERS_MAX: usize = 20_000;

impl Many {
    /// How many there may be.
    #[must_use]
    pub const fn maximum(self) -> usize {
        match self {
            Self::UserProperties => USER_PROPERTIES_MAX,
            Self::UserPropertyBytes => USER_PROPERTY_BYTES_MAX,
            Self::TopicFilters => FILTERS_MAX,
        }
    }

    /// Refuses a `count` above the maximum.
    pub(super) const fn check(self, count: usize) -> Result<(), Violation> {
        match count > self.maximum() {
            true => Err(Violation::TooMany(self)),
            false => Ok(()),
        }
    }
}

impl Violation {
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::TopicName(_)
            | Self::TopicFilter(_)
            | Self::ReasonCode { .. }
            | Self::PropertyNotAllowed { .. } => ErrorKind::Malformed,
            Self::UnsupportedProtocolVersion { .. }
            | Self::PacketIdZero { .. }
            | Self::PublishPacketId { .. }
            | Self::DupWithoutQoS
            | Self::TopicMissing
            | Self::WillTopic(_)
            | Self::ResponseTopic(_)
            | Self::NoLocalOnSharedSubscription
            | Self::TooMany(_)
            | Self::EmptyPayload { .. }
            | Self::SessionPresentWithError { .. }
            | Self::DuplicateProperty { .. }
            | Self::PropertyValue { .. }
            | Self::AuthenticationMethodMissing
            | Self::WillPropertiesDiffer => ErrorKind::ProtocolError,
        }
    }

    pub(super) fn reason_code(&self) -> ReasonCode {
        match self {
            Self::UnsupportedProtocolVersion { .. } => ReasonCode::UnsupportedProtocolVersion,
            Self::PropertyValue {
                id: PropertyId::TopicAlias,
                ..
            } => ReasonCode::TopicAliasInvalid,
            Self::TooMany(_) => ReasonCode::QuotaExceeded,
            _ => self.kind().reason_code(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedProtocolVersion { level } => {
                write!(f, "protocol version {level} is not supported")
            }
            Self::PacketIdZero { packet_type } => {
                write!(f, "{packet_type:?} with packet identifier 0")
            }
            Self::PublishPacketId {
                qos,
                packet_id: Some(id),
            } => write!(f, "Publish with {qos:?} and packet identifier {id}"),
            Self::PublishPacketId {
                qos,
                packet_id: None,
            } => write!(f, "Publish with {qos:?} and no packet identifier"),
            Self::DupWithoutQoS => write!(f, "Publish with DUP and QoS 0"),
            Self::TopicMissing => write!(f, "Publish without topic and topic alias"),
            Self::TopicName(error) => write!(f, "topic name: {error}"),
            Self::WillTopic(error) => write!(f, "will topic: {error}"),
            Self::ResponseTopic(error) => write!(f, "response topic: {error}"),
            Self::TopicFilter(error) => write!(f, "topic filter: {error}"),
            Self::NoLocalOnSharedSubscription => write!(f, "a shared subscription with No Local"),
            Self::TooMany(many) => {
                let what = match many {
                    Many::UserProperties => "User Properties",
                    Many::UserPropertyBytes => "bytes of User Properties",
                    Many::TopicFilters => "topic filters",
                };
                write!(f, "more than {} {what}", many.maximum())
            }
            Self::EmptyPayload { packet_type } => write!(f, "{packet_type:?} without payload"),
            Self::ReasonCode { packet_type, code } => {
                write!(f, "{packet_type:?} with reason code {code:#04x}")
            }
            Self::SessionPresentWithError { code } => {
                write!(f, "ConnAck with Session Present and {code:?}")
            }
            Self::PropertyNotAllowed { owner, id } => write!(f, "{owner} with property {id:?}"),
            Self::DuplicateProperty { owner, id } => {
                write!(f, "{owner} with more than one property {id:?}")
            }
            Self::PropertyValue { id, value } => write!(f, "property {id:?} with value {value}"),
            Self::AuthenticationMethodMissing => write!(f, "no Authentication Method"),
            Self::WillPropertiesDiffer => write!(f, "a will with two sets of properties"),
        }
    }
}

impl core::error::Error for Violation {}

/// Checks everything that does not depend on who sends the packet and on what was sent before.
pub(super) fn packet(packet: &Packet, version: ProtocolVersion) -> Result<(), Violation> {
    let packet_type = packet_type(packet);
    match packet {
        Packet::Connect(packet) => connect(packet),
        Packet::ConnAck(packet) => {
            protocol_version(packet.protocol_version)?;
            reason_code(packet_type, packet.reason_code)?;
            if packet.session_present && packet.reason_code != ReasonCode::Success {
                let code = packet.reason_code;
                return Err(Violation::SessionPresentWithError { code });
            }
            properties(packet_type, &packet.properties)
        }
        Packet::Publish(packet) => publish(packet, version),
        Packet::PubAck(ack) => {
            publish_ack(packet_type, ack.packet_id, ack.reason_code, &ack.properties)
        }
        Packet::PubRec(ack) => {
            publish_ack(packet_type, ack.packet_id, ack.reason_code, &ack.properties)
        }
        Packet::PubRel(ack) => {
            publish_ack(packet_type, ack.packet_id, ack.reason_code, &ack.properties)
        }
        Packet::PubComp(ack) => {
            publish_ack(packet_type, ack.packet_id, ack.reason_code, &ack.properties)
        }
        Packet::Subscribe(packet) => {
            packet_id(packet_type, packet.packet_id)?;
            properties(packet_type, &packet.properties)?;
            Many::TopicFilters.check(packet.filters.len())?;
            for subscription in &packet.filters {
                topic_filter(&subscription.filter)?;
                if subscription.options.no_local && TopicFilter::is_shared(&subscription.filter) {
                    return Err(Violation::NoLocalOnSharedSubscription);
                }
            }
            not_empty(packet_type, &packet.filters)
        }
        Packet::SubAck(packet) => {
            packet_id(packet_type, packet.packet_id)?;
            properties(packet_type, &packet.properties)?;
            not_empty(packet_type, &packet.reason_codes)
        }
        Packet::Unsubscribe(packet) => {
            packet_id(packet_type, packet.packet_id)?;
            properties(packet_type, &packet.properties)?;
            Many::TopicFilters.check(packet.filters.len())?;
            for filter in &packet.filters {
                topic_filter(filter)?;
            }
            not_empty(packet_type, &packet.filters)
        }
        Packet::UnsubAck(packet) => {
            packet_id(packet_type, packet.packet_id)?;
            properties(packet_type, &packet.properties)?;
            match version {
                ProtocolVersion::V5 => not_empty(packet_type, &packet.reason_codes),
                // There they are not sent.
                ProtocolVersion::V31 | ProtocolVersion::V311 => Ok(()),
            }
        }
        Packet::PingReq | Packet::PingResp => Ok(()),
        Packet::Disconnect(packet) => {
            reason_code(packet_type, packet.reason_code)?;
            properties(packet_type, &packet.properties)
        }
        Packet::Auth(packet) => {
            reason_code(packet_type, packet.reason_code)?;
            properties(packet_type, &packet.properties)?;
            // Success without any property is the AUTH without a body.
            let bare = packet.reason_code == ReasonCode::Success && packet.properties.is_empty();
            if !bare && !packet.properties.contains(PropertyId::AuthenticationMethod) {
                return Err(Violation::AuthenticationMethodMissing);
            }
            Ok(())
        }
    }
}

fn connect(packet: &ConnectPacket) -> Result<(), Violation> {
    protocol_version(packet.protocol_version)?;
    properties(PacketType::Connect, &packet.properties)?;
    property::check(PropertyOwner::Will, &packet.will_properties)?;
    let mut will_properties = Properties::default();
    if let Some(will) = &packet.will {
        TopicName::check(&will.topic).map_err(Violation::WillTopic)?;
        will_properties = will.properties.clone().into();
    }
    if packet.will_properties != will_properties {
        return Err(Violation::WillPropertiesDiffer);
    }
    Ok(())
}

pub(super) fn publish(packet: &PublishPacket, version: ProtocolVersion) -> Result<(), Violation> {
    match (packet.qos, packet.packet_id) {
        (QoS::AtMostOnce, None) => {}
        (QoS::AtLeastOnce | QoS::ExactlyOnce, Some(id)) => packet_id(PacketType::Publish, id)?,
        (qos, packet_id) => return Err(Violation::PublishPacketId { qos, packet_id }),
    }
    if packet.dup && packet.qos == QoS::AtMostOnce {
        return Err(Violation::DupWithoutQoS);
    }
    if !packet.topic_name.is_empty() {
        TopicName::check(&packet.topic_name).map_err(Violation::TopicName)?;
    } else if version != ProtocolVersion::V5 || !packet.properties.contains(PropertyId::TopicAlias)
    {
        return Err(Violation::TopicMissing);
    }
    properties(PacketType::Publish, &packet.properties)
}

fn publish_ack(
    packet_type: PacketType,
    id: u16,
    code: ReasonCode,
    block: &Properties,
) -> Result<(), Violation> {
    packet_id(packet_type, id)?;
    reason_code(packet_type, code)?;
    properties(packet_type, block)
}

fn protocol_version(level: u8) -> Result<(), Violation> {
    match level {
        V31_LEVEL | V311_LEVEL | V5_LEVEL => Ok(()),
        _ => Err(Violation::UnsupportedProtocolVersion { level }),
    }
}

fn packet_id(packet_type: PacketType, id: u16) -> Result<(), Violation> {
    match id {
        0 => Err(Violation::PacketIdZero { packet_type }),
        _ => Ok(()),
    }
}

fn topic_filter(filter: &str) -> Result<(), Violation> {
    TopicFilter::check(filter).map_err(Violation::TopicFilter)
}

fn properties(packet_type: PacketType, block: &Properties) -> Result<(), Violation> {
    property::check(PropertyOwner::Packet(packet_type), block)
}

fn not_empty<T>(packet_type: PacketType, list: &[T]) -> Result<(), Violation> {
    if list.is_empty() {
        return Err(Violation::EmptyPayload { packet_type });
    }
    Ok(())
}

fn reason_code(packet_type: PacketType, code: ReasonCode) -> Result<(), Violation> {
    if has_reason_code(packet_type, code) {
        return Ok(());
    }
    Err(Violation::ReasonCode {
        packet_type,
        code: code.into(),
    })
}

/// Whether packets of this type may have this reason code.
pub(crate) fn has_reason_code(packet_type: PacketType, code: ReasonCode) -> bool {
    match packet_type {
        PacketType::ConnAck => is_connack_code(code),
        PacketType::PubAck | PacketType::PubRec => is_valid_publish_ack_reason_code(code),
        PacketType::PubRel | PacketType::PubComp => is_valid_pubrel_reason_code(code),
        PacketType::Disconnect => is_disconnect_code(code),
        PacketType::Auth => is_auth_code(code),
        // These have none, or a list of a type that has no wrong values.
        PacketType::Connect
        | PacketType::Publish
        | PacketType::Subscribe
        | PacketType::SubAck
        | PacketType::Unsubscribe
        | PacketType::UnsubAck
        | PacketType::PingReq
        | PacketType::PingResp => true,
    }
}

fn is_connack_code(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::Success
            | ReasonCode::UnspecifiedError
            | ReasonCode::MalformedPacket
            | ReasonCode::ProtocolError
            | ReasonCode::ImplementationSpecificError
            | ReasonCode::UnsupportedProtocolVersion
            | ReasonCode::ClientIdentifierNotValid
            | ReasonCode::BadUsernameOrPassword
            | ReasonCode::NotAuthorized
            | ReasonCode::ServerUnavailable
            | ReasonCode::ServerBusy
            | ReasonCode::Banned
            | ReasonCode::BadAuthenticationMethod
            | ReasonCode::TopicNameInvalid
            | ReasonCode::PacketTooLarge
            | ReasonCode::QuotaExceeded
            | ReasonCode::PayloadFormatInvalid
            | ReasonCode::RetainNotSupported
            | ReasonCode::QoSNotSupported
            | ReasonCode::UseAnotherServer
            | ReasonCode::ServerMoved
            | ReasonCode::ConnectionRateExceeded
    )
}

fn is_disconnect_code(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::Success
            | ReasonCode::DisconnectWithWillMessage
            | ReasonCode::UnspecifiedError
            | ReasonCode::MalformedPacket
            | ReasonCode::ProtocolError
            | ReasonCode::ImplementationSpecificError
            | ReasonCode::NotAuthorized
            | ReasonCode::ServerBusy
            | ReasonCode::ServerShuttingDown
            // Section 2.4 gives it to DISCONNECT, section 3.14.2.1 leaves it out.
            | ReasonCode::BadAuthenticationMethod
            | ReasonCode::KeepAliveTimeout
            | ReasonCode::SessionTakenOver
            | ReasonCode::TopicFilterInvalid
            | ReasonCode::TopicNameInvalid
            | ReasonCode::ReceiveMaximumExceeded
            | ReasonCode::TopicAliasInvalid
            | ReasonCode::PacketTooLarge
            | ReasonCode::MessageRateTooHigh
            | ReasonCode::QuotaExceeded
            | ReasonCode::AdministrativeAction
            | ReasonCode::PayloadFormatInvalid
            | ReasonCode::RetainNotSupported
            | ReasonCode::QoSNotSupported
            | ReasonCode::UseAnotherServer
            | ReasonCode::ServerMoved
            | ReasonCode::SharedSubscriptionsNotSupported
            | ReasonCode::ConnectionRateExceeded
            | ReasonCode::MaximumConnectTime
            | ReasonCode::SubscriptionIdentifiersNotSupported
            | ReasonCode::WildcardSubscriptionsNotSupported
    )
}

fn is_auth_code(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::Success | ReasonCode::ContinueAuthentication | ReasonCode::ReAuthenticate
    )
}
