//! Alerts, and why something is not there.

pub(crate) const OFFLINE: &str = "This tab is offline.";
pub(crate) const RELOAD: &str = "Reload";
pub(crate) const DISMISS: &str = "Dismiss";

/// The app is on no channel.
pub(crate) const CHANNEL_REFUSED: &str = "Channel names may contain letters, digits, “.”, “_” and “-”, but no spaces. Choose another under Connection.";

/// Why a topic is not looked up.
pub(crate) const LOADING: &str = "Loading…";
