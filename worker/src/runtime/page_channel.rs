//! The channel to the page: gloo's bridge, or a `MessagePort` with the same protocol.

use gloo_worker::{HandlerId, WorkerScope};
use js_sys::Uint8Array;
use tab::api::{Command, EventKind, Notice};
use wasm_bindgen::prelude::*;
use web_sys::{Event, MessageEvent, MessagePort};

use super::codec;
use super::worker::TabWorker;
use crate::browser::events::Listener;

/// The notices that a page does not get on a port. Counters and answers serve people who watch the bus, and other pages should
/// not be woken for them.
pub const PAGE_PORT_OMITTED_NOTICES: [&str; 2] = ["Stats", "Answer"];

/// The events that a page gets on a port: those of `EventKind::is_of_storage`, and the lock that keeps the channel without a
/// broker. The others are left out for the same reason.
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

/// Carries notices to the page.
#[derive(Debug)]
pub(crate) enum PageChannel {
    Bridge(WorkerScope<TabWorker>, HandlerId),
    Port(PagePort),
}

/// A port for batches of commands and notices in the bincode of gloo's bridge: little-endian numbers of a fixed size.
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
        | Notice::Members(_)
        | Notice::Client(..)
        | Notice::Refused(_)
        | Notice::CreditCheckpoint(_)
        | Notice::Log { .. } => true,
    }
}

impl PagePort {
    /// `on_commands` gets each batch of commands, or `None` for a message that is none.
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
    fn a_page_port_passes_the_named_events_and_no_others() {
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
