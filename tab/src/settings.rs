//! Named limits and intervals of a tab.

use broker::Config;

use crate::lane::Limits;

/// Limits and intervals, with defaults fit for a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A secret, drawn at random for every tab: without it nobody finds topics or messages that are taken for each other.
    pub seed: [u8; 32],
    /// Milliseconds between two announcements when nothing changes.
    pub announce_interval_ms: u64,
    /// Milliseconds between two announcements at least, but for a new broker's, which goes out at once.
    pub announce_gap_ms: u64,
    /// Milliseconds between two rosters for the page at least.
    pub members_gap_ms: u64,
    /// Milliseconds without an announcement after which a tab leaves the member list. Several intervals long, because the
    /// timers of a tab in the background run late.
    pub silence_ms: u64,
    /// Milliseconds after which an unanswered `bind` is sent again.
    pub bind_retry_ms: u64,
    /// Milliseconds before a Web Lock is asked for again that the browser refused.
    pub lock_retry_ms: u64,
    /// Milliseconds after which an unanswered CONNECT shows that the lane is broken.
    pub connect_timeout_ms: u64,
    /// Milliseconds for which the answer to a page's question is awaited.
    pub answer_ms: u64,
    /// Milliseconds before a client connects again whose connection the broker closed without a reason; doubles up to
    /// 32 times that.
    pub reconnect_ms: u64,
    /// Milliseconds for which an answer is awaited before the broker is asked whether it lives.
    pub suspect_ms: u64,
    /// Milliseconds for which a new tab knows of no broker before it asks whether there is one.
    pub no_broker_ms: u64,
    /// Milliseconds for which the next broker is awaited after one that has gone, before somebody asks whether there is
    /// one: whoever is granted the lock may be frozen.
    pub next_broker_ms: u64,
    /// Milliseconds without a sign of the broker before it is asked whether it lives, even if it owes no answer.
    pub broker_silence_ms: u64,
    /// Milliseconds for which a probe's answer is awaited; doubles with every short leadership.
    pub probe_ms: u64,
    /// Milliseconds that a leadership lasts at least, unless it is short.
    pub short_leadership_ms: u64,
    /// Milliseconds by which a timer may be late without being taken for a standstill of this very tab.
    pub probe_lateness_ms: u64,
    /// Milliseconds before a failure detection that came to nothing is taken up again; doubles up to 16 times that.
    pub failure_detector_pause_ms: u64,
    /// Milliseconds for which a tab that takes over answers probes although it is no broker yet.
    pub promotion_ms: u64,
    /// Milliseconds between two turns of a broker's loop at most, if it does not stand still; after twice that it makes
    /// sure that it still is the broker before anything else.
    pub heartbeat_ms: u64,
    /// Milliseconds for which a change that nobody waits for, as an acknowledgement by a subscriber, waits for one to be
    /// stored with.
    pub deferred_ms: u64,
    /// Bytes of such changes from which on they are stored at once, because whoever comes next would wait for them.
    pub deferred_bytes: usize,
    /// Milliseconds before the database is asked again what it could not do; doubles.
    pub storage_retry_ms: u64,
    /// Milliseconds before it is asked again for room that it did not have; doubles.
    pub storage_full_retry_ms: u64,
    /// Milliseconds between two attempts to find room at most.
    pub storage_full_retry_ms_max: u64,
    /// Milliseconds between two attempts at most while the database fails in other ways.
    pub storage_retry_ms_max: u64,
    /// How often in a row the database may fail before the broker refuses what it would have to store.
    pub storage_failures_max: u32,
    /// Milliseconds without an answer of the database before that is told.
    pub storage_silence_ms: u64,
    /// Milliseconds for which an elected tab that never had the database open tries to open it, before its broker keeps
    /// the state in memory.
    pub storage_open_ms: u64,
    /// Bytes of the log from which on it is replaced by a snapshot, if it is larger than that, too.
    pub checkpoint_bytes: usize,
    /// Rows of the log from which on it is replaced by a snapshot.
    pub checkpoint_rows: usize,
    /// Milliseconds for which what the clients of a lost tab leave behind waits for the clients of the others to come to a
    /// new broker.
    pub settle_ms: u64,
    /// Milliseconds for which a new broker waits for the clients of living tabs.
    pub rebind_grace_ms: u64,
    /// Milliseconds between two events of one kind at least, where somebody else could cause them without end.
    pub event_gap_ms: u64,
    /// Tabs that are known of at most; others are not noted, and not served by a broker in this tab.
    pub tabs_max: usize,
    /// Bytes of what one client wants to publish that wait at most, because there is no broker or it takes them slower than
    /// they come. More is refused; a port that sends more is disconnected.
    pub waiting_bytes_max: usize,
    /// Bytes on their way from a tab to the broker from which on messages wait in the tab.
    pub to_broker_window_bytes: usize,
    /// Bytes on their way from the broker to a tab from which on that tab is slow: QoS 0 is dropped for it, and the rest waits.
    /// More than in the other direction, so that no single tab can send as much at once.
    pub to_tab_window_bytes: usize,
    /// Bytes on their way from a tab's worker to its page from which on the tab is slow, too.
    pub to_page_window_bytes: usize,
    /// Bytes of one MQTT packet at most, in both directions.
    pub maximum_packet_size: u32,
    /// QoS 1 and 2 publications under way at most in each direction of a connection.
    pub receive_maximum: u16,
    /// Clients that may be connected to the broker. One more is refused with 0x97.
    pub clients_max: usize,
    /// Sessions that the broker keeps at most. A client that would need one more is refused with 0x97.
    pub sessions_max: usize,
    /// Subscriptions of one session at most. One more is refused with 0x97.
    pub session_subscriptions_max: usize,
    /// Patterns of wildcards in the filters of one session at most: where `+` and `#` stand, and among how many levels. Each costs
    /// every message whose topic has as many levels a look-up. A filter of one more is refused with 0x97.
    pub session_patterns_max: usize,
    /// Subscriptions of all sessions at most. One more is refused with 0x97.
    pub subscriptions_max: usize,
    /// QoS 1 and 2 messages that wait at the broker for one session at most. A message without room is dropped, and refused with
    /// 0x97 if nobody else gets it.
    pub queue_messages_max: usize,
    /// Bytes of these, of topics, payloads and properties, at most.
    pub queue_bytes_max: usize,
    /// Levels of a topic or of a topic filter at most. One of more is refused with 0x90 or 0x8F.
    pub topic_levels_max: usize,
    /// Topics that the broker remembers for one connection, to send a number in their place.
    pub outbound_topic_alias_maximum: u16,
    /// Retained messages that the broker keeps at most. One more is refused with 0x97.
    pub retained_messages_max: usize,
    /// Bytes of retained messages, of topics, payloads and properties, that the broker keeps at most: each new broker has to read
    /// all of them before it begins.
    pub retained_bytes_max: usize,
    /// Messages that one input of the broker sends at most to those who subscribe to retained ones, or moves from one member of a
    /// shared subscription to another. Others come between, and then it goes on.
    pub at_once_max: usize,
}

impl Settings {
    /// Of the end of a lane at a tab.
    pub(crate) fn to_broker(&self) -> Limits {
        self.limits(self.to_broker_window_bytes)
    }

    /// Of the end of a lane at the broker.
    pub(crate) fn to_tab(&self) -> Limits {
        self.limits(self.to_tab_window_bytes)
    }

    /// Of the broker in a tab that is elected.
    #[must_use]
    pub fn of_broker(&self) -> Config {
        Config {
            seed: self.seed,
            clients_max: self.clients_max,
            sessions_max: self.sessions_max,
            session_subscriptions_max: self.session_subscriptions_max,
            session_patterns_max: self.session_patterns_max,
            subscriptions_max: self.subscriptions_max,
            receive_maximum: self.receive_maximum,
            in_flight_max: self.receive_maximum,
            maximum_packet_size: self.maximum_packet_size,
            topic_levels_max: self.topic_levels_max,
            outbound_topic_alias_maximum: self.outbound_topic_alias_maximum,
            queue_messages_max: self.queue_messages_max,
            queue_bytes_max: self.queue_bytes_max,
            retained_messages_max: self.retained_messages_max,
            retained_bytes_max: self.retained_bytes_max,
            at_once_max: self.at_once_max,
            rebind_grace_ms: self.rebind_grace_ms,
            ..Config::default()
        }
    }

    fn limits(&self, window_bytes: usize) -> Limits {
        // Of either direction, so that who waits for room hears of it in time.
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
            storage_failures_max: 6,
            storage_silence_ms: 3_000,
            storage_open_ms: 15_000,
            checkpoint_bytes: 4 << 20,
            checkpoint_rows: 1_024,
            settle_ms: 1_000,
            rebind_grace_ms: 30_000,
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
            queue_messages_max: 100_000,
            queue_bytes_max: 64 << 20,
            topic_levels_max: 128,
            outbound_topic_alias_maximum: 256,
            retained_messages_max: 100_000,
            retained_bytes_max: 64 << 20,
            at_once_max: 256,
        }
    }
}
