//! Named limits and intervals of a tab.

/// Limits and intervals, with defaults fit for a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Milliseconds between two announcements when nothing changes.
    pub announce_interval_ms: u64,
    /// Milliseconds between two announcements at least, but for a new broker's, which goes out at once.
    pub announce_gap_ms: u64,
    /// Milliseconds without an announcement after which a tab leaves the roster. Several intervals long, because the
    /// timers of a tab in the background run late.
    pub silence_ms: u64,
    /// Milliseconds after which an unanswered `bind` is sent again.
    pub bind_retry_ms: u64,
    /// Milliseconds before a Web Lock is asked for again that the browser refused.
    pub lock_retry_ms: u64,
    /// Milliseconds after which an unanswered CONNECT shows that the lane is broken.
    pub connect_timeout_ms: u64,
    /// Milliseconds before a client connects again whose connection the broker closed without a reason; doubles up to
    /// 32 times that.
    pub reconnect_ms: u64,
    /// Milliseconds between two events of one kind at least, where somebody else could cause them without end.
    pub event_gap_ms: u64,
    /// Tabs that are known of at most; others are not noted, and not served by a broker in this tab.
    pub tabs_max: usize,
    /// Bytes of one MQTT packet at most, in both directions.
    pub maximum_packet_size: u32,
    /// QoS 1 and 2 publications under way at most in each direction of a connection.
    pub receive_maximum: u16,
    /// QoS 1 and 2 messages that wait at the broker for one session at most. Enough for a client that subscribes to many
    /// retained messages at once.
    pub queue_messages_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            announce_interval_ms: 5_000,
            announce_gap_ms: 100,
            silence_ms: 30_000,
            bind_retry_ms: 300,
            lock_retry_ms: 200,
            connect_timeout_ms: 10_000,
            reconnect_ms: 500,
            event_gap_ms: 1_000,
            tabs_max: 512,
            maximum_packet_size: 16 << 20,
            receive_maximum: 1_024,
            queue_messages_max: 100_000,
        }
    }
}
