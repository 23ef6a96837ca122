//! The way of a message from the broker to its receivers.

use std::sync::Arc;

use crate::broker::Stats;
use crate::connection::ConnectionState;
use crate::packet::puback::PubAckPacket;
use crate::packet::pubcomp::PubCompPacket;
use crate::packet::pubrec::PubRecPacket;
use crate::packet::pubrel::PubRelPacket;
use crate::persistence::journal::DeliveryLog;
use crate::routing::message::{Message, max_qos, min_qos};
use crate::routing::routes::Subscription;
use crate::session::outbound::{Delivery, PubRecOutcome};
use crate::session::{Session, SessionId};
use crate::{
    Broker, BrokerEvent, CloseReason, Config, ConnId, DropReason, Output, Packet, QoS, ReasonCode,
    Time, sorted,
};

/// What has become of a message: the best of what has become of it at its receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Routed {
    /// Nobody is subscribed to it.
    NoReceiver,
    /// Too much waits already for whoever is.
    NoRoom,
    /// It was sent, waits, or was left out as its QoS or its receiver allows.
    Delivered,
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
}

impl Broker {
    /// Routes a message to every session with a matching subscription, and retains it if it is to be retained.
    /// [MQTT-4.5.0-1]
    pub(crate) fn publish_message(
        &mut self,
        now: Time,
        message: Message,
        out: &mut Vec<Output>,
    ) -> Routed {
        self.publish_message_of(now, None, message, out)
    }

    /// Publishes a message; `publisher` is the number of its publisher's session, if that stays for now.
    pub(crate) fn publish_message_of(
        &mut self,
        now: Time,
        publisher: Option<u64>,
        mut message: Message,
        out: &mut Vec<Output>,
    ) -> Routed {
        let mut matches = core::mem::take(&mut self.matches);
        self.routes.matches(&message.topic, &mut matches);
        matches.retain(|&(id, subscription)| {
            !subscription.no_local || self.sessions[id.0].client_id != message.publisher
        });
        // The subscriptions of a session keep their order.
        sorted::sort_by_key(&mut matches, |&(id, _)| id);
        if !message.retain {
            self.send_ahead(now, &message.topic, &matches, out);
        }
        // What nobody published is the broker's own word, which it says again when it comes back.
        let is_recorded = !message.publisher.is_empty();
        if is_recorded {
            message.number = self.journal.number_message();
        }
        let message = Arc::new(message);
        if is_recorded {
            self.journal.begin(&message, publisher);
        }
        if message.retain {
            self.retained.set(&message);
        }
        let mut routed = Routed::NoReceiver;
        for of_session in matches.chunk_by(|(a, _), (b, _)| a == b) {
            let [(id, _), ..] = *of_session else { continue };
            let subscriptions = of_session.iter().map(|(_, subscription)| subscription);
            let delivery = Delivery::new(&message, subscriptions.clone());
            let catch_up = match message.retain {
                true => self.catch_up_before(id, &message.topic, subscriptions),
                false => None,
            };
            let catch_up = catch_up.filter(|_| self.takes_now(id, delivery.qos));
            let of_session = self.deliver(now, id, delivery, out);
            if let Some(number) = catch_up
                && of_session == Routed::Delivered
            {
                self.note_ahead(id, &message.topic, number);
            }
            routed = routed.max(of_session);
        }
        matches.clear();
        self.matches = matches;
        routed = routed.max(self.publish_shared(now, &message, out));
        if is_recorded {
            self.journal.end();
        }
        routed
    }

    /// Sends a message to a session, or lets it wait there. QoS 0 messages do not wait.
    pub(crate) fn deliver(
        &mut self,
        now: Time,
        id: SessionId,
        delivery: Delivery,
        out: &mut Vec<Output>,
    ) -> Routed {
        let session = &mut self.sessions[id.0];
        if delivery.qos == QoS::AtMostOnce {
            session.send_now(now, &delivery, &mut self.stats, out);
            Routed::Delivered
        } else {
            let log = &mut self.journal.of(session.number);
            session.outbound.push(delivery, log);
            session.pump(now, &mut self.stats, log, out);
            session.shed(&self.config, now, &mut self.stats, log, out)
        }
    }

    /// The way to a client is full, or has room again: then it gets what has waited.
    pub(crate) fn on_congested(
        &mut self,
        now: Time,
        conn: ConnId,
        is_congested: bool,
        out: &mut Vec<Output>,
    ) {
        let Some(&ConnectionState::Client(id)) = self.connections.get(&conn) else {
            return;
        };
        let session = &mut self.sessions[id.0];
        if let Some(connection) = &mut session.connection {
            connection.is_congested = is_congested;
        }
        let log = &mut self.journal.of(session.number);
        session.pump(now, &mut self.stats, log, out);
        self.queue_catch_up(id);
    }

    /// Sends a client that came back what it has not acknowledged, in order, and then what waits. [MQTT-4.4.0-1]
    pub(crate) fn redeliver(&mut self, now: Time, id: SessionId, out: &mut Vec<Output>) {
        let session = &mut self.sessions[id.0];
        let release = session.outbound.resume();
        if let Some(connection) = &session.connection {
            // Smaller than the CONNACK which the client just took.
            out.extend(release.into_iter().map(|packet_id| {
                Output::Send(
                    connection.conn,
                    Packet::PubRel(PubRelPacket::new(packet_id)),
                )
            }));
        }
        let log = &mut self.journal.of(session.number);
        session.pump(now, &mut self.stats, log, out);
        self.queue_catch_up(id);
    }

    /// The client has a QoS 1 message, or refuses it; either way it is over.
    pub(crate) fn on_puback(
        &mut self,
        now: Time,
        id: SessionId,
        puback: &PubAckPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let session = &mut self.sessions[id.0];
        let log = &mut self.journal.of(session.number);
        session.outbound.puback(puback.packet_id, log)?;
        session.pump(now, &mut self.stats, log, out);
        self.queue_catch_up(id);
        Ok(())
    }

    /// The client has a QoS 2 message: releases it. [MQTT-4.3.3-4]
    pub(crate) fn on_pubrec(
        &mut self,
        now: Time,
        id: SessionId,
        pubrec: &PubRecPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let session = &mut self.sessions[id.0];
        let log = &mut self.journal.of(session.number);
        let packet_id = pubrec.packet_id;
        let outcome = session
            .outbound
            .pubrec(packet_id, pubrec.reason_code, log)?;
        let pubrel = match outcome {
            PubRecOutcome::Release => PubRelPacket::new(packet_id),
            PubRecOutcome::Unknown => {
                PubRelPacket::new_with_reason(packet_id, ReasonCode::PacketIdentifierNotFound)
            }
            PubRecOutcome::Over => {
                session.pump(now, &mut self.stats, log, out);
                self.queue_catch_up(id);
                return Ok(());
            }
        };
        session.answer(Packet::PubRel(pubrel), out)
    }

    /// The client has forgotten the identifier of a QoS 2 message, and so does the session.
    pub(crate) fn on_pubcomp(
        &mut self,
        now: Time,
        id: SessionId,
        pubcomp: &PubCompPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let session = &mut self.sessions[id.0];
        let log = &mut self.journal.of(session.number);
        session.outbound.pubcomp(pubcomp.packet_id, log)?;
        session.pump(now, &mut self.stats, log, out);
        self.queue_catch_up(id);
        Ok(())
    }
}

impl Session {
    fn send_now(
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
        } else if let Some(packet) = connection.message(delivery.packet(None, false, now)) {
            stats.messages_delivered += 1;
            return out.push(Output::Send(connection.conn, packet));
        } else {
            DropReason::TooLarge
        };
        out.push(dropped(&self.client_id, &delivery.message, reason, stats));
    }

    /// Sends as much of what waits as the client takes now.
    fn pump(
        &mut self,
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
            log,
            |delivery, packet_id, dup| {
                // What was sent once is sent again, expired or not. [MQTT-4.3.3-7]
                if !dup && delivery.message.is_expired(now) {
                    out.push(dropped(
                        client_id,
                        &delivery.message,
                        DropReason::Expired,
                        stats,
                    ));
                    return false;
                }
                // What does not fit counts as delivered. [MQTT-3.1.2-25]
                let packet = delivery.packet(Some(packet_id), dup, now);
                let Some(packet) = connection.message(packet) else {
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
                out.push(Output::Send(connection.conn, packet));
                true
            },
        );
    }

    /// Drops the newest message if too many wait, or too many bytes: the oldest stay.
    fn shed(
        &mut self,
        config: &Config,
        now: Time,
        stats: &mut Stats,
        log: &mut DeliveryLog<'_>,
        out: &mut Vec<Output>,
    ) -> Routed {
        let client_id = &self.client_id;
        let newest = self.outbound.shed(config, now, log, |message| {
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
