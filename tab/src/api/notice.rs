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

/// What a page hears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Notice {
    /// The tab has joined its channel.
    Opened {
        /// This tab.
        tab_id: TabId,
        /// Build of the worker.
        build: String,
    },
    /// This tab's part on the channel changed.
    Role(Role),
    /// The tabs on the channel, this one included, ordered by id; sent when it changed.
    Members(Vec<TabInfo>),
    /// About one of this tab's clients.
    Client(ClientNo, ClientNotice),
    /// Something happened.
    Event(Event),
    /// A command could not be carried out.
    Refused(Problem),
    /// Counters; sent with each announcement.
    Stats(TabStats),
    /// What the broker says to [`Command::Ask`].
    Answer(RequestId, Answer),
    /// The page has been told so much, and is to say [`Command::Acknowledge`] once it is there. If it does not, the broker keeps
    /// messages back, and drops those of QoS 0.
    CreditCheckpoint(u64),
    /// Which log the broker keeps its state in; sent when this tab learns it. A page that keeps the number, and gives it as
    /// [`OpenOptions::known_log`] next time, learns that the browser has lost the log ([`EventKind::StorageLost`]).
    Log {
        /// Another number for each log that was made anew.
        identity: u64,
    },
}

/// What a client hears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ClientNotice {
    /// The connection changed.
    Status(ClientStatus),
    /// SUBACK: a reason code for each topic filter, in order.
    Subscribed(RequestId, Vec<u8>),
    /// UNSUBACK: a reason code for each topic filter, in order.
    Unsubscribed(RequestId, Vec<u8>),
    /// QoS 0: on its way. QoS 1 and 2: the exchange is over; the reason code is that of PUBACK or PUBREC.
    Published(RequestId, u8),
    /// A request could not be carried out.
    Refused(RequestId, Problem),
    /// A message arrived.
    Message(Message, Audience),
    /// What the broker says to a reader: the QoS that it grants. From 0x80 on it is the reason code with which it refuses,
    /// and the reader is no more.
    Granted(ReaderNo, u8),
    /// What a reader wants is no topic filter, or cannot be subscribed to; the reader is no more.
    ReaderRefused(ReaderNo, Problem),
    /// Messages that nobody hears ([`ClientCommand::Listen`]) take all the places of messages under way: nothing more comes
    /// for this client until somebody hears them.
    Unheard,
}

/// State of the broker's storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageState {
    /// It works; also where nothing is known of it.
    #[default]
    Ok,
    /// It has no room: the broker refuses what it would have to store.
    Full,
    /// It fails, and the broker tries again.
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

    /// The state of this name; a name that this build does not know tells nothing.
    pub(crate) fn named(name: &str) -> Self {
        let all = [Self::Full, Self::Failing, Self::Memory];
        let named = all.into_iter().find(|it| it.name() == name);
        named.unwrap_or_default()
    }
}

/// A tab's part on its channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// No broker is known; waiting for one, or to become it.
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

/// What one tab tells the others about itself, and when it was last heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TabInfo {
    /// The tab.
    pub tab_id: TabId,
    /// Whether it is this very tab.
    pub is_self: bool,
    /// Whether it is the broker.
    pub is_broker: bool,
    /// The term it knows.
    pub term: Option<Term>,
    /// When it joined.
    pub since: Time,
    /// When it was last heard.
    pub last_seen: Time,
    /// Whether its page is visible.
    pub visibility: Visibility,
    /// Number of its local clients.
    pub clients: u32,
    /// Build of its worker.
    pub build: String,
    /// How the broker keeps its state while it is in this tab; for another tab, how it would.
    pub durability: Durability,
    /// State of its storage, if it is the broker.
    pub storage: StorageState,
}

/// Who gets a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    /// The client itself: it has subscribed to what matches ([`ClientCommand::Subscribe`]), or no reader gets the message, or
    /// the message is of an earlier life of its session and somebody listens.
    pub is_own: bool,
    /// These readers.
    pub readers: Vec<ReaderNo>,
}

/// State of a client's connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientStatus {
    /// Waits for a broker; connects by itself.
    Waiting,
    /// CONNECT is under way.
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
    /// Not connected, and will not connect by itself.
    Disconnected(DisconnectCause),
}

/// Why a client is disconnected for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DisconnectCause {
    /// The page asked for it.
    Requested,
    /// The broker refused the CONNECT with this reason code.
    Refused(u8),
    /// The broker ended the connection with this reason code.
    ByBroker(u8),
    /// The broker sent what no broker may send; reason code of the violation.
    BrokerError(u8),
}

/// Counters of one tab since it joined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TabStats {
    /// Things dropped because no tab of ours sent them.
    pub foreign: u64,
    /// Frames sent on lanes.
    pub frames_sent: u64,
    /// Frames received on lanes.
    pub frames_received: u64,
    /// Lanes set up anew after a lost frame.
    pub lane_resets: u64,
    /// Stored records that could not be read.
    pub records_skipped: u64,
    /// PUBLISH and PUBREL packets that this tab's clients and ports sent again, because the broker or the connection was
    /// another one.
    pub resent: u64,
    /// Microseconds that the worker has worked; 0 where nobody tells the tab.
    pub worked_us: u64,
    /// The broker's own counters, in the tab that holds it.
    pub broker: Option<Stats>,
}
