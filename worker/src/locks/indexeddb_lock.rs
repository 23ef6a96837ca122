//! Mutual exclusion by IndexedDB, for insecure pages, where browsers offer no Web Locks.
//!
//! A database gets a new version only after all connections at the old version are closed. So each lock is a database. The tab
//! that raised its version holds the lock until its connection closes, at the latest with the tab. A tab that requests the next
//! version waits for that. The browser queues the requests for one database.

use core::fmt;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::Event;

use super::{Outcome, RequestState};
use crate::browser::error::is;
use crate::browser::events::Listener;
use crate::browser::indexeddb::{self, Database};

/// A lock that is held or requested. Dropping it releases the lock or cancels the request.
///
/// The browser cannot remove a request from its queue: a cancelled request takes the lock in its turn, and releases it.
#[derive(Debug)]
pub(crate) struct IndexedDbLock(Rc<State>);

struct State {
    on_event: Box<dyn Fn(Outcome)>,
    is_dropped: Cell<bool>,
    state: Cell<RequestState>,
    held: RefCell<Option<Held>>,
}

/// The connection that holds the lock. It ignores `versionchange`, the request of other tabs to close it.
struct Held {
    _close: Listener,
    _database: Database,
}

impl IndexedDbLock {
    /// Queues for the lock of this name.
    pub(crate) fn acquire(name: String, on_outcome: impl Fn(Outcome) + 'static) -> Self {
        let state = State::new(on_outcome);
        let queued = Rc::clone(&state);
        spawn_local(async move {
            let database = acquire(&name, &queued.is_dropped).await;
            match database.and_then(|database| Held::new(database, &queued)) {
                Ok(held) => queued.granted(Some(held)),
                Err(_) => queued.over(Outcome::Refused),
            }
        });
        Self(state)
    }

    /// Waits until the lock of this name is free, and deletes its database. The lock is never requested again.
    pub(crate) fn outlive(name: String, on_outcome: impl Fn(Outcome) + 'static) -> Self {
        let state = State::new(on_outcome);
        let queued = Rc::clone(&state);
        spawn_local(async move {
            match indexeddb::delete(&name).await {
                Ok(()) => queued.granted(None),
                Err(_) => queued.over(Outcome::Refused),
            }
        });
        Self(state)
    }

    pub(crate) fn state(&self) -> RequestState {
        self.0.state.get()
    }
}

impl Drop for IndexedDbLock {
    fn drop(&mut self) {
        self.0.is_dropped.set(true);
        self.0.held.take();
    }
}

/// Deletes the databases of locks, recognised by `is_of_lock`. The deletion of a held lock's database waits for its release.
pub(crate) fn clean_up(is_of_lock: impl Fn(&str) -> bool + 'static) {
    spawn_local(async move {
        // A browser that does not list its databases keeps empty ones, which do no harm.
        let names = indexeddb::names().await.unwrap_or_default();
        for name in names.into_iter().filter(|name| is_of_lock(name)) {
            // The next broker retries a deletion that fails.
            spawn_local(async move { indexeddb::delete(&name).await.unwrap_or_default() });
        }
    });
}

async fn acquire(name: &str, is_dropped: &Cell<bool>) -> Result<Database, JsValue> {
    let mut version = None;
    while !is_dropped.get() {
        match indexeddb::open(name, version, |_| Ok(())).await {
            Ok(opened) if opened.is_upgraded => return Ok(opened.database),
            // The version did not change, so another tab may hold the lock at this version.
            Ok(opened) => version = Some(opened.database.version() + 1.0),
            // Another tab has raised the version since.
            Err(error) if is(&error, "VersionError") => version = None,
            Err(error) => return Err(error),
        }
    }
    Err(JsValue::from_str("the request was cancelled"))
}

impl State {
    fn new(on_event: impl Fn(Outcome) + 'static) -> Rc<Self> {
        Rc::new(Self {
            on_event: Box::new(on_event),
            is_dropped: Cell::new(false),
            state: Cell::new(RequestState::Requested),
            held: RefCell::new(None),
        })
    }

    fn granted(&self, held: Option<Held>) {
        // Otherwise the connection is dropped, which releases the lock.
        if !self.is_dropped.get() {
            self.held.replace(held);
            self.state.set(RequestState::Held);
            (self.on_event)(Outcome::Granted);
        }
    }

    fn over(&self, outcome: Outcome) {
        if !self.is_dropped.get() {
            self.held.take();
            self.state.set(RequestState::Over);
            (self.on_event)(outcome);
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("State");
        debug.field("is_dropped", &self.is_dropped);
        debug.field("state", &self.state);
        debug.finish_non_exhaustive()
    }
}

impl Held {
    fn new(database: Database, state: &Rc<State>) -> Result<Self, JsValue> {
        let lost = Rc::downgrade(state);
        // The browser closes the connection when a person clears the site's data.
        let close = Listener::new(&database, "close", move |_: Event| {
            if let Some(state) = lost.upgrade() {
                state.over(Outcome::Lost);
            }
        })?;
        Ok(Self {
            _close: close,
            _database: database,
        })
    }
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use crate::browser::clock::pause;
    use crate::browser::testing::Received;

    fn acquire(name: &str) -> (IndexedDbLock, Received<Outcome>) {
        let told = Received::new();
        (IndexedDbLock::acquire(name.to_owned(), told.sink()), told)
    }

    #[wasm_bindgen_test]
    async fn the_lock_goes_round_among_waiters_and_is_never_held_twice() {
        let holder = acquire("tabmq/test/round");
        assert_eq!(holder.1.next().await, Outcome::Granted);
        let mut waiters = vec![
            acquire("tabmq/test/round"),
            acquire("tabmq/test/round"),
            acquire("tabmq/test/round"),
        ];
        for (_, told) in &waiters {
            told.nothing().await;
        }
        drop(holder);
        while !waiters.is_empty() {
            let mut held = Vec::new();
            while held.is_empty() {
                pause(2).await;
                held = (0..waiters.len())
                    .filter(|it| waiters[*it].0.state() == RequestState::Held)
                    .collect();
            }
            // Long enough for a wrong second grant.
            pause(100).await;
            let is_held = |(mutex, _): &&(IndexedDbLock, _)| mutex.state() == RequestState::Held;
            assert_eq!(waiters.iter().filter(is_held).count(), 1);
            let (mutex, told) = waiters.remove(held[0]);
            assert_eq!(told.next().await, Outcome::Granted);
            drop(mutex);
            told.nothing().await;
        }
    }

    #[wasm_bindgen_test]
    async fn a_cancelled_request_does_not_delay_others() {
        let holder = acquire("tabmq/test/left");
        assert_eq!(holder.1.next().await, Outcome::Granted);
        let left = [acquire("tabmq/test/left"), acquire("tabmq/test/left")];
        let waiter = acquire("tabmq/test/left");
        waiter.1.nothing().await;
        let left = left.map(|(mutex, told)| {
            drop(mutex);
            told
        });
        waiter.1.nothing().await;
        drop(holder);
        assert_eq!(waiter.1.next().await, Outcome::Granted);
        for told in left {
            told.nothing().await;
        }
    }

    #[wasm_bindgen_test]
    async fn a_lock_whose_database_the_browser_closes_is_lost() {
        let (holder, told) = acquire("tabmq/test/closed");
        assert_eq!(told.next().await, Outcome::Granted);
        let database = holder
            .0
            .held
            .borrow()
            .as_ref()
            .map(|it| (*it._database).clone());
        let close = Event::new("close").unwrap();
        database.unwrap().dispatch_event(&close).unwrap();
        assert_eq!(told.next().await, Outcome::Lost);
        assert_eq!(holder.state(), RequestState::Over);
        // A lost lock is free.
        let next = acquire("tabmq/test/closed");
        assert_eq!(next.1.next().await, Outcome::Granted);
    }

    #[wasm_bindgen_test]
    async fn simultaneous_requests_have_one_winner() {
        let all: Vec<_> = (0..6).map(|_| acquire("tabmq/test/start")).collect();
        pause(500).await;
        let is_held = |(mutex, _): &&(IndexedDbLock, _)| mutex.state() == RequestState::Held;
        assert_eq!(all.iter().filter(is_held).count(), 1);
    }

    #[wasm_bindgen_test]
    async fn waiting_for_a_holder_to_end_leaves_no_database_behind() {
        let name = "tabmq/test/outlived";
        let holder = acquire(name);
        assert_eq!(holder.1.next().await, Outcome::Granted);
        let told = [Received::new(), Received::new()];
        let watchers = [
            IndexedDbLock::outlive(name.to_owned(), told[0].sink()),
            IndexedDbLock::outlive(name.to_owned(), told[1].sink()),
        ];
        told[0].nothing().await;
        assert_eq!(watchers[0].state(), RequestState::Requested);
        let [_first, second] = watchers;
        drop(second);
        drop(holder);
        assert_eq!(told[0].next().await, Outcome::Granted);
        told[1].nothing().await;
        let names = indexeddb::names().await.unwrap();
        assert!(!names.contains(&name.to_owned()), "{names:?}");
    }

    #[wasm_bindgen_test]
    async fn only_databases_of_free_locks_are_cleaned_up() {
        let gone = acquire("tabmq/test/clean/gone");
        let held = acquire("tabmq/test/clean/held");
        let other = acquire("tabmq/test/other");
        for (_, told) in [&gone, &held, &other] {
            assert_eq!(told.next().await, Outcome::Granted);
        }
        drop(gone);
        drop(other);
        let left = async || {
            let names = indexeddb::names().await.unwrap();
            let ours = [
                "tabmq/test/clean/gone",
                "tabmq/test/clean/held",
                "tabmq/test/other",
            ];
            ours.map(|name| names.iter().any(|it| it == name))
        };
        assert_eq!(left().await, [true, true, true]);
        clean_up(|name| name.starts_with("tabmq/test/clean/"));
        held.1.nothing().await;
        assert_eq!(held.0.state(), RequestState::Held);
        assert_eq!(left().await, [false, true, true]);
        drop(held);
        pause(100).await;
        assert_eq!(left().await, [false, false, true]);
    }
}
