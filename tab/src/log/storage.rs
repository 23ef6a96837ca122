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

/// The whole state of the broker up to a row, as [`broker::Broker::snapshot`] returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Number of its row [`RowKind::Checkpoint`].
    pub up_to: Seq,
    /// Its parts, in order.
    pub pieces: Vec<Vec<u8>>,
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
    /// Reads everything. Answer: [`StorageAnswer::Loaded`] or [`StorageAnswer::LoadFailed`].
    Load,
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
    /// The content of the database.
    Loaded(Loaded),
    /// Reading failed. Contains the error as a sentence.
    LoadFailed(String),
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

/// The content of the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The newest snapshot.
    pub snapshot: Option<Snapshot>,
    /// All rows, by number.
    pub rows: Vec<(Seq, Row)>,
    /// Number of entries with a shape that this build does not know. They stay in the database.
    pub foreign: usize,
    /// The greatest row number of the log, foreign entries included; 0 if there is none.
    pub tail: Seq,
}

/// Missing parts of a log: another script or a damaged disk removed them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Number of missing rows.
    pub(crate) rows: u64,
    /// Whether the snapshot of a checkpoint is missing.
    pub(crate) snapshot: bool,
}

impl Loaded {
    /// Distinguishes this log from one that was created after a loss. It is the term of the first fence, which is never
    /// removed and is unique.
    pub(crate) fn identity(&self) -> Option<Term> {
        let mut fences = self.rows.iter().map(|(_, row)| row);
        let first = fences.find(|row| row.kind == RowKind::Fence);
        first.map(|row| row.term)
    }

    /// Returns the missing parts. Row numbers have no gaps, except for rows that a checkpoint has removed.
    pub(crate) fn damage(&self) -> Damage {
        let is_checkpoint = |row: &Row| row.kind == RowKind::Checkpoint;
        let checkpoint = self.rows.iter().rfind(|(_, row)| is_checkpoint(row));
        let checkpoint = checkpoint.map(|(seq, _)| *seq);
        let up_to = self.snapshot.as_ref().map(|snapshot| snapshot.up_to);
        let first = up_to.max(checkpoint).unwrap_or(Seq(1));
        let rows = self.rows.iter().filter(|(seq, _)| *seq >= first).count();
        let taken = rows.saturating_add(self.foreign) as u64;
        Damage {
            rows: (self.tail.0 + 1).saturating_sub(first.0 + taken),
            snapshot: checkpoint > up_to,
        }
    }
}

/// Maximum distance of a row from the one before it. Row numbers are contiguous, and no more rows than this get lost.
const GAP_MAX: u64 = 1 << 20;

impl Loaded {
    /// Adds the next row, in the order of the numbers. The snapshot must be known before. `None` is an entry with an
    /// unknown shape.
    ///
    /// A row that is too far behind the one before it is foreign, and no row follows it. Up to a checkpoint's own row
    /// any distance is possible, because the checkpoint removed rows.
    pub fn add(&mut self, seq: Seq, row: Option<Row>) {
        let up_to = self.snapshot.as_ref().map(|snapshot| snapshot.up_to);
        let is_ours = seq <= self.tail.max(up_to.unwrap_or_default()).reach();
        if is_ours {
            self.tail = seq;
        }
        match row.filter(|_| is_ours) {
            Some(row) => self.rows.push((seq, row)),
            None => self.foreign += 1,
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(rows: &[(u64, RowKind)], snapshot: Option<u64>) -> Loaded {
        let row = |(seq, kind): &(u64, RowKind)| {
            let term = Term(100 + seq);
            let kind = kind.clone();
            (Seq(*seq), Row { term, kind })
        };
        Loaded {
            snapshot: snapshot.map(|up_to| Snapshot {
                up_to: Seq(up_to),
                pieces: Vec::new(),
            }),
            rows: rows.iter().map(row).collect(),
            foreign: 0,
            tail: Seq(rows.last().map_or(0, |(seq, _)| *seq)),
        }
    }

    #[test]
    fn a_log_is_known_by_its_first_fence() {
        assert_eq!(Loaded::default().identity(), None);
        let log = loaded(&[(1, RowKind::Fence), (5, RowKind::Fence)], None);
        assert_eq!(log.identity(), Some(Term(101)));
    }

    #[test]
    fn missing_rows_and_snapshots_are_noticed() {
        let segment = || RowKind::Segment(Vec::new());
        let damage = |rows: &[(u64, RowKind)], snapshot| {
            let Damage { rows, snapshot } = loaded(rows, snapshot).damage();
            (rows, snapshot)
        };
        assert_eq!(damage(&[], None), (0, false));
        let whole = [(1, RowKind::Fence), (2, segment()), (3, segment())];
        assert_eq!(damage(&whole, None), (0, false));
        let gap = [(1, RowKind::Fence), (2, segment()), (5, segment())];
        assert_eq!(damage(&gap, None), (2, false));
        assert_eq!(damage(&[(3, segment())], None), (2, false));
        // A checkpoint removes all rows before it except fences.
        let checkpoint = [
            (1, RowKind::Fence),
            (9, RowKind::Checkpoint),
            (10, segment()),
        ];
        assert_eq!(damage(&checkpoint, Some(9)), (0, false));
        assert_eq!(damage(&checkpoint, None), (0, true));
        assert_eq!(damage(&checkpoint, Some(4)), (0, true));
        let gap = [
            (1, RowKind::Fence),
            (9, RowKind::Checkpoint),
            (11, segment()),
        ];
        assert_eq!(damage(&gap, Some(9)), (1, false));
        let row_of_checkpoint_gone = [(1, RowKind::Fence), (10, segment())];
        assert_eq!(damage(&row_of_checkpoint_gone, Some(9)), (1, false));
    }

    fn added(up_to: Option<u64>, seqs: &[u64]) -> (Vec<u64>, usize, u64) {
        let mut loaded = Loaded {
            snapshot: up_to.map(|up_to| Snapshot {
                up_to: Seq(up_to),
                pieces: Vec::new(),
            }),
            ..Loaded::default()
        };
        for seq in seqs {
            let row = Row {
                term: Term(1),
                kind: RowKind::Fence,
            };
            loaded.add(Seq(*seq), Some(row));
        }
        let seqs = loaded.rows.iter().map(|(seq, _)| seq.0).collect();
        (seqs, loaded.foreign, loaded.tail.0)
    }

    #[test]
    fn a_row_far_behind_the_one_before_is_foreign_and_the_log_ends_before_it() {
        let last = u64::MAX;
        assert_eq!(added(None, &[1, 2, last]), (vec![1, 2], 1, 2));
        assert_eq!(added(None, &[last]), (vec![], 1, 0));
        let reach = 2 + GAP_MAX;
        assert_eq!(added(None, &[1, 2, reach]), (vec![1, 2, reach], 0, reach));
        assert_eq!(added(None, &[1, 2, reach + 1]), (vec![1, 2], 1, 2));
    }

    #[test]
    fn a_checkpoint_may_have_removed_any_number_of_rows_before_its_own() {
        let (fences, up_to) = ([1, 4_000_000], 9_000_000);
        let [first, second] = fences;
        let seqs = [first, second, up_to, up_to + 1];
        assert_eq!(added(Some(up_to), &seqs), (seqs.to_vec(), 0, up_to + 1));
        // Its own row may be missing.
        let seqs = [first, second, up_to + 1, u64::MAX];
        let ours = seqs[..3].to_vec();
        assert_eq!(added(Some(up_to), &seqs), (ours, 1, up_to + 1));
    }

    #[test]
    fn foreign_entries_take_numbers_too() {
        let mut loaded = Loaded::default();
        loaded.add(Seq(1), None);
        assert_eq!((loaded.foreign, loaded.tail), (1, Seq(1)));
    }
}
