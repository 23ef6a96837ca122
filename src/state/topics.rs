//! The topics that messages came on, as a tree.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use tabmq_worker::api::Message;

/// Nodes that are kept; messages on further topics are counted.
const NODES_MAX: usize = 50_000;

/// Every topic that this page has received a message on, with its last one.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    nodes: Vec<Node>,
    /// Nodes of the first level, by name.
    roots: BTreeMap<Rc<str>, NodeId>,
    topics: usize,
    retained: usize,
    left_out: u64,
}

/// A node's number; it is kept for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(usize);

/// One level of a topic name below the levels before it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: Rc<str>,
    parent: Option<NodeId>,
    children: BTreeMap<Rc<str>, NodeId>,
    is_open: bool,
    /// Messages on this topic and all below.
    pub(crate) messages: u64,
    /// Topics with messages below this one.
    pub(crate) topics_below: usize,
    /// The last message on exactly this topic.
    pub(crate) last: Option<Rc<Message>>,
    /// The topic's retained message, as far as this page was told.
    pub(crate) retained: Option<Rc<Message>>,
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
        write!(f, "{}", self.0)
    }
}

impl Topics {
    pub(crate) fn push(&mut self, message: &Rc<Message>) {
        let Some(id) = self.find_or_add(&message.topic) else {
            self.left_out += 1;
            return;
        };
        let node = &mut self.nodes[id.0];
        let is_new = node.last.replace(Rc::clone(message)).is_none();
        if message.retain {
            let had = node.retained.is_some();
            node.retained = (!message.payload.is_empty()).then(|| Rc::clone(message));
            let has = node.retained.is_some();
            self.retained = self.retained + usize::from(has) - usize::from(had);
        }
        let mut above = Some(id);
        while let Some(id) = above {
            let node = &mut self.nodes[id.0];
            node.messages += 1;
            above = node.parent;
            if is_new && let Some(parent) = above {
                self.nodes[parent.0].topics_below += 1;
            }
        }
        self.topics += usize::from(is_new);
    }

    fn find_or_add(&mut self, topic: &str) -> Option<NodeId> {
        let mut parent = None;
        for name in topic.split('/') {
            let siblings = match parent {
                None => &self.roots,
                Some(NodeId(parent)) => &self.nodes[parent].children,
            };
            let id = match siblings.get(name) {
                Some(id) => *id,
                None => self.add(parent, name)?,
            };
            parent = Some(id);
        }
        parent
    }

    fn add(&mut self, parent: Option<NodeId>, name: &str) -> Option<NodeId> {
        if self.nodes.len() >= NODES_MAX {
            return None;
        }
        let name: Rc<str> = name.into();
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node {
            name: Rc::clone(&name),
            parent,
            children: BTreeMap::new(),
            // A newcomer sees the first levels at once.
            is_open: parent.is_none(),
            messages: 0,
            topics_below: 0,
            last: None,
            retained: None,
        });
        let siblings = match parent {
            None => &mut self.roots,
            Some(NodeId(parent)) => &mut self.nodes[parent].children,
        };
        siblings.insert(name, id);
        Some(id)
    }

    pub(crate) fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    /// The node of exactly this topic.
    #[cfg(test)]
    pub(crate) fn find(&self, topic: &str) -> Option<NodeId> {
        let mut found = None;
        for name in topic.split('/') {
            let siblings = match found {
                None => &self.roots,
                Some(NodeId(parent)) => &self.nodes[parent].children,
            };
            found = Some(*siblings.get(name)?);
        }
        found
    }

    /// The topic name, or its beginning, that a node stands for.
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

    /// Shows or hides what is below a node.
    pub(crate) fn set_open(&mut self, id: NodeId, is_open: bool) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.is_open = is_open;
        }
    }

    /// Shows or hides what is below every node.
    pub(crate) fn set_all_open(&mut self, is_open: bool) {
        for node in &mut self.nodes {
            node.is_open = is_open;
        }
    }

    /// The rows that are open, from the top.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        self.rows_of(&self.roots, 1, &mut rows);
        rows
    }

    fn rows_of(&self, siblings: &BTreeMap<Rc<str>, NodeId>, level: usize, rows: &mut Vec<Row>) {
        for (place, id) in siblings.values().enumerate() {
            let Some(node) = self.get(*id) else { continue };
            rows.push(Row {
                node: *id,
                level,
                place: (place + 1, siblings.len()),
                is_open: (!node.children.is_empty()).then_some(node.is_open),
            });
            if node.is_open {
                self.rows_of(&node.children, level + 1, rows);
            }
        }
    }

    /// The topics whose name has this text, given in lower case, in order of their first message.
    pub(crate) fn found(&self, lower_case: &str) -> Vec<Row> {
        let with_messages = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, it)| it.last.is_some());
        let ids = with_messages.map(|(place, _)| NodeId(place));
        let found: Vec<_> = ids
            .filter(|id| self.path(*id).to_lowercase().contains(lower_case))
            .collect();
        let row = |(place, node): (usize, &NodeId)| Row {
            node: *node,
            level: 1,
            place: (place + 1, found.len()),
            is_open: None,
        };
        found.iter().enumerate().map(row).collect()
    }

    /// Topics that a message came on.
    pub(crate) fn topics(&self) -> usize {
        self.topics
    }

    /// Topics with a retained message.
    pub(crate) fn retained(&self) -> usize {
        self.retained
    }

    /// Messages on topics for which there was no room.
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
    fn a_retained_message_stays_until_an_empty_one_takes_it_away() {
        let mut topics = Topics::default();
        topics.push(&retained("a", b"1"));
        topics.push(&message("a", b"2"));
        let a = topics.find("a").unwrap();
        let value = |topics: &Topics| topics.get(a).unwrap().retained.clone();
        assert_eq!(value(&topics).unwrap().payload, b"1");
        assert_eq!(topics.retained(), 1);
        topics.push(&retained("a", b""));
        assert_eq!((value(&topics), topics.retained()), (None, 0));
        topics.push(&retained("a", b""));
        assert_eq!(topics.retained(), 0);
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
