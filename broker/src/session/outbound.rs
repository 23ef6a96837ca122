//! What a session has to deliver: the messages that wait and those in flight.

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
/// They wait in a queue, then they are in flight: sent, with a packet identifier, until the client has acknowledged them.
/// Both outlive the connection; how many are unacknowledged is counted anew on each.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    queue: VecDeque<Delivery>,
    /// Messages that waited and go to other clients of shared subscriptions, unless this client comes back before.
    leaving: VecDeque<Delivery>,
    /// What waits takes so much memory.
    queue_bytes: usize,
    /// Nothing in the queue expires before; `None` if nothing in it ever does.
    queue_expires: Option<Time>,
    /// When it may be looked again for what has expired.
    next_look: Time,
    /// In the order in which they have to be sent again, which is that in which they waited.
    in_flight: Flights,
    next_position: u64,
    last_packet_id: u16,
    /// Positions of what has not been sent again on this connection yet.
    resend: VecDeque<u64>,
    /// How many are in flight on this connection.
    unacknowledged: usize,
}

#[derive(Debug)]
struct InFlight {
    packet_id: u16,
    stage: Stage,
    /// Whether it was sent on this connection, and so counts against the client's Receive Maximum.
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

    /// The message, if it may be sent to another client of a shared subscription although it was sent to this one.
    fn movable(&self) -> Option<&Delivery> {
        match &self.stage {
            Stage::Publish(delivery) if delivery.qos == QoS::AtLeastOnce => Some(delivery),
            Stage::Publish(_) | Stage::PubRel => None,
        }
    }
}

/// What was sent last.
#[derive(Debug)]
enum Stage {
    Publish(Delivery),
    /// The client has the message, so nothing but its identifier is kept.
    PubRel,
}

/// What a PUBREC leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PubRecOutcome {
    /// The client has the message: release it.
    Release,
    /// The client does not want it: the flow is over, if there was one. [MQTT-4.4.0-2]
    Over,
    /// The client has a message, and nothing with its identifier is in flight.
    Unknown,
}

impl Outbound {
    /// How many messages wait.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len() + self.leaving.len()
    }

    /// How many were sent and are not acknowledged.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Lets a message wait. [`Outbound::pump`] may send it at once; what then still waits is for [`Outbound::shed`].
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

    /// Hands out the newest message if more wait than the limits allow; what has expired makes room first.
    pub(crate) fn shed(
        &mut self,
        config: &Config,
        now: Time,
        log: &mut DeliveryLog<'_>,
        mut expired: impl FnMut(&Message),
    ) -> Option<Delivery> {
        if !self.is_overfull(config) {
            return None;
        }
        // To look for more with each message would cost as much as there is, each time.
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
        if !self.is_overfull(config) {
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

    /// How many messages would be sent at once.
    pub(crate) fn room(&self, receive_maximum: u16) -> usize {
        match self.queue.is_empty() && self.resend.is_empty() {
            true => usize::from(receive_maximum).saturating_sub(self.unacknowledged),
            false => 0,
        }
    }

    /// The shared subscriptions for which something can go to another client; see [`Outbound::take_leaving`].
    pub(crate) fn shared_filters(&self) -> impl Iterator<Item = &TopicFilter> {
        let in_flight = self.in_flight.messages(0);
        let in_flight = in_flight.filter_map(|(_, entry)| entry.movable());
        let all = in_flight.chain(&self.queue);
        all.filter_map(|delivery| delivery.share.as_ref())
    }

    /// Messages that wait for one of these filters leave, see [`Outbound::take_leaving`]: they count no more against the limits.
    pub(crate) fn set_leaving(&mut self, wanted: impl Fn(&TopicFilter) -> bool) {
        for delivery in core::mem::take(&mut self.queue) {
            if delivery.share.as_ref().is_some_and(&wanted) {
                self.queue_bytes -= delivery.message.bytes();
                self.leaving.push_back(delivery);
            } else {
                self.queue.push_back(delivery);
            }
        }
    }

    /// Takes out the next message for one of these filters that can go to another client: first QoS 1 messages in flight, from
    /// position `from` on, then what leaves. `looks` counts down. [MQTT-4.8.2-4] [MQTT-4.8.2-6]
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
        self.leaving.pop_front()
    }

    /// Takes out everything that can go to another client of a shared subscription, in order.
    pub(crate) fn take_shared(&mut self) -> VecDeque<Delivery> {
        let mut taken = VecDeque::new();
        let (mut from, mut looks) = (0, usize::MAX);
        self.set_leaving(|_| true);
        while let Some(delivery) = self.take_leaving(&mut from, &mut looks, |_| true) {
            taken.push_back(delivery);
        }
        taken
    }

    /// Messages that have not left stay after all, in their places.
    fn stay(&mut self) {
        if self.leaving.is_empty() {
            return;
        }
        for delivery in &self.leaving {
            self.queue_bytes += delivery.message.bytes();
        }
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

    /// Starts over on a new connection: returns the identifiers to release again, and lets [`Outbound::pump`] send every
    /// other message in flight again before anything new. [MQTT-4.4.0-1] [MQTT-4.6.0-5]
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
                // A release is never held back, but its message still takes a place at the client.
                Stage::PubRel => {
                    entry.counted = true;
                    self.unacknowledged += 1;
                    release.push(entry.packet_id);
                }
            }
        }
        release
    }

    /// Sends what may be sent now: no more than `receive_maximum` messages are unacknowledged at any time.
    /// [MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2]
    ///
    /// `send` is given a message, its packet identifier and whether it is sent again. It returns whether it was sent;
    /// if not, it counts as delivered.
    pub(crate) fn pump(
        &mut self,
        receive_maximum: u16,
        log: &mut DeliveryLog<'_>,
        mut send: impl FnMut(&Delivery, u16, bool) -> bool,
    ) {
        while self.unacknowledged < usize::from(receive_maximum) {
            if let Some(position) = self.resend.pop_front() {
                // It may have been acknowledged before it was sent again.
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
            } else if let Some(delivery) = self.queue.pop_front() {
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

    /// Goes on with the flow of a QoS 2 message, or ends it if the client refuses the message.
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
            // Nothing waits for a PUBREL: there is only one after a PUBREC below 0x80. [MQTT-4.3.3-4]
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
            // New messages are sent only when fewer are in flight than a Receive Maximum can say, so one is free.
            if self.in_flight.position(packet_id).is_none() {
                return packet_id;
            }
        }
    }
}

fn wrong(packet: &'static str, packet_id: u16) -> CloseReason {
    CloseReason::WrongAcknowledgement { packet, packet_id }
}
