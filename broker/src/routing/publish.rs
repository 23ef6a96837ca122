//! PUBLISH and PUBREL from clients.

use std::sync::Arc;

use crate::access::{Access, Client};
use crate::codec::{self, DecodeError, SharedProperties, Violation};
use crate::observe::sys_topics;
use crate::packet::PacketType;
use crate::packet::puback::PubAckPacket;
use crate::packet::pubcomp::PubCompPacket;
use crate::packet::publish::PublishPacket;
use crate::packet::pubrec::PubRecPacket;
use crate::packet::pubrel::PubRelPacket;
use crate::persistence::record::Record;
use crate::routing::fan_out::Routed;
use crate::routing::message::{self, Message, forwarded, is_as_announced};
use crate::{
    Broker, BrokerEvent, CloseReason, Config, Output, Packet, QoS, ReasonCode, SessionId, Time,
    TopicName,
};

impl Broker {
    /// Routes a message and acknowledges it as its QoS demands. [MQTT-3.3.4-1]
    pub(crate) fn on_publish(
        &mut self,
        now: Time,
        id: SessionId,
        publish: PublishPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        if let Some(id) = publish.properties.get_subscription_identifier() {
            return Err(CloseReason::SubscriptionIdentifierFromClient { id });
        }
        let Some(connection) = &mut self.sessions[id].connection else {
            return Ok(());
        };
        let maximum = connection.server.maximum_qos;
        if u8::from(publish.qos) > u8::from(maximum) {
            return Err(CloseReason::QoSNotSupported { maximum });
        }
        connection.check_rate(now, self.config.publish_rate_max)?;
        let topic = connection.topic(&publish)?;
        if publish.topic_alias().is_some() {
            self.sessions.recount(id);
            let max = self.config.sessions_bytes_max;
            if !self.sessions.has_room(self.sessions[id].bytes(), 0, max) {
                let limit = "sessions_bytes_max";
                return Err(CloseReason::QuotaExceeded { limit });
            }
        }
        match (publish.qos, publish.packet_id) {
            (QoS::AtMostOnce, _) => self.on_publish_qos0(now, id, topic, publish, out),
            (QoS::AtLeastOnce, Some(packet_id)) => {
                self.on_publish_qos1(now, id, packet_id, topic, publish, out)
            }
            (QoS::ExactlyOnce, Some(packet_id)) => {
                self.on_publish_qos2(now, id, packet_id, topic, publish, out)
            }
            (qos, packet_id) => {
                Err(DecodeError::from(Violation::PublishPacketId { qos, packet_id }).into())
            }
        }
    }

    /// QoS 0 has no answer: an invalid message ends the connection, a forbidden one is dropped.
    fn on_publish_qos0(
        &mut self,
        now: Time,
        id: SessionId,
        topic: TopicName,
        publish: PublishPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        match self.accept(now, id, topic, publish, out) {
            code @ (ReasonCode::TopicNameInvalid | ReasonCode::PayloadFormatInvalid) => {
                Err(CloseReason::PublishRefused { code })
            }
            _ => Ok(()),
        }
    }

    /// Answers with PUBACK as soon as the message is accepted. [MQTT-4.3.2-4]
    fn on_publish_qos1(
        &mut self,
        now: Time,
        id: SessionId,
        packet_id: u16,
        topic: TopicName,
        publish: PublishPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let session = &self.sessions[id];
        // MQTT 3.1.1 has no code for it, and the message must not be lost.
        let reason_code = if session.inbound.contains(&packet_id) && session.speaks_v5() {
            ReasonCode::PacketIdentifierInUse
        } else {
            if let Some(connection) = &session.connection {
                connection.check_receive_maximum()?;
            }
            self.accept(now, id, topic, publish, out)
        };
        self.check_quota_can_be_told(id, reason_code)?;
        let puback = PubAckPacket::new_with_reason(packet_id, reason_code);
        let mut explained = puback.clone();
        if let Some(text) = explanation(reason_code) {
            explained.properties.set_reason_string(text.into());
        }
        let [explained, plain] = [explained, puback].map(Packet::PubAck);
        self.sessions[id].answer_explained(explained, plain, out)
    }

    /// Answers with PUBREC, and routes the message the first time only: until PUBREL, the same packet identifier means
    /// the same message. A message that is refused has no PUBREL. [MQTT-4.3.3-8] [MQTT-4.3.3-9] [MQTT-4.3.3-10]
    fn on_publish_qos2(
        &mut self,
        now: Time,
        id: SessionId,
        packet_id: u16,
        topic: TopicName,
        publish: PublishPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let session = &mut self.sessions[id];
        if let Some(connection) = &mut session.connection
            && !connection.unreleased.contains(&packet_id)
        {
            connection.check_receive_maximum()?;
            connection.unreleased.insert(packet_id);
        }
        let is_new = session.inbound.insert(packet_id);
        let reason_code = if is_new {
            self.accept(now, id, topic, publish, out)
        } else {
            ReasonCode::Success
        };
        let session = &mut self.sessions[id];
        // A client of MQTT 3.1.1 continues as after success, except where `check_quota_can_be_told` closes the
        // connection.
        let is_refused = session.speaks_v5() || reason_code == ReasonCode::QuotaExceeded;
        if reason_code.is_error() && is_refused {
            session.inbound.remove(&packet_id);
            if let Some(connection) = &mut session.connection {
                connection.unreleased.remove(&packet_id);
            }
        } else if is_new {
            let session = session.number;
            self.persistence
                .journal
                .record(|| Record::Received { session, packet_id });
        }
        self.check_quota_can_be_told(id, reason_code)?;
        let pubrec = PubRecPacket::new_with_reason(packet_id, reason_code);
        let mut explained = pubrec.clone();
        if let Some(text) = explanation(reason_code) {
            explained.properties.set_reason_string(text.into());
        }
        let [explained, plain] = [explained, pubrec].map(Packet::PubRec);
        self.sessions[id].answer_explained(explained, plain, out)
    }

    /// MQTT 3.1.1 takes any answer as success, so a message without room gets none. The client sends it again.
    fn check_quota_can_be_told(
        &mut self,
        id: SessionId,
        reason_code: ReasonCode,
    ) -> Result<(), CloseReason> {
        let session = &mut self.sessions[id];
        if reason_code == ReasonCode::QuotaExceeded && !session.speaks_v5() {
            if self.persistence.is_full() {
                return Err(CloseReason::StorageFull);
            }
            let limit = "retained_messages_max or retained_bytes_max";
            return Err(CloseReason::QuotaExceeded { limit });
        }
        Ok(())
    }

    /// Frees the packet identifier of a QoS 2 message. [MQTT-4.3.3-11]
    pub(crate) fn on_pubrel(
        &mut self,
        id: SessionId,
        pubrel: &PubRelPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let packet_id = pubrel.packet_id;
        let session = &mut self.sessions[id];
        if let Some(connection) = &mut session.connection {
            connection.unreleased.remove(&packet_id);
        }
        let reason_code = if session.inbound.remove(&packet_id) {
            session.last_release = self.persistence.journal.next_batch();
            self.persistence.journal.record(|| Record::Forgotten {
                session: session.number,
                packet_id,
            });
            ReasonCode::Success
        } else {
            ReasonCode::PacketIdentifierNotFound
        };
        let pubcomp = PubCompPacket::new_with_reason(packet_id, reason_code);
        session.answer(Packet::PubComp(pubcomp), out)
    }

    /// Accepts a message from a client, and returns the reason code for it.
    fn accept(
        &mut self,
        now: Time,
        id: SessionId,
        topic: TopicName,
        mut publish: PublishPacket,
        out: &mut Vec<Output>,
    ) -> ReasonCode {
        let properties = forwarded(&publish.properties);
        let may_be_retained = !self.persistence.is_full()
            && self.has_room_for_retained(&topic, &publish.payload, &properties);
        // QoS 0 has no answer that could say so.
        publish.retain &= may_be_retained || publish.qos != QoS::AtMostOnce;
        let reason_code = self.publish_code(id, &topic, &publish, may_be_retained);
        if reason_code.is_error() {
            out.push(Output::Event(BrokerEvent::PublishRefused {
                client_id: Arc::clone(&self.sessions[id].client_id),
                topic,
                reason_code,
            }));
            return reason_code;
        }
        self.stats.messages_received += 1;
        let message = Message {
            number: 0,
            publisher: Arc::clone(&self.sessions[id].client_id),
            published: now,
            topic,
            qos: publish.qos,
            retain: publish.retain,
            expiry_interval_s: publish.message_expiry_interval(),
            properties,
            payload: publish.payload,
        };
        let is_retained = message.retain;
        let publisher = self.sessions[id].number;
        match self.publish_message_of(now, Some(publisher), message, out) {
            Routed::NoReceiver => ReasonCode::NoMatchingSubscribers,
            // A disconnected client of MQTT 3.1.1 would send it again at once, and again.
            Routed::NoRoom if !is_retained && self.sessions[id].speaks_v5() => {
                ReasonCode::QuotaExceeded
            }
            Routed::NoRoom | Routed::Delivered => ReasonCode::Success,
        }
    }

    /// The reason code for a message: success, or why it is refused.
    fn publish_code(
        &mut self,
        id: SessionId,
        topic: &TopicName,
        publish: &PublishPacket,
        may_be_retained: bool,
    ) -> ReasonCode {
        let code = self.config.topic_code(topic);
        if code != ReasonCode::Success {
            return code;
        }
        let code = self.access_code(id, topic);
        if code != ReasonCode::Success {
            return code;
        }
        if self.config.payload_format_checked
            && !is_as_announced(&publish.payload, &publish.properties)
        {
            return ReasonCode::PayloadFormatInvalid;
        }
        if publish.retain && !may_be_retained {
            return ReasonCode::QuotaExceeded;
        }
        if self.persistence.is_full() && publish.qos != QoS::AtMostOnce {
            return ReasonCode::QuotaExceeded;
        }
        ReasonCode::Success
    }

    fn access_code(&mut self, id: SessionId, topic: &TopicName) -> ReasonCode {
        let client = self.sessions[id].client();
        may_publish(&mut *self.access, &self.config, &client, topic)
    }

    /// The reason code for a publication to a topic, one that PUBACK and CONNACK have.
    pub(crate) fn may_publish(&mut self, client: &Client<'_>, topic: &TopicName) -> ReasonCode {
        may_publish(&mut *self.access, &self.config, client, topic)
    }

    /// Whether a message can be retained within the limits.
    pub(crate) fn has_room_for_retained(
        &self,
        topic: &TopicName,
        payload: &[u8],
        properties: &SharedProperties,
    ) -> bool {
        if payload.is_empty() {
            return true;
        }
        let bytes = message::bytes(topic, payload, properties);
        let usage = self.retained.usage_with(topic, bytes);
        usage.messages <= self.config.retained_messages_max
            && usage.bytes <= self.config.retained_bytes_max
    }
}

/// The Reason String of a refused message.
fn explanation(code: ReasonCode) -> Option<&'static str> {
    match code {
        ReasonCode::NotAuthorized => Some("this client may not publish to this topic"),
        ReasonCode::TopicNameInvalid => Some("the topic is too long or has too many levels"),
        ReasonCode::PayloadFormatInvalid => Some("the payload is not valid UTF-8"),
        ReasonCode::QuotaExceeded => Some("there is no room for it"),
        ReasonCode::PacketIdentifierInUse => Some("an unreleased message has this identifier"),
        _ => None,
    }
}

fn may_publish(
    access: &mut dyn Access,
    config: &Config,
    client: &Client<'_>,
    topic: &TopicName,
) -> ReasonCode {
    if config.sys_interval_s > 0 && topic.as_str().starts_with(sys_topics::PREFIX) {
        return ReasonCode::NotAuthorized;
    }
    match access.may_publish(client, topic) {
        ReasonCode::Success => ReasonCode::Success,
        code if code.is_error() && codec::has_reason_code(PacketType::PubAck, code) => code,
        _ => ReasonCode::NotAuthorized,
    }
}
