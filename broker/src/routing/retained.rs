//! Retained messages: the last message of each topic, for later subscribers.

use core::borrow::Borrow;
use core::ops::Bound;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::routing::message::Message;
use crate::topic::wildcard;
use crate::util::timers::Timers;
use crate::{Time, TopicFilter, TopicName};

/// The retained messages, at most one for each topic.
///
/// Their order by topic suffices for wildcards: see [`Step`].
#[derive(Debug)]
pub(crate) struct Retained {
    /// A `BTreeMap`, because a wildcard walks through many neighbours: with [`Map`](crate::sorted::Map), which would be 4 kB of
    /// WebAssembly smaller, that takes twice as long.
    messages: BTreeMap<Topic, Arc<Message>>,
    /// The part that clients published.
    of_clients: Usage,
    expiries: Timers<TopicName>,
}

/// A number of messages and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) messages: usize,
    /// See [`Message::bytes`].
    pub(crate) bytes: usize,
}

impl Usage {
    /// The broker's own `$SYS` messages do not count against the limits.
    fn of(message: &Message) -> Self {
        match message.is_of_client() {
            true => Self {
                messages: 1,
                bytes: message.bytes(),
            },
            false => Self::default(),
        }
    }

    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    fn subtract(&mut self, other: Self) {
        self.messages -= other.messages;
        self.bytes -= other.bytes;
    }
}

/// A topic that is found by its text.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Topic(TopicName);

impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}

/// The result of [`Retained::matching_after`].
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) messages: Vec<Arc<Message>>,
    /// The number of compared messages.
    pub(crate) looks: usize,
    /// The topic to continue after, if there may be more.
    pub(crate) reached: Option<TopicName>,
}

impl Retained {
    pub(crate) const fn new() -> Self {
        Self {
            messages: BTreeMap::new(),
            of_clients: Usage {
                messages: 0,
                bytes: 0,
            },
            expiries: Timers::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// The usage after a retained message of `bytes` on `topic`.
    pub(crate) fn usage_with(&self, topic: &TopicName, bytes: usize) -> Usage {
        let mut usage = self.of_clients;
        if let Some(former) = self.messages.get(topic.as_str()) {
            usage.subtract(Usage::of(former));
        }
        usage.add(Usage { messages: 1, bytes });
        usage
    }

    /// Replaces the message of its topic; an empty payload leaves none. [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7]
    pub(crate) fn set(&mut self, message: &Arc<Message>) {
        if let Some(former) = self.messages.remove(message.topic.as_str()) {
            self.of_clients.subtract(Usage::of(&former));
            if let Some(at) = former.expires() {
                self.expiries.remove(at, former.topic.clone());
            }
        }
        if message.payload.is_empty() {
            return;
        }
        if let Some(at) = message.expires() {
            self.expiries.insert(at, message.topic.clone());
        }
        self.of_clients.add(Usage::of(message));
        self.messages
            .insert(Topic(message.topic.clone()), Arc::clone(message));
    }

    /// The message of a topic.
    pub(crate) fn get(&self, topic: &TopicName) -> Option<Arc<Message>> {
        self.messages.get(topic.as_str()).cloned()
    }

    /// Whether there is any message whose topic starts as a filter does.
    pub(crate) fn may_match(&self, filter: &TopicFilter) -> bool {
        let filter = filter.without_share();
        if wildcard(filter).is_none() {
            return self.messages.contains_key(filter);
        }
        let start = literals(filter);
        let first = self.from(Bound::Included(start)).next();
        first.is_some_and(|(Topic(topic), _)| topic.as_str().starts_with(start))
    }

    /// The messages whose topic matches `filter`, in the order of their topics, beginning after `after`. It returns at most
    /// `messages_max` of them and examines at most `looks_max` topics. The number of examined topics depends on the number of
    /// matches and on the levels that a `+` may stand for, not on the number of retained messages.
    pub(crate) fn matching_after(
        &self,
        filter: &TopicFilter,
        after: Option<&TopicName>,
        messages_max: usize,
        looks_max: usize,
    ) -> Found {
        let filter = filter.without_share();
        if wildcard(filter).is_none() {
            return Found {
                messages: self.messages.get(filter).cloned().into_iter().collect(),
                looks: 1,
                reached: None,
            };
        }
        let mut messages = Vec::new();
        let mut looks = 0;
        let mut reached = None;
        let mut target = literals(filter).to_owned();
        let mut topics = match after.map(TopicName::as_str) {
            Some(after) if after >= target.as_str() => self.from(Bound::Excluded(after)),
            _ => self.from(Bound::Included(&target)),
        };
        let mut next = topics.next();
        while let Some((Topic(topic), message)) = next {
            if messages.len() >= messages_max || looks >= looks_max {
                return Found {
                    messages,
                    looks,
                    reached: reached.or(after).cloned(),
                };
            }
            looks += 1;
            reached = Some(topic);
            next = match Step::after(topic.as_str(), filter, &mut target) {
                Step::Match => {
                    messages.push(Arc::clone(message));
                    topics.next()
                }
                Step::Next => topics.next(),
                // Often it is near, and a search begins at the root.
                Step::Leap => topics
                    .by_ref()
                    .take(STEPS_BEFORE_SEARCH)
                    .find(|(Topic(topic), _)| topic.as_str() >= target.as_str())
                    .or_else(|| {
                        topics = self.from(Bound::Included(&target));
                        topics.next()
                    }),
                Step::End => None,
            };
        }
        Found {
            messages,
            looks,
            reached: None,
        }
    }

    /// All messages, in the order of their topics.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.messages.values()
    }

    pub(crate) fn next_expiry(&self) -> Option<Time> {
        self.expiries.next()
    }

    /// Removes expired messages.
    pub(crate) fn drop_expired(&mut self, now: Time) {
        while let Some(topic) = self.expiries.pop_due(now) {
            if let Some(expired) = self.messages.remove(topic.as_str()) {
                self.of_clients.subtract(Usage::of(&expired));
            }
        }
    }

    fn from<'a>(
        &'a self,
        topic: Bound<&str>,
    ) -> impl Iterator<Item = (&'a Topic, &'a Arc<Message>)> + use<'a> {
        self.messages.range::<str, _>((topic, Bound::Unbounded))
    }
}

/// The step from one topic to the next that matches a filter.
///
/// Topics with common first levels are adjacent. Where one does not match, its text and the filter give the least
/// later topic that may match.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// This one matches; the next one may.
    Match,
    /// The next one may match.
    Next,
    /// None before the target matches.
    Leap,
    /// None after this one matches.
    End,
}

impl Step {
    fn after(topic: &str, filter: &str, target: &mut String) -> Self {
        // Wildcards in front do not match topics that start with `$`. [MQTT-4.7.2-1]
        if topic.starts_with('$') && filter.starts_with(WILDCARDS) {
            return leap(target, [AFTER_DOLLAR]);
        }
        // The rest to compare, and the length of the topic up to the last `+`.
        let mut wanted = Some(filter);
        let mut rest = Some(topic);
        let mut up_to_single = None;
        let mut after_single = false;
        while let Some(filter) = wanted {
            let (level, below) = split_level(filter);
            if level == MULTI_LEVEL {
                return Self::Match;
            }
            let Some(text) = rest else {
                // The topic is too short. Longer topics with this start come later, and after a `+` others too.
                return if after_single {
                    Self::Next
                } else {
                    leap(target, [topic, SEPARATOR, literals(filter)])
                };
            };
            let (found, deeper) = split_level(text);
            after_single = level == SINGLE_LEVEL;
            if after_single {
                up_to_single = Some(&topic[..topic.len() - text.len() + found.len()]);
            } else if level != found {
                let start = &topic[..topic.len() - text.len()];
                let literals = literals(filter);
                // Where a `#` follows: first its parent, then what is below.
                let below_literals = match filter.as_bytes().get(literals.len()) {
                    Some(b'/') => SEPARATOR,
                    _ => "",
                };
                for end in ["", below_literals] {
                    let leap = leap(target, [start, literals, end]);
                    if target.as_str() > topic {
                        return leap;
                    }
                }
                return leap_over(up_to_single, target);
            }
            wanted = below;
            rest = deeper;
        }
        match rest {
            None => Self::Match,
            // The topic is too long, and so is everything else that starts like it.
            Some(_) => leap_over(up_to_single, target),
        }
    }
}

/// How many topics are looked at before a search for the target.
const STEPS_BEFORE_SEARCH: usize = 4;
const SEPARATOR: &str = "/";
/// The character after `/`. Topics below another one precede that topic followed by this character.
const AFTER_SEPARATOR: &str = "0";
/// The character after `$`.
const AFTER_DOLLAR: &str = "%";
const SINGLE_LEVEL: &str = "+";
const MULTI_LEVEL: &str = "#";
const WILDCARDS: [char; 2] = ['+', '#'];

fn leap<const PARTS: usize>(target: &mut String, parts: [&str; PARTS]) -> Step {
    target.clear();
    target.extend(parts);
    Step::Leap
}

/// No further topic with the levels `up_to_single` matches: continues with another text for the last of them.
fn leap_over(up_to_single: Option<&str>, target: &mut String) -> Step {
    match up_to_single {
        Some(levels) => leap(target, [levels, AFTER_SEPARATOR]),
        None => Step::End,
    }
}

fn split_level(text: &str) -> (&str, Option<&str>) {
    // Levels are short: a search for a character takes longer than a look at each byte.
    match text.bytes().position(|byte| byte == b'/') {
        Some(end) => (&text[..end], Some(&text[end + 1..])),
        None => (text, None),
    }
}

/// How everything starts that matches `filter`. `#` stands for its parent, too, so that ends without `/`.
fn literals(filter: &str) -> &str {
    match wildcard(filter) {
        None => filter,
        Some(wildcard) => {
            let start = &filter[..wildcard];
            if filter[wildcard..].starts_with(MULTI_LEVEL) {
                start.strip_suffix('/').unwrap_or(start)
            } else {
                start
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::QoS;
    use crate::codec::SharedProperties;

    fn message(topic: &str, payload: &'static str, expiry_interval_s: Option<u32>) -> Arc<Message> {
        Arc::new(Message {
            number: 0,
            publisher: "a".into(),
            published: Time::from_ms(0),
            topic: TopicName::parse(topic).unwrap(),
            payload: Bytes::from(payload),
            qos: QoS::AtMostOnce,
            retain: true,
            expiry_interval_s,
            properties: SharedProperties::default(),
        })
    }

    fn topics(retained: &Retained, filter: &str) -> Vec<String> {
        let filter = TopicFilter::parse(filter).unwrap();
        let name = |message: &Arc<Message>| message.topic.to_string();
        let whole = retained.matching_after(&filter, None, usize::MAX, usize::MAX);
        assert_eq!(whole.reached, None);
        let mut topics: Vec<String> = whole.messages.iter().map(name).collect();
        // In small steps it is the same.
        for (messages_max, looks_max) in [(1, usize::MAX), (usize::MAX, 1), (2, 3)] {
            let mut in_steps = Vec::new();
            let mut after = None;
            loop {
                let found =
                    retained.matching_after(&filter, after.as_ref(), messages_max, looks_max);
                assert!(found.messages.len() <= messages_max && found.looks <= looks_max);
                in_steps.extend(found.messages.iter().map(name));
                after = found.reached;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(in_steps, topics, "{filter}");
        }
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
    fn every_filter_finds_what_it_matches_among_topics_that_differ_little() {
        let texts = ["", "!", "$", "%", "+", "a", "a!", "a0", "b", "#"];
        let all_of = |wildcards: bool| {
            let usable = texts
                .into_iter()
                .filter(move |text| wildcards || !["+", "#"].contains(text));
            let usable: Vec<&str> = usable.collect();
            let mut all = vec![String::new()];
            let mut deeper: Vec<String> = usable.iter().map(ToString::to_string).collect();
            for _ in 0..3 {
                all.extend_from_slice(&deeper);
                deeper = deeper
                    .iter()
                    .flat_map(|start| usable.iter().map(move |text| format!("{start}/{text}")))
                    .collect();
            }
            all
        };
        let mut retained = Retained::new();
        let names: Vec<TopicName> = all_of(false)
            .iter()
            .filter_map(|text| TopicName::parse(text).ok())
            // Not every topic, so that some filters need several steps.
            .filter(|name| name.as_str().bytes().map(usize::from).sum::<usize>() % 3 != 0)
            .collect();
        for name in &names {
            retained.set(&message(name.as_str(), "x", None));
        }
        for text in all_of(true) {
            let Ok(filter) = TopicFilter::parse(&text) else {
                continue;
            };
            let mut expected: Vec<&str> = names
                .iter()
                .filter(|name| filter.matches(name))
                .map(TopicName::as_str)
                .collect();
            expected.sort_unstable();
            expected.dedup();
            let found = retained.matching_after(&filter, None, usize::MAX, usize::MAX);
            let found: Vec<&str> = found
                .messages
                .iter()
                .map(|message| message.topic.as_str())
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn topics_that_cannot_match_are_skipped() {
        let mut target = String::new();
        for (topic, filter, step, leapt_to) in [
            ("a/x/b", "a/+/b", Step::Match, ""),
            ("a/x/a/y", "a/+/b", Step::Leap, "a/x/b"),
            ("a/x/c", "a/+/b", Step::Leap, "a/x0"),
            ("a/x", "a/+/b", Step::Next, ""),
            ("a/x/b/y", "a/+/b", Step::Leap, "a/x0"),
            ("b", "a/+/b", Step::End, ""),
            ("a", "a/b/c/#", Step::Leap, "a/b/c"),
            ("a/b/c!", "a/b/c/#", Step::Leap, "a/b/c/"),
            ("a/b/d", "a/b/c/#", Step::End, ""),
            ("$a", "#", Step::Leap, "%"),
        ] {
            let after = Step::after(topic, filter, &mut target);
            if after != Step::Leap {
                target.clear();
            }
            assert_eq!(
                (after, target.as_str()),
                (step, leapt_to),
                "{topic} {filter}"
            );
        }
    }

    #[test]
    fn the_last_message_of_a_topic_is_kept_until_an_empty_one() {
        let mut retained = Retained::new();
        retained.set(&message("a", "1", None));
        retained.set(&message("a", "2", None));
        let found = retained.get(&TopicName::parse("a").unwrap()).unwrap();
        assert_eq!(&found.payload[..], b"2");
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
