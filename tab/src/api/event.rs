//! Events: what happened on the bus, for people who watch it.

use core::fmt;

use broker::Time;
use serde::{Deserialize, Serialize};

use crate::protocol::names::TabId;
use crate::protocol::term::Term;

/// An event on the bus, for people who watch it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Time of the event.
    pub at: Time,
    /// Kind of the event.
    pub kind: EventKind,
}

/// Times of a promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadershipTimes {
    /// When its tab was elected.
    pub elected: Time,
    /// When it had restored the state of the broker before it.
    pub restored: Time,
}

/// Kind of an event. Displays as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// This tab joined the channel.
    Joined,
    /// Another tab appeared.
    TabAppeared(TabId),
    /// Another tab said goodbye.
    TabLeft(TabId),
    /// Another tab ended without a goodbye.
    TabLost(TabId),
    /// This tab became the broker.
    Elected {
        /// Its term.
        term: Term,
        /// Milliseconds since the last sign of the previous broker, if there was one.
        after_ms: Option<u64>,
    },
    /// This tab was elected and reads the stored state.
    Promoting,
    /// The previous broker's state is restored.
    Restored {
        /// Duration of the promotion in milliseconds.
        took_ms: u64,
        /// Sessions.
        sessions: usize,
        /// Retained messages.
        retained_messages: usize,
        /// Messages that wait for clients, counted for each receiver.
        messages: usize,
    },
    /// Stored records were skipped because they are not readable.
    RecordsSkipped {
        /// Number of records.
        skipped: u64,
        /// Error of the first of them.
        first: Option<String>,
    },
    /// There is no database here, so the broker's state ends with its tab. Contains the reason as a sentence.
    InMemory(String),
    /// The database fails and is tried again. Contains the error as a sentence.
    Storage(String),
    /// The browser's storage is full.
    StorageFull,
    /// The browser's storage has room again.
    StorageHasRoom,
    /// The browser has removed the stored state.
    StorageRemoved,
    /// The broker does not answer and is probed.
    Suspected,
    /// The broker gives no sign of life, and this tab replaces it.
    ReplacingBroker,
    /// This tab receives no messages on the channel, not even its own.
    Deaf,
    /// This tab was suspended, and has to prove that it is still the broker.
    Suspended {
        /// Duration in milliseconds.
        ms: u64,
    },
    /// This tab has stopped being the broker.
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
        /// When that tab was elected and had restored the state, as it announces.
        leadership: Option<LeadershipTimes>,
    },
    /// The broker is gone. This tab waits for the next one.
    BrokerLost {
        /// The term that ended.
        term: Term,
    },
    /// A foreign message arrived, which no tab of ours can have sent. It was dropped.
    Foreign(Source),
    /// A lane lost a frame, or the other tab sent more than it may. It is bound again.
    LaneReset(TabId),
    /// A report of the broker in this tab.
    Broker(String),
    /// The browser failed to carry out an output.
    Runtime(String),
    /// The database fails repeatedly. Until it works, the broker refuses changes that have to be stored. Contains the
    /// error as a sentence.
    StorageFailing(String),
    /// The database works again.
    StorageWorks,
    /// The known log is gone with everything in it. The browser evicted it, the user cleared the site's data, or the
    /// browser dropped a damaged profile.
    StorageLost,
    /// Parts of the log are missing.
    StorageDamaged {
        /// Number of missing rows.
        rows: u64,
        /// Whether a snapshot is missing.
        snapshot: bool,
    },
    /// There is no broker, and this tab cannot become it: a foreign script holds the lock of this name.
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
            Self::Promoting => f.write_str("This tab is elected and reads the stored state."),
            Self::Restored {
                took_ms,
                sessions,
                retained_messages,
                messages,
            } => write!(
                f,
                "Restored in {took_ms} ms: {sessions} sessions, {retained_messages} retained messages, {messages} queued messages."
            ),
            Self::RecordsSkipped { skipped, first } => {
                write!(f, "Skipped {skipped} stored records that are not readable")?;
                match first {
                    Some(first) => write!(f, "; the first: {first}."),
                    None => f.write_str("."),
                }
            }
            Self::InMemory(why) => write!(
                f,
                "The broker keeps its state in memory only, so it ends with this tab: {why}"
            ),
            Self::Storage(why) => write!(f, "The database fails and is tried again. {why}"),
            Self::StorageFull => f.write_str(
                "The browser's storage is full: changes that have to be stored are refused.",
            ),
            Self::StorageFailing(why) => write!(
                f,
                "The database fails repeatedly: changes that have to be stored are refused until it works. {why}"
            ),
            Self::StorageWorks => f.write_str("The database works again."),
            Self::StorageLost => f.write_str(
                "The browser has lost the state stored here: sessions, retained messages and queued messages are gone.",
            ),
            Self::StorageDamaged { rows, snapshot } => {
                write!(f, "Parts of the stored log are missing: {rows} rows")?;
                f.write_str(if *snapshot { " and the snapshot." } else { "." })
            }
            Self::StorageHasRoom => f.write_str("There is room in the browser's storage again."),
            Self::StorageRemoved => f.write_str(
                "The browser has removed the stored state. It is written anew from memory; data that only the storage held is lost.",
            ),
            Self::Suspected => f.write_str("The broker does not answer and is probed."),
            Self::ReplacingBroker => {
                f.write_str("The broker gives no sign of life. This tab replaces it.")
            }
            Self::Deaf => f.write_str("This tab receives no messages on the channel, not even its own."),
            Self::Suspended { ms } => write!(
                f,
                "This tab was suspended for {ms} ms, and checks that it is still the broker."
            ),
            Self::SteppedDown { .. } => f.write_str("This tab is no longer the broker."),
            Self::Following { broker, .. } => write!(f, "Tab {} is the broker.", broker.short()),
            Self::BrokerLost { .. } => f.write_str("The broker is gone. This tab waits for the next one."),
            Self::Foreign(source) => write!(f, "Dropped a foreign message on {source}."),
            Self::LaneReset(tab) => write!(
                f,
                "The lane to tab {} was reset: a frame is missing, or too much was sent at once.",
                tab.short()
            ),
            Self::Broker(what) | Self::Runtime(what) => f.write_str(what),
            Self::LockHeld(lock) => write!(
                f,
                "Another script of this origin holds the lock {lock}, and no broker answers. This tab waits for either."
            ),
        }
    }
}

/// The channel on which something arrived.
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
