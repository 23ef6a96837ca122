//! The log of received messages.

use std::collections::VecDeque;
use std::rc::Rc;

use tabmq_worker::api::Message;

use super::subscriptions::Colour;

/// Messages that are kept.
pub(crate) const MESSAGES_MAX: usize = 100_000;

/// Mebibytes of topics and payloads that are kept. The newest message is always kept.
pub(crate) const MEBIBYTES_MAX: usize = 64;

const BYTES_MAX: usize = MEBIBYTES_MAX << 20;

/// Messages in one chunk. A chunk is discarded as a whole, so up to this many fewer messages are kept than fit.
const CHUNK_MESSAGES_MAX: usize = 256;

/// Bytes from which on a chunk takes no more messages.
const CHUNK_BYTES_FULL: usize = 1 << 20;

/// The latest messages, bounded in number and bytes, so that a page can stay open for days.
///
/// A clone shares all chunks, and the log continues with a copy of the last one. So a drawing or a pause keeps the log as it
/// was, at the cost of one chunk.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MessageLog {
    received: u64,
    cleared: u64,
    /// Oldest first.
    chunks: VecDeque<Rc<Chunk>>,
    kept: usize,
    bytes: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Chunk {
    /// Messages with consecutive numbers.
    messages: Vec<Rc<Received>>,
    bytes: usize,
}

/// A message that arrived.
#[derive(Debug)]
pub(crate) struct Received {
    /// 1 for the first message of this page.
    pub(crate) number: u64,
    pub(crate) message: Rc<Message>,
    /// Colours of the subscriptions it matched when it arrived.
    pub(crate) colours: Vec<Colour>,
}

impl MessageLog {
    pub(crate) fn push(&mut self, message: Rc<Message>, colours: Vec<Colour>) {
        self.received += 1;
        let bytes = message.topic.len() + message.payload.len();
        let received = Rc::new(Received {
            number: self.received,
            message,
            colours,
        });
        match self.chunks.back_mut() {
            Some(last) if last.has_room() => Rc::make_mut(last).push(received, bytes),
            _ => {
                let mut chunk = Chunk::default();
                chunk.push(received, bytes);
                self.chunks.push_back(Rc::new(chunk));
            }
        }
        self.kept += 1;
        self.bytes += bytes;
        while (self.kept > MESSAGES_MAX || self.bytes > BYTES_MAX) && self.chunks.len() > 1 {
            if let Some(oldest) = self.chunks.pop_front() {
                self.kept -= oldest.messages.len();
                self.bytes -= oldest.bytes;
            }
        }
    }

    /// Discards the messages, and keeps the count of received ones.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            received: self.received,
            cleared: self.received,
            ..Self::default()
        };
    }

    /// The message with this number, if it is kept.
    pub(crate) fn get(&self, number: u64) -> Option<&Rc<Received>> {
        let after = self
            .chunks
            .partition_point(|chunk| chunk.first() <= Some(number));
        let chunk = self.chunks.get(after.checked_sub(1)?)?;
        let place = number.checked_sub(chunk.first()?)?;
        chunk.messages.get(usize::try_from(place).ok()?)
    }

    /// Number of the newest message, kept or not; 0 before the first one.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Messages that have arrived since the log was cleared, or since the page was opened.
    pub(crate) fn received_since_clear(&self) -> u64 {
        self.received - self.cleared
    }

    /// Number of the oldest kept message; without one, the number of the next message.
    pub(crate) fn oldest(&self) -> u64 {
        self.received + 1 - self.kept as u64
    }

    pub(crate) fn kept(&self) -> usize {
        self.kept
    }

    /// Messages discarded for newer ones since the log was cleared.
    pub(crate) fn forgotten(&self) -> u64 {
        self.received - self.cleared - self.kept as u64
    }

    /// Whether nothing has arrived since the log was cleared.
    pub(crate) fn is_cleared(&self) -> bool {
        self.kept == 0 && self.cleared > 0
    }

    /// The message `back` messages before this one on the same topic, if it is kept.
    pub(crate) fn earlier(&self, message: &Rc<Message>, back: usize) -> Option<&Rc<Message>> {
        let all = || {
            let chunks = self.chunks.iter().rev();
            let messages = chunks.flat_map(|it| it.messages.iter().rev());
            messages.map(|it| &it.message)
        };
        let is_same_topic = |it: &&Rc<Message>| it.topic == message.topic;
        let mut before = all();
        if before.any(|it| Rc::ptr_eq(it, message)) {
            return before.filter(is_same_topic).nth(back.checked_sub(1)?);
        }
        // The message is newer than this log, or already discarded.
        let newest = all().next()?;
        if newest.received_at > message.received_at {
            return None;
        }
        all().filter(is_same_topic).nth(back.checked_sub(1)?)
    }
}

impl Chunk {
    fn has_room(&self) -> bool {
        self.messages.len() < CHUNK_MESSAGES_MAX && self.bytes < CHUNK_BYTES_FULL
    }

    fn push(&mut self, received: Rc<Received>, bytes: usize) {
        self.messages.push(received);
        self.bytes += bytes;
    }

    /// Number of its first message.
    fn first(&self) -> Option<u64> {
        self.messages.first().map(|received| received.number)
    }
}

/// Numbers are unique, so messages are equal if their numbers are.
impl PartialEq for Received {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Received {}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use tabmq_worker::api::{MessageProperties, QoS};

    pub(crate) fn message(topic: &str, payload: &[u8]) -> Rc<Message> {
        Rc::new(Message {
            topic: topic.to_owned(),
            payload: payload.to_vec(),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            properties: MessageProperties::default(),
            subscription_identifiers: Vec::new(),
            received_at: Default::default(),
        })
    }

    /// A log of this many messages.
    fn log(messages: usize) -> MessageLog {
        let mut log = MessageLog::default();
        for _ in 0..messages {
            log.push(message("t", b"x"), Vec::new());
        }
        log
    }

    #[test]
    fn the_oldest_are_discarded_and_counted() {
        let log = log(MESSAGES_MAX + 5);
        assert!((MESSAGES_MAX - CHUNK_MESSAGES_MAX..=MESSAGES_MAX).contains(&log.kept()));
        assert_eq!(log.forgotten() + log.kept() as u64, log.received());
        assert_eq!(log.oldest(), log.forgotten() + 1);
    }

    #[test]
    fn only_kept_messages_are_found_by_their_numbers() {
        let mut log = log(MESSAGES_MAX + 5);
        let numbers = log.oldest()..=log.received();
        assert!(numbers.clone().all(|it| log.get(it).unwrap().number == it));
        assert!(log.get(log.oldest() - 1).is_none() && log.get(log.received() + 1).is_none());
        log.clear();
        assert!(log.get(log.received()).is_none());
        log.push(message("t", b"x"), Vec::new());
        assert_eq!(log.get(log.oldest()).unwrap().number, log.received());
    }

    #[test]
    fn large_messages_are_discarded_by_bytes_but_the_newest_stays() {
        let mut log = log(1);
        log.push(message("t", &vec![0; CHUNK_BYTES_FULL]), Vec::new());
        log.push(message("t", &vec![0; BYTES_MAX]), Vec::new());
        assert_eq!((log.kept(), log.forgotten()), (1, 2));
        log.push(message("t", &vec![0; BYTES_MAX + 1]), Vec::new());
        assert_eq!((log.kept(), log.forgotten()), (1, 3));
    }

    #[test]
    fn a_clone_stays_as_it_was() {
        let mut log = log(3);
        let before = log.clone();
        log.push(message("t", b"x"), Vec::new());
        assert_eq!((before.kept(), log.kept()), (3, 4));
        assert!(before.get(4).is_none());
    }

    #[test]
    fn a_cleared_log_still_knows_how_many_arrived() {
        let mut log = log(1);
        log.clear();
        log.push(message("t", b"x"), Vec::new());
        assert_eq!((log.received(), log.kept(), log.forgotten()), (2, 1, 0));
    }

    #[test]
    fn earlier_messages_are_of_the_same_topic() {
        let mut log = MessageLog::default();
        for (topic, payload) in [("a", b"1"), ("b", b"2"), ("a", b"3"), ("a", b"4")] {
            log.push(message(topic, payload), Vec::new());
        }
        let earlier = |number, back| {
            let message = &log.get(number).unwrap().message;
            log.earlier(message, back).map(|it| it.payload.clone())
        };
        assert_eq!(earlier(4, 1).as_deref(), Some(&b"3"[..]));
        assert_eq!(earlier(4, 2).as_deref(), Some(&b"1"[..]));
        assert_eq!(earlier(4, 3), None);
        assert_eq!((earlier(2, 1), earlier(1, 1)), (None, None));
        // The tree of topics can be newer than a drawn log.
        let newer = message("a", b"5");
        assert_eq!(log.earlier(&newer, 1).unwrap().payload, b"4");
    }
}
