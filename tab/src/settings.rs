//! Settings: the limits and intervals of a tab.

use broker::Config;

use crate::lane::Limits;
use crate::log::storage::PageLimits;

/// Limits and intervals, with defaults for a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A secret, drawn at random for each tab, so that nobody can construct hash collisions of topics or messages.
    pub seed: [u8; 32],
    /// Interval (ms) between announcements when nothing changes.
    pub announce_interval_ms: u64,
    /// Minimum gap (ms) between announcements, except a new broker's, which leaves at once.
    pub announce_gap_ms: u64,
    /// Minimum gap (ms) between two member lists for the page.
    pub members_gap_ms: u64,
    /// Age (ms) of the last announcement after which a tab is removed from the members. Several intervals, because
    /// timers of background tabs are late.
    pub silence_ms: u64,
    /// Delay (ms) before an unanswered `bind` is repeated.
    pub bind_retry_ms: u64,
    /// Delay (ms) before a refused Web Lock is requested again.
    pub lock_retry_ms: u64,
    /// Timeout (ms) of a CONNECT, after which the lane counts as broken.
    pub connect_timeout_ms: u64,
    /// Timeout (ms) of a page's question.
    pub answer_ms: u64,
    /// Delay (ms) before a client reconnects after the broker closed its connection without a reason. Doubles up to 32
    /// times.
    pub reconnect_ms: u64,
    /// How long (ms) the broker may owe an answer before it is probed.
    pub suspect_ms: u64,
    /// How long (ms) a new tab waits for a broker before it probes.
    pub no_broker_ms: u64,
    /// How long (ms) to wait for the next broker before probing: the tab that is granted the lock may be frozen.
    pub next_broker_ms: u64,
    /// How long (ms) the broker may be silent before it is probed, even if it owes no answer.
    pub broker_silence_ms: u64,
    /// Timeout (ms) of a probe. Doubles with each short leadership.
    pub probe_ms: u64,
    /// A leadership that ends within this time (ms) is short.
    pub short_leadership_ms: u64,
    /// How late (ms) a timer may be before this tab counts as suspended.
    pub probe_lateness_ms: u64,
    /// Pause (ms) after a failure detection without a result. Doubles up to 16 times.
    pub failure_detector_pause_ms: u64,
    /// How long (ms) a tab answers probes during its promotion.
    pub promotion_ms: u64,
    /// Maximum time (ms) between two turns of a broker's loop. After twice that time it was suspended, and proves that
    /// it still leads before anything else.
    pub heartbeat_ms: u64,
    /// How long (ms) a deferred change waits for the next row. Nothing waits for such a change, for example a
    /// subscriber's acknowledgement.
    pub deferred_ms: u64,
    /// Bytes of deferred changes that are written at once, because they would delay the next row.
    pub deferred_bytes: usize,
    /// First delay (ms) before a failed database request is repeated. Doubles.
    pub storage_retry_ms: u64,
    /// First delay (ms) before a write is repeated that found the storage full. Doubles.
    pub storage_full_retry_ms: u64,
    /// Maximum delay (ms) while the storage is full.
    pub storage_full_retry_ms_max: u64,
    /// Maximum delay (ms) while the database fails otherwise.
    pub storage_retry_ms_max: u64,
    /// Maximum numbers of entries that a new broker reads in one transaction. Longer logs are read in pages.
    pub page: PageLimits,
    /// Consecutive failures of the database after which the broker refuses changes that have to be stored.
    pub storage_failures_max: u32,
    /// How long (ms) the database may be silent before that is reported.
    pub storage_silence_ms: u64,
    /// How long (ms) an elected tab tries to open a database that it has never opened. After that its broker keeps its
    /// state in memory.
    pub storage_open_ms: u64,
    /// Bytes of the log after which a snapshot replaces it, unless the last snapshot is larger.
    pub checkpoint_bytes: usize,
    /// Rows of the log after which a snapshot replaces it.
    pub checkpoint_rows: usize,
    /// Maximum delay (ms) of the wills of a lost tab's clients after a change of broker, so that the other tabs'
    /// clients can reconnect before.
    pub settle_ms: u64,
    /// Reconnect grace (ms) of a new broker for the clients of living tabs.
    pub reconnect_grace_ms: u64,
    /// Minimum gap (ms) between two events of a kind that other tabs could cause without end.
    pub event_gap_ms: u64,
    /// Maximum number of known tabs. Further ones are ignored, also by this tab's broker.
    pub tabs_max: usize,
    /// Maximum bytes of a client's publications that wait for the broker. Further ones are refused. A port that exceeds
    /// it is disconnected.
    pub waiting_bytes_max: usize,
    /// Bytes in flight from a tab to the broker at which messages wait in the tab.
    pub to_broker_window_bytes: usize,
    /// Bytes in flight from the broker to a tab at which the tab is slow: QoS 0 is dropped for it, and the rest waits.
    /// Larger than the other direction, so that no tab can send as much at once.
    pub to_tab_window_bytes: usize,
    /// Bytes in flight from a tab's worker to its page at which the tab is slow as well.
    pub to_page_window_bytes: usize,
    /// Maximum bytes of an MQTT packet, in both directions.
    pub maximum_packet_size: u32,
    /// Maximum number of QoS 1 and 2 publications in flight in each direction of a connection.
    pub receive_maximum: u16,
    /// Maximum number of clients connected to the broker. Further ones are refused with 0x97.
    pub clients_max: usize,
    /// Maximum number of sessions. A client that needs a further one is refused with 0x97.
    pub sessions_max: usize,
    /// Maximum number of subscriptions of a session. Further ones are refused with 0x97.
    pub session_subscriptions_max: usize,
    /// Maximum number of wildcard patterns in a session's filters: the positions of `+` and `#`, and the number of
    /// levels. Each pattern costs one look-up for each message with that many levels. Filters with a further one are
    /// refused with 0x97.
    pub session_patterns_max: usize,
    /// Maximum number of subscriptions of all sessions. Further ones are refused with 0x97.
    pub subscriptions_max: usize,
    /// Maximum number of wildcard patterns of all sessions. Filters with a further one are refused with 0x97.
    pub patterns_max: usize,
    /// Maximum bytes that all sessions hold: names, topic filters, wills, and messages that are queued or in flight.
    /// Beyond it, each session may still hold its even share. A request that needs more is refused with 0x97, and a message that
    /// would have to wait is dropped.
    pub sessions_bytes_max: usize,
    /// Maximum number of QoS 1 and 2 messages that wait for a session. Further ones are dropped, and refused with 0x97
    /// if no other session gets them.
    pub queue_messages_max: usize,
    /// Maximum bytes of these messages: topics, payloads and properties.
    pub queue_bytes_max: usize,
    /// Maximum bytes of a topic or a topic filter. Longer ones are refused with 0x90 or 0x8F.
    pub topic_bytes_max: usize,
    /// Maximum levels of a topic or a topic filter. Longer ones are refused with 0x90 or 0x8F.
    pub topic_levels_max: usize,
    /// Maximum number of topic aliases that the broker uses on one connection.
    pub outbound_topic_alias_maximum: u16,
    /// Maximum number of retained messages. Further ones are refused with 0x97.
    pub retained_messages_max: usize,
    /// Maximum bytes of retained messages: topics, payloads and properties. Each new broker reads all of them before it
    /// begins.
    pub retained_bytes_max: usize,
    /// Maximum number of messages that one input of the broker sends to a new subscription, or moves to another member
    /// of a shared subscription. Other inputs follow before it continues.
    pub at_once_max: usize,
    /// Maximum work of the broker in one turn: packets that it receives and sends, and kilobytes of the messages that it sends. Later
    /// turns handle the rest and serve the tabs in rotation. One input may exceed it, such as a message to many receivers.
    pub turn_work_max: usize,
}

impl Settings {
    /// Limits at the tab's end of a lane.
    pub(crate) fn to_broker(&self) -> Limits {
        self.limits(self.to_broker_window_bytes)
    }

    /// Limits at the broker's end of a lane.
    pub(crate) fn to_tab(&self) -> Limits {
        self.limits(self.to_tab_window_bytes)
    }

    /// Configuration of this tab's broker.
    #[must_use]
    pub fn of_broker(&self) -> Config {
        Config {
            seed: self.seed,
            clients_max: self.clients_max,
            sessions_max: self.sessions_max,
            session_subscriptions_max: self.session_subscriptions_max,
            session_patterns_max: self.session_patterns_max,
            subscriptions_max: self.subscriptions_max,
            patterns_max: self.patterns_max,
            sessions_bytes_max: self.sessions_bytes_max,
            receive_maximum: self.receive_maximum,
            in_flight_max: self.receive_maximum,
            maximum_packet_size: self.maximum_packet_size,
            topic_bytes_max: self.topic_bytes_max,
            topic_levels_max: self.topic_levels_max,
            outbound_topic_alias_maximum: self.outbound_topic_alias_maximum,
            queue_messages_max: self.queue_messages_max,
            queue_bytes_max: self.queue_bytes_max,
            retained_messages_max: self.retained_messages_max,
            retained_bytes_max: self.retained_bytes_max,
            at_once_max: self.at_once_max,
            reconnect_grace_ms: self.reconnect_grace_ms,
            ..Config::default()
        }
    }

    fn limits(&self, window_bytes: usize) -> Limits {
        // The smaller window of both directions, so that a waiting sender learns of room in time.
        let window_min = self.to_broker_window_bytes.min(self.to_tab_window_bytes);
        Limits {
            window_bytes,
            unacked_bytes: window_min / 8,
            maximum_packet_size: self.maximum_packet_size,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: [0; 32],
            announce_interval_ms: 5_000,
            announce_gap_ms: 100,
            members_gap_ms: 100,
            silence_ms: 30_000,
            bind_retry_ms: 300,
            lock_retry_ms: 200,
            connect_timeout_ms: 10_000,
            answer_ms: 10_000,
            reconnect_ms: 500,
            suspect_ms: 300,
            no_broker_ms: 1_000,
            next_broker_ms: 300,
            broker_silence_ms: 12_000,
            probe_ms: 200,
            short_leadership_ms: 5_000,
            probe_lateness_ms: 200,
            failure_detector_pause_ms: 1_000,
            promotion_ms: 15_000,
            heartbeat_ms: 1_000,
            deferred_ms: 2,
            deferred_bytes: 1_024,
            storage_retry_ms: 50,
            storage_full_retry_ms: 1_000,
            storage_full_retry_ms_max: 10_000,
            storage_retry_ms_max: 1_000,
            // The rows between two checkpoints and as many fences, and 8 MiB of a snapshot. Usual logs fit into one page.
            page: PageLimits {
                rows: 2_048,
                pieces: 32,
            },
            storage_failures_max: 6,
            storage_silence_ms: 3_000,
            storage_open_ms: 15_000,
            checkpoint_bytes: 4 << 20,
            checkpoint_rows: 1_024,
            settle_ms: 1_000,
            reconnect_grace_ms: 30_000,
            event_gap_ms: 1_000,
            tabs_max: 512,
            waiting_bytes_max: 64 << 20,
            to_broker_window_bytes: 1 << 20,
            to_tab_window_bytes: 4 << 20,
            to_page_window_bytes: 4 << 20,
            maximum_packet_size: 16 << 20,
            receive_maximum: 1_024,
            clients_max: 10_000,
            sessions_max: 10_000,
            session_subscriptions_max: 10_000,
            session_patterns_max: 256,
            subscriptions_max: 200_000,
            patterns_max: 4_096,
            sessions_bytes_max: 256 << 20,
            queue_messages_max: 100_000,
            queue_bytes_max: 64 << 20,
            topic_bytes_max: 4_096,
            topic_levels_max: 128,
            outbound_topic_alias_maximum: 256,
            retained_messages_max: 100_000,
            retained_bytes_max: 64 << 20,
            at_once_max: 256,
            turn_work_max: 2_000,
        }
    }
}
