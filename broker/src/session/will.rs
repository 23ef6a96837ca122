//! Wills: a message that is published for a client that disconnects without DISCONNECT.

use std::sync::Arc;

use crate::packet::connect::ConnectPacket;
use crate::routing::message::{Message, forwarded};
use crate::session::Deadline;
use crate::{
    Broker, BrokerEvent, CloseReason, Output, PropertyId, PropertyValue, SessionId, Time,
    TopicName, codec,
};

/// A will, ready to be published.
#[derive(Debug)]
pub(crate) struct Will {
    pub(crate) delay_interval_s: u32,
    pub(crate) message: Message,
}

impl Will {
    /// The will of a CONNECT, if it has one.
    pub(crate) fn of(
        connect: &ConnectPacket,
        client_id: &Arc<str>,
        now: Time,
    ) -> Result<Option<Self>, CloseReason> {
        let Some(will) = &connect.will else {
            return Ok(None);
        };
        let topic = TopicName::parse(&will.topic)
            .map_err(|error| codec::DecodeError::from(codec::Violation::WillTopic(error)))?;
        let properties = &connect.will_properties;
        let delay_interval_s = match properties.get(PropertyId::WillDelayInterval) {
            Some(&PropertyValue::FourByteInteger(delay_interval_s)) => delay_interval_s,
            _ => 0,
        };
        Ok(Some(Self {
            delay_interval_s,
            message: Message {
                number: 0,
                publisher: Arc::clone(client_id),
                published: now,
                topic,
                payload: will.payload.clone().into(),
                qos: will.qos,
                retain: will.retain,
                expiry_interval_s: properties.get_message_expiry_interval(),
                properties: forwarded(properties),
            },
        }))
    }
}

impl Broker {
    /// Publishes the will of a disconnected client, now or after its Will Delay Interval. [MQTT-3.1.2-8]
    pub(crate) fn execute_will(&mut self, now: Time, id: SessionId, out: &mut Vec<Output>) {
        let session = &mut self.sessions[id];
        match session.will.take() {
            Some(will) if will.delay_interval_s > 0 => {
                let due = now.plus_secs(will.delay_interval_s.into());
                session.will = Some(will);
                session.will_due = Some(due);
                self.deadlines.insert(due, Deadline::Will(id));
            }
            Some(will) => self.publish_will(now, will, out),
            None => {}
        }
    }

    /// Publishes a will, which ends with it. [MQTT-3.1.2-10]
    pub(crate) fn publish_will(&mut self, now: Time, will: Will, out: &mut Vec<Output>) {
        let will = will.message;
        let message = Message {
            published: now,
            // Without room it is not retained, as with QoS 0, because the client is gone.
            retain: will.retain
                && self.has_room_for_retained(&will.topic, &will.payload, &will.properties),
            ..will
        };
        out.push(Output::Event(BrokerEvent::WillPublished {
            client_id: Arc::clone(&message.publisher),
            topic: message.topic.clone(),
        }));
        self.publish_message(now, message, out);
    }
}
