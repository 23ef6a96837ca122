//! The outbox: packets that wait to be written to one connection.
//!
//! Messages and answers are counted apart, so that a flood of messages leaves room for a PINGRESP: three quarters of the
//! bytes are for messages, a quarter is for everything else. The connection is congested from half of the messages' room on,
//! until no more than a quarter of it is taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// The assumed overhead of a packet in bytes, which also bounds the number of tiny packets.
const PACKET_OVERHEAD_BYTES: usize = 64;
/// How many packets are taken out at once.
const BATCH_PACKETS: usize = 256;
/// The type of a PUBLISH, as its first byte tells it.
const PUBLISH: u8 = 3;

/// The engine's end: never waits, and never holds more than its bound.
#[derive(Debug)]
pub(crate) struct Outbox {
    packets: UnboundedSender<Bytes>,
    waiting: Arc<Waiting>,
    /// Dropped with the outbox, which the other end sees.
    _open: oneshot::Sender<()>,
}

/// The connection's end.
#[derive(Debug)]
pub(crate) struct Outgoing {
    packets: UnboundedReceiver<Bytes>,
    waiting: Arc<Waiting>,
}

/// How much waits, and how much may.
#[derive(Debug)]
struct Waiting {
    messages_max: usize,
    answers_max: usize,
    counts: Mutex<Counts>,
}

/// In bytes.
#[derive(Debug, Default)]
struct Counts {
    messages: usize,
    answers: usize,
    is_congested: bool,
}

/// The outcome for a packet that has room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits.
    Waits,
    /// It waits, and with it so much that the connection is congested from now on.
    Congested,
}

/// There is no room for a packet, because the receiver does not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Resolves when the engine has dropped the [`Outbox`]: nothing more follows what waits.
pub(crate) type Closed = oneshot::Receiver<()>;

/// The two ends of a queue of at most `bytes_max` bytes; one message and one answer always fit, however large.
pub(crate) fn outbox(bytes_max: usize) -> (Outbox, Outgoing, Closed) {
    let (sender, receiver) = unbounded_channel();
    let (open, closed) = oneshot::channel();
    let answers_max = bytes_max / 4;
    let waiting = Arc::new(Waiting {
        messages_max: bytes_max - answers_max,
        answers_max,
        counts: Mutex::default(),
    });
    let outbox = Outbox {
        packets: sender,
        waiting: Arc::clone(&waiting),
        _open: open,
    };
    let outgoing = Outgoing {
        packets: receiver,
        waiting,
    };
    (outbox, outgoing, closed)
}

impl Outbox {
    pub(crate) fn push(&self, packet: Bytes) -> Result<Pushed, Full> {
        let pushed = self.waiting.add(&packet)?;
        // A connection that has just ended takes nothing more, and says so itself.
        let _ = self.packets.send(packet);
        Ok(pushed)
    }

    /// Whether so much waits that no message should follow.
    pub(crate) fn is_congested(&self) -> bool {
        self.waiting.counts().is_congested
    }
}

impl Outgoing {
    /// Waits for packets and appends them to `batch`; false once the engine has closed the connection and all is taken.
    pub(crate) async fn next(&mut self, batch: &mut Vec<Bytes>) -> bool {
        self.packets.recv_many(batch, BATCH_PACKETS).await > 0
    }

    /// Makes room: `packets` are written. Returns whether that ended a congestion.
    #[must_use]
    pub(crate) fn written(&self, packets: &[Bytes]) -> bool {
        self.waiting.remove(packets)
    }
}

impl Waiting {
    fn add(&self, packet: &Bytes) -> Result<Pushed, Full> {
        let mut counts = self.counts();
        let (waiting, maximum) = match is_message(packet) {
            true => (&mut counts.messages, self.messages_max),
            false => (&mut counts.answers, self.answers_max),
        };
        let together = waiting.saturating_add(cost(packet));
        if *waiting > 0 && together > maximum {
            return Err(Full);
        }
        *waiting = together;
        if counts.is_congested || counts.messages <= self.messages_max / 2 {
            return Ok(Pushed::Waits);
        }
        counts.is_congested = true;
        Ok(Pushed::Congested)
    }

    fn remove(&self, packets: &[Bytes]) -> bool {
        let mut counts = self.counts();
        for packet in packets {
            match is_message(packet) {
                true => counts.messages -= cost(packet),
                false => counts.answers -= cost(packet),
            }
        }
        let is_over = counts.is_congested && counts.messages <= self.messages_max / 4;
        if is_over {
            counts.is_congested = false;
        }
        is_over
    }

    /// Nothing that is done under the lock leaves it half done.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_message(packet: &Bytes) -> bool {
    packet.first().is_some_and(|first| first >> 4 == PUBLISH)
}

fn cost(packet: &Bytes) -> usize {
    packet.len() + PACKET_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Costs a hundred.
    const MESSAGE: Bytes = Bytes::from_static(&[0x30; 36]);
    const ANSWER: Bytes = Bytes::from_static(&[0xd0; 36]);

    #[tokio::test]
    async fn no_more_waits_than_the_bound_until_something_is_written() {
        // 600 for messages, 200 for answers.
        let (outbox, mut outgoing, _closed) = outbox(800);
        for _ in 0..3 {
            assert_eq!(outbox.push(MESSAGE), Ok(Pushed::Waits));
        }
        assert_eq!(outbox.push(MESSAGE), Ok(Pushed::Congested));
        assert!(outbox.is_congested());
        for _ in 0..2 {
            assert_eq!(outbox.push(MESSAGE), Ok(Pushed::Waits));
        }
        assert_eq!(outbox.push(MESSAGE), Err(Full));
        for _ in 0..2 {
            assert_eq!(outbox.push(ANSWER), Ok(Pushed::Waits), "kept for it");
        }
        assert_eq!(outbox.push(ANSWER), Err(Full));

        let mut batch = Vec::new();
        assert!(outgoing.next(&mut batch).await);
        assert_eq!(batch.len(), 8);
        assert_eq!(outbox.push(ANSWER), Err(Full), "not written yet");
        assert!(!outgoing.written(&batch[..4]), "200 are left");
        assert!(outgoing.written(&batch[4..5]), "100 are left");
        assert!(!outbox.is_congested());
        assert!(!outgoing.written(&batch[5..]));
        assert_eq!(outbox.push(ANSWER), Ok(Pushed::Waits));
        assert_eq!(outbox.push(MESSAGE), Ok(Pushed::Waits));
    }

    #[test]
    fn one_message_and_one_answer_fit_however_large() {
        let (outbox, _outgoing, _closed) = outbox(1);
        let message = Bytes::from(vec![0x30; 1000]);
        assert_eq!(outbox.push(message), Ok(Pushed::Congested));
        assert_eq!(outbox.push(MESSAGE), Err(Full));
        assert_eq!(outbox.push(ANSWER), Ok(Pushed::Waits));
        assert_eq!(outbox.push(ANSWER), Err(Full));
    }

    #[tokio::test]
    async fn queued_packets_are_still_sent_after_the_engine_has_closed() {
        let (outbox, mut outgoing, mut closed) = outbox(200);
        outbox.push(Bytes::from_static(b"last")).unwrap();
        assert!(
            closed
                .try_recv()
                .is_err_and(|why| why == oneshot::error::TryRecvError::Empty)
        );
        drop(outbox);
        assert!(closed.await.is_err());
        let mut batch = Vec::new();
        assert!(outgoing.next(&mut batch).await);
        assert_eq!(batch, [Bytes::from_static(b"last")]);
        assert!(!outgoing.next(&mut batch).await);
    }
}
