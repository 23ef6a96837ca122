//! Turn: the time of an input and the places for its effects.

use broker::Time;

use crate::api::{Event, EventKind, Notice};
use crate::io::{LockRequest, Output};
use crate::lane::uplink::Uplink;
use crate::log::storage::StorageRequest;
use crate::protocol::control::ControlMessage;
use crate::protocol::names::Lock;

/// The time of an input, and the places for its effects.
pub(super) struct Turn<'a> {
    pub(super) now: Time,
    pub(super) notices: &'a mut Vec<Notice>,
    pub(super) out: &'a mut Vec<Output>,
}

impl Turn<'_> {
    pub(super) fn notify(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    pub(super) fn event(&mut self, kind: EventKind) {
        self.notify(Notice::Event(Event { at: self.now, kind }));
    }

    pub(super) fn control(&mut self, message: ControlMessage) {
        self.out.push(Output::Control(message));
    }

    pub(super) fn acquire(&mut self, lock: Lock) {
        self.out.push(Output::Lock(LockRequest::Acquire(lock)));
    }

    pub(super) fn lock(&mut self, request: LockRequest) {
        self.out.push(Output::Lock(request));
    }

    pub(super) fn storage(&mut self, request: StorageRequest) {
        self.out.push(Output::Storage(request));
    }

    /// Closes the lane to a broker.
    pub(super) fn leave(&mut self, uplink: &Uplink) {
        self.out.push(Output::CloseLane(uplink.lane()));
        if uplink.is_watched {
            self.release(Lock::Tab(uplink.broker()));
        }
    }

    pub(super) fn release(&mut self, lock: Lock) {
        self.out.push(Output::Lock(LockRequest::Release(lock)));
    }
}
