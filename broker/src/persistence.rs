//! Everything durable: changes as records, batches, snapshots, and packets that wait for a batch.

pub(crate) mod commit_gate;
pub(crate) mod framing;
pub(crate) mod journal;
pub(crate) mod record;
pub(crate) mod restore;
pub(crate) mod session_records;
pub(crate) mod snapshot;
