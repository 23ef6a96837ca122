//! Payloads: how a person reads and writes them, how two of them differ, and which numbers they hold. No browser in here.

pub(crate) mod diff;
mod format;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod numbers;

pub(crate) use format::{Format, Preview, Size, file_name, visible};
