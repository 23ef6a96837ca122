//! Web Locks. web-sys keeps them behind its unstable APIs, so the two calls needed are declared here.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, WorkerGlobalScope, WorkerNavigator};

use crate::locks::{Outcome, Standing};

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

/// How a lock is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// In turn.
    Queue,
    /// Only if nobody holds it.
    IfFree,
    /// Now; whoever holds it loses it.
    Steal,
}

/// A lock that is held or asked for; dropped, it is released or leaves the queue.
#[derive(Debug)]
pub(crate) struct WebLock {
    state: Rc<State>,
    /// Takes the request back; the browser knows that only of one that queues.
    abort: Option<AbortController>,
}

#[derive(Debug, Default)]
struct State {
    is_dropped: Cell<bool>,
    is_over: Cell<bool>,
    /// Ends the promise for whose life the lock is held.
    release: RefCell<Option<Function>>,
}

/// Whether this browser offers Web Locks here. Browsers do not in pages that are not secure.
pub(crate) fn are_offered() -> bool {
    manager().is_some()
}

fn manager() -> Option<LockManager> {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let navigator: WorkerNavigator = scope.navigator();
    let locks = Reflect::get(&navigator, &JsValue::from_str("locks")).ok()?;
    locks.is_object().then(|| locks.unchecked_into())
}

impl WebLock {
    pub(crate) fn request(
        name: &str,
        how: How,
        on_outcome: impl Fn(Outcome) + Clone + 'static,
    ) -> Result<Self, JsValue> {
        let locks = manager().ok_or("this browser offers no Web Locks here")?;
        let options = Object::new();
        let set = |option: &str, value: &JsValue| {
            Reflect::set(&options, &JsValue::from_str(option), value).map(drop)
        };
        let mut abort = None;
        match how {
            How::Queue => {
                let controller = AbortController::new()?;
                set("signal", &controller.signal())?;
                abort = Some(controller);
            }
            How::IfFree => set("ifAvailable", &JsValue::TRUE)?,
            How::Steal => set("steal", &JsValue::TRUE)?,
        }

        let state = Rc::new(State::default());
        let held = Rc::clone(&state);
        let granted = on_outcome.clone();
        let callback = Closure::once_into_js(move |lock: JsValue| -> Promise {
            if held.is_dropped.get() {
                return Promise::resolve(&JsValue::UNDEFINED);
            }
            if lock.is_null() {
                held.is_over.set(true);
                granted(Outcome::NotFree);
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
            if ended.is_err() && !requested.is_dropped.get() {
                requested.is_over.set(true);
                on_outcome(Outcome::Lost);
            }
        });
        Ok(Self { state, abort })
    }

    pub(crate) fn standing(&self) -> Standing {
        if self.state.is_over.get() {
            Standing::Over
        } else if self.state.release.borrow().is_some() {
            Standing::Held
        } else {
            Standing::Requested
        }
    }
}

impl Drop for WebLock {
    fn drop(&mut self) {
        self.state.is_dropped.set(true);
        match (self.state.release.take(), &self.abort) {
            // A resolving function does not throw.
            (Some(release), _) => drop(release.call0(&JsValue::UNDEFINED)),
            (None, Some(abort)) => abort.abort(),
            // Granted all the same, it is released at once.
            (None, None) => {}
        }
    }
}
