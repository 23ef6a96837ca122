//! A bound for the bytes that all connections together have received and the broker has not handled.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The bytes of each connection that do not count. A client whose packets are smaller neither waits nor is closed for the bound.
const UNCOUNTED_BYTES: usize = 64 * 1024;
/// The batches of one connection that may always wait for the broker. The connection decodes the second one while the broker
/// handles the first one.
const OWN_BATCHES: usize = 2;
/// The further batches of all connections that may wait. A single busy connection gets most of them, so it and the broker need
/// not wait for each other after each batch.
const SPARE_BATCHES: usize = 256;
/// The unit in which complete packets are counted, in bytes.
const UNIT_BYTES: usize = 1024;

/// Why a connection ends whose unfinished packet is the largest when there is no room for more.
pub(crate) const NO_ROOM: &str =
    "no room for this packet: unfinished packets of all clients reach the server's limit";

/// The bound has two halves with different remedies:
///
/// - Complete packets leave as soon as the broker has handled them, which depends on no client. A connection with more waits and is
///   not read meanwhile.
/// - An unfinished packet may stay forever, because its client decides when the rest comes. If all room is taken, waiting could
///   therefore be a deadlock: each of many connections would wait for room to finish its packet. So the connection with the most
///   bytes is ended, and the others wait until its room is free. There is always such a connection, and it never waits for others,
///   so each wait ends. It has at least the average, so a client whose packet is smaller than its share of the bound is never
///   ended.
///
/// A connection that is the only one with an unfinished packet may always finish it.
#[derive(Clone, Debug)]
pub(crate) struct ReceiveBudget {
    unfinished: Arc<Mutex<Unfinished>>,
    spare_batches: Arc<Semaphore>,
    complete: Arc<Semaphore>,
    /// All units of `complete`.
    units: u32,
}

/// Unfinished packets, in bytes beyond those that do not count.
#[derive(Debug)]
struct Unfinished {
    max: usize,
    total: usize,
    /// The number of the next connection.
    next: u64,
    connections: HashMap<u64, Counted>,
    /// Bytes and numbers of the connections that may be ended.
    by_bytes: BTreeSet<(usize, u64)>,
    /// The number of connections that are being ended and still have bytes.
    ending: usize,
    /// Connections that wait for room, in order.
    waiting: VecDeque<u64>,
}

#[derive(Debug)]
struct Counted {
    bytes: usize,
    end: Arc<Notify>,
    is_ending: bool,
    waker: Option<Waker>,
}

/// The unfinished packet of one connection, and its batches.
#[derive(Debug)]
pub(crate) struct Receiving {
    own_batches: Arc<Semaphore>,
    spare_batches: Arc<Semaphore>,
    unfinished: Arc<Mutex<Unfinished>>,
    number: u64,
    bytes: AtomicUsize,
    end: Arc<Notify>,
}

impl ReceiveBudget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let half = bytes_max / 2;
        let units = u32::try_from(half / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        // The semaphore of a 32-bit system has fewer.
        let units = units.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Self {
            unfinished: Arc::new(Mutex::new(Unfinished {
                max: half,
                total: 0,
                next: 0,
                connections: HashMap::new(),
                by_bytes: BTreeSet::new(),
                ending: 0,
                waiting: VecDeque::new(),
            })),
            spare_batches: Arc::new(Semaphore::new(SPARE_BATCHES)),
            complete: Arc::new(Semaphore::new(units as usize)),
            units,
        }
    }

    /// The share of a new connection.
    pub(crate) fn connection(&self) -> Receiving {
        let end = Arc::new(Notify::new());
        let mut unfinished = lock(&self.unfinished);
        let number = unfinished.next;
        unfinished.next += 1;
        let counted = Counted {
            bytes: 0,
            end: Arc::clone(&end),
            is_ending: false,
            waker: None,
        };
        unfinished.connections.insert(number, counted);
        Receiving {
            own_batches: Arc::new(Semaphore::new(OWN_BATCHES)),
            spare_batches: Arc::clone(&self.spare_batches),
            unfinished: Arc::clone(&self.unfinished),
            number,
            bytes: AtomicUsize::new(0),
            end,
        }
    }

    /// Waits for room for `bytes` of complete packets. None if they are too few to count.
    pub(crate) async fn complete(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if bytes <= UNCOUNTED_BYTES {
            return None;
        }
        // A packet that is larger than the bound takes all of it.
        let units = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.complete).acquire_many_owned(units.min(self.units));
        // The semaphore is never closed.
        room.await.ok()
    }
}

impl Receiving {
    /// Waits until another batch of packets may wait for the broker. None if that is never.
    pub(crate) async fn batch(&self) -> Option<OwnedSemaphorePermit> {
        let of = |batches: &Arc<Semaphore>| Arc::clone(batches).try_acquire_owned();
        if let Ok(credit) = of(&self.own_batches).or_else(|_| of(&self.spare_batches)) {
            return Some(credit);
        }
        // It waits for one of its own batches, so no other connection can delay it.
        Arc::clone(&self.own_batches).acquire_owned().await.ok()
    }

    /// Waits until more may be read.
    pub(crate) fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.bytes.load(Ordering::Relaxed) < UNCOUNTED_BYTES {
            return Poll::Ready(());
        }
        lock(&self.unfinished).poll_room(self.number, context)
    }

    /// Counts read bytes.
    pub(crate) fn received(&self, bytes: usize) {
        self.keeps(self.bytes.load(Ordering::Relaxed).saturating_add(bytes));
    }

    /// Subtracts bytes that are no longer kept.
    pub(crate) fn dropped(&self, bytes: usize) {
        self.keeps(self.bytes.load(Ordering::Relaxed).saturating_sub(bytes));
    }

    /// Sets the bytes of the unfinished packet.
    pub(crate) fn keeps(&self, bytes: usize) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        if before.max(bytes) >= UNCOUNTED_BYTES {
            let counted = bytes.saturating_sub(UNCOUNTED_BYTES);
            lock(&self.unfinished).set(self.number, counted);
        }
    }

    /// Resolves when the connection has to end, because it has the most bytes and there is no room.
    pub(crate) async fn end(&self) {
        self.end.notified().await;
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        let mut unfinished = lock(&self.unfinished);
        unfinished.set(self.number, 0);
        unfinished.connections.remove(&self.number);
    }
}

impl Unfinished {
    fn poll_room(&mut self, number: u64, context: &mut Context<'_>) -> Poll<()> {
        let Some(counted) = self.connections.get_mut(&number) else {
            return Poll::Ready(());
        };
        if self.total < self.max || self.total == counted.bytes {
            self.wake_next();
            return Poll::Ready(());
        }
        if counted.waker.is_none() {
            self.waiting.push_back(number);
        }
        counted.waker = Some(context.waker().clone());
        if self.ending == 0 {
            self.end_largest();
        }
        Poll::Pending
    }

    fn end_largest(&mut self) {
        let Some((_, number)) = self.by_bytes.pop_last() else {
            return;
        };
        if let Some(counted) = self.connections.get_mut(&number) {
            counted.is_ending = true;
            counted.end.notify_one();
            self.ending += 1;
        }
    }

    fn set(&mut self, number: u64, bytes: usize) {
        let Some(counted) = self.connections.get_mut(&number) else {
            return;
        };
        let before = counted.bytes;
        counted.bytes = bytes;
        self.total = self.total - before + bytes;
        if counted.is_ending {
            // It is ended once. Bytes that it receives until its socket is closed do not count.
            match (before > 0, bytes > 0) {
                (true, false) => self.ending -= 1,
                (false, true) => self.ending += 1,
                _ => {}
            }
        } else {
            self.by_bytes.remove(&(before, number));
            if bytes > 0 {
                self.by_bytes.insert((bytes, number));
            }
        }
        if bytes <= before {
            self.wake_next();
        }
    }

    /// Wakes the connection that has waited for the longest time. If it has room it wakes the next one, and if not it waits again,
    /// or has another connection ended.
    fn wake_next(&mut self) {
        while let Some(number) = self.waiting.pop_front() {
            let connection = self.connections.get_mut(&number);
            if let Some(waker) = connection.and_then(|counted| counted.waker.take()) {
                return waker.wake();
            }
        }
    }
}

/// No panic under the lock leaves an inconsistent state.
fn lock(unfinished: &Mutex<Unfinished>) -> MutexGuard<'_, Unfinished> {
    unfinished.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt;

    use super::*;

    const MAX: usize = 1_000_000;

    fn budget() -> ReceiveBudget {
        ReceiveBudget::new(2 * MAX)
    }

    fn has_room(connection: &Receiving) -> bool {
        poll_fn(|context| connection.poll_room(context))
            .now_or_never()
            .is_some()
    }

    fn is_ended(connection: &Receiving) -> bool {
        connection.end().now_or_never().is_some()
    }

    fn total(budget: &ReceiveBudget) -> usize {
        lock(&budget.unfinished).total
    }

    #[test]
    fn without_room_the_connection_with_the_most_bytes_ends() {
        let budget = budget();
        let connections: Vec<_> = (0..4).map(|_| budget.connection()).collect();
        for (connection, bytes) in connections.iter().zip([300_000, 500_000, 400_000, 60_000]) {
            assert!(has_room(connection));
            connection.received(bytes);
        }
        assert!(!has_room(&connections[0]));
        assert!(!has_room(&connections[2]), "one is enough");
        let ended: Vec<_> = connections.iter().map(is_ended).collect();
        assert_eq!(ended, [false, true, false, false]);
        assert!(has_room(&connections[3]), "its bytes do not count");
        connections[1].keeps(0);
        assert!(has_room(&connections[0]));
        assert!(has_room(&connections[2]));
    }

    #[test]
    fn without_room_a_requesting_connection_may_be_the_one_that_ends() {
        let budget = budget();
        let small = budget.connection();
        small.received(200_000);
        let large = budget.connection();
        large.received(MAX);
        assert!(!has_room(&large));
        assert!(is_ended(&large));
        assert!(!is_ended(&small));
        drop(large);
        assert!(has_room(&small));
    }

    #[test]
    fn a_connection_may_finish_its_packet_alone() {
        let budget = budget();
        let alone = budget.connection();
        alone.received(5 * MAX);
        assert!(has_room(&alone));
        assert!(!is_ended(&alone));
    }

    #[test]
    fn every_waiting_connection_continues_or_ends() {
        // Each of many connections has a part of a packet that does not fit beside those of the others.
        let budget = budget();
        let mut open: Vec<_> = (0..20).map(|_| (budget.connection(), 0)).collect();
        let mut finished = 0;
        let mut ended = 0;
        let mut rounds = 0;
        while !open.is_empty() {
            rounds += 1;
            assert!(rounds < 200, "no connection continues");
            open.retain_mut(|(connection, bytes)| {
                if is_ended(connection) {
                    ended += 1;
                    return false;
                }
                if has_room(connection) {
                    *bytes += 70_000;
                    connection.received(70_000);
                }
                assert!(total(&budget) <= MAX + 70_000);
                if *bytes == 490_000 {
                    finished += 1;
                    return false;
                }
                true
            });
        }
        assert!(
            finished >= 2,
            "{finished} have finished, {ended} have ended"
        );
        assert_eq!(total(&budget), 0);
        let unfinished = lock(&budget.unfinished);
        assert!(unfinished.by_bytes.is_empty() && unfinished.connections.is_empty());
        assert_eq!(unfinished.ending, 0);
    }

    #[tokio::test]
    async fn a_waiting_connection_is_woken() {
        let budget = budget();
        let first = budget.connection();
        first.received(MAX);
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let connection = budget.connection();
                connection.received(100_000);
                tokio::spawn(async move {
                    poll_fn(|context| connection.poll_room(context)).await;
                    connection
                })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(is_ended(&first));
        drop(first);
        let mut done = Vec::new();
        for task in waiting {
            done.push(task.await.unwrap());
        }
        assert!(!done.iter().any(is_ended));
    }

    #[test]
    fn each_connection_has_batches_that_no_other_can_take() {
        let budget = budget();
        let busy = budget.connection();
        let take_all = |connection: &Receiving| -> Vec<_> {
            std::iter::from_fn(|| connection.batch().now_or_never()).collect()
        };
        let mut credits = take_all(&busy);
        assert_eq!(credits.len(), OWN_BATCHES + SPARE_BATCHES);
        let other = budget.connection();
        assert_eq!(take_all(&other).len(), OWN_BATCHES);
        credits.pop();
        assert_eq!(take_all(&busy).len(), 1);
    }

    #[test]
    fn complete_packets_wait_for_the_broker() {
        let budget = budget();
        let complete = |bytes| budget.complete(bytes).now_or_never();
        assert!(complete(UNCOUNTED_BYTES).unwrap().is_none());
        let large = complete(10 * MAX).unwrap();
        assert!(large.is_some(), "it takes all");
        assert!(complete(100_000).is_none());
        assert!(complete(UNCOUNTED_BYTES).is_some(), "it does not count");
        drop(large);
        assert!(complete(100_000).is_some());
    }

    #[test]
    fn dropped_bytes_are_subtracted() {
        let budget = budget();
        let connection = budget.connection();
        connection.received(UNCOUNTED_BYTES + 10);
        connection.dropped(4);
        assert_eq!(total(&budget), 6);
        connection.dropped(UNCOUNTED_BYTES);
        connection.dropped(UNCOUNTED_BYTES);
        assert_eq!(total(&budget), 0);
    }
}
