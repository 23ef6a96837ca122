//! The way from a tab to its page: when notices are sent, and how many bytes the page has acknowledged.

pub(crate) mod credit;
pub(crate) mod notices;
