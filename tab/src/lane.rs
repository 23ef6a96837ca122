//! Lanes: numbering, acknowledgement and back-pressure of frames at one end.
//!
//! A lane has exactly two ends: a tab and the broker. Everything for the other end leaves at the end of a turn as one
//! [`Frame`] of whole MQTT packets. Long packets leave in parts, so that others pass them. Frames are numbered, so that
//! a lost one is noticed. Each frame acknowledges those of the other direction: a BroadcastChannel gives no
//! back-pressure, so the sender counts the bytes in flight itself.

mod outbox;
pub(crate) mod uplink;

use core::cmp::Ordering;
use std::collections::VecDeque;

use broker::codec::{self, ProtocolVersion, SharedPublish};
use broker::sorted::Map;
use broker::{Packet, ReasonCode};

use crate::api::{Answer, Question, RequestId};
use crate::protocol::frame::{ConnectionNo, Frame, LaneMessage};
use crate::protocol::names::Lane;
use outbox::Outbox;

/// Maximum bytes of a fixed header. (MQTT 5.0, 2.1)
const FIXED_HEADER_BYTES_MAX: usize = 5;

/// Cost of a frame in addition to its bytes, which bounds the number of small ones.
const FRAME_OVERHEAD_BYTES: usize = 64;

/// The binding of a lane that a new broker opened without a `bind`. Bindings of tabs are higher.
pub(crate) const OPENED: u32 = 0;

/// Limits of one end of a lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes in flight at which the lane is full. One turn may exceed it.
    pub(crate) window_bytes: usize,
    /// Unacknowledged received bytes at which an acknowledgement leaves without waiting for another frame.
    pub(crate) unacked_bytes: usize,
    /// Maximum bytes of a packet that arrives in parts.
    pub(crate) maximum_packet_size: u32,
}

impl Limits {
    /// Maximum cost of a message, so that a long one leaves room for a few others.
    pub(crate) const fn cost_max(self) -> usize {
        self.window_bytes / 4
    }

    /// Payloads of at least this many bytes leave in parts, so that other packets pass them.
    const fn long_bytes(self) -> usize {
        self.window_bytes / 16
    }

    const fn part_bytes(self) -> usize {
        self.window_bytes / 8
    }
}

/// One end of a lane.
#[derive(Debug)]
pub(crate) struct LaneEnd {
    pub(crate) lane: Lane,
    pub(crate) binding: u32,
    next_sent: u64,
    next_received: u64,
    outbox: Outbox,
    /// Cost of each frame in flight that the other end has not acknowledged.
    in_flight: VecDeque<usize>,
    /// Sum of `in_flight`.
    in_flight_bytes: usize,
    /// Whether the other end is slow: the lane was full and has not enough room yet.
    is_full: bool,
    /// Number of acknowledged frames of the other end, and the cost of those that are not acknowledged.
    acked: u64,
    unacked_bytes: usize,
    /// Whether acknowledgements are withheld, because the receiver behind this end is slow.
    is_held: bool,
    /// Packets that have arrived in part.
    parts: Map<ConnectionNo, Vec<u8>>,
    limits: Limits,
}

/// The result of a received frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next frame, with these messages.
    Next(Vec<LaneMessage>),
    /// A frame of an earlier binding, another term or a lower number. It is ignored.
    Stale,
    /// An earlier frame is missing: the lane is broken.
    Gap,
}

impl LaneEnd {
    pub(crate) fn new(lane: Lane, binding: u32, limits: Limits) -> Self {
        Self {
            lane,
            binding,
            next_sent: 0,
            next_received: 0,
            outbox: Outbox::new(limits),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            is_full: false,
            acked: 0,
            unacked_bytes: 0,
            is_held: false,
            parts: Map::new(),
            limits,
        }
    }

    /// How many more bytes fit before the lane is full.
    pub(crate) fn room(&self) -> usize {
        self.limits
            .window_bytes
            .saturating_sub(self.outstanding_bytes())
    }

    /// Whether the lane is full. It stays full until half of the window is free.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Withholds acknowledgements while the receiver behind this end is slow.
    pub(crate) fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// The cost of received frames that are not acknowledged.
    pub(crate) fn unacked_bytes(&self) -> usize {
        self.unacked_bytes
    }

    fn outstanding_bytes(&self) -> usize {
        self.in_flight_bytes + self.outbox.waiting_cost()
    }

    fn update_fullness(&mut self) {
        let bytes = self.outstanding_bytes();
        let window = self.limits.window_bytes;
        self.is_full = bytes >= window || (self.is_full && bytes > window / 2);
    }

    /// Adds a packet to the frame of this turn.
    pub(crate) fn push(
        &mut self,
        connection: ConnectionNo,
        version: ProtocolVersion,
        packet: &Packet,
    ) -> Result<(), codec::EncodeError> {
        self.outbox.push_packet(connection, version, packet)?;
        self.update_fullness();
        Ok(())
    }

    /// Adds a PUBLISH of the broker to the frame of this turn.
    pub(crate) fn push_publish(
        &mut self,
        connection: ConnectionNo,
        version: ProtocolVersion,
        publish: &SharedPublish,
    ) -> Result<(), codec::EncodeError> {
        self.outbox.push_publish(connection, version, publish)?;
        self.update_fullness();
        Ok(())
    }

    /// Tells the other end that this connection has ended here.
    pub(crate) fn push_closed(&mut self, connection: ConnectionNo, reason: ReasonCode) {
        self.outbox.push_closed(connection, reason);
    }

    /// Tells the other end that this new connection resumes an interrupted one.
    pub(crate) fn push_resume(&mut self, connection: ConnectionNo) {
        self.outbox.push(LaneMessage::Resume { connection });
    }

    /// Asks the broker at the other end.
    pub(crate) fn push_question(&mut self, no: RequestId, question: Question) {
        self.outbox.push(LaneMessage::Question { no, question });
    }

    /// Sends the answer to a tab's question.
    pub(crate) fn push_answer(&mut self, no: RequestId, answer: Answer) {
        self.outbox.push(LaneMessage::Answer { no, answer });
    }

    /// Hands the frames of this turn to `post`, in order.
    pub(crate) fn flush(&mut self, mut post: impl FnMut(Lane, Vec<u8>)) {
        for messages in self.outbox.take_whole() {
            self.post(messages, &mut post);
        }
        // Long packets leave only as far as there is room for others.
        while self.in_flight_bytes < self.limits.window_bytes / 2
            && let Some(messages) = self.outbox.take_part()
        {
            self.post(messages, &mut post);
        }
        if self.unacked_bytes >= self.limits.unacked_bytes && !self.is_held {
            self.post(Vec::new(), &mut post);
        }
        self.update_fullness();
    }

    fn post(&mut self, messages: Vec<LaneMessage>, post: &mut impl FnMut(Lane, Vec<u8>)) {
        let frame = self.frame(self.next_sent, messages);
        self.next_sent += 1;
        let cost = frame.len() + FRAME_OVERHEAD_BYTES;
        self.in_flight.push_back(cost);
        self.in_flight_bytes += cost;
        post(self.lane, frame);
    }

    /// The empty first frame, which confirms a `bind`. Repeated for a repeated `bind`.
    pub(crate) fn confirmation(&mut self) -> Vec<u8> {
        if self.next_sent == 0 {
            self.next_sent = 1;
            // It is acknowledged like any other frame, and costs nothing.
            self.in_flight.push_back(0);
        }
        self.frame(0, Vec::new())
    }

    fn frame(&mut self, seq: u64, messages: Vec<LaneMessage>) -> Vec<u8> {
        if !self.is_held {
            self.acked = self.next_received;
            self.unacked_bytes = 0;
        }
        Frame {
            term: self.lane.term,
            binding: self.binding,
            seq,
            acked: self.acked,
            messages,
        }
        .encode()
    }

    /// Accepts a received frame of this many bytes.
    pub(crate) fn accept(&mut self, frame: Frame, bytes: usize) -> Arrival {
        if frame.term != self.lane.term || frame.binding != self.binding {
            return Arrival::Stale;
        }
        match frame.seq.cmp(&self.next_received) {
            Ordering::Less => Arrival::Stale,
            Ordering::Equal => {
                self.next_received += 1;
                self.unacked_bytes += bytes + FRAME_OVERHEAD_BYTES;
                self.on_acked(frame.acked);
                Arrival::Next(self.whole(frame.messages))
            }
            Ordering::Greater => Arrival::Gap,
        }
    }

    /// The other end acknowledges this many frames.
    fn on_acked(&mut self, acked: u64) {
        // A tab of ours never acknowledges more frames than exist.
        let left = usize::try_from(self.next_sent.saturating_sub(acked)).unwrap_or(usize::MAX);
        while self.in_flight.len() > left {
            self.in_flight_bytes -= self.in_flight.pop_front().unwrap_or_default();
        }
        self.update_fullness();
    }

    /// Reassembles packets from parts.
    fn whole(&mut self, messages: Vec<LaneMessage>) -> Vec<LaneMessage> {
        let is_whole = |message: &LaneMessage| !matches!(message, LaneMessage::Part { .. });
        if self.parts.is_empty() && messages.iter().all(is_whole) {
            return messages;
        }
        let messages = messages.into_iter().filter_map(|message| match message {
            LaneMessage::Part {
                connection,
                is_last,
                bytes,
            } => {
                let part = self.parts.get_or_insert_with(connection, Vec::new);
                part.extend_from_slice(&bytes);
                // An oversized packet is passed on early: the decoder refuses it by its beginning.
                let is_over = is_last
                    || part.len()
                        > self.limits.maximum_packet_size as usize + FIXED_HEADER_BYTES_MAX;
                let bytes = is_over.then(|| self.parts.remove(&connection))??;
                Some(LaneMessage::Packets { connection, bytes })
            }
            LaneMessage::Closed { connection, .. } => {
                self.parts.remove(&connection);
                Some(message)
            }
            message => Some(message),
        });
        messages.collect()
    }
}

#[cfg(test)]
mod tests;
