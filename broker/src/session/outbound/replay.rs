//! Replay of the log into a session's outbound messages. Each function returns whether the record is possible.

use crate::routing::delivery::Delivery;
use crate::session::outbound::{InFlight, Outbound, Stage};

impl Outbound {
    /// Adds a delivery: queued, or in flight if it has a packet identifier.
    pub(crate) fn replay_added(&mut self, delivery: Delivery, packet_id: u16) -> bool {
        let position = delivery.position;
        let place = self.place(position);
        if self.in_flight.get(position).is_some()
            || self
                .queue
                .get(place)
                .is_some_and(|other| other.position == position)
            || self.in_flight.position(packet_id).is_some()
        {
            return false;
        }
        self.next_position = self.next_position.max(position + 1);
        if packet_id == 0 {
            self.queue_bytes += delivery.message.bytes();
            self.note_expiry(&delivery);
            self.queue.insert(place, delivery);
        } else {
            self.replay_in_flight(position, packet_id, Stage::Publish(delivery));
        }
        true
    }

    pub(crate) fn replay_sent(&mut self, position: u64, packet_id: u16) -> bool {
        let is_free = packet_id != 0 && self.in_flight.position(packet_id).is_none();
        let Some(delivery) = is_free.then(|| self.unqueue(position)).flatten() else {
            return false;
        };
        self.replay_in_flight(position, packet_id, Stage::Publish(delivery));
        true
    }

    /// The message itself may be unknown.
    pub(crate) fn replay_released(&mut self, packet_id: u16, position: u64) -> bool {
        let place = self.place(position);
        if packet_id == 0
            || self.in_flight.get(position).is_some()
            || self
                .queue
                .get(place)
                .is_some_and(|other| other.position == position)
        {
            return false;
        }
        self.finish(packet_id);
        self.next_position = self.next_position.max(position + 1);
        let last_packet_id = self.last_packet_id;
        self.replay_in_flight(position, packet_id, Stage::PubRel);
        self.last_packet_id = last_packet_id;
        true
    }

    pub(crate) fn replay_done(&mut self, position: u64) -> bool {
        match self.in_flight.get(position) {
            Some(entry) => self.finish(entry.packet_id).is_some(),
            None => self.unqueue(position).is_some(),
        }
    }

    pub(crate) fn replay_counters(&mut self, next_position: u64, last_packet_id: u16) {
        self.next_position = self.next_position.max(next_position);
        self.last_packet_id = last_packet_id;
    }

    /// The next position, and the last packet identifier.
    pub(crate) fn counters(&self) -> (u64, u16) {
        (self.next_position, self.last_packet_id)
    }

    /// All queued messages and those in flight, with their packet identifier; 0 if queued.
    pub(crate) fn deliveries(&self) -> impl Iterator<Item = (u16, &Delivery)> {
        let in_flight = self.in_flight.messages(0);
        let in_flight = in_flight.filter_map(|(_, entry)| match &entry.stage {
            Stage::Publish(delivery) => Some((entry.packet_id, delivery)),
            Stage::PubRel => None,
        });
        let waiting = self.queue.iter().chain(&self.leaving);
        in_flight.chain(waiting.map(|delivery| (0, delivery)))
    }

    /// All releases in flight, with their position.
    pub(crate) fn releases(&self) -> impl Iterator<Item = (u16, u64)> {
        let releases = self.in_flight.releases();
        releases.map(|(position, entry)| (entry.packet_id, position))
    }

    fn replay_in_flight(&mut self, position: u64, packet_id: u16, stage: Stage) {
        self.last_packet_id = packet_id;
        let mut entry = InFlight::sent(packet_id, stage);
        entry.counted = false;
        self.in_flight.insert(position, entry);
    }

    /// The index of a position in the queue, or where it would be.
    fn place(&self, position: u64) -> usize {
        self.queue
            .partition_point(|other| other.position < position)
    }

    fn unqueue(&mut self, position: u64) -> Option<Delivery> {
        let place = self.place(position);
        self.queue
            .get(place)
            .filter(|found| found.position == position)?;
        let delivery = self.queue.remove(place)?;
        self.queue_bytes -= delivery.message.bytes();
        if self.queue.is_empty() {
            self.queue_expires = None;
        }
        Some(delivery)
    }
}
