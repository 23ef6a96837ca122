//! The database that all tabs share.

use std::collections::BTreeMap;

use tab::storage::{
    Loaded, Row, RowKind, Seq, Snapshot, StorageError, StorageEvent, StorageRequest,
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
    pub(crate) fn answer(&mut self, request: StorageRequest) -> Option<StorageEvent> {
        Some(match request {
            StorageRequest::Open(_) if self.is_missing => StorageEvent::Unavailable {
                why: "there is none".to_owned(),
                is_lasting: true,
            },
            StorageRequest::Open(_) if self.is_down => StorageEvent::Unavailable {
                why: "it is down".to_owned(),
                is_lasting: false,
            },
            StorageRequest::Open(_) => StorageEvent::Opened,
            StorageRequest::Load if self.is_down => {
                StorageEvent::LoadFailed("it is down".to_owned())
            }
            StorageRequest::Load => StorageEvent::Loaded(self.load()),
            StorageRequest::Append(seq, row) => match self.check(seq) {
                Ok(()) if self.refuses_large && is_large(&row.kind) => {
                    StorageEvent::Failed(seq, StorageError::Other("too large".to_owned()))
                }
                Ok(()) => {
                    self.rows.insert(seq, row);
                    StorageEvent::Committed(seq)
                }
                Err(error) => StorageEvent::Failed(seq, error),
            },
            StorageRequest::Checkpoint(checkpoint) => {
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
                        StorageEvent::Committed(seq)
                    }
                    Err(error) => StorageEvent::Failed(seq, error),
                }
            }
            StorageRequest::Check(_) if self.is_down => {
                StorageEvent::CheckFailed("it is down".to_owned())
            }
            StorageRequest::Check(seq) => StorageEvent::Checked {
                is_there: seq.is_none_or(|seq| self.rows.contains_key(&seq)),
            },
            StorageRequest::Close => return None,
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
