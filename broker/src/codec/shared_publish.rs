//! PUBLISH packets whose properties all receivers of a message share.

use bytes::Bytes;
use mqtt5_protocol::packet::Packet;
use mqtt5_protocol::packet::publish::PublishPacket;
use mqtt5_protocol::{Properties, PropertyId, PropertyValue, PropertyValueType};

use super::{EncodeError, ProtocolVersion, check, write};

/// A PUBLISH for one client.
///
/// A message may have hundreds of properties and thousands of receivers, so each receiver's packet has only the
/// properties that differ. The others are shared.
#[derive(Clone, Debug)]
pub struct SharedPublish {
    /// The packet, without the shared properties.
    pub packet: PublishPacket,
    /// The properties that all receivers of the message get.
    pub shared: SharedProperties,
}

impl SharedPublish {
    /// The whole packet.
    #[must_use]
    pub fn into_packet(self) -> Packet {
        Packet::Publish(self.into_publish())
    }

    /// The whole packet.
    #[must_use]
    pub fn into_publish(self) -> PublishPacket {
        let mut packet = self.packet;
        if !self.shared.is_empty() {
            let mut properties = self.shared.to_properties();
            for (id, value) in packet.properties.iter() {
                // No property is both shared and the receiver's own.
                let _ = properties.add(id, value.clone());
            }
            packet.properties = properties;
        }
        packet
    }

    /// Appends the packet to `out`, as `version` has it: its own properties, then the shared ones.
    ///
    /// # Errors
    ///
    /// Why the packet cannot be sent; `out` is then as it was.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.encode_head(version, out)?;
        out.extend_from_slice(&self.packet.payload);
        Ok(())
    }

    /// Appends the packet up to its payload. The payload belongs directly behind it.
    ///
    /// # Errors
    ///
    /// Why the packet cannot be sent; `out` is then as it was.
    pub fn encode_head(
        &self,
        version: ProtocolVersion,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        check::publish(&self.packet, version)?;
        write::publish(&self.packet, &self.shared.encoded, version, out)
    }

    /// The work of sending it, for callers that limit the work of a turn: one unit, and one more for each kilobyte.
    #[must_use]
    pub fn work(&self) -> usize {
        let PublishPacket {
            topic_name,
            payload,
            ..
        } = &self.packet;
        1 + (topic_name.len() + payload.len() + self.shared.len()) / 1_024
    }

    /// The number of bytes that [`SharedPublish::encode`] would append.
    ///
    /// # Errors
    ///
    /// The packet has no length, because a part of it cannot be written.
    pub fn encoded_len(&self, version: ProtocolVersion) -> Result<usize, EncodeError> {
        write::publish_len(&self.packet, &self.shared.encoded, version)
    }
}

impl From<PublishPacket> for SharedPublish {
    /// A packet that shares nothing.
    fn from(packet: PublishPacket) -> Self {
        Self {
            packet,
            shared: SharedProperties::default(),
        }
    }
}

/// Properties of a message, encoded once for all its receivers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedProperties {
    /// As in a PUBLISH of MQTT 5.0, without the length in front.
    encoded: Bytes,
}

impl SharedProperties {
    /// Encodes the properties of these identifiers. A value that MQTT cannot carry is left out; no decoded packet has
    /// one.
    pub(crate) fn new(ids: &[PropertyId], properties: &Properties) -> Self {
        if properties.is_empty() {
            return Self::default();
        }
        Self {
            encoded: write::properties(ids, properties).into(),
        }
    }

    /// The properties.
    #[must_use]
    pub fn to_properties(&self) -> Properties {
        let mut properties = Properties::new();
        for (id, value) in self.iter() {
            // It fails on a wrong type and on a second value, and the encoded properties have neither.
            let _ = properties.add(id, value.into());
        }
        properties
    }

    /// The properties, by ascending identifier.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PropertyId, SharedValue<'_>)> {
        let mut rest = &*self.encoded;
        core::iter::from_fn(move || next(&mut rest))
    }

    /// Their length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.encoded.len()
    }

    /// Whether there are none, as in most messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }
}

/// The value of a shared property. No other type is forwarded unaltered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SharedValue<'a> {
    Byte(u8),
    Text(&'a str),
    Binary(&'a [u8]),
    Pair(&'a str, &'a str),
}

impl From<SharedValue<'_>> for PropertyValue {
    fn from(value: SharedValue<'_>) -> Self {
        match value {
            SharedValue::Byte(value) => Self::Byte(value),
            SharedValue::Text(text) => Self::Utf8String(text.to_owned()),
            SharedValue::Binary(bytes) => Self::BinaryData(Bytes::copy_from_slice(bytes)),
            SharedValue::Pair(name, value) => {
                Self::Utf8StringPair(name.to_owned(), value.to_owned())
            }
        }
    }
}

/// Splits the next property off. The bytes were encoded here, so it is `None` at their end only.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(PropertyId, SharedValue<'a>)> {
    let id = PropertyId::from_u8(*rest.split_off_first()?)?;
    let value = match id.value_type() {
        PropertyValueType::Byte => SharedValue::Byte(*rest.split_off_first()?),
        PropertyValueType::Utf8String => SharedValue::Text(text(rest)?),
        PropertyValueType::BinaryData => SharedValue::Binary(binary(rest)?),
        PropertyValueType::Utf8StringPair => SharedValue::Pair(text(rest)?, text(rest)?),
        PropertyValueType::TwoByteInteger
        | PropertyValueType::FourByteInteger
        | PropertyValueType::VariableByteInteger => return None,
    };
    Some((id, value))
}

fn binary<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_be_bytes([*rest.split_off_first()?, *rest.split_off_first()?]);
    rest.split_off(..usize::from(length))
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    str::from_utf8(binary(rest)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QoS;
    use crate::codec::decode;
    use crate::routing::message::forwarded;

    fn publish() -> SharedPublish {
        let mut properties = Properties::new();
        properties.set_payload_format_indicator(true);
        properties.set_content_type("text/plain".into());
        properties.set_response_topic("r".into());
        properties.set_correlation_data(Bytes::from_static(&[0, 255]));
        properties.add_user_property("b".into(), "1".into());
        properties.add_user_property("a".into(), "".into());
        let mut packet = PublishPacket::new("t", Bytes::from_static(b"payload"), QoS::AtLeastOnce);
        packet.packet_id = Some(7);
        packet.properties.set_message_expiry_interval(5);
        packet.properties.set_subscription_identifier(1);
        packet.properties.set_subscription_identifier(2);
        SharedPublish {
            packet,
            shared: forwarded(&properties),
        }
    }

    #[test]
    fn a_shared_publish_has_the_bytes_of_the_whole_packet() {
        for version in [ProtocolVersion::V5, ProtocolVersion::V311] {
            let publish = publish();
            let mut bytes = Vec::new();
            publish.encode(version, &mut bytes).unwrap();
            assert_eq!(publish.encoded_len(version), Ok(bytes.len()));
            let mut head = Vec::new();
            publish.encode_head(version, &mut head).unwrap();
            head.extend_from_slice(b"payload");
            assert_eq!(head, bytes);

            let mut whole = Vec::new();
            crate::codec::encode(&publish.into_packet(), version, &mut whole).unwrap();
            assert_eq!(whole.len(), bytes.len());
            let packet = decode(&mut bytes.into(), version, u32::MAX).unwrap();
            let mut again = Vec::new();
            crate::codec::encode(&packet.unwrap(), version, &mut again).unwrap();
            assert_eq!(again, whole);
        }
    }

    #[test]
    fn properties_that_mqtt_cannot_carry_are_omitted() {
        let mut properties = Properties::new();
        properties.set_content_type("x".repeat(65_536));
        properties.add_user_property("nul".into(), "\0".into());
        properties.add_user_property("a".into(), "1".into());
        let mut expected = Properties::new();
        expected.add_user_property("a".into(), "1".into());
        assert_eq!(forwarded(&properties).to_properties(), expected);
    }

    #[test]
    fn a_packet_that_mqtt_forbids_appends_nothing() {
        let mut publish = publish();
        publish.packet.packet_id = None;
        let mut bytes = vec![1];
        assert!(publish.encode(ProtocolVersion::V5, &mut bytes).is_err());
        assert!(
            publish
                .encode_head(ProtocolVersion::V5, &mut bytes)
                .is_err()
        );
        assert_eq!(bytes, [1]);
    }
}
