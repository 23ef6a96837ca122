//! Election: the lock says who may be the broker, and the highest term who is.

use std::collections::BTreeSet;

use super::{Joined, Output, Part, Turn};
use crate::api::{EventKind, Term};
use crate::control::{ControlMessage, SAFE_INTEGER_MAX};
use crate::host::Host;
use crate::link::Link;
use crate::names::{Lock, TabId};

use super::Announcing;

impl Joined {
    pub(super) fn on_granted(&mut self, lock: Lock, turn: &mut Turn<'_>) {
        match lock {
            Lock::Tab(tab) if tab == self.tab_id => self.on_own_lock_granted(turn),
            Lock::Tab(tab) => self.on_tab_lost(tab, turn),
            Lock::Broker => self.on_elected(turn),
            Lock::Steal => {}
        }
    }

    /// Others may know of this tab now: whoever queues behind its lock waits until it is gone.
    fn on_own_lock_granted(&mut self, turn: &mut Turn<'_>) {
        if self.announcing.is_some() {
            return;
        }
        self.announcing = Some(Announcing {
            last: turn.now,
            due: turn.now,
        });
        turn.acquire(Lock::Broker);
        turn.control(ControlMessage::Who {
            tab_id: self.tab_id,
        });
        self.announce(turn);
    }

    /// The lock of a tab is free: the tab is gone, with or without a goodbye.
    fn on_tab_lost(&mut self, tab: TabId, turn: &mut Turn<'_>) {
        match &self.part {
            Part::Broker { watched, .. } if watched.contains(&tab) => {
                turn.control(ControlMessage::Goodbye { tab_id: tab });
                self.forget(tab, EventKind::TabLost(tab), turn);
            }
            Part::Broker { .. } | Part::Client(_) | Part::Waiting => turn.release(Lock::Tab(tab)),
        }
    }

    fn on_elected(&mut self, turn: &mut Turn<'_>) {
        match &self.part {
            Part::Broker { .. } => return,
            Part::Client(link) => turn.out.push(Output::CloseLane(link.lane())),
            Part::Waiting => {}
        }
        let term = self.next_term(turn);
        let after_ms = self.broker_seen.map(|seen| turn.now.ms_since(seen));
        self.highest_term = Some(term);
        turn.event(EventKind::Elected { term, after_ms });
        let part = Part::Broker {
            host: Box::new(Host::new(term, self.tab_id, &self.settings)),
            watched: BTreeSet::new(),
        };
        self.set_part(part, turn);
        for tab in self.roster.ids() {
            self.watch(tab, turn);
        }
        self.announce(turn);
        self.clients_down();
        self.clients_up();
    }

    fn next_term(&self, turn: &Turn<'_>) -> Term {
        // Without a log the clock keeps terms rising also for a tab that never heard of the broker before it.
        let floor = turn.now.as_ms();
        let next = self.highest_term.map_or(floor, |Term(term)| term + 1);
        // Whoever claimed the highest term there is shall not keep later ones from being believed.
        Term(next.max(floor).min(SAFE_INTEGER_MAX))
    }

    pub(super) fn on_lock_lost(&mut self, lock: Lock, turn: &mut Turn<'_>) {
        match (lock, &mut self.part) {
            (Lock::Broker, Part::Broker { .. }) => self.depose(turn),
            (Lock::Tab(tab), Part::Broker { watched, .. }) if tab != self.tab_id => {
                watched.remove(&tab);
            }
            (Lock::Tab(tab), _) if tab != self.tab_id => {}
            (Lock::Broker | Lock::Tab(_) | Lock::Steal, _) => {
                // Not at once: a browser that refuses locks refuses the next request as well.
                let at = turn.now.plus_ms(self.settings.lock_retry_ms);
                self.lock_retries.insert(lock, at);
            }
        }
    }

    pub(super) fn retry_locks(&mut self, turn: &mut Turn<'_>) {
        self.lock_retries.retain(|lock, at| {
            let is_due = *at <= turn.now;
            if is_due {
                turn.acquire(*lock);
            }
            !is_due
        });
    }

    /// Queues, as the broker, behind the lock of another tab, to learn when that is gone.
    pub(super) fn watch(&mut self, tab: TabId, turn: &mut Turn<'_>) {
        if let Part::Broker { watched, .. } = &mut self.part
            && watched.len() < self.settings.tabs_max
            && watched.insert(tab)
        {
            turn.acquire(Lock::Tab(tab));
        }
    }

    /// A tab says that it is the broker of `term`: the highest term counts.
    pub(super) fn on_claim(&mut self, tab: TabId, term: Term, turn: &mut Turn<'_>) {
        // Equal terms of two tabs cannot come from the lock; the higher id is as good a choice as any, if all make it.
        let rival = (term, tab);
        match &self.part {
            Part::Waiting => self.follow(tab, term, turn),
            Part::Client(link) => {
                let current = (link.lane().term, link.broker);
                if rival > current {
                    self.follow(tab, term, turn);
                } else if rival == current {
                    self.broker_seen = Some(turn.now);
                }
            }
            Part::Broker { host, .. } => {
                if rival > (host.term, self.tab_id) {
                    turn.release(Lock::Broker);
                    self.depose(turn);
                    self.follow(tab, term, turn);
                } else {
                    self.announce_soon();
                    self.announce_if_due(turn);
                }
            }
        }
    }

    /// Stops being the broker, and queues for the lock again.
    fn depose(&mut self, turn: &mut Turn<'_>) {
        let Part::Broker { host, watched } = &self.part else {
            return;
        };
        turn.out.extend(host.lanes().map(Output::CloseLane));
        for tab in watched {
            turn.release(Lock::Tab(*tab));
        }
        turn.event(EventKind::Deposed { term: host.term });
        turn.acquire(Lock::Broker);
        self.set_part(Part::Waiting, turn);
        self.clients_down();
    }

    /// Becomes a client of the broker in `broker`.
    fn follow(&mut self, broker: TabId, term: Term, turn: &mut Turn<'_>) {
        if let Part::Client(link) = &self.part {
            turn.out.push(Output::CloseLane(link.lane()));
            self.clients_down();
        }
        let binding = self.next_binding();
        let link = Link::new(self.tab_id, broker, term, binding, turn.now);
        turn.out.push(Output::OpenLane(link.lane()));
        self.broker_seen = Some(turn.now);
        turn.event(EventKind::Following { broker, term });
        self.set_part(Part::Client(link), turn);
        self.bind_if_due(turn);
    }

    /// The tab that is the broker is gone.
    pub(super) fn on_broker_gone(&mut self, turn: &mut Turn<'_>) {
        let Part::Client(link) = &self.part else {
            return;
        };
        let lane = link.lane();
        turn.event(EventKind::BrokerLost { term: lane.term });
        turn.out.push(Output::CloseLane(lane));
        self.set_part(Part::Waiting, turn);
        self.clients_down();
    }
}
