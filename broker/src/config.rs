//! What the broker allows.

use crate::{QoS, ReasonCode, TopicFilter, TopicName};
use core::fmt;

/// The limits and options of a [`Broker`](crate::Broker), and what it needs from outside to name clients and to
/// challenge them.
///
/// At a limit, what is new is refused with the reason code named there; nothing that was accepted is lost. A client of
/// MQTT 3.1.1 cannot be told most reason codes: it gets the return code or the SUBACK code that it knows, or its
/// connection is closed.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// How the identifier of a client that brought none starts; a counter follows. The engine draws no random numbers:
    /// put something here that no other broker of the same clients had, so that identifiers stay unique. Default:
    /// `auto-`.
    pub assigned_id_prefix: String,
    /// A secret, drawn at random for every broker, from which the challenges of authentication exchanges are derived.
    /// Whoever knows it can replay a login. Needed only where [`Access`](crate::access::Access) knows an
    /// Authentication Method. Default: zeros.
    pub seed: [u8; 32],
    /// How long a connection may stay open before its client is accepted, in milliseconds. Default: 10,000.
    pub connect_timeout_ms: u64,
    /// The longest Keep Alive, in seconds: a client that wants a longer one, or none, is told this as Server Keep Alive.
    /// 0 leaves it to the clients. MQTT 3.1.1 has no way to tell it, so there it does not apply. Default: 0.
    pub keep_alive_max_s: u16,
    /// The longest Session Expiry Interval a client is granted, in seconds; 4,294,967,295 lets a session last for ever.
    /// Sessions of MQTT 3.1.1 that are not clean last as long. Default: 4,294,967,295.
    pub session_expiry_interval_max_s: u32,

    /// How many clients may be connected; one that takes its own connection over is not another. One more is refused
    /// with 0x97. Default: no limit.
    pub clients_max: usize,
    /// How many sessions there may be, those of clients that are away included. A client that would need one more is
    /// refused with 0x97. Default: no limit.
    pub sessions_max: usize,
    /// How many subscriptions one session may have. One more is refused with 0x97. Default: no limit.
    pub session_subscriptions_max: usize,
    /// How many patterns the filters of one session may have: a pattern is where `+` and `#` stand, and among how many levels. Each
    /// one that is in use costs every message whose topic has as many levels a look-up. A filter of one more is refused with
    /// 0x97. Default: no limit.
    pub session_patterns_max: usize,
    /// How many subscriptions all sessions together may have. One more is refused with 0x97. Default: no limit.
    pub subscriptions_max: usize,
    /// How many retained messages there may be, the statistics of [`Config::sys_interval_s`] not counted. A message for
    /// one more topic is refused with 0x97; if its QoS is 0, it is routed and not retained. Default: no limit.
    pub retained_messages_max: usize,
    /// How many bytes the topics and payloads of retained messages may have together. What would exceed it is treated
    /// as by [`Config::retained_messages_max`]. Default: no limit.
    pub retained_bytes_max: usize,
    /// How many QoS 1 and QoS 2 messages wait in one session, besides those in flight. When it is full the oldest stay
    /// and new ones are dropped. Default: 1000.
    pub queue_messages_max: usize,
    /// How many bytes the topics and payloads of the messages that wait in one session may have together. When it is
    /// full the oldest stay and new ones are dropped. Default: no limit.
    pub queue_bytes_max: usize,
    /// How many QoS 1 and QoS 2 messages may be unacknowledged by a client, if its Receive Maximum is not lower: 1 to
    /// 32,767, anything else counts as the nearest. The others wait. Default: 32,767.
    pub in_flight_max: u16,
    /// How many QoS 1 and QoS 2 messages a client may send without an answer: 1 to 65,535, 0 counts as 1. A client that
    /// sends more is disconnected with 0x93. Default: 1024.
    pub receive_maximum: u16,
    /// How many messages a client may publish in a second, and in one burst. One that publishes more is disconnected
    /// with 0x96. 0 sets no limit. Default: 0.
    pub publish_rate_max: u32,
    /// The size of the largest packet a client may send, in bytes: 1 to 268,435,455, anything else counts as the nearest.
    /// Give the decoder the same: it refuses a larger one with 0x95. Default: 32 MiB.
    pub maximum_packet_size: u32,
    /// The longest topic name or topic filter, in bytes. A longer name is refused with 0x90, a longer filter with 0x8F.
    /// Default: 65,535, which is as long as they can be.
    pub topic_bytes_max: usize,
    /// How many levels a topic name or topic filter may have. One of more is refused with 0x90 or 0x8F. Default: no
    /// limit.
    pub topic_levels_max: usize,

    /// How many messages one input sends at most to those who subscribe to retained ones, or moves from one member of a shared
    /// subscription to another; others go on with the next input or [timeout](crate::Broker::next_timeout). As many retained
    /// ones wait in a session at most. 0 counts as 1. Default: 256.
    pub at_once_max: usize,
    /// The highest QoS a client may publish with; subscriptions are granted no higher one. A client of MQTT 5.0 that
    /// publishes with a higher one is disconnected with 0x9B, and so is refused if its will has it. Default: QoS 2.
    pub maximum_qos: QoS,
    /// The highest topic alias a client may use; 0 allows none. Default: 16.
    pub topic_alias_maximum: u16,
    /// The highest topic alias that is used towards a client, if its Topic Alias Maximum is not lower. Default: 65,535.
    pub outbound_topic_alias_maximum: u16,
    /// Whether a payload that is announced as UTF-8 is checked. One that is not is refused with 0x99. Default: no.
    pub payload_format_checked: bool,
    /// What a client that asks for Response Information is told; `%c` in it stands for the client identifier. Default:
    /// nothing.
    pub response_information: Option<String>,
    /// How often the statistics are published below `$SYS/broker/`, in seconds; 0 never. If they are, clients cannot
    /// publish there. Default: 0.
    pub sys_interval_s: u32,

    /// Whether everything that is promised is stored first: the broker then gives out
    /// [`Output::Persist`](crate::Output::Persist), and waits with its answers for
    /// [`Input::Committed`](crate::Input::Committed). Default: no.
    pub durable: bool,
    /// How long clients that were connected when the broker before ended are awaited, in milliseconds; then they count as
    /// lost. Default: 30,000.
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

    /// Half of the packet identifiers: so one that is free is never far.
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
        // Every level but the first takes a byte at least, so that most are not counted.
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
