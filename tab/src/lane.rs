//! Frames, and one end of a lane.
//!
//! A lane has exactly two ends: a tab and the broker. What goes to the other end in one turn of the loop leaves as one
//! [`Frame`] of whole MQTT packets, untouched; long ones go in parts, so that others pass them. Frames are numbered, so that
//! a lost one is noticed, and each says how many have been taken in the other direction: the browser's channels take whatever
//! is posted, so a sender has to know itself how much is on its way.

mod outbox;
pub(crate) mod uplink;

use core::cmp::Ordering;
use std::collections::VecDeque;

use bincode::Options as _;
use broker::codec::{self, ProtocolVersion};
use broker::packet::PacketType;
use broker::sorted::Map;
use broker::{Packet, ReasonCode, terse};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::api::{Answer, Question, RequestId, Term};
use crate::protocol::names::Lane;
use outbox::{FRAME_BYTES_FULL, Outbox};

/// First bytes of every frame: what does not start with them was sent by no tab of ours.
const MAGIC: [u8; 4] = *b"TMQ1";

/// Bytes of a fixed header at most. (MQTT 5.0, 2.1)
const FIXED_HEADER_BYTES_MAX: usize = 5;

/// What a frame costs beside its bytes, so that a great number of small ones is bounded, too.
const FRAME_OVERHEAD_BYTES: usize = 64;

/// Largest frame accepted: a full one and one packet of the greatest size MQTT knows.
const FRAME_BYTES_MAX: u64 = FRAME_BYTES_FULL as u64 + (256 << 20);

/// The binding of a lane that a new broker opened before it was asked to. Those that are asked for are higher.
pub(crate) const OPENED: u32 = 0;

/// Number of one MQTT connection of a tab. A number is used once, so that a late answer to an earlier connection is
/// never taken for one to a later connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct ConnectionNo(pub(crate) u64);

/// What crosses a lane in one post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frame {
    /// The broker's term.
    pub(crate) term: Term,
    /// Number of the attempt to bind.
    pub(crate) binding: u32,
    /// Number of this frame in its direction, from 0.
    pub(crate) seq: u64,
    /// How many frames of the other direction have been taken.
    pub(crate) taken: u64,
    /// What it carries; nothing in the frame with which the broker confirms a `bind`.
    pub(crate) messages: Vec<LaneMessage>,
}

/// Part of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LaneMessage {
    /// Whole MQTT packets of one connection.
    Packets {
        connection: ConnectionNo,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Bytes of a packet that does not go at once. The end that gets them hands on whole packets only.
    Part {
        connection: ConnectionNo,
        is_last: bool,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// The connection has ended at the sender. A broker gives MQTT's reason code, which a client of MQTT 3.1.1 does not get
    /// in a packet.
    Closed {
        connection: ConnectionNo,
        reason_code: u8,
    },
    /// The connection goes on where an earlier one of this tab was interrupted; its CONNECT is the client's first one.
    GoesOn { connection: ConnectionNo },
    /// The tab's page asks the broker.
    Question { no: RequestId, question: Question },
    /// What the broker says to that.
    Answer { no: RequestId, answer: Answer },
}

impl LaneMessage {
    /// Bytes of packets in it.
    fn bytes(&self) -> usize {
        match self {
            Self::Packets { bytes, .. } | Self::Part { bytes, .. } => bytes.len(),
            Self::Closed { .. }
            | Self::GoesOn { .. }
            | Self::Question { .. }
            | Self::Answer { .. } => 0,
        }
    }
}

fn options() -> impl bincode::Options {
    bincode::DefaultOptions::new()
        .with_limit(FRAME_BYTES_MAX)
        .reject_trailing_bytes()
}

impl Frame {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        // Writing to memory fails only beyond FRAME_BYTES_MAX, which no frame of ours reaches: a packet that MQTT
        // cannot carry was refused when it was pushed. An empty body is refused at the other end as foreign.
        if options().serialize_into(&mut bytes, self).is_err() {
            bytes.truncate(MAGIC.len());
        }
        bytes
    }

    /// `None` for bytes that are no frame.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        terse::read(options(), bytes.strip_prefix(&MAGIC)?).ok()
    }
}

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
        self.outbox.push(LaneMessage::GoesOn { connection });
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

/// Splits `bytes` into packets and hands each to `take`, in order; what cannot be decoded comes last, as an error.
///
/// A frame carries whole packets, so a rest that is no whole packet is malformed too.
pub(crate) fn each_packet(
    bytes: Vec<u8>,
    mut version: ProtocolVersion,
    maximum_packet_size: u32,
    mut take: impl FnMut(Result<Packet, codec::DecodeError>),
) {
    let mut bytes = Bytes::from(bytes);
    while !bytes.is_empty() {
        match codec::decode(&mut bytes, version, maximum_packet_size) {
            Ok(Some(packet)) => {
                if let Packet::Connect(connect) = &packet {
                    version = ProtocolVersion::of(connect);
                }
                take(Ok(packet));
            }
            Ok(None) => {
                take(Err(rest(&bytes)));
                return;
            }
            Err(error) => {
                take(Err(error));
                return;
            }
        }
    }
}

fn rest(bytes: &[u8]) -> codec::DecodeError {
    let packet_type = bytes
        .first()
        .and_then(|byte| PacketType::from_u8(byte >> 4));
    match packet_type {
        None => codec::DecodeError::ReservedPacketType,
        Some(packet_type) => codec::DecodeError::Truncated {
            packet_type,
            needed: bytes.len() + 1,
            left: bytes.len(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::names::TabId;

    const LANE: Lane = Lane {
        tab: TabId::from_entropy(1),
        broker: TabId::from_entropy(2),
        term: Term(5),
    };

    const WINDOW_BYTES: usize = 4 << 20;

    const LIMITS: Limits = Limits {
        window_bytes: WINDOW_BYTES,
        unacked_bytes: WINDOW_BYTES / 32,
        maximum_packet_size: 16 << 20,
    };

    fn end(binding: u32) -> LaneEnd {
        LaneEnd::new(LANE, binding, LIMITS)
    }

    fn flushed(end: &mut LaneEnd) -> Vec<Frame> {
        let mut frames = Vec::new();
        end.flush(|_, bytes| frames.push(Frame::decode(&bytes).unwrap()));
        frames
    }

    fn next_frame(end: &mut LaneEnd) -> Frame {
        end.push(ConnectionNo(1), ProtocolVersion::V5, &Packet::PingReq)
            .unwrap();
        flushed(end).remove(0)
    }

    #[test]
    fn one_turn_is_one_frame_and_one_connection_is_one_parcel() {
        let mut end = end(1);
        end.push(ConnectionNo(1), ProtocolVersion::V5, &Packet::PingReq)
            .unwrap();
        end.push(ConnectionNo(1), ProtocolVersion::V5, &Packet::PingReq)
            .unwrap();
        end.push(ConnectionNo(2), ProtocolVersion::V5, &Packet::PingReq)
            .unwrap();
        end.push_closed(ConnectionNo(2), ReasonCode::SessionTakenOver);
        assert_eq!(
            flushed(&mut end),
            [Frame {
                term: Term(5),
                binding: 1,
                seq: 0,
                taken: 0,
                messages: vec![
                    LaneMessage::Packets {
                        connection: ConnectionNo(1),
                        bytes: vec![0xc0, 0, 0xc0, 0]
                    },
                    LaneMessage::Packets {
                        connection: ConnectionNo(2),
                        bytes: vec![0xc0, 0]
                    },
                    LaneMessage::Closed {
                        connection: ConnectionNo(2),
                        reason_code: 0x8e,
                    },
                ],
            }]
        );
        assert!(flushed(&mut end).is_empty());
    }

    #[test]
    fn frames_arrive_in_order_or_the_lane_is_broken() {
        let mut from = end(1);
        let mut to = end(1);
        let first = Frame::decode(&from.confirmation()).unwrap();
        let (second, third) = (next_frame(&mut from), next_frame(&mut from));
        assert_eq!(to.accept(first.clone(), 100), Arrival::Next(vec![]));
        assert_eq!(to.accept(third, 100), Arrival::Gap);
        let messages = second.messages.clone();
        assert_eq!(to.accept(second, 100), Arrival::Next(messages));
        assert_eq!(to.accept(first.clone(), 100), Arrival::Stale);
        let mut later_binding = end(2);
        assert_eq!(later_binding.accept(first.clone(), 100), Arrival::Stale);
        let mut later_term = LaneEnd::new(
            Lane {
                term: Term(6),
                ..LANE
            },
            1,
            LIMITS,
        );
        assert_eq!(later_term.accept(first, 100), Arrival::Stale);
    }

    #[test]
    fn a_bind_that_is_repeated_is_confirmed_again_without_a_gap() {
        let mut from = end(1);
        let mut to = end(1);
        let lost = from.confirmation();
        let again = from.confirmation();
        assert_eq!(lost, again);
        let confirmation = Frame::decode(&again).unwrap();
        assert_eq!(to.accept(confirmation, 100), Arrival::Next(vec![]));
        assert!(matches!(
            to.accept(next_frame(&mut from), 100),
            Arrival::Next(_)
        ));
    }

    #[test]
    fn foreign_bytes_are_no_frame() {
        let frame = end(1).confirmation();
        for end in 0..frame.len() {
            assert_eq!(Frame::decode(&frame[..end]), None);
        }
        let mut longer = frame.clone();
        longer.push(0);
        assert_eq!(Frame::decode(&longer), None);
        // A length of 2^64 - 1 must not be believed.
        let mut lie = MAGIC.to_vec();
        lie.extend([1, 1, 0, 253, 255, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(Frame::decode(&lie), None);
    }

    /// A sequence that looks random and is the same each time.
    fn numbers() -> impl FnMut(usize) -> usize {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as usize % below
        }
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same_frame() {
        let mut below = numbers();
        let mut end = end(1);
        end.push(ConnectionNo(300), ProtocolVersion::V5, &Packet::PingReq)
            .unwrap();
        end.push_closed(ConnectionNo(70_000), ReasonCode::Success);
        end.push(ConnectionNo(2), ProtocolVersion::V5, &Packet::PingResp)
            .unwrap();
        let mut frames = Vec::new();
        end.flush(|_, bytes| frames.push(bytes));
        let (mut accepted, mut refused) = (0, 0);
        for round in 0..50_000 {
            let bytes: Vec<u8> = if round % 2 == 0 {
                let mut bytes = frames[0].clone();
                for _ in 0..=below(3) {
                    let place = below(bytes.len());
                    bytes[place] = below(256) as u8;
                }
                bytes.truncate(bytes.len() - below(2) * below(bytes.len()));
                bytes
            } else {
                let rest = (0..below(40)).map(|_| below(256) as u8);
                MAGIC.into_iter().chain(rest).collect()
            };
            if let Some(frame) = Frame::decode(&bytes) {
                accepted += 1;
                assert_eq!(Frame::decode(&frame.encode()), Some(frame));
            } else {
                refused += 1;
            }
        }
        assert!(accepted > 100 && refused > 100, "{accepted}, {refused}");
    }

    fn publish(payload: usize) -> Packet {
        use broker::packet::publish::PublishPacket;
        Packet::Publish(PublishPacket::new(
            "t",
            vec![7; payload],
            broker::QoS::AtMostOnce,
        ))
    }

    fn push(end: &mut LaneEnd, connection: u64, packet: &Packet) {
        let connection = ConnectionNo(connection);
        end.push(connection, ProtocolVersion::V5, packet).unwrap();
    }

    fn posted(end: &mut LaneEnd) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        end.flush(|_, bytes| frames.push(bytes));
        frames
    }

    /// The other end takes these frames; what it hands on.
    fn take(end: &mut LaneEnd, frames: Vec<Vec<u8>>) -> Vec<LaneMessage> {
        let arrivals = frames.into_iter().map(|bytes| {
            match end.accept(Frame::decode(&bytes).unwrap(), bytes.len()) {
                Arrival::Next(messages) => messages,
                other => panic!("{other:?}"),
            }
        });
        arrivals.flatten().collect()
    }

    /// What a connection said, as far as it has arrived.
    fn said(messages: &[LaneMessage], by: u64) -> Vec<u8> {
        let of_it = messages.iter().flat_map(|message| match message {
            LaneMessage::Packets { connection, bytes } if *connection == ConnectionNo(by) => bytes,
            _ => &[][..],
        });
        of_it.copied().collect()
    }

    fn encoded(packets: &[Packet]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for packet in packets {
            codec::encode(packet, ProtocolVersion::V5, &mut bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn a_large_turn_is_split_between_packets() {
        let mut end = end(1);
        for _ in 0..40 {
            push(&mut end, 1, &publish(60_000));
        }
        let sizes: Vec<usize> = posted(&mut end).iter().map(Vec::len).collect();
        assert_eq!(sizes.len(), 3, "{sizes:?}");
    }

    #[test]
    fn a_long_packet_goes_in_parts_and_others_pass_it() {
        let (mut from, mut to) = (end(1), end(1));
        push(&mut from, 1, &publish(16_000_000));
        push(&mut from, 1, &Packet::PingReq);
        push(&mut from, 2, &Packet::PingReq);
        let first = posted(&mut from);
        assert!(first.iter().all(|frame| frame.len() < 600_000));
        let mut messages = take(&mut to, first);
        assert_eq!(said(&messages, 2), [0xc0, 0]);
        assert!(said(&messages, 1).is_empty());
        assert!(!from.is_full() && from.room() >= WINDOW_BYTES / 4 - 600_000);
        // It goes on as the other end comes after, and so does what comes meanwhile.
        let mut rounds = 0;
        while said(&messages, 1).is_empty() {
            rounds += 1;
            assert!(rounds < 40);
            take(&mut from, posted(&mut to));
            push(&mut from, 2, &Packet::PingReq);
            let more = posted(&mut from);
            assert!(more.iter().map(Vec::len).sum::<usize>() <= WINDOW_BYTES + 600_000);
            messages.extend(take(&mut to, more));
        }
        assert_eq!(said(&messages, 2).len(), 2 + 2 * rounds);
        let expected = encoded(&[publish(16_000_000), Packet::PingReq]);
        assert!(said(&messages, 1) == expected);
        take(&mut from, posted(&mut to));
        assert!(!from.is_full());
    }

    #[test]
    fn nothing_overtakes_what_a_connection_says_in_the_end() {
        let (mut from, mut to) = (end(1), end(1));
        let said_last = [publish(9_000_000), Packet::PingReq, publish(3_000_000)];
        for packet in &said_last {
            push(&mut from, 1, packet);
        }
        from.push_closed(ConnectionNo(1), ReasonCode::Success);
        push(&mut from, 2, &Packet::PingReq);
        let messages = take(&mut to, posted(&mut from));
        assert!(said(&messages, 1) == encoded(&said_last));
        let [.., closed, next] = &messages[..] else {
            panic!("{} parcels", messages.len())
        };
        let connection = ConnectionNo(1);
        let reason_code = 0;
        assert_eq!(
            *closed,
            LaneMessage::Closed {
                connection,
                reason_code
            }
        );
        assert!(matches!(
            next,
            LaneMessage::Packets {
                connection: ConnectionNo(2),
                ..
            }
        ));
        // What the other end does not take makes the lane full all the same.
        assert!(from.is_full());
    }

    #[test]
    fn an_end_that_takes_nothing_gets_no_more_than_half_a_window_of_parts() {
        let mut from = end(1);
        for connection in 1..=8 {
            push(&mut from, connection, &publish(4_000_000));
        }
        let posted_bytes = |end: &mut LaneEnd| posted(end).iter().map(Vec::len).sum::<usize>();
        let first = posted_bytes(&mut from);
        let half = WINDOW_BYTES / 2;
        assert!((half..half + 600_000).contains(&first), "{first}");
        assert_eq!(posted_bytes(&mut from), 0);
        assert!(from.is_full());
    }

    #[test]
    fn what_is_held_does_not_count_as_taken_until_it_is_let_go() {
        let (mut from, mut to) = (end(1), end(1));
        to.hold(true);
        while !from.is_full() {
            push(&mut from, 1, &publish(50_000));
            let frames = posted(&mut from);
            take(&mut to, frames);
            let silence = posted(&mut to);
            assert!(silence.is_empty());
        }
        // Other news tells nothing of it.
        push(&mut to, 1, &Packet::PingResp);
        take(&mut from, posted(&mut to));
        assert!(from.is_full());
        to.hold(false);
        take(&mut from, posted(&mut to));
        assert!(!from.is_full());
        assert!(from.room() > WINDOW_BYTES / 2);
    }

    #[test]
    fn no_more_frames_are_on_their_way_than_were_posted() {
        let (mut from, mut to) = (end(1), end(1));
        push(&mut from, 1, &publish(1_000));
        let frames = posted(&mut from);
        take(&mut to, frames);
        push(&mut to, 1, &Packet::PingResp);
        let mut answer = Frame::decode(&posted(&mut to)[0]).unwrap();
        answer.taken = u64::MAX;
        assert!(matches!(from.accept(answer, 100), Arrival::Next(_)));
        assert_eq!(from.room(), WINDOW_BYTES);
        push(&mut from, 1, &publish(1_000));
        assert!(from.room() < WINDOW_BYTES);
    }

    #[test]
    fn a_packet_in_parts_that_is_too_long_is_handed_on_as_soon_as_it_is() {
        let mut to = LaneEnd::new(
            LANE,
            1,
            Limits {
                maximum_packet_size: 1_000,
                ..LIMITS
            },
        );
        let part = |seq| Frame {
            term: LANE.term,
            binding: 1,
            seq,
            taken: 0,
            messages: vec![LaneMessage::Part {
                connection: ConnectionNo(1),
                is_last: false,
                bytes: vec![0x30; 600],
            }],
        };
        assert_eq!(to.accept(part(0), 700), Arrival::Next(vec![]));
        let Arrival::Next(messages) = to.accept(part(1), 700) else {
            panic!("it is the next one")
        };
        assert_eq!(said(&messages, 1).len(), 1_200);
        assert!(to.parts.is_empty());
    }

    #[test]
    fn whatever_is_pushed_arrives_whole_and_in_the_order_of_its_connection() {
        let mut below = numbers();
        for _ in 0..30 {
            let (mut from, mut to) = (end(1), end(1));
            let mut pushed = vec![Vec::new(); 4];
            let mut messages = Vec::new();
            let mut in_flight: Vec<Vec<u8>> = Vec::new();
            for _ in 0..200 {
                match below(6) {
                    0..3 => {
                        let by = below(pushed.len());
                        let packet = publish([10, 1_000, 70_000, 900_000][below(4)]);
                        push(&mut from, by as u64, &packet);
                        pushed[by].push(packet);
                    }
                    3 => in_flight.extend(posted(&mut from)),
                    4 => {
                        let some = in_flight.drain(..below(in_flight.len() + 1)).collect();
                        messages.extend(take(&mut to, some));
                    }
                    _ => drop(take(&mut from, posted(&mut to))),
                }
            }
            // Each turn of both ends, until nothing is left to say.
            loop {
                in_flight.extend(posted(&mut from));
                let is_over = in_flight.is_empty() && from.outbox.waiting_cost() == 0;
                messages.extend(take(&mut to, core::mem::take(&mut in_flight)));
                take(&mut from, posted(&mut to));
                if is_over {
                    break;
                }
            }
            for (by, packets) in pushed.iter().enumerate() {
                assert!(said(&messages, by as u64) == encoded(packets));
            }
            assert!(!from.is_full());
        }
    }
}
