//! What the broker allows.

/// The limits of a [`Broker`](crate::Broker), and what it needs from outside to name clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How the identifier of a client that brought none starts; a counter follows. The engine draws no random numbers:
    /// put something here that no other broker of the same clients had, so that identifiers stay unique. Default:
    /// `auto-`.
    pub assigned_id_prefix: String,
    /// How long a connection may stay open before its CONNECT, in milliseconds. Default: 10,000.
    pub connect_timeout_ms: u64,
    /// How many QoS 1 and QoS 2 messages a client may send without an answer: 1 to 65,535, 0 counts as 1. Default: 1024.
    pub receive_maximum: u16,
    /// The highest topic alias a client may use; 0 allows none. Default: 16.
    pub topic_alias_maximum: u16,
    /// The size of the largest packet a client may send, in bytes: 1 to 268,435,455, anything else counts as the nearest.
    /// Give the decoder the same. Default: 32 MiB.
    pub maximum_packet_size: u32,
    /// The longest Session Expiry Interval a client is granted, in seconds; 4,294,967,295 lets a session last for ever.
    /// Default: 4,294,967,295.
    pub session_expiry_interval_max_s: u32,
    /// How many QoS 1 and QoS 2 messages wait in one session, besides those in flight. When it is full the oldest stay
    /// and new ones are dropped. Default: 1000.
    pub queue_messages_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            assigned_id_prefix: "auto-".into(),
            connect_timeout_ms: 10_000,
            receive_maximum: 1024,
            topic_alias_maximum: 16,
            maximum_packet_size: 32 * 1024 * 1024,
            session_expiry_interval_max_s: u32::MAX,
            queue_messages_max: 1000,
        }
    }
}

impl Config {
    /// The largest packet that MQTT can frame, in bytes.
    pub(crate) const PACKET_SIZE_LIMIT: u32 = 268_435_455;

    pub(crate) fn within_limits(mut self) -> Self {
        self.receive_maximum = self.receive_maximum.max(1);
        self.maximum_packet_size = self.maximum_packet_size.clamp(1, Self::PACKET_SIZE_LIMIT);
        self
    }
}
