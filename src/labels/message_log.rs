//! The log of messages.

use super::figures::{count, counted, messages};
use crate::state::opened_file::{Broken, Skipped};

pub(crate) const TITLE: &str = "Messages";
pub(crate) const LIST: &str = "Messages, the newest first";
pub(crate) const FILTER: &str = "Topic filter";
pub(crate) const FILTER_NAME: &str = "Show topics that match this topic filter";
pub(crate) const SEARCH: &str = "Search";
pub(crate) const SEARCH_NAME: &str = "Search messages";
pub(crate) const SEARCH_HINT: &str = "Key: /. Finds messages with all these words in topic, payload or properties; also qos:1, retained, dup, and bytes like 89504e";
pub(crate) const CLEAR: &str = "Clear";
pub(crate) const DELETES: &str = "deletes the retained message";
pub(crate) const DELETION: &str = "deletion";
pub(crate) const EMPTY_PAYLOAD: &str = "empty payload";
pub(crate) const RETAINED: &str = "retained";
pub(crate) const DUP: &str = "dup";
pub(crate) const SELECTED: &str = "The selected message";
pub(crate) const CLOSE: &str = "Close the message, back to the log";
pub(crate) const BACK: &str = "‹ Back";

pub(crate) const EXPORT: &str = "Export";
pub(crate) const EXPORT_HINT: &str = "Download the messages shown (JSON Lines)";
pub(crate) const IMPORT: &str = "Import…";
pub(crate) const IMPORT_HINT: &str =
    "Opens a file that Export has written, beside the received messages. Nothing is published.";
pub(crate) const SOURCES: &str = "Messages to show";
pub(crate) const LIVE: &str = "Live";
pub(crate) const CLOSE_FILE: &str = "Close file";
pub(crate) const FROM_FILE: &str = "From a file. These messages are not received now.";

/// The number of matches of a search.
pub(crate) fn found(number: u64) -> String {
    format!("{} found", count(number))
}

pub(crate) fn pause(is_paused: bool) -> &'static str {
    if is_paused { "Resume" } else { "Pause" }
}

pub(crate) fn qos(level: u8) -> String {
    format!("QoS {level}")
}

/// The choice of the messages of a file.
pub(crate) fn file(name: &str, messages: u64) -> String {
    format!("{name} ({})", count(messages))
}

/// The lines of a file that are no messages.
pub(crate) fn skipped(skipped: &Skipped) -> String {
    let Skipped { lines, place, why } = skipped;
    let lines = counted(*lines, "line is no message", "lines are no messages");
    let place = count(*place as u64);
    format!("{lines}. The first is line {place}: {}.", broken(*why))
}

/// A file without messages.
pub(crate) fn file_refused(name: &str, skipped: Option<&Skipped>) -> String {
    match skipped {
        Some(Skipped { place, why, .. }) => format!(
            "{name} has no messages as Export writes them. Line {}: {}.",
            count(*place as u64),
            broken(*why)
        ),
        None => format!("{name} is empty, or the browser cannot read it."),
    }
}

fn broken(why: Broken) -> String {
    match why {
        Broken::NoObject => "it is no JSON object".to_owned(),
        Broken::Field(name) => format!("{name} is missing or not valid"),
    }
}

/// The meaning of the number of messages.
pub(crate) const RECEIVED: &str = "Received since the page was opened or the log was cleared";

/// The note at the end of the list of messages.
pub(crate) enum EndOfLog {
    Offline,
    NoSubscriptions,
    Empty,
    Cleared,
    Searching,
    /// None of this many messages matches, but this many new ones do.
    NoMatch(u64, u64),
    /// Number of discarded messages, and limits of the log in messages and mebibytes.
    Discarded(u64, u64, usize),
}

pub(crate) fn end_of_log(end: &EndOfLog) -> String {
    match end {
        EndOfLog::Offline => "No messages. This tab is offline.".to_owned(),
        EndOfLog::NoSubscriptions => "No subscriptions, so no messages arrive here.".to_owned(),
        EndOfLog::Empty => "No messages yet. Publish one, here or in another tab.".to_owned(),
        EndOfLog::Cleared => "Log cleared.".to_owned(),
        EndOfLog::Searching => "Searching older messages…".to_owned(),
        EndOfLog::NoMatch(all, 0) => format!("No match in {}.", messages(*all)),
        EndOfLog::NoMatch(all, new) => format!(
            "No match in {}; {} among the new messages.",
            messages(*all),
            counted(*new, "match", "matches")
        ),
        EndOfLog::Discarded(discarded, kept, mebibytes) => format!(
            "{} discarded. The log keeps the newest {} ({mebibytes} MiB at most).",
            counted(*discarded, "older message was", "older messages were"),
            count(*kept)
        ),
    }
}

/// The number of new rows above a held list.
pub(crate) fn new_rows(number: u64) -> String {
    format!("▲ {} new", count(number))
}

/// A paused list, and the number of new messages that are not in it. `is_search`: only matches count.
pub(crate) fn paused(new: u64, is_search: bool) -> String {
    match is_search {
        true => format!("Paused · {}", counted(new, "new match", "new matches")),
        false => format!("Paused · {} new", count(new)),
    }
}
