//! What the broker retains, as it says, and as messages with the RETAIN flag have told since.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::rc::Rc;

use tabmq_worker::api::{Message, QoS};

/// Topics that are kept here.
const TOPICS_MAX: usize = 50_000;

/// The retained messages that this page knows of.
///
/// The broker's answers outrank what was heard: they are never older than a message that came before them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Retained {
    /// In the broker's order.
    values: BTreeMap<Rc<str>, Value>,
    /// Whether the broker has told everything.
    is_complete: bool,
    /// The topics of which the broker told last that nothing is retained any more: the message that deleted it may come later.
    gone: VecDeque<Rc<str>>,
}

/// Topics that are remembered so.
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

    /// Whether it is this message's, as far as it is kept.
    pub(crate) fn is_of(&self, message: &Message) -> bool {
        let payload = &message.payload;
        *self.payload == *payload.get(..PAYLOAD_BYTES).unwrap_or(payload)
    }

    fn is_there(&self, now_ms: u64) -> bool {
        self.expires.is_none_or(|at| now_ms < at)
    }
}

impl Retained {
    /// Takes note of a message: one with the RETAIN flag is retained, or deletes what was.
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

    /// The broker has told what it retains after the topic `after`: these, up to `reached` or, without it, to the end. The
    /// topics that have no retained message any more.
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
            // A # does not ask for topics with a $.
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

    /// There is no broker that could say what it retains.
    pub(crate) fn on_no_answer(&mut self) {
        self.is_complete = false;
    }

    /// Whether this empty message is the one that deleted what was retained, of which the broker has told before.
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

    /// How many there are; `None`: the broker has not told.
    pub(crate) fn count(&self, now_ms: u64) -> Option<usize> {
        let there = self.values.values().filter(|it| it.is_there(now_ms));
        self.is_complete.then(|| there.count())
    }
}

/// Bytes of a payload that are asked for and kept.
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
    fn a_live_message_says_that_it_is_retained_and_an_empty_one_that_nothing_is() {
        let mut retained = Retained::default();
        retained.on_message(&retained_message("a", b"1"));
        retained.on_message(&message("a", b"2"));
        assert_eq!(&*retained.get("a", 0).unwrap().payload, b"1");
        assert_eq!(retained.count(0), None);
        retained.on_message(&retained_message("a", b""));
        assert_eq!(retained.get("a", 0), None);
    }

    #[test]
    fn what_the_broker_does_not_tell_is_gone_but_only_as_far_as_it_has_told() {
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
    fn what_has_expired_is_retained_no_longer() {
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
