//! The tree of topics with received messages.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use tabmq_worker::api::Message;

use super::natural_order::natural;
use super::search_query::fold;

/// Nodes that are kept. Messages on further topics are only counted.
pub(crate) const NODES_MAX: usize = 50_000;

/// Every topic that this page has received a message on, with its last one.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    nodes: Vec<Option<Node>>,
    /// Free places in `nodes`, and how often each place was used.
    free: Vec<usize>,
    generations: Vec<u32>,
    roots: Children,
    topics: usize,
    left_out: u64,
}

/// A node's id, which is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId {
    place: usize,
    generation: u32,
}

/// The children of a node.
#[derive(Debug, Default)]
struct Children {
    by_name: BTreeMap<Rc<str>, NodeId>,
    /// In natural order: see [`natural`].
    in_order: Vec<NodeId>,
}

/// One level of a topic name below the levels before it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: Rc<str>,
    parent: Option<NodeId>,
    children: Children,
    is_open: bool,
    /// Messages on this topic and all below. Those before its retained message was cleared do not count.
    pub(crate) messages: u64,
    /// Topics with messages below this one.
    pub(crate) topics_below: usize,
    /// The last message on exactly this topic.
    pub(crate) last: Option<Rc<Message>>,
}

/// A row of the tree as it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) node: NodeId,
    /// 1 for the first level.
    pub(crate) level: usize,
    /// Its place among its siblings, from 1, and their number.
    pub(crate) place: (usize, usize),
    /// Whether its children are drawn; `None` if it has none.
    pub(crate) is_open: Option<bool>,
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.place, self.generation)
    }
}

impl Topics {
    pub(crate) fn push(&mut self, message: &Rc<Message>) {
        // The message deletes the retained message, and leaves nothing on the topic.
        if message.retain && message.payload.is_empty() {
            return self.remove(&message.topic);
        }
        let Some(id) = self.find_or_add(&message.topic) else {
            self.left_out += 1;
            return;
        };
        let Some(node) = self.node(id) else { return };
        let is_new = node.last.replace(Rc::clone(message)).is_none();
        let mut above = Some(id);
        while let Some(node) = above.and_then(|id| self.node(id)) {
            node.messages += 1;
            above = node.parent;
            if is_new && let Some(parent) = above.and_then(|id| self.node(id)) {
                parent.topics_below += 1;
            }
        }
        self.topics += usize::from(is_new);
    }

    /// Removes a topic without a retained message if its last message was empty, which deleted the retained one.
    pub(crate) fn forget_if_empty(&mut self, topic: &str) {
        let node = self.find(topic).and_then(|id| self.get(id));
        let last = node.and_then(|it| it.last.as_ref());
        if last.is_some_and(|it| it.payload.is_empty()) {
            self.remove(topic);
        }
    }

    /// Removes all topics.
    pub(crate) fn clear(&mut self) {
        let places = 0..self.nodes.len();
        for place in places {
            if self.nodes[place].take().is_some() {
                self.generations[place] += 1;
                self.free.push(place);
            }
        }
        self.roots = Children::default();
        (self.topics, self.left_out) = (0, 0);
    }

    /// Removes a topic with its messages, and every level above it that has no other topics. The numbers of a level remain the
    /// sums of its rows.
    fn remove(&mut self, topic: &str) {
        let Some(id) = self.find(topic) else { return };
        let Some(node) = self.get(id) else { return };
        let children = node.children.in_order.iter();
        let below = children
            .filter_map(|id| self.get(*id))
            .map(|it| it.messages);
        let own = node.messages - below.sum::<u64>();
        let Some(node) = self.node(id) else { return };
        if node.last.take().is_none() {
            return;
        }
        node.messages -= own;
        let mut above = node.parent;
        self.topics -= 1;
        while let Some(parent) = above.and_then(|id| self.node(id)) {
            parent.topics_below -= 1;
            parent.messages -= own;
            above = parent.parent;
        }
        let mut next = Some(id);
        while let Some(id) = next {
            let is_needed = |it: &Node| it.last.is_some() || it.topics_below > 0;
            let Some(node) = self.get(id).filter(|it| !is_needed(it)) else {
                return;
            };
            let (name, parent) = (Rc::clone(&node.name), node.parent);
            if let Some(siblings) = self.children_of(parent) {
                siblings.by_name.remove(&name);
                siblings.in_order.retain(|it| *it != id);
            }
            self.nodes[id.place] = None;
            self.generations[id.place] += 1;
            self.free.push(id.place);
            next = parent;
        }
    }

    fn find_or_add(&mut self, topic: &str) -> Option<NodeId> {
        let mut parent = None;
        for name in topic.split('/') {
            let id = match self.child(parent, name) {
                Some(id) => id,
                None => self.add(parent, name)?,
            };
            parent = Some(id);
        }
        parent
    }

    fn add(&mut self, parent: Option<NodeId>, name: &str) -> Option<NodeId> {
        let place = match self.free.pop() {
            Some(place) => place,
            None if self.nodes.len() >= NODES_MAX => return None,
            None => {
                self.nodes.push(None);
                self.generations.push(0);
                self.nodes.len() - 1
            }
        };
        let id = NodeId {
            place,
            generation: self.generations[place],
        };
        let name: Rc<str> = name.into();
        self.nodes[place] = Some(Node {
            name: Rc::clone(&name),
            parent,
            children: Children::default(),
            // The first levels are open at first.
            is_open: parent.is_none(),
            messages: 0,
            topics_below: 0,
            last: None,
        });
        let siblings = self.siblings(parent)?;
        let before = siblings.in_order.partition_point(|it| {
            let sibling = self.get(*it);
            sibling.is_some_and(|it| natural(&it.name, &name).is_lt())
        });
        let siblings = self.children_of(parent)?;
        siblings.in_order.insert(before, id);
        siblings.by_name.insert(name, id);
        Some(id)
    }

    fn siblings(&self, parent: Option<NodeId>) -> Option<&Children> {
        match parent {
            None => Some(&self.roots),
            Some(parent) => self.get(parent).map(|it| &it.children),
        }
    }

    fn children_of(&mut self, parent: Option<NodeId>) -> Option<&mut Children> {
        match parent {
            None => Some(&mut self.roots),
            Some(parent) => self.node(parent).map(|it| &mut it.children),
        }
    }

    fn child(&self, parent: Option<NodeId>, name: &str) -> Option<NodeId> {
        self.siblings(parent)?.by_name.get(name).copied()
    }

    fn is_current(&self, id: NodeId) -> bool {
        self.generations.get(id.place) == Some(&id.generation)
    }

    fn node(&mut self, id: NodeId) -> Option<&mut Node> {
        let is_current = self.is_current(id);
        let node = self.nodes.get_mut(id.place).filter(|_| is_current)?;
        node.as_mut()
    }

    pub(crate) fn get(&self, id: NodeId) -> Option<&Node> {
        let node = self.nodes.get(id.place)?.as_ref();
        node.filter(|_| self.is_current(id))
    }

    /// The node of this exact topic.
    pub(crate) fn find(&self, topic: &str) -> Option<NodeId> {
        let mut found = None;
        for name in topic.split('/') {
            found = Some(self.child(found, name)?);
        }
        found
    }

    /// The topic name of a node, or the prefix of topic names.
    pub(crate) fn path(&self, id: NodeId) -> String {
        let mut names = Vec::new();
        let mut above = Some(id);
        while let Some(node) = above.and_then(|id| self.get(id)) {
            names.push(&*node.name);
            above = node.parent;
        }
        names.reverse();
        names.join("/")
    }

    pub(crate) fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.get(id)?.parent
    }

    /// Shows or hides the children of a node.
    pub(crate) fn set_open(&mut self, id: NodeId, is_open: bool) {
        if let Some(node) = self.node(id) {
            node.is_open = is_open;
        }
    }

    /// Shows or hides the children of all nodes.
    pub(crate) fn set_all_open(&mut self, is_open: bool) {
        for node in self.nodes.iter_mut().flatten() {
            node.is_open = is_open;
        }
    }

    /// The visible rows, from the top.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        self.rows_of(&self.roots, 1, &mut rows);
        rows
    }

    fn rows_of(&self, siblings: &Children, level: usize, rows: &mut Vec<Row>) {
        let siblings = &siblings.in_order;
        for (place, id) in siblings.iter().enumerate() {
            let Some(node) = self.get(*id) else { continue };
            rows.push(Row {
                node: *id,
                level,
                place: (place + 1, siblings.len()),
                is_open: (!node.children.in_order.is_empty()).then_some(node.is_open),
            });
            if node.is_open {
                self.rows_of(&node.children, level + 1, rows);
            }
        }
    }

    /// The topics whose full names contain all these words, ignoring case, in the order of the tree.
    pub(crate) fn found(&self, text: &str) -> Vec<Row> {
        let text = fold(text).into_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut found = Vec::new();
        self.found_below(&self.roots, "", &words, &mut found);
        let row = |(place, node): (usize, &NodeId)| Row {
            node: *node,
            level: 1,
            place: (place + 1, found.len()),
            is_open: None,
        };
        found.iter().enumerate().map(row).collect()
    }

    fn found_below(
        &self,
        siblings: &Children,
        above: &str,
        words: &[&str],
        found: &mut Vec<NodeId>,
    ) {
        for id in &siblings.in_order {
            let Some(node) = self.get(*id) else { continue };
            let path = format!("{above}{}", node.name);
            let folded = fold(&path);
            if node.last.is_some() && words.iter().all(|it| folded.contains(it)) {
                found.push(*id);
            }
            self.found_below(&node.children, &format!("{path}/"), words, found);
        }
    }

    /// Number of topics with messages.
    pub(crate) fn topics(&self) -> usize {
        self.topics
    }

    /// Messages on topics that did not fit.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::tests::message;
    use super::*;

    fn topics(names: &[&str]) -> Topics {
        let mut topics = Topics::default();
        for name in names {
            topics.push(&message(name, b"x"));
        }
        topics
    }

    fn retained(topic: &str, payload: &[u8]) -> Rc<Message> {
        let mut message = (*message(topic, payload)).clone();
        message.retain = true;
        Rc::new(message)
    }

    fn drawn(topics: &Topics) -> Vec<(String, usize)> {
        let rows = topics.rows().into_iter();
        rows.map(|row| (topics.path(row.node), row.level)).collect()
    }

    fn names(topics: &Topics) -> Vec<String> {
        drawn(topics).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn levels_are_counted_with_what_is_below_and_ordered_by_name() {
        let mut topics = topics(&["b/y", "b/x", "a", "b/x", "b"]);
        let b = topics.find("b").unwrap();
        let node = topics.get(b).unwrap();
        assert_eq!((node.messages, node.topics_below), (4, 2));
        assert_eq!(topics.topics(), 4);
        let open = [("a", 1), ("b", 1), ("b/x", 2), ("b/y", 2)];
        assert_eq!(
            drawn(&topics),
            open.map(|(path, level)| (path.to_owned(), level))
        );
        topics.set_open(b, false);
        assert_eq!(drawn(&topics).len(), 2);
        assert_eq!(topics.rows()[1].place, (2, 2));
    }

    #[test]
    fn names_are_in_natural_order() {
        assert_eq!(
            names(&topics(&["10", "2", "1", "x"])),
            ["1", "2", "10", "x"]
        );
    }

    #[test]
    fn empty_levels_are_levels() {
        let topics = topics(&["/a", "/", "a//b"]);
        for name in ["/a", "/", "a//b"] {
            let id = topics.find(name).unwrap();
            assert_eq!(topics.path(id), name);
            assert!(topics.get(id).unwrap().last.is_some());
        }
        assert_eq!(topics.find("b"), None);
    }

    #[test]
    fn a_topic_whose_retained_message_is_deleted_leaves_the_tree() {
        let mut topics = topics(&["a/b/c", "a/d"]);
        let gone = topics.find("a/b/c").unwrap();
        topics.push(&retained("a/b/c", b""));
        topics.push(&retained("never/there", b""));
        assert_eq!(names(&topics), ["a", "a/d"]);
        let a = topics.get(topics.find("a").unwrap()).unwrap();
        assert_eq!((a.messages, a.topics_below, topics.topics()), (1, 1, 1));
        // Another topic can reuse its place, but not its id.
        topics.push(&message("x/y/z", b"1"));
        assert!(topics.get(gone).is_none());
        // A topic with topics below it stays as their parent.
        topics.push(&message("a", b"1"));
        topics.push(&retained("a", b""));
        assert_eq!(names(&topics), ["a", "a/d", "x", "x/y"]);
    }

    #[test]
    fn an_empty_message_that_is_not_retained_deletes_nothing_unless_the_broker_says_so() {
        let mut topics = topics(&["a"]);
        topics.forget_if_empty("a");
        topics.push(&message("a", b""));
        assert_eq!(names(&topics), ["a"]);
        topics.forget_if_empty("a");
        assert_eq!(names(&topics), [] as [&str; 0]);
    }

    #[test]
    fn a_search_looks_at_whole_names_in_the_order_of_the_tree() {
        let topics = topics(&["Home/10/lamp", "Home/2/lamp", "garden/lamp"]);
        let found = |text: &str| -> Vec<String> {
            let rows = topics.found(text).into_iter();
            rows.map(|row| topics.path(row.node)).collect()
        };
        assert_eq!(found("home lamp"), ["Home/2/lamp", "Home/10/lamp"]);
        assert_eq!(found("2/LA"), ["Home/2/lamp"]);
    }

    #[test]
    fn a_cleared_tree_begins_anew() {
        let mut topics = topics(&["a/b", "c"]);
        let before = topics.find("c").unwrap();
        topics.clear();
        assert_eq!((topics.topics(), topics.rows().len()), (0, 0));
        topics.push(&message("c", b"1"));
        assert!(topics.get(before).is_none());
        assert_eq!(names(&topics), ["c"]);
    }

    #[test]
    fn more_topics_than_there_is_room_for_are_counted() {
        let mut topics = Topics::default();
        for number in 0..NODES_MAX + 3 {
            topics.push(&message(&number.to_string(), b""));
        }
        assert_eq!((topics.topics(), topics.left_out()), (NODES_MAX, 3));
        topics.push(&message("0", b""));
        assert_eq!(topics.left_out(), 3);
    }
}
