//! Web Locks. web-sys keeps them behind its unstable APIs, so the two calls needed are declared here.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, WorkerGlobalScope, WorkerNavigator};

#[wasm_bindgen]
extern "C" {
    type LockManager;

    /// <https://w3c.github.io/web-locks/#dom-lockmanager-request>
    #[wasm_bindgen(method, catch)]
    fn request(
        this: &LockManager,
        name: &str,
        options: &JsValue,
        callback: &Function,
    ) -> Result<Promise, JsValue>;
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The lock is held.
    Granted,
    /// The lock was taken away, or the request failed.
    Lost,
}

/// A lock that is held or queued for; dropped, it is released or leaves the queue.
#[derive(Debug)]
pub(crate) struct WebLock {
    state: Rc<State>,
    abort: AbortController,
}

#[derive(Debug, Default)]
struct State {
    dropped: Cell<bool>,
    /// Ends the promise for whose life the lock is held.
    release: RefCell<Option<Function>>,
}

impl WebLock {
    pub(crate) fn request(
        name: &str,
        on_outcome: impl Fn(Outcome) + Clone + 'static,
    ) -> Result<Self, JsValue> {
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        let navigator: WorkerNavigator = scope.navigator();
        let locks = Reflect::get(&navigator, &JsValue::from_str("locks"))?;
        if locks.is_undefined() {
            return Err(JsValue::from_str("this browser offers no Web Locks here"));
        }
        let locks: LockManager = locks.unchecked_into();

        let state = Rc::new(State::default());
        let abort = AbortController::new()?;
        let options = Object::new();
        Reflect::set(&options, &JsValue::from_str("signal"), &abort.signal())?;

        let held = Rc::clone(&state);
        let granted = on_outcome.clone();
        let callback = Closure::once_into_js(move |_lock: JsValue| -> Promise {
            if held.dropped.get() {
                return Promise::resolve(&JsValue::UNDEFINED);
            }
            granted(Outcome::Granted);
            Promise::new(&mut |resolve, _reject| {
                held.release.replace(Some(resolve));
            })
        });
        let ended = locks.request(name, &options, callback.unchecked_ref())?;

        let requested = Rc::clone(&state);
        spawn_local(async move {
            let ended = JsFuture::from(ended).await;
            if ended.is_err() && !requested.dropped.get() {
                on_outcome(Outcome::Lost);
            }
        });
        Ok(Self { state, abort })
    }
}

impl Drop for WebLock {
    fn drop(&mut self) {
        self.state.dropped.set(true);
        match self.state.release.take() {
            // A resolving function does not throw.
            Some(release) => drop(release.call0(&JsValue::UNDEFINED)),
            None => self.abort.abort(),
        }
    }
}
