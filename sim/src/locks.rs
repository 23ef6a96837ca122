//! Web Locks: exclusive, first come first served.

use std::collections::{BTreeMap, VecDeque};

use tab::{Lock, TabId};

/// All locks of the origin. Whoever stands first in a queue holds the lock.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    queues: BTreeMap<Lock, VecDeque<Ticket>>,
    last_ticket: u64,
}

/// One request for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) tab: TabId,
    pub(crate) lock: Lock,
    no: u64,
}

/// What a tab must not do with a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// It asked for a lock that it holds or queues for already.
    AskedTwice,
    /// It released a lock that it did not ask for.
    NotAsked,
}

impl Locks {
    /// Queues; the ticket comes back if the lock is granted with it.
    pub(crate) fn acquire(&mut self, tab: TabId, lock: Lock) -> Result<Option<Ticket>, Misuse> {
        let queue = self.queues.entry(lock).or_default();
        if queue.iter().any(|ticket| ticket.tab == tab) {
            return Err(Misuse::AskedTwice);
        }
        self.last_ticket += 1;
        let no = self.last_ticket;
        queue.push_back(Ticket { tab, lock, no });
        Ok(queue.front().copied().filter(|first| first.no == no))
    }

    /// Leaves the queue; returns who holds the lock now, if that has changed.
    pub(crate) fn release(&mut self, tab: TabId, lock: Lock) -> Result<Option<Ticket>, Misuse> {
        let queue = self.queues.get_mut(&lock).ok_or(Misuse::NotAsked)?;
        let place = queue.iter().position(|ticket| ticket.tab == tab);
        let place = place.ok_or(Misuse::NotAsked)?;
        queue.remove(place);
        Ok(queue.front().copied().filter(|_| place == 0))
    }

    /// The browser has noticed the end of a tab; returns who holds its locks now.
    pub(crate) fn gone(&mut self, tab: TabId) -> Vec<Ticket> {
        let locks: Vec<Lock> = self.queues.keys().copied().collect();
        locks
            .into_iter()
            .filter_map(|lock| self.release(tab, lock).ok().flatten())
            .collect()
    }

    pub(crate) fn is_held(&self, ticket: &Ticket) -> bool {
        let queue = self.queues.get(&ticket.lock);
        queue.and_then(VecDeque::front) == Some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TabId = TabId::from_entropy(1);
    const B: TabId = TabId::from_entropy(2);
    const C: TabId = TabId::from_entropy(3);

    #[test]
    fn a_lock_passes_in_the_order_of_the_queue() {
        let mut locks = Locks::default();
        let a = locks.acquire(A, Lock::Broker).unwrap().unwrap();
        assert_eq!(locks.acquire(B, Lock::Broker), Ok(None));
        assert_eq!(locks.acquire(C, Lock::Broker), Ok(None));
        assert_eq!(locks.acquire(C, Lock::Broker), Err(Misuse::AskedTwice));
        assert!(locks.is_held(&a));
        assert_eq!(locks.release(B, Lock::Broker), Ok(None));
        let passed = locks.gone(A);
        assert_eq!(passed.iter().map(|t| t.tab).collect::<Vec<_>>(), [C]);
        assert!(!locks.is_held(&a));
        assert_eq!(locks.release(B, Lock::Broker), Err(Misuse::NotAsked));
    }
}
