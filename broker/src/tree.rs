//! Who subscribed to what.

use core::borrow::Borrow;
use core::hash::{Hash, Hasher};
use core::num::NonZeroU32;
use std::collections::{BTreeMap, HashMap};

use crate::hash::FixedState;
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

/// All subscriptions, held so that a message meets only those filters that may match it: filters without wildcards are
/// found by their whole text, the others level by level.
///
/// The keys of a filter's entries are sessions, or whatever else may stand for a receiver.
#[derive(Debug)]
pub(crate) struct Tree<K = SessionId, V = Subscription> {
    exact: HashMap<Exact, Id, FixedState>,
    /// The levels of the filters with wildcards.
    nodes: Slab<Node>,
    root: Id,
    /// From a node to the one below it, by the level's number.
    edges: HashMap<(Id, u32), Id, FixedState>,
    numbers: Numbers,
    lists: Slab<List<K, V>>,
    subscriptions: usize,
}

/// A place in a slab, in four bytes even where there may be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Id(NonZeroU32);

/// A filter without wildcards; if it is shared, what the group shares.
#[derive(Debug)]
struct Exact(TopicFilter);

/// Where filters with wildcards go on, or end. It is small, because a message visits many.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// The node below by `+`.
    single: Option<Id>,
    /// How many nodes are below by name; the edges tell which.
    named: u32,
    /// The subscriptions whose filter ends here.
    here: Option<Id>,
    /// The subscriptions whose filter ends with a `#` below.
    below: Option<Id>,
}

/// The subscriptions to one filter, at least one. Most filters have just one, so that needs no memory of its own.
#[derive(Debug)]
enum List<K, V> {
    One(K, V),
    Many(BTreeMap<K, V>),
}

/// Every level's text once, under a number for as long as an edge uses it.
#[derive(Debug)]
struct Numbers {
    by_text: HashMap<Box<str>, Number, FixedState>,
    taken: Slab<()>,
}

#[derive(Clone, Copy, Debug)]
struct Number {
    number: u32,
    edges: u32,
}

const SINGLE_LEVEL: &str = "+";
const MULTI_LEVEL: &str = "#";

impl<K: Copy + Ord, V: Copy> Tree<K, V> {
    pub(crate) fn new() -> Self {
        let mut nodes = Slab::new();
        let root = Id::new(nodes.insert(Node::default()));
        Self {
            exact: HashMap::default(),
            nodes,
            root,
            edges: HashMap::default(),
            numbers: Numbers::new(),
            lists: Slab::new(),
            subscriptions: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.subscriptions
    }

    /// Adds a subscription, or changes it: then the former one is returned. [MQTT-3.8.4-3]
    pub(crate) fn insert(&mut self, filter: &TopicFilter, key: K, value: V) -> Option<V> {
        let former = if let Some(list) = self.find(filter) {
            self.lists[list.index()].insert(key, value)
        } else {
            let list = Id::new(self.lists.insert(List::One(key, value)));
            self.place(filter, list);
            None
        };
        if former.is_none() {
            self.subscriptions += 1;
        }
        former
    }

    /// The subscription to a filter.
    pub(crate) fn get(&self, filter: &TopicFilter, key: K) -> Option<V> {
        match &self.lists[self.find(filter)?.index()] {
            &List::One(only, value) => (only == key).then_some(value),
            List::Many(all) => all.get(&key).copied(),
        }
    }

    /// Removes a subscription, and the levels that nobody needs any more. Returns whether it was there.
    pub(crate) fn remove(&mut self, filter: &TopicFilter, key: K) -> bool {
        let Some(list) = self.find(filter) else {
            return false;
        };
        match self.lists[list.index()].remove(key) {
            Removed::Nothing => return false,
            Removed::OneOfMany => {}
            Removed::TheLast => {
                self.lists.remove(list.index());
                self.displace(filter);
            }
        }
        self.subscriptions -= 1;
        true
    }

    /// Appends the subscriptions whose filter matches `topic`, always in the same order.
    pub(crate) fn matches(&self, topic: &TopicName, found: &mut Vec<(K, V)>) {
        let topic = topic.as_str();
        // The nodes that the topic reaches with its levels up to here stand at the end, those of each level together.
        let mut reached = Vec::with_capacity(REACHED_USUALLY);
        reached.push(self.root);
        let mut level_start = 0;
        // Wildcards in front do not match topics that start with `$`. [MQTT-4.7.2-1]
        let mut wildcards = !topic.starts_with('$');
        for level in topic.split('/') {
            let level_end = reached.len();
            if level_start == level_end {
                break;
            }
            let number = self.numbers.find(level);
            for index in level_start..level_end {
                let id = reached[index];
                let node = &self.nodes[id.index()];
                if wildcards {
                    if let Some(list) = node.below {
                        self.append(list, found);
                    }
                    reached.extend(node.single);
                }
                if node.named > 0
                    && let Some(number) = number
                {
                    reached.extend(self.edges.get(&(id, number)));
                }
            }
            level_start = level_end;
            wildcards = true;
        }
        if let Some(&list) = self.exact.get(topic) {
            self.append(list, found);
        }
        for id in &reached[level_start..] {
            let node = &self.nodes[id.index()];
            // `#` stands for its parent, too.
            for list in [node.below, node.here].into_iter().flatten() {
                self.append(list, found);
            }
        }
    }

    fn append(&self, list: Id, found: &mut Vec<(K, V)>) {
        match &self.lists[list.index()] {
            &List::One(key, value) => found.push((key, value)),
            List::Many(all) => found.extend(all.iter().map(|(&key, &value)| (key, value))),
        }
    }

    fn find(&self, filter: &TopicFilter) -> Option<Id> {
        if !has_wildcards(filter) {
            return self.exact.get(without_share(filter)).copied();
        }
        let mut node = self.root;
        for level in filter.levels() {
            if level == MULTI_LEVEL {
                return self.nodes[node.index()].below;
            }
            node = self.child(node, level)?;
        }
        self.nodes[node.index()].here
    }

    fn place(&mut self, filter: &TopicFilter, list: Id) {
        if !has_wildcards(filter) {
            self.exact.insert(Exact(filter.clone()), list);
            return;
        }
        let mut node = self.root;
        for level in filter.levels() {
            if level == MULTI_LEVEL {
                self.nodes[node.index()].below = Some(list);
                return;
            }
            node = match self.child(node, level) {
                Some(child) => child,
                None => self.add_child(node, level),
            };
        }
        self.nodes[node.index()].here = Some(list);
    }

    /// Forgets where the list of a filter was that had one.
    fn displace(&mut self, filter: &TopicFilter) {
        if !has_wildcards(filter) {
            self.exact.remove(without_share(filter));
            return;
        }
        let mut node = self.root;
        let mut path = Vec::new();
        let mut levels = filter.levels();
        let slot = loop {
            match levels.next() {
                None => break &mut self.nodes[node.index()].here,
                Some(MULTI_LEVEL) => break &mut self.nodes[node.index()].below,
                Some(level) => {
                    let Some(child) = self.child(node, level) else {
                        return;
                    };
                    path.push((node, level));
                    node = child;
                }
            }
        };
        *slot = None;
        while let Some((parent, level)) = path.pop() {
            if !self.nodes[node.index()].is_empty() {
                break;
            }
            self.nodes.remove(node.index());
            self.remove_edge(parent, level);
            node = parent;
        }
    }

    fn child(&self, node: Id, level: &str) -> Option<Id> {
        if level == SINGLE_LEVEL {
            return self.nodes[node.index()].single;
        }
        let number = self.numbers.find(level)?;
        self.edges.get(&(node, number)).copied()
    }

    fn add_child(&mut self, node: Id, level: &str) -> Id {
        let child = Id::new(self.nodes.insert(Node::default()));
        let parent = &mut self.nodes[node.index()];
        if level == SINGLE_LEVEL {
            parent.single = Some(child);
        } else {
            parent.named += 1;
            let number = self.numbers.take(level);
            self.edges.insert((node, number), child);
        }
        child
    }

    fn remove_edge(&mut self, parent: Id, level: &str) {
        let node = &mut self.nodes[parent.index()];
        if level == SINGLE_LEVEL {
            node.single = None;
        } else if let Some(number) = self.numbers.find(level) {
            node.named -= 1;
            self.edges.remove(&(parent, number));
            self.numbers.give_back(level);
        }
    }
}

/// Most topics reach no more nodes than this, so one allocation is enough for them.
const REACHED_USUALLY: usize = 32;

fn has_wildcards(filter: &TopicFilter) -> bool {
    // They stand in no share group.
    filter.as_str().contains(['+', '#'])
}

fn without_share(filter: &TopicFilter) -> &str {
    filter.share().map_or(filter.as_str(), |(_, shared)| shared)
}

impl Id {
    fn new(index: usize) -> Self {
        let number = u32::try_from(index).ok();
        let Some(id) = number.and_then(|number| NonZeroU32::MIN.checked_add(number)) else {
            unreachable!("memory for {index} places")
        };
        Self(id)
    }

    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl Borrow<str> for Exact {
    fn borrow(&self) -> &str {
        without_share(&self.0)
    }
}

impl Hash for Exact {
    fn hash<H: Hasher>(&self, state: &mut H) {
        without_share(&self.0).hash(state);
    }
}

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        without_share(&self.0) == without_share(&other.0)
    }
}

impl Eq for Exact {}

impl Node {
    const fn is_empty(&self) -> bool {
        self.single.is_none() && self.named == 0 && self.here.is_none() && self.below.is_none()
    }
}

/// What a list lost.
enum Removed {
    Nothing,
    OneOfMany,
    TheLast,
}

impl<K: Copy + Ord, V: Copy> List<K, V> {
    fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self {
            Self::One(only, former) if *only == key => Some(core::mem::replace(former, value)),
            &mut Self::One(other, former) => {
                *self = Self::Many(BTreeMap::from([(other, former), (key, value)]));
                None
            }
            Self::Many(all) => all.insert(key, value),
        }
    }

    fn remove(&mut self, key: K) -> Removed {
        match self {
            Self::One(only, _) if *only == key => Removed::TheLast,
            Self::One(..) => Removed::Nothing,
            Self::Many(all) => {
                if all.remove(&key).is_none() {
                    return Removed::Nothing;
                }
                if all.len() == 1
                    && let Some((only, value)) = all.pop_first()
                {
                    *self = Self::One(only, value);
                }
                Removed::OneOfMany
            }
        }
    }
}

impl Numbers {
    fn new() -> Self {
        Self {
            by_text: HashMap::default(),
            taken: Slab::new(),
        }
    }

    fn find(&self, text: &str) -> Option<u32> {
        self.by_text.get(text).map(|number| number.number)
    }

    /// The number of a level, for one more edge.
    fn take(&mut self, text: &str) -> u32 {
        if let Some(number) = self.by_text.get_mut(text) {
            number.edges += 1;
            return number.number;
        }
        let number = Id::new(self.taken.insert(())).0.get();
        self.by_text
            .insert(text.into(), Number { number, edges: 1 });
        number
    }

    /// One edge less has the level's number.
    fn give_back(&mut self, text: &str) {
        let Some(number) = self.by_text.get_mut(text) else {
            return;
        };
        number.edges -= 1;
        if number.edges == 0 {
            let number = number.number;
            self.taken.remove(number as usize - 1);
            self.by_text.remove(text);
        }
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
        tree.insert(&filter("a/#"), SessionId(1), PLAIN);
        tree.insert(&filter("a/#"), SessionId(2), PLAIN);
        assert!(tree.remove(&filter("a/#"), SessionId(1)));
        assert!(!tree.remove(&filter("a/#"), SessionId(1)));
        assert!(tree.remove(&filter("a/#"), SessionId(2)));
        for text in texts {
            assert!(tree.remove(&filter(text), SessionId(0)), "{text}");
        }
        assert_eq!((tree.len(), tree.lists.len()), (0, 0));
        assert_eq!((tree.nodes.len(), tree.numbers.taken.len()), (1, 0));
        assert!(tree.exact.is_empty() && tree.edges.is_empty() && tree.numbers.by_text.is_empty());
    }

    #[test]
    fn the_sessions_of_a_filter_come_in_their_order() {
        let mut tree = Tree::new();
        for text in ["a/b", "a/+", "a/#"] {
            for session in [7, 1, 4] {
                tree.insert(&filter(text), SessionId(session), PLAIN);
            }
        }
        let mut found = Vec::new();
        tree.matches(&TopicName::parse("a/b").unwrap(), &mut found);
        let found: Vec<usize> = found.iter().map(|(session, _)| session.0).collect();
        assert_eq!(found, [1, 4, 7].repeat(3));
    }

    #[test]
    fn the_members_of_a_share_are_found_by_what_they_share() {
        let mut tree = Tree::new();
        for (session, text) in ["$share/g/a/b", "$share/g/a/+", "$share/h/a/b"]
            .into_iter()
            .enumerate()
        {
            tree.insert(&filter(text), SessionId(session), PLAIN);
        }
        assert_eq!(sessions(&tree, "a/b"), [0, 1, 2]);
        assert!(tree.remove(&filter("$share/g/a/b"), SessionId(0)));
        assert_eq!(sessions(&tree, "a/b"), [1, 2]);
    }

    #[test]
    fn a_tree_that_changes_at_random_finds_what_the_filters_match_one_by_one() {
        let mut state = 1_u64;
        let mut below = |bound: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % bound
        };
        let mut tree = Tree::new();
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
                let removed = tree.remove(&filter(&key.0), SessionId(key.1));
                assert_eq!(removed, model.remove(&key).is_some());
            } else {
                let former = tree.insert(&filter(&key.0), SessionId(key.1), subscription);
                assert_eq!(former, model.insert(key, subscription));
            }
            assert_eq!(tree.len(), model.len());
            for topic in ["a", "a/b", "/", "$x/a", "b//a", "b/a/b/a"] {
                let name = TopicName::parse(topic).unwrap();
                let mut expected: Vec<_> = model
                    .iter()
                    .filter(|((text, _), _)| filter(text).matches(&name))
                    .map(|((_, session), subscription)| (*session, subscription.id))
                    .collect();
                let mut found = Vec::new();
                tree.matches(&name, &mut found);
                let mut found: Vec<_> =
                    found.iter().map(|(key, value)| (key.0, value.id)).collect();
                found.sort_unstable();
                expected.sort_unstable();
                assert_eq!(found, expected, "{topic}");
            }
        }
    }

    #[test]
    fn the_deepest_topic_needs_no_stack() {
        let deepest = "/".repeat(65_535);
        let mut tree = Tree::new();
        tree.insert(&filter(&deepest), SessionId(0), PLAIN);
        assert_eq!(sessions(&tree, &deepest), [0]);
        assert!(tree.remove(&filter(&deepest), SessionId(0)));
        let deepest_filter = format!("{}+", &deepest[1..]);
        tree.insert(&filter(&deepest_filter), SessionId(0), PLAIN);
        assert_eq!(sessions(&tree, &deepest[1..]), [0]);
        assert!(tree.remove(&filter(&deepest_filter), SessionId(0)));
    }
}
