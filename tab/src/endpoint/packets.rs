//! Conversion between the page's types and MQTT packets.

use broker::packet::connect::ConnectPacket;
use broker::packet::publish::PublishPacket;
use broker::packet::subscribe::{SubscribePacket, TopicFilter};
use broker::packet::subscribe_options::{self, SubscriptionOptions};
use broker::packet::unsubscribe::UnsubscribePacket;
use broker::{
    Properties, PropertyId, PropertyValue, QoS as WireQoS, Time, WillMessage, WillProperties,
};

use crate::api::{
    ConnectOptions, Message, MessageProperties, Publication, QoS, RetainHandling, Subscription,
    Will,
};

const MQTT_5: u8 = 5;

/// The CONNECT of a client. For a reconnection, `client_id` and `clean_start` differ from the options.
pub(crate) fn connect(
    options: &ConnectOptions,
    client_id: &str,
    clean_start: bool,
    has_session: bool,
    receive_maximum: u16,
    maximum_packet_size: u32,
) -> ConnectPacket {
    let mut properties = Properties::new();
    if !clean_start && !has_session {
        let (name, value) = broker::NO_SESSION_STATE;
        properties.add_user_property(name.to_owned(), value.to_owned());
    }
    properties.set_session_expiry_interval(options.session_expiry_interval);
    properties.set_receive_maximum(receive_maximum);
    properties.set_maximum_packet_size(maximum_packet_size);
    let will = options.will.as_ref().map(will);
    let will_properties = will
        .as_ref()
        .map_or_else(Properties::new, |will| will.properties.clone().into());
    ConnectPacket {
        protocol_version: MQTT_5,
        clean_start,
        keep_alive: options.keep_alive,
        client_id: client_id.to_owned(),
        username: options.username.clone(),
        password: options.password.clone(),
        will,
        properties,
        will_properties,
    }
}

fn will(will: &Will) -> WillMessage {
    let Publication {
        topic,
        payload,
        qos,
        retain,
        properties,
    } = &will.publication;
    WillMessage {
        topic: topic.clone(),
        payload: payload.clone(),
        qos: qos.to_wire(),
        retain: *retain,
        properties: WillProperties {
            will_delay_interval: (will.delay_interval > 0).then_some(will.delay_interval),
            payload_format_indicator: properties.payload_is_utf8,
            message_expiry_interval: properties.message_expiry_interval,
            content_type: properties.content_type.clone(),
            response_topic: properties.response_topic.clone(),
            correlation_data: properties.correlation_data.clone(),
            user_properties: properties.user_properties.clone(),
        },
    }
}

/// The PUBLISH of a publication. Its packet identifier is a placeholder.
pub(crate) fn publish(publication: Publication) -> PublishPacket {
    let mut packet = PublishPacket::new(
        publication.topic,
        publication.payload,
        publication.qos.to_wire(),
    )
    .with_packet_id(1)
    .with_retain(publication.retain);
    let to = &mut packet.properties;
    let from = publication.properties;
    if let Some(is_utf8) = from.payload_is_utf8 {
        to.set_payload_format_indicator(is_utf8);
    }
    if let Some(seconds) = from.message_expiry_interval {
        to.set_message_expiry_interval(seconds);
    }
    if let Some(content_type) = from.content_type {
        to.set_content_type(content_type);
    }
    if let Some(topic) = from.response_topic {
        to.set_response_topic(topic);
    }
    if let Some(data) = from.correlation_data {
        to.set_correlation_data(data.into());
    }
    for (name, value) in from.user_properties {
        to.add_user_property(name, value);
    }
    packet
}

/// One SUBSCRIBE for these subscriptions. They share `identifier`, because a SUBSCRIBE has only one.
pub(crate) fn subscribe(
    packet_id: u16,
    identifier: Option<u32>,
    subscriptions: &[Subscription],
) -> SubscribePacket {
    let mut packet = SubscribePacket::new(packet_id);
    packet.filters = subscriptions
        .iter()
        .map(|subscription| TopicFilter {
            filter: subscription.topic_filter.clone(),
            options: SubscriptionOptions {
                qos: subscription.qos.to_wire(),
                no_local: subscription.no_local,
                retain_as_published: subscription.retain_as_published,
                retain_handling: subscription.retain_handling.to_wire(),
            },
        })
        .collect();
    if let Some(identifier) = identifier {
        packet.properties.set_subscription_identifier(identifier);
    }
    packet
}

/// The UNSUBSCRIBE of these topic filters.
pub(crate) fn unsubscribe(packet_id: u16, topic_filters: &[String]) -> UnsubscribePacket {
    let mut packet = UnsubscribePacket::new(packet_id);
    packet.filters = topic_filters.to_vec();
    packet
}

/// The page's message for a received PUBLISH.
pub(crate) fn message(packet: PublishPacket, received_at: Time) -> Message {
    let mut properties = MessageProperties::default();
    let mut subscription_identifiers = packet.properties.subscription_identifiers();
    broker::sorted::sort_by_key(&mut subscription_identifiers, |it| *it);
    let user = packet.properties.get_all(PropertyId::UserProperty);
    for value in user.unwrap_or_default() {
        if let PropertyValue::Utf8StringPair(name, value) = value {
            properties
                .user_properties
                .push((name.clone(), value.clone()));
        }
    }
    for (id, value) in packet.properties.iter() {
        match (id, value) {
            (PropertyId::PayloadFormatIndicator, PropertyValue::Byte(format)) => {
                properties.payload_is_utf8 = Some(*format == 1);
            }
            (PropertyId::MessageExpiryInterval, PropertyValue::FourByteInteger(seconds)) => {
                properties.message_expiry_interval = Some(*seconds);
            }
            (PropertyId::ContentType, PropertyValue::Utf8String(text)) => {
                properties.content_type = Some(text.clone());
            }
            (PropertyId::ResponseTopic, PropertyValue::Utf8String(text)) => {
                properties.response_topic = Some(text.clone());
            }
            (PropertyId::CorrelationData, PropertyValue::BinaryData(bytes)) => {
                properties.correlation_data = Some(bytes.to_vec());
            }
            _ => {}
        }
    }
    Message {
        topic: packet.topic_name,
        payload: packet.payload.into(),
        qos: QoS::from_wire(packet.qos),
        retain: packet.retain,
        dup: packet.dup,
        properties,
        subscription_identifiers,
        received_at,
    }
}

impl QoS {
    fn to_wire(self) -> WireQoS {
        match self {
            Self::AtMostOnce => WireQoS::AtMostOnce,
            Self::AtLeastOnce => WireQoS::AtLeastOnce,
            Self::ExactlyOnce => WireQoS::ExactlyOnce,
        }
    }

    fn from_wire(qos: WireQoS) -> Self {
        match qos {
            WireQoS::AtMostOnce => Self::AtMostOnce,
            WireQoS::AtLeastOnce => Self::AtLeastOnce,
            WireQoS::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}

impl RetainHandling {
    fn to_wire(self) -> subscribe_options::RetainHandling {
        use subscribe_options::RetainHandling as Wire;
        match self {
            Self::SendAtSubscribe => Wire::SendAtSubscribe,
            Self::SendIfNew => Wire::SendAtSubscribeIfNew,
            Self::DoNotSend => Wire::DoNotSend,
        }
    }
}
