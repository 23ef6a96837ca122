//! Outbox: packets that wait at one end of a lane.

use std::collections::VecDeque;

use broker::codec::{self, ProtocolVersion, SharedPublish};
use broker::{Packet, ReasonCode};
use bytes::Bytes;

use super::Limits;
use crate::protocol::frame::{ConnectionNo, FRAME_BYTES_FULL, LaneMessage};

/// Whole packets, which leave at the end of the turn, and long ones, which leave in parts as there is room.
#[derive(Debug)]
pub(super) struct Outbox {
    full: Vec<Vec<LaneMessage>>,
    messages: Vec<LaneMessage>,
    /// Bytes of `messages`.
    bytes: usize,
    /// At most one for each connection. The connections take turns.
    long: VecDeque<Long>,
    limits: Limits,
    /// Cost of `full`, `messages` and `long`.
    waiting_cost: usize,
}

/// A long packet, and the later messages of its connection.
#[derive(Debug)]
struct Long {
    connection: ConnectionNo,
    /// The encoded packet up to its payload.
    head: Bytes,
    /// Shared with other receivers, so it is copied only into a frame.
    payload: Bytes,
    behind: VecDeque<Behind>,
}

#[derive(Debug)]
enum Behind {
    LaneMessage(LaneMessage),
    Long(Bytes, Bytes),
}

impl Outbox {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            full: Vec::new(),
            messages: Vec::new(),
            bytes: 0,
            long: VecDeque::new(),
            limits,
            waiting_cost: 0,
        }
    }

    /// How many bytes wait. A long packet counts up to its maximum cost.
    pub(super) fn waiting_cost(&self) -> usize {
        self.waiting_cost
    }

    pub(super) fn push_packet(
        &mut self,
        connection: ConnectionNo,
        version: ProtocolVersion,
        packet: &Packet,
    ) -> Result<(), codec::EncodeError> {
        match packet {
            Packet::Publish(publish) if publish.payload.len() >= self.limits.long_bytes() => {
                self.push_publish(connection, version, &publish.clone().into())
            }
            _ => self.push_short(connection, &|bytes| codec::encode(packet, version, bytes)),
        }
    }

    pub(super) fn push_publish(
        &mut self,
        connection: ConnectionNo,
        version: ProtocolVersion,
        publish: &SharedPublish,
    ) -> Result<(), codec::EncodeError> {
        let payload = &publish.packet.payload;
        if payload.len() < self.limits.long_bytes() {
            return self.push_short(connection, &|bytes| publish.encode(version, bytes));
        }
        let mut head = Vec::new();
        publish.encode_head(version, &mut head)?;
        self.push_long(connection, head.into(), payload.clone());
        Ok(())
    }

    /// Adds what `encode` appends, which it does as a whole or not at all.
    fn push_short(
        &mut self,
        connection: ConnectionNo,
        encode: &dyn Fn(&mut Vec<u8>) -> Result<(), codec::EncodeError>,
    ) -> Result<(), codec::EncodeError> {
        if let Some(long) = self.long_of(connection) {
            let mut bytes = Vec::new();
            encode(&mut bytes)?;
            let len = bytes.len();
            long.behind(LaneMessage::Packets { connection, bytes });
            self.waiting_cost += len;
            return Ok(());
        }
        let mut fresh = Vec::new();
        let (bytes, is_new) = match self.messages.last_mut() {
            Some(LaneMessage::Packets {
                connection: last,
                bytes,
            }) if *last == connection => (bytes, false),
            _ => (&mut fresh, true),
        };
        let before = bytes.len();
        encode(bytes)?;
        let len = bytes.len() - before;
        if is_new {
            let bytes = fresh;
            self.messages
                .push(LaneMessage::Packets { connection, bytes });
        }
        self.waiting_cost += len;
        self.count(len);
        Ok(())
    }

    /// Adds a message that waits for no long packet.
    pub(super) fn push(&mut self, message: LaneMessage) {
        self.messages.push(message);
    }

    /// Adds the end of a connection after all its waiting messages, which leave in this turn whatever their size. The
    /// client's next connection must not overtake them.
    pub(super) fn push_closed(&mut self, connection: ConnectionNo, reason: ReasonCode) {
        let place = self.long.iter().position(|it| it.connection == connection);
        if let Some(mut long) = place.and_then(|place| self.long.remove(place)) {
            while let Some(messages) = long.next(self.limits.part_bytes()) {
                for message in messages {
                    let bytes = message.bytes();
                    self.messages.push(message);
                    self.count(bytes);
                }
            }
        }
        self.messages.push(LaneMessage::Closed {
            connection,
            reason_code: reason as u8,
        });
    }

    fn push_long(&mut self, connection: ConnectionNo, head: Bytes, payload: Bytes) {
        self.waiting_cost += (head.len() + payload.len()).min(self.limits.cost_max());
        match self.long_of(connection) {
            Some(long) => long.behind.push_back(Behind::Long(head, payload)),
            None => self.long.push_back(Long {
                connection,
                head,
                payload,
                behind: VecDeque::new(),
            }),
        }
    }

    fn long_of(&mut self, connection: ConnectionNo) -> Option<&mut Long> {
        self.long.iter_mut().find(|it| it.connection == connection)
    }

    fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= FRAME_BYTES_FULL {
            self.full.push(core::mem::take(&mut self.messages));
            self.bytes = 0;
        }
    }

    /// Removes the whole packets, frame by frame.
    pub(super) fn take_whole(&mut self) -> Vec<Vec<LaneMessage>> {
        let mut frames = core::mem::take(&mut self.full);
        frames.push(core::mem::take(&mut self.messages));
        self.bytes = 0;
        frames.retain(|messages| !messages.is_empty());
        let long = self.long.iter().map(|it| it.cost(self.limits.cost_max()));
        self.waiting_cost = long.sum();
        frames
    }

    /// Removes the next part of a long packet. The connections take turns. The last part is followed by the messages
    /// behind it.
    pub(super) fn take_part(&mut self) -> Option<Vec<LaneMessage>> {
        let mut long = self.long.pop_front()?;
        self.waiting_cost -= long.cost(self.limits.cost_max());
        let messages = long.next(self.limits.part_bytes());
        if !long.is_over() {
            self.waiting_cost += long.cost(self.limits.cost_max());
            self.long.push_back(long);
        }
        messages
    }
}

impl Long {
    fn behind(&mut self, message: LaneMessage) {
        self.behind.push_back(Behind::LaneMessage(message));
    }

    fn is_over(&self) -> bool {
        self.head.is_empty() && self.payload.is_empty()
    }

    /// Removes the next part. The last part is followed by the messages up to the next long packet. `None`: nothing is
    /// left.
    fn next(&mut self, part_bytes: usize) -> Option<Vec<LaneMessage>> {
        if self.is_over() {
            return None;
        }
        let bytes = self.take_part(part_bytes);
        let is_last = self.is_over();
        let mut messages = vec![LaneMessage::Part {
            connection: self.connection,
            is_last,
            bytes,
        }];
        while self.is_over()
            && let Some(behind) = self.behind.pop_front()
        {
            match behind {
                Behind::LaneMessage(message) => messages.push(message),
                Behind::Long(head, payload) => (self.head, self.payload) = (head, payload),
            }
        }
        Some(messages)
    }

    fn cost(&self, max: usize) -> usize {
        let long = |head: &Bytes, payload: &Bytes| (head.len() + payload.len()).min(max);
        let behind = self.behind.iter().map(|it| match it {
            Behind::LaneMessage(message) => message.bytes(),
            Behind::Long(head, payload) => long(head, payload),
        });
        long(&self.head, &self.payload) + behind.sum::<usize>()
    }

    fn take_part(&mut self, bytes: usize) -> Vec<u8> {
        let mut part = self.head.split_to(self.head.len().min(bytes)).to_vec();
        let room = bytes - part.len();
        part.extend_from_slice(&self.payload.split_to(self.payload.len().min(room)));
        part
    }
}
