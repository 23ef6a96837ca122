//! The tree of topics, and the selected topic.

use super::figures::{count, counted, messages};

pub(crate) const TITLE: &str = "Topics";
pub(crate) const RETAINED_HINT: &str = "As the broker says";
pub(crate) const SEARCH: &str = "Search names";
pub(crate) const SEARCH_NAME: &str = "Search topic names";
pub(crate) const SEARCH_HINT: &str = "Key: /. Finds topics whose full names contain all these words. The log’s search looks into messages, too.";
pub(crate) const EXPAND: &str = "Expand all";
pub(crate) const COLLAPSE: &str = "Collapse all";
pub(crate) const CLEAR: &str = "Clear";
pub(crate) const CLEAR_HINT: &str =
    "Forget the topics seen so far. Retained messages stay in the broker.";
pub(crate) const NO_MATCH: &str = "No topic matches.";
pub(crate) const NONE: &str = "No topics yet. They appear with their first message.";
pub(crate) const EMPTY_NAME: &str = "(empty)";
pub(crate) const RETAINED: &str = "retained";
pub(crate) const SELECTED: &str = "The selected topic";
pub(crate) const SELECT: &str =
    "Select a topic to see its latest and retained values, and charts of its numbers.";
pub(crate) const RETAINED_MESSAGE: &str = "Retained message";

/// Number of retained messages; `None`: not known yet.
pub(crate) fn retained(number: Option<usize>) -> String {
    match number {
        Some(number) => format!("{} retained", count(number as u64)),
        None => "… retained".to_owned(),
    }
}

/// A retained message that is not the latest one.
pub(crate) fn retained_value(value: &str) -> String {
    format!("retained: {value}")
}

/// The number of matches of a search.
pub(crate) fn found(number: usize) -> String {
    format!("{} found", count(number as u64))
}

pub(crate) fn topics(number: usize) -> String {
    counted(number as u64, "topic", "topics")
}

/// Messages on topics without room.
pub(crate) fn left_out(number: u64, topics_max: usize) -> String {
    format!(
        "{} on other topics not shown (limit: {} topics).",
        messages(number),
        count(topics_max as u64),
    )
}

/// Messages on a branch of this number of topics, or on a single topic.
pub(crate) fn received(number: u64, branch: Option<usize>) -> String {
    match branch {
        None => messages(number),
        Some(branch) => format!("{} on {}", messages(number), topics(branch)),
    }
}

pub(crate) fn latest(is_retained: bool) -> &'static str {
    if is_retained {
        "Latest message (retained)"
    } else {
        "Latest message"
    }
}
