//! The kinds of records in the log.

use core::fmt;
use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::{SharedProperties, SharedValue};
use crate::packet::publish::PublishPacket;
use crate::routing::delivery::Delivery;
use crate::routing::message::{Message, forwarded};
use crate::routing::subscription::Subscription;
use crate::session::will::Will;
use crate::{
    Origin, Packet, Properties, PropertyId, PropertyValue, QoS, Time, TopicFilter, TopicName, codec,
};

/// One change of durable state. It states what changed and not why, so that a later build reaches the same state.
///
/// Later builds read these records. A variant and its fields never change, and new ones come last.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Record<'a> {
    /// The last assigned numbers.
    Numbers {
        sessions: u64,
        messages: u64,
        ids_assigned: u64,
    },
    /// A session began. Other records name it by its number.
    SessionBegun {
        session: u64,
        client_id: &'a str,
    },
    /// A session ended, with all of its state.
    SessionEnded {
        session: u64,
    },
    /// The client of a session connected.
    Connected {
        session: u64,
        origin: Option<Origin>,
        username: Option<&'a str>,
        expiry_interval_s: u32,
        #[serde(borrow)]
        will: Option<RecordedWill<'a>>,
    },
    /// The client of a session disconnected. Without `will_due`, its will is gone.
    Away {
        session: u64,
        expiry_interval_s: u32,
        expires: Option<Time>,
        will_due: Option<Time>,
    },
    /// The client authenticated as another user.
    Reauthenticated {
        session: u64,
        username: Option<&'a str>,
    },
    /// The will of a disconnected client was published.
    WillOver {
        session: u64,
    },
    Subscribed {
        session: u64,
        filter: &'a str,
        subscription: RecordedSubscription,
    },
    Unsubscribed {
        session: u64,
        filter: &'a str,
    },
    /// A QoS 2 message with this packet identifier arrived.
    Received {
        session: u64,
        packet_id: u16,
    },
    /// The client released it.
    Forgotten {
        session: u64,
        packet_id: u16,
    },
    /// A message was published to these receivers, and retained or not.
    Message {
        number: u64,
        #[serde(borrow)]
        message: RecordedMessage<'a>,
        is_retained: bool,
        receivers: Cow<'a, [Receiver]>,
    },
    /// A recorded message has further receivers.
    Delivered {
        message: u64,
        receivers: Cow<'a, [Receiver]>,
    },
    /// The queued message at this position is in flight.
    Sent {
        session: u64,
        position: u64,
        packet_id: u16,
    },
    /// The client has the QoS 2 message with this packet identifier. Its release is in flight at this position.
    Released {
        session: u64,
        packet_id: u16,
        position: u64,
    },
    /// The delivery at this position ended.
    Done {
        session: u64,
        position: u64,
    },
    /// The next position and the last packet identifier of a session.
    Outbound {
        session: u64,
        next_position: u64,
        last_packet_id: u16,
    },
    /// A subscription lacks its retained messages after this topic.
    CatchUp {
        session: u64,
        number: u32,
        filter: &'a str,
        no_local: bool,
        after: Option<&'a str>,
    },
    /// The catch-up ended.
    CaughtUp {
        session: u64,
        number: u32,
    },
    /// The session ended, except its shared deliveries, which move to other sessions. In a snapshot, later records add
    /// these deliveries.
    Orphaned {
        session: u64,
    },
    /// The catch-ups of a session up to this number skip the retained message of a topic, because the client has it or
    /// a later one.
    SentAhead {
        session: u64,
        number: u32,
        topic: &'a str,
    },
}

/// A session that gets a message, with its options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receiver {
    pub(crate) session: u64,
    pub(crate) position: u64,
    /// 0 while it is queued.
    pub(crate) packet_id: u16,
    #[serde(with = "qos")]
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) subscription_ids: Vec<u32>,
    #[serde(with = "share")]
    pub(crate) share: Option<TopicFilter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordedSubscription {
    #[serde(with = "qos")]
    qos: QoS,
    no_local: bool,
    retain_as_published: bool,
    id: Option<u32>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordedWill<'a> {
    pub(crate) delay_interval_s: u32,
    #[serde(borrow)]
    pub(crate) message: RecordedMessage<'a>,
}

/// A message, borrowed from the broker or from a block.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordedMessage<'a> {
    #[serde(borrow)]
    pub(crate) publisher: Publisher<'a>,
    published: Time,
    topic: &'a str,
    #[serde(with = "serde_bytes")]
    payload: &'a [u8],
    #[serde(with = "qos")]
    qos: QoS,
    retain: bool,
    expiry_interval_s: Option<u32>,
    #[serde(borrow)]
    properties: Option<RecordedProperties<'a>>,
}

/// The publisher of a message. Most have a session, whose number is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Publisher<'a> {
    Session(u64),
    Client(&'a str),
}

/// The properties that [`crate::routing::message::forwarded`] keeps.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RecordedProperties<'a> {
    payload_format_indicator: Option<u8>,
    content_type: Option<&'a str>,
    response_topic: Option<&'a str>,
    #[serde(with = "serde_bytes")]
    correlation_data: Option<&'a [u8]>,
    #[serde(borrow)]
    user_properties: Vec<(&'a str, &'a str)>,
}

/// Why a record, or the rest of a block, was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// A block, or its rest, has an unknown version or none. The rest is lost.
    UnknownVersion {
        /// The offset of the version in the block.
        offset: usize,
        /// The version byte.
        version: u8,
    },
    /// A block ends within a record. The rest is lost.
    Truncated {
        /// The offset of the record in its block.
        offset: usize,
        /// The number of bytes that are there.
        bytes: usize,
    },
    /// A record fails its checksum.
    Damaged {
        /// The offset of the record in its block.
        offset: usize,
    },
    /// A record is intact and cannot be decoded.
    Unreadable {
        /// The offset of the record in its block.
        offset: usize,
    },
    /// A record can be decoded, and its content is impossible.
    Impossible {
        /// The offset of the record in its block.
        offset: usize,
        /// The impossible content.
        what: &'static str,
    },
    /// A record names an unknown session.
    NoSession {
        /// The number of the session.
        session: u64,
    },
    /// A record names an unknown message.
    NoMessage {
        /// The number of the message.
        message: u64,
    },
    /// A record names an unknown delivery of a session.
    NoDelivery {
        /// The number of the session.
        session: u64,
    },
}

impl From<Subscription> for RecordedSubscription {
    fn from(subscription: Subscription) -> Self {
        Self {
            qos: subscription.qos,
            no_local: subscription.no_local,
            retain_as_published: subscription.retain_as_published,
            id: subscription.id,
        }
    }
}

impl RecordedSubscription {
    pub(crate) fn read(self) -> Option<Subscription> {
        Some(Subscription {
            qos: self.qos,
            no_local: self.no_local,
            retain_as_published: self.retain_as_published,
            id: self.id,
            catch_up: 0,
        })
        .filter(|subscription| subscription.id.is_none_or(is_subscription_id))
    }
}

impl Receiver {
    pub(crate) fn new(session: u64, delivery: &Delivery) -> Self {
        Self {
            session,
            position: delivery.position,
            packet_id: 0,
            qos: delivery.qos,
            retain: delivery.retain,
            subscription_ids: delivery.subscription_ids.clone(),
            share: delivery.share.clone(),
        }
    }

    pub(crate) fn read(&self, message: &Arc<Message>) -> Option<Delivery> {
        let is_possible = self.qos != QoS::AtMostOnce
            && self
                .subscription_ids
                .iter()
                .copied()
                .all(is_subscription_id);
        is_possible.then(|| Delivery {
            message: Arc::clone(message),
            position: self.position,
            qos: self.qos,
            retain: self.retain,
            subscription_ids: self.subscription_ids.clone(),
            share: self.share.clone(),
        })
    }
}

impl RecordedWill<'_> {
    pub(crate) fn read(&self, client_id: &Arc<str>) -> Option<Will> {
        Some(Will {
            delay_interval_s: self.delay_interval_s,
            message: self.message.read(0, Arc::clone(client_id))?,
        })
    }
}

impl<'a> RecordedMessage<'a> {
    /// `session` is the publisher's session, if it is sure to exist when the record is read.
    pub(crate) fn new(message: &'a Message, session: Option<u64>) -> Self {
        Self {
            publisher: match session {
                Some(session) => Publisher::Session(session),
                None => Publisher::Client(&message.publisher),
            },
            published: message.published,
            topic: message.topic.as_str(),
            payload: &message.payload,
            qos: message.qos,
            retain: message.retain,
            expiry_interval_s: message.expiry_interval_s,
            properties: RecordedProperties::new(&message.properties),
        }
    }

    /// The message, if it can be sent.
    pub(crate) fn read(&self, number: u64, publisher: Arc<str>) -> Option<Message> {
        let properties = self.properties.as_ref().map(RecordedProperties::read);
        let properties = match properties {
            None => SharedProperties::default(),
            Some(properties) => {
                let mut probe = PublishPacket::new("t", Bytes::new(), QoS::AtMostOnce);
                probe.properties = properties?;
                let packet = Packet::Publish(probe.clone());
                codec::encoded_len(&packet, codec::ProtocolVersion::V5).ok()?;
                forwarded(&probe.properties)
            }
        };
        Some(Message {
            number,
            publisher,
            published: self.published,
            topic: TopicName::parse(self.topic).ok()?,
            payload: Bytes::copy_from_slice(self.payload),
            qos: self.qos,
            retain: self.retain,
            expiry_interval_s: self.expiry_interval_s,
            properties,
        })
    }
}

impl<'a> RecordedProperties<'a> {
    /// `None` if there are none, as in most messages.
    fn new(properties: &'a SharedProperties) -> Option<Self> {
        if properties.is_empty() {
            return None;
        }
        let mut recorded = Self {
            payload_format_indicator: None,
            content_type: None,
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        };
        for property in properties.iter() {
            match property {
                (PropertyId::PayloadFormatIndicator, SharedValue::Byte(indicator)) => {
                    recorded.payload_format_indicator = Some(indicator);
                }
                (PropertyId::ContentType, SharedValue::Text(text)) => {
                    recorded.content_type = Some(text);
                }
                (PropertyId::ResponseTopic, SharedValue::Text(text)) => {
                    recorded.response_topic = Some(text);
                }
                (PropertyId::CorrelationData, SharedValue::Binary(data)) => {
                    recorded.correlation_data = Some(data);
                }
                (PropertyId::UserProperty, SharedValue::Pair(name, value)) => {
                    recorded.user_properties.push((name, value));
                }
                // No other property is forwarded.
                _ => {}
            }
        }
        Some(recorded)
    }

    fn read(&self) -> Option<Properties> {
        let text = |id, text: Option<&str>| {
            text.map(|text| (id, PropertyValue::Utf8String(text.to_owned())))
        };
        let indicator = self.payload_format_indicator.map(PropertyValue::Byte);
        let correlation_data = self.correlation_data.map(Bytes::copy_from_slice);
        let correlation_data = correlation_data.map(PropertyValue::BinaryData);
        let single = [
            indicator.map(|value| (PropertyId::PayloadFormatIndicator, value)),
            text(PropertyId::ContentType, self.content_type),
            text(PropertyId::ResponseTopic, self.response_topic),
            correlation_data.map(|value| (PropertyId::CorrelationData, value)),
        ];
        let pairs = self.user_properties.iter().map(|&(name, value)| {
            let pair = PropertyValue::Utf8StringPair(name.to_owned(), value.to_owned());
            (PropertyId::UserProperty, pair)
        });
        let mut properties = Properties::new();
        for (id, value) in single.into_iter().flatten().chain(pairs) {
            properties.add(id, value).ok()?;
        }
        Some(properties)
    }
}

fn is_subscription_id(id: u32) -> bool {
    (1..=mqtt5_protocol::encoding::VARIABLE_INT_MAX).contains(&id)
}

mod qos {
    use super::*;

    pub(super) fn serialize<S: Serializer>(qos: &QoS, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(u8::from(*qos))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<QoS, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(QoS::AtMostOnce),
            1 => Ok(QoS::AtLeastOnce),
            2 => Ok(QoS::ExactlyOnce),
            _ => Err(D::Error::custom("a QoS above 2")),
        }
    }
}

mod share {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        share: &Option<TopicFilter>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        share
            .as_ref()
            .map(TopicFilter::as_str)
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<TopicFilter>, D::Error> {
        let text: Option<&str> = Option::deserialize(deserializer)?;
        let filter = text.map(TopicFilter::parse).transpose();
        filter.map_err(D::Error::custom)
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVersion { offset, version } => {
                write!(f, "unknown version {version:#04x} at byte {offset}")
            }
            Self::Truncated { offset, bytes } => {
                write!(f, "only {bytes} bytes of a record at byte {offset}")
            }
            Self::Damaged { offset } => write!(f, "a damaged record at byte {offset}"),
            Self::Unreadable { offset } => write!(f, "an unknown record at byte {offset}"),
            Self::Impossible { offset, what } => {
                write!(f, "a record at byte {offset} with {what}")
            }
            Self::NoSession { session } => write!(f, "a record of no session {session}"),
            Self::NoMessage { message } => write!(f, "a record of no message {message}"),
            Self::NoDelivery { session } => {
                write!(f, "a delivery that session {session} does not have")
            }
        }
    }
}

impl core::error::Error for RecordError {}
