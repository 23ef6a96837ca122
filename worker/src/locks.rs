//! The locks of one tab: Web Locks, or IndexedDB where there are none.

mod indexeddb_lock;
mod web_lock;

use core::fmt;
use std::rc::Rc;
use tab::sorted::Map;

use tab::{ChannelName, Lock, LockEvent, LockRequest, TabId};
use wasm_bindgen::prelude::*;

use crate::browser::indexeddb;
use indexeddb_lock::IndexedDbLock;
use web_lock::{LockMode, WebLock};

/// Outcome of a request for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The lock is held.
    Granted,
    /// The lock was taken away.
    Lost,
    /// The browser refused the request.
    Refused,
    /// Another tab holds the lock, and the request does not wait.
    NotFree,
}

/// State of a request for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestState {
    /// The lock is not held yet.
    Requested,
    /// The lock is held.
    Held,
    /// The lock is not held, and will not be.
    Over,
}

/// The locks that one tab holds or has requested. Dropping this releases all.
pub(crate) struct Locks {
    channel: ChannelName,
    tab_id: TabId,
    on_event: Rc<dyn Fn(LockEvent)>,
    requests: Map<Lock, LockHandle>,
}

#[derive(Debug)]
enum LockHandle {
    Web(WebLock),
    IndexedDb(IndexedDbLock),
    Refused,
}

impl Locks {
    pub(crate) fn new(
        channel: ChannelName,
        tab_id: TabId,
        on_event: impl Fn(LockEvent) + 'static,
    ) -> Self {
        Self {
            channel,
            tab_id,
            on_event: Rc::new(on_event),
            requests: Map::new(),
        }
    }

    /// Begins a request. Its outcome arrives as an event. The event may be out of date: check [`Self::is_current`] first.
    pub(crate) fn handle(&mut self, request: LockRequest) -> Result<(), JsValue> {
        match request {
            LockRequest::Acquire(lock) if self.requests.contains_key(&lock) => Ok(()),
            // The request waits for the end of that tab.
            LockRequest::Acquire(lock @ Lock::Tab(tab)) if tab != self.tab_id => {
                self.request(lock, LockMode::Behind)
            }
            LockRequest::Acquire(lock) => self.request(lock, LockMode::Queue),
            LockRequest::AcquireIfFree(lock) if self.requests.contains_key(&lock) => Ok(()),
            LockRequest::AcquireIfFree(lock) => self.request(lock, LockMode::IfFree),
            LockRequest::Steal(lock) if self.state(lock) == Some(RequestState::Held) => Ok(()),
            LockRequest::Steal(lock) => self.request(lock, LockMode::Steal),
            LockRequest::Release(lock) => {
                self.requests.remove(&lock);
                Ok(())
            }
        }
    }

    /// Whether an event belongs to the current request for its lock, and not to a cancelled one. Removes the request of a lost or
    /// refused lock, so that the lock can be requested again.
    pub(crate) fn is_current(&mut self, event: LockEvent) -> bool {
        match event {
            LockEvent::Granted(lock) => self.state(lock) == Some(RequestState::Held),
            LockEvent::Lost(lock) | LockEvent::NotFree(lock) => {
                let is_over = self.state(lock) == Some(RequestState::Over);
                if is_over {
                    self.requests.remove(&lock);
                }
                is_over
            }
            LockEvent::NotSupported(lock) => {
                if self.state(lock) == Some(RequestState::Over) {
                    self.requests.remove(&lock);
                }
                true
            }
        }
    }

    fn request(&mut self, lock: Lock, mode: LockMode) -> Result<(), JsValue> {
        let on_event = Rc::clone(&self.on_event);
        let on_outcome = move |outcome| {
            on_event(match outcome {
                Outcome::Granted => LockEvent::Granted(lock),
                Outcome::Lost => LockEvent::Lost(lock),
                Outcome::Refused => LockEvent::NotSupported(lock),
                Outcome::NotFree => LockEvent::NotFree(lock),
            });
        };
        if web_lock::are_offered() {
            // This tab's own queued request is cancelled first, so that it is not granted after the steal.
            self.requests.remove(&lock);
            let asked = WebLock::request(&self.channel.lock(lock), mode, on_outcome);
            return self.insert(lock, asked.map(LockHandle::Web));
        }
        if !indexeddb::is_offered() {
            let neither = "this browser offers neither Web Locks nor IndexedDB here";
            return self.insert(lock, Err(JsValue::from_str(neither)));
        }
        let asked = match (mode, lock) {
            (LockMode::Queue, Lock::Broker) => IndexedDbLock::acquire(self.database(lock), {
                let is_of_other_tab = self.is_of_other_tab();
                move |outcome| {
                    if outcome == Outcome::Granted {
                        indexeddb_lock::clean_up(is_of_other_tab.clone());
                    }
                    on_outcome(outcome);
                }
            }),
            (LockMode::Behind, _) => IndexedDbLock::outlive(self.database(lock), on_outcome),
            (LockMode::Queue, Lock::Tab(_) | Lock::Steal) => {
                IndexedDbLock::acquire(self.database(lock), on_outcome)
            }
            (LockMode::IfFree | LockMode::Steal, _) => {
                (self.on_event)(LockEvent::NotSupported(lock));
                return Ok(());
            }
        };
        self.insert(lock, Ok(LockHandle::IndexedDb(asked)))
    }

    fn insert(&mut self, lock: Lock, asked: Result<LockHandle, JsValue>) -> Result<(), JsValue> {
        let (asked, done) = match asked {
            Ok(asked) => (asked, Ok(())),
            Err(error) => {
                (self.on_event)(LockEvent::NotSupported(lock));
                (LockHandle::Refused, Err(error))
            }
        };
        self.requests.insert(lock, asked);
        done
    }

    fn state(&self, lock: Lock) -> Option<RequestState> {
        Some(match self.requests.get(&lock)? {
            LockHandle::Web(lock) => lock.state(),
            LockHandle::IndexedDb(lock) => lock.state(),
            LockHandle::Refused => RequestState::Over,
        })
    }

    /// Name of the database that represents a lock.
    fn database(&self, lock: Lock) -> String {
        format!("tabmq/{}", self.channel.lock(lock))
    }

    /// A predicate for the names of databases that represent other tabs' own locks.
    fn is_of_other_tab(&self) -> impl Fn(&str) -> bool + Clone + use<> {
        let own = self.database(Lock::Tab(self.tab_id));
        let id = self.tab_id.to_string();
        move |name| {
            let prefix = own.strip_suffix(&id).unwrap_or(&own);
            let tab = name.strip_prefix(prefix).and_then(TabId::parse);
            tab.is_some() && name != own
        }
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Locks");
        debug
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::WorkerGlobalScope;

    use super::*;
    use crate::browser::testing::{Lacking, Received};

    const TABS: [TabId; 2] = [TabId::from_entropy(1), TabId::from_entropy(2)];

    fn locks_of(tab_id: TabId, channel: &str) -> (Locks, Received<LockEvent>) {
        let received = Received::new();
        let channel = ChannelName::parse(channel).unwrap();
        (Locks::new(channel, tab_id, received.sink()), received)
    }

    async fn granted((locks, received): &mut (Locks, Received<LockEvent>), request: LockRequest) {
        let lock = match request {
            LockRequest::Acquire(lock)
            | LockRequest::AcquireIfFree(lock)
            | LockRequest::Steal(lock)
            | LockRequest::Release(lock) => lock,
        };
        locks.handle(request).unwrap();
        let event = received.next().await;
        assert_eq!(event, LockEvent::Granted(lock));
        assert!(locks.is_current(event));
    }

    fn without_web_locks() -> Lacking {
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        Lacking::new(scope.navigator(), "locks")
    }

    #[wasm_bindgen_test]
    async fn a_tab_that_steals_what_it_queues_for_leaves_the_queue_and_loses_nothing() {
        let mut holder = locks_of(TABS[0], "test-steal");
        let mut thief = locks_of(TABS[1], "test-steal");
        granted(&mut holder, LockRequest::Acquire(Lock::Broker)).await;
        thief.0.handle(LockRequest::Acquire(Lock::Broker)).unwrap();
        thief.1.nothing().await;
        granted(&mut thief, LockRequest::Steal(Lock::Broker)).await;
        let lost = holder.1.next().await;
        assert_eq!(lost, LockEvent::Lost(Lock::Broker));
        assert!(holder.0.is_current(lost));
        // A held lock stays held after further requests.
        for request in [
            LockRequest::Steal,
            LockRequest::Acquire,
            LockRequest::AcquireIfFree,
        ] {
            thief.0.handle(request(Lock::Broker)).unwrap();
        }
        thief.1.nothing().await;
        thief.0.handle(LockRequest::Release(Lock::Broker)).unwrap();
        thief.1.nothing().await;
        granted(&mut holder, LockRequest::AcquireIfFree(Lock::Broker)).await;
    }

    #[wasm_bindgen_test]
    async fn a_lock_that_is_not_free_may_be_requested_again() {
        let mut holder = locks_of(TABS[0], "test-free");
        let mut other = locks_of(TABS[1], "test-free");
        granted(&mut holder, LockRequest::AcquireIfFree(Lock::Steal)).await;
        other
            .0
            .handle(LockRequest::AcquireIfFree(Lock::Steal))
            .unwrap();
        let event = other.1.next().await;
        assert_eq!(event, LockEvent::NotFree(Lock::Steal));
        assert!(other.0.is_current(event));
        holder.0.handle(LockRequest::Release(Lock::Steal)).unwrap();
        other.1.nothing().await;
        granted(&mut other, LockRequest::AcquireIfFree(Lock::Steal)).await;
    }

    #[wasm_bindgen_test]
    async fn events_of_a_released_lock_are_not_current() {
        let mut own = locks_of(TABS[0], "test-late");
        let mut other = locks_of(TABS[1], "test-late");
        own.0.handle(LockRequest::Acquire(Lock::Broker)).unwrap();
        let event = own.1.next().await;
        own.0.handle(LockRequest::Release(Lock::Broker)).unwrap();
        assert!(!own.0.is_current(event));

        granted(&mut own, LockRequest::Acquire(Lock::Broker)).await;
        granted(&mut other, LockRequest::Steal(Lock::Broker)).await;
        let event = own.1.next().await;
        assert_eq!(event, LockEvent::Lost(Lock::Broker));
        own.0.handle(LockRequest::Release(Lock::Broker)).unwrap();
        own.0.handle(LockRequest::Acquire(Lock::Broker)).unwrap();
        assert!(!own.0.is_current(event));
        other.0.handle(LockRequest::Release(Lock::Broker)).unwrap();
        assert_eq!(own.1.next().await, LockEvent::Granted(Lock::Broker));
    }

    #[wasm_bindgen_test]
    async fn all_who_queue_behind_a_tab_get_its_lock_together() {
        const THIRD: TabId = TabId::from_entropy(3);
        let lock = Lock::Tab(TABS[0]);
        let mut own = locks_of(TABS[0], "test-behind");
        granted(&mut own, LockRequest::Acquire(lock)).await;
        let mut others = [TABS[1], THIRD].map(|tab| locks_of(tab, "test-behind"));
        for (locks, received) in &mut others {
            locks.handle(LockRequest::Acquire(lock)).unwrap();
            received.nothing().await;
        }
        own.0.handle(LockRequest::Release(lock)).unwrap();
        // The first has it and keeps it, as one that stands still would.
        for (locks, received) in &mut others {
            let event = received.next().await;
            assert_eq!(event, LockEvent::Granted(lock));
            assert!(locks.is_current(event));
        }
    }

    #[wasm_bindgen_test]
    async fn without_web_locks_a_broker_is_found_and_followed_all_the_same() {
        let _lacking = without_web_locks();
        let mut tabs = TABS.map(|tab| locks_of(tab, "test-insecure"));
        let [first, second] = &mut tabs;
        for (tab, tab_id) in [&mut *first, &mut *second].into_iter().zip(TABS) {
            granted(tab, LockRequest::Acquire(Lock::Tab(tab_id))).await;
        }
        granted(first, LockRequest::Acquire(Lock::Broker)).await;
        first
            .0
            .handle(LockRequest::Acquire(Lock::Tab(TABS[1])))
            .unwrap();
        second.0.handle(LockRequest::Acquire(Lock::Broker)).unwrap();
        second
            .0
            .handle(LockRequest::AcquireIfFree(Lock::Steal))
            .unwrap();
        assert_eq!(second.1.next().await, LockEvent::NotSupported(Lock::Steal));
        // Its queued request stays.
        second.0.handle(LockRequest::Steal(Lock::Broker)).unwrap();
        assert_eq!(second.1.next().await, LockEvent::NotSupported(Lock::Broker));
        second.1.nothing().await;
        first.1.nothing().await;

        first.0.handle(LockRequest::Release(Lock::Broker)).unwrap();
        assert_eq!(second.1.next().await, LockEvent::Granted(Lock::Broker));
        second
            .0
            .handle(LockRequest::Release(Lock::Tab(TABS[1])))
            .unwrap();
        let event = first.1.next().await;
        assert_eq!(event, LockEvent::Granted(Lock::Tab(TABS[1])));
        assert!(first.0.is_current(event));
    }

    #[wasm_bindgen_test]
    async fn without_both_apis_no_lock_is_supported_and_the_reason_is_reported() {
        let _locks = without_web_locks();
        let _databases = Lacking::new(js_sys::global(), "indexedDB");
        let (mut locks, received) = locks_of(TABS[0], "test-neither");
        let error = locks
            .handle(LockRequest::Acquire(Lock::Broker))
            .unwrap_err();
        assert!(error.as_string().unwrap().contains("neither"), "{error:?}");
        let event = received.next().await;
        assert_eq!(event, LockEvent::NotSupported(Lock::Broker));
        assert!(locks.is_current(event));
        // It can be requested again.
        assert_eq!(locks.state(Lock::Broker), None);
    }

    #[wasm_bindgen_test]
    async fn a_refused_lock_is_not_supported_and_may_be_requested_again() {
        for lacking in ["locks", "databases"] {
            let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
            let refuse = "() => Promise.reject(new DOMException('no', 'SecurityError'))";
            let locks = js_sys::eval(&format!("({{ request: {refuse} }})")).unwrap();
            let fails = "({ open() { throw new DOMException('no', 'SecurityError') } })";
            let databases = js_sys::eval(fails).unwrap();
            let _lacking = match lacking {
                "locks" => vec![Lacking::instead(scope.navigator(), "locks", &locks)],
                _ => vec![
                    Lacking::new(scope.navigator(), "locks"),
                    Lacking::instead(js_sys::global(), "indexedDB", &databases),
                ],
            };
            let (mut locks, received) = locks_of(TABS[0], "test-refused");
            for _ in 0..2 {
                locks.handle(LockRequest::Acquire(Lock::Broker)).unwrap();
                let event = received.next().await;
                assert_eq!(event, LockEvent::NotSupported(Lock::Broker), "{lacking}");
                assert!(locks.is_current(event));
            }
        }
    }

    #[wasm_bindgen_test]
    fn the_databases_of_other_tabs_locks_are_recognised() {
        let (locks, _) = locks_of(TABS[0], "c");
        let is_of_other_tab = locks.is_of_other_tab();
        assert!(is_of_other_tab("tabmq/c/v1/tab/0000000000000002"));
        for other in [
            "tabmq/c/v1/tab/0000000000000001",
            "tabmq/c/v1/tab/2",
            "tabmq/d/v1/tab/0000000000000002",
            "tabmq/c/v1/broker",
            "tabmq/c/s1",
        ] {
            assert!(!is_of_other_tab(other), "{other}");
        }
    }
}
