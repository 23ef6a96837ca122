//! Sizes of messages in bytes, for flow control.

use broker::packet::publish::PublishPacket;

use crate::api::Publication;
use crate::settings::Settings;

/// What a message costs beside topic and payload, about.
pub(crate) const MESSAGE_OVERHEAD_BYTES: usize = 64;

/// What a message costs on its way or while it waits, in bytes.
pub(crate) fn cost(publish: &PublishPacket) -> usize {
    let of_properties = broker::properties_bytes(&publish.properties);
    publish.payload.len() + publish.topic_name.len() + of_properties + MESSAGE_OVERHEAD_BYTES
}

/// Bytes that a publication takes while it waits.
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

/// What a message takes of the room on the way to the broker: a long one does not take it all.
pub(crate) fn cost_to_broker(publish: &PublishPacket, settings: &Settings) -> usize {
    cost(publish).min(settings.to_broker().cost_max())
}
