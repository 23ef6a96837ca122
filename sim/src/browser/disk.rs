//! A model of IndexedDB: the database of the channel, which all tabs of the origin share.

mod faults;

use std::collections::{BTreeMap, BTreeSet};

use tab::TabId;
use tab::api::Term;
use tab::loaded::Snapshot;
use tab::storage::{
    Checkpoint, EntryKey, Page, PageLimits, PageStart, Piece, Row, RowKind, Seq, StorageAnswer,
    StorageError, StorageOperation, StorageRequest, StorageRequestId,
};

use crate::mutant::Mutant;
use crate::prng::Prng;

/// Chromium keeps larger values in separate files. It reads those after the transaction that requested them is
/// complete.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// How the database behaves in a world.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DiskBehavior {
    /// Transactions of 1,000 that take up to 80 ms.
    pub(crate) slow_per_mille: u64,
    /// Transactions of 1,000 that take up to 3 s and delay all others.
    pub(crate) stuck_per_mille: u64,
    /// Transactions of 1,000 that are aborted.
    pub(crate) abort_per_mille: u64,
    /// Openings of 1,000 that fail.
    pub(crate) unavailable_per_mille: u64,
}

/// One IndexedDB database. It carries out one transaction at a time.
///
/// A transaction is submitted when its tab has asked the browser to commit it. Before that, it ends with its tab. After
/// that, it is carried out even if its tab ends.
#[derive(Debug)]
pub(crate) struct Disk {
    prng: Prng,
    mutant: Option<Mutant>,
    manners: DiskBehavior,
    rows: BTreeMap<Seq, Stored>,
    /// Rows with numbers far above the last row.
    strays: BTreeSet<Seq>,
    snapshot: Option<Snapshot>,
    connections: BTreeMap<TabId, Connection>,
    /// Tabs whose connections the browser has closed, and that have not received the event yet.
    closing: BTreeSet<TabId>,
    last_connection: u64,
    /// The last request of each tab.
    last_ids: BTreeMap<TabId, StorageRequestId>,
    under_way: BTreeMap<u64, Transaction>,
    last_transaction: u64,
    /// Time at which the last transaction ends.
    free_us: u64,
    /// The disk is full until this time.
    full_until_us: u64,
    /// Connections on which each request fails.
    dead: BTreeSet<ConnectionNo>,
    /// Each request fails until this time.
    down_until_us: u64,
    /// This tab is exempt from `down_until_us`.
    exempt_tab: Option<TabId>,
    /// Openings get no answer until this time.
    silent_until_us: u64,
}

/// The value under one number of the log.
#[derive(Clone, Debug)]
enum Stored {
    Row(Row),
    /// A value that this build cannot read.
    Foreign,
}

/// Identifies one opening of the database by one tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionNo(u64);

#[derive(Debug)]
struct Connection {
    no: ConnectionNo,
    /// Whether the tab has not received the answer to the opening yet.
    is_opening: bool,
}

/// A request of a tab that is under way.
#[derive(Debug)]
struct Transaction {
    tab: TabId,
    connection: ConnectionNo,
    submitted_us: u64,
    id: StorageRequestId,
    operation: StorageOperation,
}

/// The result of a transaction.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) connection: ConnectionNo,
    /// The request.
    pub(crate) id: StorageRequestId,
    /// The change to the stored data, if there is one.
    pub(crate) change: Option<Change>,
    pub(crate) answer: StorageAnswer,
    /// Whether the answer waits for reads of files, during which other tabs may write.
    pub(crate) is_in_files: bool,
}

/// A change to the stored data.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Row(Row),
    Checkpoint(Checkpoint),
}

/// A request that a tab must not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// The id is not above those of the tab's earlier requests.
    IdUsed { id: StorageRequestId },
    /// The database is not open.
    NotOpen,
    /// The row would leave a gap in the numbers.
    Gap { seq: Seq, tail: Seq },
    /// The checkpoint would remove a fence.
    FenceRemoved { fence: Seq },
}

impl Disk {
    pub(crate) fn new(prng: Prng, manners: DiskBehavior, mutant: Option<Mutant>) -> Self {
        Self {
            prng,
            mutant,
            manners,
            rows: BTreeMap::new(),
            strays: BTreeSet::new(),
            snapshot: None,
            connections: BTreeMap::new(),
            closing: BTreeSet::new(),
            last_connection: 0,
            last_ids: BTreeMap::new(),
            under_way: BTreeMap::new(),
            last_transaction: 0,
            free_us: 0,
            full_until_us: 0,
            dead: BTreeSet::new(),
            down_until_us: 0,
            exempt_tab: None,
            silent_until_us: 0,
        }
    }

    // Requests.

    /// Returns the time and the number of the transaction to carry out.
    pub(crate) fn request(
        &mut self,
        now_us: u64,
        tab: TabId,
        request: StorageRequest,
    ) -> Result<Option<(u64, u64)>, Misuse> {
        let StorageRequest { id, operation } = request;
        if self.last_ids.insert(tab, id) >= Some(id) {
            return Err(Misuse::IdUsed { id });
        }
        match &operation {
            StorageOperation::Close => {
                self.connections.remove(&tab);
                self.closing.remove(&tab);
                return Ok(None);
            }
            StorageOperation::Open(_) => {
                self.last_connection += 1;
                let no = ConnectionNo(self.last_connection);
                self.closing.remove(&tab);
                let connection = Connection {
                    no,
                    is_opening: true,
                };
                // The requests on an earlier connection get no answer.
                self.connections.insert(tab, connection);
                if now_us < self.silent_until_us {
                    return Ok(None);
                }
            }
            StorageOperation::Append(..)
            | StorageOperation::Read(..)
            | StorageOperation::Check(_)
            | StorageOperation::Checkpoint(_) => {}
        }
        // A request to a closed database fails, and the tab learns that from the close event. The request must not
        // reach the new database.
        if self.closing.contains(&tab) {
            return Ok(None);
        }
        if let StorageOperation::Checkpoint(checkpoint) = &operation {
            self.check_fences(checkpoint)?;
        }
        let is_opening = matches!(operation, StorageOperation::Open(_));
        let connection = self.connections.get(&tab);
        let connection = connection.filter(|it| it.is_opening == is_opening);
        let connection = connection.ok_or(Misuse::NotOpen)?.no;
        let is_held = self.mutant == Some(Mutant::AckBeforeCommit)
            && matches!(operation, StorageOperation::Append(..));
        let submitted_us = if is_held {
            now_us + 50_000
        } else {
            now_us + self.prng.between(50, 1_000)
        };
        let takes_us = self.takes_us(&operation);
        self.free_us = self.free_us.max(submitted_us) + takes_us;
        self.last_transaction += 1;
        let transaction = Transaction {
            tab,
            connection,
            submitted_us,
            id,
            operation,
        };
        self.under_way.insert(self.last_transaction, transaction);
        Ok(Some((self.free_us, self.last_transaction)))
    }

    fn takes_us(&mut self, operation: &StorageOperation) -> u64 {
        let drawn = self.prng.between(0, 999);
        if drawn < self.manners.stuck_per_mille {
            return self.prng.between(300_000, 3_000_000);
        }
        if drawn < self.manners.stuck_per_mille + self.manners.slow_per_mille {
            return self.prng.between(5_000, 80_000);
        }
        match operation {
            StorageOperation::Append(..) | StorageOperation::Check(_) | StorageOperation::Close => {
                self.prng.between(200, 1_500)
            }
            StorageOperation::Read(..) | StorageOperation::Checkpoint(_) => {
                self.prng.between(500, 5_000)
            }
            StorageOperation::Open(_) => self.prng.between(500, 8_000),
        }
    }

    fn check_fences(&self, checkpoint: &Checkpoint) -> Result<(), Misuse> {
        let removed = checkpoint
            .remove
            .iter()
            .filter(|(first, last)| first <= last)
            .flat_map(|(first, last)| self.rows.range(*first..=*last));
        for (seq, stored) in removed {
            if let Stored::Row(row) = stored
                && row.kind == RowKind::Fence
            {
                return Err(Misuse::FenceRemoved { fence: *seq });
            }
        }
        Ok(())
    }

    // Transactions.

    /// The tab of a transaction; `None` if the transaction ended with its tab or with the database.
    pub(crate) fn owner_of(&self, transaction: u64) -> Option<TabId> {
        self.under_way.get(&transaction).map(|it| it.tab)
    }

    /// Carries out a transaction; `None` if it ended with its tab or with the database.
    pub(crate) fn carry_out(
        &mut self,
        now_us: u64,
        transaction: u64,
    ) -> Option<Result<Outcome, Misuse>> {
        let Transaction {
            tab,
            connection,
            id,
            operation,
            ..
        } = self.under_way.remove(&transaction)?;
        let is_down = now_us < self.down_until_us && self.exempt_tab != Some(tab);
        let is_aborted = self.prng.chance(self.manners.abort_per_mille)
            || is_down
            || self.dead.contains(&connection);
        let (answer, change) = match operation {
            StorageOperation::Open(_) if is_down => {
                let answer = StorageAnswer::Unavailable {
                    why: "it is down".to_owned(),
                    is_lasting: false,
                };
                (answer, None)
            }
            StorageOperation::Open(_) => (self.open(), None),
            StorageOperation::Read(..) if is_aborted => {
                let why = "the read was aborted".to_owned();
                (StorageAnswer::ReadFailed(why), None)
            }
            StorageOperation::Read(start, limits) => {
                (StorageAnswer::Page(self.read(start, limits)), None)
            }
            StorageOperation::Check(_) if is_aborted => {
                let why = "the check was aborted".to_owned();
                (StorageAnswer::CheckFailed(why), None)
            }
            StorageOperation::Check(seq) => {
                let is_there = seq.is_none_or(|seq| self.rows.contains_key(&seq));
                (StorageAnswer::Checked { is_there }, None)
            }
            StorageOperation::Append(seq, row) => {
                let size = match &row.kind {
                    RowKind::Fence | RowKind::Checkpoint => 16,
                    RowKind::Segment(bytes) => bytes.len(),
                };
                match self.check(now_us, seq, size, is_aborted) {
                    Err(misuse) => return Some(Err(misuse)),
                    Ok(Some(error)) => (self.failed(seq, error), None),
                    // The row stays, but fences no broker.
                    Ok(None) if row.kind == RowKind::Fence && seq < self.tail() => {
                        self.rows.insert(seq, Stored::Row(row));
                        (StorageAnswer::Failed(seq, StorageError::Taken), None)
                    }
                    Ok(None) => {
                        self.rows.insert(seq, Stored::Row(row.clone()));
                        (StorageAnswer::Committed(seq), Some(Change::Row(row)))
                    }
                }
            }
            StorageOperation::Checkpoint(checkpoint) => {
                let seq = checkpoint.seq;
                let size = checkpoint.pieces.iter().map(Vec::len).sum();
                match self.check(now_us, seq, size, is_aborted) {
                    Err(misuse) => return Some(Err(misuse)),
                    Ok(Some(error)) => (self.failed(seq, error), None),
                    Ok(None) => {
                        self.checkpoint(&checkpoint);
                        let change = Change::Checkpoint(checkpoint);
                        (StorageAnswer::Committed(seq), Some(change))
                    }
                }
            }
            StorageOperation::Close => return None,
        };
        let is_in_files = matches!(&answer, StorageAnswer::Page(page) if has_large_values(page));
        Some(Ok(Outcome {
            connection,
            id,
            change,
            answer,
            is_in_files,
        }))
    }

    fn open(&mut self) -> StorageAnswer {
        if self.prng.chance(self.manners.unavailable_per_mille) {
            return StorageAnswer::Unavailable {
                why: "denied".to_owned(),
                is_lasting: true,
            };
        }
        StorageAnswer::Opened
    }

    fn failed(&self, seq: Seq, error: StorageError) -> StorageAnswer {
        if self.mutant == Some(Mutant::FailureIgnored) && error != StorageError::Taken {
            return StorageAnswer::Committed(seq);
        }
        StorageAnswer::Failed(seq, error)
    }

    /// The reason why a row cannot be stored, if there is one.
    fn check(
        &mut self,
        now_us: u64,
        seq: Seq,
        size: usize,
        is_aborted: bool,
    ) -> Result<Option<StorageError>, Misuse> {
        /// A row up to this size may find room when larger rows do not.
        const SMALL_BYTES: usize = 64;
        let is_taken = self.rows.contains_key(&seq) || self.strays.contains(&seq);
        if is_taken && self.mutant != Some(Mutant::FenceOverwritten) {
            return Ok(Some(StorageError::Taken));
        }
        // As in IndexedDB, a removed number below the tail is free.
        let tail = self.tail();
        if seq > tail.next() && !self.rows.is_empty() {
            return Err(Misuse::Gap { seq, tail });
        }
        let is_full = now_us < self.full_until_us;
        if is_full && (size > SMALL_BYTES || self.prng.chance(300)) {
            return Ok(Some(StorageError::Full));
        }
        Ok(is_aborted.then(|| StorageError::Other("the write was aborted".to_owned())))
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        let mut pieces = checkpoint.pieces.clone();
        if self.mutant == Some(Mutant::FenceTruncated) {
            self.rows.retain(|seq, _| *seq >= checkpoint.seq);
        }
        if self.mutant == Some(Mutant::SnapshotTorn) {
            pieces.pop();
        }
        let row = Row {
            term: checkpoint.term,
            kind: RowKind::Checkpoint,
        };
        for (first, last) in &checkpoint.remove {
            self.rows.retain(|seq, _| !(first..=last).contains(&seq));
        }
        self.rows.insert(checkpoint.seq, Stored::Row(row));
        self.snapshot = Some(Snapshot {
            up_to: checkpoint.seq,
            pieces,
        });
    }

    /// Reads a page of the stored data.
    fn read(&self, start: Option<PageStart>, limits: PageLimits) -> Page {
        let log_after = start.map_or(0, |start| start.log_after.0);
        let snapshot_from = start.map_or(0, |start| start.snapshot_from.0);
        let rows = self.rows.iter().map(|(seq, stored)| {
            let row = match stored {
                Stored::Row(row) => Some(row.clone()),
                Stored::Foreign => None,
            };
            (*seq, row)
        });
        let strays = self.strays.iter().map(|seq| {
            let (term, kind) = (Term(1), RowKind::Fence);
            (*seq, Some(Row { term, kind }))
        });
        let log = rows.chain(strays).filter(|(seq, _)| seq.0 > log_after);
        let mut log: Vec<_> = log.take(limits.rows as usize).collect();
        let pieces = (0..)
            .zip(self.pieces())
            .filter(|(index, _)| *index >= snapshot_from);
        let pieces: Vec<_> = pieces.take(limits.pieces as usize).collect();
        let is_full = log.len() == limits.rows as usize || pieces.len() == limits.pieces as usize;
        let next = PageStart {
            log_after: EntryKey(log.last().map_or(log_after, |(seq, _)| seq.0)),
            snapshot_from: EntryKey(pieces.last().map_or(snapshot_from, |(index, _)| *index)),
        };
        if self.mutant == Some(Mutant::LastRowMissed) {
            self.empty_last_segment(&mut log);
        }
        let log = log.into_iter();
        let pieces = pieces.into_iter();
        Page {
            rows: log.map(|(seq, row)| (Some(seq), row)).collect(),
            pieces: pieces
                .map(|(index, piece)| (EntryKey(index), Some(piece)))
                .collect(),
            next: is_full.then_some(next),
            ..Page::default()
        }
    }

    /// Removes the content of the last segment. Its number stays taken.
    fn empty_last_segment(&self, log: &mut [(Seq, Option<Row>)]) {
        let mut segments = self.rows.iter().rev();
        let last = segments.find(|(_, it)| matches!(it, Stored::Row(row) if is_segment(row)));
        let last = last.map(|(seq, _)| *seq);
        let found = log.iter_mut().find(|(seq, _)| Some(*seq) == last);
        if let Some((_, Some(row))) = found {
            row.kind = RowKind::Segment(Vec::new());
        }
    }

    fn pieces(&self) -> impl Iterator<Item = Piece> {
        self.snapshot.iter().flat_map(|snapshot| {
            let of = snapshot.pieces.len() as u64;
            snapshot.pieces.iter().map(move |bytes| Piece {
                snapshot: (snapshot.up_to, of),
                bytes: bytes.clone(),
            })
        })
    }

    fn tail(&self) -> Seq {
        let last = self.rows.last_key_value();
        last.map_or(Seq(0), |(seq, _)| *seq)
    }

    /// The connection of a tab to the database.
    pub(crate) fn connection(&self, tab: TabId) -> Option<ConnectionNo> {
        self.connections.get(&tab).map(|open| open.no)
    }

    /// Whether the tab still uses this connection.
    pub(crate) fn accept_answer(
        &mut self,
        tab: TabId,
        connection: ConnectionNo,
        answer: &StorageAnswer,
    ) -> bool {
        let open = self.connections.get_mut(&tab);
        let Some(open) = open.filter(|open| open.no == connection) else {
            return false;
        };
        open.is_opening = false;
        if let StorageAnswer::Unavailable { .. } = answer {
            self.connections.remove(&tab);
        }
        true
    }

    /// Returns whether the tab still expects the event that the browser has closed its database.
    pub(crate) fn accept_closed(&mut self, tab: TabId) -> bool {
        self.closing.remove(&tab)
    }
}

fn has_large_values(page: &Page) -> bool {
    let rows = page.rows.iter().flat_map(|(_, row)| row);
    let rows = rows.map(|row| match &row.kind {
        RowKind::Segment(bytes) => bytes.len(),
        RowKind::Fence | RowKind::Checkpoint => 0,
    });
    let pieces = page.pieces.iter().flat_map(|(_, piece)| piece);
    rows.chain(pieces.map(|piece| piece.bytes.len()))
        .any(|bytes| bytes > VALUE_BYTES_MAX)
}

fn is_segment(row: &Row) -> bool {
    matches!(row.kind, RowKind::Segment(_))
}

#[cfg(test)]
mod tests;
