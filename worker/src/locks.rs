//! The locks of one tab, by whichever means the browser has for them here.

use core::fmt;
use std::collections::BTreeMap;
use std::rc::Rc;

use tab::{ChannelName, Lock, LockEvent, LockRequest, TabId};
use wasm_bindgen::prelude::*;

use crate::indexeddb;
use crate::mutex::{self, Mutex};
use crate::weblocks::{self, How, WebLock};

/// What became of a request for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The lock is held.
    Granted,
    /// The lock was taken away, or the request failed.
    Lost,
    /// Another holds the lock, and the request did not wait for that.
    NotFree,
}

/// How far a request for a lock has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The lock is not held yet.
    Requested,
    /// It is held.
    Held,
    /// It is not held, and will not be.
    Over,
}

/// The locks that one tab holds or has asked for. All are let go when this is dropped.
pub(crate) struct Locks {
    channel: ChannelName,
    tab_id: TabId,
    tell: Rc<dyn Fn(LockEvent)>,
    asked: BTreeMap<Lock, Asked>,
}

#[derive(Debug)]
enum Asked {
    Web(WebLock),
    Mutex(Mutex),
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
            tell: Rc::new(on_event),
            asked: BTreeMap::new(),
        }
    }

    /// Begins to carry out a request. The answer comes as an event; that is told later than what it says, so before it is
    /// believed, see [`Self::is_current`].
    pub(crate) fn handle(&mut self, request: LockRequest) -> Result<(), JsValue> {
        match request {
            LockRequest::Acquire(lock) if self.asked.contains_key(&lock) => Ok(()),
            LockRequest::Acquire(lock) => self.ask(lock, How::Queue),
            LockRequest::AcquireIfFree(lock) if self.asked.contains_key(&lock) => Ok(()),
            LockRequest::AcquireIfFree(lock) => self.ask(lock, How::IfFree),
            LockRequest::Steal(lock) if self.standing(lock) == Some(Standing::Held) => Ok(()),
            LockRequest::Steal(lock) => self.ask(lock, How::Steal),
            LockRequest::Release(lock) => {
                self.asked.remove(&lock);
                Ok(())
            }
        }
    }

    /// Whether an event tells of the request that there is for its lock now, and not of one that was taken back. A lock
    /// that is lost is forgotten, so that it can be asked for again.
    pub(crate) fn is_current(&mut self, event: LockEvent) -> bool {
        match event {
            LockEvent::Granted(lock) => self.standing(lock) == Some(Standing::Held),
            LockEvent::Lost(lock) | LockEvent::NotFree(lock) => {
                let is_over = self.standing(lock) == Some(Standing::Over);
                if is_over {
                    self.asked.remove(&lock);
                }
                is_over
            }
            LockEvent::NotSupported(_) => true,
        }
    }

    fn ask(&mut self, lock: Lock, how: How) -> Result<(), JsValue> {
        let tell = Rc::clone(&self.tell);
        let on_outcome = move |outcome| {
            tell(match outcome {
                Outcome::Granted => LockEvent::Granted(lock),
                Outcome::Lost => LockEvent::Lost(lock),
                Outcome::NotFree => LockEvent::NotFree(lock),
            });
        };
        if weblocks::are_offered() {
            // A request of this tab's own that queues for the lock goes first: it is not to come after the theft.
            self.asked.remove(&lock);
            let asked = WebLock::request(&self.channel.lock(lock), how, on_outcome);
            return self.asked(lock, asked.map(Asked::Web));
        }
        if !indexeddb::is_offered() {
            let neither = "this browser offers neither Web Locks nor IndexedDB here";
            return self.asked(lock, Err(JsValue::from_str(neither)));
        }
        let asked = match (how, lock) {
            (How::Queue, Lock::Broker) => Mutex::acquire(self.database(lock), {
                let is_of_other_tab = self.is_of_other_tab();
                move |outcome| {
                    if outcome == Outcome::Granted {
                        mutex::clean_up(is_of_other_tab.clone());
                    }
                    on_outcome(outcome);
                }
            }),
            (How::Queue, Lock::Tab(tab)) if tab != self.tab_id => {
                Mutex::outlive(self.database(lock), on_outcome)
            }
            (How::Queue, Lock::Tab(_) | Lock::Steal) => {
                Mutex::acquire(self.database(lock), on_outcome)
            }
            (How::IfFree | How::Steal, _) => {
                (self.tell)(LockEvent::NotSupported(lock));
                return Ok(());
            }
        };
        self.asked(lock, Ok(Asked::Mutex(asked)))
    }

    fn asked(&mut self, lock: Lock, asked: Result<Asked, JsValue>) -> Result<(), JsValue> {
        let (asked, done) = match asked {
            Ok(asked) => (asked, Ok(())),
            Err(error) => {
                (self.tell)(LockEvent::Lost(lock));
                (Asked::Refused, Err(error))
            }
        };
        self.asked.insert(lock, asked);
        done
    }

    fn standing(&self, lock: Lock) -> Option<Standing> {
        Some(match self.asked.get(&lock)? {
            Asked::Web(lock) => lock.standing(),
            Asked::Mutex(lock) => lock.standing(),
            Asked::Refused => Standing::Over,
        })
    }

    /// Name of the database that stands in for a lock.
    fn database(&self, lock: Lock) -> String {
        format!("tabmq/{}", self.channel.lock(lock))
    }

    /// Tells the databases that stand in for other tabs' own locks from all others.
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
        debug.field("asked", &self.asked).finish_non_exhaustive()
    }
}
