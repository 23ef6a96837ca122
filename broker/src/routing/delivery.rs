//! One message on its way to one session.

use std::sync::Arc;

use crate::codec::SharedPublish;
use crate::packet::publish::PublishPacket;
use crate::routing::message::{Message, max_qos, min_qos};
use crate::routing::subscription::Subscription;
use crate::{QoS, Time, TopicFilter};

/// One message for one session.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) message: Arc<Message>,
    /// Its position in the order of its session; 0 before it has one.
    pub(crate) position: u64,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// The Subscription Identifiers of all matching subscriptions, with repetitions. [MQTT-3.3.4-3] [MQTT-3.3.4-4]
    pub(crate) subscription_ids: Vec<u32>,
    /// The shared subscription that it belongs to.
    pub(crate) share: Option<TopicFilter>,
}

impl Delivery {
    /// One copy for all subscriptions of a session that match: with the highest QoS and every identifier.
    /// [MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.8.4-8]
    pub(crate) fn new<'a>(
        message: &Arc<Message>,
        subscriptions: impl IntoIterator<Item = &'a Subscription>,
    ) -> Self {
        let mut delivery = Self {
            message: Arc::clone(message),
            position: 0,
            qos: QoS::AtMostOnce,
            retain: false,
            subscription_ids: Vec::new(),
            share: None,
        };
        for subscription in subscriptions {
            let qos = min_qos(message.qos, subscription.qos);
            delivery.qos = max_qos(delivery.qos, qos);
            // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
            delivery.retain |= message.retain && subscription.retain_as_published;
            delivery.subscription_ids.extend(subscription.id);
        }
        delivery
    }

    pub(crate) fn publish(&self, packet_id: Option<u16>, dup: bool, now: Time) -> SharedPublish {
        let message = &*self.message;
        let mut packet =
            PublishPacket::new(message.topic.as_str(), message.payload.clone(), self.qos);
        packet.packet_id = packet_id;
        packet.dup = dup;
        packet.retain = self.retain;
        if let Some(remaining_s) = message.remaining_s(now) {
            packet.properties.set_message_expiry_interval(remaining_s);
        }
        for &id in &self.subscription_ids {
            packet.properties.set_subscription_identifier(id);
        }
        SharedPublish {
            packet,
            shared: message.properties.clone(),
        }
    }
}
