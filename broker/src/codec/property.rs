//! Which properties may stand where, how often, and with which values.

use core::fmt;

use mqtt5_protocol::encoding::VARIABLE_INT_MAX;
use mqtt5_protocol::packet::PacketType;
use mqtt5_protocol::{Properties, PropertyId, PropertyValue};

use super::check::{Many, Violation};
use crate::topic::TopicName;

/// Where a block of properties stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyOwner {
    /// In the variable header of a packet.
    Packet(PacketType),
    /// In the payload of CONNECT, with the will.
    Will,
}

impl PropertyOwner {
    /// The properties that may stand here, by ascending identifier.
    pub(super) fn allowed(self) -> &'static [PropertyId] {
        use PropertyId as Id;
        let packet_type = match self {
            Self::Packet(packet_type) => packet_type,
            Self::Will => {
                return &[
                    Id::PayloadFormatIndicator,
                    Id::MessageExpiryInterval,
                    Id::ContentType,
                    Id::ResponseTopic,
                    Id::CorrelationData,
                    Id::WillDelayInterval,
                    Id::UserProperty,
                ];
            }
        };
        match packet_type {
            PacketType::Connect => &[
                Id::SessionExpiryInterval,
                Id::AuthenticationMethod,
                Id::AuthenticationData,
                Id::RequestProblemInformation,
                Id::RequestResponseInformation,
                Id::ReceiveMaximum,
                Id::TopicAliasMaximum,
                Id::UserProperty,
                Id::MaximumPacketSize,
            ],
            PacketType::ConnAck => &[
                Id::SessionExpiryInterval,
                Id::AssignedClientIdentifier,
                Id::ServerKeepAlive,
                Id::AuthenticationMethod,
                Id::AuthenticationData,
                Id::ResponseInformation,
                Id::ServerReference,
                Id::ReasonString,
                Id::ReceiveMaximum,
                Id::TopicAliasMaximum,
                Id::MaximumQoS,
                Id::RetainAvailable,
                Id::UserProperty,
                Id::MaximumPacketSize,
                Id::WildcardSubscriptionAvailable,
                Id::SubscriptionIdentifierAvailable,
                Id::SharedSubscriptionAvailable,
            ],
            PacketType::Publish => &[
                Id::PayloadFormatIndicator,
                Id::MessageExpiryInterval,
                Id::ContentType,
                Id::ResponseTopic,
                Id::CorrelationData,
                Id::SubscriptionIdentifier,
                Id::TopicAlias,
                Id::UserProperty,
            ],
            PacketType::PubAck
            | PacketType::PubRec
            | PacketType::PubRel
            | PacketType::PubComp
            | PacketType::SubAck
            | PacketType::UnsubAck => &[Id::ReasonString, Id::UserProperty],
            PacketType::Subscribe => &[Id::SubscriptionIdentifier, Id::UserProperty],
            PacketType::Unsubscribe => &[Id::UserProperty],
            PacketType::PingReq | PacketType::PingResp => &[],
            PacketType::Disconnect => &[
                Id::SessionExpiryInterval,
                Id::ServerReference,
                Id::ReasonString,
                Id::UserProperty,
            ],
            PacketType::Auth => &[
                Id::AuthenticationMethod,
                Id::AuthenticationData,
                Id::ReasonString,
                Id::UserProperty,
            ],
        }
    }

    fn may_repeat(self, id: PropertyId) -> bool {
        match id {
            PropertyId::UserProperty => true,
            // One for each subscription that matched; a SUBSCRIBE makes one subscription.
            PropertyId::SubscriptionIdentifier => self == Self::Packet(PacketType::Publish),
            _ => false,
        }
    }
}

impl fmt::Display for PropertyOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(packet_type) => write!(f, "{packet_type:?}"),
            Self::Will => write!(f, "the will"),
        }
    }
}

pub(super) fn check(owner: PropertyOwner, properties: &Properties) -> Result<(), Violation> {
    if properties.is_empty() {
        return Ok(());
    }
    let allowed = owner.allowed();
    // The library iterates in random order; the lowest identifier makes the answer the same every time.
    let foreign = properties.iter().map(|(id, _)| id);
    let foreign = foreign.filter(|id| !allowed.contains(id));
    if let Some(id) = foreign.min_by_key(|id| *id as u8) {
        return Err(Violation::PropertyNotAllowed { owner, id });
    }
    for &id in allowed {
        let values = properties.get_all(id).unwrap_or_default();
        if values.len() > 1 && !owner.may_repeat(id) {
            return Err(Violation::DuplicateProperty { owner, id });
        }
        for value in values {
            check_value(id, value)?;
        }
    }
    let pairs = properties
        .get_all(PropertyId::UserProperty)
        .unwrap_or_default();
    Many::UserProperties.check(pairs.len())?;
    let bytes = pairs.iter().map(|value| match value {
        PropertyValue::Utf8StringPair(name, value) => name.len() + value.len(),
        _ => 0,
    });
    Many::UserPropertyBytes.check(bytes.sum())?;
    if properties.contains(PropertyId::AuthenticationData)
        && !properties.contains(PropertyId::AuthenticationMethod)
    {
        return Err(Violation::AuthenticationMethodMissing);
    }
    Ok(())
}

fn check_value(id: PropertyId, value: &PropertyValue) -> Result<(), Violation> {
    let value = match (id, value) {
        // Every property of one byte is 0 or 1.
        (_, PropertyValue::Byte(value)) if *value > 1 => u32::from(*value),
        (PropertyId::ReceiveMaximum | PropertyId::TopicAlias, PropertyValue::TwoByteInteger(0))
        | (PropertyId::MaximumPacketSize, PropertyValue::FourByteInteger(0)) => 0,
        (_, PropertyValue::VariableByteInteger(value))
            if *value == 0 || *value > VARIABLE_INT_MAX =>
        {
            *value
        }
        (PropertyId::ResponseTopic, PropertyValue::Utf8String(topic)) => {
            return TopicName::check(topic).map_err(Violation::ResponseTopic);
        }
        _ => return Ok(()),
    };
    Err(Violation::PropertyValue { id, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_properties_are_listed_in_ascending_order() {
        let packets = (1..=15).filter_map(PacketType::from_u8);
        let owners = packets.map(PropertyOwner::Packet);
        for owner in owners.chain([PropertyOwner::Will]) {
            assert!(
                owner.allowed().is_sorted_by_key(|id| *id as u8),
                "{owner} has them out of order"
            );
        }
    }
}
