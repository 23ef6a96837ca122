//! A model of Web Locks: exclusive locks with a queue, and with stealing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tab::{Lock, LockEvent, TabId};

/// All locks of the origin. The first tab in a queue holds the lock.
///
/// A frozen tab keeps its locks and its places in queues. It may be granted a lock that it cannot use.
#[derive(Debug)]
pub(crate) struct Locks {
    has_web_locks: bool,
    /// Mutant: grants the lock to each tab that requests it.
    is_shared: bool,
    queues: BTreeMap<Lock, VecDeque<Ticket>>,
    /// Tickets whose locks were stolen, and whose tabs have not received the event yet.
    stolen: BTreeSet<Ticket>,
    last_ticket: u64,
}

/// One request for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    pub(crate) tab: TabId,
    pub(crate) lock: Lock,
    no: u64,
}

/// An event for the owner of a ticket. It is valid only if it is still true when it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockNotice {
    pub(crate) ticket: Ticket,
    pub(crate) event: LockEvent,
}

/// The holders of a lock in a queue. All tabs that wait for the end of a tab share its lock.
fn holders(queue: &VecDeque<Ticket>) -> Vec<Ticket> {
    match queue.front() {
        Some(first) if !first.is_shared() => vec![*first],
        _ => {
            let all = queue.iter().copied();
            all.take_while(|it| it.is_shared()).collect()
        }
    }
}

impl Ticket {
    fn is_shared(&self) -> bool {
        matches!(self.lock, Lock::Tab(own) if own != self.tab)
    }

    fn granted(self) -> LockNotice {
        let event = LockEvent::Granted(self.lock);
        LockNotice {
            ticket: self,
            event,
        }
    }
}

impl Locks {
    /// Without Web Locks, a mutex replaces them. It passes to the next tab when its holder ends, and supports nothing
    /// else.
    pub(crate) fn new(has_web_locks: bool, is_shared: bool) -> Self {
        Self {
            has_web_locks,
            is_shared,
            queues: BTreeMap::new(),
            stolen: BTreeSet::new(),
            last_ticket: 0,
        }
    }

    /// Queues for a lock. Does nothing if the tab holds it or is in the queue.
    pub(crate) fn acquire(&mut self, tab: TabId, lock: Lock) -> Vec<LockNotice> {
        if self.has_asked(tab, lock) {
            return Vec::new();
        }
        let ticket = self.ticket(tab, lock);
        self.queues.entry(lock).or_default().push_back(ticket);
        let is_granted = self.holds(&ticket) || self.is_shared;
        is_granted.then(|| ticket.granted()).into_iter().collect()
    }

    /// Takes the lock if it is free.
    pub(crate) fn acquire_if_free(&mut self, tab: TabId, lock: Lock) -> Vec<LockNotice> {
        if self.has_asked(tab, lock) {
            return Vec::new();
        }
        let ticket = self.ticket(tab, lock);
        let queue = self.queues.entry(lock).or_default();
        let event = match (self.has_web_locks, queue.is_empty()) {
            (false, _) => LockEvent::NotSupported(lock),
            (true, false) => LockEvent::NotFree(lock),
            (true, true) => {
                queue.push_back(ticket);
                LockEvent::Granted(lock)
            }
        };
        vec![LockNotice { ticket, event }]
    }

    /// Takes the lock from its holder, ahead of the queue.
    pub(crate) fn steal(&mut self, tab: TabId, lock: Lock) -> Vec<LockNotice> {
        let ticket = self.ticket(tab, lock);
        if !self.has_web_locks {
            let event = LockEvent::NotSupported(lock);
            return vec![LockNotice { ticket, event }];
        }
        let queue = self.queues.entry(lock).or_default();
        let holder = queue.front().copied();
        if holder.is_some_and(|holder| holder.tab == tab) {
            return Vec::new();
        }
        let mut notices = Vec::new();
        if let Some(holder) = holder {
            queue.pop_front();
            self.stolen.insert(holder);
            let event = LockEvent::Lost(lock);
            notices.push(LockNotice {
                ticket: holder,
                event,
            });
        }
        queue.retain(|ticket| ticket.tab != tab);
        queue.push_front(ticket);
        notices.push(ticket.granted());
        notices
    }

    /// Releases the lock, or leaves the queue. Does nothing if the tab is in neither state.
    pub(crate) fn release(&mut self, tab: TabId, lock: Lock) -> Vec<LockNotice> {
        // A released lock is not reported as lost.
        self.stolen
            .retain(|ticket| (ticket.tab, ticket.lock) != (tab, lock));
        let Some(queue) = self.queues.get_mut(&lock) else {
            return Vec::new();
        };
        let before = holders(queue);
        queue.retain(|ticket| ticket.tab != tab);
        let after = holders(queue).into_iter();
        let next = after.filter(|it| !before.contains(it));
        next.map(Ticket::granted).collect()
    }

    /// The browser has noticed the end of a tab, and passes its locks to the next tabs.
    pub(crate) fn on_tab_ended(&mut self, tab: TabId) -> Vec<LockNotice> {
        let locks: Vec<Lock> = self.queues.keys().copied().collect();
        locks
            .into_iter()
            .flat_map(|lock| self.release(tab, lock))
            .collect()
    }

    /// Whether an event is still true when it arrives. The loss of a stolen lock is reported once.
    pub(crate) fn is_current(&mut self, notice: &LockNotice) -> bool {
        match notice.event {
            LockEvent::Granted(_) => self.is_shared || self.holds(&notice.ticket),
            LockEvent::Lost(_) => self.stolen.remove(&notice.ticket),
            LockEvent::NotFree(_) | LockEvent::NotSupported(_) => true,
        }
    }

    pub(crate) fn is_held_by(&self, tab: TabId, lock: Lock) -> bool {
        let first = self.queues.get(&lock).and_then(VecDeque::front);
        first.is_some_and(|ticket| ticket.tab == tab)
    }

    /// The holder of a lock, and the next tab in the queue.
    pub(crate) fn first_two(&self, lock: Lock) -> (Option<TabId>, Option<TabId>) {
        let tabs = self.queues.get(&lock).into_iter().flatten();
        let mut tabs = tabs.map(|ticket| ticket.tab);
        (tabs.next(), tabs.next())
    }

    fn holds(&self, ticket: &Ticket) -> bool {
        let queue = self.queues.get(&ticket.lock);
        queue.is_some_and(|queue| holders(queue).contains(ticket))
    }

    fn has_asked(&self, tab: TabId, lock: Lock) -> bool {
        let queue = self.queues.get(&lock).into_iter().flatten();
        // A tab that has not received the event of its loss believes that it holds the lock.
        queue
            .chain(&self.stolen)
            .any(|ticket| (ticket.tab, ticket.lock) == (tab, lock))
    }

    fn ticket(&mut self, tab: TabId, lock: Lock) -> Ticket {
        self.last_ticket += 1;
        let no = self.last_ticket;
        Ticket { tab, lock, no }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TabId = TabId::from_entropy(1);
    const B: TabId = TabId::from_entropy(2);
    const C: TabId = TabId::from_entropy(3);
    const LOCK: Lock = Lock::Broker;

    fn events_of(notices: &[LockNotice]) -> Vec<(TabId, LockEvent)> {
        notices
            .iter()
            .map(|notice| (notice.ticket.tab, notice.event))
            .collect()
    }

    fn queue() -> (Locks, LockNotice) {
        let mut locks = Locks::new(true, false);
        let granted = locks.acquire(A, LOCK)[0];
        assert!(locks.acquire(B, LOCK).is_empty());
        assert!(locks.acquire(C, LOCK).is_empty());
        (locks, granted)
    }

    #[test]
    fn a_lock_passes_in_the_order_of_the_queue() {
        let (mut locks, granted) = queue();
        assert!(locks.is_current(&granted));
        assert!(locks.acquire(C, LOCK).is_empty());
        assert!(locks.release(B, LOCK).is_empty());
        assert_eq!(
            events_of(&locks.on_tab_ended(A)),
            [(C, LockEvent::Granted(LOCK))]
        );
        assert!(!locks.is_current(&granted));
        assert!(locks.release(B, LOCK).is_empty());
        assert!(locks.is_held_by(C, LOCK));
    }

    #[test]
    fn a_steal_goes_ahead_of_the_queue_and_the_holder_is_notified_once() {
        let (mut locks, granted) = queue();
        let notices = locks.steal(C, LOCK);
        let (lost, got) = (LockEvent::Lost(LOCK), LockEvent::Granted(LOCK));
        assert_eq!(events_of(&notices), [(A, lost), (C, got)]);
        assert!(!locks.is_current(&granted));
        assert!(
            locks.acquire(A, LOCK).is_empty(),
            "A has not received the loss yet"
        );
        assert!(locks.is_current(&notices[0]) && !locks.is_current(&notices[0]));
        assert!(locks.acquire(A, LOCK).is_empty());
        assert_eq!(locks.first_two(LOCK), (Some(C), Some(B)));
    }

    #[test]
    fn all_tabs_that_wait_for_the_end_of_a_tab_get_its_lock_together() {
        let lock = Lock::Tab(A);
        let mut locks = Locks::new(true, false);
        assert_eq!(locks.acquire(A, lock).len(), 1);
        assert!(locks.acquire(B, lock).is_empty());
        assert!(locks.acquire(C, lock).is_empty());
        let granted = LockEvent::Granted(lock);
        assert_eq!(
            events_of(&locks.on_tab_ended(A)),
            [(B, granted), (C, granted)]
        );
        assert!(locks.on_tab_ended(B).is_empty());
        assert_eq!(events_of(&locks.acquire(B, lock)), [(B, granted)]);
    }

    #[test]
    fn a_released_lock_is_not_reported_as_lost() {
        let (mut locks, _) = queue();
        let notices = locks.steal(B, LOCK);
        assert!(locks.release(A, LOCK).is_empty());
        assert!(!locks.is_current(&notices[0]));
        assert!(locks.is_held_by(B, LOCK));
    }

    #[test]
    fn acquire_if_free_gets_a_lock_only_if_it_is_free() {
        let (mut locks, _) = queue();
        let notices = locks.acquire_if_free(B, Lock::Steal);
        assert_eq!(events_of(&notices), [(B, LockEvent::Granted(Lock::Steal))]);
        let notices = locks.acquire_if_free(C, Lock::Steal);
        assert_eq!(events_of(&notices), [(C, LockEvent::NotFree(Lock::Steal))]);
    }

    #[test]
    fn without_web_locks_no_lock_is_stolen() {
        let mut locks = Locks::new(false, false);
        assert_eq!(locks.acquire(A, LOCK).len(), 1);
        assert!(locks.acquire(B, LOCK).is_empty());
        let notices = locks.steal(B, LOCK);
        assert_eq!(events_of(&notices), [(B, LockEvent::NotSupported(LOCK))]);
        let notices = locks.acquire_if_free(B, Lock::Steal);
        assert_eq!(
            events_of(&notices),
            [(B, LockEvent::NotSupported(Lock::Steal))]
        );
        assert_eq!(
            events_of(&locks.on_tab_ended(A)),
            [(B, LockEvent::Granted(LOCK))]
        );
    }
}
