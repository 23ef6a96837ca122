//! What a page tells its tab, and what it hears from it.
//!
//! [`Command`]s go in, [`Notice`]s come out. Both are plain data: in the browser they cross from the page to its worker
//! and back as bincode.

mod query;

pub use query::{Answer, DropReason, Dropped, Granted, Load, Question, Receiver, SessionInfo};

use core::fmt;

use broker::{Stats, Time};
use serde::{Deserialize, Serialize};

use crate::protocol::names::{ChannelError, TabId};

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

/// The number of a broker's leadership. A later broker has a higher term, and what an earlier one still says is ignored.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Term(pub u64);

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// MQTT's quality of service.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum QoS {
    /// QoS 0: delivered at most once, not acknowledged.
    #[default]
    AtMostOnce,
    /// QoS 1: delivered at least once, acknowledged by PUBACK.
    AtLeastOnce,
    /// QoS 2: delivered exactly once, acknowledged by PUBREC and PUBCOMP.
    ExactlyOnce,
}

/// When retained messages are sent to a new subscription \[MQTT-3.3.1-9..11\].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetainHandling {
    /// At every SUBSCRIBE (0).
    #[default]
    SendAtSubscribe,
    /// Only if the subscription is new (1).
    SendIfNew,
    /// Never (2).
    DoNotSend,
}

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

/// The message a broker publishes on behalf of a lost client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Will {
    /// The message.
    pub publication: Publication,
    /// Seconds between the loss and the publication.
    pub delay_interval: u32,
}

/// One topic filter and its subscription options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Topic filter with `+` and `#`.
    pub topic_filter: String,
    /// Maximum QoS wanted.
    pub qos: QoS,
    /// Leaves out what this client itself publishes.
    pub no_local: bool,
    /// Keeps the RETAIN flag as it was published.
    pub retain_as_published: bool,
    /// When retained messages are sent.
    pub retain_handling: RetainHandling,
    /// Subscription Identifier, 1 to 268,435,455.
    pub identifier: Option<u32>,
}

/// A message to publish.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Publication {
    /// Topic name.
    pub topic: String,
    /// Payload; bytes, never text.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// QoS.
    pub qos: QoS,
    /// Whether the broker keeps it as the topic's retained message; an empty payload deletes that.
    pub retain: bool,
    /// Properties.
    pub properties: MessageProperties,
}

/// Properties of a message that travel end to end (MQTT 5.0, 3.3.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageProperties {
    /// Whether the payload is UTF-8 text; `None` says nothing.
    pub payload_is_utf8: Option<bool>,
    /// Seconds until the message is of no more use.
    pub message_expiry_interval: Option<u32>,
    /// MIME type or whatever the applications agree on.
    pub content_type: Option<String>,
    /// Topic for the answer.
    pub response_topic: Option<String>,
    /// Ties an answer to its request.
    pub correlation_data: Option<Vec<u8>>,
    /// Names and values, in order; a name may come more than once.
    pub user_properties: Vec<(String, String)>,
}

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

/// A message as it arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Topic name.
    pub topic: String,
    /// Payload; bytes, never text.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// QoS of this delivery.
    pub qos: QoS,
    /// RETAIN flag of this delivery.
    pub retain: bool,
    /// DUP flag of this delivery.
    pub dup: bool,
    /// Properties.
    pub properties: MessageProperties,
    /// Subscription Identifiers of all matching subscriptions that have one.
    pub subscription_identifiers: Vec<u32>,
    /// When it reached this tab.
    pub received_at: Time,
}

/// Something that happened, for people who want to see what the bus does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Time,
    /// What.
    pub kind: EventKind,
}

/// How a broker came to leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadershipTimes {
    /// When its tab began to take over.
    pub elected: Time,
    /// When it knew what the broker before knew.
    pub restored: Time,
}

/// What happened; displays as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// This tab joined the channel.
    Joined,
    /// Another tab appeared.
    TabAppeared(TabId),
    /// Another tab said goodbye.
    TabLeft(TabId),
    /// Another tab is gone without a goodbye.
    TabLost(TabId),
    /// This tab was elected.
    Elected {
        /// Its term.
        term: Term,
        /// Milliseconds since the last sign of the broker before, if there was one.
        after_ms: Option<u64>,
    },
    /// This tab takes the broker's place: it reads what is stored.
    Promoting,
    /// What the broker before knew is back.
    Restored {
        /// Milliseconds since this tab began to take over.
        took_ms: u64,
        /// Sessions.
        sessions: usize,
        /// Retained messages.
        retained_messages: usize,
        /// Messages that wait for clients, each receiver counted.
        messages: usize,
    },
    /// Some of what is stored could not be read; it was left out.
    RecordsSkipped {
        /// How many records.
        skipped: u64,
        /// What is wrong with the first of them.
        first: Option<String>,
    },
    /// There is no database here: what the broker knows ends with its tab. A sentence says why.
    InMemory(String),
    /// The database fails; it is tried again. A sentence says how.
    Storage(String),
    /// There is no more room in the browser's storage.
    StorageFull,
    /// There is room again.
    StorageHasRoom,
    /// The browser has removed what was stored.
    StorageRemoved,
    /// The broker does not answer; it is asked whether it lives.
    Suspected,
    /// The broker gives no sign of life: this tab takes its place.
    ReplacingBroker,
    /// This tab does not hear what is said on the channel, not even by itself.
    Deaf,
    /// This tab stood still, and makes sure that it still is the broker.
    Suspended {
        /// For how many milliseconds.
        ms: u64,
    },
    /// This tab is no longer the broker.
    SteppedDown {
        /// The term that ended.
        term: Term,
    },
    /// This tab follows a broker.
    Following {
        /// The broker's tab.
        broker: TabId,
        /// Its term.
        term: Term,
        /// When its tab was elected, and when it had restored the state, as it says.
        leadership: Option<LeadershipTimes>,
    },
    /// The broker left; waiting for the next.
    BrokerLost {
        /// The term that ended.
        term: Term,
    },
    /// Something arrived that no tab of ours sent; it was dropped.
    Foreign(Source),
    /// A lane lost a frame and is set up anew.
    LaneReset(TabId),
    /// The broker in this tab reports.
    Broker(String),
    /// The browser failed to do something.
    Runtime(String),
    /// The database fails again and again: until it works, the broker refuses what it would have to store. A sentence says how.
    StorageFailing(String),
    /// The database works again.
    StorageWorks,
    /// The log that was known before is gone, and with it what was stored there: the browser evicted it, somebody cleared the
    /// site's data, or the browser dropped a damaged profile.
    StorageLost,
    /// Parts of the log are missing.
    StorageDamaged {
        /// How many rows.
        rows: u64,
        /// Whether a snapshot is missing.
        snapshot: bool,
    },
    /// There is no broker, and this tab cannot become it, because somebody else holds the lock of this name.
    LockHeld(String),
}

impl EventKind {
    /// Whether it is about the broker's storage.
    #[must_use]
    pub const fn is_of_storage(&self) -> bool {
        match self {
            Self::RecordsSkipped { .. }
            | Self::InMemory(_)
            | Self::Storage(_)
            | Self::StorageFull
            | Self::StorageHasRoom
            | Self::StorageRemoved
            | Self::StorageFailing(_)
            | Self::StorageWorks
            | Self::StorageLost
            | Self::StorageDamaged { .. } => true,
            Self::Joined
            | Self::TabAppeared(_)
            | Self::TabLeft(_)
            | Self::TabLost(_)
            | Self::Elected { .. }
            | Self::Promoting
            | Self::Restored { .. }
            | Self::Suspected
            | Self::ReplacingBroker
            | Self::Deaf
            | Self::Suspended { .. }
            | Self::SteppedDown { .. }
            | Self::Following { .. }
            | Self::BrokerLost { .. }
            | Self::Foreign(_)
            | Self::LaneReset(_)
            | Self::Broker(_)
            | Self::Runtime(_)
            | Self::LockHeld(_) => false,
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined => f.write_str("This tab joined the channel."),
            Self::TabAppeared(tab) => write!(f, "Tab {} appeared.", tab.short()),
            Self::TabLeft(tab) => write!(f, "Tab {} left.", tab.short()),
            Self::TabLost(tab) => write!(f, "Tab {} is gone without a goodbye.", tab.short()),
            Self::Elected { after_ms: None, .. } => f.write_str("This tab is the broker now."),
            Self::Elected {
                after_ms: Some(ms), ..
            } => write!(
                f,
                "This tab is the broker now, {ms} ms after the last sign of the one before."
            ),
            Self::Promoting => f.write_str("This tab is elected and reads what is stored."),
            Self::Restored {
                took_ms,
                sessions,
                retained_messages,
                messages,
            } => write!(
                f,
                "Restored in {took_ms} ms: {sessions} sessions, {retained_messages} retained messages, {messages} messages on their way."
            ),
            Self::RecordsSkipped { skipped, first } => {
                write!(f, "Left out {skipped} stored records that cannot be read")?;
                match first {
                    Some(first) => write!(f, "; the first: {first}."),
                    None => f.write_str("."),
                }
            }
            Self::InMemory(why) => write!(
                f,
                "The broker keeps its state in memory only, so it ends with this tab: {why}"
            ),
            Self::Storage(why) => write!(f, "The database fails; trying again. {why}"),
            Self::StorageFull => f.write_str(
                "The browser's storage is full: what would have to be stored is refused.",
            ),
            Self::StorageFailing(why) => write!(
                f,
                "The database fails again and again: what would have to be stored is refused until it works. {why}"
            ),
            Self::StorageWorks => f.write_str("The database works again."),
            Self::StorageLost => f.write_str(
                "The browser has lost what was stored here: sessions, retained messages and messages that waited are gone.",
            ),
            Self::StorageDamaged { rows, snapshot } => {
                write!(f, "Parts of the stored log are missing: {rows} rows")?;
                f.write_str(if *snapshot { " and the snapshot." } else { "." })
            }
            Self::StorageHasRoom => f.write_str("There is room in the browser's storage again."),
            Self::StorageRemoved => f.write_str(
                "The browser has removed what was stored. It is written anew from memory; what only the storage held is lost.",
            ),
            Self::Suspected => f.write_str("The broker does not answer. Asking whether it lives."),
            Self::ReplacingBroker => {
                f.write_str("The broker gives no sign of life. This tab takes its place.")
            }
            Self::Deaf => f.write_str("This tab does not hear the channel, not even itself."),
            Self::Suspended { ms } => write!(
                f,
                "This tab stood still for {ms} ms, and makes sure that it still is the broker."
            ),
            Self::SteppedDown { .. } => f.write_str("This tab is no longer the broker."),
            Self::Following { broker, .. } => write!(f, "Tab {} is the broker.", broker.short()),
            Self::BrokerLost { .. } => f.write_str("The broker is gone. Waiting for the next."),
            Self::Foreign(source) => write!(f, "Dropped what no tab of ours sent, on {source}."),
            Self::LaneReset(tab) => write!(
                f,
                "The lane to tab {} lost a frame; set up anew.",
                tab.short()
            ),
            Self::Broker(what) | Self::Runtime(what) => f.write_str(what),
            Self::LockHeld(lock) => write!(
                f,
                "Another script of this origin holds the lock {lock}, and no broker answers. Waiting for either."
            ),
        }
    }
}

/// Where something came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Source {
    /// The control channel.
    Control,
    /// A lane.
    Lane,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => "the control channel",
            Self::Lane => "a lane",
        })
    }
}

/// Why a command or request could not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Problem {
    /// The channel's name is not valid.
    Channel(ChannelError),
    /// The tab is on a channel already.
    AlreadyOpen,
    /// The tab is on no channel yet.
    NotOpen,
    /// This client is not connected and not about to be.
    NotConnected,
    /// A topic name that cannot be published to.
    Topic(String),
    /// A topic filter that cannot be subscribed to.
    TopicFilter(String),
    /// A request without a topic filter.
    NoTopicFilter,
    /// The packet would be larger than the broker accepts.
    TooLarge {
        /// Bytes accepted at most.
        maximum: u32,
    },
    /// A string, a binary or a property that MQTT cannot carry.
    NotEncodable(String),
    /// All 65,535 packet identifiers are in use.
    TooManyInFlight,
    /// The page asked for another connection before the broker answered.
    Replaced,
    /// There is nobody to ask.
    NoBroker,
    /// What this client has to publish comes faster than it can go out, and too much waits already.
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
            Self::TooMuchWaiting => f.write_str("Too much waits to be published already."),
            Self::Replaced => f.write_str("Another connection took the place of this one."),
        }
    }
}

impl core::error::Error for Problem {}

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
