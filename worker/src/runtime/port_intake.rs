//! What a page attaches to the worker: `worker.postMessage({ tabmq: "page" | "mqtt", port }, [port])`.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use web_sys::{Event, EventTarget, MessageEvent, MessagePort};

use crate::browser::events::Listener;

#[wasm_bindgen]
extern "C" {
    /// What is posted.
    #[wasm_bindgen(extends = js_sys::Object)]
    type PortMessage;

    #[wasm_bindgen(method, getter)]
    fn tabmq(this: &PortMessage) -> Option<String>;

    #[wasm_bindgen(method, getter)]
    fn port(this: &PortMessage) -> JsValue;

    /// Whether it wants to hear how many bytes have been taken, and why it ends.
    #[wasm_bindgen(method, getter)]
    fn credit(this: &PortMessage) -> Option<bool>;
}

/// One end of a channel, of which the page has the other.
#[derive(Debug)]
pub(crate) enum OfferedPort {
    /// For commands and notices.
    Page(MessagePort),
    /// For MQTT.
    Mqtt {
        port: MessagePort,
        /// Whether it wants to hear how many bytes have been taken, and why it ends. and why it ends.
        wants_credit: bool,
    },
    /// Nothing that is known here.
    Unknown,
}

/// What came before there was anybody to tell, and who is told now.
#[derive(Default)]
struct Intake {
    waiting: Vec<OfferedPort>,
    deliver: Option<Rc<dyn Fn(OfferedPort)>>,
}

thread_local! {
    static INTAKE: RefCell<Intake> = RefCell::default();
}

/// Hears of what is attached. To be called before gloo listens.
///
/// Whatever else the page posts is gloo's and consists of bytes. Anything that does not must not reach it: it would take
/// the whole worker down.
pub fn listen_for_ports() {
    let scope: EventTarget = js_sys::global().unchecked_into();
    let listener = Listener::new(&scope, "message", move |event: Event| {
        let data = event.unchecked_ref::<MessageEvent>().data();
        if !data.is_instance_of::<js_sys::Uint8Array>() {
            event.stop_immediate_propagation();
            on_attached(attached(&data));
        }
    });
    // As long as the worker. A scope that does not take listeners has no messages either.
    core::mem::forget(listener);
}

fn on_attached(attached: OfferedPort) {
    let deliver = INTAKE.with_borrow(|intake| intake.deliver.clone());
    match deliver {
        Some(deliver) => deliver(attached),
        None => INTAKE.with_borrow_mut(|intake| intake.waiting.push(attached)),
    }
}

/// Tells what has been attached, and what will be.
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
