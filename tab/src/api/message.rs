//! Messages, subscriptions and their options.

use broker::Time;
use serde::{Deserialize, Serialize};

/// MQTT's quality of service.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum QoS {
    /// QoS 0: delivered at most once, not acknowledged.
    #[default]
    AtMostOnce,
    /// QoS 1: delivered at least once, acknowledged by PUBACK.
    AtLeastOnce,
    /// QoS 2: delivered exactly once, acknowledged by PUBREC and PUBCOMP.
    ExactlyOnce,
}

/// When retained messages are sent to a new subscription \[MQTT-3.3.1-9..11\].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetainHandling {
    /// At every SUBSCRIBE (0).
    #[default]
    SendAtSubscribe,
    /// Only if the subscription is new (1).
    SendIfNew,
    /// Never (2).
    DoNotSend,
}

/// The message a broker publishes on behalf of a lost client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Will {
    /// The message.
    pub publication: Publication,
    /// Seconds between the loss and the publication.
    pub delay_interval: u32,
}

/// One topic filter and its subscription options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Topic filter with `+` and `#`.
    pub topic_filter: String,
    /// Maximum QoS wanted.
    pub qos: QoS,
    /// Excludes messages that this client itself publishes.
    pub no_local: bool,
    /// Keeps the RETAIN flag of the publication.
    pub retain_as_published: bool,
    /// When retained messages are sent.
    pub retain_handling: RetainHandling,
    /// Subscription Identifier, 1 to 268,435,455.
    pub identifier: Option<u32>,
}

/// A message to publish.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Publication {
    /// Topic name.
    pub topic: String,
    /// Payload, as bytes.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// QoS.
    pub qos: QoS,
    /// Whether the broker keeps it as the topic's retained message. An empty payload deletes that.
    pub retain: bool,
    /// Properties.
    pub properties: MessageProperties,
}

/// Properties of a message that travel end to end (MQTT 5.0, 3.3.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageProperties {
    /// Whether the payload is UTF-8 text. `None`: unspecified.
    pub payload_is_utf8: Option<bool>,
    /// Seconds until the message expires.
    pub message_expiry_interval: Option<u32>,
    /// MIME type, or another description that the applications agree on.
    pub content_type: Option<String>,
    /// Topic for the response.
    pub response_topic: Option<String>,
    /// Relates a response to its request.
    pub correlation_data: Option<Vec<u8>>,
    /// Names and values, in order. A name may occur more than once.
    pub user_properties: Vec<(String, String)>,
}

/// A received message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Topic name.
    pub topic: String,
    /// Payload, as bytes.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// QoS of this delivery.
    pub qos: QoS,
    /// RETAIN flag of this delivery.
    pub retain: bool,
    /// DUP flag of this delivery.
    pub dup: bool,
    /// Properties.
    pub properties: MessageProperties,
    /// Subscription Identifiers of all matching subscriptions that have one.
    pub subscription_identifiers: Vec<u32>,
    /// When it reached this tab.
    pub received_at: Time,
}
