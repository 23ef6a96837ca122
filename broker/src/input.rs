//! Everything that a caller tells the broker.

use crate::codec::DecodeError;
use crate::{BatchId, ConnId, Origin, Packet};

/// What the broker is told.
#[derive(Debug)]
pub enum Input {
    /// A connection was opened, under a number that no open connection has. What is said of a connection that was not
    /// opened, or is closed again, is ignored.
    Opened(ConnId),
    /// A connection was opened, and it is known who stands behind it.
    OpenedBy(ConnId, Origin),
    /// A connection was opened that goes on where one of the same origin was [interrupted](Self::Interrupted), or ended
    /// with the broker before: its client knows nothing of that. The CONNECT is the one that the client sent when it
    /// began, and its Clean Start was obeyed then.
    Resume(ConnId, Origin),
    /// A packet came, one that [`codec::decode`](crate::codec::decode) accepts.
    Packet(ConnId, Packet),
    /// What came is no packet that MQTT allows.
    Malformed(ConnId, DecodeError),
    /// The connection ended, and the broker did not end it.
    Gone(ConnId),
    /// The connection ended, but whoever stands behind it is there and comes back: as after a change of broker, the client
    /// is [awaited](Broker::in_reconnect_grace).
    Interrupted(ConnId),
    /// It is time, see [`Broker::next_timeout`].
    Timeout,
    /// For so many milliseconds, which have just ended, nobody can be blamed for silence: the caller stood still, the
    /// machine slept, or the clock was set.
    Suspended(u64),
    /// Everything up to this batch, and the batch, is stored.
    Committed(BatchId),
    /// Nobody of this origin comes back: its sessions that are [awaited](Broker::in_reconnect_grace) have lost their connections.
    OriginGone(Origin),
    /// Whether there is no room to store anything more. As long as there is none, what would have to be stored is
    /// refused with 0x97.
    StorageFull(bool),
    /// Whether the way to the client of this connection is full, because it takes what it is sent slower than that comes.
    /// As long as it is, messages of QoS 0 are dropped for it, those of QoS 1 and 2 wait in its session, and answers go on.
    Congested(ConnId, bool),
    /// The server ends: every connection is closed, with 0x8B for those that can be told. Sessions and wills go on as
    /// after any connection that the broker closes, for a server that keeps the broker or its state.
    Shutdown,
}
