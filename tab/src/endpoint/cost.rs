//! Sizes of messages in bytes, for flow control.

use broker::packet::publish::PublishPacket;

use crate::api::Publication;
use crate::settings::Settings;

/// Approximate size of a message without topic and payload.
pub(crate) const MESSAGE_OVERHEAD_BYTES: usize = 64;

/// Cost of a message in flight or in a queue, in bytes.
pub(crate) fn cost(publish: &PublishPacket) -> usize {
    let of_properties = broker::properties_bytes(&publish.properties);
    publish.payload.len() + publish.topic_name.len() + of_properties + MESSAGE_OVERHEAD_BYTES
}

/// Bytes that a waiting publication uses.
pub(crate) fn publication_bytes(publication: &Publication) -> usize {
    let Publication {
        topic,
        payload,
        properties,
        ..
    } = publication;
    let pairs = properties.user_properties.iter();
    let pairs = pairs.map(|(name, value)| MESSAGE_OVERHEAD_BYTES + name.len() + value.len());
    payload.len() + topic.len() + pairs.sum::<usize>() + MESSAGE_OVERHEAD_BYTES
}

/// Cost of a message on the way to the broker. A long one counts in part, so that it leaves room for others.
pub(crate) fn cost_to_broker(publish: &PublishPacket, settings: &Settings) -> usize {
    cost(publish).min(settings.to_broker().cost_max())
}
