//! What a page attaches to the worker: `worker.postMessage({ tabmq: "page" | "mqtt", port }, [port])`.

use wasm_bindgen::prelude::*;
use web_sys::{Event, EventTarget, MessageEvent, MessagePort};

use crate::events::Listener;

#[wasm_bindgen]
extern "C" {
    /// What is posted.
    #[wasm_bindgen(extends = js_sys::Object)]
    type Offer;

    #[wasm_bindgen(method, getter)]
    fn tabmq(this: &Offer) -> Option<String>;

    #[wasm_bindgen(method, getter)]
    fn port(this: &Offer) -> JsValue;

    /// Whether it wants to hear how many bytes have been taken.
    #[wasm_bindgen(method, getter)]
    fn credit(this: &Offer) -> Option<bool>;
}

/// One end of a channel, of which the page has the other.
#[derive(Debug)]
pub(crate) enum Attached {
    /// For commands and notices.
    Page(MessagePort),
    /// For MQTT.
    Mqtt {
        port: MessagePort,
        /// Whether it wants to hear how many bytes have been taken.
        wants_credit: bool,
    },
    /// Nothing that is known here.
    Unknown,
}

/// Hears of what is attached from now on.
///
/// Whatever else the page posts is gloo's and consists of bytes. Anything that does not must not reach it: it would take
/// the whole worker down.
pub(crate) fn listen(on_attached: impl Fn(Attached) + 'static) -> Result<Listener, JsValue> {
    let scope: EventTarget = js_sys::global().unchecked_into();
    Listener::new(&scope, "message", move |event: Event| {
        let data = event.unchecked_ref::<MessageEvent>().data();
        if !data.is_instance_of::<js_sys::Uint8Array>() {
            event.stop_immediate_propagation();
            on_attached(attached(&data));
        }
    })
}

fn attached(data: &JsValue) -> Attached {
    if !data.is_object() {
        return Attached::Unknown;
    }
    let offer: &Offer = data.unchecked_ref();
    let Ok(port) = offer.port().dyn_into::<MessagePort>() else {
        return Attached::Unknown;
    };
    match offer.tabmq().as_deref() {
        Some("page") => Attached::Page(port),
        Some("mqtt") => Attached::Mqtt {
            port,
            wants_credit: offer.credit().unwrap_or_default(),
        },
        _ => Attached::Unknown,
    }
}
