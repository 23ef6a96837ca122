//! Publish.

use super::figures::folded;
use super::visible;

pub(crate) const OPEN: &str = "+ Publish";
pub(crate) const CLOSE: &str = "Close";
pub(crate) const PUBLISH: &str = "Publish";
pub(crate) const FIRST: &str = "Ctrl+Enter to publish";
pub(crate) const KEYS: &str = "Ctrl+Enter";
pub(crate) const FORMAT: &str = "Format";
pub(crate) const STOP: &str = "Stop";
/// After a message from the log has taken the place of one that was not sent.
pub(crate) const REPLACED: &str = "Your unsent message was replaced.";
pub(crate) const RESTORE: &str = "Restore it";
pub(crate) const AGAIN: &str = "Load into the form";
/// Puts a received message into the form.
pub(crate) const PUBLISH_AGAIN: &str = "Publish again…";
pub(crate) const PUBLISH_AGAIN_HINT: &str = "Puts this message into the form under Publish";
pub(crate) const TOO_LARGE_TO_EDIT: &str =
    "Too large for the form. “Save payload” saves all of it.";
pub(crate) const REPEAT: &str = "Repeat until stopped";
pub(crate) const RATE: &str = "Messages per second";
pub(crate) const CONTENT_TYPE: &str = "Content type";
pub(crate) const EXPIRY: &str = "Message expiry (seconds)";
pub(crate) const RESPONSE_TOPIC: &str = "Response topic";
pub(crate) const CORRELATION_DATA: &str = "Correlation data (hex)";
pub(crate) const CORRELATION_DATA_FORMAT: &str = "Two hex digits for each byte";
pub(crate) const IS_UTF8: &str = "Mark as UTF-8 text (Payload Format Indicator)";
pub(crate) const USER_PROPERTIES: &str = "User properties";
pub(crate) const ADD_USER_PROPERTY: &str = "Add a user property";
pub(crate) const REMOVE_USER_PROPERTY: &str = "Remove this user property";
pub(crate) const NAME: &str = "Name";
pub(crate) const VALUE: &str = "Value";

/// The note while a message is repeated.
pub(crate) fn repeating(topic: &str) -> String {
    let topic = visible(topic);
    format!("A message on {topic} is sent again and again. Changes take effect after Stop.")
}

/// Why a topic is not a topic name: `place` is the place of its first wildcard, from 0, in characters.
pub(crate) fn wildcard(place: usize) -> String {
    let place = place + 1;
    format!("Not sent: you can’t publish to a topic with + or # (character {place}).")
}

pub(crate) fn rate_hint(maximum: u32) -> String {
    format!("Up to {maximum}. For more, use the load generator under Performance.")
}

pub(crate) fn properties(filled: usize) -> String {
    folded("Properties", filled)
}

pub(crate) fn repeat(is_on: bool) -> &'static str {
    if is_on { "Repeat (on)" } else { "Repeat" }
}

pub(crate) fn history(sent: usize) -> String {
    folded("History", sent)
}

/// An error in the correlation data.
pub(crate) fn correlation_data(why: &str) -> String {
    format!("Not sent: the correlation data is not hex. {why}")
}
