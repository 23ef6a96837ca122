//! What a page may ask the broker, and what it says.

use core::fmt;

use broker::Stats;
use serde::{Deserialize, Serialize};

use super::message::{Message, QoS};
use super::problem::Problem;
use crate::protocol::names::TabId;

/// A question to the broker, wherever it is. Asking changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// How much there is, and how much of it waits. Answer: [`Answer::Load`].
    Load,
    /// The sessions and what they are subscribed to, ordered by client id. Answer: [`Answer::Sessions`].
    Sessions {
        /// So many at most; never more than 1,000, or 1 MiB, are told.
        at_most: u32,
    },
    /// Who would receive a message that is published to this topic now. Answer: [`Answer::Receivers`].
    Receivers {
        /// Topic name.
        topic: String,
    },
    /// The retained messages whose topics match, ordered by topic. Answer: [`Answer::Retained`].
    Retained {
        /// Topic filter.
        topic_filter: String,
        /// Only topics after this one; `None`: from the first on.
        after: Option<String>,
        /// So many at most; never more than 1,000, or 1 MiB, are told.
        at_most: u32,
        /// Bytes that are told of each payload, at most.
        payload_bytes: u32,
    },
    /// For whom messages were dropped since this broker began, and why. Answer: [`Answer::Dropped`].
    Dropped,
}

/// What the broker says to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// How much there is.
    Load(Load),
    /// The sessions.
    Sessions {
        /// Ordered by client id.
        sessions: Vec<SessionInfo>,
        /// How many more there are.
        left_out: u32,
    },
    /// Who would receive a message.
    Receivers {
        /// Ordered by client id, one for each topic filter that matches. Of a share, one member gets each message. Who has
        /// subscribed with No Local does not get what it publishes itself.
        receivers: Vec<Receiver>,
        /// How many more there are.
        left_out: u32,
    },
    /// There is no answer.
    Refused(Problem),
    /// Retained messages.
    Retained {
        /// Ordered by topic, byte by byte; received when they were published, with the beginning of their payload.
        messages: Vec<Message>,
        /// The topic to go on after, if there may be more. Up to it, these are all.
        reached: Option<String>,
    },
    /// For whom messages were dropped.
    Dropped {
        /// Ordered by client id; one for each client and reason. At most 1,000.
        drops: Vec<Dropped>,
    },
}

/// Messages that one client did not get, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Client identifier.
    pub client_id: String,
    /// Why.
    pub reason: DropReason,
    /// How many, since this broker began.
    pub messages: u64,
}

/// Why a client did not get a message; displays as the end of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DropReason {
    /// It expired while it waited.
    Expired,
    /// Too many messages wait for the client.
    QueueFull,
    /// It is larger than the client accepts.
    TooLarge,
    /// It has QoS 0, and the client takes what it is sent too slowly.
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

/// How much there is in the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Counters.
    pub stats: Stats,
    /// Messages that wait for clients, each receiver counted.
    pub queued: u64,
    /// Messages that were sent with QoS 1 or 2 and are not acknowledged, each receiver counted.
    pub in_flight: u64,
}

/// One session of the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Client identifier.
    pub client_id: String,
    /// The tab of its connection; `None`: its client is away.
    pub tab: Option<TabId>,
    /// Seconds it outlives its connection; `u32::MAX` never expires.
    pub session_expiry_interval: u32,
    /// Messages that wait.
    pub queued: u32,
    /// Messages that were sent and are not acknowledged.
    pub in_flight: u32,
    /// What it is subscribed to, ordered by topic filter.
    pub subscriptions: Vec<Granted>,
}

/// A subscription as the broker granted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// Topic filter; of a shared subscription with `$share/` and the share name.
    pub topic_filter: String,
    /// Maximum QoS.
    pub qos: QoS,
    /// Whether what the client itself publishes is left out.
    pub no_local: bool,
    /// Whether the RETAIN flag stays as it was published.
    pub retain_as_published: bool,
    /// Subscription Identifier.
    pub identifier: Option<u32>,
}

/// Who would receive a message, and by which subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// Client identifier.
    pub client_id: String,
    /// The tab of its connection; `None`: its client is away, and the message waits for it, unless it has QoS 0.
    pub tab: Option<TabId>,
    /// The subscription.
    pub subscription: Granted,
}
