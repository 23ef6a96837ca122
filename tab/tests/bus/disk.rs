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
    /// Nothing more finds room.
    pub(crate) is_full: bool,
    /// So many writes fail.
    pub(crate) failures: usize,
}

impl Disk {
    pub(crate) fn answer(&mut self, request: StorageRequest) -> Option<StorageEvent> {
        Some(match request {
            StorageRequest::Open(_) if self.is_missing => {
                StorageEvent::Unavailable("there is none".to_owned())
            }
            StorageRequest::Open(_) => StorageEvent::Opened,
            StorageRequest::Load => StorageEvent::Loaded(self.load()),
            StorageRequest::Append(seq, row) => match self.check(seq) {
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
        if self.failures > 0 {
            self.failures -= 1;
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
