//! Why the broker closes a connection.

use core::fmt;

use crate::codec::DecodeError;
use crate::{ConnId, ReasonCode};

/// Why the broker closed a connection, with what it takes to understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// What arrived is no packet, or one that MQTT forbids.
    Malformed(DecodeError),
    /// The first packet is not CONNECT. [MQTT-3.1.0-1]
    NoConnect {
        /// The packet's type.
        packet: &'static str,
    },
    /// No packet came for too long after the connection was opened.
    ConnectTimeout {
        /// How long was waited, in milliseconds.
        after_ms: u64,
    },
    /// The client wants to authenticate in a way that is not known here. [MQTT-4.12.0-1]
    AuthenticationMethodUnknown {
        /// The Authentication Method.
        method: String,
    },
    /// A second CONNECT came. [MQTT-3.1.0-2]
    SecondConnect,
    /// A packet came that only a server sends.
    ServerPacket {
        /// The packet's type.
        packet: &'static str,
    },
    /// An AUTH came from a client that began without an Authentication Method. [MQTT-4.12.0-7]
    AuthWithoutMethod,
    /// A PUBLISH came with a Subscription Identifier, which only a server adds. [MQTT-3.3.4-6]
    SubscriptionIdentifierFromClient {
        /// The identifier.
        id: u32,
    },
    /// A PUBLISH came with a topic alias above the Topic Alias Maximum. [MQTT-3.3.2-9]
    TopicAliasTooHigh {
        /// The alias.
        alias: u16,
        /// The Topic Alias Maximum.
        maximum: u16,
    },
    /// A PUBLISH came without topic and with a topic alias that stands for none yet.
    TopicAliasUnknown {
        /// The alias.
        alias: u16,
    },
    /// More QoS 1 and QoS 2 messages came than the Receive Maximum allows. [MQTT-3.3.4-7]
    ReceiveMaximumExceeded {
        /// The Receive Maximum.
        maximum: u16,
    },
    /// A message was acknowledged with a packet that does not belong to its QoS or to what was sent last.
    WrongAcknowledgement {
        /// The packet's type.
        packet: &'static str,
        /// Its packet identifier.
        packet_id: u16,
    },
    /// A DISCONNECT sets a Session Expiry Interval, and CONNECT had set none.
    SessionExpiryFromZero {
        /// The interval, in seconds.
        interval_s: u32,
    },
    /// What the client asked for has an answer that is larger than what it accepts. [MQTT-3.1.2-24]
    AnswerTooLarge {
        /// The packet's type.
        packet: &'static str,
        /// The client's Maximum Packet Size, in bytes.
        maximum: usize,
    },
    /// Nothing came for one and a half times the Keep Alive. [MQTT-3.1.2-22]
    KeepAliveTimeout {
        /// The Keep Alive, in seconds.
        keep_alive_s: u16,
    },
    /// The same client connected again. [MQTT-3.1.4-3]
    TakenOver {
        /// Its new connection.
        by: ConnId,
    },
}

impl CloseReason {
    /// The reason code that says it to the client.
    #[must_use]
    pub fn reason_code(&self) -> ReasonCode {
        match self {
            Self::Malformed(error) => error.reason_code(),
            Self::AuthenticationMethodUnknown { .. } => ReasonCode::BadAuthenticationMethod,
            Self::NoConnect { .. }
            | Self::SecondConnect
            | Self::ServerPacket { .. }
            | Self::AuthWithoutMethod
            | Self::SubscriptionIdentifierFromClient { .. }
            | Self::TopicAliasUnknown { .. }
            | Self::WrongAcknowledgement { .. }
            | Self::SessionExpiryFromZero { .. } => ReasonCode::ProtocolError,
            Self::TopicAliasTooHigh { .. } => ReasonCode::TopicAliasInvalid,
            Self::ReceiveMaximumExceeded { .. } => ReasonCode::ReceiveMaximumExceeded,
            Self::AnswerTooLarge { .. } => ReasonCode::PacketTooLarge,
            Self::ConnectTimeout { .. } | Self::KeepAliveTimeout { .. } => {
                ReasonCode::KeepAliveTimeout
            }
            Self::TakenOver { .. } => ReasonCode::SessionTakenOver,
        }
    }
}

impl From<DecodeError> for CloseReason {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::NoConnect { packet } => write!(f, "{packet} before CONNECT"),
            Self::ConnectTimeout { after_ms } => write!(f, "no CONNECT within {after_ms} ms"),
            Self::AuthenticationMethodUnknown { method } => {
                write!(f, "unknown authentication method {method:?}")
            }
            Self::SecondConnect => write!(f, "a second CONNECT"),
            Self::ServerPacket { packet } => write!(f, "{packet} from a client"),
            Self::AuthWithoutMethod => {
                write!(f, "AUTH without an authentication method in CONNECT")
            }
            Self::SubscriptionIdentifierFromClient { id } => {
                write!(f, "PUBLISH with subscription identifier {id} from a client")
            }
            Self::TopicAliasTooHigh { alias, maximum } => {
                write!(f, "topic alias {alias}, where {maximum} is the highest")
            }
            Self::TopicAliasUnknown { alias } => write!(f, "topic alias {alias} has no topic yet"),
            Self::ReceiveMaximumExceeded { maximum } => {
                write!(f, "more than {maximum} messages at once")
            }
            Self::WrongAcknowledgement { packet, packet_id } => {
                write!(
                    f,
                    "{packet} is the wrong answer to packet identifier {packet_id}"
                )
            }
            Self::SessionExpiryFromZero { interval_s } => {
                write!(f, "session expiry interval {interval_s} after 0")
            }
            Self::AnswerTooLarge { packet, maximum } => {
                write!(f, "the {packet} would exceed {maximum} bytes")
            }
            Self::KeepAliveTimeout { keep_alive_s } => {
                write!(f, "nothing came for 1.5 times {keep_alive_s} s")
            }
            Self::TakenOver { .. } => write!(f, "the client connected again"),
        }
    }
}
