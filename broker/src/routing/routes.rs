//! The subscriptions, by topic filter.

mod exact;
mod levels;
mod list;
mod wildcards;

use self::exact::Exact;
use self::list::{List, Removed};
use self::wildcards::Wildcards;
use crate::routing::subscription::Subscription;
use crate::util::hash::SeededState;
use crate::{SessionId, TopicFilter, TopicName};

/// All subscriptions, indexed so that a message is compared with few filters that do not match.
///
/// The keys of a filter's entries are sessions or groups.
#[derive(Debug)]
pub(crate) struct Routes<K = SessionId, V = Subscription> {
    exact: Exact<K, V>,
    wildcards: Wildcards<K, V>,
    subscriptions: usize,
}

impl<K: Copy + Ord, V: Copy> Routes<K, V> {
    pub(crate) fn new(state: SeededState) -> Self {
        Self {
            exact: Exact::new(state),
            wildcards: Wildcards::new(state),
            subscriptions: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.subscriptions
    }

    /// The number of wildcard patterns of all filters.
    pub(crate) fn patterns(&self) -> usize {
        self.wildcards.shapes()
    }

    /// Whether a filter has no wildcards, or a pattern that another filter has.
    pub(crate) fn has_pattern(&self, filter: &TopicFilter) -> bool {
        !filter.has_wildcards() || self.wildcards.has_shape(filter)
    }

    /// Adds a subscription, or replaces it and returns the former one. [MQTT-3.8.4-3]
    pub(crate) fn insert(&mut self, filter: &TopicFilter, key: K, value: V) -> Option<V> {
        let former = if filter.has_wildcards() {
            self.wildcards.insert(filter, key, value)
        } else {
            self.exact.insert(filter, key, value)
        };
        if former.is_none() {
            self.subscriptions += 1;
        }
        former
    }

    /// The subscription to a filter.
    pub(crate) fn get(&self, filter: &TopicFilter, key: K) -> Option<V> {
        let list = if filter.has_wildcards() {
            self.wildcards.get(filter)
        } else {
            self.exact.get(filter)
        };
        list?.get(key)
    }

    /// Removes a subscription. Returns whether it was there.
    pub(crate) fn remove(&mut self, filter: &TopicFilter, key: K) -> bool {
        let removed = if filter.has_wildcards() {
            self.wildcards.remove(filter, key)
        } else {
            self.exact.remove(filter, key)
        };
        if removed {
            self.subscriptions -= 1;
        }
        removed
    }

    /// Appends the subscriptions whose filter matches `topic`, always in the same order.
    pub(crate) fn matches(&self, topic: &TopicName, found: &mut Vec<(K, V)>) {
        self.exact.matches(topic, found);
        self.wildcards.matches(topic, found);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::QoS;

    const PLAIN: Subscription = Subscription {
        qos: QoS::AtMostOnce,
        no_local: false,
        retain_as_published: false,
        id: None,
        catch_up: 0,
    };

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::parse(text).unwrap()
    }

    fn sessions(routes: &Routes, topic: &str) -> Vec<usize> {
        let mut found = Vec::new();
        routes.matches(&TopicName::parse(topic).unwrap(), &mut found);
        let mut sessions: Vec<usize> = found.iter().map(|(session, _)| session.0).collect();
        sessions.sort_unstable();
        sessions
    }

    #[test]
    fn the_routes_find_what_the_filters_match_one_by_one() {
        let filters = [
            "#", "+", "+/+", "/+", "/", "a", "a/#", "a/+", "a/b", "a/+/c", "+/b/#", "a/b/c",
            "$SYS/#", "$SYS/+", "+/a", "a//b", "a/+/b", "//#", "$share",
        ];
        let mut routes = Routes::new(SeededState::new(&[0; 32]));
        for (session, text) in filters.iter().enumerate() {
            routes.insert(&filter(text), SessionId(session), PLAIN);
        }
        for topic in [
            "a", "b", "/", "/a", "a/", "a/b", "a/b/c", "a/b/c/d", "a//b", "//", "///", "$SYS",
            "$SYS/a", "$SYS/a/b", "$share", "b/a", "$x",
        ] {
            let name = TopicName::parse(topic).unwrap();
            let expected: Vec<usize> = (0..filters.len())
                .filter(|&index| filter(filters[index]).matches(&name))
                .collect();
            assert_eq!(sessions(&routes, topic), expected, "{topic}");
        }
    }

    #[test]
    fn subscribing_again_changes_the_subscription() {
        let mut routes = Routes::new(SeededState::new(&[0; 32]));
        let changed = Subscription {
            qos: QoS::ExactlyOnce,
            id: Some(7),
            ..PLAIN
        };
        assert_eq!(routes.insert(&filter("a"), SessionId(1), PLAIN), None);
        assert_eq!(
            routes.insert(&filter("a"), SessionId(1), changed),
            Some(PLAIN)
        );
        let mut found = Vec::new();
        routes.matches(&TopicName::parse("a").unwrap(), &mut found);
        assert_eq!(found, [(SessionId(1), changed)]);
        assert_eq!(routes.len(), 1);
    }

    #[test]
    fn removed_subscriptions_leave_no_entries() {
        let mut routes = Routes::new(SeededState::new(&[0; 32]));
        let texts = ["a/b/c", "a/b", "a/+/c", "#"];
        for text in texts {
            routes.insert(&filter(text), SessionId(0), PLAIN);
        }
        assert!(!routes.remove(&filter("a"), SessionId(0)));
        assert!(!routes.remove(&filter("a/b"), SessionId(1)));
        assert!(!routes.remove(&filter("x/y"), SessionId(0)));
        routes.insert(&filter("a/#"), SessionId(1), PLAIN);
        routes.insert(&filter("a/#"), SessionId(2), PLAIN);
        assert!(routes.remove(&filter("a/#"), SessionId(1)));
        assert!(!routes.remove(&filter("a/#"), SessionId(1)));
        assert!(routes.remove(&filter("a/#"), SessionId(2)));
        for text in texts {
            assert!(routes.remove(&filter(text), SessionId(0)), "{text}");
        }
        assert_eq!(routes.len(), 0);
        assert!(routes.exact.is_empty() && routes.wildcards.is_empty());
    }

    #[test]
    fn the_sessions_of_a_filter_come_in_their_order() {
        let mut routes = Routes::new(SeededState::new(&[0; 32]));
        for text in ["a/b", "a/+", "a/#"] {
            for session in [7, 1, 4] {
                routes.insert(&filter(text), SessionId(session), PLAIN);
            }
        }
        let mut found = Vec::new();
        routes.matches(&TopicName::parse("a/b").unwrap(), &mut found);
        let found: Vec<usize> = found.iter().map(|(session, _)| session.0).collect();
        assert_eq!(found, [1, 4, 7].repeat(3));
    }

    #[test]
    fn the_members_of_a_shared_subscription_are_found_by_group_and_filter() {
        let mut routes = Routes::new(SeededState::new(&[0; 32]));
        for (session, text) in ["$share/g/a/b", "$share/g/a/+", "$share/h/a/b"]
            .into_iter()
            .enumerate()
        {
            routes.insert(&filter(text), SessionId(session), PLAIN);
        }
        assert_eq!(sessions(&routes, "a/b"), [0, 1, 2]);
        assert!(routes.remove(&filter("$share/g/a/b"), SessionId(0)));
        assert_eq!(sessions(&routes, "a/b"), [1, 2]);
    }

    #[test]
    fn routes_that_change_at_random_find_what_the_filters_match_one_by_one() {
        let mut state = 1_u64;
        let mut below = |bound: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % bound
        };
        let mut routes = Routes::new(SeededState::new(&[0; 32]));
        let mut model: BTreeMap<(String, usize), Subscription> = BTreeMap::new();
        for _ in 0..1_000 {
            let levels: Vec<&str> = (0..=below(3))
                .map(|_| ["a", "b", "", "+", "$x"][below(5) as usize])
                .collect();
            let mut text = levels.join("/");
            if below(4) == 0 {
                text += "/#";
            }
            if text.is_empty() {
                continue;
            }
            let key = (text, below(3) as usize);
            let subscription = Subscription {
                id: Some(below(100) as u32),
                ..PLAIN
            };
            if below(2) == 0 {
                let removed = routes.remove(&filter(&key.0), SessionId(key.1));
                assert_eq!(removed, model.remove(&key).is_some());
            } else {
                let former = routes.insert(&filter(&key.0), SessionId(key.1), subscription);
                assert_eq!(former, model.insert(key, subscription));
            }
            assert_eq!(routes.len(), model.len());
            for topic in ["a", "a/b", "/", "$x/a", "b//a", "b/a/b/a"] {
                let name = TopicName::parse(topic).unwrap();
                let mut expected: Vec<_> = model
                    .iter()
                    .filter(|((text, _), _)| filter(text).matches(&name))
                    .map(|((_, session), subscription)| (*session, subscription.id))
                    .collect();
                let mut found = Vec::new();
                routes.matches(&name, &mut found);
                let mut found: Vec<_> =
                    found.iter().map(|(key, value)| (key.0, value.id)).collect();
                found.sort_unstable();
                expected.sort_unstable();
                assert_eq!(found, expected, "{topic}");
            }
        }
    }

    #[test]
    fn the_deepest_topic_does_not_overflow_the_stack() {
        let deepest = "/".repeat(65_535);
        let mut routes = Routes::new(SeededState::new(&[0; 32]));
        routes.insert(&filter(&deepest), SessionId(0), PLAIN);
        assert_eq!(sessions(&routes, &deepest), [0]);
        assert!(routes.remove(&filter(&deepest), SessionId(0)));
        let deepest_filter = format!("{}+", &deepest[1..]);
        routes.insert(&filter(&deepest_filter), SessionId(0), PLAIN);
        assert_eq!(sessions(&routes, &deepest[1..]), [0]);
        assert!(routes.remove(&filter(&deepest_filter), SessionId(0)));
    }
}
