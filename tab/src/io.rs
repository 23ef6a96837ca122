//! Inputs and outputs of a tab.

use crate::api::{Command, Notice, Source};
use crate::endpoint::port::{PortInput, PortNo, PortOutput};
use crate::log::storage::{StorageEvent, StorageRequest};
use crate::protocol::control::ControlMessage;
use crate::protocol::names::{ChannelName, Lane, Lock};

/// What a tab is told.
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
    /// About a Web Lock.
    Lock(LockEvent),
    /// From the database.
    Storage(StorageEvent),
    /// From a port.
    Port(PortNo, PortInput),
    /// From the control channel, as this tab's ear gets it: see [`Output::LoopbackProbe`].
    Loopback(ControlMessage),
    /// The runtime could not carry out an output; a sentence.
    Trouble(String),
    /// It is time, see [`Tab::next_timeout`].
    Timeout,
}

/// What became of a [`LockRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockEvent {
    /// The lock is held.
    Granted(Lock),
    /// The lock was taken away. Not said of a lock that this tab released.
    Lost(Lock),
    /// Another holds the lock, and [`LockRequest::AcquireIfFree`] does not wait.
    NotFree(Lock),
    /// This browser has no Web Locks here, and what stands in for them knows neither [`LockRequest::AcquireIfFree`] nor
    /// [`LockRequest::Steal`]. It is also the answer to [`LockRequest::Acquire`] where nothing stands in for them, or the
    /// browser refuses.
    NotSupported(Lock),
}

/// What a tab wants done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Listen on this channel's control channel; lanes and locks from here on are this channel's.
    Join(ChannelName),
    /// Post on the control channel.
    Control(ControlMessage),
    /// Open this end of a lane. One that is open stays open.
    OpenLane(Lane),
    /// Post a frame on an open lane.
    Post(Lane, Vec<u8>),
    /// Close this end of a lane.
    CloseLane(Lane),
    /// About a Web Lock.
    Lock(LockRequest),
    /// About the database of the channel.
    Storage(StorageRequest),
    /// Whether to listen on the control channel through a second BroadcastChannel object, too, which gets what this tab
    /// itself posts there: each message is an [`Input::Loopback`]. A tab that does not hear itself is deaf, not alone.
    LoopbackProbe(bool),
    /// To the page.
    Notify(Vec<Notice>),
    /// To a port.
    Port(PortNo, PortOutput),
}

/// What a tab wants of a Web Lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockRequest {
    /// Queue for it. One that is held or queued for stays so. All who queue for the lock of another tab get it together, when
    /// that is gone: none of them keeps it from the others.
    Acquire(Lock),
    /// Take it if nobody holds it; do not queue.
    AcquireIfFree(Lock),
    /// Take it from whoever holds it. One that is queued for leaves the queue; one that is held stays held.
    Steal(Lock),
    /// Let it go, or leave the queue. One that is neither held nor queued for stays so.
    Release(Lock),
}
