//! Problems: why a command or a request failed.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::protocol::names::ChannelError;

/// Why a command or a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Problem {
    /// The channel's name is not valid.
    Channel(ChannelError),
    /// The tab is on a channel already.
    AlreadyOpen,
    /// The tab is on no channel yet.
    NotOpen,
    /// This client is not connected and does not try to be.
    NotConnected,
    /// The topic name is invalid.
    Topic(String),
    /// The topic filter is invalid.
    TopicFilter(String),
    /// The request has no topic filter.
    NoTopicFilter,
    /// The packet is larger than the broker accepts.
    TooLarge {
        /// Maximum size in bytes.
        maximum: u32,
    },
    /// MQTT cannot carry a string, a binary or a property of the packet.
    NotEncodable(String),
    /// All 65,535 packet identifiers are in use.
    TooManyInFlight,
    /// The page requested another connection before the broker answered.
    Replaced,
    /// There is no broker.
    NoBroker,
    /// This client publishes faster than its messages leave, and too many bytes wait.
    TooMuchWaiting,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(error) => write!(f, "{error}"),
            Self::AlreadyOpen => f.write_str("This tab is on a channel already."),
            Self::NotOpen => f.write_str("This tab is on no channel yet."),
            Self::NotConnected => f.write_str("The client is not connected."),
            Self::Topic(error) => write!(f, "Not a topic name: {error}"),
            Self::TopicFilter(error) => write!(f, "Not a topic filter: {error}"),
            Self::NoTopicFilter => f.write_str("Name at least one topic filter."),
            Self::TooLarge { maximum } => write!(
                f,
                "The message is larger than the {maximum} bytes that the broker accepts."
            ),
            Self::NotEncodable(error) => write!(f, "This cannot be sent: {error}"),
            Self::TooManyInFlight => {
                f.write_str("65,535 messages are waiting for their acknowledgement already.")
            }
            Self::NoBroker => f.write_str("There is no broker at the moment."),
            Self::TooMuchWaiting => f.write_str("Too many bytes wait to be published already."),
            Self::Replaced => f.write_str("Another connection replaced this one."),
        }
    }
}

impl core::error::Error for Problem {}
