//! One end of a lane.
//!
//! A lane has exactly two ends: a tab and the broker. What goes to the other end in one turn of the loop leaves as one
//! [`Frame`] of whole MQTT packets, untouched; long ones go in parts, so that others pass them. Frames are numbered, so that
//! a lost one is noticed, and each says how many have been taken in the other direction: the browser's channels take whatever
//! is posted, so a sender has to know itself how much is on its way.

mod outbox;
pub(crate) mod uplink;

use core::cmp::Ordering;
use std::collections::VecDeque;

use broker::codec::{self, ProtocolVersion};
use broker::sorted::Map;
use broker::{Packet, ReasonCode};

use crate::api::{Answer, Question, RequestId};
use crate::protocol::frame::{ConnectionNo, Frame, LaneMessage};
use crate::protocol::names::Lane;
use outbox::Outbox;

/// Bytes of a fixed header at most. (MQTT 5.0, 2.1)
const FIXED_HEADER_BYTES_MAX: usize = 5;

/// What a frame costs beside its bytes, so that a great number of small ones is bounded, too.
const FRAME_OVERHEAD_BYTES: usize = 64;

/// The binding of a lane that a new broker opened before it was asked to. Those that are asked for are higher.
pub(crate) const OPENED: u32 = 0;

/// How much one end of a lane lets pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes on their way to the other end from which on the lane is full. What is posted in one turn may be more.
    pub(crate) window_bytes: usize,
    /// Bytes that were taken and not told of from which on the other end is told without waiting for something to say.
    pub(crate) unacked_bytes: usize,
    /// Bytes of a packet that is taken in parts, at most.
    pub(crate) maximum_packet_size: u32,
}

impl Limits {
    /// What a message counts at most, so that a long one does not take all the room: there may be a few of them.
    pub(crate) const fn cost_max(self) -> usize {
        self.window_bytes / 4
    }

    /// A payload of so many bytes makes a packet long: it goes in parts, between which others pass it.
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
    next_out: u64,
    next_in: u64,
    outbox: Outbox,
    /// What each of the last frames cost that the other end has not taken yet, as far as it has told.
    in_flight: VecDeque<usize>,
    /// All of them.
    in_flight_bytes: usize,
    /// Whether the other end is slow: it became full, and has no room again yet.
    is_full: bool,
    /// How many frames the other end was told of as taken, and what those have cost that it was not told of.
    told: u64,
    unacked_bytes: usize,
    /// Whether nothing is told of as taken, because whoever it is for does not come after.
    is_held: bool,
    /// Packets that have come in part.
    parts: Map<ConnectionNo, Vec<u8>>,
    limits: Limits,
}

/// What an arrived frame means to this end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next one, with these messages.
    Next(Vec<LaneMessage>),
    /// Of an earlier attempt to bind, of another term, or one that came before: to be ignored.
    Stale,
    /// One before it is missing: the lane is broken.
    Gap,
}

impl LaneEnd {
    pub(crate) fn new(lane: Lane, binding: u32, limits: Limits) -> Self {
        Self {
            lane,
            binding,
            next_out: 0,
            next_in: 0,
            outbox: Outbox::new(limits),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            is_full: false,
            told: 0,
            unacked_bytes: 0,
            is_held: false,
            parts: Map::new(),
            limits,
        }
    }

    /// How many bytes may be pushed before the lane is full.
    pub(crate) fn room(&self) -> usize {
        self.limits
            .window_bytes
            .saturating_sub(self.unsettled_bytes())
    }

    /// Whether the lane is full: from when too much is on its way until not much is.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether what this end takes counts as taken: not while whoever it is for does not come after.
    pub(crate) fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    fn unsettled_bytes(&self) -> usize {
        self.in_flight_bytes + self.outbox.waiting_cost()
    }

    fn settle(&mut self) {
        let bytes = self.unsettled_bytes();
        let window = self.limits.window_bytes;
        self.is_full = bytes >= window || (self.is_full && bytes > window / 2);
    }

    /// Puts a packet into the frame that leaves at the end of this turn.
    pub(crate) fn push(
        &mut self,
        connection: ConnectionNo,
        version: ProtocolVersion,
        packet: &Packet,
    ) -> Result<(), codec::EncodeError> {
        self.outbox.push_packet(connection, version, packet)?;
        self.settle();
        Ok(())
    }

    /// Tells the other end that this connection has ended here.
    pub(crate) fn push_closed(&mut self, connection: ConnectionNo, reason: ReasonCode) {
        self.outbox.push_closed(connection, reason);
    }

    /// Tells the other end that this connection, of which nothing was said yet, goes on where another was interrupted.
    pub(crate) fn push_resume(&mut self, connection: ConnectionNo) {
        self.outbox.push(LaneMessage::Resume { connection });
    }

    /// Asks the broker at the other end.
    pub(crate) fn push_question(&mut self, no: RequestId, question: Question) {
        self.outbox.push(LaneMessage::Question { no, question });
    }

    /// Tells the tab at the other end what it asked for.
    pub(crate) fn push_answer(&mut self, no: RequestId, answer: Answer) {
        self.outbox.push(LaneMessage::Answer { no, answer });
    }

    /// Hands the frames of this turn to `post`, in order.
    pub(crate) fn flush(&mut self, mut post: impl FnMut(Lane, Vec<u8>)) {
        for messages in self.outbox.take_whole() {
            self.post(messages, &mut post);
        }
        // Long packets leave room for others.
        while self.in_flight_bytes < self.limits.window_bytes / 2
            && let Some(messages) = self.outbox.take_part()
        {
            self.post(messages, &mut post);
        }
        if self.unacked_bytes >= self.limits.unacked_bytes && !self.is_held {
            self.post(Vec::new(), &mut post);
        }
        self.settle();
    }

    fn post(&mut self, messages: Vec<LaneMessage>, post: &mut impl FnMut(Lane, Vec<u8>)) {
        let frame = self.frame(self.next_out, messages);
        self.next_out += 1;
        let cost = frame.len() + FRAME_OVERHEAD_BYTES;
        self.in_flight.push_back(cost);
        self.in_flight_bytes += cost;
        post(self.lane, frame);
    }

    /// The empty first frame, with which the broker confirms a `bind`, as often as it is asked to.
    pub(crate) fn confirmation(&mut self) -> Vec<u8> {
        if self.next_out == 0 {
            self.next_out = 1;
            // As small as it is, it may be told of as taken like any other.
            self.in_flight.push_back(0);
        }
        self.frame(0, Vec::new())
    }

    fn frame(&mut self, seq: u64, messages: Vec<LaneMessage>) -> Vec<u8> {
        if !self.is_held {
            self.told = self.next_in;
            self.unacked_bytes = 0;
        }
        Frame {
            term: self.lane.term,
            binding: self.binding,
            seq,
            taken: self.told,
            messages,
        }
        .encode()
    }

    /// Takes a frame that had so many bytes.
    pub(crate) fn accept(&mut self, frame: Frame, bytes: usize) -> Arrival {
        if frame.term != self.lane.term || frame.binding != self.binding {
            return Arrival::Stale;
        }
        match frame.seq.cmp(&self.next_in) {
            Ordering::Less => Arrival::Stale,
            Ordering::Equal => {
                self.next_in += 1;
                self.unacked_bytes += bytes + FRAME_OVERHEAD_BYTES;
                self.on_acked(frame.taken);
                Arrival::Next(self.whole(frame.messages))
            }
            Ordering::Greater => Arrival::Gap,
        }
    }

    /// The other end has taken so many frames.
    fn on_acked(&mut self, taken: u64) {
        // More than there are says no end of ours.
        let left = usize::try_from(self.next_out.saturating_sub(taken)).unwrap_or(usize::MAX);
        while self.in_flight.len() > left {
            self.in_flight_bytes -= self.in_flight.pop_front().unwrap_or_default();
        }
        self.settle();
    }

    /// Keeps parts until their packets are whole.
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
                // Too long a packet is one already: whoever decodes it finds that out from its beginning.
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
