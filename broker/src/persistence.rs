//! Everything durable: changes as records, batches, snapshots, and packets that wait for a batch.

pub(crate) mod commit_gate;
pub(crate) mod framing;
pub(crate) mod journal;
pub(crate) mod record;
pub(crate) mod restore;
pub(crate) mod session_records;
pub(crate) mod snapshot;

use std::sync::Arc;

use self::commit_gate::CommitGate;
use self::journal::Journal;
use crate::util::sorted::Map;
use crate::{BatchId, ConnId, Output};

/// The part of a broker that decides what is stored, and what waits until it is stored.
#[derive(Debug)]
pub(crate) struct Persistence {
    pub(crate) journal: Journal,
    pub(crate) commit_gate: CommitGate,
    /// Whether the caller has reported that its storage is full.
    is_full: bool,
    /// The number of the last session that began before the storage was full.
    last_before_full: u64,
    /// Clients whose session ended in a batch that is not stored yet. If this broker ends before that, the next one resumes the session.
    unstored_ends: Map<Arc<str>, BatchId>,
    /// Whether the broker stores anything at all.
    is_durable: bool,
}

impl Persistence {
    pub(crate) const fn new(is_durable: bool) -> Self {
        Self {
            journal: Journal::new(is_durable),
            commit_gate: CommitGate::new(),
            is_full: false,
            last_before_full: 0,
            unstored_ends: Map::new(),
            is_durable,
        }
    }

    /// Whether nothing more can be stored.
    pub(crate) const fn is_full(&self) -> bool {
        self.is_full
    }

    pub(crate) fn set_full(&mut self, is_full: bool) {
        if !self.is_full {
            self.last_before_full = self.journal.sessions;
        }
        self.is_full = is_full;
    }

    /// Notes that a session ends with the next batch.
    pub(crate) fn session_ended(&mut self, number: u64, client_id: &Arc<str>) {
        // The log does not know a session that began while the storage was full.
        if self.is_durable && !(self.is_full && number > self.last_before_full) {
            let batch = self.journal.next_batch();
            self.unstored_ends.insert(Arc::clone(client_id), batch);
        }
    }

    /// Whether a client's session has ended, and the next broker would still resume it.
    pub(crate) fn has_unstored_end(&self, client_id: &str) -> bool {
        self.unstored_ends.contains_key(client_id)
    }

    /// All batches up to and including `batch` are durable: sends the packets that waited for them.
    pub(crate) fn committed(&mut self, batch: BatchId, out: &mut Vec<Output>) {
        self.unstored_ends.retain(|_, ended| *ended > batch);
        self.commit_gate.commit(batch, out);
    }

    /// Drops the packets that wait for a connection that is gone.
    pub(crate) fn forget_connection(&mut self, conn: ConnId) {
        self.commit_gate.forget(conn);
    }

    /// Issues the batch of one input, and holds back the outputs that must wait for it.
    pub(crate) fn finish_input(&mut self, outputs: &mut Vec<Output>, out: &mut Vec<Output>) {
        let batch = self.journal.batch().or_else(|| {
            // Another broker may have replaced this one unnoticed, with sessions that this one does not know.
            let is_unfounded = !self.is_full && outputs.iter().any(commit_gate::is_answer);
            is_unfounded.then(|| self.journal.empty_batch())
        });
        out.extend(batch.map(|(id, bytes)| Output::Persist(id, bytes)));
        let last_batch = self.journal.last_batch();
        self.commit_gate
            .pass(last_batch, self.is_full, outputs, out);
    }
}
