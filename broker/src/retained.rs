//! The last message of each topic that is kept for those who subscribe later.

use core::ops::Bound;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::message::Message;
use crate::timers::Timers;
use crate::{Time, TopicFilter, TopicName};

/// The retained messages, at most one for each topic.
#[derive(Debug)]
pub(crate) struct Retained {
    messages: BTreeMap<TopicName, Arc<Message>>,
    expiries: Timers<TopicName>,
}

impl Retained {
    pub(crate) const fn new() -> Self {
        Self {
            messages: BTreeMap::new(),
            expiries: Timers::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Replaces the message of its topic; an empty payload leaves none. [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7]
    pub(crate) fn set(&mut self, message: &Arc<Message>) {
        if let Some(former) = self.messages.remove(&message.topic)
            && let Some(at) = former.expires()
        {
            self.expiries.remove(at, former.topic.clone());
        }
        if message.payload.is_empty() {
            return;
        }
        if let Some(at) = message.expires() {
            self.expiries.insert(at, message.topic.clone());
        }
        self.messages
            .insert(message.topic.clone(), Arc::clone(message));
    }

    /// The messages whose topic matches `filter`, always in the same order.
    pub(crate) fn matching(&self, filter: &TopicFilter) -> Vec<Arc<Message>> {
        let text = filter.as_str();
        let Some(wildcard) = text.find(['+', '#']) else {
            return self.get(text).cloned().into_iter().collect();
        };
        // Topics that start alike stand together, so only those are looked at that start like the filter. Its parent
        // stands elsewhere: `a/#` matches `a`.
        let start = &text[..wildcard];
        let parent = start.strip_suffix('/').and_then(|parent| self.get(parent));
        let from = TopicName::parse(start).map_or(Bound::Unbounded, Bound::Included);
        let below = self
            .messages
            .range((from, Bound::Unbounded))
            .take_while(|(topic, _)| topic.as_str().starts_with(start))
            .map(|(_, message)| message);
        parent
            .into_iter()
            .chain(below)
            .filter(|message| filter.matches(&message.topic))
            .cloned()
            .collect()
    }

    pub(crate) fn next_expiry(&self) -> Option<Time> {
        self.expiries.next()
    }

    /// Forgets what has expired.
    pub(crate) fn drop_expired(&mut self, now: Time) {
        while let Some(topic) = self.expiries.pop_due(now) {
            self.messages.remove(&topic);
        }
    }

    fn get(&self, topic: &str) -> Option<&Arc<Message>> {
        self.messages.get(&TopicName::parse(topic).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Properties, QoS};

    fn message(topic: &str, payload: &'static str, expiry_interval_s: Option<u32>) -> Arc<Message> {
        Arc::new(Message {
            publisher: "a".into(),
            published: Time::from_ms(0),
            topic: TopicName::parse(topic).unwrap(),
            payload: Bytes::from(payload),
            qos: QoS::AtMostOnce,
            retain: true,
            expiry_interval_s,
            properties: Properties::new(),
        })
    }

    fn topics(retained: &Retained, filter: &str) -> Vec<String> {
        let filter = TopicFilter::parse(filter).unwrap();
        let mut topics: Vec<String> = retained
            .matching(&filter)
            .iter()
            .map(|message| message.topic.to_string())
            .collect();
        topics.sort_unstable();
        topics
    }

    #[test]
    fn the_store_finds_what_a_filter_matches_one_by_one() {
        let mut all = [
            "a", "a/", "a/b", "a/b/c", "a/c", "ab", "ab/c", "/", "/a", "//", "b", "$SYS", "$SYS/a",
            "a!/b", "\u{7f}",
        ];
        all.sort_unstable();
        let mut retained = Retained::new();
        for topic in all {
            retained.set(&message(topic, "x", None));
        }
        for filter in [
            "#", "+", "+/+", "/+", "/#", "a", "a/", "a/#", "a/+", "a/b/#", "a/+/c", "+/b",
            "$SYS/#", "$SYS", "c", "c/#",
        ] {
            let parsed = TopicFilter::parse(filter).unwrap();
            let expected: Vec<&str> = all
                .into_iter()
                .filter(|topic| parsed.matches(&TopicName::parse(topic).unwrap()))
                .collect();
            assert_eq!(topics(&retained, filter), expected, "{filter}");
        }
    }

    #[test]
    fn the_last_message_of_a_topic_is_kept_until_an_empty_one() {
        let mut retained = Retained::new();
        retained.set(&message("a", "1", None));
        retained.set(&message("a", "2", None));
        let found = retained.matching(&TopicFilter::parse("a").unwrap());
        assert_eq!((found.len(), &found[0].payload[..]), (1, &b"2"[..]));
        retained.set(&message("a", "", None));
        assert_eq!(retained.len(), 0);
    }

    #[test]
    fn a_message_is_forgotten_when_it_expires_unless_it_was_replaced() {
        let mut retained = Retained::new();
        retained.set(&message("a", "1", Some(1)));
        retained.set(&message("b", "1", Some(1)));
        retained.set(&message("b", "2", Some(3)));
        assert_eq!(retained.next_expiry(), Some(Time::from_ms(1_000)));
        retained.drop_expired(Time::from_ms(1_000));
        assert_eq!(topics(&retained, "#"), ["b"]);
        assert_eq!(retained.next_expiry(), Some(Time::from_ms(3_000)));
        retained.set(&message("b", "", None));
        assert_eq!(retained.next_expiry(), None);
    }
}
