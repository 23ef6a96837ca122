//! A client of the broker, which checks the packets that it receives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use broker::codec::{self, ProtocolVersion};
use broker::packet::Packet;
use broker::packet::connect::ConnectPacket;
use broker::packet::publish::PublishPacket;
use broker::{PropertyId, ReasonCode};

use super::packets::acknowledge;

/// A client's state of a connection.
#[derive(Default)]
pub(super) struct Connection {
    pub(super) version: ProtocolVersion,
    pub(super) receive_maximum: usize,
    pub(super) maximum_packet_size: usize,
    pub(super) topic_alias_maximum: u16,
    /// Whether CONNECT had an Authentication Method.
    pub(super) has_method: bool,
    /// Whether CONNECT had no client identifier, and CONNACK cannot carry the assigned one.
    pub(super) nameless: bool,
    /// Whether the client sent a CONNECT.
    pub(super) asked: bool,
    /// Whether the client received a CONNACK.
    pub(super) answered: bool,
    pub(super) accepted: bool,
    /// Whether the broker must close it now.
    pub(super) over: bool,
    pub(super) in_flight: BTreeSet<u16>,
    pub(super) aliases: BTreeMap<u16, String>,
    /// The packets that a correct client sends next.
    pub(super) replies: VecDeque<Vec<u8>>,
}

impl Connection {
    pub(super) fn limits(&mut self, connect: &ConnectPacket) {
        self.asked = true;
        self.version = ProtocolVersion::of(connect);
        self.nameless = self.version != ProtocolVersion::V5 && connect.client_id.is_empty();
        let properties = &connect.properties;
        self.has_method = properties.contains(PropertyId::AuthenticationMethod);
        self.receive_maximum = properties.get_receive_maximum().unwrap_or(u16::MAX).into();
        self.maximum_packet_size = properties
            .get_maximum_packet_size()
            .map_or(usize::MAX, |size| size as usize);
        self.topic_alias_maximum = properties.get_topic_alias_maximum().unwrap_or(0);
    }

    pub(super) fn receive(&mut self, packet: &Packet) {
        assert!(!self.over, "{packet:?} after the last one");
        let mut bytes = Vec::new();
        codec::encode(packet, self.version, &mut bytes).expect("a packet that MQTT allows");
        assert!(
            bytes.len() <= self.maximum_packet_size || self.maximum_packet_size == 0,
            "{packet:?} is too large for {}",
            self.maximum_packet_size
        );
        match packet {
            Packet::ConnAck(connack) => {
                assert!(!self.answered, "a second CONNACK");
                self.answered = true;
                self.accepted = connack.reason_code == ReasonCode::Success;
                self.over = !self.accepted;
                return;
            }
            Packet::Auth(_) => {
                assert!(self.has_method, "AUTH to a client that named no method");
                return;
            }
            _ => assert!(self.accepted, "{packet:?} before CONNACK"),
        }
        match packet {
            Packet::Disconnect(_) => self.over = true,
            Packet::Publish(publish) => self.receive_publish(publish),
            Packet::PubRec(ack) if !ack.reason_code.is_error() => {
                self.replies.push_back(acknowledge(0x62, ack.packet_id));
            }
            Packet::PubRel(ack) => self.replies.push_back(acknowledge(0x70, ack.packet_id)),
            _ => {}
        }
    }

    fn receive_publish(&mut self, publish: &PublishPacket) {
        if let Some(alias) = publish.topic_alias() {
            assert!((1..=self.topic_alias_maximum).contains(&alias), "{alias}");
            if publish.topic_name.is_empty() {
                assert!(self.aliases.contains_key(&alias), "unknown alias {alias}");
            } else {
                self.aliases.insert(alias, publish.topic_name.clone());
            }
        }
        let Some(packet_id) = publish.packet_id else {
            return;
        };
        assert!(
            self.in_flight.insert(packet_id),
            "{packet_id} is in flight already"
        );
        assert!(
            self.in_flight.len() <= self.receive_maximum,
            "more than the Receive Maximum"
        );
        let first = if u8::from(publish.qos) == 1 {
            0x40
        } else {
            0x50
        };
        self.replies.push_back(acknowledge(first, packet_id));
    }
}
