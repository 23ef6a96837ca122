//! The limits and options of a broker.

use crate::{QoS, ReasonCode, TopicFilter, TopicName};
use core::fmt;

/// The limits and options of a [`Broker`](crate::Broker), and the entropy for client identifiers and challenges.
///
/// At a limit, the broker refuses new state with the reason code given there, and keeps everything that it accepted.
/// MQTT 3.1.1 lacks most reason codes: its clients get the nearest return code or SUBACK code, or are disconnected.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// The prefix of assigned client identifiers; a counter follows. The engine draws no random numbers, so give each
    /// broker of the same clients another prefix. Default: `auto-`.
    pub assigned_id_prefix: String,
    /// A secret, drawn at random for every broker. The hashes of the matcher and the challenges of authentication
    /// follow from it. An attacker with the seed can replay a login, and find topics that collide. Default: zeros.
    pub seed: [u8; 32],
    /// The time in milliseconds within which the client of a new connection must be accepted. Default: 10,000.
    pub connect_timeout_ms: u64,
    /// The longest Keep Alive, in seconds. A client with a longer one, or none, gets this as Server Keep Alive. 0 sets
    /// no limit. It does not apply to MQTT 3.1.1, which has no Server Keep Alive. Default: 0.
    pub keep_alive_max_s: u16,
    /// The longest Session Expiry Interval, in seconds; 4,294,967,295 never expires. Sessions of MQTT 3.1.1 that are
    /// not clean get this interval. Default: 4,294,967,295.
    pub session_expiry_interval_max_s: u32,

    /// The maximum number of connected clients. A client that takes its own session over does not count twice. One
    /// more is refused with 0x97. Default: no limit.
    pub clients_max: usize,
    /// The maximum number of sessions, those of disconnected clients included. A client that needs one more is refused
    /// with 0x97. Default: no limit.
    pub sessions_max: usize,
    /// The maximum number of subscriptions of a session. One more is refused with 0x97. Default: no limit.
    pub session_subscriptions_max: usize,
    /// The maximum number of wildcard patterns of a session. A pattern is the positions of `+` and `#` and the number
    /// of levels. Each pattern in use costs a look-up for every message whose topic has as many levels. A filter with
    /// one more is refused with 0x97. Default: no limit.
    pub session_patterns_max: usize,
    /// The maximum number of subscriptions of all sessions. One more is refused with 0x97. Default: no limit.
    pub subscriptions_max: usize,
    /// The maximum number of wildcard patterns of all sessions. Patterns of shared subscriptions count by themselves. A
    /// filter with one more is refused with 0x97. Default: no limit.
    pub patterns_max: usize,
    /// The maximum bytes that all sessions hold: client identifiers, user names, topic filters, topics behind the
    /// aliases of clients, wills, and messages that are queued or in flight. Beyond it, each session may still hold its
    /// even share: this maximum, divided by the number of sessions. A connection, a subscription or an alias that needs
    /// more is refused with 0x97, and a message that would have to be queued is dropped. Default: no limit.
    pub sessions_bytes_max: usize,
    /// The maximum number of retained messages, without those of [`Config::sys_interval_s`]. A message for one more
    /// topic is refused with 0x97; if its QoS is 0, it is routed and not retained. Default: no limit.
    pub retained_messages_max: usize,
    /// The maximum bytes of all retained messages, with their topics and properties. Beyond it, a message is treated
    /// as by [`Config::retained_messages_max`]. Default: no limit.
    pub retained_bytes_max: usize,
    /// The maximum number of queued QoS 1 and QoS 2 messages of a session, without those in flight. A full queue keeps
    /// the oldest and drops new ones. Default: 1000.
    pub queue_messages_max: usize,
    /// The maximum bytes of the queued messages of a session. A full queue keeps the oldest and drops new ones. No
    /// further message is sent while this number of bytes is in flight. Default: no limit.
    pub queue_bytes_max: usize,
    /// The maximum number of messages in flight to a client, if its Receive Maximum is not lower. It is clamped to 1
    /// to 32,767. Further messages wait. Default: 32,767.
    pub in_flight_max: u16,
    /// The Receive Maximum for clients: 1 to 65,535; 0 counts as 1. A client with more unanswered messages is
    /// disconnected with 0x93. Default: 1024.
    pub receive_maximum: u16,
    /// The maximum number of messages that a client may publish in a second, and in one burst. A faster client is
    /// disconnected with 0x96. 0 sets no limit. Default: 0.
    pub publish_rate_max: u32,
    /// The largest packet that a client may send, in bytes, clamped to 1 to 268,435,455. Give the decoder the same
    /// limit: it refuses a larger packet with 0x95. Default: 32 MiB.
    pub maximum_packet_size: u32,
    /// The longest topic name or topic filter, in bytes. A longer name is refused with 0x90, a longer filter with
    /// 0x8F. Default: 65,535, the maximum of MQTT.
    pub topic_bytes_max: usize,
    /// The maximum number of levels of a topic name or topic filter. One with more is refused with 0x90 or 0x8F.
    /// Default: no limit.
    pub topic_levels_max: usize,

    /// The maximum number of retained messages that one input sends, and of messages that it moves between members of
    /// shared subscriptions. The rest follows with the next input or [timeout](crate::Broker::next_timeout). A session
    /// queues at most as many retained messages. 0 counts as 1. Default: 256.
    pub at_once_max: usize,
    /// The Maximum QoS for publications and granted subscriptions. A client of MQTT 5.0 that exceeds it is
    /// disconnected with 0x9B. One whose will exceeds it is refused. Default: QoS 2.
    pub maximum_qos: QoS,
    /// The highest topic alias that a client may use; 0 allows none. Default: 16.
    pub topic_alias_maximum: u16,
    /// The highest topic alias towards a client, if its Topic Alias Maximum is not lower. Default: 65,535.
    pub outbound_topic_alias_maximum: u16,
    /// Whether payloads with Payload Format Indicator 1 are checked to be UTF-8. Others are refused with 0x99.
    /// Default: no.
    pub payload_format_checked: bool,
    /// The Response Information for clients that ask for it; `%c` stands for the client identifier. Default: nothing.
    pub response_information: Option<String>,
    /// The interval of publications below `$SYS/broker/`, in seconds; 0 is never. If there are any, clients cannot
    /// publish there. Default: 0.
    pub sys_interval_s: u32,

    /// Whether the broker stores its state: it then issues [`Output::Persist`](crate::Output::Persist), and holds
    /// every promise back until [`Input::Committed`](crate::Input::Committed). Default: no.
    pub durable: bool,
    /// Reconnect grace in milliseconds: the time within which a client of the previous broker must reconnect. Then its
    /// connection counts as lost. Default: 30,000.
    pub reconnect_grace_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            assigned_id_prefix: "auto-".into(),
            seed: [0; 32],
            connect_timeout_ms: 10_000,
            keep_alive_max_s: 0,
            session_expiry_interval_max_s: u32::MAX,
            clients_max: usize::MAX,
            sessions_max: usize::MAX,
            session_subscriptions_max: usize::MAX,
            session_patterns_max: usize::MAX,
            subscriptions_max: usize::MAX,
            patterns_max: usize::MAX,
            sessions_bytes_max: usize::MAX,
            retained_messages_max: usize::MAX,
            retained_bytes_max: usize::MAX,
            queue_messages_max: 1000,
            queue_bytes_max: usize::MAX,
            in_flight_max: Self::IN_FLIGHT_LIMIT,
            receive_maximum: 1024,
            publish_rate_max: 0,
            maximum_packet_size: 32 * 1024 * 1024,
            topic_bytes_max: 65_535,
            topic_levels_max: usize::MAX,
            at_once_max: 256,
            maximum_qos: QoS::ExactlyOnce,
            topic_alias_maximum: 16,
            outbound_topic_alias_maximum: u16::MAX,
            payload_format_checked: false,
            response_information: None,
            sys_interval_s: 0,
            durable: false,
            reconnect_grace_ms: 30_000,
        }
    }
}

/// Without the seed, which is a secret.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("assigned_id_prefix", &self.assigned_id_prefix)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// The largest packet that MQTT can frame, in bytes.
    pub(crate) const PACKET_SIZE_LIMIT: u32 = 268_435_455;

    /// Half of the packet identifiers, so that a free one is always near.
    const IN_FLIGHT_LIMIT: u16 = 32_767;

    /// Whether a topic may be published to, by its size.
    pub(crate) fn topic_code(&self, topic: &TopicName) -> ReasonCode {
        match self.is_too_large(topic.as_str().len(), || topic.levels().count()) {
            true => ReasonCode::TopicNameInvalid,
            false => ReasonCode::Success,
        }
    }

    /// Whether a topic filter may be subscribed to, by its size.
    pub(crate) fn filter_code(&self, filter: &TopicFilter) -> ReasonCode {
        match self.is_too_large(filter.as_str().len(), || filter.levels().count()) {
            true => ReasonCode::TopicFilterInvalid,
            false => ReasonCode::Success,
        }
    }

    fn is_too_large(&self, bytes: usize, levels: impl FnOnce() -> usize) -> bool {
        // Every level but the first takes at least a byte, so most topics need no count.
        bytes > self.topic_bytes_max
            || (bytes >= self.topic_levels_max && levels() > self.topic_levels_max)
    }

    pub(crate) fn within_limits(mut self) -> Self {
        self.receive_maximum = self.receive_maximum.max(1);
        self.in_flight_max = self.in_flight_max.clamp(1, Self::IN_FLIGHT_LIMIT);
        self.at_once_max = self.at_once_max.max(1);
        self.maximum_packet_size = self.maximum_packet_size.clamp(1, Self::PACKET_SIZE_LIMIT);
        self
    }
}
