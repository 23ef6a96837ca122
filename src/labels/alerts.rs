//! Alerts, and why something is not there.

pub(crate) const OFFLINE: &str = "This tab is offline.";
pub(crate) const RELOAD: &str = "Reload";
pub(crate) const DISMISS: &str = "Dismiss";

/// The channel's name is not valid.
pub(crate) const CHANNEL_REFUSED: &str = "Channel names may contain letters, digits, “.”, “_” and “-”, but no spaces. This tab can join no channel until you choose another name under “Settings…”.";

/// While the broker's answer about a topic is missing.
pub(crate) const LOADING: &str = "Loading…";
