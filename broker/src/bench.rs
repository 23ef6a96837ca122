//! What is measured from outside, and of no use else.

use crate::session::SessionId;
use crate::tree::{Subscription, Tree};
use crate::{QoS, TopicFilter, TopicName};

/// Which subscriptions match a topic: the broker's own tree of them, without a broker.
#[derive(Debug)]
pub struct Matcher {
    tree: Tree,
    found: Vec<(SessionId, Subscription)>,
}

impl Matcher {
    /// A matcher without subscriptions.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tree: Tree::new(),
            found: Vec::new(),
        }
    }

    /// Adds a subscription of the session with this number.
    pub fn subscribe(&mut self, filter: &TopicFilter, session: usize) {
        let subscription = Subscription {
            qos: QoS::AtMostOnce,
            no_local: false,
            retain_as_published: false,
            id: None,
        };
        self.tree.insert(filter, SessionId(session), subscription);
    }

    /// The sessions of all subscriptions that match, each as often as it has some.
    pub fn matches(&mut self, topic: &TopicName) -> impl ExactSizeIterator<Item = usize> {
        self.found.clear();
        self.tree.matches(topic, &mut self.found);
        self.found.iter().map(|(session, _)| session.0)
    }
}

impl Default for Matcher {
    fn default() -> Self {
        Self::new()
    }
}
