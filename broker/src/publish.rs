//! PUBLISH and PUBREL: messages that come from clients.

use std::sync::Arc;

use crate::codec::{DecodeError, Violation};
use crate::message::{Message, forwarded};
use crate::packet::puback::PubAckPacket;
use crate::packet::pubcomp::PubCompPacket;
use crate::packet::publish::PublishPacket;
use crate::packet::pubrec::PubRecPacket;
use crate::packet::pubrel::PubRelPacket;
use crate::session::SessionId;
use crate::{Broker, CloseReason, Output, Packet, QoS, ReasonCode, Time, TopicName};

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
        let Some(link) = &mut self.sessions[id.0].link else {
            return Ok(());
        };
        let topic = link.topic(&publish)?;
        match (publish.qos, publish.packet_id) {
            (QoS::AtMostOnce, _) => {
                self.accept(now, id, topic, publish, out);
                Ok(())
            }
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
        let session = &self.sessions[id.0];
        let reason_code = if session.inbound.contains(&packet_id) {
            ReasonCode::PacketIdentifierInUse
        } else {
            if let Some(link) = &session.link {
                link.check_receive_maximum()?;
            }
            self.accept(now, id, topic, publish, out)
        };
        let puback = PubAckPacket::new_with_reason(packet_id, reason_code);
        self.sessions[id.0].answer(Packet::PubAck(puback), out)
    }

    /// Answers with PUBREC, and routes the message the first time only: until PUBREL, the same packet identifier means
    /// the same message. [MQTT-4.3.3-8] [MQTT-4.3.3-10]
    fn on_publish_qos2(
        &mut self,
        now: Time,
        id: SessionId,
        packet_id: u16,
        topic: TopicName,
        publish: PublishPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let session = &mut self.sessions[id.0];
        if let Some(link) = &mut session.link
            && !link.unreleased.contains(&packet_id)
        {
            link.check_receive_maximum()?;
            link.unreleased.insert(packet_id);
        }
        let reason_code = if session.inbound.insert(packet_id) {
            self.accept(now, id, topic, publish, out)
        } else {
            ReasonCode::Success
        };
        let pubrec = PubRecPacket::new_with_reason(packet_id, reason_code);
        self.sessions[id.0].answer(Packet::PubRec(pubrec), out)
    }

    /// Forgets the packet identifier of a QoS 2 message: from now on it is free for another. [MQTT-4.3.3-11]
    pub(crate) fn on_pubrel(
        &mut self,
        id: SessionId,
        pubrel: &PubRelPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let packet_id = pubrel.packet_id;
        let session = &mut self.sessions[id.0];
        if let Some(link) = &mut session.link {
            link.unreleased.remove(&packet_id);
        }
        let reason_code = if session.inbound.remove(&packet_id) {
            ReasonCode::Success
        } else {
            ReasonCode::PacketIdentifierNotFound
        };
        let pubcomp = PubCompPacket::new_with_reason(packet_id, reason_code);
        session.answer(Packet::PubComp(pubcomp), out)
    }

    /// Takes a message over from a client, and says whether anybody is subscribed to it.
    fn accept(
        &mut self,
        now: Time,
        id: SessionId,
        topic: TopicName,
        publish: PublishPacket,
        out: &mut Vec<Output>,
    ) -> ReasonCode {
        self.stats.messages_received += 1;
        let message = Message {
            publisher: Arc::clone(&self.sessions[id.0].client_id),
            published: now,
            topic,
            qos: publish.qos,
            retain: publish.retain,
            expiry_interval_s: publish.message_expiry_interval(),
            properties: forwarded(&publish.properties),
            payload: publish.payload,
        };
        if self.publish_message(now, message, out) {
            ReasonCode::Success
        } else {
            ReasonCode::NoMatchingSubscribers
        }
    }
}
