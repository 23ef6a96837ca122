//! When a session moves to a new connection, the old connection's socket is read first.
//!
//! A client that publishes, disconnects and reconnects at once has two sockets for a moment. The tasks that read them have
//! no order, so its CONNECT could overtake its DISCONNECT: its last messages would be lost, and its will published. A new
//! connection therefore asks the engine for the connection with its client identifier. It hands in its CONNECT after the
//! engine has handled all packets that the other one had received.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use broker::ConnId;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{coop, yield_now};
use tokio::time::timeout;

/// The bytes of a connection that are read before its session moves: more than a system keeps for a socket. A client that
/// keeps sending on its old connection delays its new one by at most these bytes.
const READ_FIRST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Asks a connection to hand in its arrived bytes. It is dropped when the engine has handled them, or need not any more.
#[derive(Clone, Debug)]
pub(crate) struct ReadFirst(
    /// Never read. Dropping it is the answer.
    #[expect(dead_code, reason = "dropping it has the effect")]
    mpsc::Sender<Infallible>,
);

/// Waits until all asked connections have answered.
#[derive(Debug)]
pub(crate) struct Answer(mpsc::Receiver<Infallible>);

/// A request that can be given to several connections, and their answer.
pub(crate) fn read_first() -> (ReadFirst, Answer) {
    let (sender, receiver) = mpsc::channel(1);
    (ReadFirst(sender), Answer(receiver))
}

impl Answer {
    /// Waits for at most `limit`: a connection that never answers must not keep its client out.
    pub(crate) async fn within(mut self, limit: Duration) {
        // The result does not matter: all have answered, or the time is over.
        let _ = timeout(limit, self.0.recv()).await;
    }

    /// Whether all asked connections have answered.
    #[cfg(test)]
    pub(crate) fn is_there(&mut self) -> bool {
        self.0.try_recv() == Err(mpsc::error::TryRecvError::Disconnected)
    }
}

/// Sends requests to a connection. Each connection that waits for an answer has one request here, so their number is bounded.
pub(crate) type Ask = UnboundedSender<ReadFirst>;

/// Requests to a connection that it has not answered yet.
#[derive(Debug)]
pub(crate) struct Asked {
    requests: UnboundedReceiver<ReadFirst>,
    /// Each with the number of bytes that it still waits for.
    open: Vec<(ReadFirst, usize)>,
}

impl Asked {
    pub(crate) fn new() -> (Ask, Self) {
        let (ask, requests) = unbounded_channel();
        let open = Vec::new();
        (ask, Self { requests, open })
    }

    /// Poll this whenever the socket had nothing to read. It resolves when the socket must be read again, and returns the
    /// requests for which nothing more is to be handed in.
    pub(crate) async fn nothing_to_read(&mut self) -> Vec<ReadFirst> {
        // Without budget the runtime reports any socket as empty.
        if !coop::has_budget_remaining() {
            yield_now().await;
            return Vec::new();
        }
        if !self.open.is_empty() {
            return self.open.drain(..).map(|(request, _)| request).collect();
        }
        match self.requests.recv().await {
            Some(request) => self.open.push((request, READ_FIRST_BYTES_MAX)),
            // The engine has ended, so no request follows.
            None => pending().await,
        }
        Vec::new()
    }

    /// Counts bytes that were read and handed in. Returns the requests that have waited for enough bytes.
    pub(crate) fn handed_in(&mut self, bytes: usize) -> Vec<ReadFirst> {
        let mut done = Vec::new();
        for (request, left) in mem::take(&mut self.open) {
            match left.saturating_sub(bytes) {
                0 => done.push(request),
                left => self.open.push((request, left)),
            }
        }
        while let Ok(request) = self.requests.try_recv() {
            self.open.push((request, READ_FIRST_BYTES_MAX));
        }
        done
    }

    /// Nothing more is read: returns all requests. Later ones go back to the engine.
    pub(crate) fn end(mut self) -> Vec<ReadFirst> {
        self.requests.close();
        // A request no longer needs an answer from it.
        let mut all = self.handed_in(usize::MAX);
        all.extend(self.open.drain(..).map(|(request, _)| request));
        all
    }
}

/// The connections of each client identifier.
#[derive(Debug, Default)]
pub(crate) struct Holders(HashMap<Arc<str>, Holder>);

#[derive(Debug, Default)]
struct Holder {
    /// The one that the broker has accepted.
    accepted: Option<ConnId>,
    /// The last one that wanted to connect: it may be accepted by now, or be refused.
    latest: Option<ConnId>,
}

impl Holders {
    /// Notes a connection that wants to connect. Returns the connections that may have to be read before.
    pub(crate) fn arriving(
        &mut self,
        client_id: Arc<str>,
        conn: ConnId,
    ) -> impl Iterator<Item = ConnId> + use<> {
        let holder = self.0.entry(client_id).or_default();
        let latest = holder.latest.replace(conn);
        let accepted = holder.accepted.filter(|other| latest != Some(*other));
        [latest, accepted].into_iter().flatten()
    }

    /// The broker has accepted a connection.
    pub(crate) fn accepted(&mut self, client_id: Arc<str>, conn: ConnId) {
        self.0.entry(client_id).or_default().accepted = Some(conn);
    }

    /// A connection has ended.
    pub(crate) fn gone(&mut self, client_id: &str, conn: ConnId) {
        let Some(holder) = self.0.get_mut(client_id) else {
            return;
        };
        for place in [&mut holder.accepted, &mut holder.latest] {
            if *place == Some(conn) {
                *place = None;
            }
        }
        if holder.accepted.is_none() && holder.latest.is_none() {
            self.0.remove(client_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnId = ConnId(1);
    const B: ConnId = ConnId(2);
    const C: ConnId = ConnId(3);

    fn arriving(holders: &mut Holders, conn: ConnId) -> Vec<ConnId> {
        holders.arriving(Arc::from("x"), conn).collect()
    }

    #[test]
    fn a_new_connection_waits_for_the_accepted_one_and_for_the_one_before() {
        let mut holders = Holders::default();
        assert_eq!(arriving(&mut holders, A), []);
        holders.accepted(Arc::from("x"), A);
        assert_eq!(arriving(&mut holders, B), [A]);
        // A refused connection does not hide the client's own.
        assert_eq!(arriving(&mut holders, C), [B, A]);
        holders.gone("x", C);
        assert_eq!(arriving(&mut holders, B), [A]);
        holders.gone("x", A);
        holders.gone("x", B);
        assert!(holders.0.is_empty());
    }

    #[tokio::test]
    async fn a_request_is_returned_when_there_is_nothing_to_read() {
        let (ask, mut asked) = Asked::new();
        let (request, mut answer) = read_first();
        ask.send(request).unwrap();
        assert!(
            asked.nothing_to_read().await.is_empty(),
            "answered before the socket was read"
        );
        assert!(asked.handed_in(1000).is_empty(), "there may be more");
        let done = asked.nothing_to_read().await;
        assert_eq!(done.len(), 1);
        drop(ask);
        let waits = timeout(Duration::ZERO, asked.nothing_to_read()).await;
        waits.expect_err("the request is still open");
        assert!(!answer.is_there(), "not handled yet");
        drop(done);
        assert!(answer.is_there());
    }

    #[tokio::test]
    async fn a_client_that_never_stops_sending_is_read_up_to_the_bound() {
        let (ask, mut asked) = Asked::new();
        let (request, _answer) = read_first();
        ask.send(request).unwrap();
        assert!(asked.handed_in(1).is_empty());
        assert!(asked.handed_in(READ_FIRST_BYTES_MAX - 1).is_empty());
        assert_eq!(asked.handed_in(1).len(), 1);
    }

    #[tokio::test]
    async fn no_request_is_lost_at_the_end() {
        let (ask, mut asked) = Asked::new();
        let (request, _answer) = read_first();
        ask.send(request.clone()).unwrap();
        asked.nothing_to_read().await;
        ask.send(request.clone()).unwrap();
        assert_eq!(asked.end().len(), 2);
        ask.send(request).unwrap_err();
    }
}
