//! Requests of the client that the broker has not answered.

use broker::packet::publish::PublishPacket;
use broker::packet::pubrel::PubRelPacket;
use broker::{Packet, QoS, ReasonCode};

use super::is_unknown;

/// Sent and not answered, in the order of sending. [MQTT-4.6.0-1]
#[derive(Debug, Default)]
pub(super) struct Requests(Vec<Request>);

#[derive(Debug)]
enum Request {
    Publish(PublishPacket),
    Release {
        packet: PubRelPacket,
        is_again: bool,
    },
    /// SUBSCRIBE or UNSUBSCRIBE.
    Other(u16, Packet),
}

impl Request {
    fn packet_id(&self) -> Option<u16> {
        match self {
            Self::Publish(publish) => publish.packet_id,
            Self::Release { packet, .. } => Some(packet.packet_id),
            Self::Other(packet_id, _) => Some(*packet_id),
        }
    }
}

impl Requests {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Remembers a packet that the broker will answer. Returns whether it is one.
    pub(super) fn sent(&mut self, packet: &Packet) -> bool {
        let request = match packet {
            Packet::Publish(publish) if publish.qos != QoS::AtMostOnce => {
                Request::Publish(publish.clone())
            }
            Packet::PubRel(packet) => Request::Release {
                packet: packet.clone(),
                is_again: false,
            },
            Packet::Subscribe(it) => Request::Other(it.packet_id, packet.clone()),
            Packet::Unsubscribe(it) => Request::Other(it.packet_id, packet.clone()),
            _ => return false,
        };
        // A repetition by the client replaces the first one.
        let packet_id = request.packet_id();
        match self.0.iter_mut().find(|it| it.packet_id() == packet_id) {
            Some(place) => *place = request,
            None => self.0.push(request),
        }
        true
    }

    /// Removes the request that this packet answers. Returns the answer for the client.
    pub(super) fn answered(&mut self, packet: Packet) -> Packet {
        match packet {
            Packet::PubAck(ref it) => drop(self.remove(it.packet_id)),
            // The client sends PUBREL next.
            Packet::PubRec(ref it) => drop(self.remove(it.packet_id)),
            Packet::SubAck(ref it) => drop(self.remove(it.packet_id)),
            Packet::UnsubAck(ref it) => drop(self.remove(it.packet_id)),
            Packet::PubComp(mut it) => {
                let request = self.remove(it.packet_id);
                // The previous broker has completed the exchange, so an unknown identifier is no error.
                if matches!(request, Some(Request::Release { is_again: true, .. }))
                    && is_unknown(it.reason_code)
                {
                    it.reason_code = ReasonCode::Success;
                }
                return Packet::PubComp(it);
            }
            _ => {}
        }
        packet
    }

    /// Returns the packets for the next broker, in order. [MQTT-4.4.0-1]
    pub(super) fn resend(&mut self) -> Vec<Packet> {
        let packets = self.0.iter_mut().map(|request| match request {
            Request::Publish(publish) => {
                publish.dup = true;
                Packet::Publish(publish.clone())
            }
            Request::Release { packet, is_again } => {
                *is_again = true;
                Packet::PubRel(packet.clone())
            }
            Request::Other(_, packet) => packet.clone(),
        });
        packets.collect()
    }

    fn remove(&mut self, packet_id: u16) -> Option<Request> {
        let found = self.0.iter();
        let found = found
            .map(Request::packet_id)
            .position(|id| id == Some(packet_id));
        found.map(|index| self.0.remove(index))
    }
}
