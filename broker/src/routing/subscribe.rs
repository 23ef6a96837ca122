//! SUBSCRIBE and UNSUBSCRIBE.

use std::sync::Arc;

use crate::codec::{DecodeError, Violation};
use crate::packet::suback::{SubAckPacket, SubAckReasonCode};
use crate::packet::subscribe::{RetainHandling, SubscribePacket, SubscriptionOptions};
use crate::packet::unsuback::{UnsubAckPacket, UnsubAckReasonCode};
use crate::packet::unsubscribe::UnsubscribePacket;
use crate::persistence::record::Record;
use crate::routing::message::min_qos;
use crate::routing::subscription::Subscription;
use crate::session::filters;
use crate::{
    Broker, BrokerEvent, CloseReason, Output, Packet, QoS, ReasonCode, SessionId, TopicFilter,
};

impl Broker {
    /// Makes or changes subscriptions, answers with one reason code for each, and sends the retained messages that each
    /// asks for. [MQTT-3.8.4-1] [MQTT-3.8.4-5] [MQTT-3.8.4-6]
    ///
    /// One invalid topic filter makes the whole packet malformed, and then no subscription is made.
    pub(crate) fn on_subscribe(
        &mut self,
        id: SessionId,
        subscribe: &SubscribePacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let requested = subscribe.filters.iter();
        let filters = parsed(requested.map(|requested| requested.filter.as_str()))?;
        let mut suback = SubAckPacket::new(subscribe.packet_id);
        if self.is_in_use(id, subscribe.packet_id) {
            let in_use = SubAckReasonCode::PacketIdentifierInUse;
            suback.reason_codes = vec![in_use; subscribe.filters.len()];
            return self.answer_subscribe(id, suback, out);
        }
        let subscription_id = subscribe.properties.get_subscription_identifier();
        let mut made = Vec::new();
        for (requested, filter) in subscribe.filters.iter().zip(filters) {
            if let Some(refused) = self.subscribe_code(id, &filter) {
                suback.reason_codes.push(refused);
                continue;
            }
            let options = requested.options;
            let subscription = Subscription {
                // [MQTT-3.2.2-9]
                qos: min_qos(options.qos, self.config.maximum_qos),
                no_local: options.no_local,
                retain_as_published: options.retain_as_published,
                id: subscription_id,
                catch_up: 0,
            };
            let is_new = self.sessions[id].filters.insert(filter.clone());
            self.sessions.recount(id);
            let subscription = self.subscribe(&filter, id, subscription);
            let session = self.sessions[id].number;
            self.persistence.journal.record(|| Record::Subscribed {
                session,
                filter: filter.as_str(),
                subscription: subscription.into(),
            });
            if filter.share().is_none() && wants_retained(options, is_new) {
                self.send_retained_anew(&filter, id, subscription);
            }
            suback.reason_codes.push(granted(subscription.qos));
            made.push((filter, subscription));
        }
        self.answer_subscribe(id, suback, out)?;
        for (topic_filter, subscription) in made {
            out.push(Output::Event(BrokerEvent::Subscribed {
                client_id: Arc::clone(&self.sessions[id].client_id),
                topic_filter,
                qos: subscription.qos,
            }));
        }
        Ok(())
    }

    /// Ends subscriptions, and answers with one reason code for each. Messages in flight are still delivered.
    /// [MQTT-3.10.4-1] [MQTT-3.10.4-4] [MQTT-3.11.3-1]
    ///
    /// One invalid topic filter makes the whole packet malformed, and then no subscription ends.
    pub(crate) fn on_unsubscribe(
        &mut self,
        id: SessionId,
        unsubscribe: &UnsubscribePacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let filters = parsed(unsubscribe.filters.iter().map(String::as_str))?;
        let mut unsuback = UnsubAckPacket::new(unsubscribe.packet_id);
        if self.is_in_use(id, unsubscribe.packet_id) {
            let in_use = UnsubAckReasonCode::PacketIdentifierInUse;
            unsuback.reason_codes = vec![in_use; unsubscribe.filters.len()];
            return self.answer_unsubscribe(id, unsuback, out);
        }
        let mut ended = Vec::new();
        for topic_filter in filters {
            if self.sessions[id].filters.remove(&topic_filter) {
                let catch_up = self.catch_up_of(&topic_filter, id);
                let session = self.sessions[id].number;
                self.subscriptions.remove(&topic_filter, id, session);
                self.persistence.journal.record(|| Record::Unsubscribed {
                    session,
                    filter: topic_filter.as_str(),
                });
                self.end_catch_up(id, catch_up);
                unsuback.reason_codes.push(UnsubAckReasonCode::Success);
                let client_id = Arc::clone(&self.sessions[id].client_id);
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
        self.answer_unsubscribe(id, unsuback, out)?;
        out.extend(ended.into_iter().map(Output::Event));
        Ok(())
    }

    /// Makes or changes a subscription. Its catch-up continues.
    pub(crate) fn subscribe(
        &mut self,
        filter: &TopicFilter,
        id: SessionId,
        mut subscription: Subscription,
    ) -> Subscription {
        subscription.catch_up = self.catch_up_of(filter, id);
        let number = self.sessions[id].number;
        self.subscriptions.insert(filter, id, number, subscription);
        subscription
    }

    /// The number of a subscription's catch-up. A shared one has none: the routes ignore share names, and would give
    /// that of a plain subscription.
    fn catch_up_of(&self, filter: &TopicFilter, id: SessionId) -> u32 {
        if filter.share().is_some() || self.sessions[id].catch_ups.is_empty() {
            return 0;
        }
        let own = self.subscriptions.routes.get(filter, id);
        own.map_or(0, |subscription| subscription.catch_up)
    }

    /// Lets the retained messages follow that match a subscription which was just made. [MQTT-3.3.1-9]
    fn send_retained_anew(
        &mut self,
        filter: &TopicFilter,
        id: SessionId,
        subscription: Subscription,
    ) {
        self.end_catch_up(id, subscription.catch_up);
        let catch_up = self.begin_catch_up(id, filter, subscription.no_local);
        let subscription = Subscription {
            catch_up,
            ..subscription
        };
        let number = self.sessions[id].number;
        self.subscriptions.insert(filter, id, number, subscription);
    }

    /// Adds a Reason String for refused filters. [MQTT-3.9.2-1]
    fn answer_subscribe(
        &self,
        id: SessionId,
        suback: SubAckPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let mut explained = suback.clone();
        let words = suback.reason_codes.iter().copied().filter_map(refused);
        if let Some(text) = joined(words) {
            explained.properties.set_reason_string(text);
        }
        let [explained, plain] = [explained, suback].map(Packet::SubAck);
        self.sessions[id].answer_explained(explained, plain, out)
    }

    /// Adds a Reason String for refused filters. [MQTT-3.11.2-1]
    fn answer_unsubscribe(
        &self,
        id: SessionId,
        unsuback: UnsubAckPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let mut explained = unsuback.clone();
        let words = unsuback.reason_codes.iter().copied().filter_map(not_ended);
        if let Some(text) = joined(words) {
            explained.properties.set_reason_string(text);
        }
        let [explained, plain] = [explained, unsuback].map(Packet::UnsubAck);
        self.sessions[id].answer_explained(explained, plain, out)
    }

    /// Whether a packet identifier is that of a message which the client has not released. A client of MQTT 3.1.1 cannot
    /// be told. [MQTT-2.2.1-3]
    fn is_in_use(&self, id: SessionId, packet_id: u16) -> bool {
        let session = &self.sessions[id];
        session.inbound.contains(&packet_id) && session.speaks_v5()
    }

    /// Why a session may not subscribe to a filter, if it may not.
    fn subscribe_code(&mut self, id: SessionId, filter: &TopicFilter) -> Option<SubAckReasonCode> {
        if self.config.filter_code(filter) != ReasonCode::Success {
            return Some(SubAckReasonCode::TopicFilterInvalid);
        }
        let session = &self.sessions[id];
        match self.access.may_subscribe(&session.client(), filter) {
            ReasonCode::Success => {}
            code => {
                let code = Some(code).filter(ReasonCode::is_error);
                let code = code.and_then(|code| SubAckReasonCode::from_u8(code.into()));
                return Some(code.unwrap_or(SubAckReasonCode::NotAuthorized));
            }
        }
        if self.persistence.is_full() {
            return Some(SubAckReasonCode::QuotaExceeded);
        }
        let config = &self.config;
        let bytes = filters::bytes(filter);
        let is_full = session.filters.len() >= config.session_subscriptions_max
            || !self
                .sessions
                .has_room(session.bytes(), bytes, config.sessions_bytes_max)
            || !self
                .subscriptions
                .has_pattern_within(filter, config.patterns_max)
            || !session
                .filters
                .has_pattern_within(filter, config.session_patterns_max)
            || self.subscriptions.routes.len() + self.subscriptions.shared.len()
                >= config.subscriptions_max;
        if is_full && !session.filters.contains(filter) {
            return Some(SubAckReasonCode::QuotaExceeded);
        }
        None
    }
}

/// The topic filters of a packet. A decoded packet has no others; one that a caller made may have.
/// [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.8.2-1] [MQTT-4.8.2-2]
fn parsed<'a>(filters: impl Iterator<Item = &'a str>) -> Result<Vec<TopicFilter>, DecodeError> {
    filters
        .map(TopicFilter::parse)
        .collect::<Result<_, _>>()
        .map_err(|error| Violation::TopicFilter(error).into())
}

/// [MQTT-3.8.4-7]
const fn granted(qos: QoS) -> SubAckReasonCode {
    match qos {
        QoS::AtMostOnce => SubAckReasonCode::GrantedQoS0,
        QoS::AtLeastOnce => SubAckReasonCode::GrantedQoS1,
        QoS::ExactlyOnce => SubAckReasonCode::GrantedQoS2,
    }
}

/// The Reason String of a refused filter.
const fn refused(code: SubAckReasonCode) -> Option<&'static str> {
    match code {
        SubAckReasonCode::NotAuthorized => Some("this client may not subscribe to this filter"),
        SubAckReasonCode::TopicFilterInvalid => {
            Some("this filter is too long or has too many levels")
        }
        SubAckReasonCode::PacketIdentifierInUse => Some(IN_USE),
        SubAckReasonCode::QuotaExceeded => Some("there is no room for another subscription"),
        SubAckReasonCode::GrantedQoS0
        | SubAckReasonCode::GrantedQoS1
        | SubAckReasonCode::GrantedQoS2
        // `Access` has its own reasons for these codes.
        | SubAckReasonCode::UnspecifiedError
        | SubAckReasonCode::ImplementationSpecificError
        | SubAckReasonCode::SharedSubscriptionsNotSupported
        | SubAckReasonCode::SubscriptionIdentifiersNotSupported
        | SubAckReasonCode::WildcardSubscriptionsNotSupported => None,
    }
}

/// The Reason String of a subscription that was not ended.
const fn not_ended(code: UnsubAckReasonCode) -> Option<&'static str> {
    match code {
        UnsubAckReasonCode::PacketIdentifierInUse => Some(IN_USE),
        UnsubAckReasonCode::Success
        | UnsubAckReasonCode::NoSubscriptionExisted
        | UnsubAckReasonCode::UnspecifiedError
        | UnsubAckReasonCode::ImplementationSpecificError
        | UnsubAckReasonCode::NotAuthorized
        // Then there is no UNSUBACK.
        | UnsubAckReasonCode::TopicFilterInvalid => None,
    }
}

const IN_USE: &str = "an unreleased message has this identifier";

/// One Reason String for all filters of a packet: every reason once, in the order of the filters.
fn joined(words: impl Iterator<Item = &'static str>) -> Option<String> {
    let mut reasons: Vec<&str> = Vec::new();
    for reason in words {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
const fn wants_retained(options: SubscriptionOptions, is_new: bool) -> bool {
    match options.retain_handling {
        RetainHandling::SendAtSubscribe => true,
        RetainHandling::SendAtSubscribeIfNew => is_new,
        RetainHandling::DoNotSend => false,
    }
}
