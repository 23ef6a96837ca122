//! Alerts, and why something is not there.

pub(crate) const OFFLINE: &str = "This tab is offline.";
pub(crate) const RELOAD: &str = "Reload";
pub(crate) const DISMISS: &str = "Dismiss";

/// The channel's name is not valid.
pub(crate) const CHANNEL_REFUSED: &str = "A channel name has 1 to 64 characters: a to z, A to Z, 0 to 9, “.”, “_” and “-”. This tab can join no channel until you choose another name under “Settings…”.";

/// When a retained message expires; 0: it has expired.
pub(crate) fn retained_expires(seconds: u64) -> String {
    match seconds {
        0 => "The retained message has expired.".to_owned(),
        seconds => format!("The retained message expires in {seconds} s."),
    }
}

/// While the broker's answer about a topic is missing.
pub(crate) const LOADING: &str = "Loading…";

/// Invalid values in the page's address.
pub(crate) fn invalid_address(notes: &[String]) -> String {
    format!("Not understood in the address: {}.", notes.join(", "))
}

/// A value that is not understood, and what is used instead.
pub(crate) fn not_understood(name: &str, value: &str, used: &str) -> String {
    format!("{name}={value} ({used} is used)")
}

/// The subscription identifier that is used instead of an invalid one.
pub(crate) const NO_IDENTIFIER: &str = "none";

/// A payload that does not fit its format.
pub(crate) fn payload_not_understood(format: &str) -> String {
    format!("payload, which is not {format} (the form shows it as it is)")
}

/// The program of the page has ended with this message.
pub(crate) fn stopped(panic: &str) -> String {
    format!(
        "This page has stopped because of an error in its program. Reload it to start again. ({panic})"
    )
}
