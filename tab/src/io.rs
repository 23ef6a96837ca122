//! Inputs and outputs of a tab.

use crate::api::{Command, Notice, Source};
use crate::endpoint::port::{PortInput, PortNo, PortOutput};
use crate::log::storage::{StorageEvent, StorageRequest};
use crate::protocol::control::ControlMessage;
use crate::protocol::names::{ChannelName, Lane, Lock};

/// An input of a tab.
#[derive(Clone, Debug)]
pub enum Input {
    /// From the page.
    Command(Command),
    /// From the control channel.
    Control(ControlMessage),
    /// From a lane.
    Frame(Lane, Vec<u8>),
    /// Something that no tab of ours can have sent.
    Foreign(Source),
    /// An event about a Web Lock.
    Lock(LockEvent),
    /// The database's answer to a request.
    Storage(StorageEvent),
    /// From a port.
    Port(PortNo, PortInput),
    /// A message on the control channel as the second BroadcastChannel object received it: see
    /// [`Output::LoopbackProbe`].
    Loopback(ControlMessage),
    /// The runtime could not carry out an output. Contains a sentence.
    Trouble(String),
    /// The time of [`Tab::next_timeout`](crate::Tab::next_timeout) has come.
    Timeout,
}

/// The result of a [`LockRequest`], or the loss of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockEvent {
    /// The lock is held.
    Granted(Lock),
    /// The lock was taken away. Not reported for a lock that this tab released.
    Lost(Lock),
    /// Another tab holds the lock, and [`LockRequest::AcquireIfFree`] does not wait.
    NotFree(Lock),
    /// This browser has no Web Locks here, and their substitute supports neither [`LockRequest::AcquireIfFree`] nor
    /// [`LockRequest::Steal`]. It is also the answer to [`LockRequest::Acquire`] if there is no substitute, or the
    /// browser refuses.
    NotSupported(Lock),
}

/// An effect that a tab requests. The runtime carries out effects in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Join this channel: listen on its control channel. Later lanes and locks belong to it.
    Join(ChannelName),
    /// Post on the control channel.
    Control(ControlMessage),
    /// Open this end of a lane. An open lane stays open.
    OpenLane(Lane),
    /// Post a frame on an open lane.
    Post(Lane, Vec<u8>),
    /// Close this end of a lane.
    CloseLane(Lane),
    /// Request or release a Web Lock.
    Lock(LockRequest),
    /// A request to the channel's database.
    Storage(StorageRequest),
    /// Start or stop listening on the control channel with a second BroadcastChannel object, which receives this tab's
    /// own posts. Each message is an [`Input::Loopback`]. A tab that misses its own posts cannot conclude anything from
    /// silence.
    LoopbackProbe(bool),
    /// Notices for the page.
    Notify(Vec<Notice>),
    /// An output for a port.
    Port(PortNo, PortOutput),
}

/// A request about a Web Lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockRequest {
    /// Queue for it. Has no effect on a lock that is held or queued for. All tabs that queue for another tab's lock get
    /// it together when that tab ends.
    Acquire(Lock),
    /// Take it if it is free. Does not queue.
    AcquireIfFree(Lock),
    /// Take it from its holder. A queued request for it leaves the queue. Has no effect on a lock that this tab holds.
    Steal(Lock),
    /// Release it, or leave the queue. Has no effect on other locks.
    Release(Lock),
}
