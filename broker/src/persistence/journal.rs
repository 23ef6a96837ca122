//! The journal: what one input changes, as records.

use std::borrow::Cow;
use std::sync::Arc;

use crate::BatchId;
use crate::persistence::framing::RecordWriter;
use crate::persistence::record::{Receiver, Record, RecordedMessage};
use crate::routing::delivery::Delivery;
use crate::routing::message::Message;

/// Collects the records of one input, and gives out the numbers that they use.
#[derive(Debug)]
pub(crate) struct Journal {
    /// Whether anything is written.
    is_on: bool,
    block: RecordWriter,
    last_batch: BatchId,
    pub(crate) sessions: u64,
    pub(crate) messages: u64,
    /// Up to which client identifiers were assigned to clients that were let in.
    pub(crate) ids_assigned: u64,
    /// The message whose receivers are collected, so that it is written once with all of them.
    open: Option<Open>,
    receivers: Vec<Receiver>,
}

#[derive(Debug)]
struct Open {
    message: Arc<Message>,
    /// The session of its publisher.
    publisher: Option<u64>,
    /// Whether the message itself is written.
    is_written: bool,
}

/// How many receivers stand in one record at most.
const RECEIVERS_MAX: usize = 4096;

impl Journal {
    pub(crate) const fn new(is_on: bool) -> Self {
        Self {
            is_on,
            block: RecordWriter::new(),
            last_batch: BatchId(0),
            sessions: 0,
            messages: 0,
            ids_assigned: 0,
            open: None,
            receivers: Vec::new(),
        }
    }

    /// The number of a session that begins.
    pub(crate) fn number_session(&mut self) -> u64 {
        self.sessions += 1;
        self.sessions
    }

    /// The number of a message that is published.
    pub(crate) fn number_message(&mut self) -> u64 {
        self.messages += 1;
        self.messages
    }

    /// Writes down a change.
    pub(crate) fn record<'a>(&mut self, record: impl FnOnce() -> Record<'a>) {
        if self.is_on {
            self.write_open();
            self.block.push(&record());
        }
    }

    /// Writes down which numbers are given away.
    pub(crate) fn record_numbers(&mut self) {
        let numbers = self.numbers();
        self.record(|| numbers);
    }

    pub(crate) fn numbers(&self) -> Record<'static> {
        Record::Numbers {
            sessions: self.sessions,
            messages: self.messages,
            ids_assigned: self.ids_assigned,
        }
    }

    /// From now on the receivers of `message` are collected.
    pub(crate) fn begin(&mut self, message: &Arc<Message>, publisher: Option<u64>) {
        if self.is_on {
            self.write_open();
            self.open = Some(Open {
                message: Arc::clone(message),
                publisher,
                is_written: false,
            });
        }
    }

    /// The message has reached everybody. One that nobody keeps is not written, and its number is free again.
    pub(crate) fn end(&mut self) {
        self.write_open();
        if let Some(open) = self.open.take()
            && !open.is_written
        {
            self.messages = open.message.number - 1;
        }
    }

    /// What is written about one session and what it delivers.
    pub(crate) fn of(&mut self, session: u64) -> DeliveryLog<'_> {
        DeliveryLog {
            journal: self,
            session,
        }
    }

    /// What has to be stored, if anything has changed.
    pub(crate) fn batch(&mut self) -> Option<(BatchId, Vec<u8>)> {
        self.write_open();
        self.open = None;
        let bytes = self.block.take()?;
        self.last_batch.0 += 1;
        Some((self.last_batch, bytes))
    }

    /// One that stores nothing.
    pub(crate) fn empty_batch(&mut self) -> (BatchId, Vec<u8>) {
        self.last_batch.0 += 1;
        (self.last_batch, Vec::new())
    }

    /// The batch that holds what is recorded now.
    pub(crate) fn next_batch(&self) -> BatchId {
        BatchId(self.last_batch.0 + 1)
    }

    pub(crate) fn last_batch(&self) -> BatchId {
        self.last_batch
    }

    fn write_open(&mut self) {
        let Some(open) = &mut self.open else { return };
        let is_retained = open.message.retain;
        if !open.is_written && (is_retained || !self.receivers.is_empty()) {
            self.block.push(&Record::Message {
                number: open.message.number,
                message: RecordedMessage::new(&open.message, open.publisher),
                is_retained,
                receivers: Cow::Borrowed(&self.receivers),
            });
            open.is_written = true;
        } else if !self.receivers.is_empty() {
            self.block.push(&Record::Delivered {
                message: open.message.number,
                receivers: Cow::Borrowed(&self.receivers),
            });
        }
        self.receivers.clear();
    }
}

/// The journal, for the deliveries of one session.
#[derive(Debug)]
pub(crate) struct DeliveryLog<'a> {
    journal: &'a mut Journal,
    session: u64,
}

impl DeliveryLog<'_> {
    /// The session has something to deliver.
    pub(crate) fn added(&mut self, delivery: &Delivery) {
        let journal = &mut *self.journal;
        if !journal.is_on {
            return;
        }
        let is_open = |open: &Open| open.message.number == delivery.message.number;
        if !journal.open.as_ref().is_some_and(is_open) {
            journal.write_open();
            // It was written when it was published: else nobody could deliver it now.
            journal.open = Some(Open {
                message: Arc::clone(&delivery.message),
                publisher: None,
                is_written: true,
            });
        } else if journal.receivers.len() == RECEIVERS_MAX {
            journal.write_open();
        }
        journal
            .receivers
            .push(Receiver::new(self.session, delivery));
    }

    /// What waited is in flight.
    pub(crate) fn sent(&mut self, position: u64, packet_id: u16) {
        let session = self.session;
        match self.unwritten(position) {
            Some(receiver) => receiver.packet_id = packet_id,
            None => self.journal.record(|| Record::Sent {
                session,
                position,
                packet_id,
            }),
        }
    }

    /// The client has a QoS 2 message; its release stands at another position.
    pub(crate) fn released(&mut self, packet_id: u16, position: u64) {
        let session = self.session;
        self.journal.record(|| Record::Released {
            session,
            packet_id,
            position,
        });
    }

    /// It is over. Returns whether nothing was written of it, so that it never was.
    pub(crate) fn done(&mut self, position: u64) -> bool {
        let session = self.session;
        if self.unwritten(position).is_some() {
            self.journal.receivers.pop();
            return true;
        }
        self.journal.record(|| Record::Done { session, position });
        false
    }

    /// What was added last, as long as nothing else is written.
    fn unwritten(&mut self, position: u64) -> Option<&mut Receiver> {
        let last = self.journal.receivers.last_mut();
        last.filter(|last| (last.session, last.position) == (self.session, position))
    }
}
