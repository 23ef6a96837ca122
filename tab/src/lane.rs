//! Frames, and one end of a lane.
//!
//! A lane has exactly two ends: a tab and the broker. What goes to the other end in one turn of the loop leaves as one
//! [`Frame`] of whole MQTT packets, untouched. Frames are numbered, so that a lost one is noticed.

use core::cmp::Ordering;

use bincode::Options as _;
use broker::Packet;
use broker::codec::{self, ProtocolVersion};
use broker::packet::PacketType;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::api::{Answer, Question, RequestId, Term};
use crate::names::Lane;

/// First bytes of every frame: what does not start with them was sent by no tab of ours.
const MAGIC: [u8; 4] = *b"TMQ1";

/// A frame that has grown to this many bytes is full; the next packet starts another.
const FRAME_BYTES_FULL: usize = 1 << 20;

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
    /// What it carries; nothing in the frame with which the broker confirms a `bind`.
    pub(crate) parcels: Vec<Parcel>,
}

/// Part of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Parcel {
    /// Whole MQTT packets of one connection.
    Packets {
        connection: ConnectionNo,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// The connection has ended at the sender.
    Closed { connection: ConnectionNo },
    /// The connection goes on where an earlier one of this tab was interrupted; its CONNECT is the client's first one.
    GoesOn { connection: ConnectionNo },
    /// The tab's page asks the broker.
    Question { no: RequestId, question: Question },
    /// What the broker says to that.
    Answer { no: RequestId, answer: Answer },
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
        options().deserialize(bytes.strip_prefix(&MAGIC)?).ok()
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
}

#[derive(Debug, Default)]
struct Outbox {
    full: Vec<Vec<Parcel>>,
    parcels: Vec<Parcel>,
    bytes: usize,
}

/// What an arrived frame means to this end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next one, with these parcels.
    Next(Vec<Parcel>),
    /// Of an earlier attempt to bind, of another term, or one that came before: to be ignored.
    Stale,
    /// One before it is missing: the lane is broken.
    Gap,
}

impl LaneEnd {
    pub(crate) fn new(lane: Lane, binding: u32) -> Self {
        Self {
            lane,
            binding,
            next_out: 0,
            next_in: 0,
            outbox: Outbox::default(),
        }
    }

    /// Puts a packet into the frame that leaves at the end of this turn.
    pub(crate) fn push(
        &mut self,
        connection: ConnectionNo,
        version: ProtocolVersion,
        packet: &Packet,
    ) -> Result<(), codec::EncodeError> {
        let outbox = &mut self.outbox;
        if let Some(Parcel::Packets {
            connection: last,
            bytes,
        }) = outbox.parcels.last_mut()
            && *last == connection
        {
            let before = bytes.len();
            codec::encode(packet, version, bytes).inspect_err(|_| bytes.truncate(before))?;
            outbox.bytes += bytes.len() - before;
        } else {
            let mut bytes = Vec::new();
            codec::encode(packet, version, &mut bytes)?;
            outbox.bytes += bytes.len();
            outbox.parcels.push(Parcel::Packets { connection, bytes });
        }
        if outbox.bytes >= FRAME_BYTES_FULL {
            outbox.full.push(core::mem::take(&mut outbox.parcels));
            outbox.bytes = 0;
        }
        Ok(())
    }

    /// Tells the other end that this connection has ended here.
    pub(crate) fn push_closed(&mut self, connection: ConnectionNo) {
        self.outbox.parcels.push(Parcel::Closed { connection });
    }

    /// Tells the other end that this connection, of which nothing was said yet, goes on where another was interrupted.
    pub(crate) fn push_goes_on(&mut self, connection: ConnectionNo) {
        self.outbox.parcels.push(Parcel::GoesOn { connection });
    }

    /// Asks the broker at the other end.
    pub(crate) fn push_question(&mut self, no: RequestId, question: Question) {
        self.outbox.parcels.push(Parcel::Question { no, question });
    }

    /// Tells the tab at the other end what it asked for.
    pub(crate) fn push_answer(&mut self, no: RequestId, answer: Answer) {
        self.outbox.parcels.push(Parcel::Answer { no, answer });
    }

    /// Hands the frames of this turn to `post`, in order.
    pub(crate) fn flush(&mut self, mut post: impl FnMut(Lane, Vec<u8>)) {
        let Outbox { full, parcels, .. } = core::mem::take(&mut self.outbox);
        let last = Some(parcels).filter(|parcels| !parcels.is_empty());
        for parcels in full.into_iter().chain(last) {
            let frame = self.frame(self.next_out, parcels);
            self.next_out += 1;
            post(self.lane, frame);
        }
    }

    /// The empty first frame, with which the broker confirms a `bind`, as often as it is asked to.
    pub(crate) fn confirmation(&mut self) -> Vec<u8> {
        self.next_out = self.next_out.max(1);
        self.frame(0, Vec::new())
    }

    fn frame(&self, seq: u64, parcels: Vec<Parcel>) -> Vec<u8> {
        Frame {
            term: self.lane.term,
            binding: self.binding,
            seq,
            parcels,
        }
        .encode()
    }

    pub(crate) fn accept(&mut self, frame: Frame) -> Arrival {
        if frame.term != self.lane.term || frame.binding != self.binding {
            return Arrival::Stale;
        }
        match frame.seq.cmp(&self.next_in) {
            Ordering::Less => Arrival::Stale,
            Ordering::Equal => {
                self.next_in += 1;
                Arrival::Next(frame.parcels)
            }
            Ordering::Greater => Arrival::Gap,
        }
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
    use crate::names::TabId;

    const LANE: Lane = Lane {
        tab: TabId::from_entropy(1),
        term: Term(5),
    };

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
        let mut end = LaneEnd::new(LANE, 1);
        end.push(ConnectionNo(1), ProtocolVersion::V5, &Packet::PingReq)
            .unwrap();
        end.push(ConnectionNo(1), ProtocolVersion::V5, &Packet::PingReq)
            .unwrap();
        end.push(ConnectionNo(2), ProtocolVersion::V5, &Packet::PingReq)
            .unwrap();
        end.push_closed(ConnectionNo(2));
        assert_eq!(
            flushed(&mut end),
            [Frame {
                term: Term(5),
                binding: 1,
                seq: 0,
                parcels: vec![
                    Parcel::Packets {
                        connection: ConnectionNo(1),
                        bytes: vec![0xc0, 0, 0xc0, 0]
                    },
                    Parcel::Packets {
                        connection: ConnectionNo(2),
                        bytes: vec![0xc0, 0]
                    },
                    Parcel::Closed {
                        connection: ConnectionNo(2)
                    },
                ],
            }]
        );
        assert!(flushed(&mut end).is_empty());
    }

    #[test]
    fn frames_arrive_in_order_or_the_lane_is_broken() {
        let mut from = LaneEnd::new(LANE, 1);
        let mut to = LaneEnd::new(LANE, 1);
        let first = Frame::decode(&from.confirmation()).unwrap();
        let (second, third) = (next_frame(&mut from), next_frame(&mut from));
        assert_eq!(to.accept(first.clone()), Arrival::Next(vec![]));
        assert_eq!(to.accept(third), Arrival::Gap);
        let parcels = second.parcels.clone();
        assert_eq!(to.accept(second), Arrival::Next(parcels));
        assert_eq!(to.accept(first.clone()), Arrival::Stale);
        let mut later_binding = LaneEnd::new(LANE, 2);
        assert_eq!(later_binding.accept(first.clone()), Arrival::Stale);
        let mut later_term = LaneEnd::new(
            Lane {
                term: Term(6),
                ..LANE
            },
            1,
        );
        assert_eq!(later_term.accept(first), Arrival::Stale);
    }

    #[test]
    fn a_bind_that_is_repeated_is_confirmed_again_without_a_gap() {
        let mut from = LaneEnd::new(LANE, 1);
        let mut to = LaneEnd::new(LANE, 1);
        let lost = from.confirmation();
        let again = from.confirmation();
        assert_eq!(lost, again);
        let confirmation = Frame::decode(&again).unwrap();
        assert_eq!(to.accept(confirmation), Arrival::Next(vec![]));
        assert!(matches!(to.accept(next_frame(&mut from)), Arrival::Next(_)));
    }

    #[test]
    fn foreign_bytes_are_no_frame() {
        let frame = LaneEnd::new(LANE, 1).confirmation();
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
        let mut end = LaneEnd::new(LANE, 1);
        end.push(ConnectionNo(300), ProtocolVersion::V5, &Packet::PingReq)
            .unwrap();
        end.push_closed(ConnectionNo(70_000));
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

    #[test]
    fn a_large_turn_is_split_between_packets() {
        use broker::packet::publish::PublishPacket;
        let mut end = LaneEnd::new(LANE, 1);
        let large = Packet::Publish(PublishPacket::new(
            "t",
            vec![0; 700_000],
            broker::QoS::AtMostOnce,
        ));
        for _ in 0..3 {
            end.push(ConnectionNo(1), ProtocolVersion::V5, &large)
                .unwrap();
        }
        assert_eq!(flushed(&mut end).len(), 2);
    }
}
