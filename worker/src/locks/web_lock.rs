//! Web Locks. web-sys has them behind its unstable APIs, so this file declares the call that it needs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, WorkerGlobalScope, WorkerNavigator};

use super::{Outcome, RequestState};

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

/// How a request treats a lock that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockMode {
    /// Waits in the queue.
    Queue,
    /// Waits for an exclusive holder, and then shares the lock with all requests of this mode.
    Behind,
    /// Takes the lock only if it is free.
    IfFree,
    /// Takes the lock from its holder at once.
    Steal,
}

/// A lock that is held or requested. Dropping it releases the lock or cancels the request.
#[derive(Debug)]
pub(crate) struct WebLock {
    state: Rc<State>,
    /// Cancels a queued request. The browser cannot cancel other requests.
    abort: Option<AbortController>,
}

#[derive(Debug, Default)]
struct State {
    is_dropped: Cell<bool>,
    is_over: Cell<bool>,
    /// Resolves the promise that holds the lock.
    release: RefCell<Option<Function>>,
}

/// Whether this browser offers Web Locks here. Browsers do not offer them to insecure pages.
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
        mode: LockMode,
        on_outcome: impl Fn(Outcome) + Clone + 'static,
    ) -> Result<Self, JsValue> {
        let locks = manager().ok_or("this browser offers no Web Locks here")?;
        let options = Object::new();
        let set = |option: &str, value: &JsValue| {
            Reflect::set(&options, &JsValue::from_str(option), value).map(drop)
        };
        let mut abort = None;
        if mode == LockMode::Behind {
            set("mode", &JsValue::from_str("shared"))?;
        }
        match mode {
            LockMode::Queue | LockMode::Behind => {
                let controller = AbortController::new()?;
                set("signal", &controller.signal())?;
                abort = Some(controller);
            }
            LockMode::IfFree => set("ifAvailable", &JsValue::TRUE)?,
            LockMode::Steal => set("steal", &JsValue::TRUE)?,
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
            let life = Promise::new(&mut |resolve, _reject| {
                held.release.replace(Some(resolve));
            });
            // The callback may release the lock at once.
            granted(Outcome::Granted);
            life
        });
        let ended = locks.request(name, &options, callback.unchecked_ref())?;

        let requested = Rc::clone(&state);
        spawn_local(async move {
            let ended = JsFuture::from(ended).await;
            if ended.is_err() && !requested.is_dropped.get() {
                requested.is_over.set(true);
                let was_held = requested.release.borrow().is_some();
                on_outcome(if was_held {
                    Outcome::Lost
                } else {
                    Outcome::Refused
                });
            }
        });
        Ok(Self { state, abort })
    }

    pub(crate) fn state(&self) -> RequestState {
        if self.state.is_over.get() {
            RequestState::Over
        } else if self.state.release.borrow().is_some() {
            RequestState::Held
        } else {
            RequestState::Requested
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
            // If the lock is still granted, the callback releases it at once.
            (None, None) => {}
        }
    }
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use crate::browser::testing::Received;

    fn ask(name: &str, mode: LockMode) -> (WebLock, Received<Outcome>) {
        let told = Received::new();
        (WebLock::request(name, mode, told.sink()).unwrap(), told)
    }

    #[wasm_bindgen_test]
    async fn a_released_lock_goes_to_the_next_request_that_was_not_cancelled() {
        let first = ask("test/queue", LockMode::Queue);
        let second = ask("test/queue", LockMode::Queue);
        let third = ask("test/queue", LockMode::Queue);
        assert_eq!(first.1.next().await, Outcome::Granted);
        assert_eq!(first.0.state(), RequestState::Held);
        assert_eq!(third.0.state(), RequestState::Requested);
        drop(second.0);
        drop(first.0);
        assert_eq!(third.1.next().await, Outcome::Granted);
        first.1.nothing().await;
        second.1.nothing().await;
    }

    #[wasm_bindgen_test]
    async fn a_request_that_does_not_wait_learns_that_the_lock_is_not_free() {
        let holder = ask("test/if-free", LockMode::IfFree);
        assert_eq!(holder.1.next().await, Outcome::Granted);
        let other = ask("test/if-free", LockMode::IfFree);
        assert_eq!(other.1.next().await, Outcome::NotFree);
        assert_eq!(other.0.state(), RequestState::Over);
        drop(holder);
        other.1.nothing().await;
        let other = ask("test/if-free", LockMode::IfFree);
        assert_eq!(other.1.next().await, Outcome::Granted);
    }

    #[wasm_bindgen_test]
    async fn a_steal_takes_the_lock_and_the_holder_learns_it_and_the_queue_stays() {
        let holder = ask("test/steal", LockMode::Queue);
        assert_eq!(holder.1.next().await, Outcome::Granted);
        let waiter = ask("test/steal", LockMode::Queue);
        let thief = ask("test/steal", LockMode::Steal);
        assert_eq!(thief.1.next().await, Outcome::Granted);
        assert_eq!(holder.1.next().await, Outcome::Lost);
        assert_eq!(holder.0.state(), RequestState::Over);
        waiter.1.nothing().await;
        drop(thief.0);
        assert_eq!(waiter.1.next().await, Outcome::Granted);
        thief.1.nothing().await;
        // A lost lock is not released again.
        drop(holder);
        assert_eq!(
            ask("test/steal", LockMode::IfFree).1.next().await,
            Outcome::NotFree
        );
    }

    #[wasm_bindgen_test]
    async fn a_request_that_is_dropped_at_once_holds_nothing() {
        for mode in [LockMode::Queue, LockMode::IfFree, LockMode::Steal] {
            let (lock, told) = ask("test/dropped", mode);
            drop(lock);
            told.nothing().await;
        }
        assert_eq!(
            ask("test/dropped", LockMode::IfFree).1.next().await,
            Outcome::Granted
        );
    }
}
