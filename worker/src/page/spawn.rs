//! Starts the worker, and keeps a hold on it that gloo's bridge does not give.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_worker::{Spawnable as _, WorkerBridge};
use js_sys::Function;
use tab::api::Notice;
use wasm_bindgen::prelude::*;
use web_sys::Worker;

use crate::runtime::TabWorker;

// gloo's bridge keeps the `Worker` to itself, but only `terminate()` releases a tab's locks for certain when its page
// is hidden for good, and only the `error` event says that a worker's script could not be loaded. So the constructor is
// watched for the one call that makes it. What the constructor throws is kept too: gloo turns it into a trap.
#[wasm_bindgen(inline_js = r#"
export function watch(construct) {
    const NativeWorker = globalThis.Worker;
    let made;
    let thrown;
    globalThis.Worker = class extends NativeWorker {
        constructor(...parameters) {
            try {
                super(...parameters);
            } catch (error) {
                thrown = error;
                throw error;
            }
            made = this;
        }
    };
    try {
        construct();
    } catch (error) {
        throw thrown ?? error;
    } finally {
        globalThis.Worker = NativeWorker;
    }
    return made;
}
"#)]
extern "C" {
    #[wasm_bindgen(catch)]
    fn watch(construct: &Function) -> Result<Worker, JsValue>;
}

/// Starts the worker from `url`, a module script.
pub(crate) fn spawn(
    url: String,
    on_notices: impl Fn(Vec<Notice>) + 'static,
) -> Result<(WorkerBridge<TabWorker>, Worker), JsValue> {
    let bridge = Rc::new(RefCell::new(None));
    let made = Rc::clone(&bridge);
    let construct = Closure::once_into_js(move || {
        let mut spawner = TabWorker::spawner();
        spawner.callback(on_notices).with_loader(true);
        made.replace(Some(spawner.spawn(&url)));
    });
    let worker = watch(construct.unchecked_ref())?;
    let bridge = bridge.take().ok_or("the worker was not made")?;
    Ok((bridge, worker))
}
