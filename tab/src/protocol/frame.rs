//! The frames of a lane, and their bytes.

use broker::Packet;
use broker::binary::{self, Integers};
use broker::codec::{self, ProtocolVersion};
use broker::packet::PacketType;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::api::{Answer, Question, RequestId, Term};

/// The first bytes of every frame. Bytes without them are foreign.
pub(crate) const MAGIC: [u8; 4] = *b"TMQ1";

/// A frame that has grown to this many bytes is full; the next packet starts another.
pub(crate) const FRAME_BYTES_FULL: usize = 1 << 20;

/// Largest accepted frame: a full one and one packet of MQTT's maximum size.
const FRAME_BYTES_MAX: usize = FRAME_BYTES_FULL + (256 << 20);

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

impl Frame {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        // The layout has a place for every frame. The receiver would refuse a part as foreign.
        let written = binary::write(self, &mut bytes);
        debug_assert_eq!(written, Ok(()));
        bytes
    }

    /// `None`: the bytes are no frame.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let body = bytes.strip_prefix(&MAGIC)?;
        if body.len() > FRAME_BYTES_MAX {
            return None;
        }
        binary::read(Integers::Variable, body).ok()
    }
}

/// The packets in some bytes, in order. An error comes last.
///
/// A frame contains whole packets, so an incomplete rest is malformed.
#[derive(Debug)]
pub(crate) struct Packets {
    bytes: Bytes,
    version: ProtocolVersion,
    maximum_packet_size: u32,
}

impl Packets {
    pub(crate) fn new(bytes: Vec<u8>, maximum_packet_size: u32) -> Self {
        Self {
            bytes: Bytes::from(bytes),
            version: ProtocolVersion::default(),
            maximum_packet_size,
        }
    }

    /// Sets the version of the connection. A CONNECT among the packets sets it, too.
    pub(crate) fn set_version(&mut self, version: ProtocolVersion) {
        self.version = version;
    }

    /// Whether no packet is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl Iterator for Packets {
    type Item = Result<Packet, codec::DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let error = match codec::decode(&mut self.bytes, self.version, self.maximum_packet_size) {
            Ok(Some(packet)) => {
                if let Packet::Connect(connect) = &packet {
                    self.version = ProtocolVersion::of(connect);
                }
                return Some(Ok(packet));
            }
            Ok(None) => rest(&self.bytes),
            Err(error) => error,
        };
        self.bytes.clear();
        Some(Err(error))
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
mod tests;
