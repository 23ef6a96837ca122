//! Payloads: formats, lines, differences, and numbers in them. This folder knows no browser.

pub(crate) mod diff;
mod format;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod numbers;
pub(crate) mod size;

pub(crate) use format::{Format, Preview, file_name, visible};
pub(crate) use size::Size;
