//! SUBSCRIBE and UNSUBSCRIBE.

use std::sync::Arc;

use crate::codec::{DecodeError, Violation};
use crate::packet::suback::{SubAckPacket, SubAckReasonCode};
use crate::packet::subscribe::{RetainHandling, SubscribePacket, SubscriptionOptions};
use crate::packet::unsuback::{UnsubAckPacket, UnsubAckReasonCode};
use crate::packet::unsubscribe::UnsubscribePacket;
use crate::session::SessionId;
use crate::tree::Subscription;
use crate::{Broker, BrokerEvent, CloseReason, Output, Packet, QoS, Time, TopicFilter};

impl Broker {
    /// Makes or changes subscriptions, answers with one reason code for each, and sends the retained messages that each
    /// asks for. [MQTT-3.8.4-1] [MQTT-3.8.4-5] [MQTT-3.8.4-6]
    pub(crate) fn on_subscribe(
        &mut self,
        now: Time,
        id: SessionId,
        subscribe: &SubscribePacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let mut suback = SubAckPacket::new(subscribe.packet_id);
        if self.sessions[id.0].inbound.contains(&subscribe.packet_id) {
            let in_use = SubAckReasonCode::PacketIdentifierInUse;
            suback.reason_codes = vec![in_use; subscribe.filters.len()];
            return self.sessions[id.0].answer(Packet::SubAck(suback), out);
        }
        let subscription_id = subscribe.properties.get_subscription_identifier();
        let mut made = Vec::new();
        for requested in &subscribe.filters {
            let filter = parse_filter(&requested.filter)?;
            if filter.share().is_some() {
                let refused = SubAckReasonCode::SharedSubscriptionsNotSupported;
                suback.reason_codes.push(refused);
                continue;
            }
            let options = requested.options;
            let subscription = Subscription {
                qos: options.qos,
                no_local: options.no_local,
                retain_as_published: options.retain_as_published,
                id: subscription_id,
            };
            let is_new = self.tree.insert(&filter, id, subscription).is_none();
            self.sessions[id.0].filters.insert(filter.clone());
            suback.reason_codes.push(granted(options.qos));
            made.push((filter, subscription, wants_retained(options, is_new)));
        }
        self.sessions[id.0].answer(Packet::SubAck(suback), out)?;
        for (topic_filter, subscription, wants_retained) in made {
            if wants_retained {
                self.deliver_retained(now, id, &topic_filter, subscription, out);
            }
            out.push(Output::Event(BrokerEvent::Subscribed {
                client_id: Arc::clone(&self.sessions[id.0].client_id),
                topic_filter,
                qos: subscription.qos,
            }));
        }
        Ok(())
    }

    /// Ends subscriptions, and answers with one reason code for each. What is on its way is still delivered.
    /// [MQTT-3.10.4-1] [MQTT-3.10.4-4] [MQTT-3.11.3-1]
    pub(crate) fn on_unsubscribe(
        &mut self,
        id: SessionId,
        unsubscribe: &UnsubscribePacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let mut unsuback = UnsubAckPacket::new(unsubscribe.packet_id);
        if self.sessions[id.0].inbound.contains(&unsubscribe.packet_id) {
            let in_use = UnsubAckReasonCode::PacketIdentifierInUse;
            unsuback.reason_codes = vec![in_use; unsubscribe.filters.len()];
            return self.sessions[id.0].answer(Packet::UnsubAck(unsuback), out);
        }
        let mut ended = Vec::new();
        for filter in &unsubscribe.filters {
            let topic_filter = parse_filter(filter)?;
            let session = &mut self.sessions[id.0];
            if session.filters.remove(&topic_filter) {
                self.tree.remove(&topic_filter, id);
                unsuback.reason_codes.push(UnsubAckReasonCode::Success);
                let client_id = Arc::clone(&session.client_id);
                ended.push(BrokerEvent::Unsubscribed {
                    client_id,
                    topic_filter,
                });
            } else {
                unsuback
                    .reason_codes
                    .push(UnsubAckReasonCode::NoSubscriptionExisted);
            }
        }
        self.sessions[id.0].answer(Packet::UnsubAck(unsuback), out)?;
        out.extend(ended.into_iter().map(Output::Event));
        Ok(())
    }
}

fn parse_filter(text: &str) -> Result<TopicFilter, DecodeError> {
    TopicFilter::parse(text).map_err(|error| Violation::TopicFilter(error).into())
}

/// [MQTT-3.8.4-7]
const fn granted(qos: QoS) -> SubAckReasonCode {
    match qos {
        QoS::AtMostOnce => SubAckReasonCode::GrantedQoS0,
        QoS::AtLeastOnce => SubAckReasonCode::GrantedQoS1,
        QoS::ExactlyOnce => SubAckReasonCode::GrantedQoS2,
    }
}

/// [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
const fn wants_retained(options: SubscriptionOptions, is_new: bool) -> bool {
    match options.retain_handling {
        RetainHandling::SendAtSubscribe => true,
        RetainHandling::SendAtSubscribeIfNew => is_new,
        RetainHandling::DoNotSend => false,
    }
}
