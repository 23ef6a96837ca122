//! Messages leave a session: at once, from its queue, or dropped.

use std::sync::Arc;

use crate::persistence::journal::DeliveryLog;
use crate::routing::delivery::Delivery;
use crate::routing::fan_out::Routed;
use crate::routing::message::Message;
use crate::session::Session;
use crate::{BrokerEvent, Config, DropReason, Output, Stats, Time};

impl Session {
    pub(crate) fn send_now(
        &mut self,
        now: Time,
        delivery: &Delivery,
        stats: &mut Stats,
        out: &mut Vec<Output>,
    ) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let reason = if connection.is_congested {
            DropReason::Congested
        } else if let Some(publish) =
            connection.message(&delivery.message.topic, delivery.publish(None, false, now))
        {
            stats.messages_delivered += 1;
            return out.push(Output::Publish(connection.conn, publish));
        } else {
            DropReason::TooLarge
        };
        out.push(dropped(&self.client_id, &delivery.message, reason, stats));
    }

    /// Sends as many queued messages as the client accepts now.
    pub(crate) fn pump(
        &mut self,
        config: &Config,
        now: Time,
        stats: &mut Stats,
        log: &mut DeliveryLog<'_>,
        out: &mut Vec<Output>,
    ) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        if connection.is_congested {
            return;
        }
        let client_id = &self.client_id;
        self.outbound.pump(
            connection.client.receive_maximum,
            config.queue_bytes_max,
            log,
            |delivery, packet_id, dup| {
                // A sent message is repeated even after its expiry. [MQTT-4.3.3-7]
                if !dup && delivery.message.is_expired(now) {
                    out.push(dropped(
                        client_id,
                        &delivery.message,
                        DropReason::Expired,
                        stats,
                    ));
                    return false;
                }
                // A packet that is too large counts as delivered. [MQTT-3.1.2-25]
                let publish = delivery.publish(Some(packet_id), dup, now);
                let Some(publish) = connection.message(&delivery.message.topic, publish) else {
                    out.push(dropped(
                        client_id,
                        &delivery.message,
                        DropReason::TooLarge,
                        stats,
                    ));
                    return false;
                };
                if !dup {
                    stats.messages_delivered += 1;
                }
                out.push(Output::Publish(connection.conn, publish));
                true
            },
        );
    }

    /// Drops the newest message if the queue exceeds its limits, or if all sessions have no room for it.
    pub(crate) fn shed(
        &mut self,
        config: &Config,
        has_room: bool,
        now: Time,
        stats: &mut Stats,
        log: &mut DeliveryLog<'_>,
        out: &mut Vec<Output>,
    ) -> Routed {
        let client_id = &self.client_id;
        let newest = self.outbound.shed(config, has_room, now, log, |message| {
            out.push(dropped(client_id, message, DropReason::Expired, stats));
        });
        let Some(newest) = newest else {
            return Routed::Delivered;
        };
        out.push(dropped(
            client_id,
            &newest.message,
            DropReason::QueueFull,
            stats,
        ));
        Routed::NoRoom
    }
}

fn dropped(
    client_id: &Arc<str>,
    message: &Message,
    reason: DropReason,
    stats: &mut Stats,
) -> Output {
    stats.messages_dropped += 1;
    Output::Event(BrokerEvent::MessageDropped {
        client_id: Arc::clone(client_id),
        topic: message.topic.clone(),
        reason,
    })
}
