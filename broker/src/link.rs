//! Network connections: what is known of them, and forgotten with them.

use std::collections::{BTreeMap, BTreeSet};

use crate::packet::connect::ConnectPacket;
use crate::packet::disconnect::DisconnectPacket;
use crate::packet::publish::PublishPacket;
use crate::session::SessionId;
use crate::{CloseReason, ConnId, Packet, ReasonCode, Time, TopicName, codec};

/// A network connection.
#[derive(Debug)]
pub(crate) enum Connection {
    /// Its CONNECT has not come yet.
    Opened {
        /// How long that is waited for.
        until: Time,
    },
    /// Its client was accepted.
    Client(SessionId),
}

/// The network connection of a client whose CONNECT was accepted.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) conn: ConnId,
    pub(crate) client: ClientLimits,
    pub(crate) server: ServerLimits,
    pub(crate) keep_alive_s: u16,
    /// When the last packet came.
    pub(crate) heard: Time,
    /// When to look whether the client is silent, if it promised not to be. It is not moved by every packet: when it
    /// falls due and a packet has come meanwhile, it is set again.
    pub(crate) keep_alive_check: Option<Time>,
    /// QoS 2 messages that came on this connection and are not released yet.
    pub(crate) unreleased: BTreeSet<u16>,
    aliases: BTreeMap<u16, TopicName>,
}

/// What the client accepts, as it says in CONNECT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientLimits {
    pub(crate) receive_maximum: u16,
    /// In bytes.
    pub(crate) maximum_packet_size: Option<usize>,
    pub(crate) problem_information: bool,
}

/// What is accepted from the client, as CONNACK told it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerLimits {
    pub(crate) receive_maximum: u16,
    pub(crate) topic_alias_maximum: u16,
}

impl ClientLimits {
    pub(crate) fn of(connect: &ConnectPacket) -> Self {
        let properties = &connect.properties;
        Self {
            receive_maximum: properties.get_receive_maximum().unwrap_or(u16::MAX),
            maximum_packet_size: properties
                .get_maximum_packet_size()
                .map(|bytes| bytes as usize),
            problem_information: properties.get_request_problem_information().unwrap_or(true),
        }
    }

    /// Whether the client accepts a packet of this size. [MQTT-3.1.2-24]
    pub(crate) fn fits(&self, packet: &Packet) -> bool {
        self.maximum_packet_size
            .is_none_or(|maximum| codec::encoded_len(packet).is_ok_and(|size| size <= maximum))
    }

    /// The DISCONNECT that tells the client `reason`, in words too if it wants them and they fit. [MQTT-3.14.2-3]
    pub(crate) fn disconnect(&self, reason: &CloseReason) -> Option<Packet> {
        let reason_code = match reason.reason_code() {
            // It belongs to CONNACK; what it says about a client that is connected is that it sent nonsense.
            ReasonCode::UnsupportedProtocolVersion => ReasonCode::ProtocolError,
            reason_code => reason_code,
        };
        let plain = DisconnectPacket::new(reason_code);
        if self.problem_information {
            let explained = plain.clone().with_reason_string(reason.to_string());
            let explained = Packet::Disconnect(explained);
            if self.fits(&explained) {
                return Some(explained);
            }
        }
        Some(Packet::Disconnect(plain)).filter(|packet| self.fits(packet))
    }
}

impl Link {
    pub(crate) const fn new(
        conn: ConnId,
        client: ClientLimits,
        server: ServerLimits,
        keep_alive_s: u16,
        now: Time,
    ) -> Self {
        Self {
            conn,
            client,
            server,
            keep_alive_s,
            heard: now,
            keep_alive_check: None,
            unreleased: BTreeSet::new(),
            aliases: BTreeMap::new(),
        }
    }

    /// When the client is given up if nothing comes: after one and a half times its Keep Alive. [MQTT-3.1.2-22]
    pub(crate) fn silent_at(&self) -> Option<Time> {
        match self.keep_alive_s {
            0 => None,
            keep_alive_s => Some(self.heard.plus_ms(u64::from(keep_alive_s) * 1500)),
        }
    }

    /// The topic of a PUBLISH, in its own words or through its topic alias. [MQTT-3.3.2-12]
    pub(crate) fn topic(&mut self, publish: &PublishPacket) -> Result<TopicName, CloseReason> {
        let alias = publish.topic_alias();
        let maximum = self.server.topic_alias_maximum;
        if let Some(alias) = alias
            && !(1..=maximum).contains(&alias)
        {
            return Err(CloseReason::TopicAliasTooHigh { alias, maximum });
        }
        if publish.topic_name.is_empty()
            && let Some(alias) = alias
        {
            let known = self.aliases.get(&alias);
            return known
                .cloned()
                .ok_or(CloseReason::TopicAliasUnknown { alias });
        }
        let topic = TopicName::parse(&publish.topic_name)
            .map_err(|error| codec::DecodeError::from(codec::Violation::TopicName(error)))?;
        if let Some(alias) = alias {
            self.aliases.insert(alias, topic.clone());
        }
        Ok(topic)
    }

    /// Whether one more QoS 1 or QoS 2 message is as many at once as the client may send. [MQTT-3.3.4-7]
    pub(crate) fn check_receive_maximum(&self) -> Result<(), CloseReason> {
        let maximum = self.server.receive_maximum;
        if self.unreleased.len() >= usize::from(maximum) {
            return Err(CloseReason::ReceiveMaximumExceeded { maximum });
        }
        Ok(())
    }
}
