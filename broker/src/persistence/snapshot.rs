//! Snapshots: the whole durable state as records.

use std::borrow::Cow;
use std::sync::Arc;

use crate::persistence::framing::RecordWriter;
use crate::persistence::record::{Receiver, Record, RecordedMessage};
use crate::routing::message::Message;
use crate::routing::subscription::Subscription;
use crate::session::Session;
use crate::util::sorted::Map;
use crate::{Broker, SessionId, TopicFilter};

/// The size at which a block is full.
const BLOCK_BYTES: usize = 256 * 1024;
/// The maximum number of receivers in one record.
const RECEIVERS_MAX: usize = 4096;

impl Broker {
    /// The whole durable state, in blocks of about 256 KiB for [`Broker::restore`]. It includes changes that are not
    /// committed. Once it is stored, it replaces all batches that were issued before.
    ///
    /// Brokers with equal state give equal bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Vec<u8>> {
        let mut snapshot = Snapshot {
            blocks: Vec::new(),
            block: RecordWriter::new(),
        };
        snapshot.push(&self.persistence.journal.numbers());
        for orphan in self.reassignments.orphans() {
            snapshot.push(&Record::Orphaned {
                session: orphan.session,
            });
        }
        let ids = self.sessions.ids();
        let sessions: Map<u64, SessionId> = ids.map(|id| (self.sessions[id].number, id)).collect();
        let mut messages = Map::new();
        for message in self.retained.iter() {
            // The broker's own messages are not stored.
            if message.number > 0 {
                messages.insert(message.number, (message, true, Vec::new()));
            }
        }
        for &id in sessions.values() {
            self.write_session(id, &mut snapshot);
            let session = &self.sessions[id];
            for (packet_id, delivery) in session.outbound.deliveries() {
                let message = &delivery.message;
                let (_, _, receivers) =
                    messages.get_or_insert_with(message.number, || (message, false, Vec::new()));
                receivers.push(Receiver {
                    packet_id,
                    ..Receiver::new(session.number, delivery)
                });
            }
        }
        for orphan in self.reassignments.orphans() {
            for delivery in &orphan.deliveries {
                let message = &delivery.message;
                let (_, _, receivers) =
                    messages.get_or_insert_with(message.number, || (message, false, Vec::new()));
                receivers.push(Receiver::new(orphan.session, delivery));
            }
        }
        for (message, is_retained, receivers) in messages.values() {
            snapshot.message(message, *is_retained, receivers);
        }
        // Last, because messages in flight advance the packet identifiers.
        for id in sessions.into_values() {
            let session = &self.sessions[id];
            let (next_position, last_packet_id) = session.outbound.counters();
            if next_position > 0 {
                snapshot.push(&Record::Outbound {
                    session: session.number,
                    next_position,
                    last_packet_id,
                });
            }
        }
        snapshot.finish()
    }

    fn write_session(&self, id: SessionId, snapshot: &mut Snapshot) {
        let session = &self.sessions[id];
        let number = session.number;
        snapshot.push(&Record::SessionBegun {
            session: number,
            client_id: &session.client_id,
        });
        snapshot.push(&session.connected());
        if session.connection.is_none() && !self.reconnect_grace.contains(session.origin, id) {
            snapshot.push(&session.away());
        }
        for filter in session.filters.sorted() {
            if let Some(subscription) = self.subscriptions.get(filter, id, number) {
                snapshot.subscribed(number, filter, subscription);
            }
        }
        for (catch_up, it) in session.catch_ups.iter() {
            snapshot.push(&it.record(number, catch_up));
        }
        for (topic, catch_up) in session.catch_ups.ahead() {
            snapshot.push(&Record::SentAhead {
                session: number,
                number: catch_up,
                topic: topic.as_str(),
            });
        }
        snapshot.identifiers(session);
    }
}

struct Snapshot {
    blocks: Vec<Vec<u8>>,
    block: RecordWriter,
}

impl Snapshot {
    fn push(&mut self, record: &Record<'_>) {
        self.block.push(record);
        if self.block.len() >= BLOCK_BYTES {
            self.blocks.extend(self.block.take());
        }
    }

    fn subscribed(&mut self, session: u64, filter: &TopicFilter, subscription: Subscription) {
        self.push(&Record::Subscribed {
            session,
            filter: filter.as_str(),
            subscription: subscription.into(),
        });
    }

    /// The packet identifiers in use, without those of messages to the client.
    fn identifiers(&mut self, session: &Session) {
        let number = session.number;
        for &packet_id in session.inbound.iter() {
            self.push(&Record::Received {
                session: number,
                packet_id,
            });
        }
        for (packet_id, position) in session.outbound.releases() {
            self.push(&Record::Released {
                session: number,
                packet_id,
                position,
            });
        }
    }

    fn message(&mut self, message: &Arc<Message>, is_retained: bool, receivers: &[Receiver]) {
        let (first, more) = receivers.split_at(receivers.len().min(RECEIVERS_MAX));
        self.push(&Record::Message {
            number: message.number,
            message: RecordedMessage::new(message, None),
            is_retained,
            receivers: Cow::Borrowed(first),
        });
        for receivers in more.chunks(RECEIVERS_MAX) {
            self.push(&Record::Delivered {
                message: message.number,
                receivers: Cow::Borrowed(receivers),
            });
        }
    }

    fn finish(mut self) -> Vec<Vec<u8>> {
        self.blocks.extend(self.block.take());
        self.blocks
    }
}
