//! Uplink: a tab's connection to the broker in another tab.

use broker::codec::{self, ProtocolVersion};
use broker::{ReasonCode, Time};

use crate::api::{Question, RequestId};
use crate::endpoint::ToBroker;
use crate::lane::{Arrival, LaneEnd, Limits, OPENED};
use crate::protocol::control::ControlMessage;
use crate::protocol::frame::{ConnectionNo, Frame, LaneMessage};
use crate::protocol::names::{Lane, TabId};

/// The tab's end of a lane, and the state of its binding.
#[derive(Debug)]
pub(crate) struct Uplink {
    /// When the broker's tab was elected, as it announces.
    pub(crate) elected: Option<Time>,
    /// Whether this tab queues for the lock of the broker's tab, which is said to leave.
    pub(crate) is_watched: bool,
    end: LaneEnd,
    limits: Limits,
    /// When to send `bind`, first or again. `None` after the broker's confirmation.
    bind_at: Option<Time>,
    /// When `bind` was first sent.
    since: Time,
}

/// The result of a received frame.
#[derive(Debug)]
pub(crate) enum UplinkEvent {
    /// Nothing.
    Nothing,
    /// The broker has opened its end. Endpoints can connect.
    Bound,
    /// Messages of the broker.
    Messages(Vec<LaneMessage>),
    /// A frame is missing: the lane has to be bound again.
    Broken,
}

impl Uplink {
    /// Creates an uplink that sends `bind` at `bind_at`.
    pub(crate) fn new(lane: Lane, binding: u32, bind_at: Time, limits: Limits) -> Self {
        Self {
            elected: None,
            is_watched: false,
            end: LaneEnd::new(lane, binding, limits),
            limits,
            bind_at: Some(bind_at),
            since: bind_at,
        }
    }

    /// Creates an uplink to a broker that has opened its end already. If it has not, the missing answers lead to a new
    /// binding.
    pub(crate) fn bound(lane: Lane, now: Time, limits: Limits) -> Self {
        Self {
            bind_at: None,
            ..Self::new(lane, OPENED, now, limits)
        }
    }

    pub(crate) fn lane(&self) -> Lane {
        self.end.lane
    }

    /// The tab of the broker.
    pub(crate) fn broker(&self) -> TabId {
        self.end.lane.broker
    }

    pub(crate) fn binding(&self) -> u32 {
        self.end.binding
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.bind_at.is_none()
    }

    /// Since when `bind` has been unanswered.
    pub(crate) fn unanswered_since(&self) -> Option<Time> {
        self.bind_at.map(|_| self.since)
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.bind_at
    }

    /// Returns the `bind` to post, if it is due.
    pub(crate) fn bind_if_due(&mut self, now: Time, retry_ms: u64) -> Option<ControlMessage> {
        self.bind_at.take_if(|at| *at <= now)?;
        self.bind_at = Some(now.plus_ms(retry_ms));
        Some(ControlMessage::Bind {
            lane: self.end.lane,
            binding: self.end.binding,
        })
    }

    /// Starts again with a new binding at `bind_at`.
    pub(crate) fn reset(&mut self, binding: u32, bind_at: Time) {
        self.end = LaneEnd::new(self.end.lane, binding, self.limits);
        self.bind_at = Some(bind_at);
        self.since = bind_at;
    }

    /// How many bytes of messages the broker accepts now.
    pub(crate) fn room(&self) -> usize {
        self.end.room()
    }

    /// Asks the broker to pause, or to continue, because the page is slow.
    pub(crate) fn hold(&mut self, is_held: bool) {
        self.end.hold(is_held);
    }

    /// Handles a frame of this many bytes.
    pub(crate) fn on_frame(&mut self, frame: Frame, bytes: usize) -> UplinkEvent {
        match self.end.accept(frame, bytes) {
            Arrival::Stale => UplinkEvent::Nothing,
            Arrival::Gap => UplinkEvent::Broken,
            Arrival::Next(messages) => match self.bind_at.take() {
                // The first frame only confirms the `bind`.
                Some(_) => UplinkEvent::Bound,
                None => UplinkEvent::Messages(messages),
            },
        }
    }

    /// Sends a packet or a change of a connection. Without a binding there is no receiver.
    pub(crate) fn push(
        &mut self,
        connection: ConnectionNo,
        version: ProtocolVersion,
        what: &ToBroker,
    ) -> Result<(), codec::EncodeError> {
        if !self.is_bound() {
            return Ok(());
        }
        match what {
            ToBroker::Resume => self.end.push_resume(connection),
            ToBroker::Packet(packet) => self.end.push(connection, version, packet)?,
            ToBroker::Close => self.end.push_closed(connection, ReasonCode::Success),
        }
        Ok(())
    }

    /// Asks the broker. Returns `false` without a binding.
    pub(crate) fn ask(&mut self, no: RequestId, question: Question) -> bool {
        if self.is_bound() {
            self.end.push_question(no, question);
        }
        self.is_bound()
    }

    /// Posts the frames of this turn.
    pub(crate) fn flush(&mut self, post: impl FnMut(Lane, Vec<u8>)) {
        self.end.flush(post);
    }
}
