//! An encoded packet in an outbox.

use broker::codec::{self, EncodeError, ProtocolVersion, SharedPublish};
use broker::packet::publish::PublishPacket;
use broker::{Packet, QoS};
use bytes::Bytes;

/// From this size on, in bytes, all receivers of a message share its payload. Below it, a copy costs less than the sharing.
const SHARED_BYTES: usize = 4 * 1024;
/// The assumed overhead of a packet in bytes, which also bounds the number of tiny packets.
const OVERHEAD_BYTES: usize = 64;

/// A packet in bytes. A large payload is not copied, so a message to many receivers is in memory once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    head: Bytes,
    /// In a box, because most packets have none, and thousands of them may wait.
    payload: Option<Box<Bytes>>,
    is_message: bool,
    may_be_lost: bool,
}

impl Encoded {
    /// A packet that is no PUBLISH.
    pub(crate) fn answer(packet: &Packet, version: ProtocolVersion) -> Result<Self, EncodeError> {
        let mut bytes = Vec::new();
        codec::encode(packet, version, &mut bytes)?;
        Ok(Self {
            head: Bytes::from(bytes),
            payload: None,
            is_message: false,
            may_be_lost: false,
        })
    }

    pub(crate) fn message(
        publish: SharedPublish,
        version: ProtocolVersion,
    ) -> Result<Self, EncodeError> {
        let may_be_lost = may_be_lost(&publish.packet);
        let mut head = Vec::new();
        let payload = if publish.packet.payload.len() < SHARED_BYTES {
            publish.encode(version, &mut head)?;
            None
        } else {
            publish.encode_head(version, &mut head)?;
            Some(Box::new(publish.packet.payload))
        };
        Ok(Self {
            head: Bytes::from(head),
            payload,
            is_message: true,
            may_be_lost,
        })
    }

    /// The bytes, in one part or two.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Bytes> {
        [&self.head].into_iter().chain(self.payload.as_deref())
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.parts().map(Bytes::len).sum()
    }

    /// The bytes that it counts for.
    pub(crate) fn cost(&self) -> usize {
        self.len() + OVERHEAD_BYTES
    }

    /// Whether it is a message and not an answer.
    pub(crate) fn is_message(&self) -> bool {
        self.is_message
    }

    /// Whether the packet may be dropped without affecting others.
    pub(crate) fn may_be_lost(&self) -> bool {
        self.may_be_lost
    }

    #[cfg(test)]
    pub(crate) fn test(bytes: usize, is_message: bool, may_be_lost: bool) -> Self {
        Self {
            head: Bytes::from(vec![if is_message { 0x30 } else { 0xd0 }; bytes]),
            payload: None,
            is_message,
            may_be_lost,
        }
    }
}

/// A message that assigns a topic alias must not be dropped, because later ones use the alias.
fn may_be_lost(publish: &PublishPacket) -> bool {
    publish.qos == QoS::AtMostOnce
        && (publish.topic_name.is_empty() || publish.properties.get_topic_alias().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(publish: PublishPacket) -> Encoded {
        Encoded::message(publish.into(), ProtocolVersion::V5).unwrap()
    }

    #[test]
    fn receivers_share_a_large_payload() {
        for size in [0, 1, SHARED_BYTES - 1, SHARED_BYTES, 300_000] {
            let payload = Bytes::from(vec![7; size]);
            let publish = PublishPacket::new("t", payload.clone(), QoS::AtMostOnce);
            let packet = Packet::Publish(publish.clone());
            let mut whole = Vec::new();
            codec::encode(&packet, ProtocolVersion::V5, &mut whole).unwrap();
            let encoded = message(publish);
            let parts: Vec<_> = encoded.parts().cloned().collect();
            assert_eq!(parts.concat(), whole);
            assert_eq!(encoded.len(), whole.len());
            let is_shared = parts.last().unwrap().as_ptr() == payload.as_ptr();
            assert_eq!(is_shared, size >= SHARED_BYTES, "{size}");
        }
    }

    #[test]
    fn a_packet_knows_whether_it_may_be_lost() {
        let publish = |qos| PublishPacket::new("t", "x", qos).with_packet_id(1);
        let lost = message(publish(QoS::AtMostOnce));
        assert!(lost.may_be_lost() && lost.is_message());
        let kept = message(publish(QoS::AtLeastOnce));
        assert!(!kept.may_be_lost() && kept.is_message());
        let with_alias = message(publish(QoS::AtMostOnce).with_topic_alias(1));
        assert!(!with_alias.may_be_lost());
        let answer = Encoded::answer(&Packet::PingResp, ProtocolVersion::V5).unwrap();
        assert!(!answer.may_be_lost() && !answer.is_message());
    }
}
