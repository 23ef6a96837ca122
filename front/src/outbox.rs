//! What waits to be written to one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// What a packet costs besides its bytes, so that a great number of tiny ones is bounded too.
const PACKET_OVERHEAD_BYTES: usize = 64;
/// How many packets are taken out at once.
const BATCH_PACKETS: usize = 256;

/// The engine's end: never waits, and never holds more than its bound.
#[derive(Debug)]
pub(crate) struct Outbox {
    packets: UnboundedSender<Bytes>,
    waiting: Arc<AtomicUsize>,
    bytes_max: usize,
    /// Dropped with the outbox, which the other end sees.
    _open: oneshot::Sender<()>,
}

/// The connection's end.
#[derive(Debug)]
pub(crate) struct Outgoing {
    packets: UnboundedReceiver<Bytes>,
    waiting: Arc<AtomicUsize>,
}

/// There is no room for a packet: its receiver does not read what it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Resolves when the engine has dropped the [`Outbox`]: nothing more follows what waits.
pub(crate) type Closed = oneshot::Receiver<()>;

/// The two ends of a queue of at most `bytes_max` bytes; one packet always fits, however large.
pub(crate) fn outbox(bytes_max: usize) -> (Outbox, Outgoing, Closed) {
    let (sender, receiver) = unbounded_channel();
    let (open, closed) = oneshot::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let outbox = Outbox {
        packets: sender,
        waiting: Arc::clone(&waiting),
        bytes_max,
        _open: open,
    };
    let outgoing = Outgoing {
        packets: receiver,
        waiting,
    };
    (outbox, outgoing, closed)
}

impl Outbox {
    pub(crate) fn push(&self, packet: Bytes) -> Result<(), Full> {
        let cost = cost(&packet);
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting > 0 && waiting.saturating_add(cost) > self.bytes_max {
            return Err(Full);
        }
        self.waiting.fetch_add(cost, Ordering::Relaxed);
        // A connection that has just ended takes nothing more, and says so itself.
        let _ = self.packets.send(packet);
        Ok(())
    }
}

impl Outgoing {
    /// Waits for packets and appends them to `batch`; false once the engine has closed the connection and all is taken.
    pub(crate) async fn next(&mut self, batch: &mut Vec<Bytes>) -> bool {
        self.packets.recv_many(batch, BATCH_PACKETS).await > 0
    }

    /// Makes room: `packets` are written.
    pub(crate) fn written(&self, packets: &[Bytes]) {
        let cost = packets.iter().map(cost).sum();
        self.waiting.fetch_sub(cost, Ordering::Relaxed);
    }
}

fn cost(packet: &Bytes) -> usize {
    packet.len() + PACKET_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_waits_than_the_bound_until_something_is_written() {
        let (outbox, mut outgoing, _closed) = outbox(200);
        let packet = Bytes::from_static(&[0; 36]);
        assert_eq!(outbox.push(packet.clone()), Ok(()));
        assert_eq!(outbox.push(packet.clone()), Ok(()));
        assert_eq!(outbox.push(packet.clone()), Err(Full));

        let mut batch = Vec::new();
        assert!(outgoing.next(&mut batch).await);
        assert_eq!(outbox.push(packet.clone()), Err(Full), "not written yet");
        outgoing.written(&batch);
        assert_eq!(outbox.push(packet), Ok(()));
    }

    #[test]
    fn one_packet_fits_however_large() {
        let (outbox, _outgoing, _closed) = outbox(1);
        assert_eq!(outbox.push(Bytes::from(vec![0; 1000])), Ok(()));
        assert_eq!(outbox.push(Bytes::from_static(&[0])), Err(Full));
    }

    #[tokio::test]
    async fn what_waits_is_still_sent_after_the_engine_has_closed() {
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
