//! Inputs: everything that a caller reports to the broker.

use crate::codec::DecodeError;
use crate::{BatchId, ConnId, Origin, Packet};

/// One input of a [`Broker`](crate::Broker).
#[derive(Debug)]
pub enum Input {
    /// A connection was opened, under a number that no open connection has. Inputs for a connection that is not open
    /// are ignored.
    Opened(ConnId),
    /// A connection of a known origin was opened.
    OpenedBy(ConnId, Origin),
    /// A connection was opened that resumes an [interrupted](Self::Interrupted) one of the same origin, or one of an
    /// earlier broker. The client has not noticed the interruption. Its CONNECT is the one that it sent first, so its
    /// Clean Start was obeyed then.
    Resume(ConnId, Origin),
    /// A packet arrived that [`codec::decode`](crate::codec::decode) accepts.
    Packet(ConnId, Packet),
    /// Bytes arrived that [`codec::decode`](crate::codec::decode) refuses.
    Malformed(ConnId, DecodeError),
    /// The connection ended, and the broker did not close it.
    Gone(ConnId),
    /// The connection ended, but its origin is still there. The session enters [reconnect
    /// grace](crate::Broker::in_reconnect_grace), as after a change of broker.
    Interrupted(ConnId),
    /// The time of [`Broker::next_timeout`](crate::Broker::next_timeout) has come.
    Timeout,
    /// The caller was suspended for this long (ms), the machine slept, or the clock was set. Keep-alive timeouts
    /// exclude it.
    Suspended(u64),
    /// All batches up to and including this one are durable.
    Committed(BatchId),
    /// All connections of this origin are lost. Its sessions leave [reconnect
    /// grace](crate::Broker::in_reconnect_grace).
    OriginGone(Origin),
    /// Whether the storage is full. While it is, the broker refuses with 0x97 everything that it would have to store.
    StorageFull(bool),
    /// Whether the client reads more slowly than messages arrive for it. While it does, the broker drops its QoS 0
    /// messages and queues those of QoS 1 and 2. Answers are still sent.
    Congested(ConnId, bool),
    /// The server shuts down. The broker closes every connection, with DISCONNECT 0x8B where the protocol has it.
    /// Sessions and wills continue as after any connection that the broker closes.
    Shutdown,
}
