//! Notices: from a tab to its page.

use broker::{Stats, Time};
use serde::{Deserialize, Serialize};

use super::command::{ClientNo, Durability, ReaderNo, RequestId, Visibility};
use super::event::Event;
use super::message::Message;
use super::problem::Problem;
use super::query::Answer;
use crate::protocol::names::TabId;
use crate::protocol::term::Term;

/// A notice for the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Notice {
    /// The tab has joined its channel.
    Opened {
        /// This tab.
        tab_id: TabId,
        /// Build of the worker.
        build: String,
    },
    /// This tab's role on the channel changed.
    Role(Role),
    /// The tabs on the channel, this one included, ordered by id. Sent after a change.
    Members(Vec<TabInfo>),
    /// A notice about one of this tab's clients.
    Client(ClientNo, ClientNotice),
    /// An event.
    Event(Event),
    /// A command was refused.
    Refused(Problem),
    /// Counters. Sent with each announcement.
    Stats(TabStats),
    /// The answer to [`Command::Ask`](super::Command::Ask).
    Answer(RequestId, Answer),
    /// A checkpoint of the page's credit, in bytes of notices. The page answers with
    /// [`Command::Acknowledge`](super::Command::Acknowledge) once it has processed all earlier notices. Without the
    /// answer, the broker holds messages back and drops those of QoS 0.
    CreditCheckpoint(u64),
    /// Identity of the broker's log. Sent when this tab learns it. A page that passes it as
    /// [`OpenOptions::known_log`](super::OpenOptions::known_log) next time learns of a lost log
    /// ([`EventKind::StorageLost`](super::EventKind::StorageLost)).
    Log {
        /// A different number for each log that is created.
        identity: u64,
    },
}

/// A notice about a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ClientNotice {
    /// The connection changed.
    Status(ClientStatus),
    /// SUBACK: a reason code for each topic filter, in order.
    Subscribed(RequestId, Vec<u8>),
    /// UNSUBACK: a reason code for each topic filter, in order.
    Unsubscribed(RequestId, Vec<u8>),
    /// QoS 0: the message was sent. QoS 1 and 2: the exchange has ended with this reason code of PUBACK or PUBREC.
    Published(RequestId, u8),
    /// A request was refused.
    Refused(RequestId, Problem),
    /// A message arrived.
    Message(Message, Audience),
    /// The broker's answer for a reader: the granted QoS, or from 0x80 on a reason code. After a reason code the reader
    /// is removed.
    Granted(ReaderNo, u8),
    /// A reader's filter is invalid or cannot be subscribed to. The reader is removed.
    ReaderRefused(ReaderNo, Problem),
    /// Messages without a listener ([`ClientCommand::Listen`](super::ClientCommand::Listen)) use up the client's
    /// Receive Maximum. No more arrive until the page listens.
    Unheard,
}

/// State of the broker's storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageState {
    /// It works, or its state is unknown.
    #[default]
    Ok,
    /// It is full: the broker refuses changes that have to be stored.
    Full,
    /// It fails, and the broker retries.
    Failing,
    /// The broker keeps its state in memory.
    Memory,
}

impl StorageState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Full => "full",
            Self::Failing => "failing",
            Self::Memory => "memory",
        }
    }

    /// Parses a name. Unknown names count as `Ok`.
    pub(crate) fn named(name: &str) -> Self {
        let all = [Self::Full, Self::Failing, Self::Memory];
        let named = all.into_iter().find(|it| it.name() == name);
        named.unwrap_or_default()
    }
}

/// A tab's role on its channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// No broker is known. The tab waits for one, or to become it.
    #[default]
    Waiting,
    /// Another tab is the broker.
    Client {
        /// The broker's tab.
        broker: TabId,
        /// Its term.
        term: Term,
    },
    /// This tab is the broker.
    Broker {
        /// Its term.
        term: Term,
    },
}

/// The announced properties of a tab, and when its last message came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TabInfo {
    /// The tab.
    pub tab_id: TabId,
    /// Whether it is this tab.
    pub is_self: bool,
    /// Whether it is the broker.
    pub is_broker: bool,
    /// The term it knows.
    pub term: Option<Term>,
    /// When it joined.
    pub since: Time,
    /// When its last message came.
    pub last_seen: Time,
    /// Whether its page is visible.
    pub visibility: Visibility,
    /// Number of its clients and ports.
    pub clients: u32,
    /// Build of its worker.
    pub build: String,
    /// How the broker keeps its state in this tab, now or if it were elected.
    pub durability: Durability,
    /// State of its storage, if it is the broker.
    pub storage: StorageState,
}

/// The receivers of a message within its client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    /// The client itself: it has subscribed to a matching filter
    /// ([`ClientCommand::Subscribe`](super::ClientCommand::Subscribe)), no reader gets the message, or the message
    /// precedes the session's readers and the page listens.
    pub is_own: bool,
    /// Readers that get the message.
    pub readers: Vec<ReaderNo>,
}

/// State of a client's connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientStatus {
    /// Waits for a broker and connects then.
    Waiting,
    /// CONNECT was sent.
    Connecting,
    /// Connected.
    Connected {
        /// The client id in use.
        client_id: String,
        /// Whether the broker had a session of this client.
        session_present: bool,
        /// The broker's term.
        term: Term,
    },
    /// Disconnected. Connects only after another command.
    Disconnected(DisconnectCause),
}

/// Why a client is disconnected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DisconnectCause {
    /// The page requested it.
    Requested,
    /// The broker refused the CONNECT with this reason code.
    Refused(u8),
    /// The broker ended the connection with this reason code.
    ByBroker(u8),
    /// The broker violated the protocol. Reason code of the violation.
    BrokerError(u8),
}

/// Counters of one tab since it joined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TabStats {
    /// Foreign messages that were dropped.
    pub foreign: u64,
    /// Frames sent on lanes.
    pub frames_sent: u64,
    /// Frames received on lanes.
    pub frames_received: u64,
    /// Lanes that were bound again after a lost frame.
    pub lane_resets: u64,
    /// Stored records that were not readable.
    pub records_skipped: u64,
    /// PUBLISH and PUBREL packets that this tab's clients and ports sent again on another connection.
    pub resent: u64,
    /// Microseconds for which the worker has worked; 0 where the runtime does not report them.
    pub worked_us: u64,
    /// The broker's counters, in the tab that contains it.
    pub broker: Option<Stats>,
}
