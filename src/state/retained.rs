//! What the broker retains, as it says, and as messages with the RETAIN flag have told since.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use tabmq_worker::api::{Message, QoS, RetainedMessage};

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
}

/// A retained message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    /// The beginning of its payload.
    pub(crate) payload: Rc<[u8]>,
    /// Bytes of its whole payload.
    pub(crate) payload_bytes: usize,
    pub(crate) qos: QoS,
    /// When it expires, in Unix milliseconds.
    pub(crate) expires: Option<u64>,
}

impl Value {
    fn is_there(&self, now_ms: u64) -> bool {
        self.expires.is_none_or(|at| now_ms < at)
    }
}

impl Retained {
    /// Takes note of a message: one with the RETAIN flag is retained, or deletes what was.
    pub(crate) fn hear(&mut self, message: &Message) {
        if !message.retain {
            return;
        }
        if message.payload.is_empty() {
            self.values.remove(&*message.topic);
            return;
        }
        let lasts_s = message.properties.message_expiry_interval;
        let value = Value {
            payload: beginning(&message.payload),
            payload_bytes: message.payload.len(),
            qos: message.qos,
            expires: lasts_s.map(|it| message.received_at.as_ms() + u64::from(it) * 1_000),
        };
        self.set(&message.topic, value);
    }

    /// The broker has told what it retains after the topic `after`: these, up to `reached` or, without it, to the end. The
    /// topics that have no retained message any more.
    pub(crate) fn tell(
        &mut self,
        after: Option<&str>,
        messages: &[RetainedMessage],
        reached: Option<&str>,
    ) -> Vec<Rc<str>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let to = reached.map_or(Bound::Unbounded, Bound::Included);
        let is_told = |topic: &str| {
            let found = messages.binary_search_by(|it| it.topic.as_str().cmp(topic));
            // A # does not ask for topics with a $.
            found.is_ok() || topic.starts_with('$')
        };
        let known = self.values.range::<str, _>((from, to));
        let gone = known.map(|(topic, _)| topic);
        let gone: Vec<Rc<str>> = gone.filter(|it| !is_told(it)).cloned().collect();
        for topic in &gone {
            self.values.remove(topic);
        }
        for message in messages {
            let value = Value {
                payload: beginning(&message.payload),
                payload_bytes: usize::try_from(message.payload_bytes).unwrap_or(usize::MAX),
                qos: message.qos,
                expires: message.expires.map(|at| at.as_ms()),
            };
            if self.values.get(&*message.topic) != Some(&value) {
                self.set(&message.topic, value);
            }
        }
        self.is_complete |= reached.is_none();
        gone
    }

    /// There is no broker that could say what it retains.
    pub(crate) fn is_not_told(&mut self) {
        self.is_complete = false;
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

fn beginning(payload: &[u8]) -> Rc<[u8]> {
    payload.get(..PAYLOAD_BYTES).unwrap_or(payload).into()
}

#[cfg(test)]
mod tests {
    use super::super::messages::tests::message;
    use super::*;
    use tabmq_worker::Time;

    const LATER: u64 = 1_000_000;

    fn heard(topic: &str, payload: &[u8]) -> Message {
        let mut message = (*message(topic, payload)).clone();
        message.retain = true;
        message
    }

    fn told(topic: &str, payload: &[u8]) -> RetainedMessage {
        RetainedMessage {
            topic: topic.to_owned(),
            payload: payload.to_vec(),
            payload_bytes: u32::try_from(payload.len()).unwrap(),
            qos: QoS::AtMostOnce,
            published: Time::from_ms(0),
            expires: None,
        }
    }

    fn topics(retained: &Retained) -> Vec<&str> {
        retained.values.keys().map(|it| &**it).collect()
    }

    #[test]
    fn a_live_message_says_that_it_is_retained_and_an_empty_one_that_nothing_is() {
        let mut retained = Retained::default();
        retained.hear(&heard("a", b"1"));
        retained.hear(&message("a", b"2"));
        assert_eq!(&*retained.get("a", 0).unwrap().payload, b"1");
        assert_eq!(retained.count(0), None);
        retained.hear(&heard("a", b""));
        assert_eq!(retained.get("a", 0), None);
    }

    #[test]
    fn what_the_broker_does_not_tell_is_gone_but_only_as_far_as_it_has_told() {
        let mut retained = Retained::default();
        for topic in ["$x", "a", "b", "c"] {
            retained.hear(&heard(topic, b"1"));
        }
        let gone = retained.tell(None, &[told("b", b"2")], Some("b"));
        assert_eq!(gone, ["a".into()]);
        assert_eq!(topics(&retained), ["$x", "b", "c"]);
        assert_eq!(&*retained.get("b", 0).unwrap().payload, b"2");
        assert_eq!(retained.count(0), None);
        let gone = retained.tell(Some("b"), &[told("d", b"1")], None);
        assert_eq!(gone, ["c".into()]);
        assert_eq!(retained.count(0), Some(3));
        retained.is_not_told();
        assert_eq!(retained.count(0), None);
    }

    #[test]
    fn what_has_expired_is_retained_no_longer() {
        let mut retained = Retained::default();
        let mut short = heard("a", b"1");
        short.received_at = Time::from_ms(LATER);
        short.properties.message_expiry_interval = Some(3);
        retained.hear(&short);
        assert!(retained.get("a", LATER + 2_999).is_some());
        assert!(retained.get("a", LATER + 3_000).is_none());
        let mut message = told("b", b"1");
        message.expires = Some(Time::from_ms(LATER));
        retained.tell(None, &[message], None);
        let counts = [LATER - 1, LATER].map(|now| retained.count(now));
        assert_eq!(counts, [Some(1), Some(0)]);
    }
}
