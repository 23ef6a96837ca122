//! Why the broker closes a connection.

use core::fmt;

use crate::codec::DecodeError;
use crate::{ConnId, QoS, ReasonCode};

/// Why the broker closed a connection, with details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The bytes are no packet, or a packet that MQTT forbids.
    Malformed(DecodeError),
    /// The first packet is not CONNECT. [MQTT-3.1.0-1]
    NoConnect {
        /// The packet's type.
        packet: &'static str,
    },
    /// No CONNECT arrived in time after the connection was opened.
    ConnectTimeout {
        /// The timeout, in milliseconds.
        after_ms: u64,
    },
    /// The Authentication Method is unknown. [MQTT-4.12.0-1]
    AuthenticationMethodUnknown {
        /// The Authentication Method.
        method: String,
    },
    /// Access control refused the client, or its will is not allowed.
    Refused {
        /// The reason code for the client.
        code: ReasonCode,
    },
    /// The client could not authenticate. [MQTT-4.12.0-4] [MQTT-4.12.1-2]
    AuthenticationFailed {
        /// The reason code for the client.
        code: ReasonCode,
    },
    /// Another packet than AUTH arrived during authentication.
    NoAuth {
        /// The packet's type.
        packet: &'static str,
    },
    /// AUTH has another Authentication Method than CONNECT. [MQTT-4.12.0-5] [MQTT-4.12.1-1]
    AuthenticationMethodChanged,
    /// AUTH continues an exchange that has not begun, or starts one during another.
    AuthOutOfTurn {
        /// Its reason code.
        code: ReasonCode,
    },
    /// A client of MQTT 3.1.1 without client identifier has Clean Session 0. [MQTT-3.1.3-8]
    ClientIdMissing,
    /// A client of MQTT 3.1 has a client identifier of 0 or more than 23 characters.
    ClientIdLength {
        /// The number of characters.
        characters: usize,
    },
    /// A limit is reached.
    QuotaExceeded {
        /// The name of the limit in [`Config`](crate::Config).
        limit: &'static str,
    },
    /// The storage is full, and the client needs room in it.
    StorageFull,
    /// A [resumed](crate::Input::Resume) connection has no session.
    SessionGone,
    /// A second CONNECT arrived. [MQTT-3.1.0-2]
    SecondConnect,
    /// A packet arrived that only a server sends.
    ServerPacket {
        /// The packet's type.
        packet: &'static str,
    },
    /// AUTH arrived, and CONNECT had no Authentication Method. [MQTT-4.12.0-7]
    AuthWithoutMethod,
    /// PUBLISH has a Subscription Identifier, which only a server adds. [MQTT-3.3.4-6]
    SubscriptionIdentifierFromClient {
        /// The identifier.
        id: u32,
    },
    /// The client publishes more messages in a second than it may.
    MessageRateTooHigh {
        /// The maximum.
        maximum: u32,
    },
    /// A message has a higher QoS than the Maximum QoS. [MQTT-3.2.2-11] [MQTT-3.2.2-12]
    QoSNotSupported {
        /// The Maximum QoS.
        maximum: QoS,
    },
    /// A QoS 0 message is refused, and QoS 0 has no other answer.
    PublishRefused {
        /// The reason for the refusal.
        code: ReasonCode,
    },
    /// PUBLISH has a topic alias above the Topic Alias Maximum. [MQTT-3.3.2-9]
    TopicAliasTooHigh {
        /// The alias.
        alias: u16,
        /// The Topic Alias Maximum.
        maximum: u16,
    },
    /// PUBLISH has no topic, and a topic alias without one.
    TopicAliasUnknown {
        /// The alias.
        alias: u16,
    },
    /// The client exceeds the Receive Maximum. [MQTT-3.3.4-7]
    ReceiveMaximumExceeded {
        /// The Receive Maximum.
        maximum: u16,
    },
    /// An acknowledgement does not fit the QoS of its message or the packet that was sent last.
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
    /// An answer is larger than the client accepts. [MQTT-3.1.2-24]
    AnswerTooLarge {
        /// The packet's type.
        packet: &'static str,
        /// The client's Maximum Packet Size, in bytes.
        maximum: usize,
    },
    /// No packet arrived for one and a half times the Keep Alive. [MQTT-3.1.2-22]
    KeepAliveTimeout {
        /// The Keep Alive, in seconds.
        keep_alive_s: u16,
    },
    /// The same client connected again. [MQTT-3.1.4-3]
    TakenOver {
        /// Its new connection.
        by: ConnId,
    },
    /// The server shuts down.
    ShuttingDown,
}

impl CloseReason {
    /// The reason code for the client.
    #[must_use]
    pub fn reason_code(&self) -> ReasonCode {
        match self {
            Self::Malformed(error) => error.reason_code(),
            Self::AuthenticationMethodUnknown { .. } => ReasonCode::BadAuthenticationMethod,
            Self::Refused { code }
            | Self::AuthenticationFailed { code }
            | Self::PublishRefused { code } => *code,
            Self::ClientIdMissing | Self::ClientIdLength { .. } => {
                ReasonCode::ClientIdentifierNotValid
            }
            Self::QuotaExceeded { .. } | Self::StorageFull => ReasonCode::QuotaExceeded,
            Self::SessionGone => ReasonCode::ServerUnavailable,
            Self::MessageRateTooHigh { .. } => ReasonCode::MessageRateTooHigh,
            Self::QoSNotSupported { .. } => ReasonCode::QoSNotSupported,
            Self::NoConnect { .. }
            | Self::NoAuth { .. }
            | Self::AuthenticationMethodChanged
            | Self::AuthOutOfTurn { .. }
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
            Self::ShuttingDown => ReasonCode::ServerShuttingDown,
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
            Self::Refused { code } => write!(f, "the client was refused with {code:?}"),
            Self::AuthenticationFailed { code } => write!(f, "authentication failed: {code:?}"),
            Self::NoAuth { packet } => write!(f, "{packet} instead of AUTH"),
            Self::AuthenticationMethodChanged => write!(f, "AUTH with another method"),
            Self::AuthOutOfTurn { code } => write!(f, "unexpected AUTH with {code:?}"),
            Self::ClientIdMissing => write!(f, "no client identifier and no Clean Session"),
            Self::ClientIdLength { characters } => {
                write!(
                    f,
                    "a client identifier of {characters} characters, where MQTT 3.1 allows 1 to 23"
                )
            }
            Self::QuotaExceeded { limit } => write!(f, "{limit} is reached"),
            Self::StorageFull => write!(f, "the storage is full"),
            Self::MessageRateTooHigh { maximum } => {
                write!(f, "more than {maximum} messages in a second")
            }
            Self::QoSNotSupported { maximum } => {
                write!(f, "a QoS higher than {}", u8::from(*maximum))
            }
            Self::PublishRefused { code } => write!(f, "a QoS 0 message was refused: {code:?}"),
            Self::SessionGone => write!(f, "the session to resume is lost"),
            Self::SecondConnect => write!(f, "a second CONNECT"),
            Self::ServerPacket { packet } => write!(f, "{packet} from a client"),
            Self::AuthWithoutMethod => {
                write!(f, "AUTH without an authentication method in CONNECT")
            }
            Self::SubscriptionIdentifierFromClient { id } => {
                write!(f, "PUBLISH with subscription identifier {id} from a client")
            }
            Self::TopicAliasTooHigh { alias, maximum } => {
                write!(f, "topic alias {alias} exceeds {maximum}")
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
                write!(f, "no packet for 1.5 times {keep_alive_s} s")
            }
            Self::TakenOver { .. } => {
                write!(f, "another connection uses its client ID (0x8E)")
            }
            Self::ShuttingDown => write!(f, "the server shuts down"),
        }
    }
}
