//! What waits at one end of a lane to be posted.

use std::collections::VecDeque;

use broker::Packet;
use broker::codec::{self, ProtocolVersion};
use bytes::Bytes;

use super::{ConnectionNo, Parcel};

/// A frame that has grown to this many bytes is full; the next packet starts another.
pub(super) const FRAME_BYTES_FULL: usize = 1 << 20;

/// A message with a payload of so many bytes goes in parts, between which others pass it.
const LONG_BYTES: usize = 64 << 10;

/// Bytes of one part.
const PART_BYTES: usize = 128 << 10;

/// Whole packets, which leave at the end of the turn, and long ones, which leave as there is room.
#[derive(Debug)]
pub(super) struct Outbox {
    full: Vec<Vec<Parcel>>,
    parcels: Vec<Parcel>,
    /// Of `parcels`.
    bytes: usize,
    /// At most one of each connection, in turn.
    long: VecDeque<Long>,
    /// What a long packet counts at most.
    long_cost_max: usize,
    /// What `full`, `parcels` and `long` count.
    waiting_cost: usize,
}

/// A long packet, and what its connection says after it.
#[derive(Debug)]
struct Long {
    connection: ConnectionNo,
    /// Up to the payload.
    head: Bytes,
    /// Not copied before it is posted: others may have it, too.
    payload: Bytes,
    behind: VecDeque<Behind>,
}

#[derive(Debug)]
enum Behind {
    Parcel(Parcel),
    Long(Bytes, Bytes),
}

impl Outbox {
    pub(super) fn new(long_cost_max: usize) -> Self {
        Self {
            full: Vec::new(),
            parcels: Vec::new(),
            bytes: 0,
            long: VecDeque::new(),
            long_cost_max,
            waiting_cost: 0,
        }
    }

    /// How many bytes wait; of a long packet only as many count as keep it from taking all the room.
    pub(super) fn waiting_cost(&self) -> usize {
        self.waiting_cost
    }

    pub(super) fn push_packet(
        &mut self,
        connection: ConnectionNo,
        version: ProtocolVersion,
        packet: &Packet,
    ) -> Result<(), codec::EncodeError> {
        if let Packet::Publish(publish) = packet
            && publish.payload.len() >= LONG_BYTES
        {
            let mut head = Vec::new();
            let payload = codec::encode_head(publish.clone(), version, &mut head)?;
            self.push_long(connection, head.into(), payload);
            return Ok(());
        }
        if let Some(long) = self.long_of(connection) {
            let mut bytes = Vec::new();
            codec::encode(packet, version, &mut bytes)?;
            let len = bytes.len();
            long.behind(Parcel::Packets { connection, bytes });
            self.waiting_cost += len;
            return Ok(());
        }
        let mut fresh = Vec::new();
        let (bytes, is_new) = match self.parcels.last_mut() {
            Some(Parcel::Packets {
                connection: last,
                bytes,
            }) if *last == connection => (bytes, false),
            _ => (&mut fresh, true),
        };
        let before = bytes.len();
        codec::encode(packet, version, bytes).inspect_err(|_| bytes.truncate(before))?;
        let len = bytes.len() - before;
        if is_new {
            let bytes = fresh;
            self.parcels.push(Parcel::Packets { connection, bytes });
        }
        self.waiting_cost += len;
        self.count(len);
        Ok(())
    }

    /// What is no packet: of a connection that has a long one to say it comes behind that.
    pub(super) fn push(&mut self, connection: Option<ConnectionNo>, parcel: Parcel) {
        match connection.and_then(|it| self.long_of(it)) {
            Some(long) => long.behind(parcel),
            None => self.parcels.push(parcel),
        }
    }

    fn push_long(&mut self, connection: ConnectionNo, head: Bytes, payload: Bytes) {
        self.waiting_cost += (head.len() + payload.len()).min(self.long_cost_max);
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
            self.full.push(core::mem::take(&mut self.parcels));
            self.bytes = 0;
        }
    }

    /// The whole packets, frame by frame.
    pub(super) fn take_whole(&mut self) -> Vec<Vec<Parcel>> {
        let mut frames = core::mem::take(&mut self.full);
        frames.push(core::mem::take(&mut self.parcels));
        self.bytes = 0;
        frames.retain(|parcels| !parcels.is_empty());
        let long = self.long.iter().map(|it| it.cost(self.long_cost_max));
        self.waiting_cost = long.sum();
        frames
    }

    /// The next part of a long packet, those of all connections in turn. With the last one comes what stands behind it.
    pub(super) fn take_part(&mut self) -> Option<Vec<Parcel>> {
        let mut long = self.long.pop_front()?;
        let connection = long.connection;
        let before = long.cost(self.long_cost_max);
        let bytes = long.take_part();
        let is_last = long.head.is_empty() && long.payload.is_empty();
        let mut parcels = vec![Parcel::Part {
            connection,
            is_last,
            bytes,
        }];
        self.waiting_cost -= before;
        while is_last {
            match long.behind.pop_front() {
                Some(Behind::Parcel(parcel)) => parcels.push(parcel),
                Some(Behind::Long(head, payload)) => {
                    (long.head, long.payload) = (head, payload);
                    break;
                }
                None => return Some(parcels),
            }
        }
        self.waiting_cost += long.cost(self.long_cost_max);
        self.long.push_back(long);
        Some(parcels)
    }
}

impl Long {
    fn behind(&mut self, parcel: Parcel) {
        self.behind.push_back(Behind::Parcel(parcel));
    }

    fn cost(&self, max: usize) -> usize {
        let long = |head: &Bytes, payload: &Bytes| (head.len() + payload.len()).min(max);
        let behind = self.behind.iter().map(|it| match it {
            Behind::Parcel(Parcel::Packets { bytes, .. }) => bytes.len(),
            Behind::Parcel(_) => 0,
            Behind::Long(head, payload) => long(head, payload),
        });
        long(&self.head, &self.payload) + behind.sum::<usize>()
    }

    fn take_part(&mut self) -> Vec<u8> {
        let mut part = self.head.split_to(self.head.len().min(PART_BYTES)).to_vec();
        let room = PART_BYTES - part.len();
        part.extend_from_slice(&self.payload.split_to(self.payload.len().min(room)));
        part
    }
}
