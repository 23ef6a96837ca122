//! A file of messages that is shown in the place of the log.

use std::rc::Rc;

use super::messages::MessageLog;

/// The messages of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OpenedFile {
    pub(crate) name: String,
    pub(crate) log: Rc<MessageLog>,
    pub(crate) skipped: Option<Skipped>,
}

/// Lines of a file that are no messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) lines: u64,
    /// Number of the first of them, from 1.
    pub(crate) place: usize,
    /// The fault of the first of them.
    pub(crate) why: Broken,
}

/// The fault of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It is no JSON object.
    NoObject,
    /// This field is missing or not valid.
    Field(&'static str),
}
