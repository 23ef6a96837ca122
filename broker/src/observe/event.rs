//! Events for logs.

use crate::{CloseReason, ConnId, QoS, ReasonCode, TopicFilter, TopicName};
use core::fmt;
use std::sync::Arc;

/// An event in the broker, for an event log. The protocol does not depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerEvent {
    /// A client connected.
    Connected {
        /// Its connection.
        conn: ConnId,
        /// Its client identifier, which the broker may have assigned.
        client_id: Arc<str>,
        /// Whether it resumes an earlier session.
        session_present: bool,
    },
    /// A connection was closed before its client was accepted.
    Refused {
        /// The connection.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// A client's connection ended.
    Disconnected {
        /// The connection.
        conn: ConnId,
        /// The client identifier.
        client_id: Arc<str>,
        /// The cause.
        cause: DisconnectCause,
    },
    /// A client's connection was interrupted, and its session is in reconnect grace.
    Interrupted {
        /// The connection.
        conn: ConnId,
        /// The client identifier.
        client_id: Arc<str>,
    },
    /// The reconnect grace of a session ended without its client. The connection counts as lost.
    ReconnectGraceEnded {
        /// The client identifier.
        client_id: Arc<str>,
    },
    /// A session ended because its client stayed away for its Session Expiry Interval.
    SessionExpired {
        /// The client identifier.
        client_id: Arc<str>,
    },
    /// A client subscribed, or changed a subscription.
    Subscribed {
        /// The client identifier.
        client_id: Arc<str>,
        /// The topic filter.
        topic_filter: TopicFilter,
        /// The QoS it was granted.
        qos: QoS,
    },
    /// A client ended a subscription.
    Unsubscribed {
        /// The client identifier.
        client_id: Arc<str>,
        /// The topic filter.
        topic_filter: TopicFilter,
    },
    /// A client's will was published.
    WillPublished {
        /// The client identifier.
        client_id: Arc<str>,
        /// The topic of the will.
        topic: TopicName,
    },
    /// A message that a client published was not accepted.
    PublishRefused {
        /// The client identifier.
        client_id: Arc<str>,
        /// The topic of the message.
        topic: TopicName,
        /// Why.
        reason_code: ReasonCode,
    },
    /// A message was not delivered to one of its receivers.
    MessageDropped {
        /// The client identifier of the receiver.
        client_id: Arc<str>,
        /// The topic of the message.
        topic: TopicName,
        /// Why.
        reason: DropReason,
    },
}

/// The cause of a connection's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisconnectCause {
    /// The client, with DISCONNECT.
    Client(ReasonCode),
    /// The broker.
    Broker(CloseReason),
    /// The network: no DISCONNECT arrived.
    ConnectionLost,
}

/// The reason why a receiver did not get a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// Its Message Expiry Interval passed while it waited. [MQTT-3.3.2-5]
    Expired,
    /// Its queue was full.
    QueueFull,
    /// It is larger than the receiver accepts. [MQTT-3.1.2-25]
    TooLarge,
    /// It has QoS 0, and the receiver is congested.
    Congested,
}

/// A sentence for people.
impl fmt::Display for BrokerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected {
                client_id,
                session_present: false,
                ..
            } => write!(f, "{client_id} connected."),
            Self::Connected { client_id, .. } => {
                write!(f, "{client_id} reconnected; session resumed.")
            }
            Self::Refused { reason, .. } => write!(f, "A connection was refused: {reason}."),
            Self::Disconnected {
                client_id, cause, ..
            } => write!(f, "{client_id} disconnected: {cause}."),
            Self::Interrupted { client_id, .. } => {
                write!(f, "The connection of {client_id} was interrupted.")
            }
            Self::ReconnectGraceEnded { client_id } => {
                write!(f, "{client_id} did not reconnect in time.")
            }
            Self::SessionExpired { client_id } => write!(f, "The session of {client_id} expired."),
            Self::Subscribed {
                client_id,
                topic_filter,
                qos,
            } => write!(
                f,
                "{client_id} subscribed to {topic_filter} with QoS {}.",
                *qos as u8
            ),
            Self::Unsubscribed {
                client_id,
                topic_filter,
            } => write!(f, "{client_id} unsubscribed from {topic_filter}."),
            Self::WillPublished { client_id, topic } => {
                write!(f, "The will of {client_id} was published to {topic}.")
            }
            Self::PublishRefused {
                client_id,
                topic,
                reason_code,
            } => write!(
                f,
                "A message of {client_id} on {topic} was refused (0x{:02X}).",
                *reason_code as u8
            ),
            Self::MessageDropped {
                client_id,
                topic,
                reason,
            } => write!(
                f,
                "A message on {topic} for {client_id} was dropped: {reason}."
            ),
        }
    }
}

impl fmt::Display for DisconnectCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(ReasonCode::DisconnectWithWillMessage) => {
                f.write_str("by request, with its will")
            }
            Self::Client(_) => f.write_str("by request"),
            Self::Broker(reason) => write!(f, "{reason}"),
            Self::ConnectionLost => f.write_str("the connection was lost"),
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "it expired",
            Self::QueueFull => "its queue is full",
            Self::TooLarge => "it is larger than the client accepts",
            Self::Congested => "the client is too slow",
        })
    }
}
