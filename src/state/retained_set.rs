//! Retained messages that a person clears, and that can be published again.

use tabmq_worker::api::{Message, Publication, QoS};

use super::retained;

/// Bytes of a payload in an answer of the broker. A longer payload is cut, so it cannot be published again.
const WHOLE_BYTES_MAX: usize = 1 << 20;

/// Bytes of the payloads that are kept to be published again.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// A set of retained messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RetainedSet {
    topics: Vec<String>,
    /// Those of them that can be published again.
    kept: Vec<Message>,
    kept_bytes: usize,
}

impl RetainedSet {
    pub(crate) fn push(&mut self, message: Message) {
        self.topics.push(message.topic.clone());
        let bytes = message.payload.len();
        if bytes < WHOLE_BYTES_MAX && self.kept_bytes + bytes <= KEPT_BYTES_MAX {
            self.kept_bytes += bytes;
            self.kept.push(message);
        }
    }

    pub(crate) fn topics(&self) -> &[String] {
        &self.topics
    }

    /// Number of messages that are too large to be published again.
    pub(crate) fn not_kept(&self) -> usize {
        self.topics.len() - self.kept.len()
    }

    /// The messages that clear all of them: an empty retained message on each topic.
    pub(crate) fn deletions(&self) -> Vec<Publication> {
        let deletion = |topic: &String| Publication {
            topic: topic.clone(),
            retain: true,
            qos: QoS::AtLeastOnce,
            ..Publication::default()
        };
        self.topics.iter().map(deletion).collect()
    }

    /// The messages that restore them, with the rest of their lives. An expired one stays away.
    pub(crate) fn restorations(&self, now_ms: u64) -> Vec<Publication> {
        let restoration = |message: &Message| {
            let mut properties = message.properties.clone();
            if let Some(expires) = retained::expires(message) {
                let left_s = expires.saturating_sub(now_ms).div_ceil(1_000);
                if left_s == 0 {
                    return None;
                }
                properties.message_expiry_interval = u32::try_from(left_s).ok();
            }
            Some(Publication {
                topic: message.topic.clone(),
                payload: message.payload.clone(),
                qos: message.qos,
                retain: true,
                properties,
            })
        };
        self.kept.iter().filter_map(restoration).collect()
    }
}

/// The state of clearing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Clearing {
    /// The person has to confirm it.
    Unconfirmed(RetainedSet),
    Cleared(RetainedSet, Outcome),
    Restored(Outcome),
}

/// The results of several publications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) done: usize,
    pub(crate) failed: usize,
    /// Those that were not published, because their topics have a newer message.
    pub(crate) skipped: usize,
    /// Why the first one failed.
    pub(crate) why: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::super::messages::tests::message;
    use super::*;
    use tabmq_worker::Time;

    fn retained(topic: &str, bytes: usize, expiry_s: Option<u32>) -> Message {
        let mut message = (*message(topic, &vec![b'x'; bytes])).clone();
        message.retain = true;
        message.qos = QoS::ExactlyOnce;
        message.received_at = Time::from_ms(10_000);
        message.properties.message_expiry_interval = expiry_s;
        message
    }

    #[test]
    fn a_set_is_cleared_by_one_empty_retained_message_for_each_topic() {
        let mut set = RetainedSet::default();
        for topic in ["a", "a/b", "a//"] {
            set.push(retained(topic, 1, None));
        }
        let deletions = set.deletions();
        let topics: Vec<&str> = deletions.iter().map(|it| it.topic.as_str()).collect();
        assert_eq!(topics, ["a", "a/b", "a//"]);
        assert!(
            deletions
                .iter()
                .all(|it| it.retain && it.payload.is_empty() && it.qos == QoS::AtLeastOnce)
        );
    }

    #[test]
    fn a_cleared_message_is_restored_as_it_was_with_the_rest_of_its_life() {
        let mut set = RetainedSet::default();
        for (topic, expiry_s) in [("forever", None), ("soon", Some(5)), ("gone", Some(2))] {
            set.push(retained(topic, 3, expiry_s));
        }
        let restored = set.restorations(12_500);
        let lives: Vec<_> = restored
            .iter()
            .map(|it| (it.topic.as_str(), it.properties.message_expiry_interval))
            .collect();
        assert_eq!(lives, [("forever", None), ("soon", Some(3))]);
        assert!(
            restored
                .iter()
                .all(|it| it.retain && it.payload == b"xxx" && it.qos == QoS::ExactlyOnce)
        );
    }

    #[test]
    fn a_message_that_is_too_large_is_cleared_and_not_kept() {
        let mut set = RetainedSet::default();
        set.push(retained("large", WHOLE_BYTES_MAX, None));
        set.push(retained("small", 1, None));
        assert_eq!((set.topics().len(), set.not_kept()), (2, 1));
        assert_eq!(set.restorations(0).len(), 1);
    }
}
