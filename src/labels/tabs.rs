//! Tabs.

use super::figures::count;

pub(crate) const TITLE: &str = "Tabs";
pub(crate) const TAB: &str = "Tab";
pub(crate) const VIEWS: &str = "Views";
pub(crate) const ROLE: &str = "Role of this tab";
pub(crate) const MEMBERS: &str = "Tabs on this channel";
pub(crate) const THIS: &str = "this tab";
pub(crate) const NO_CHANNEL: &str = "This tab has joined no channel.";
pub(crate) const AGE: &str = "Since it joined";
pub(crate) const BROKER: &str = "Broker";
pub(crate) const CLIENT: &str = "Client";
pub(crate) const FROZEN: &str = "Frozen";
pub(crate) const VISIBLE: &str = "visible";
pub(crate) const HIDDEN: &str = "hidden";
pub(crate) const OPEN_ONE: &str = "Open a tab";
pub(crate) const OPEN_MANY: &str = "Open";
pub(crate) const HOW_MANY: &str = "How many tabs to open";
pub(crate) const OPEN_MANY_UNIT: &str = "tabs";

pub(crate) fn clients(clients: u64) -> String {
    match clients {
        1 => "1 client".to_owned(),
        clients => format!("{} clients", count(clients)),
    }
}

pub(crate) fn build(build: &str) -> String {
    format!("Build {build} of its worker")
}

/// The hint for a first-time visitor; `None` once both steps are done.
pub(crate) fn hint(tabs: usize, has_met_another: bool, failovers: u64) -> Option<&'static str> {
    match (tabs, has_met_another, failovers) {
        // Without the second tab, the first step is to do again.
        (0 | 1, false, _) | (0 | 1, true, 0) => Some(
            "1. Open a second tab: what you publish in one arrives in both. 2. Then stop the broker: the other tab takes over.",
        ),
        (2, _, 0) => Some(
            "✓ A second tab is open. 2. Now stop the broker (Close, Crash or Freeze): the other tab takes over.",
        ),
        _ => None,
    }
}

/// How many of the tabs opened at once have joined; `None`: all.
pub(crate) fn joined(joined: usize, wanted: u32) -> Option<String> {
    let all = usize::try_from(wanted).unwrap_or(usize::MAX);
    match joined {
        joined if joined >= all => None,
        // A browser always opens one tab for the click, and blocks the others.
        0 | 1 => Some(format!(
            "The browser opened {joined} of {wanted} tabs. Allow pop-ups for this site to open several at once."
        )),
        joined => Some(format!("{joined} of {wanted} tabs have joined so far.")),
    }
}
