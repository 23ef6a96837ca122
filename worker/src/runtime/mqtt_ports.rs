//! Ports for MQTT in bytes: the streams between `MessagePort`s and the tab.

use js_sys::{ArrayBuffer, Object, Reflect, Uint8Array};
use tab::sorted::Map;
use tab::{PortInput, PortNo, PortOutput};
use wasm_bindgen::prelude::*;
use web_sys::{Event, MessageEvent, MessagePort};

use crate::browser::events::Listener;

/// The open ports.
#[derive(Debug, Default)]
pub(crate) struct MqttPorts {
    open: Map<PortNo, MqttPort>,
    last: u32,
}

#[derive(Debug)]
struct MqttPort {
    port: MessagePort,
    wants_credit: bool,
    _message: Listener,
    _close: Listener,
}

/// The object `{ reasonCode }`.
fn end(reason_code: u8) -> Result<Object, JsValue> {
    let end = Object::new();
    let code = JsValue::from(reason_code);
    Reflect::set(&end, &JsValue::from_str("reasonCode"), &code)?;
    Ok(end)
}

impl MqttPorts {
    /// Opens a port and returns its number. Bytes arrive as `Uint8Array` or `ArrayBuffer`, split anywhere; `null` is the end.
    /// `on_input` is called later, never before this returns.
    pub(crate) fn open(
        &mut self,
        port: MessagePort,
        wants_credit: bool,
        on_input: impl Fn(PortNo, PortInput) + Clone + 'static,
    ) -> Result<PortNo, JsValue> {
        self.last += 1;
        let no = PortNo(self.last);
        let closed = on_input.clone();
        let message = Listener::new(&port, "message", move |event: Event| {
            let data = event.unchecked_ref::<MessageEvent>().data();
            let bytes = if let Some(buffer) = data.dyn_ref::<ArrayBuffer>() {
                Some(Uint8Array::new(buffer).to_vec())
            } else {
                data.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec)
            };
            // Any other message ends the stream, because a stream with a gap is unreadable.
            on_input(no, bytes.map_or(PortInput::Closed, PortInput::Bytes));
        })?;
        // Browsers with this event report a page that is gone without a message.
        let close = Listener::new(&port, "close", move |_: Event| {
            closed(no, PortInput::Closed);
        })?;
        port.start();
        let port = MqttPort {
            port,
            wants_credit,
            _message: message,
            _close: close,
        };
        self.open.insert(no, port);
        Ok(no)
    }

    /// Closes a port whose other end the page has closed.
    pub(crate) fn forget(&mut self, no: PortNo) {
        if let Some(it) = self.open.remove(&no) {
            it.port.close();
        }
    }

    /// Posts each packet as a `Uint8Array`, and the end as `null`. A port that wants credit also gets the count of accepted bytes
    /// as a number, and before the end MQTT's reason code, if there is one, as `{ reasonCode }`.
    pub(crate) fn carry_out(&mut self, no: PortNo, output: &PortOutput) -> Result<(), JsValue> {
        let Some(it) = self.open.get(&no) else {
            return Ok(());
        };
        match output {
            PortOutput::Bytes(bytes) => it.port.post_message(&Uint8Array::from(bytes.as_slice())),
            PortOutput::Accepted(_) if !it.wants_credit => Ok(()),
            PortOutput::Accepted(count) =>
            {
                #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
                it.port.post_message(&JsValue::from_f64(*count as f64))
            }
            PortOutput::Closed(reason) => {
                if let Some(reason) = reason.filter(|_| it.wants_credit) {
                    it.port.post_message(&end(reason as u8)?.into())?;
                }
                let posted = it.port.post_message(&JsValue::NULL);
                self.forget(no);
                posted
            }
        }
    }
}
