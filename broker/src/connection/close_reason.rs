//! Why the broker closes a connection.

use core::fmt;

use crate::codec::DecodeError;
use crate::{ConnId, QoS, ReasonCode};

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
    /// The client may not come in, or not with the will that it has.
    Refused {
        /// What it is told.
        code: ReasonCode,
    },
    /// The client could not authenticate. [MQTT-4.12.0-4] [MQTT-4.12.1-2]
    AuthenticationFailed {
        /// What it is told.
        code: ReasonCode,
    },
    /// Another packet came where the client has to go on with its authentication.
    NoAuth {
        /// The packet's type.
        packet: &'static str,
    },
    /// An AUTH came with another Authentication Method than CONNECT. [MQTT-4.12.0-5] [MQTT-4.12.1-1]
    AuthenticationMethodChanged,
    /// An AUTH continues what has not begun, or begins again what has.
    AuthOutOfTurn {
        /// Its reason code.
        code: ReasonCode,
    },
    /// A client of MQTT 3.1.1 has no client identifier and wants its session kept. [MQTT-3.1.3-8]
    ClientIdMissing,
    /// A client of MQTT 3.1 has no client identifier, or one of more than 23 characters.
    ClientIdLength {
        /// How many it has.
        characters: usize,
    },
    /// There is as much as is allowed of something.
    QuotaExceeded {
        /// Of what, as the limit is named in [`Config`](crate::Config).
        limit: &'static str,
    },
    /// There is no room to store what the client wants stored.
    StorageFull,
    /// A connection [goes on](crate::Input::Resume), and its session is not there.
    SessionGone,
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
    /// More messages came in a second than a client may publish.
    MessageRateTooHigh {
        /// How many it may.
        maximum: u32,
    },
    /// A message came with a higher QoS than the Maximum QoS. [MQTT-3.2.2-11] [MQTT-3.2.2-12]
    QoSNotSupported {
        /// The Maximum QoS.
        maximum: QoS,
    },
    /// A QoS 0 message is not as it must be, and nothing but this can tell its client.
    PublishRefused {
        /// What is wrong.
        code: ReasonCode,
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
    /// The server ends.
    ShuttingDown,
}

impl CloseReason {
    /// The reason code that says it to the client.
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
            Self::AuthOutOfTurn { code } => write!(f, "AUTH with {code:?} out of turn"),
            Self::ClientIdMissing => write!(f, "no client identifier for a session to be kept"),
            Self::ClientIdLength { characters } => {
                write!(
                    f,
                    "a client identifier of {characters} characters, where MQTT 3.1 allows 1 to 23"
                )
            }
            Self::QuotaExceeded { limit } => write!(f, "{limit} is reached"),
            Self::StorageFull => write!(f, "there is no room to store it"),
            Self::MessageRateTooHigh { maximum } => {
                write!(f, "more than {maximum} messages in a second")
            }
            Self::QoSNotSupported { maximum } => {
                write!(f, "a QoS higher than {}", u8::from(*maximum))
            }
            Self::PublishRefused { code } => write!(f, "a QoS 0 message was refused: {code:?}"),
            Self::SessionGone => write!(f, "the session to go on with is not there"),
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
            Self::TakenOver { .. } => {
                write!(f, "another connection uses its client ID (0x8E)")
            }
            Self::ShuttingDown => write!(f, "the server shuts down"),
        }
    }
}
