//! Who subscribed to what.

use std::collections::BTreeMap;

use crate::session::SessionId;
use crate::slab::Slab;
use crate::{QoS, TopicFilter, TopicName};

/// A subscription, without its topic filter and its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) id: Option<u32>,
}

/// All subscriptions, level by level, so that a message is held against those filters only that start like its topic.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Slab<Node>,
    root: usize,
    subscriptions: usize,
}

#[derive(Debug, Default)]
struct Node {
    /// By level of the filter. A topic has no `+` and no `#`, so these need no place of their own.
    children: BTreeMap<Box<str>, usize>,
    subscriptions: BTreeMap<SessionId, Subscription>,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let mut nodes = Slab::new();
        let root = nodes.insert(Node::default());
        Self {
            nodes,
            root,
            subscriptions: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.subscriptions
    }

    /// Adds a subscription, or changes it: then the former one is returned. [MQTT-3.8.4-3]
    pub(crate) fn insert(
        &mut self,
        filter: &TopicFilter,
        session: SessionId,
        subscription: Subscription,
    ) -> Option<Subscription> {
        let mut node = self.root;
        for level in filter.levels() {
            node = match self.nodes[node].children.get(level) {
                Some(&child) => child,
                None => {
                    let child = self.nodes.insert(Node::default());
                    self.nodes[node].children.insert(level.into(), child);
                    child
                }
            };
        }
        let former = self.nodes[node].subscriptions.insert(session, subscription);
        if former.is_none() {
            self.subscriptions += 1;
        }
        former
    }

    /// Removes a subscription, and the levels that nobody needs any more. Returns whether it was there.
    pub(crate) fn remove(&mut self, filter: &TopicFilter, session: SessionId) -> bool {
        let mut node = self.root;
        let mut path = Vec::new();
        for level in filter.levels() {
            let Some(&child) = self.nodes[node].children.get(level) else {
                return false;
            };
            path.push((node, level));
            node = child;
        }
        if self.nodes[node].subscriptions.remove(&session).is_none() {
            return false;
        }
        self.subscriptions -= 1;
        while let Some((parent, level)) = path.pop() {
            if !self.nodes[node].is_empty() {
                break;
            }
            self.nodes.remove(node);
            self.nodes[parent].children.remove(level);
            node = parent;
        }
        true
    }

    /// Appends the subscriptions whose filter matches `topic`, always in the same order.
    pub(crate) fn matches(&self, topic: &TopicName, found: &mut Vec<(SessionId, Subscription)>) {
        // An explicit stack, because a filter may have tens of thousands of levels.
        let mut open = vec![(self.root, Some(topic.as_str()))];
        while let Some((node, rest)) = open.pop() {
            // Wildcards in front do not match topics that start with `$`. [MQTT-4.7.2-1]
            let wildcards = node != self.root || !topic.as_str().starts_with('$');
            let node = &self.nodes[node];
            // `#` stands for its parent, too.
            if wildcards && let Some(&child) = node.children.get("#") {
                self.nodes[child].append_to(found);
            }
            let Some(rest) = rest else {
                node.append_to(found);
                continue;
            };
            let (level, rest) = match rest.split_once('/') {
                Some((level, rest)) => (level, Some(rest)),
                None => (rest, None),
            };
            if wildcards && let Some(&child) = node.children.get("+") {
                open.push((child, rest));
            }
            if let Some(&child) = node.children.get(level) {
                open.push((child, rest));
            }
        }
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.subscriptions.is_empty()
    }

    fn append_to(&self, found: &mut Vec<(SessionId, Subscription)>) {
        found.extend(
            self.subscriptions
                .iter()
                .map(|(&session, &subscription)| (session, subscription)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Subscription = Subscription {
        qos: QoS::AtMostOnce,
        no_local: false,
        retain_as_published: false,
        id: None,
    };

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::parse(text).unwrap()
    }

    fn sessions(tree: &Tree, topic: &str) -> Vec<usize> {
        let mut found = Vec::new();
        tree.matches(&TopicName::parse(topic).unwrap(), &mut found);
        let mut sessions: Vec<usize> = found.iter().map(|(session, _)| session.0).collect();
        sessions.sort_unstable();
        sessions
    }

    #[test]
    fn the_tree_finds_what_the_filters_match_one_by_one() {
        let filters = [
            "#", "+", "+/+", "/+", "/", "a", "a/#", "a/+", "a/b", "a/+/c", "+/b/#", "a/b/c",
            "$SYS/#", "$SYS/+", "+/a", "a//b", "a/+/b", "//#", "$share",
        ];
        let mut tree = Tree::new();
        for (session, text) in filters.iter().enumerate() {
            tree.insert(&filter(text), SessionId(session), PLAIN);
        }
        for topic in [
            "a", "b", "/", "/a", "a/", "a/b", "a/b/c", "a/b/c/d", "a//b", "//", "///", "$SYS",
            "$SYS/a", "$SYS/a/b", "$share", "b/a", "$x",
        ] {
            let name = TopicName::parse(topic).unwrap();
            let expected: Vec<usize> = (0..filters.len())
                .filter(|&index| filter(filters[index]).matches(&name))
                .collect();
            assert_eq!(sessions(&tree, topic), expected, "{topic}");
        }
    }

    #[test]
    fn subscribing_again_changes_the_subscription() {
        let mut tree = Tree::new();
        let changed = Subscription {
            qos: QoS::ExactlyOnce,
            id: Some(7),
            ..PLAIN
        };
        assert_eq!(tree.insert(&filter("a"), SessionId(1), PLAIN), None);
        assert_eq!(
            tree.insert(&filter("a"), SessionId(1), changed),
            Some(PLAIN)
        );
        let mut found = Vec::new();
        tree.matches(&TopicName::parse("a").unwrap(), &mut found);
        assert_eq!(found, [(SessionId(1), changed)]);
        assert_eq!(tree.len(), 1);
    }

    #[test]
    fn removal_leaves_nothing_behind() {
        let mut tree = Tree::new();
        let texts = ["a/b/c", "a/b", "a/+/c", "#"];
        for text in texts {
            tree.insert(&filter(text), SessionId(0), PLAIN);
        }
        assert!(!tree.remove(&filter("a"), SessionId(0)));
        assert!(!tree.remove(&filter("a/b"), SessionId(1)));
        assert!(!tree.remove(&filter("x/y"), SessionId(0)));
        for text in texts {
            assert!(tree.remove(&filter(text), SessionId(0)), "{text}");
        }
        assert_eq!((tree.len(), tree.nodes.len()), (0, 1));
    }

    #[test]
    fn the_deepest_topic_needs_no_stack() {
        let deepest = "/".repeat(65_535);
        let mut tree = Tree::new();
        tree.insert(&filter(&deepest), SessionId(0), PLAIN);
        assert_eq!(sessions(&tree, &deepest), [0]);
        assert!(tree.remove(&filter(&deepest), SessionId(0)));
    }
}
