//! The dedicated worker of one tab.

use gloo_worker::Registrable as _;
use tabmq_worker::TabWorker;
use wasm_bindgen::JsValue;

fn main() {
    std::panic::set_hook(Box::new(|panic| {
        web_sys::console::error_1(&JsValue::from_str(&panic.to_string()));
    }));
    TabWorker::registrar().register();
}
