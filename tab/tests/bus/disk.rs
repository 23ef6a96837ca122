//! The database that all tabs share.

use std::collections::BTreeMap;

use tab::storage::{
    Loaded, Row, RowKind, Seq, Snapshot, StorageAnswer, StorageError, StorageOperation,
};

#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) rows: BTreeMap<Seq, Row>,
    pub(crate) snapshot: Option<Snapshot>,
    /// Opening fails.
    pub(crate) is_missing: bool,
    /// Further writes find no room.
    pub(crate) is_full: bool,
    /// All requests fail for the moment.
    pub(crate) is_down: bool,
    /// Large rows fail.
    pub(crate) refuses_large: bool,
    /// This many writes fail.
    pub(crate) failures: usize,
}

impl Disk {
    pub(crate) fn answer(&mut self, operation: StorageOperation) -> Option<StorageAnswer> {
        Some(match operation {
            StorageOperation::Open(_) if self.is_missing => StorageAnswer::Unavailable {
                why: "there is none".to_owned(),
                is_lasting: true,
            },
            StorageOperation::Open(_) if self.is_down => StorageAnswer::Unavailable {
                why: "it is down".to_owned(),
                is_lasting: false,
            },
            StorageOperation::Open(_) => StorageAnswer::Opened,
            StorageOperation::Load if self.is_down => {
                StorageAnswer::LoadFailed("it is down".to_owned())
            }
            StorageOperation::Load => StorageAnswer::Loaded(self.load()),
            StorageOperation::Append(seq, row) => match self.check(seq) {
                Ok(()) if self.refuses_large && is_large(&row.kind) => {
                    StorageAnswer::Failed(seq, StorageError::Other("too large".to_owned()))
                }
                Ok(()) => {
                    self.rows.insert(seq, row);
                    StorageAnswer::Committed(seq)
                }
                Err(error) => StorageAnswer::Failed(seq, error),
            },
            StorageOperation::Checkpoint(checkpoint) => {
                let seq = checkpoint.seq;
                match self.check(seq) {
                    Ok(()) => {
                        for (first, last) in checkpoint.remove {
                            self.rows.retain(|seq, row| {
                                let is_removed = (first..=last).contains(seq);
                                assert!(!is_removed || row.kind != RowKind::Fence, "{seq}");
                                !is_removed
                            });
                        }
                        let row = Row {
                            term: checkpoint.term,
                            kind: RowKind::Checkpoint,
                        };
                        self.rows.insert(seq, row);
                        self.snapshot = Some(Snapshot {
                            up_to: seq,
                            pieces: checkpoint.pieces,
                        });
                        StorageAnswer::Committed(seq)
                    }
                    Err(error) => StorageAnswer::Failed(seq, error),
                }
            }
            StorageOperation::Check(_) if self.is_down => {
                StorageAnswer::CheckFailed("it is down".to_owned())
            }
            StorageOperation::Check(seq) => StorageAnswer::Checked {
                is_there: seq.is_none_or(|seq| self.rows.contains_key(&seq)),
            },
            StorageOperation::Close => return None,
        })
    }

    fn load(&self) -> Loaded {
        let mut loaded = Loaded {
            snapshot: self.snapshot.clone(),
            ..Loaded::default()
        };
        for (seq, row) in &self.rows {
            loaded.add(*seq, Some(row.clone()));
        }
        loaded
    }

    pub(crate) fn tail(&self) -> Seq {
        self.load().tail
    }

    fn check(&mut self, seq: Seq) -> Result<(), StorageError> {
        if self.failures > 0 || self.is_down {
            self.failures = self.failures.saturating_sub(1);
            return Err(StorageError::Other("it failed".to_owned()));
        }
        if self.rows.contains_key(&seq) {
            return Err(StorageError::Taken);
        }
        if self.is_full {
            return Err(StorageError::Full);
        }
        Ok(())
    }
}

fn is_large(kind: &RowKind) -> bool {
    matches!(kind, RowKind::Segment(bytes) if bytes.len() > 1_000)
}
