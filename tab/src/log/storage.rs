//! What a tab wants of the database that holds the broker's log, and what it hears from it.
//!
//! The log decides who the broker is: rows have contiguous numbers, a number is taken once, and a new broker begins by
//! taking the next one for its fence. A broker whose leadership is over finds the number of its next row taken.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::api::{Durability, Term};

/// Number of a row in the log, from 1 without gaps.
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

    /// The last number that a row after this one can have, if this one is the last that is known.
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
    /// The leadership that it belongs to.
    pub term: Term,
    /// What it is.
    pub kind: RowKind,
}

/// What a row of the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// The beginning of a leadership. It is never removed: on its number a row of the leadership before must fail, however late.
    Fence,
    /// What the broker's state changed by, for [`broker::Broker::restore`].
    Segment(Vec<u8>),
    /// The state up to here is in the snapshot.
    Checkpoint,
}

/// Everything that the broker's state was up to a row, in the pieces that [`broker::Broker::snapshot`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The row [`RowKind::Checkpoint`] that was written with it.
    pub up_to: Seq,
    /// The pieces, in order.
    pub pieces: Vec<Vec<u8>>,
}

/// A checkpoint: one transaction, or nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The number of its row [`RowKind::Checkpoint`].
    pub seq: Seq,
    /// The broker's term.
    pub term: Term,
    /// Takes the place of every earlier snapshot.
    pub pieces: Vec<Vec<u8>>,
    /// The rows that go: from the first number to the second, both included. No fence is among them.
    pub remove: Vec<(Seq, Seq)>,
}

/// What a tab wants of the database. One request is under way at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageRequest {
    /// Open the database of the channel. Answer: [`StorageEvent::Opened`] or [`StorageEvent::Unavailable`].
    Open(Durability),
    /// Read everything. Answer: [`StorageEvent::Loaded`] or [`StorageEvent::LoadFailed`].
    Load,
    /// Add a row under this number, unless the number is taken. Answer: [`StorageEvent::Committed`] or
    /// [`StorageEvent::Failed`]. A fence behind which there are rows already, within the [reach](Seq::reach) of the row
    /// before it, comes too late, as if its number were taken: a checkpoint has removed the row that it found there when it
    /// looked, and it would stop nobody.
    Append(Seq, Row),
    /// Write a checkpoint. Answer: [`StorageEvent::Committed`] or [`StorageEvent::Failed`].
    Checkpoint(Checkpoint),
    /// Write a little and remove it again, which shows whether the database works at this moment, and look for the row of this
    /// number. Answer: [`StorageEvent::Checked`] or [`StorageEvent::CheckFailed`].
    Check(Option<Seq>),
    /// Close the database. There is no answer to this, nor any more to what was under way.
    Close,
}

/// What the database says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageEvent {
    /// It is open.
    Opened,
    /// The database could not be opened.
    Unavailable {
        /// A sentence.
        why: String,
        /// Whether a later attempt would fail in the same way: this browser offers no database here, or forbids it.
        is_lasting: bool,
    },
    /// What it holds.
    Loaded(Loaded),
    /// It could not be read; a sentence says why.
    LoadFailed(String),
    /// The row of this number is stored, and will be there whoever reads next.
    Committed(Seq),
    /// The row of this number was not stored, nor anything else of its transaction.
    Failed(Seq, StorageError),
    /// The browser has closed it, and most likely removed what it held. What was under way has failed without further
    /// word.
    Closed,
    /// The database works.
    Checked {
        /// Whether it has the row that was asked for; true if none was.
        is_there: bool,
    },
    /// The database does not work; a sentence says how.
    CheckFailed(String),
}

/// Everything that the database holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The newest snapshot.
    pub snapshot: Option<Snapshot>,
    /// All rows, by number.
    pub rows: Vec<(Seq, Row)>,
    /// What is there but is not of a shape that this build knows; it is left where it is.
    pub foreign: usize,
    /// The greatest number of the log that is taken, also by what is foreign; 0 if none is.
    pub tail: Seq,
}

/// Parts of a log that should be there and are not: somebody, or a damaged disk, took them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    /// How many rows are missing.
    pub(crate) rows: u64,
    /// Whether there is a checkpoint without its snapshot.
    pub(crate) snapshot: bool,
}

impl Loaded {
    /// Tells this log from one that was made anew after it was lost: its first fence, which is never removed, and whose term
    /// no other log's first fence has.
    pub(crate) fn identity(&self) -> Option<Term> {
        let mut fences = self.rows.iter().map(|(_, row)| row);
        let first = fences.find(|row| row.kind == RowKind::Fence);
        first.map(|row| row.term)
    }

    /// What is missing: rows have numbers without gaps, but for those that a checkpoint has removed.
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

/// How far a row may be behind the one before it. Rows have contiguous numbers; more of them than this are not lost.
const GAP_MAX: u64 = 1 << 20;

impl Loaded {
    /// Takes the next of what the log holds, in the order of the numbers, once the snapshot is known; `None` for what is not
    /// of a shape that this build knows.
    ///
    /// What is far behind the last row is not of the log, and no row comes after it. A checkpoint removes rows, so that there
    /// may be as many between two that are left up to its own.
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
    /// There is no more room (`QuotaExceededError`).
    Full,
    /// Something else; a sentence.
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
    fn rows_and_snapshots_that_are_missing_are_noticed() {
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
        // A checkpoint removes all but the fences before it.
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
    fn a_row_far_behind_the_one_before_is_foreign_and_the_log_goes_on_before_it() {
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
    fn a_number_is_taken_by_what_is_of_no_known_shape_too() {
        let mut loaded = Loaded::default();
        loaded.add(Seq(1), None);
        assert_eq!((loaded.foreign, loaded.tail), (1, Seq(1)));
    }
}
