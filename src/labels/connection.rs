//! Channel, storage and connection.

use tabmq_worker::api::{Durability, StorageState};

pub(crate) const TITLE: &str = "Connection";
pub(crate) const CHANNEL: &str = "Channel";
pub(crate) const CHANNEL_FORMAT: &str =
    "A channel name has 1 to 64 characters: a to z, A to Z, 0 to 9, “.”, “_” and “-”.";
pub(crate) const STORAGE: &str = "Storage, if this tab is the broker";
pub(crate) const JOIN: &str = "Switch channel";
pub(crate) const SESSION: &str = "Session";
pub(crate) const CONNECT: &str = "Connect";
pub(crate) const RECONNECT: &str = "Reconnect";
pub(crate) const DISCONNECT: &str = "Disconnect";
pub(crate) const CLIENT_ID: &str = "Client ID";
pub(crate) const CLIENT_ID_HINT: &str = "Leave empty to use the tab’s ID.";
pub(crate) const EXPIRY: &str = "Session expiry (seconds)";
pub(crate) const NEVER_EXPIRES: &str = "The session never expires";
pub(crate) const KEEP_ALIVE: &str = "Keep alive (seconds)";
pub(crate) const KEEP_ALIVE_HINT: &str = "0 turns it off.";
pub(crate) const USER_NAME: &str = "User name";
pub(crate) const PASSWORD: &str = "Password";
pub(crate) const CLEAN_START: &str = "Clean start";
pub(crate) const WILL_HINT: &str = "Leave empty for no will.";
pub(crate) const WILL_DELAY: &str = "Delay (seconds)";
pub(crate) const WILL_ON_DISCONNECT: &str = "Also publish the will when I disconnect";

pub(crate) fn settings(is_open: bool) -> &'static str {
    if is_open { "Done" } else { "Settings…" }
}

/// How the broker keeps its state; `None`: there is no broker.
pub(crate) fn kept(durability: Option<Durability>, state: StorageState) -> &'static str {
    match (durability, state) {
        (None, _) => "Waiting for a broker…",
        (Some(_), StorageState::Full) => {
            "The browser’s storage is full: the broker refuses messages that it must store."
        }
        (Some(_), StorageState::Failing) => {
            "The browser’s database fails: the broker refuses messages that it must store."
        }
        (Some(_), StorageState::Memory) | (Some(Durability::Memory), StorageState::Ok) => {
            "In memory only. Lost when the broker’s tab closes."
        }
        (Some(Durability::Relaxed), StorageState::Ok) => {
            "Saved on disk, as long as the browser keeps this site’s data."
        }
        (Some(Durability::Strict), StorageState::Ok) => {
            "Saved and flushed to disk, as long as the browser keeps this site’s data."
        }
    }
}

pub(crate) fn will(is_set: bool) -> &'static str {
    if is_set { "Will (set)" } else { "Will" }
}
