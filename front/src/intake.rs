//! Reports of connections that the broker has not handled yet.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::vec;

use broker::codec::DecodeError;
use broker::{ConnId, Packet};
use tokio::sync::OwnedSemaphorePermit;

use crate::takeover::ReadFirst;

/// The work for one connection before the next one is served. One packet may exceed it.
pub(crate) const ROW_WORK: usize = 64;
/// The maximum of connections that end in one turn. The end of a session costs several times as much as a packet.
pub(crate) const ENDS_AT_ONCE: usize = 32;

/// One queue for each connection with waiting reports. The broker serves these connections in rotation, a slice of work in each
/// turn. A connection that sends much, or to many receivers, therefore delays another one by one row of its work.
///
/// Ends of connections do not join the rotation, because thousands may come at once, and each is a connection of its own. A turn
/// handles a limited number of them after its slice.
///
/// Each batch needs a [credit](crate::receive_budget::Receiving::batch), and a connection without one is not read. So each queue is
/// bounded.
#[derive(Debug)]
pub(crate) struct Intake {
    queues: HashMap<ConnId, Queue>,
    /// Connections that wait for their row. It may name connections that were forgotten.
    rotation: VecDeque<ConnId>,
    /// Connections whose next report is their end. It may name connections that were forgotten.
    ends: VecDeque<ConnId>,
    /// The number of rows since the start.
    rows: u64,
    /// The work since the slice began.
    work: usize,
    /// The work of a slice.
    work_max: usize,
}

/// The reports of one connection, in order.
pub(crate) type Queue = VecDeque<Waiting>;

/// A report in a queue.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// Packets arrived.
    Packets(Batch),
    /// Invalid bytes arrived.
    Malformed(DecodeError),
    /// The connection is no longer congested.
    HasRoom,
    /// Clients that wait until everything before is handled. They are answered when this is dropped.
    ReadFirst(
        /// Never read. Dropping it is the answer.
        #[expect(dead_code, reason = "dropping it has the effect")]
        Vec<ReadFirst>,
    ),
    /// The connection ended.
    End(End),
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Gone,
    /// There was no room for its packet.
    NoRoom,
}

/// Packets of one connection that arrived together.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) packets: vec::IntoIter<Packet>,
    /// Lets the connection hand in another batch when this one is dropped.
    _credit: OwnedSemaphorePermit,
    /// The room of large packets.
    _room: Option<OwnedSemaphorePermit>,
}

impl Batch {
    pub(crate) fn new(
        packets: Vec<Packet>,
        credit: OwnedSemaphorePermit,
        room: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            packets: packets.into_iter(),
            _credit: credit,
            _room: room,
        }
    }
}

impl Intake {
    pub(crate) fn new(work_max: usize) -> Self {
        Self {
            queues: HashMap::new(),
            rotation: VecDeque::new(),
            ends: VecDeque::new(),
            rows: 0,
            work: 0,
            work_max: work_max.max(1),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Adds a report at the end of the connection's queue.
    pub(crate) fn push(&mut self, conn: ConnId, waiting: Waiting) {
        match self.queues.entry(conn) {
            Entry::Occupied(queue) => queue.into_mut().push_back(waiting),
            Entry::Vacant(place) => match waiting {
                // No report precedes it.
                Waiting::ReadFirst(_) => {}
                Waiting::End(_) => {
                    place.insert(Queue::from([waiting]));
                    self.ends.push_back(conn);
                }
                Waiting::Packets(_) | Waiting::Malformed(_) | Waiting::HasRoom => {
                    place.insert(Queue::from([waiting]));
                    self.rotation.push_back(conn);
                }
            },
        }
    }

    /// Drops the connection's reports.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.queues.remove(&conn);
    }

    /// Takes the queue of the next connection in rotation.
    pub(crate) fn next_row(&mut self) -> Option<(ConnId, Queue)> {
        while let Some(conn) = self.rotation.pop_front() {
            self.rows += 1;
            if let Some(queue) = self.queues.remove(&conn) {
                return Some((conn, queue));
            }
        }
        None
    }

    /// Puts the rest of a queue at the end of the rotation, or with the ends.
    pub(crate) fn put_back(&mut self, conn: ConnId, queue: Queue) {
        match queue.front() {
            None => return,
            Some(Waiting::End(_)) => self.ends.push_back(conn),
            Some(_) => self.rotation.push_back(conn),
        }
        self.queues.insert(conn, queue);
    }

    /// Takes an ended connection: its end, and the requests that wait for it.
    pub(crate) fn next_end(&mut self) -> Option<(ConnId, Queue)> {
        while let Some(conn) = self.ends.pop_front() {
            if let Some(queue) = self.queues.remove(&conn) {
                return Some((conn, queue));
            }
        }
        None
    }

    /// Begins a slice of work.
    pub(crate) fn begin_slice(&mut self) {
        self.work = 0;
    }

    /// Adds [work](broker::Broker::work_of).
    pub(crate) fn count(&mut self, work: usize) {
        self.work = self.work.saturating_add(work);
    }

    /// The work since the slice began.
    pub(crate) fn work(&self) -> usize {
        self.work
    }

    /// Whether the slice is not used up.
    pub(crate) fn has_time(&self) -> bool {
        self.work < self.work_max
    }

    /// The number of the row after which everything that waits now has had its row.
    pub(crate) fn last_row(&self) -> u64 {
        self.rows + self.rotation.len() as u64
    }

    /// Whether the row with this number is over.
    pub(crate) fn has_passed(&self, row: u64) -> bool {
        self.rows >= row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnId = ConnId(1);
    const B: ConnId = ConnId(2);
    const C: ConnId = ConnId(3);

    #[test]
    fn connections_are_served_in_rotation() {
        let mut intake = Intake::new(10);
        for conn in [A, A, B] {
            intake.push(conn, Waiting::HasRoom);
        }
        let mut served = Vec::new();
        while let Some((conn, mut queue)) = intake.next_row() {
            served.push(conn);
            queue.pop_front();
            intake.put_back(conn, queue);
            if served.len() == 1 {
                intake.push(C, Waiting::HasRoom);
            }
        }
        assert_eq!(served, [A, B, A, C]);
        assert!(intake.is_empty());
    }

    #[test]
    fn an_end_follows_what_the_connection_has_sent_and_delays_no_other() {
        let mut intake = Intake::new(10);
        intake.push(A, Waiting::End(End::Gone));
        intake.push(B, Waiting::HasRoom);
        intake.push(B, Waiting::End(End::Gone));
        let (conn, mut queue) = intake.next_row().unwrap();
        assert_eq!(conn, B);
        queue.pop_front();
        intake.put_back(conn, queue);
        assert!(intake.next_row().is_none());
        assert_eq!(intake.next_end().unwrap().0, A);
        assert_eq!(intake.next_end().unwrap().0, B);
        assert!(intake.next_end().is_none());
    }

    #[test]
    fn a_forgotten_connection_is_not_served() {
        let mut intake = Intake::new(10);
        intake.push(A, Waiting::HasRoom);
        intake.push(B, Waiting::End(End::Gone));
        intake.push(C, Waiting::HasRoom);
        intake.forget(A);
        intake.forget(B);
        assert_eq!(intake.next_row().unwrap().0, C);
        assert!(intake.next_end().is_none());
        assert!(intake.is_empty());
    }

    #[test]
    fn a_slice_ends_when_its_work_is_done() {
        let mut intake = Intake::new(10);
        intake.count(9);
        assert!(intake.has_time());
        intake.count(2);
        assert!(!intake.has_time());
        intake.begin_slice();
        assert!(intake.has_time());
    }
}
