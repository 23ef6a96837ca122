//! A tab's way to a broker in another tab.

use broker::codec::{self, ProtocolVersion};
use broker::{ReasonCode, Time};

use crate::api::{Question, RequestId};
use crate::endpoint::ToBroker;
use crate::lane::{Arrival, LaneEnd, Limits, OPENED};
use crate::protocol::control::ControlMessage;
use crate::protocol::frame::{ConnectionNo, Frame, LaneMessage};
use crate::protocol::names::{Lane, TabId};

/// The client's end of a lane, and how far it is bound.
#[derive(Debug)]
pub(crate) struct Uplink {
    /// When the broker's tab was elected, as it says.
    pub(crate) elected: Option<Time>,
    /// Whether this tab queues for the lock of the broker's tab, because that is said to leave.
    pub(crate) is_watched: bool,
    end: LaneEnd,
    limits: Limits,
    /// When `bind` goes out, again if it did before; `None` once the broker has confirmed it.
    bind_at: Option<Time>,
    /// When `bind` went out first.
    since: Time,
}

/// What an arrived frame means to the tab.
#[derive(Debug)]
pub(crate) enum UplinkEvent {
    /// Nothing.
    Nothing,
    /// The broker has opened its end: clients can connect.
    Bound,
    /// From the broker.
    Messages(Vec<LaneMessage>),
    /// A frame is missing: the lane has to be bound anew.
    Broken,
}

impl Uplink {
    /// A link that is to be bound at `bind_at`.
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

    /// A link to a broker whose end is open already. Should that not be so, nothing is answered, and it is bound anew.
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

    /// The `bind` to post, if it is due.
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

    /// How many bytes of messages the broker takes now.
    pub(crate) fn room(&self) -> usize {
        self.end.room()
    }

    /// Whether the broker is not to send more, because the page does not come after.
    pub(crate) fn hold(&mut self, is_held: bool) {
        self.end.hold(is_held);
    }

    /// A frame of so many bytes came.
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

    /// Until the lane is bound there is nobody to hear it.
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

    /// Asks the broker; `false` while nobody would hear it.
    pub(crate) fn ask(&mut self, no: RequestId, question: Question) -> bool {
        if self.is_bound() {
            self.end.push_question(no, question);
        }
        self.is_bound()
    }

    /// The frames of this turn.
    pub(crate) fn flush(&mut self, post: impl FnMut(Lane, Vec<u8>)) {
        self.end.flush(post);
    }
}
