//! Counters.

use serde::{Deserialize, Serialize};

/// How much there is, and how much there was since the broker began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Clients that are connected.
    pub connections: usize,
    /// Sessions, of clients that are connected and of others.
    pub sessions: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// Retained messages.
    pub retained_messages: usize,
    /// Messages that clients published. Wills are not among them, nor is the same QoS 2 message twice.
    pub messages_received: u64,
    /// Messages that were sent to clients, each receiver counted. One that is sent again is not.
    pub messages_delivered: u64,
    /// Messages that a receiver did not get, each receiver counted; see
    /// [`DropReason`](crate::DropReason).
    pub messages_dropped: u64,
}
