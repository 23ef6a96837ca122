//! Commands: from a page to its tab.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::message::{Publication, Subscription, Will};
use super::query::Question;

/// A command of the page.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all commands are of the large variant"
)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Joins a channel. The first command, sent once. Earlier commands are refused.
    Open(OpenOptions),
    /// The page was shown or hidden.
    Visibility(Visibility),
    /// A command for one of this tab's clients.
    Client(ClientNo, ClientCommand),
    /// Asks the broker, in whichever tab it is. The answer is [`Notice::Answer`](super::Notice::Answer), or at once
    /// [`Problem::NoBroker`](super::Problem::NoBroker).
    Ask(RequestId, Question),
    /// The page has processed all notices before this [`Notice::CreditCheckpoint`](super::Notice::CreditCheckpoint).
    /// Their messages are acknowledged to the broker.
    Acknowledge(u64),
    /// Blocks the worker for this many milliseconds, 60,000 at most, to test how other tabs react. The worker carries
    /// it out.
    Hang {
        /// Duration in milliseconds.
        ms: u32,
    },
}

/// A command for one client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ClientCommand {
    /// Connects and stays connected: the client follows the broker to other tabs. An earlier connection ends, and its
    /// waiting requests with it.
    Connect(ConnectOptions),
    /// Ends the connection and drops queued publications.
    Disconnect {
        /// Whether the broker publishes the will (DISCONNECT with reason code 0x04).
        with_will: bool,
    },
    /// Subscribes. The client renews the subscription as long as it lives.
    Subscribe(RequestId, Vec<Subscription>),
    /// Unsubscribes from these topic filters.
    Unsubscribe(RequestId, Vec<String>),
    /// Publishes, in the order of the commands. Waits while there is no broker.
    Publish(RequestId, Publication),
    /// Adds a reader: a part of the page that receives the messages of one topic filter, which carry a Subscription
    /// Identifier. Readers of one filter share a subscription with the union of their options: the highest QoS, No
    /// Local only if all set it, Retain As Published if one sets it. A later reader gets the retained messages without
    /// sending them to the others again. The answer is [`ClientNotice::Granted`](super::ClientNotice::Granted).
    Read(ReaderNo, Subscription),
    /// Removes a reader. The subscription ends with its last reader, unless the client itself has subscribed to the
    /// filter. Otherwise its options are reduced to those still needed. The answer is
    /// [`ClientNotice::Unsubscribed`](super::ClientNotice::Unsubscribed).
    Release(RequestId, ReaderNo),
    /// Whether the page listens to the client's own messages ([`Audience::is_own`](super::Audience::is_own)); `true` at
    /// first. Without a listener such messages wait and are not acknowledged.
    Listen(bool),
}

/// Number of a client of this tab; chosen by the page.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ClientNo(pub u32);

/// Number of a reader of a client; chosen by the page and never reused for that client.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ReaderNo(pub u32);

/// Number of a request; chosen by the page and repeated in the answer.
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
    /// How the broker keeps its state while it is in this tab.
    pub durability: Durability,
    /// Whether this tab may be elected.
    pub candidacy: Candidacy,
    /// Identity of the last [`Notice::Log`](super::Notice::Log) that any page of this channel got, if it is remembered.
    pub known_log: Option<u64>,
}

/// Whether a tab may become the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Candidacy {
    /// Yes, when the tab is first in the queue.
    #[default]
    Auto,
    /// Never: it waits for another tab. For pages that live briefly or use much processor time.
    Client,
}

/// How the broker keeps acknowledged state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// In IndexedDB. Survives the end of tabs, their processes and the browser. A loss of power may lose what was
    /// acknowledged in the last moment.
    #[default]
    Relaxed,
    /// In IndexedDB, flushed to the disk before an acknowledgement. Survives a loss of power. Much slower.
    Strict,
    /// In memory. The broker's state ends with its tab.
    Memory,
}

/// Whether the page is visible to the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// In the foreground.
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

/// The CONNECT of a client. Its debug output omits the password.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectOptions {
    /// Client identifier. If empty, it is `tab-` and the tab's id, followed by the client's number unless that is 0.
    pub client_id: String,
    /// Starts without an earlier session of this client identifier.
    pub clean_start: bool,
    /// Seconds for which the session outlives the connection; `u32::MAX` never expires.
    pub session_expiry_interval: u32,
    /// Maximum seconds between two packets; 0 turns keep alive off.
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
