//! The dedicated worker of one tab.

use gloo_worker::Registrable as _;
use tabmq_worker::{TabWorker, Terse};

fn main() {
    // The page gets the text of an exception in its worker. A WebAssembly trap has only the text "unreachable".
    std::panic::set_hook(Box::new(|panic| {
        wasm_bindgen::throw_str(&panic.to_string());
    }));
    tabmq_worker::listen_for_ports();
    TabWorker::registrar().encoding::<Terse>().register();
}
