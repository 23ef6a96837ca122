//! Starts the worker, and returns its `Worker` object, which gloo's bridge hides.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_worker::{Spawnable as _, WorkerBridge};
use js_sys::Function;
use tab::api::Notice;
use wasm_bindgen::prelude::*;
use web_sys::Worker;

use crate::runtime::TabWorker;

// gloo's bridge hides the `Worker`. But only `terminate()` reliably releases a tab's locks when its page is left, and only
// the `error` event reports that a worker's script did not load. So this replaces the constructor for the one call that
// makes the worker. It also keeps an exception of the constructor, which gloo would turn into a trap.
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
