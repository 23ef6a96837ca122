//! The outbound messages of a session: queued, and in flight.

mod in_flight;
mod replay;

use std::collections::VecDeque;

use self::in_flight::Flights;

use crate::persistence::journal::DeliveryLog;
use crate::routing::delivery::Delivery;
use crate::routing::message::Message;
use crate::{CloseReason, Config, QoS, ReasonCode, Time, TopicFilter};

/// The QoS 1 and QoS 2 messages of one session, in the order in which they were published. [MQTT-4.6.0-5] [MQTT-4.6.0-6]
///
/// They wait in a queue, then are in flight: sent with a packet identifier, until the client acknowledges them. Both
/// outlive the connection. Each connection counts its unacknowledged messages from 0.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    queue: VecDeque<Delivery>,
    /// Queued messages that move to other members of shared subscriptions, unless this client reconnects before.
    leaving: VecDeque<Delivery>,
    /// The bytes of the queue.
    queue_bytes: usize,
    /// The bytes of the leaving messages.
    leaving_bytes: usize,
    /// No queued message expires before this time; `None` if none ever expires.
    queue_expires: Option<Time>,
    /// When the queue may be searched for expired messages again.
    next_look: Time,
    /// In the order of repetition, which is that of the queue.
    in_flight: Flights,
    next_position: u64,
    last_packet_id: u16,
    /// Positions of messages that are still to be repeated on this connection.
    resend: VecDeque<u64>,
    /// The number of messages in flight on this connection.
    unacknowledged: usize,
}

/// The approximate bytes of a queued message beside its parts.
const DELIVERY_BYTES: usize = 96;

#[derive(Debug)]
struct InFlight {
    packet_id: u16,
    stage: Stage,
    /// Whether it was sent on this connection, so that it counts against the client's Receive Maximum.
    counted: bool,
}

impl InFlight {
    const fn sent(packet_id: u16, stage: Stage) -> Self {
        Self {
            packet_id,
            stage,
            counted: true,
        }
    }

    fn bytes(&self) -> usize {
        match &self.stage {
            Stage::Publish(delivery) => delivery.message.bytes(),
            Stage::PubRel => 0,
        }
    }

    /// The message, if it may move to another member of a shared subscription although it was sent.
    fn movable(&self) -> Option<&Delivery> {
        match &self.stage {
            Stage::Publish(delivery) if delivery.qos == QoS::AtLeastOnce => Some(delivery),
            Stage::Publish(_) | Stage::PubRel => None,
        }
    }
}

/// The packet that was sent last.
#[derive(Debug)]
enum Stage {
    Publish(Delivery),
    /// The client has the message, so only its identifier is kept.
    PubRel,
}

/// The effect of a PUBREC.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PubRecOutcome {
    /// The client has the message: release it.
    Release,
    /// The client refuses it: the flow ends, if there was one. [MQTT-4.4.0-2]
    Over,
    /// The client has a message, and nothing with its identifier is in flight.
    Unknown,
}

impl Outbound {
    /// The number of queued messages.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len() + self.leaving.len()
    }

    /// The number of messages in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The bytes of all messages.
    pub(crate) fn bytes(&self) -> usize {
        let deliveries = self.queued() + self.in_flight();
        self.queue_bytes + self.leaving_bytes + self.in_flight.bytes() + deliveries * DELIVERY_BYTES
    }

    /// Queues a message. [`Outbound::pump`] may send it at once, and [`Outbound::shed`] enforces the limits
    /// afterwards.
    pub(crate) fn push(&mut self, mut delivery: Delivery, log: &mut DeliveryLog<'_>) {
        delivery.position = self.next_position;
        self.next_position += 1;
        log.added(&delivery);
        self.note_expiry(&delivery);
        self.queue_bytes += delivery.message.bytes();
        self.queue.push_back(delivery);
    }

    fn note_expiry(&mut self, delivery: &Delivery) {
        self.queue_expires = match (self.queue_expires, delivery.message.expires()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// Returns the newest message if the queue exceeds its limits, or if all sessions have no room for it. Expired
    /// messages are removed first.
    pub(crate) fn shed(
        &mut self,
        config: &Config,
        has_room: bool,
        now: Time,
        log: &mut DeliveryLog<'_>,
        mut expired: impl FnMut(&Message),
    ) -> Option<Delivery> {
        let is_full = |it: &Self| !has_room || it.is_overfull(config);
        if !is_full(self) {
            return None;
        }
        // A search for each message would cost as much as the whole queue.
        if self.queue_expires.is_some_and(|at| at <= now) && now >= self.next_look {
            self.next_look = now.plus_secs(1);
            let bytes = &mut self.queue_bytes;
            let next_position = &mut self.next_position;
            self.queue.retain(|delivery| {
                let keep = !delivery.message.is_expired(now);
                if !keep {
                    if log.done(delivery.position) {
                        *next_position = delivery.position;
                    }
                    *bytes -= delivery.message.bytes();
                    expired(&delivery.message);
                }
                keep
            });
            self.queue_expires = self.queue.iter().filter_map(|d| d.message.expires()).min();
        }
        if !is_full(self) {
            return None;
        }
        let newest = self.queue.pop_back()?;
        if log.done(newest.position) {
            self.next_position = newest.position;
        }
        self.queue_bytes -= newest.message.bytes();
        Some(newest)
    }

    fn is_overfull(&self, config: &Config) -> bool {
        self.queue.len() > config.queue_messages_max || self.queue_bytes > config.queue_bytes_max
    }

    /// How many messages could be sent now.
    pub(crate) fn room(&self, receive_maximum: u16) -> usize {
        match self.queue.is_empty() && self.resend.is_empty() {
            true => usize::from(receive_maximum).saturating_sub(self.unacknowledged),
            false => 0,
        }
    }

    /// The shared subscriptions with messages that can move to another member; see [`Outbound::take_leaving`].
    pub(crate) fn shared_filters(&self) -> impl Iterator<Item = &TopicFilter> {
        let in_flight = self.in_flight.messages(0);
        let in_flight = in_flight.filter_map(|(_, entry)| entry.movable());
        let all = in_flight.chain(&self.queue);
        all.filter_map(|delivery| delivery.share.as_ref())
    }

    /// Marks queued messages of these filters as leaving, see [`Outbound::take_leaving`]. They no longer count against
    /// the limits.
    pub(crate) fn set_leaving(&mut self, wanted: impl Fn(&TopicFilter) -> bool) {
        for delivery in core::mem::take(&mut self.queue) {
            if delivery.share.as_ref().is_some_and(&wanted) {
                let bytes = delivery.message.bytes();
                self.queue_bytes -= bytes;
                self.leaving_bytes += bytes;
                self.leaving.push_back(delivery);
            } else {
                self.queue.push_back(delivery);
            }
        }
    }

    /// Takes out the next message of these filters that can move to another member: first QoS 1 messages in flight
    /// from position `from`, then leaving ones. `looks` counts down. [MQTT-4.8.2-4] [MQTT-4.8.2-6]
    pub(crate) fn take_leaving(
        &mut self,
        from: &mut u64,
        looks: &mut usize,
        wanted: impl Fn(&TopicFilter) -> bool,
    ) -> Option<Delivery> {
        let next = |outbound: &Self, from: u64| {
            let (position, entry) = outbound.in_flight.messages(from).next()?;
            let share = entry.movable().and_then(|delivery| delivery.share.as_ref());
            Some((position, entry.packet_id, share.is_some_and(&wanted)))
        };
        while *looks > 0
            && let Some((position, packet_id, is_wanted)) = next(self, *from)
        {
            *looks -= 1;
            *from = position + 1;
            if is_wanted && let Some(Stage::Publish(delivery)) = self.finish(packet_id) {
                return Some(delivery);
            }
        }
        *looks = looks.checked_sub(1)?;
        let next = self.leaving.pop_front()?;
        self.leaving_bytes -= next.message.bytes();
        Some(next)
    }

    /// Takes out all messages that can move to another member of a shared subscription, in order.
    pub(crate) fn take_shared(&mut self) -> VecDeque<Delivery> {
        let mut taken = VecDeque::new();
        let (mut from, mut looks) = (0, usize::MAX);
        self.set_leaving(|_| true);
        while let Some(delivery) = self.take_leaving(&mut from, &mut looks, |_| true) {
            taken.push_back(delivery);
        }
        taken
    }

    /// Returns the leaving messages to their places in the queue.
    fn stay(&mut self) {
        if self.leaving.is_empty() {
            return;
        }
        self.queue_bytes += core::mem::take(&mut self.leaving_bytes);
        let mut waiting = core::mem::take(&mut self.queue);
        let mut leaving = core::mem::take(&mut self.leaving);
        loop {
            let is_next = match (leaving.front(), waiting.front()) {
                (Some(leaving), Some(waiting)) => leaving.position < waiting.position,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            let next = if is_next { &mut leaving } else { &mut waiting };
            self.queue.extend(next.pop_front());
        }
    }

    /// Starts on a new connection: returns the identifiers to release again. [`Outbound::pump`] then repeats every
    /// other message in flight before it sends new ones. [MQTT-4.4.0-1] [MQTT-4.6.0-5]
    pub(crate) fn resume(&mut self) -> Vec<u16> {
        self.stay();
        self.resend.clear();
        self.unacknowledged = 0;
        let mut release = Vec::new();
        for (position, entry) in self.in_flight.iter_mut() {
            match entry.stage {
                Stage::Publish(_) => {
                    entry.counted = false;
                    self.resend.push_back(position);
                }
                // A release is never held back, but its message still counts against the Receive Maximum.
                Stage::PubRel => {
                    entry.counted = true;
                    self.unacknowledged += 1;
                    release.push(entry.packet_id);
                }
            }
        }
        release
    }

    /// Sends messages until `receive_maximum` are unacknowledged, or as many bytes as a queue may have.
    /// [MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2]
    ///
    /// `send` gets a message, its packet identifier, and whether it is a repetition. It returns whether the message
    /// was sent; otherwise the message counts as delivered.
    pub(crate) fn pump(
        &mut self,
        receive_maximum: u16,
        bytes_max: usize,
        log: &mut DeliveryLog<'_>,
        mut send: impl FnMut(&Delivery, u16, bool) -> bool,
    ) {
        while self.unacknowledged < usize::from(receive_maximum) {
            if let Some(position) = self.resend.pop_front() {
                // It may have been acknowledged before its repetition.
                let Some(entry) = self.in_flight.get_mut(position) else {
                    continue;
                };
                let Stage::Publish(delivery) = &entry.stage else {
                    continue;
                };
                if send(delivery, entry.packet_id, true) {
                    entry.counted = true;
                    self.unacknowledged += 1;
                } else {
                    let packet_id = entry.packet_id;
                    log.done(position);
                    self.in_flight.remove(packet_id);
                }
            } else if self.in_flight.bytes() < bytes_max
                && let Some(delivery) = self.queue.pop_front()
            {
                self.queue_bytes -= delivery.message.bytes();
                let packet_id = self.free_packet_id();
                let position = delivery.position;
                if send(&delivery, packet_id, false) {
                    log.sent(position, packet_id);
                    self.last_packet_id = packet_id;
                    self.unacknowledged += 1;
                    let stage = Stage::Publish(delivery);
                    self.in_flight
                        .insert(position, InFlight::sent(packet_id, stage));
                } else if log.done(position) {
                    self.next_position = position;
                }
            } else {
                break;
            }
        }
        if self.queue.is_empty() {
            self.queue_expires = None;
        }
    }

    /// Ends the flow of a QoS 1 message.
    pub(crate) fn puback(
        &mut self,
        packet_id: u16,
        log: &mut DeliveryLog<'_>,
    ) -> Result<(), CloseReason> {
        match self.stage(packet_id) {
            Some(Stage::Publish(delivery)) if delivery.qos == QoS::AtLeastOnce => {
                self.end(packet_id, log);
                Ok(())
            }
            Some(Stage::Publish(_) | Stage::PubRel) => Err(wrong("PUBACK", packet_id)),
            None => Ok(()),
        }
    }

    /// Continues the flow of a QoS 2 message, or ends it if the client refuses the message.
    pub(crate) fn pubrec(
        &mut self,
        packet_id: u16,
        reason_code: ReasonCode,
        log: &mut DeliveryLog<'_>,
    ) -> Result<PubRecOutcome, CloseReason> {
        match self.stage(packet_id) {
            Some(Stage::Publish(delivery)) if delivery.qos != QoS::ExactlyOnce => {
                Err(wrong("PUBREC", packet_id))
            }
            Some(_) if reason_code.is_error() => {
                self.end(packet_id, log);
                Ok(PubRecOutcome::Over)
            }
            Some(Stage::Publish(_)) => {
                // PUBRELs are sent in the order of the PUBRECs, so it goes to the end.
                self.finish(packet_id);
                self.unacknowledged += 1;
                let position = self.next_position;
                self.next_position += 1;
                log.released(packet_id, position);
                self.in_flight
                    .insert(position, InFlight::sent(packet_id, Stage::PubRel));
                Ok(PubRecOutcome::Release)
            }
            Some(Stage::PubRel) => Ok(PubRecOutcome::Release),
            // No PUBREL is due: only a PUBREC below 0x80 has one. [MQTT-4.3.3-4]
            None if reason_code.is_error() => Ok(PubRecOutcome::Over),
            None => Ok(PubRecOutcome::Unknown),
        }
    }

    /// Ends the flow of a QoS 2 message.
    pub(crate) fn pubcomp(
        &mut self,
        packet_id: u16,
        log: &mut DeliveryLog<'_>,
    ) -> Result<(), CloseReason> {
        match self.stage(packet_id) {
            Some(Stage::PubRel) => {
                self.end(packet_id, log);
                Ok(())
            }
            Some(Stage::Publish(_)) => Err(wrong("PUBCOMP", packet_id)),
            None => Ok(()),
        }
    }

    fn stage(&self, packet_id: u16) -> Option<&Stage> {
        let position = self.in_flight.position(packet_id)?;
        Some(&self.in_flight.get(position)?.stage)
    }

    fn end(&mut self, packet_id: u16, log: &mut DeliveryLog<'_>) {
        if let Some(position) = self.in_flight.position(packet_id) {
            log.done(position);
            self.finish(packet_id);
        }
    }

    fn finish(&mut self, packet_id: u16) -> Option<Stage> {
        let entry = self.in_flight.remove(packet_id)?;
        if entry.counted {
            self.unacknowledged -= 1;
        }
        Some(entry.stage)
    }

    /// The next identifier that is not in flight. [MQTT-2.2.1-4]
    fn free_packet_id(&self) -> u16 {
        let mut packet_id = self.last_packet_id;
        loop {
            packet_id = packet_id.checked_add(1).unwrap_or(1);
            // Fewer messages are in flight than there are identifiers, so one is free.
            if self.in_flight.position(packet_id).is_none() {
                return packet_id;
            }
        }
    }
}

fn wrong(packet: &'static str, packet_id: u16) -> CloseReason {
    CloseReason::WrongAcknowledgement { packet, packet_id }
}
