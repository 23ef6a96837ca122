//! Retained messages, known from the broker's answers and from later messages with the RETAIN flag.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::rc::Rc;

use tabmq_worker::api::{Message, QoS};

use super::search_query::fold;

/// Topics that are kept here.
const TOPICS_MAX: usize = 50_000;

/// The retained messages that this page knows of.
///
/// The broker's answers outrank received messages: an answer is never older than a message that arrived before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Retained {
    /// In the broker's order.
    values: BTreeMap<Rc<str>, Value>,
    /// Whether the answers cover all topics.
    is_complete: bool,
    /// Topics without a retained message since a recent answer. The message that deleted it can arrive later.
    gone: VecDeque<Rc<str>>,
}

/// Length of `gone`.
const GONE_MAX: usize = 200;

/// A retained message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    /// The beginning of its payload, [`PAYLOAD_BYTES`] at most.
    pub(crate) payload: Rc<[u8]>,
    pub(crate) qos: QoS,
    /// When it expires, in Unix milliseconds.
    pub(crate) expires: Option<u64>,
}

impl Value {
    fn of(message: &Message) -> Self {
        let payload = &message.payload;
        Self {
            payload: payload.get(..PAYLOAD_BYTES).unwrap_or(payload).into(),
            qos: message.qos,
            expires: expires(message),
        }
    }

    /// Whether it is this message, judged by the kept part of the payload.
    pub(crate) fn is_of(&self, message: &Message) -> bool {
        let payload = &message.payload;
        *self.payload == *payload.get(..PAYLOAD_BYTES).unwrap_or(payload)
    }

    fn is_there(&self, now_ms: u64) -> bool {
        self.expires.is_none_or(|at| now_ms < at)
    }
}

impl Retained {
    /// A message with the RETAIN flag replaces the retained message of its topic, or deletes it if it is empty.
    pub(crate) fn on_message(&mut self, message: &Message) {
        if !message.retain {
            return;
        }
        if message.payload.is_empty() {
            self.values.remove(&*message.topic);
            return;
        }
        let value = Value::of(message);
        self.set(&message.topic, value);
    }

    /// Applies an answer, which covers the topics after `after` up to `reached`; `None`: to the end. Returns the topics that no
    /// longer have a retained message.
    pub(crate) fn on_answer(
        &mut self,
        after: Option<&str>,
        messages: &[Message],
        reached: Option<&str>,
    ) -> Vec<Rc<str>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let to = reached.map_or(Bound::Unbounded, Bound::Included);
        let is_retained = |topic: &str| {
            let found = messages.binary_search_by(|it| it.topic.as_str().cmp(topic));
            // `#` does not match topics that begin with `$`.
            found.is_ok() || topic.starts_with('$')
        };
        let known = self.values.range::<str, _>((from, to));
        let gone = known.map(|(topic, _)| topic);
        let gone: Vec<Rc<str>> = gone.filter(|it| !is_retained(it)).cloned().collect();
        for topic in &gone {
            self.values.remove(topic);
            self.gone.truncate(GONE_MAX - 1);
            self.gone.push_front(Rc::clone(topic));
        }
        for message in messages {
            let value = Value::of(message);
            if self.values.get(&*message.topic) != Some(&value) {
                self.set(&message.topic, value);
            }
        }
        self.is_complete |= reached.is_none();
        gone
    }

    /// No broker answers.
    pub(crate) fn on_no_answer(&mut self) {
        self.is_complete = false;
    }

    /// Whether this empty message deleted a retained message whose absence an answer has already shown.
    pub(crate) fn is_deletion(&mut self, message: &Message) -> bool {
        let place = self.gone.iter().position(|it| **it == *message.topic);
        message.payload.is_empty() && place.and_then(|it| self.gone.remove(it)).is_some()
    }

    fn set(&mut self, topic: &str, value: Value) {
        if self.values.len() < TOPICS_MAX || self.values.contains_key(topic) {
            self.values.insert(topic.into(), value);
        }
    }

    /// The retained message of a topic.
    pub(crate) fn get(&self, topic: &str, now_ms: u64) -> Option<&Value> {
        self.values.get(topic).filter(|it| it.is_there(now_ms))
    }

    /// Number of retained messages on a topic and on all topics below it.
    pub(crate) fn in_branch(&self, topic: &str, now_ms: u64) -> usize {
        let below = format!("{topic}/");
        let from = self
            .values
            .range::<str, _>((Bound::Included(below.as_str()), Bound::Unbounded));
        let below = from.take_while(|(it, _)| it.starts_with(&below));
        let below = below.filter(|(_, it)| it.is_there(now_ms)).count();
        below + usize::from(self.get(topic, now_ms).is_some())
    }

    /// The retained messages whose topics contain all these words, ignoring case, in the broker's order.
    pub(crate) fn found(&self, text: &str, now_ms: u64) -> Vec<(&Rc<str>, &Value)> {
        let text = fold(text).into_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        let there = self.values.iter().filter(|(_, it)| it.is_there(now_ms));
        let is_found = |topic: &str| {
            let topic = fold(topic);
            words.iter().all(|it| topic.contains(it))
        };
        there.filter(|(topic, _)| is_found(topic)).collect()
    }

    /// Their number; `None`: not known yet.
    pub(crate) fn count(&self, now_ms: u64) -> Option<usize> {
        let there = self.values.values().filter(|it| it.is_there(now_ms));
        self.is_complete.then(|| there.count())
    }
}

/// Bytes of a payload that are requested and kept.
pub(crate) const PAYLOAD_BYTES: usize = 256;

/// When a message expires, in Unix milliseconds.
pub(crate) fn expires(message: &Message) -> Option<u64> {
    let lasts_s = message.properties.message_expiry_interval;
    lasts_s.map(|it| message.received_at.as_ms() + u64::from(it) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::super::messages::tests::message;
    use super::*;
    use tabmq_worker::Time;

    const LATER: u64 = 1_000_000;

    fn retained_message(topic: &str, payload: &[u8]) -> Message {
        let mut message = (*message(topic, payload)).clone();
        message.retain = true;
        message
    }

    fn topics(retained: &Retained) -> Vec<&str> {
        retained.values.keys().map(|it| &**it).collect()
    }

    #[test]
    fn a_message_with_the_flag_is_retained_and_an_empty_one_deletes_it() {
        let mut retained = Retained::default();
        retained.on_message(&retained_message("a", b"1"));
        retained.on_message(&message("a", b"2"));
        assert_eq!(&*retained.get("a", 0).unwrap().payload, b"1");
        assert_eq!(retained.count(0), None);
        retained.on_message(&retained_message("a", b""));
        assert_eq!(retained.get("a", 0), None);
    }

    #[test]
    fn topics_missing_in_an_answer_are_gone_within_its_range() {
        let mut retained = Retained::default();
        for topic in ["$x", "a", "b", "c"] {
            retained.on_message(&retained_message(topic, b"1"));
        }
        let gone = retained.on_answer(None, &[retained_message("b", b"2")], Some("b"));
        assert_eq!(gone, ["a".into()]);
        assert_eq!(topics(&retained), ["$x", "b", "c"]);
        assert_eq!(&*retained.get("b", 0).unwrap().payload, b"2");
        assert_eq!(retained.count(0), None);
        let gone = retained.on_answer(Some("b"), &[retained_message("d", b"1")], None);
        assert_eq!(gone, ["c".into()]);
        assert_eq!(retained.count(0), Some(3));
        assert!(!retained.is_deletion(&message("c", b"1")));
        assert!(retained.is_deletion(&message("c", b"")));
        assert!(!retained.is_deletion(&message("c", b"")));
        retained.on_no_answer();
        assert_eq!(retained.count(0), None);
    }

    #[test]
    fn the_messages_of_a_branch_are_counted_and_those_of_a_search_found() {
        let mut retained = Retained::default();
        for topic in ["home", "home/a", "home/A/b", "home-2", "homes/a", "x"] {
            retained.on_message(&retained_message(topic, b"1"));
        }
        let counts = ["home", "home/A", "x", "y"].map(|it| retained.in_branch(it, 0));
        assert_eq!(counts, [3, 1, 1, 0]);
        let found = |text| {
            let found = retained.found(text, 0).into_iter();
            found.map(|(topic, _)| &**topic).collect::<Vec<_>>()
        };
        assert_eq!(found("HOME a"), ["home/A/b", "home/a", "homes/a"]);
        assert_eq!(found("").len(), 6);
    }

    #[test]
    fn an_expired_message_is_no_longer_retained() {
        let mut retained = Retained::default();
        let mut short = retained_message("a", b"1");
        short.received_at = Time::from_ms(LATER);
        short.properties.message_expiry_interval = Some(3);
        retained.on_message(&short);
        assert!(retained.get("a", LATER + 2_999).is_some());
        assert!(retained.get("a", LATER + 3_000).is_none());
        let mut message = retained_message("b", b"1");
        message.received_at = Time::from_ms(LATER - 1_000);
        message.properties.message_expiry_interval = Some(1);
        retained.on_answer(None, &[message], None);
        let counts = [LATER - 1, LATER].map(|now| retained.count(now));
        assert_eq!(counts, [Some(1), Some(0)]);
    }
}
