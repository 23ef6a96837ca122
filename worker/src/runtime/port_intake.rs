//! Receives the ports that a page attaches: `worker.postMessage({ tabmq: "page" | "mqtt", port }, [port])`.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use web_sys::{Event, EventTarget, MessageEvent, MessagePort};

use crate::browser::events::Listener;

#[wasm_bindgen]
extern "C" {
    /// The message that carries a port.
    #[wasm_bindgen(extends = js_sys::Object)]
    type PortMessage;

    #[wasm_bindgen(method, getter)]
    fn tabmq(this: &PortMessage) -> Option<String>;

    #[wasm_bindgen(method, getter)]
    fn port(this: &PortMessage) -> JsValue;

    /// Whether the port wants accepted byte counts and the reason of its end.
    #[wasm_bindgen(method, getter)]
    fn credit(this: &PortMessage) -> Option<bool>;
}

/// A port whose other end the page has.
#[derive(Debug)]
pub(crate) enum OfferedPort {
    /// For commands and notices.
    Page(MessagePort),
    /// For MQTT.
    Mqtt {
        port: MessagePort,
        /// Whether the port wants accepted byte counts and the reason of its end.
        wants_credit: bool,
    },
    /// A message without a usable port.
    Unknown,
}

/// Ports that wait for a receiver, and the receiver once there is one.
#[derive(Default)]
struct Intake {
    waiting: Vec<OfferedPort>,
    deliver: Option<Rc<dyn Fn(OfferedPort)>>,
}

thread_local! {
    static INTAKE: RefCell<Intake> = RefCell::default();
}

/// Listens for attached ports. Call this before gloo listens.
///
/// All other messages are gloo's, and consist of bytes. This keeps everything else from gloo, because it would trap the worker.
pub fn listen_for_ports() {
    let scope: EventTarget = js_sys::global().unchecked_into();
    let listener = Listener::new(&scope, "message", move |event: Event| {
        let data = event.unchecked_ref::<MessageEvent>().data();
        if !data.is_instance_of::<js_sys::Uint8Array>() {
            event.stop_immediate_propagation();
            on_attached(attached(&data));
        }
    });
    // The listener lives as long as the worker. A scope that takes no listeners gets no messages either.
    core::mem::forget(listener);
}

fn on_attached(attached: OfferedPort) {
    let deliver = INTAKE.with_borrow(|intake| intake.deliver.clone());
    match deliver {
        Some(deliver) => deliver(attached),
        None => INTAKE.with_borrow_mut(|intake| intake.waiting.push(attached)),
    }
}

/// Delivers waiting and future ports to this callback.
pub(crate) fn deliver_to(deliver: impl Fn(OfferedPort) + 'static) {
    let waiting = INTAKE.with_borrow_mut(|intake| core::mem::take(&mut intake.waiting));
    waiting.into_iter().for_each(&deliver);
    INTAKE.with_borrow_mut(|intake| intake.deliver = Some(Rc::new(deliver)));
}

fn attached(data: &JsValue) -> OfferedPort {
    if !data.is_object() {
        return OfferedPort::Unknown;
    }
    let offer: &PortMessage = data.unchecked_ref();
    let Ok(port) = offer.port().dyn_into::<MessagePort>() else {
        return OfferedPort::Unknown;
    };
    match offer.tabmq().as_deref() {
        Some("page") => OfferedPort::Page(port),
        Some("mqtt") => OfferedPort::Mqtt {
            port,
            wants_credit: offer.credit().unwrap_or_default(),
        },
        _ => OfferedPort::Unknown,
    }
}
