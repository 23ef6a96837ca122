//! The database that all tabs share.

use std::collections::BTreeMap;

use tab::loaded::Snapshot;
use tab::storage::{
    EntryKey, Page, PageLimits, PageStart, Piece, Row, RowKind, Seq, StorageAnswer, StorageError,
    StorageOperation,
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
    /// Number of pages that were read.
    pub(crate) pages: usize,
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
            StorageOperation::Read(..) if self.is_down => {
                StorageAnswer::ReadFailed("it is down".to_owned())
            }
            StorageOperation::Read(start, limits) => StorageAnswer::Page(self.read(start, limits)),
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

    fn read(&mut self, start: Option<PageStart>, limits: PageLimits) -> Page {
        self.pages += 1;
        let after = start.map_or(0, |start| start.log_after.0);
        let from = start.map_or(0, |start| start.snapshot_from.0);
        let rows = self.rows.range(Seq(after + 1)..);
        let rows: Vec<_> = rows.take(limits.rows as usize).collect();
        let snapshot = self.snapshot.as_ref();
        let pieces = snapshot.map_or(&[][..], |it| it.pieces.as_slice());
        let snapshot = snapshot.map(|it| (it.up_to, pieces.len() as u64));
        let pieces = (0..).zip(pieces).filter(|(index, _)| *index >= from);
        let pieces: Vec<_> = pieces.take(limits.pieces as usize).collect();
        let is_full = rows.len() == limits.rows as usize || pieces.len() == limits.pieces as usize;
        Page {
            next: is_full.then_some(PageStart {
                log_after: EntryKey(rows.last().map_or(after, |(seq, _)| seq.0)),
                snapshot_from: EntryKey(pieces.last().map_or(from, |(index, _)| *index)),
            }),
            rows: rows
                .into_iter()
                .map(|(seq, row)| (Some(*seq), Some(row.clone())))
                .collect(),
            pieces: pieces
                .into_iter()
                .map(|(index, bytes)| {
                    let bytes = bytes.clone();
                    let piece = snapshot.map(|snapshot| Piece { snapshot, bytes });
                    (EntryKey(index), piece)
                })
                .collect(),
            ..Page::default()
        }
    }

    pub(crate) fn tail(&self) -> Seq {
        // A row far behind the last one is no row of the log.
        let mut tail = self.snapshot.as_ref().map_or(Seq(0), |it| it.up_to);
        for seq in self.rows.keys() {
            if (tail..=tail.reach()).contains(seq) {
                tail = *seq;
            }
        }
        tail
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
