//! Retained messages: the list, clearing and restoring.

use super::figures::{count, counted, duration};
use crate::state::retained_set::{Outcome, RetainedSet};

pub(crate) const CLEAR: &str = "Clear retained value";
pub(crate) const CANCEL: &str = "Cancel";
pub(crate) const UNDO: &str = "Undo";
pub(crate) const UNDO_HINT: &str =
    "Publishes the cleared messages again. Subscribers receive them as new messages.";
pub(crate) const SHOW: &str = "Topics to show";
pub(crate) const TREE: &str = "Tree";
pub(crate) const LIST: &str = "Retained";
pub(crate) const TABLE: &str = "Table of retained messages";
pub(crate) const VALUE: &str = "Value";
pub(crate) const EXPIRES: &str = "Expires";
pub(crate) const ALL: &str = "Select all shown";
pub(crate) const OFFLINE: &str = "Not known, because this tab is offline.";
pub(crate) const NONE: &str = "No retained messages.";
pub(crate) const NO_MATCH: &str = "No retained message on a matching topic.";

/// When a retained message expires, in seconds from now.
pub(crate) fn expires(seconds: Option<u64>) -> String {
    match seconds {
        Some(seconds) => format!("in {}", duration(seconds * 1_000)),
        None => "never".to_owned(),
    }
}

fn values(number: usize) -> String {
    counted(number as u64, "retained value", "retained values")
}

/// The button that clears a branch.
pub(crate) fn clear_branch(number: usize) -> String {
    format!("Clear {} here and below…", values(number))
}

/// The button that clears the selected ones.
pub(crate) fn clear_selected(number: usize) -> String {
    match number {
        0 => "Clear selected…".to_owned(),
        1 => "Clear 1 retained value".to_owned(),
        number => format!("Clear {}…", values(number)),
    }
}

pub(crate) fn select(topic: &str) -> String {
    format!("Select {topic}")
}

pub(crate) fn more(number: usize) -> String {
    format!(
        "{} more not shown. Search to find them.",
        count(number as u64)
    )
}

/// The title of the dialog.
pub(crate) fn confirm_title(set: &RetainedSet) -> String {
    format!("Clear {}?", values(set.topics().len()))
}

pub(crate) fn confirm(set: &RetainedSet) -> String {
    let number = count(set.topics().len() as u64);
    let all = format!("This publishes {number} empty retained messages. Subscribers receive them.");
    match set.not_kept() {
        0 => all,
        not_kept => format!("{all} {}", cannot_undo(not_kept)),
    }
}

pub(crate) fn confirm_button(set: &RetainedSet) -> String {
    format!("Clear {}", values(set.topics().len()))
}

/// The topics that the dialog does not name.
pub(crate) fn and_more(number: usize) -> String {
    format!("and {} more", count(number as u64))
}

fn cannot_undo(number: usize) -> String {
    let values = counted(number as u64, "value is", "values are");
    format!("{values} too large for Undo.")
}

pub(crate) fn cleared(set: &RetainedSet, outcome: &Outcome) -> String {
    let done = results("Cleared", outcome);
    match set.not_kept() {
        0 => done,
        not_kept => format!("{done} {}", cannot_undo(not_kept)),
    }
}

pub(crate) fn restored(outcome: &Outcome) -> String {
    let skipped = match outcome.skipped {
        0 => None,
        number => {
            let (values, it) = match number {
                1 => ("1 value was".to_owned(), "its topic has"),
                _ => (
                    format!("{} values were", count(number as u64)),
                    "their topics have",
                ),
            };
            Some(format!("{values} not restored: {it} a newer one."))
        }
    };
    let restored = match (outcome.done, outcome.failed) {
        (0, 0) if skipped.is_some() => None,
        (0, 0) => Some("Nothing to restore: the cleared messages have expired.".to_owned()),
        _ => Some(results("Restored", outcome)),
    };
    let sentences: Vec<String> = restored.into_iter().chain(skipped).collect();
    sentences.join(" ")
}

fn results(verb: &str, outcome: &Outcome) -> String {
    match &outcome.why {
        None => format!("{verb} {}.", values(outcome.done)),
        Some(why) => format!(
            "{verb} {} of {}. The first failure: {why}",
            count(outcome.done as u64),
            values(outcome.done + outcome.failed)
        ),
    }
}

/// The broker does not answer about its retained messages.
pub(crate) fn unreadable(why: &str) -> String {
    format!("Nothing was changed, because the retained values cannot be read: {why}")
}
