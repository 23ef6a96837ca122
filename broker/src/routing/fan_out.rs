//! Fan-out: a message goes to all receivers.

use std::sync::Arc;

use crate::routing::delivery::Delivery;
use crate::routing::message::Message;
use crate::{Broker, Output, QoS, SessionId, Time, sorted};

/// The outcome of a message: the best outcome of its receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Routed {
    /// No subscription matches.
    NoReceiver,
    /// The queue of each receiver is full.
    NoRoom,
    /// It was sent, queued, or dropped as its QoS or its receiver allows.
    Delivered,
}

impl Broker {
    /// Routes a message to every session with a matching subscription, and retains it if RETAIN is set. [MQTT-4.5.0-1]
    pub(crate) fn publish_message(
        &mut self,
        now: Time,
        message: Message,
        out: &mut Vec<Output>,
    ) -> Routed {
        self.publish_message_of(now, None, message, out)
    }

    /// Publishes a message. `publisher` is the session number of its publisher, if that session stays.
    pub(crate) fn publish_message_of(
        &mut self,
        now: Time,
        publisher: Option<u64>,
        mut message: Message,
        out: &mut Vec<Output>,
    ) -> Routed {
        let mut matches = core::mem::take(&mut self.subscriptions.matches);
        self.subscriptions
            .routes
            .matches(&message.topic, &mut matches);
        matches.retain(|&(id, subscription)| {
            !subscription.no_local || self.sessions[id].client_id != message.publisher
        });
        // A stable sort: the subscriptions of a session keep their order.
        sorted::sort_by_key(&mut matches, |&(id, _)| id);
        if !message.retain {
            self.send_ahead(now, &message.topic, &matches, out);
        }
        // The broker's own messages are not recorded, because the next broker publishes them again.
        let is_recorded = !message.publisher.is_empty();
        if is_recorded {
            message.number = self.persistence.journal.number_message();
        }
        let message = Arc::new(message);
        if is_recorded {
            self.persistence.journal.begin(&message, publisher);
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
        self.subscriptions.matches = matches;
        routed = routed.max(self.publish_shared(now, &message, out));
        if is_recorded {
            self.persistence.journal.end();
        }
        routed
    }

    /// Sends a message to a session, or queues it. QoS 0 messages are not queued.
    pub(crate) fn deliver(
        &mut self,
        now: Time,
        id: SessionId,
        delivery: Delivery,
        out: &mut Vec<Output>,
    ) -> Routed {
        let session = &mut self.sessions[id];
        if delivery.qos == QoS::AtMostOnce {
            session.send_now(now, &delivery, &mut self.stats, out);
            Routed::Delivered
        } else {
            let log = &mut self.persistence.journal.of(session.number);
            session.outbound.push(delivery, log);
            session.pump(&self.config, now, &mut self.stats, log, out);
            self.sessions.recount(id);
            let held = self.sessions[id].bytes();
            let has_room = self
                .sessions
                .has_room(held, 0, self.config.sessions_bytes_max);
            let session = &mut self.sessions[id];
            let routed = session.shed(&self.config, has_room, now, &mut self.stats, log, out);
            self.sessions.recount(id);
            routed
        }
    }
}
