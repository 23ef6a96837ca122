//! Events: what happened on the bus, for people who watch it.

use core::fmt;

use broker::Time;
use serde::{Deserialize, Serialize};

use crate::protocol::names::TabId;
use crate::protocol::term::Term;

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
