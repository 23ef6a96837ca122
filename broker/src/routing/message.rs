//! Published messages.

use std::sync::Arc;

use crate::codec::SharedProperties;
use crate::{Properties, PropertyId, PropertyValue, QoS, Time, TopicName};
use bytes::Bytes;

/// A message as it was published. Its receivers share it, and it becomes a packet when it is sent.
#[derive(Debug)]
pub(crate) struct Message {
    /// Its number in the log; 0 if it is not recorded.
    pub(crate) number: u64,
    /// The client that published it, for No Local. It is empty for the broker's own messages, because no client
    /// identifier is empty.
    pub(crate) publisher: Arc<str>,
    pub(crate) published: Time,
    pub(crate) topic: TopicName,
    pub(crate) payload: Bytes,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) expiry_interval_s: Option<u32>,
    /// The properties that are forwarded unaltered, see [`forwarded`].
    pub(crate) properties: SharedProperties,
}

impl Message {
    /// When its Message Expiry Interval has passed.
    pub(crate) fn expires(&self) -> Option<Time> {
        self.expiry_interval_s
            .map(|interval_s| self.published.plus_secs(interval_s.into()))
    }

    /// Its memory in bytes, by its variable parts.
    pub(crate) fn bytes(&self) -> usize {
        bytes(&self.topic, &self.payload, &self.properties)
    }

    /// Whether a client published it, and not the broker itself.
    pub(crate) fn is_of_client(&self) -> bool {
        !self.publisher.is_empty()
    }

    /// Whether delivery must not start any more. [MQTT-3.3.2-5]
    pub(crate) fn is_expired(&self, now: Time) -> bool {
        // Even with an interval of 0, current receivers get it at its publication.
        now > self.published && self.expires().is_some_and(|at| at <= now)
    }

    /// The Message Expiry Interval to send: what is left after the time it waited here, in seconds. [MQTT-3.3.2-6]
    pub(crate) fn remaining_s(&self, now: Time) -> Option<u32> {
        let waited_s = now.ms_since(self.published) / 1000;
        let waited_s = u32::try_from(waited_s).unwrap_or(u32::MAX);
        Some(self.expiry_interval_s?.saturating_sub(waited_s))
    }
}

/// The properties that belong to the message and reach its receivers unaltered. The others belong to the connection it
/// came by, or change on the way. [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18]
/// [MQTT-3.3.2-20]
pub(crate) fn forwarded(properties: &Properties) -> SharedProperties {
    const FORWARDED: &[PropertyId] = &[
        PropertyId::PayloadFormatIndicator,
        PropertyId::ContentType,
        PropertyId::ResponseTopic,
        PropertyId::CorrelationData,
        PropertyId::UserProperty,
    ];
    SharedProperties::new(FORWARDED, properties)
}

/// The bytes of a message's topic, payload and forwarded properties.
pub(crate) fn bytes(topic: &TopicName, payload: &[u8], properties: &SharedProperties) -> usize {
    topic.as_str().len() + payload.len() + properties.len()
}

/// The memory of properties in bytes, by their variable parts.
#[must_use]
pub fn properties_bytes(properties: &Properties) -> usize {
    let all = properties.iter().map(|(_, value)| match value {
        PropertyValue::Utf8String(text) => text.len(),
        PropertyValue::BinaryData(bytes) => bytes.len(),
        PropertyValue::Utf8StringPair(name, value) => PAIR_BYTES + name.len() + value.len(),
        PropertyValue::Byte(_)
        | PropertyValue::TwoByteInteger(_)
        | PropertyValue::FourByteInteger(_)
        | PropertyValue::VariableByteInteger(_) => 0,
    });
    all.sum()
}

/// The approximate bytes of a User Property beside its texts.
const PAIR_BYTES: usize = 64;

/// Whether a payload is UTF-8 if its Payload Format Indicator says so.
pub(crate) fn is_as_announced(payload: &[u8], properties: &Properties) -> bool {
    let indicator = properties.get(PropertyId::PayloadFormatIndicator);
    indicator != Some(&PropertyValue::Byte(1)) || str::from_utf8(payload).is_ok()
}

/// The lower of two.
pub(crate) fn min_qos(a: QoS, b: QoS) -> QoS {
    if u8::from(a) <= u8::from(b) { a } else { b }
}

/// The higher of two.
pub(crate) fn max_qos(a: QoS, b: QoS) -> QoS {
    if u8::from(a) >= u8::from(b) { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(expiry_interval_s: Option<u32>) -> Message {
        Message {
            number: 0,
            publisher: "a".into(),
            published: Time::from_ms(1_000),
            topic: TopicName::parse("t").unwrap(),
            payload: Bytes::new(),
            qos: QoS::AtMostOnce,
            retain: false,
            expiry_interval_s,
            properties: SharedProperties::default(),
        }
    }

    #[test]
    fn a_message_expires_when_its_interval_has_passed() {
        let two_seconds = message(Some(2));
        assert!(!two_seconds.is_expired(Time::from_ms(2_999)));
        assert!(two_seconds.is_expired(Time::from_ms(3_000)));
        assert!(!message(None).is_expired(Time::from_ms(u64::MAX)));
    }

    #[test]
    fn a_message_with_interval_0_expires_in_the_next_millisecond() {
        let zero = message(Some(0));
        assert!(!zero.is_expired(Time::from_ms(1_000)));
        assert!(zero.is_expired(Time::from_ms(1_001)));
    }

    #[test]
    fn the_remaining_interval_decreases_by_whole_seconds() {
        let ten_seconds = message(Some(10));
        for (now_ms, left) in [
            (1_000, 10),
            (1_999, 10),
            (2_000, 9),
            (10_999, 1),
            (99_000, 0),
        ] {
            assert_eq!(ten_seconds.remaining_s(Time::from_ms(now_ms)), Some(left));
        }
        assert_eq!(message(None).remaining_s(Time::from_ms(2_000)), None);
    }

    #[test]
    fn properties_of_the_connection_are_not_forwarded() {
        let mut properties = Properties::new();
        properties.set_topic_alias(1);
        properties.set_message_expiry_interval(5);
        properties.set_content_type("text/plain".into());
        properties.add_user_property("b".into(), "1".into());
        properties.add_user_property("a".into(), "2".into());
        let mut expected = Properties::new();
        expected.set_content_type("text/plain".into());
        expected.add_user_property("b".into(), "1".into());
        expected.add_user_property("a".into(), "2".into());
        assert_eq!(forwarded(&properties).to_properties(), expected);
    }
}
