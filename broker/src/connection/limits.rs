//! The limits that a client and the broker set for each other.

use crate::codec::{EncodeError, ProtocolVersion, SharedPublish};
use crate::packet::PacketType;
use crate::packet::connect::ConnectPacket;
use crate::packet::disconnect::DisconnectPacket;
use crate::{CloseReason, Config, Packet, QoS, ReasonCode, codec};

/// The limits that CONNECT states, or lower ones of the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientLimits {
    /// The protocol version, as CONNECT states it.
    pub(crate) level: u8,
    pub(crate) receive_maximum: u16,
    /// In bytes.
    pub(crate) maximum_packet_size: Option<usize>,
    pub(crate) topic_alias_maximum: u16,
    pub(crate) problem_information: bool,
}

/// The limits for the client, as CONNACK states them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerLimits {
    pub(crate) receive_maximum: u16,
    pub(crate) topic_alias_maximum: u16,
    pub(crate) maximum_qos: QoS,
}

impl ClientLimits {
    pub(crate) fn of(connect: &ConnectPacket, config: &Config) -> Self {
        let properties = &connect.properties;
        let receive_maximum = properties.get_receive_maximum().unwrap_or(u16::MAX);
        let topic_alias_maximum = properties.get_topic_alias_maximum().unwrap_or(0);
        Self {
            level: connect.protocol_version,
            receive_maximum: receive_maximum.min(config.in_flight_max),
            maximum_packet_size: properties
                .get_maximum_packet_size()
                .map(|bytes| bytes as usize),
            topic_alias_maximum: topic_alias_maximum.min(config.outbound_topic_alias_maximum),
            problem_information: properties.get_request_problem_information().unwrap_or(true),
        }
    }

    pub(crate) fn version(&self) -> ProtocolVersion {
        ProtocolVersion::of_level(self.level)
    }

    /// Whether a packet is no larger than the client accepts. [MQTT-3.1.2-24]
    pub(crate) fn fits(&self, packet: &Packet) -> bool {
        self.is_within(|| codec::encoded_len(packet, self.version()))
    }

    /// Whether a message's packet is no larger than the client accepts. [MQTT-3.1.2-24]
    pub(crate) fn fits_publish(&self, publish: &SharedPublish) -> bool {
        self.is_within(|| publish.encoded_len(self.version()))
    }

    fn is_within(&self, size: impl FnOnce() -> Result<usize, EncodeError>) -> bool {
        let maximum = self.maximum_packet_size;
        maximum.is_none_or(|maximum| size().is_ok_and(|size| size <= maximum))
    }

    /// Whether a packet can be encoded and the client accepts its size.
    pub(crate) fn has_room_for(&self, packet: &Packet) -> bool {
        codec::encoded_len(packet, self.version()).is_ok() && self.fits(packet)
    }

    /// Refuses an answer that is larger than the client accepts.
    pub(crate) fn check(&self, packet: &Packet) -> Result<(), CloseReason> {
        match self.maximum_packet_size {
            Some(maximum) if !self.fits(packet) => Err(CloseReason::AnswerTooLarge {
                packet: packet.packet_type_name(),
                maximum,
            }),
            _ => Ok(()),
        }
    }

    /// The DISCONNECT for `reason`, with a Reason String if the client wants one and it fits. Before MQTT 5.0 a server
    /// sends none. [MQTT-3.14.2-3]
    pub(crate) fn disconnect(&self, reason: &CloseReason) -> Option<Packet> {
        if self.version() != ProtocolVersion::V5 {
            return None;
        }
        let reason_code = match reason.reason_code() {
            // This code belongs to CONNACK. From a connected client, the packet is a protocol error.
            ReasonCode::UnsupportedProtocolVersion => ReasonCode::ProtocolError,
            code if codec::has_reason_code(PacketType::Disconnect, code) => code,
            _ => ReasonCode::NotAuthorized,
        };
        let plain = DisconnectPacket::new(reason_code);
        if self.problem_information {
            let explained = plain.clone().with_reason_string(reason.to_string());
            let explained = Packet::Disconnect(explained);
            if self.has_room_for(&explained) {
                return Some(explained);
            }
        }
        Some(Packet::Disconnect(plain)).filter(|packet| self.fits(packet))
    }
}
