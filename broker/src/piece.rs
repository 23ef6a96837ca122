//! Pieces of the log: records as bytes.
//!
//! ```text
//! piece  = version record*             and pieces that are joined are a piece
//! record = length crc body             32 bits each, big-endian; of the body, and of length and body
//! ```

use bincode::Options;

use crate::record::{Record, RecordError};

/// The version of what follows. A record starts with its length, which never starts with such a byte.
const VERSION: u8 = VERSIONS | 1;
const VERSIONS: u8 = 0xF0;
const HEADER_BYTES: usize = 8;
/// What one small change takes, so that most pieces are allocated once.
const BYTES_USUALLY: usize = 256;

/// Records, one after the other.
#[derive(Debug)]
pub(crate) struct Piece(Vec<u8>);

impl Piece {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn push(&mut self, record: &Record<'_>) {
        let Self(bytes) = self;
        if bytes.is_empty() {
            bytes.reserve(BYTES_USUALLY);
            bytes.push(VERSION);
        }
        let start = bytes.len();
        bytes.extend([0; HEADER_BYTES]);
        let Ok(()) = layout().serialize_into(&mut *bytes, record) else {
            unreachable!("memory takes every record")
        };
        let length = u32::try_from(bytes.len() - start - HEADER_BYTES);
        let Some(length) = length.ok().filter(|length| length >> 28 < 0xF) else {
            unreachable!("no packet is as long as {length:?}")
        };
        let (header, body) = bytes[start..].split_at_mut(HEADER_BYTES);
        header[..4].copy_from_slice(&length.to_be_bytes());
        header[4..].copy_from_slice(&check(length, body).to_be_bytes());
    }

    /// The bytes, if there are any; the next record begins another piece.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        let bytes = core::mem::take(&mut self.0);
        Some(bytes).filter(|bytes| !bytes.is_empty())
    }
}

/// The records of a piece with the places where they start, and what is none.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    piece: &'a [u8],
    offset: usize,
    has_version: bool,
}

impl<'a> Records<'a> {
    pub(crate) fn of(piece: &'a [u8]) -> Self {
        Self {
            piece,
            offset: 0,
            has_version: false,
        }
    }

    /// Gives up what follows: where the next record starts cannot be told.
    fn lose_rest(
        &mut self,
        error: RecordError,
    ) -> Option<Result<(usize, Record<'a>), RecordError>> {
        self.offset = self.piece.len();
        Some(Err(error))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(usize, Record<'a>), RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let offset = self.offset;
            let rest = &self.piece[offset..];
            let &version = rest.first()?;
            if version == VERSION {
                self.has_version = true;
                self.offset += 1;
                continue;
            }
            if version >= VERSIONS || !self.has_version {
                return self.lose_rest(RecordError::UnknownVersion { offset, version });
            }
            let truncated = RecordError::Truncated {
                offset,
                bytes: rest.len(),
            };
            let Some((length, rest)) = split_u32(rest) else {
                return self.lose_rest(truncated);
            };
            let Some((crc, rest)) = split_u32(rest) else {
                return self.lose_rest(truncated);
            };
            let Some(body) = rest.get(..length as usize) else {
                return self.lose_rest(truncated);
            };
            self.offset += HEADER_BYTES + body.len();
            if check(length, body) != crc {
                return Some(Err(RecordError::Damaged { offset }));
            }
            let record = layout().deserialize(body);
            return Some(match record {
                Ok(record) => Ok((offset, record)),
                Err(_) => Err(RecordError::Unreadable { offset }),
            });
        }
    }
}

/// Small numbers are short; nothing may follow a record in its frame.
fn layout() -> impl Options {
    bincode::DefaultOptions::new()
}

fn check(length: u32, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_be_bytes());
    hasher.update(body);
    hasher.finalize()
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}
