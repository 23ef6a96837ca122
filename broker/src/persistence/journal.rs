//! The journal: the changes of one input as records.

use std::borrow::Cow;
use std::sync::Arc;

use crate::BatchId;
use crate::persistence::framing::RecordWriter;
use crate::persistence::record::{Receiver, Record, RecordedMessage};
use crate::routing::delivery::Delivery;
use crate::routing::message::Message;

/// Collects the records of one input, and assigns their numbers.
#[derive(Debug)]
pub(crate) struct Journal {
    /// Whether records are written at all.
    is_on: bool,
    block: RecordWriter,
    last_batch: BatchId,
    pub(crate) sessions: u64,
    pub(crate) messages: u64,
    /// The counter of client identifiers that accepted clients got.
    pub(crate) ids_assigned: u64,
    /// The message whose receivers are collected, so that one record has all of them.
    open: Option<Open>,
    receivers: Vec<Receiver>,
}

#[derive(Debug)]
struct Open {
    message: Arc<Message>,
    /// The session number of its publisher.
    publisher: Option<u64>,
    /// Whether the record of the message is written.
    is_written: bool,
}

/// The maximum number of receivers in one record.
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

    /// Assigns the number of a new session.
    pub(crate) fn number_session(&mut self) -> u64 {
        self.sessions += 1;
        self.sessions
    }

    /// Assigns the number of a published message.
    pub(crate) fn number_message(&mut self) -> u64 {
        self.messages += 1;
        self.messages
    }

    /// Records a change.
    pub(crate) fn record<'a>(&mut self, record: impl FnOnce() -> Record<'a>) {
        if self.is_on {
            self.write_open();
            self.block.push(&record());
        }
    }

    /// Records the assigned numbers.
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

    /// Starts to collect the receivers of `message`.
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

    /// Ends the collection of receivers. A message that nothing keeps is not recorded, and its number is free again.
    pub(crate) fn end(&mut self) {
        self.write_open();
        if let Some(open) = self.open.take()
            && !open.is_written
        {
            self.messages = open.message.number - 1;
        }
    }

    /// The journal for the deliveries of one session.
    pub(crate) fn of(&mut self, session: u64) -> DeliveryLog<'_> {
        DeliveryLog {
            journal: self,
            session,
        }
    }

    /// The next batch, if anything has changed.
    pub(crate) fn batch(&mut self) -> Option<(BatchId, Vec<u8>)> {
        self.write_open();
        self.open = None;
        let bytes = self.block.take()?;
        self.last_batch.0 += 1;
        Some((self.last_batch, bytes))
    }

    /// A batch without records.
    pub(crate) fn empty_batch(&mut self) -> (BatchId, Vec<u8>) {
        self.last_batch.0 += 1;
        (self.last_batch, Vec::new())
    }

    /// The batch of the changes that are recorded now.
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

/// Records the deliveries of one session.
#[derive(Debug)]
pub(crate) struct DeliveryLog<'a> {
    journal: &'a mut Journal,
    session: u64,
}

impl DeliveryLog<'_> {
    /// A delivery is queued.
    pub(crate) fn added(&mut self, delivery: &Delivery) {
        let journal = &mut *self.journal;
        if !journal.is_on {
            return;
        }
        let is_open = |open: &Open| open.message.number == delivery.message.number;
        if !journal.open.as_ref().is_some_and(is_open) {
            journal.write_open();
            // The message was recorded when it was published, because it is still kept.
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

    /// A queued delivery is in flight.
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

    /// The client has a QoS 2 message. Its release takes another position.
    pub(crate) fn released(&mut self, packet_id: u16, position: u64) {
        let session = self.session;
        self.journal.record(|| Record::Released {
            session,
            packet_id,
            position,
        });
    }

    /// A delivery has ended. Returns whether it was never recorded.
    pub(crate) fn done(&mut self, position: u64) -> bool {
        let session = self.session;
        if self.unwritten(position).is_some() {
            self.journal.receivers.pop();
            return true;
        }
        self.journal.record(|| Record::Done { session, position });
        false
    }

    /// The last added delivery, if it is not recorded yet.
    fn unwritten(&mut self, position: u64) -> Option<&mut Receiver> {
        let last = self.journal.receivers.last_mut();
        last.filter(|last| (last.session, last.position) == (self.session, position))
    }
}
