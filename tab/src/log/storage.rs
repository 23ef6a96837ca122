//! The interface to the database with the broker's log: requests and events.
//!
//! The log decides which tab is the broker. Rows have contiguous numbers, and each number is taken once. A new broker
//! takes the next number for its fence. A replaced broker finds the number of its next row taken.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::api::{Durability, Term};

/// Number of a row in the log. Numbers begin with 1 and have no gaps.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Seq(pub u64);

impl Seq {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The greatest number that the row after this one can have.
    #[must_use]
    pub const fn reach(self) -> Self {
        Self(self.0.saturating_add(GAP_MAX))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The leadership that wrote it.
    pub term: Term,
    /// Its kind and content.
    pub kind: RowKind,
}

/// Kind of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// The start of a leadership. Fences are never removed: a late row of the earlier leadership must fail on its
    /// number.
    Fence,
    /// Changes of the broker's state, for [`broker::Broker::restore`].
    Segment(Vec<u8>),
    /// Marks that a snapshot contains all earlier rows.
    Checkpoint,
}

/// A checkpoint, written in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number of its row [`RowKind::Checkpoint`].
    pub seq: Seq,
    /// The broker's term.
    pub term: Term,
    /// The snapshot, which replaces every earlier one.
    pub pieces: Vec<Vec<u8>>,
    /// Ranges of rows to remove, from the first number to the second inclusive. They contain no fence.
    pub remove: Vec<(Seq, Seq)>,
}

/// Identifies a request. A tab uses each id once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StorageRequestId(pub u64);

/// A request to the database. Several may be under way, and their answers may come in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRequest {
    /// Comes back with the answer.
    pub id: StorageRequestId,
    /// What the database is to do.
    pub operation: StorageOperation,
}

/// The operation of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageOperation {
    /// Opens the channel's database. Answer: [`StorageAnswer::Opened`] or [`StorageAnswer::Unavailable`]. It closes an earlier
    /// connection first, as [`Self::Close`] does.
    Open(Durability),
    /// Reads the page of the content that begins here; `None`: the first page. Answer: [`StorageAnswer::Page`] or
    /// [`StorageAnswer::ReadFailed`]. [`Reading`](super::loaded::Reading) puts the pages together.
    Read(Option<PageStart>, PageLimits),
    /// Appends a row under this number, unless the number is taken. Answer: [`StorageAnswer::Committed`] or
    /// [`StorageAnswer::Failed`]. A fence also fails as taken if later rows exist within the [reach](Seq::reach) of the
    /// row before it. Then a checkpoint has removed the row under that number, and the fence would stop no broker.
    Append(Seq, Row),
    /// Writes a checkpoint. Answer: [`StorageAnswer::Committed`] or [`StorageAnswer::Failed`].
    Checkpoint(Checkpoint),
    /// Writes and removes a small entry, which shows whether the database works, and looks for the row with this
    /// number. Answer: [`StorageAnswer::Checked`] or [`StorageAnswer::CheckFailed`].
    Check(Option<Seq>),
    /// Closes the database. It has no answer, and the requests under way get none either.
    Close,
}

/// An event of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageEvent {
    /// The answer to the request with this id.
    Answer(StorageRequestId, StorageAnswer),
    /// The browser has closed the database, and has probably removed it. The requests under way have failed without
    /// another event.
    Closed,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageAnswer {
    /// The database is open.
    Opened,
    /// The database is not available.
    Unavailable {
        /// The reason, as a sentence.
        why: String,
        /// Whether later attempts would fail as well: this browser offers or allows no database here.
        is_lasting: bool,
    },
    /// A part of the content of the database.
    Page(Page),
    /// Reading failed. Contains the error as a sentence.
    ReadFailed(String),
    /// The row with this number is stored, and every later reader finds it.
    Committed(Seq),
    /// The row with this number, and its whole transaction, was not stored.
    Failed(Seq, StorageError),
    /// The database works.
    Checked {
        /// Whether the requested row exists; true if none was requested.
        is_there: bool,
    },
    /// The database does not work. Contains the error as a sentence.
    CheckFailed(String),
}

/// Where a page of the content begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageStart {
    /// The page contains the entries of the log behind this one.
    pub log_after: EntryKey,
    /// The page contains the entries of the snapshot from this one on.
    pub snapshot_from: EntryKey,
}

/// A numeric key of a stored entry, in a form that only the database knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryKey(pub u64);

/// Maximum numbers of entries in a page. They bound the size of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimits {
    /// Entries of the log.
    pub rows: u32,
    /// Entries of the snapshot. At least 2, because the first one comes from the page before.
    pub pieces: u32,
}

/// A part of the content of the database, read in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Entries of the log whose keys are numbers, in order. `None`: no row has such a key, or this build does not know the
    /// shape of the value.
    pub rows: Vec<(Option<Seq>, Option<Row>)>,
    /// Entries of the snapshot whose keys are numbers, in order. `None`: it is no piece of a snapshot.
    pub pieces: Vec<(EntryKey, Option<Piece>)>,
    /// On the last page: the number of entries in the whole log whose keys are no numbers.
    pub foreign_rows: usize,
    /// On the last page: the number of entries in the whole snapshot whose keys are no numbers.
    pub foreign_pieces: usize,
    /// Where the next page begins. `None`: this is the last page.
    pub next: Option<PageStart>,
}

/// A stored piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The snapshot: the number of its checkpoint's row, and its number of pieces.
    pub snapshot: (Seq, u64),
    /// The content.
    pub bytes: Vec<u8>,
}

/// Maximum distance of a row from the one before it. Row numbers are contiguous, and no more rows than this get lost.
pub(super) const GAP_MAX: u64 = 1 << 20;

/// Why a row was not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// Its number is taken (`ConstraintError`): another broker leads.
    Taken,
    /// The storage is full (`QuotaExceededError`).
    Full,
    /// Another error, as a sentence.
    Other(String),
}
