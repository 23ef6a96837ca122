//! The messages that arrived, newest first.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::rc::Rc;

use tabmq_worker::api::Message;

use super::subscriptions::Colour;
use crate::payload::Readable;

/// Messages that are kept.
pub(crate) const MESSAGES_MAX: usize = 1_000;

/// Mebibytes of payload that are kept; the newest message always is.
pub(crate) const MEBIBYTES_MAX: usize = 16;

const BYTES_MAX: usize = MEBIBYTES_MAX * 1024 * 1024;

/// The latest messages, bounded in number and bytes, so that a page may stay open for days.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MessageLog {
    received: u64,
    cleared: u64,
    kept: VecDeque<Rc<Received>>,
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
    search_text: OnceCell<String>,
}

impl MessageLog {
    pub(crate) fn push(&mut self, message: Rc<Message>, colours: Vec<Colour>) {
        self.received += 1;
        self.bytes += message.payload.len();
        self.kept.push_front(Rc::new(Received {
            number: self.received,
            message,
            colours,
            search_text: OnceCell::new(),
        }));
        while self.kept.len() > MESSAGES_MAX || (self.bytes > BYTES_MAX && self.kept.len() > 1) {
            if let Some(oldest) = self.kept.pop_back() {
                self.bytes -= oldest.message.payload.len();
            }
        }
    }

    /// Forgets the messages; the count of all that arrived stays.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
        self.bytes = 0;
        self.cleared = self.received;
    }

    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Rc<Received>> {
        self.kept.iter()
    }

    /// How many arrived since the page was opened.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    pub(crate) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// How many arrived since the log was cleared and had to make room for newer ones.
    pub(crate) fn forgotten(&self) -> u64 {
        self.received - self.cleared - self.kept.len() as u64
    }
}

impl Received {
    /// Whether the topic or the readable part of the payload has this text, given in lower case.
    pub(crate) fn contains(&self, lower_case: &str) -> bool {
        self.search_text
            .get_or_init(|| {
                let payload = Readable::of(&self.message.payload).text;
                format!("{}\n{payload}", self.message.topic).to_lowercase()
            })
            .contains(lower_case)
    }
}

/// A number is given once.
impl PartialEq for Received {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Received {}

#[cfg(test)]
mod tests {
    use super::*;
    use tabmq_worker::api::{MessageProperties, QoS};

    fn message(topic: &str, payload: &[u8]) -> Rc<Message> {
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

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let mut log = MessageLog::default();
        for _ in 0..MESSAGES_MAX + 5 {
            log.push(message("t", b"x"), Vec::new());
        }
        assert_eq!((log.kept(), log.forgotten()), (MESSAGES_MAX, 5));
        assert_eq!(
            log.newest_first().next().map(|m| m.number),
            Some(log.received())
        );
    }

    #[test]
    fn large_messages_make_room_by_their_bytes_but_the_newest_stays() {
        let mut log = MessageLog::default();
        log.push(message("t", b"x"), Vec::new());
        log.push(message("t", &vec![0; BYTES_MAX]), Vec::new());
        assert_eq!((log.kept(), log.forgotten()), (1, 1));
        log.push(message("t", &vec![0; BYTES_MAX + 1]), Vec::new());
        assert_eq!((log.kept(), log.forgotten()), (1, 2));
    }

    #[test]
    fn a_cleared_log_still_knows_how_many_arrived() {
        let mut log = MessageLog::default();
        log.push(message("t", b"x"), Vec::new());
        log.clear();
        log.push(message("t", b"x"), Vec::new());
        assert_eq!((log.received(), log.kept(), log.forgotten()), (2, 1, 0));
    }

    #[test]
    fn topic_and_payload_are_searched_in_any_case() {
        let mut log = MessageLog::default();
        log.push(message("Home/Kitchen", "Größe".as_bytes()), Vec::new());
        let newest = log.newest_first().next().unwrap();
        assert!(newest.contains("kitchen") && newest.contains("größe"));
        assert!(!newest.contains("cellar"));
    }
}
