//! Queries: questions of a page to the broker, and the answers.

use core::fmt;

use broker::Stats;
use serde::{Deserialize, Serialize};

use super::message::{Message, QoS};
use super::problem::Problem;
use crate::protocol::names::TabId;

/// A question to the broker, in whichever tab it is. It changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Sizes and queues of the broker. Answer: [`Answer::Load`].
    Load,
    /// The sessions and their subscriptions, ordered by client identifier. Answer: [`Answer::Sessions`].
    Sessions {
        /// Maximum number; never more than 1,000, or 1 MiB.
        at_most: u32,
    },
    /// The receivers of a message on this topic. Answer: [`Answer::Receivers`].
    Receivers {
        /// Topic name.
        topic: String,
    },
    /// The retained messages whose topics match, ordered by topic. Answer: [`Answer::Retained`].
    Retained {
        /// Topic filter.
        topic_filter: String,
        /// Only topics after this one; `None`: all.
        after: Option<String>,
        /// Maximum number; never more than 1,000, or 1 MiB.
        at_most: u32,
        /// Maximum bytes of each payload.
        payload_bytes: u32,
    },
    /// Messages that were dropped since this broker began, by client and reason. Answer: [`Answer::Dropped`].
    Dropped,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Sizes and queues of the broker.
    Load(Load),
    /// The sessions.
    Sessions {
        /// Ordered by client id.
        sessions: Vec<SessionInfo>,
        /// How many were left out.
        left_out: u32,
    },
    /// The receivers of a message.
    Receivers {
        /// Ordered by client identifier, one for each matching topic filter. Of a shared subscription one member gets
        /// each message. A client with No Local does not get its own messages.
        receivers: Vec<Receiver>,
        /// How many were left out.
        left_out: u32,
    },
    /// The question was refused.
    Refused(Problem),
    /// Retained messages.
    Retained {
        /// Ordered by topic, byte by byte; received when they were published, with the beginning of their payload.
        messages: Vec<Message>,
        /// The last topic of this answer, if there may be more. Pass it as `after` to continue.
        reached: Option<String>,
    },
    /// Dropped messages.
    Dropped {
        /// Ordered by client identifier; one for each client and reason. At most 1,000.
        drops: Vec<Dropped>,
    },
}

/// Messages that one client missed for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Client identifier.
    pub client_id: String,
    /// The reason.
    pub reason: DropReason,
    /// Number of messages since this broker began.
    pub messages: u64,
}

/// Why a message was dropped for a client. Displays as the end of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DropReason {
    /// It expired in the queue.
    Expired,
    /// The client's queue is full.
    QueueFull,
    /// It is larger than the client accepts.
    TooLarge,
    /// It has QoS 0, and the client is too slow.
    Congested,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "expired while queued",
            Self::QueueFull => "its queue is full",
            Self::TooLarge => "larger than the client accepts",
            Self::Congested => "client too slow",
        })
    }
}

/// Sizes and queues of the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Counters.
    pub stats: Stats,
    /// Messages that wait for clients, counted for each receiver.
    pub queued: u64,
    /// Messages of QoS 1 and 2 that were sent and not acknowledged, counted for each receiver.
    pub in_flight: u64,
}

/// One session of the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Client identifier.
    pub client_id: String,
    /// The tab of its connection; `None`: its client is disconnected.
    pub tab: Option<TabId>,
    /// Seconds for which it outlives its connection; `u32::MAX` never expires.
    pub session_expiry_interval: u32,
    /// Messages that wait.
    pub queued: u32,
    /// Messages that were sent and not acknowledged.
    pub in_flight: u32,
    /// Subscriptions, ordered by topic filter.
    pub subscriptions: Vec<Granted>,
}

/// A subscription as the broker granted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// Topic filter; `$share/`, the share name and the filter for a shared subscription.
    pub topic_filter: String,
    /// Maximum QoS.
    pub qos: QoS,
    /// No Local: whether the client's own messages are excluded.
    pub no_local: bool,
    /// Retain As Published: whether the RETAIN flag stays as it was published.
    pub retain_as_published: bool,
    /// Subscription Identifier.
    pub identifier: Option<u32>,
}

/// A receiver of a message, and the subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// Client identifier.
    pub client_id: String,
    /// The tab of its connection. `None`: the client is disconnected, and messages of QoS 1 and 2 wait for it.
    pub tab: Option<TabId>,
    /// The subscription.
    pub subscription: Granted,
}
