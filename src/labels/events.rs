//! Events.

use tabmq_worker::api::EventKind;

use super::figures::count;

pub(crate) const TITLE: &str = "Events";
pub(crate) const EXPORT: &str = "Export";
pub(crate) const EXPORT_NAME: &str = "Export events";
pub(crate) const EXPORT_TITLE: &str = "Download the events (JSON Lines)";

/// An event as a sentence for people. The engine's own sentences are for developers.
pub(crate) fn event(kind: &EventKind) -> String {
    match kind {
        EventKind::TabAppeared(tab) => format!("Tab {} joined.", tab.short()),
        EventKind::TabLost(tab) => {
            format!("Tab {} disappeared (crashed or was killed).", tab.short())
        }
        EventKind::Elected {
            after_ms: Some(ms), ..
        } => format!(
            "This tab is the broker ({} ms after the last sign of the previous one).",
            count(*ms)
        ),
        EventKind::Elected { after_ms: None, .. } => "This tab is the broker.".to_owned(),
        EventKind::Promoting => "Elected as broker; loading saved state.".to_owned(),
        EventKind::Restored {
            took_ms,
            sessions,
            retained_messages,
            messages,
        } => format!(
            "State loaded in {} ms: {}, {}, {}.",
            count(*took_ms),
            some(*sessions, "session", "sessions"),
            some(*retained_messages, "retained message", "retained messages"),
            some(*messages, "queued message", "queued messages"),
        ),
        EventKind::RecordsSkipped { skipped, first } => {
            let records = match skipped {
                1 => "1 unreadable record".to_owned(),
                skipped => format!("{} unreadable records", count(*skipped)),
            };
            match first {
                Some(first) => format!("Skipped {records}. The first: {first}."),
                None => format!("Skipped {records}."),
            }
        }
        EventKind::InMemory(why) => {
            format!("State is in memory only, and is lost when this tab closes: {why}")
        }
        EventKind::Storage(why) => format!("Storage error; retrying. {why}"),
        EventKind::StorageFailing(why) => {
            format!(
                "Storage keeps failing. Messages that must be stored are refused until it works. {why}"
            )
        }
        EventKind::StorageWorks => "Storage works again.".to_owned(),
        EventKind::StorageFull => {
            "Storage is full. Messages that must be stored are refused.".to_owned()
        }
        EventKind::StorageHasRoom => "Storage has room again.".to_owned(),
        EventKind::Suspected => "Broker not responding; checking.".to_owned(),
        EventKind::ReplacingBroker => "Still no reply; taking over.".to_owned(),
        EventKind::Deaf => "This tab does not receive what it sends on the channel.".to_owned(),
        EventKind::Suspended { ms } => format!(
            "This tab was suspended for {} ms; checking whether it is still the broker.",
            count(*ms)
        ),
        EventKind::BrokerLost { .. } => "The broker is gone; waiting for the next one.".to_owned(),
        EventKind::Foreign(source) => format!("Ignored a foreign message on {source}."),
        EventKind::LaneReset(tab) => {
            format!(
                "The connection to tab {} was reset: a frame is missing, or too much was sent at once.",
                tab.short()
            )
        }
        EventKind::LockHeld(lock) => format!(
            "Another script of this site holds the lock {lock}, and no broker answers; waiting."
        ),
        EventKind::Joined
        | EventKind::TabLeft(_)
        | EventKind::StorageLost
        | EventKind::StorageDamaged { .. }
        | EventKind::StorageRemoved
        | EventKind::SteppedDown { .. }
        | EventKind::Following { .. }
        | EventKind::Broker(_)
        | EventKind::Runtime(_) => kind.to_string(),
    }
}

fn some(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{} {many}", count(number as u64)),
    }
}

pub(crate) fn forgotten(events: u64) -> String {
    format!("{} older events were discarded.", count(events))
}

/// Whether an event is about a dropped message. Not every dropped message has one; the broker's answer has the number.
pub(crate) fn is_about_a_drop(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Broker(what) if what.starts_with("A message on ") && what.contains(" was dropped: "))
}

/// Whether an event is about the app's internal topics.
pub(crate) fn is_about_the_app(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Broker(what) if what.contains("subscribed to $demo/") || what.contains("unsubscribed from $demo/"))
}
