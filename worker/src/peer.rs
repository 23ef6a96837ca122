//! The page at the other end: gloo's bridge, or a port on which the same is said.

use gloo_worker::{HandlerId, WorkerScope};
use js_sys::Uint8Array;
use tab::api::{Command, Notice};
use wasm_bindgen::prelude::*;
use web_sys::{Event, MessageEvent, MessagePort};

use crate::events::Listener;
use crate::worker::TabWorker;

/// The notices that a page does not get on a port: what happened, how often, and what the broker was asked is for people
/// who watch the bus itself, and pages that do not should not be woken.
pub const NOT_FOR_PORTS: [&str; 3] = ["Event", "Stats", "Answer"];

/// Where notices go.
#[derive(Debug)]
pub(crate) enum Peer {
    Bridge(WorkerScope<TabWorker>, HandlerId),
    Port(PeerPort),
}

/// A port on which commands come and notices go, batches of both in bincode as gloo's bridge has it, whose code it shares:
/// numbers of a fixed size, lowest byte first.
#[derive(Debug)]
pub(crate) struct PeerPort {
    port: MessagePort,
    _message: Listener,
}

impl Peer {
    pub(crate) fn tell(&self, mut notices: Vec<Notice>) -> Result<(), JsValue> {
        match self {
            Self::Bridge(scope, id) => {
                scope.respond(*id, notices);
                Ok(())
            }
            Self::Port(it) => {
                // Those that `NOT_FOR_PORTS` names.
                notices.retain(|it| {
                    !matches!(it, Notice::Event(_) | Notice::Stats(_) | Notice::Answer(..))
                });
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

impl PeerPort {
    /// `on_commands` gets what could be read, `None` for what could not.
    pub(crate) fn open(
        port: MessagePort,
        on_commands: impl Fn(Option<Vec<Command>>) + 'static,
    ) -> Result<Self, JsValue> {
        let message = Listener::new(&port, "message", move |event: Event| {
            let data = event.unchecked_ref::<MessageEvent>().data();
            let bytes = data.dyn_into::<Uint8Array>().ok();
            on_commands(bytes.and_then(|bytes| bincode::deserialize(&bytes.to_vec()).ok()));
        })?;
        port.start();
        Ok(Self {
            port,
            _message: message,
        })
    }
}
