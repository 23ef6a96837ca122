//! The dedicated worker of one tab.

use gloo_worker::Registrable as _;
use tabmq_worker::TabWorker;
use wasm_bindgen::JsValue;

fn main() {
    std::panic::set_hook(Box::new(|panic| {
        web_sys::console::error_1(&JsValue::from_str(&panic.to_string()));
    }));
    tabmq_worker::listen_for_ports();
    TabWorker::registrar().register();
}
