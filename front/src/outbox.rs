//! The outbox: packets that wait to be written to one connection.
//!
//! Messages and answers are counted apart, so a flood of messages leaves room for a PINGRESP. Three quarters of the bytes are
//! for messages, a quarter is for everything else. The connection is congested once messages fill half of their room, until
//! they fill at most a quarter of it.
//!
//! All outboxes together have a bound, too. The messages of one outbox take at most as much as all outboxes leave free. Each of
//! many connections that do not read therefore gets less, and some room is left for the others. QoS 1 and 2 messages and
//! answers may exceed the bound. Then connections that have read nothing for a second are closed, those with the most bytes first.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};

use crate::encoded::Encoded;

/// The maximum of packets that are taken out at once.
const BATCH_PACKETS: usize = 256;
/// How long a connection may read nothing before it can be closed for the bound of all outboxes.
const STILL: Duration = Duration::from_secs(1);
/// The room for the answers of one connection while all outboxes exceed their bound, in bytes.
const ANSWERS_BYTES: usize = 64 * 1024;

/// The outboxes of all connections.
#[derive(Clone, Debug)]
pub(crate) struct Outboxes(Arc<All>);

#[derive(Debug)]
struct All {
    bytes_max: usize,
    bytes: AtomicUsize,
    by_number: Mutex<HashMap<u64, Weak<Waiting>>>,
    /// The number of the next outbox.
    next: AtomicUsize,
}

/// The engine's end. It never waits, and never holds more than its bound.
#[derive(Debug)]
pub(crate) struct Outbox {
    packets: UnboundedSender<Encoded>,
    waiting: Arc<Waiting>,
    /// Dropped with the outbox, which the other end sees.
    _open: oneshot::Sender<()>,
}

/// The connection's end.
#[derive(Debug)]
pub(crate) struct Outgoing {
    packets: UnboundedReceiver<Encoded>,
    waiting: Arc<Waiting>,
    number: u64,
}

/// The waiting bytes, and their bounds.
#[derive(Debug)]
struct Waiting {
    messages_max: usize,
    answers_max: usize,
    counts: Mutex<Counts>,
    all: Arc<All>,
    discard: Notify,
}

/// In bytes.
#[derive(Debug)]
struct Counts {
    messages: usize,
    answers: usize,
    is_congested: bool,
    /// The engine has closed the connection.
    is_closed: bool,
    /// The waiting packets will not be written.
    is_discarded: bool,
    /// When the connection last took bytes, or began to wait.
    moved_at: Instant,
}

impl Counts {
    fn bytes(&self) -> usize {
        self.messages + self.answers
    }
}

/// The outcome for a packet that has room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits.
    Waits,
    /// It waits, and makes the connection congested.
    Congested,
}

/// There is no room for a packet, because the receiver does not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Resolves when the engine has dropped the [`Outbox`], so nothing follows the waiting packets.
pub(crate) type Closed = oneshot::Receiver<()>;

impl Outboxes {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(All {
            bytes_max,
            bytes: AtomicUsize::new(0),
            by_number: Mutex::default(),
            next: AtomicUsize::new(0),
        }))
    }

    /// The two ends of a queue of at most `bytes_max` bytes; one message and one answer that must not be lost always fit, however
    /// large.
    pub(crate) fn open(&self, bytes_max: usize) -> (Outbox, Outgoing, Closed) {
        let (sender, receiver) = unbounded_channel();
        let (open, closed) = oneshot::channel();
        let answers_max = bytes_max / 4;
        let waiting = Arc::new(Waiting {
            messages_max: bytes_max - answers_max,
            answers_max,
            counts: Mutex::new(Counts {
                messages: 0,
                answers: 0,
                is_congested: false,
                is_closed: false,
                is_discarded: false,
                moved_at: Instant::now(),
            }),
            all: Arc::clone(&self.0),
            discard: Notify::new(),
        });
        let number = self.0.next.fetch_add(1, Ordering::Relaxed) as u64;
        lock(&self.0.by_number).insert(number, Arc::downgrade(&waiting));
        let outbox = Outbox {
            packets: sender,
            waiting: Arc::clone(&waiting),
            _open: open,
        };
        let outgoing = Outgoing {
            packets: receiver,
            waiting,
            number,
        };
        (outbox, outgoing, closed)
    }

    /// Whether the waiting bytes exceed the bound.
    pub(crate) fn exceed(&self) -> bool {
        self.0.bytes.load(Ordering::Relaxed) > self.0.bytes_max
    }

    /// Discards the waiting packets of connections that have read nothing for a second, those with the most bytes first, until the
    /// bound is kept. These connections end. Returns their number.
    pub(crate) fn discard_still(&self, now: Instant) -> usize {
        let mut still: Vec<_> = lock(&self.0.by_number)
            .values()
            .filter_map(Weak::upgrade)
            .filter_map(|waiting| Some((waiting.still_bytes(now)?, waiting)))
            .collect();
        still.sort_unstable_by_key(|(bytes, _)| *bytes);
        let mut count = 0;
        while self.exceed()
            && let Some((_, waiting)) = still.pop()
        {
            waiting.discard();
            count += 1;
        }
        count
    }
}

impl Outbox {
    /// A packet that may be lost gets no room that others need.
    pub(crate) fn push(&self, packet: Encoded) -> Result<Pushed, Full> {
        let pushed = self.waiting.add(&packet)?;
        // A connection that has just ended reports its end itself.
        let _ = self.packets.send(packet);
        Ok(pushed)
    }

    /// Whether the broker should send no more messages.
    pub(crate) fn is_congested(&self) -> bool {
        lock(&self.waiting.counts).is_congested
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        lock(&self.waiting.counts).is_closed = true;
    }
}

impl Outgoing {
    /// Waits for packets and appends them to `batch`; false once the engine has closed the connection and all is taken.
    pub(crate) async fn next(&mut self, batch: &mut Vec<Encoded>) -> bool {
        self.packets.recv_many(batch, BATCH_PACKETS).await > 0
    }

    /// Makes room: `packets` are written. Returns whether that ended a congestion.
    #[must_use]
    pub(crate) fn written(&self, packets: &[Encoded]) -> bool {
        self.waiting.remove(packets)
    }

    /// Resolves when the waiting packets are discarded, because the connection does not read and others need the room.
    pub(crate) fn discarded(&self) -> impl Future<Output = ()> + use<> {
        let waiting = Arc::clone(&self.waiting);
        async move { waiting.discard.notified().await }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.waiting.discard();
        lock(&self.waiting.all.by_number).remove(&self.number);
    }
}

impl Waiting {
    fn add(&self, packet: &Encoded) -> Result<Pushed, Full> {
        let mut counts = lock(&self.counts);
        if counts.is_discarded {
            return Ok(Pushed::Waits);
        }
        let free = self.free();
        let is_message = packet.is_message();
        let (waiting, maximum) = match is_message {
            true => (counts.messages, self.messages_max),
            false if free == 0 => (counts.answers, self.answers_max.min(ANSWERS_BYTES)),
            false => (counts.answers, self.answers_max),
        };
        let cost = packet.cost();
        let together = waiting.saturating_add(cost);
        if (waiting > 0 && together > maximum) || (packet.may_be_lost() && together > free) {
            return Err(Full);
        }
        if counts.bytes() == 0 {
            counts.moved_at = Instant::now();
        }
        match is_message {
            true => counts.messages = together,
            false => counts.answers = together,
        }
        self.all.bytes.fetch_add(cost, Ordering::Relaxed);
        if counts.is_congested || counts.messages <= self.messages_room() / 2 {
            return Ok(Pushed::Waits);
        }
        counts.is_congested = true;
        Ok(Pushed::Congested)
    }

    fn remove(&self, packets: &[Encoded]) -> bool {
        let mut counts = lock(&self.counts);
        if counts.is_discarded {
            return false;
        }
        let before = counts.bytes();
        for packet in packets {
            match packet.is_message() {
                true => counts.messages -= packet.cost(),
                false => counts.answers -= packet.cost(),
            }
        }
        // One update for all, because each one takes the counter from the cache of the engine's processor.
        let written = before - counts.bytes();
        self.all.bytes.fetch_sub(written, Ordering::Relaxed);
        counts.moved_at = Instant::now();
        let is_over = counts.is_congested && counts.messages <= self.messages_room() / 4;
        if is_over {
            counts.is_congested = false;
        }
        is_over
    }

    /// The room that all outboxes leave free.
    fn free(&self) -> usize {
        let bytes = self.all.bytes.load(Ordering::Relaxed);
        self.all.bytes_max.saturating_sub(bytes)
    }

    fn messages_room(&self) -> usize {
        self.messages_max.min(self.free())
    }

    /// The waiting bytes, if none were written for long and the connection is congested, closed, or has many bytes of answers.
    fn still_bytes(&self, now: Instant) -> Option<usize> {
        let counts = lock(&self.counts);
        let is_still = now.saturating_duration_since(counts.moved_at) >= STILL;
        let bytes = counts.bytes();
        let may_be = counts.is_congested || counts.is_closed || counts.answers > ANSWERS_BYTES;
        (may_be && is_still && bytes > 0 && !counts.is_discarded).then_some(bytes)
    }

    fn discard(&self) {
        let mut counts = lock(&self.counts);
        if !counts.is_discarded {
            counts.is_discarded = true;
            self.all.bytes.fetch_sub(counts.bytes(), Ordering::Relaxed);
            self.discard.notify_one();
        }
    }
}

/// No panic under the locks leaves an inconsistent state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use futures_util::FutureExt;

    use super::*;

    /// Which costs a hundred, and must not be lost.
    #[derive(Clone, Copy)]
    enum Packet {
        Message,
        Answer,
    }
    use Packet::{Answer, Message};

    fn push(outbox: &Outbox, packet: Packet) -> Result<Pushed, Full> {
        outbox.push(Encoded::test(36, matches!(packet, Message), false))
    }

    fn later() -> Instant {
        Instant::now() + STILL
    }

    #[tokio::test]
    async fn queued_bytes_are_bounded_until_some_are_written() {
        // 600 for messages, 200 for answers.
        let (outbox, mut outgoing, _closed) = Outboxes::new(100_000).open(800);
        for _ in 0..3 {
            assert_eq!(push(&outbox, Message), Ok(Pushed::Waits));
        }
        assert_eq!(push(&outbox, Message), Ok(Pushed::Congested));
        assert!(outbox.is_congested());
        for _ in 0..2 {
            assert_eq!(push(&outbox, Message), Ok(Pushed::Waits));
        }
        assert_eq!(push(&outbox, Message), Err(Full));
        for _ in 0..2 {
            assert_eq!(push(&outbox, Answer), Ok(Pushed::Waits), "kept for it");
        }
        assert_eq!(push(&outbox, Answer), Err(Full));

        let mut batch = Vec::new();
        assert!(outgoing.next(&mut batch).await);
        assert_eq!(batch.len(), 8);
        assert_eq!(push(&outbox, Answer), Err(Full), "not written yet");
        assert!(!outgoing.written(&batch[..4]), "200 are left");
        assert!(outgoing.written(&batch[4..5]), "100 are left");
        assert!(!outbox.is_congested());
        assert!(!outgoing.written(&batch[5..]));
        assert_eq!(push(&outbox, Answer), Ok(Pushed::Waits));
        assert_eq!(push(&outbox, Message), Ok(Pushed::Waits));
    }

    #[test]
    fn one_message_and_one_answer_of_any_size_fit() {
        let (outbox, _outgoing, _closed) = Outboxes::new(1).open(1);
        let message = Encoded::test(1000, true, false);
        assert_eq!(outbox.push(message), Ok(Pushed::Congested));
        assert_eq!(push(&outbox, Message), Err(Full));
        assert_eq!(push(&outbox, Answer), Ok(Pushed::Waits));
        assert_eq!(push(&outbox, Answer), Err(Full));
    }

    #[tokio::test]
    async fn queued_packets_are_still_sent_after_the_engine_has_closed() {
        let (outbox, mut outgoing, mut closed) = Outboxes::new(1000).open(200);
        push(&outbox, Answer).unwrap();
        assert!(
            closed
                .try_recv()
                .is_err_and(|why| why == oneshot::error::TryRecvError::Empty)
        );
        drop(outbox);
        assert!(closed.await.is_err());
        let mut batch = Vec::new();
        assert!(outgoing.next(&mut batch).await);
        assert_eq!(batch.len(), 1);
        assert!(!outgoing.next(&mut batch).await);
    }

    #[test]
    fn qos_0_messages_leave_room_for_other_connections() {
        let outboxes = Outboxes::new(10_000);
        let open: Vec<_> = (0..3).map(|_| outboxes.open(1_000_000)).collect();
        let fill = |outbox: &Outbox| {
            let mut count = 0;
            while outbox.push(Encoded::test(36, true, true)).is_ok() {
                count += 1;
            }
            count
        };
        let counts: Vec<_> = open.iter().map(|(outbox, ..)| fill(outbox)).collect();
        // Each takes as much as it leaves for the rest.
        assert_eq!(counts, [50, 25, 13]);
        assert!(open.iter().all(|(outbox, ..)| outbox.is_congested()));
        assert!(!outboxes.exceed());
        // A packet that must not be lost is taken, and the connection is congested at once.
        let (outbox, _outgoing, _closed) = outboxes.open(1_000_000);
        for _ in 0..50 {
            push(&outbox, Message).unwrap();
        }
        assert!(outbox.is_congested());
        assert!(outboxes.exceed());
    }

    #[tokio::test]
    async fn connections_that_read_nothing_are_discarded_when_there_is_no_room() {
        let outboxes = Outboxes::new(10_000);
        let mut open: Vec<_> = (0..4).map(|_| outboxes.open(8_000)).collect();
        for ((outbox, ..), count) in open.iter().zip([40, 50, 45, 1]) {
            for _ in 0..count {
                push(outbox, Message).unwrap();
            }
        }
        assert!(outboxes.exceed());
        assert_eq!(outboxes.discard_still(Instant::now()), 0, "not yet");
        // The largest has just read something.
        let mut batch = Vec::new();
        assert!(open[1].1.next(&mut batch).await);
        thread::sleep(Duration::from_millis(2));
        let _ = open[1].1.written(&batch[..1]);
        let moved_at = lock(&open[1].1.waiting.counts).moved_at;
        let almost = moved_at + STILL - Duration::from_millis(1);
        assert_eq!(outboxes.discard_still(almost), 1);
        assert!(!outboxes.exceed());
        assert_eq!(outboxes.discard_still(later()), 0);
        let discarded: Vec<_> = open
            .iter()
            .map(|(_, outgoing, _)| outgoing.discarded().now_or_never().is_some())
            .collect();
        assert_eq!(discarded, [false, false, true, false]);
        // Nothing more is counted for it.
        let before = outboxes.0.bytes.load(Ordering::Relaxed);
        push(&open[2].0, Message).unwrap();
        assert_eq!(outboxes.0.bytes.load(Ordering::Relaxed), before);
        drop(open);
        assert_eq!(outboxes.0.bytes.load(Ordering::Relaxed), 0);
        assert!(lock(&outboxes.0.by_number).is_empty());
    }

    #[test]
    fn the_last_packets_of_a_closed_connection_are_discarded_too() {
        let outboxes = Outboxes::new(1_000);
        let (outbox, outgoing, _closed) = outboxes.open(8_000);
        let (other, _outgoing, _closed) = outboxes.open(8_000);
        push(&other, Answer).unwrap();
        for _ in 0..10 {
            push(&outbox, Answer).unwrap();
        }
        assert_eq!(outboxes.discard_still(later()), 0, "they may be read");
        drop(outbox);
        assert_eq!(outboxes.discard_still(later()), 1);
        assert!(outgoing.discarded().now_or_never().is_some());
    }

    #[test]
    fn without_room_the_answers_of_a_connection_have_a_small_bound() {
        let outboxes = Outboxes::new(1);
        let (outbox, _outgoing, _closed) = outboxes.open(100_000_000);
        let mut count = 0;
        while push(&outbox, Answer).is_ok() {
            count += 1;
        }
        assert_eq!(count, ANSWERS_BYTES / 100);
    }
}
