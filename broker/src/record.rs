//! What is written to the log, record by record.

use core::fmt;

/// Why a record was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The piece ends before the record does.
    Truncated {
        /// Where the record starts in its piece.
        offset: usize,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { offset } => write!(f, "the record at byte {offset} has no end"),
        }
    }
}

impl core::error::Error for RecordError {}
