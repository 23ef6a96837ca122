//! Commands: from a page to its tab.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::message::{Publication, Subscription, Will};
use super::query::Question;

/// What the page wants.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all commands are of the large variant"
)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Joins a channel. Comes first and once; everything before it is refused.
    Open(OpenOptions),
    /// The page was shown or hidden.
    Visibility(Visibility),
    /// Something for one of this tab's clients.
    Client(ClientNo, ClientCommand),
    /// Asks the broker, wherever it is; answered by [`Notice::Answer`], at once with [`Problem::NoBroker`] if there is none.
    Ask(RequestId, Question),
    /// The page has come as far as this [`Notice::CreditCheckpoint`]: what it was told before has reached whoever was to hear it, and is
    /// acknowledged.
    Acknowledge(u64),
    /// Does nothing for so many milliseconds, 60,000 at most, as a tab that hangs: for trying what others do then. It is the
    /// worker's to carry out.
    Hang {
        /// For how long.
        ms: u32,
    },
}

/// What the page wants of one client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ClientCommand {
    /// Connects, and stays connected: when the broker moves, the client follows. An earlier connection ends, with all
    /// that waited in it.
    Connect(ConnectOptions),
    /// Ends the connection; queued publishes are dropped.
    Disconnect {
        /// Whether the broker publishes the will (DISCONNECT with reason code 0x04).
        with_will: bool,
    },
    /// Subscribes; kept and renewed while the client lives.
    Subscribe(RequestId, Vec<Subscription>),
    /// Unsubscribes from these topic filters.
    Unsubscribe(RequestId, Vec<String>),
    /// Publishes. Waits while there is no broker, and goes out in order.
    Publish(RequestId, Publication),
    /// A part of the page wants the messages of a topic filter, with a Subscription Identifier that the messages are to
    /// carry. Those who want the same filter share one subscription, with the most that any of them wants: the highest QoS,
    /// No Local only if all want it, Retain As Published if one does. Whoever comes later gets the retained messages
    /// without the others getting them again. Answered by [`ClientNotice::Granted`].
    Read(ReaderNo, Subscription),
    /// A reader wants nothing more. The subscription ends with its last reader, unless the client has subscribed to the
    /// filter itself, and is restored to what is wanted still. Answered by [`ClientNotice::Unsubscribed`].
    Release(RequestId, ReaderNo),
    /// Whether somebody hears the messages that come for the client itself ([`Audience::is_own`]): `true` until the page
    /// says otherwise. As long as nobody does, such messages wait, and are not acknowledged.
    Listen(bool),
}

/// Number of a local client of this tab; chosen by the page.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ClientNo(pub u32);

/// Number of a reader of a client; chosen by the page, and never again for another one of this client.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ReaderNo(pub u32);

/// Number of a request; chosen by the page, echoed in the answer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct RequestId(pub u64);

/// How a tab joins a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenOptions {
    /// Name of the channel: 1 to 64 of `A-Z a-z 0-9 . _ -`. Tabs of one origin with the same name share one broker.
    pub channel: String,
    /// Whether the page is visible now.
    pub visibility: Visibility,
    /// How the broker keeps its state while this tab is elected.
    pub durability: Durability,
    /// Whether this tab may be elected.
    pub candidacy: Candidacy,
    /// The last [`Notice::Log`] that any page of this channel was told, if it is remembered.
    pub known_log: Option<u64>,
}

/// Whether a tab may become the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Candidacy {
    /// When it is its turn.
    #[default]
    Auto,
    /// Never: it waits until another tab is. That suits a page which lives shortly or works hard.
    Client,
}

/// How the broker keeps what it has acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// In IndexedDB; survives the end of tabs, their processes and the browser. What was acknowledged in the last moment
    /// before a loss of power may be lost.
    #[default]
    Relaxed,
    /// In IndexedDB, flushed to the disk before anything is acknowledged; survives a loss of power. Much slower.
    Strict,
    /// In memory; what the broker holds ends with its tab.
    Memory,
}

/// Whether a person can see the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// In front.
    #[default]
    Visible,
    /// In the background.
    Hidden,
}

impl Durability {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Relaxed => "relaxed",
            Self::Strict => "strict",
            Self::Memory => "memory",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = [Self::Relaxed, Self::Strict, Self::Memory];
        all.into_iter().find(|it| it.name() == name)
    }
}

impl Visibility {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Visible => "visible",
            Self::Hidden => "hidden",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = [Self::Visible, Self::Hidden];
        all.into_iter().find(|it| it.name() == name)
    }
}

/// The CONNECT of a client. Its debug output leaves the password out.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectOptions {
    /// Client identifier; empty: `tab-` and the tab's id, and the client's number unless that is 0.
    pub client_id: String,
    /// Starts without an earlier session of this client id.
    pub clean_start: bool,
    /// Seconds the session outlives the connection; `u32::MAX` never expires.
    pub session_expiry_interval: u32,
    /// Seconds between control packets at most; 0 turns keep alive off.
    pub keep_alive: u16,
    /// User name.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Vec<u8>>,
    /// Published by the broker when the connection ends without DISCONNECT.
    pub will: Option<Will>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            clean_start: true,
            session_expiry_interval: 0,
            keep_alive: 60,
            username: None,
            password: None,
            will: None,
        }
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            client_id,
            clean_start,
            session_expiry_interval,
            keep_alive,
            username,
            password,
            will,
        } = self;
        f.debug_struct("ConnectOptions")
            .field("client_id", client_id)
            .field("clean_start", clean_start)
            .field("session_expiry_interval", session_expiry_interval)
            .field("keep_alive", keep_alive)
            .field("username", username)
            .field("password", &password.as_ref().map(|_| "…"))
            .field("will", will)
            .finish()
    }
}
