//! The state of a tab and of its connection: role, view, badge, title, storage.

use tabmq_worker::api::{ClientStatus, DisconnectCause, Durability, Role};
use tabmq_worker::{BusStatus, Reason, StorageStatus};

use super::figures::storage_size;
use super::text::short_ids;
use crate::state::share_url::View;

/// A role's name.
fn role_name(role: Role) -> &'static str {
    match role {
        Role::Waiting => "Waiting",
        Role::Client { .. } => "Client",
        Role::Broker { .. } => "Broker",
    }
}

/// A view's name.
pub(crate) fn view(view: View) -> &'static str {
    match view {
        View::Messages => "Messages",
        View::Topics => "Topics",
        View::Routing => "Routing",
        View::Failover => "Failover",
        View::Performance => "Performance",
    }
}

/// The button that moves the focus to the view.
pub(crate) fn skip_to(view: View) -> String {
    format!("Skip to {}", self::view(view))
}

/// The status: one word for style sheets and tests, and a sentence.
pub(crate) fn status(bus: &BusStatus, client: &ClientStatus) -> (&'static str, String) {
    match bus {
        BusStatus::Starting => return ("waiting", "Starting…".to_owned()),
        BusStatus::Failed(_) => return ("disconnected", "The worker has stopped.".to_owned()),
        BusStatus::Refused(_) => {
            return (
                "disconnected",
                "Not connected: the channel’s name is not valid.".to_owned(),
            );
        }
        BusStatus::Open(_) => {}
    }
    match client {
        ClientStatus::Waiting => ("waiting", "Waiting for a broker…".to_owned()),
        ClientStatus::Connecting => ("connecting", "Connecting…".to_owned()),
        ClientStatus::Connected {
            client_id,
            session_present,
            term: _,
        } => {
            let session = if *session_present {
                "session resumed"
            } else {
                "new session"
            };
            let client_id = short_ids(client_id);
            ("connected", format!("{client_id} · {session}"))
        }
        ClientStatus::Disconnected(cause) => (
            "disconnected",
            match cause {
                DisconnectCause::Requested => "Disconnected.".to_owned(),
                DisconnectCause::Refused(code) => {
                    format!("The broker refused the connection: {}.", Reason(*code))
                }
                DisconnectCause::ByBroker(SESSION_TAKEN_OVER) => {
                    "Disconnected. Another tab connected with the same client ID (0x8E).".to_owned()
                }
                DisconnectCause::ByBroker(code) => {
                    format!("The broker ended the connection: {}.", Reason(*code))
                }
                DisconnectCause::BrokerError(code) => format!(
                    "Disconnected, because the broker sent an invalid packet: {}.",
                    Reason(*code)
                ),
            },
        ),
    }
}

/// MQTT's reason code "Session taken over".
const SESSION_TAKEN_OVER: u8 = 0x8e;

/// A choice of durability.
pub(crate) fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Relaxed => "On disk",
        Durability::Strict => "On disk, flushed every time (slower)",
        Durability::Memory => "In memory only",
    }
}

/// How long the browser keeps the broker's stored state; `None`: unknown, or nothing is stored.
pub(crate) fn persistence(status: &StorageStatus) -> Option<String> {
    let keeps = match status.is_persistent? {
        true => "The browser keeps it until you clear this site’s data",
        false => {
            "The browser may remove it when space runs low, and does when a private window closes"
        }
    };
    Some(match (status.usage_bytes, status.quota_bytes) {
        (Some(usage), Some(quota)) => {
            format!(
                "{keeps}. {} of {} used.",
                storage_size(usage),
                storage_size(quota)
            )
        }
        (Some(_) | None, _) => format!("{keeps}."),
    })
}

/// A tab's role, or why it has none.
pub(crate) fn badge(role: Role, halt: Option<Halt>) -> &'static str {
    match halt {
        Some(Halt::Offline) => "Offline",
        Some(Halt::Frozen) => "Frozen",
        None => role_name(role),
    }
}

/// Why this tab has no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// Its worker has ended, or its channel's name is not valid.
    Offline,
    /// Its worker is frozen by a remote command.
    Frozen,
}

/// The title of the document.
pub(crate) fn title(badge: &str, view: View, channel: &str) -> String {
    format!("{badge} · {} · {channel} · TabMQ", self::view(view))
}

/// Why a tab is offline. `why` is the page's reason.
pub(crate) fn offline(why: &str) -> String {
    let why = match why {
        "The worker was made to crash." => "You crashed its worker.",
        why => why,
    };
    format!("{why} Reload to rejoin; your settings are in the address.")
}
