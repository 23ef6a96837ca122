//! Counters.

use serde::{Deserialize, Serialize};

/// Current numbers, and counters since the broker began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Connected clients.
    pub connections: usize,
    /// Sessions, of connected and disconnected clients.
    pub sessions: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// Retained messages.
    pub retained_messages: usize,
    /// Messages that clients published, without wills and repeated QoS 2 messages.
    pub messages_received: u64,
    /// Messages that were sent, counted for each receiver, without repetitions.
    pub messages_delivered: u64,
    /// Messages that were dropped, counted for each receiver. See [`DropReason`](crate::DropReason).
    pub messages_dropped: u64,
}
