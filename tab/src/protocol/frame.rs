//! The frames of a lane, and their bytes.

use bincode::Options as _;
use broker::codec::{self, ProtocolVersion};
use broker::packet::PacketType;
use broker::{Packet, terse};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::api::{Answer, Question, RequestId, Term};

/// The first bytes of every frame. Bytes without them are foreign.
pub(crate) const MAGIC: [u8; 4] = *b"TMQ1";

/// A frame that has grown to this many bytes is full; the next packet starts another.
pub(crate) const FRAME_BYTES_FULL: usize = 1 << 20;

/// Largest accepted frame: a full one and one packet of MQTT's maximum size.
const FRAME_BYTES_MAX: u64 = FRAME_BYTES_FULL as u64 + (256 << 20);

/// Number of one MQTT connection of a tab. Numbers are never reused, so a late answer to an earlier connection reaches
/// no later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct ConnectionNo(pub(crate) u64);

/// All that crosses a lane in one post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frame {
    /// The broker's term.
    pub(crate) term: Term,
    /// Number of the attempt to bind the lane.
    pub(crate) binding: u32,
    /// Number of this frame in its direction, from 0.
    pub(crate) seq: u64,
    /// How many frames of the other direction have been acknowledged.
    pub(crate) acked: u64,
    /// The messages. None in the frame with which the broker confirms a `bind`.
    pub(crate) messages: Vec<LaneMessage>,
}

/// One message in a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LaneMessage {
    /// Whole MQTT packets of one connection.
    Packets {
        connection: ConnectionNo,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Part of a long packet. The receiving end reassembles it.
    Part {
        connection: ConnectionNo,
        is_last: bool,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// The connection has ended at the sender. The broker adds MQTT's reason code, because MQTT 3.1.1 has no packet for
    /// it.
    Closed {
        connection: ConnectionNo,
        reason_code: u8,
    },
    /// The connection resumes an interrupted one of this tab. Its CONNECT is the client's first one.
    Resume { connection: ConnectionNo },
    /// A question of the tab's page to the broker.
    Question { no: RequestId, question: Question },
    /// The broker's answer.
    Answer { no: RequestId, answer: Answer },
}

impl LaneMessage {
    /// Bytes of packets in this message.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Packets { bytes, .. } | Self::Part { bytes, .. } => bytes.len(),
            Self::Closed { .. }
            | Self::Resume { .. }
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
        // Serialization fails only beyond FRAME_BYTES_MAX, which no frame reaches: oversized packets were refused
        // earlier. The receiver refuses an empty body as foreign.
        if options().serialize_into(&mut bytes, self).is_err() {
            bytes.truncate(MAGIC.len());
        }
        bytes
    }

    /// `None`: the bytes are no frame.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        terse::read(options(), bytes.strip_prefix(&MAGIC)?).ok()
    }
}

/// Decodes `bytes` and passes each packet to `take`, in order. An error comes last.
///
/// A frame contains whole packets, so an incomplete rest is malformed.
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
