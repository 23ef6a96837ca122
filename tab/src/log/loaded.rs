//! Content of the database: puts its pages together, and finds missing parts.

use core::mem;

use crate::api::Term;
use crate::log::storage::{EntryKey, Page, PageStart, Piece, Row, RowKind, Seq};

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

/// The whole state of the broker up to a row, as [`broker::Broker::snapshot`] returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Number of its row [`RowKind::Checkpoint`].
    pub up_to: Seq,
    /// Its parts, in order.
    pub pieces: Vec<Vec<u8>>,
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

    /// Finds the newest snapshot among the entries of its store. `others`: the number of entries without a numeric key.
    fn add_snapshot(&mut self, entries: Vec<(EntryKey, Option<Piece>)>, others: usize) {
        let in_store = entries.len().saturating_add(others);
        let known = entries.iter().filter_map(|(_, piece)| piece.as_ref());
        let Some((up_to, of)) = known.map(|piece| piece.snapshot).max() else {
            return self.add_foreign(in_store);
        };
        let mut pieces = Vec::new();
        for (_, piece) in entries {
            if let Some(piece) = piece
                && piece.snapshot == (up_to, of)
            {
                pieces.push(piece.bytes);
            }
        }
        // Missing pieces count as well. A damaged piece counts once.
        let of = usize::try_from(of).unwrap_or(usize::MAX);
        self.add_foreign(in_store.max(of) - pieces.len());
        self.snapshot = Some(Snapshot { up_to, pieces });
    }

    /// Adds the next row, in the order of the numbers. The snapshot must be known before. `None` is an entry with an
    /// unknown shape.
    ///
    /// A row that is too far behind the one before it is foreign, and no row follows it. Up to a checkpoint's own row
    /// any distance is possible, because the checkpoint removed rows.
    fn add(&mut self, seq: Seq, row: Option<Row>) {
        let up_to = self.snapshot.as_ref().map(|snapshot| snapshot.up_to);
        let is_ours = seq <= self.tail.max(up_to.unwrap_or_default()).reach();
        if is_ours {
            self.tail = seq;
        }
        match row.filter(|_| is_ours) {
            Some(row) => self.rows.push((seq, row)),
            None => self.add_foreign(1),
        }
    }

    fn add_foreign(&mut self, count: usize) {
        self.foreign = self.foreign.saturating_add(count);
    }
}

/// Pages of the database, until they are the whole content of one moment.
///
/// Another broker may write between two pages. A row that it appends comes with a later page, or has the number of the reader's
/// fence. A checkpoint would mix two snapshots. Therefore each page begins with the last piece of the page before it. A
/// checkpoint replaces all pieces, so the same piece proves that there was none.
#[derive(Debug, Default)]
pub struct Reading {
    is_begun: bool,
    rows: Vec<(Option<Seq>, Option<Row>)>,
    pieces: Vec<(EntryKey, Option<Piece>)>,
}

/// The result of a page.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// The next page begins here.
    Continues(PageStart),
    /// A checkpoint was written between two pages. The content has to be read anew.
    Replaced,
    /// This is the content.
    Complete(Loaded),
}

impl Reading {
    /// Adds the next page. After any result but [`Progress::Continues`] the reading is empty.
    pub fn add(&mut self, mut page: Page) -> Progress {
        if mem::replace(&mut self.is_begun, true)
            && self.pieces.pop().as_ref() != page.pieces.first()
        {
            *self = Self::default();
            return Progress::Replaced;
        }
        self.rows.append(&mut page.rows);
        self.pieces.append(&mut page.pieces);
        match page.next {
            Some(start) => Progress::Continues(start),
            None => {
                let loaded = mem::take(self).finish(page.foreign_rows, page.foreign_pieces);
                Progress::Complete(loaded)
            }
        }
    }

    fn finish(self, foreign_rows: usize, foreign_pieces: usize) -> Loaded {
        let mut loaded = Loaded::default();
        loaded.add_snapshot(self.pieces, foreign_pieces);
        for (seq, row) in self.rows {
            match seq {
                Some(seq) => loaded.add(seq, row),
                None => loaded.add_foreign(1),
            }
        }
        loaded.add_foreign(foreign_rows);
        loaded
    }
}

#[cfg(test)]
mod tests;
