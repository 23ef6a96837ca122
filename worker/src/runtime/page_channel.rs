//! The page at the other end: gloo's bridge, or a port on which the same is said.

use gloo_worker::{HandlerId, WorkerScope};
use js_sys::Uint8Array;
use tab::api::{Command, EventKind, Notice};
use wasm_bindgen::prelude::*;
use web_sys::{Event, MessageEvent, MessagePort};

use super::codec;
use super::worker::TabWorker;
use crate::browser::events::Listener;

/// The notices that a page does not get on a port: counters, and what the broker was asked, are for people who watch the bus
/// itself, and pages that do not should not be woken.
pub const PAGE_PORT_OMITTED_NOTICES: [&str; 2] = ["Stats", "Answer"];

/// The events that a page gets on a port, for the same reason: those of `EventKind::is_of_storage`, and the lock that keeps the
/// channel without a broker.
pub const PAGE_PORT_EVENTS: [&str; 11] = [
    "RecordsSkipped",
    "InMemory",
    "Storage",
    "StorageFull",
    "StorageHasRoom",
    "StorageRemoved",
    "StorageFailing",
    "StorageWorks",
    "StorageLost",
    "StorageDamaged",
    "LockHeld",
];

/// Where notices go.
#[derive(Debug)]
pub(crate) enum PageChannel {
    Bridge(WorkerScope<TabWorker>, HandlerId),
    Port(PagePort),
}

/// A port on which commands come and notices go, batches of both in bincode as gloo's bridge has it, whose code it shares:
/// numbers of a fixed size, lowest byte first.
#[derive(Debug)]
pub(crate) struct PagePort {
    port: MessagePort,
    _message: Listener,
}

impl PageChannel {
    pub(crate) fn post(&self, mut notices: Vec<Notice>) -> Result<(), JsValue> {
        match self {
            Self::Bridge(scope, id) => {
                scope.respond(*id, notices);
                Ok(())
            }
            Self::Port(it) => {
                notices.retain(is_for_page_ports);
                if notices.is_empty() {
                    return Ok(());
                }
                let bytes = bincode::serialize(&notices).map_err(|error| {
                    JsValue::from_str(&format!("notices cannot be written: {error}"))
                })?;
                it.port.post_message(&Uint8Array::from(bytes.as_slice()))
            }
        }
    }
}

fn is_for_page_ports(notice: &Notice) -> bool {
    match notice {
        Notice::Event(event) => {
            event.kind.is_of_storage() || matches!(event.kind, EventKind::LockHeld(_))
        }
        Notice::Stats(_) | Notice::Answer(..) => false,
        Notice::Opened { .. }
        | Notice::Role(_)
        | Notice::Roster(_)
        | Notice::Client(..)
        | Notice::Refused(_)
        | Notice::Mark(_)
        | Notice::Log { .. } => true,
    }
}

impl PagePort {
    /// `on_commands` gets what could be read, `None` for what could not.
    pub(crate) fn open(
        port: MessagePort,
        on_commands: impl Fn(Option<Vec<Command>>) + 'static,
    ) -> Result<Self, JsValue> {
        let message = Listener::new(&port, "message", move |event: Event| {
            let data = event.unchecked_ref::<MessageEvent>().data();
            let bytes = data.dyn_into::<Uint8Array>().ok();
            on_commands(bytes.and_then(|bytes| codec::read(&bytes.to_vec())));
        })?;
        port.start();
        Ok(Self {
            port,
            _message: message,
        })
    }
}

#[cfg(test)]
mod tests {
    use tab::api::{Event, TabStats};

    use super::*;

    #[test]
    fn of_all_events_those_that_an_app_acts_on_pass_through_a_port_and_are_named() {
        let why = || "why".to_owned();
        let on_ports = [
            EventKind::RecordsSkipped {
                skipped: 1,
                first: None,
            },
            EventKind::InMemory(why()),
            EventKind::Storage(why()),
            EventKind::StorageFull,
            EventKind::StorageHasRoom,
            EventKind::StorageRemoved,
            EventKind::StorageFailing(why()),
            EventKind::StorageWorks,
            EventKind::StorageLost,
            EventKind::StorageDamaged {
                rows: 1,
                snapshot: false,
            },
            EventKind::LockHeld("lock".to_owned()),
        ];
        let event = |kind| {
            let at = tab::Time::default();
            Notice::Event(Event { at, kind })
        };
        for (kind, name) in on_ports.into_iter().zip(PAGE_PORT_EVENTS) {
            let debug = format!("{kind:?}");
            let starts = debug.strip_prefix(name);
            assert!(
                starts.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)),
                "{debug} is not {name}"
            );
            assert!(is_for_page_ports(&event(kind)), "{name}");
        }
        assert!(!is_for_page_ports(&event(EventKind::Joined)));
        assert!(!is_for_page_ports(&Notice::Stats(TabStats::default())));
    }
}
