//! Log: the broker's end. One row is pending at a time; changes meanwhile form the next row.

pub mod loaded;
pub(crate) mod segment;
pub mod storage;

use broker::{BatchId, Time};

use crate::api::Term;
use crate::log::loaded::Loaded;
use crate::log::storage::{Checkpoint, Row, RowKind, Seq, StorageError, StorageOperation};
use crate::protocol::names::TabId;
use crate::settings::Settings;

/// Minimum speed of writing a checkpoint: a slow disk on a busy machine.
const CHECKPOINT_BYTES_PER_MS: usize = 2_000;

/// Rows that a broker writes while it leads. It appends under the next number only, so another broker's row stops it.
#[derive(Debug)]
pub(crate) struct Log {
    term: Term,
    /// The last known row number.
    tail: Seq,
    under_way: Option<UnderWay>,
    /// Content of the next segment.
    segment: Vec<u8>,
    /// The last batch in `segment`.
    batch: Option<BatchId>,
    /// Tabs whose probes the next row answers.
    probes: Vec<Probe>,
    /// Since when only deferred changes wait.
    deferred_since: Option<Time>,
    /// Whether the next row is written even if it is empty.
    wants_row: bool,
    /// Whether the next row proves that this broker still leads.
    wants_proof: bool,
    /// Whether the next row is a checkpoint.
    wants_checkpoint: bool,
    /// Ranges of rows that a checkpoint may remove.
    removable: Vec<(Seq, Seq)>,
    /// Counted since the last checkpoint.
    rows: usize,
    bytes: usize,
    snapshot_bytes: usize,
    /// The failed write, and when to repeat it.
    retry: Option<Retry>,
    trouble: Option<Trouble>,
    limits: Limits,
}

/// Why the log currently accepts no rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The browser's storage is full.
    Full,
    /// The database fails repeatedly.
    Failing,
}

/// A probe of a tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) tab: TabId,
    pub(crate) number: u32,
}

#[derive(Debug)]
struct UnderWay {
    seq: Seq,
    what: What,
    probes: Vec<Probe>,
    /// Whether it was written after a call of [`Log::verify`].
    is_proof: bool,
}

#[derive(Debug)]
enum What {
    Fence,
    Segment {
        /// Kept for a repetition.
        bytes: Vec<u8>,
        batch: Option<BatchId>,
    },
    Checkpoint {
        /// The checkpoint contains all batches up to and including this one.
        batch: Option<BatchId>,
        bytes: usize,
    },
}

#[derive(Debug)]
struct Retry {
    at: Time,
    /// Consecutive failures for lack of room.
    without_room: u32,
    /// Consecutive other failures, which do not show whether there is room.
    failures: u32,
    what: What,
}

#[derive(Clone, Debug)]
struct Limits {
    deferred_ms: u64,
    deferred_bytes: usize,
    checkpoint_bytes: usize,
    checkpoint_rows: usize,
    retry_ms: u64,
    retry_ms_max: u64,
    full_retry_ms: u64,
    full_retry_ms_max: u64,
    failures_max: u32,
}

/// The result of a row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// The row is stored: all batches up to and including this one are durable.
    Stored {
        batch: Option<BatchId>,
        /// Probes to answer.
        probes: Vec<Probe>,
        /// The trouble that has ended.
        ended: Option<Trouble>,
        /// Whether it was written after [`Log::verify`]: this broker led at that time.
        is_proof: bool,
    },
    /// Another broker leads.
    Fenced,
    /// There is no room, so the promised changes cannot be stored.
    Full,
    /// The row is written again later.
    Later(String),
    /// The row failed repeatedly. The caller should [check](StorageOperation::Check) the database: if it works, the row
    /// is the cause.
    Failing(String),
    /// The event belongs to no row of this log.
    Nothing,
}

impl Log {
    /// Continues the loaded log, after a fence that is stored under `fence`.
    pub(crate) fn new(term: Term, fence: Seq, loaded: &Loaded, settings: &Settings) -> Self {
        let segments = loaded.rows.iter().filter_map(|(_, row)| match &row.kind {
            RowKind::Segment(bytes) => Some(bytes.len()),
            RowKind::Fence | RowKind::Checkpoint => None,
        });
        let pieces = loaded.snapshot.iter().flat_map(|it| &it.pieces);
        let mut log = Self {
            term,
            tail: fence,
            under_way: None,
            segment: Vec::new(),
            batch: None,
            probes: Vec::new(),
            deferred_since: None,
            wants_row: false,
            wants_proof: false,
            wants_checkpoint: false,
            removable: Vec::new(),
            rows: segments.clone().count(),
            bytes: segments.sum(),
            snapshot_bytes: pieces.map(Vec::len).sum(),
            retry: None,
            trouble: None,
            limits: Limits {
                deferred_ms: settings.deferred_ms,
                deferred_bytes: settings.deferred_bytes,
                checkpoint_bytes: settings.checkpoint_bytes,
                checkpoint_rows: settings.checkpoint_rows,
                retry_ms: settings.storage_retry_ms,
                retry_ms_max: settings.storage_retry_ms_max,
                full_retry_ms: settings.storage_full_retry_ms,
                full_retry_ms_max: settings.storage_full_retry_ms_max,
                failures_max: settings.storage_failures_max,
            },
        };
        for (seq, row) in &loaded.rows {
            match row.kind {
                // A row with an implausible term is kept: it may occupy the number where a late row has to fail.
                RowKind::Segment(_) | RowKind::Checkpoint if row.term > term => {}
                RowKind::Segment(_) | RowKind::Checkpoint => log.note_removable(*seq),
                RowKind::Fence => {}
            }
        }
        log
    }

    /// Continues the loaded log without a stored fence. Nothing is promised before the fence is stored.
    pub(crate) fn without_fence(
        trouble: Trouble,
        term: Term,
        loaded: &Loaded,
        settings: &Settings,
        now: Time,
    ) -> Self {
        let mut log = Self::new(term, loaded.tail, loaded, settings);
        log.trouble = Some(trouble);
        log.try_again(now, What::Fence, trouble);
        log
    }

    /// Assumes that there is no room until a row is stored.
    pub(crate) fn expect_no_room(&mut self, now: Time) {
        self.trouble = Some(Trouble::Full);
        if self.retry.is_none() {
            let batch = None;
            self.try_again(now, What::Checkpoint { batch, bytes: 0 }, Trouble::Full);
        }
    }

    /// The last stored row, as far as it is known.
    pub(crate) fn committed(&self) -> Seq {
        match &self.under_way {
            Some(under_way) => Seq(under_way.seq.0 - 1),
            None => self.tail,
        }
    }

    /// Why no changes can be promised, if so.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Adds a batch to the next row. An empty batch requires a row as well.
    pub(crate) fn push(&mut self, batch: BatchId, bytes: &[u8]) {
        if !bytes.is_empty() {
            segment::push(&mut self.segment, bytes);
        }
        self.batch = Some(batch);
    }

    /// Answers a probe with the next row. The last probe of a tab replaces its earlier ones, because rows may fail for
    /// long.
    pub(crate) fn probe(&mut self, probe: Probe) {
        self.probes.retain(|earlier| earlier.tab != probe.tab);
        self.probes.push(probe);
        self.wants_row = true;
    }

    /// Requires a row, even an empty one. If it is stored, no other broker leads. A pending row proves nothing: it may
    /// have been stored long ago.
    pub(crate) fn verify(&mut self) {
        self.wants_proof = true;
        if let Some(under_way) = &mut self.under_way {
            under_way.is_proof = false;
        }
    }

    /// Replaces the whole log with a checkpoint.
    pub(crate) fn rewrite(&mut self) {
        self.wants_checkpoint = true;
    }

    /// When [`Log::next_request`] has a failed row or a deferred change to write.
    pub(crate) fn next_timeout(&self) -> Option<Time> {
        if self.under_way.is_some() {
            return None;
        }
        match &self.retry {
            Some(retry) => Some(retry.at),
            None => self.deferred_since.map(|since| self.deferred_due(since)),
        }
    }

    fn deferred_due(&self, since: Time) -> Time {
        since.plus_ms(self.limits.deferred_ms)
    }

    /// Returns the next row if one is due and none is pending. `is_awaited`: whether packets wait for pushed batches.
    /// Otherwise small batches are deferred until the next row. `snapshot` returns the whole state for a checkpoint.
    pub(crate) fn next_request(
        &mut self,
        now: Time,
        is_awaited: bool,
        snapshot: impl FnOnce() -> Vec<Vec<u8>>,
    ) -> Option<StorageOperation> {
        if self.under_way.is_some() {
            return None;
        }
        let what = if let Some(retry) = &mut self.retry {
            if retry.at > now {
                return None;
            }
            // The failure counts stay until a row is stored.
            let what = core::mem::replace(&mut retry.what, What::Fence);
            self.again(what)
        } else if self.wants_checkpoint || self.is_long() {
            self.checkpoint()
        } else if self.is_due(now, is_awaited) {
            What::Segment {
                bytes: core::mem::take(&mut self.segment),
                batch: self.batch.take(),
            }
        } else {
            return None;
        };
        self.wants_row = false;
        self.deferred_since = None;
        let (term, seq) = (self.term, self.tail.next());
        self.tail = seq;
        let (request, what) = match what {
            What::Fence => {
                let kind = RowKind::Fence;
                (
                    StorageOperation::Append(seq, Row { term, kind }),
                    What::Fence,
                )
            }
            What::Segment { bytes, batch } => {
                let kind = RowKind::Segment(bytes.clone());
                (
                    StorageOperation::Append(seq, Row { term, kind }),
                    What::Segment { bytes, batch },
                )
            }
            What::Checkpoint { batch, .. } => {
                let pieces = snapshot();
                let bytes = pieces.iter().map(Vec::len).sum();
                let request = StorageOperation::Checkpoint(Checkpoint {
                    seq,
                    term,
                    pieces,
                    remove: self.removable.clone(),
                });
                (request, What::Checkpoint { batch, bytes })
            }
        };
        self.under_way = Some(UnderWay {
            seq,
            what,
            probes: core::mem::take(&mut self.probes),
            is_proof: core::mem::take(&mut self.wants_proof),
        });
        Some(request)
    }

    /// A row was stored.
    pub(crate) fn on_committed(&mut self, seq: Seq) -> Written {
        let Some(under_way) = self.under_way.take_if(|it| it.seq == seq) else {
            return Written::Nothing;
        };
        self.retry = None;
        let batch = match under_way.what {
            What::Fence => None,
            What::Segment { bytes, batch } => {
                self.rows += 1;
                self.bytes += bytes.len();
                self.note_removable(seq);
                batch
            }
            What::Checkpoint { batch, bytes } => {
                self.wants_checkpoint = false;
                self.rows = 0;
                self.bytes = 0;
                self.snapshot_bytes = bytes;
                self.removable = vec![(seq, seq)];
                batch
            }
        };
        Written::Stored {
            batch,
            probes: under_way.probes,
            ended: self.trouble.take(),
            is_proof: under_way.is_proof,
        }
    }

    /// A row was not stored.
    pub(crate) fn on_failed(&mut self, now: Time, seq: Seq, error: StorageError) -> Written {
        let Some(under_way) = self.under_way.take_if(|it| it.seq == seq) else {
            return Written::Nothing;
        };
        let what = under_way.what;
        self.tail = Seq(seq.0 - 1);
        self.probes.splice(0..0, under_way.probes);
        self.wants_proof |= under_way.is_proof;
        match error {
            StorageError::Taken => Written::Fenced,
            StorageError::Full if self.trouble == Some(Trouble::Full) => {
                self.try_again(now, what, Trouble::Full);
                Written::Later("There is still no room in the storage.".to_owned())
            }
            StorageError::Full => Written::Full,
            StorageError::Other(why) => {
                let failures = self.try_again(now, what, Trouble::Failing);
                self.failed(failures, why)
            }
        }
    }

    /// The database does not open or work: the failed row waits longer.
    pub(crate) fn put_off(&mut self, now: Time, why: String) -> Written {
        let Some(Retry { what, .. }) = &mut self.retry else {
            return Written::Nothing;
        };
        let what = core::mem::replace(what, What::Fence);
        let failures = self.try_again(now, what, Trouble::Failing);
        self.failed(failures, why)
    }

    fn failed(&mut self, failures: u32, why: String) -> Written {
        // A full storage promises nothing anyway.
        if failures < self.limits.failures_max || self.trouble == Some(Trouble::Full) {
            return Written::Later(why);
        }
        self.trouble = Some(Trouble::Failing);
        Written::Failing(why)
    }

    /// Whether the failed row has to wait.
    pub(crate) fn is_pausing(&self, now: Time) -> bool {
        self.retry.as_ref().is_some_and(|retry| retry.at > now)
    }

    /// Whether a large checkpoint has been pending since `since`, within its expected duration.
    pub(crate) fn is_busy(&self, since: Time, now: Time) -> bool {
        match &self.under_way {
            Some(UnderWay {
                what: What::Checkpoint { bytes, .. },
                ..
            }) => {
                let expected_ms = (*bytes / CHECKPOINT_BYTES_PER_MS) as u64;
                since.plus_ms(expected_ms) > now
            }
            Some(_) | None => false,
        }
    }

    /// Whether a row is due.
    fn is_due(&mut self, now: Time, is_awaited: bool) -> bool {
        if self.wants_row || self.wants_proof {
            return true;
        }
        if self.batch.is_none() {
            return false;
        }
        if is_awaited || self.segment.len() >= self.limits.deferred_bytes {
            return true;
        }
        let since = *self.deferred_since.get_or_insert(now);
        self.deferred_due(since) <= now
    }

    fn is_long(&self) -> bool {
        self.rows >= self.limits.checkpoint_rows
            || (self.bytes >= self.limits.checkpoint_bytes && self.bytes >= self.snapshot_bytes)
    }

    /// The checkpoint contains the changes of the next segment.
    fn checkpoint(&mut self) -> What {
        self.segment.clear();
        What::Checkpoint {
            batch: self.batch.take(),
            bytes: 0,
        }
    }

    /// Returns the failed write, with the changes since then.
    fn again(&mut self, what: What) -> What {
        match what {
            What::Fence => What::Fence,
            // A checkpoint finally takes less room than the rows that it replaces.
            What::Segment { batch, .. } if self.trouble == Some(Trouble::Full) => {
                self.batch = self.batch.or(batch);
                self.checkpoint()
            }
            What::Segment { mut bytes, batch } => {
                bytes.append(&mut self.segment);
                let batch = self.batch.take().or(batch);
                What::Segment { bytes, batch }
            }
            What::Checkpoint { batch, .. } => {
                self.batch = self.batch.or(batch);
                self.checkpoint()
            }
        }
    }

    /// Returns the number of consecutive failures of that kind.
    fn try_again(&mut self, now: Time, what: What, why: Trouble) -> u32 {
        let limits = &self.limits;
        let retry = self.retry.get_or_insert(Retry {
            at: now,
            without_room: 0,
            failures: 0,
            what: What::Fence,
        });
        let (times, first_ms, last_ms) = match why {
            Trouble::Full => {
                retry.failures = 0;
                let times = &mut retry.without_room;
                (times, limits.full_retry_ms, limits.full_retry_ms_max)
            }
            Trouble::Failing => (&mut retry.failures, limits.retry_ms, limits.retry_ms_max),
        };
        let pause_ms = (first_ms << (*times).min(16)).min(last_ms);
        *times = times.saturating_add(1);
        let times = *times;
        retry.at = now.plus_ms(pause_ms);
        retry.what = what;
        times
    }

    fn note_removable(&mut self, seq: Seq) {
        match self.removable.last_mut() {
            Some((_, last)) if last.next() == seq => *last = seq,
            _ => self.removable.push((seq, seq)),
        }
    }
}

#[cfg(test)]
mod tests;
