//! The matcher, for benchmarks.

use crate::routing::routes::Routes;
use crate::routing::subscription::Subscription;
use crate::util::hash::SeededState;
use crate::{QoS, SessionId, TopicFilter, TopicName};

/// Which subscriptions match a topic: the broker's own table of them, without a broker.
#[derive(Debug)]
pub struct Matcher {
    routes: Routes,
    found: Vec<(SessionId, Subscription)>,
}

impl Matcher {
    /// A matcher without subscriptions.
    #[must_use]
    pub fn new() -> Self {
        Self {
            routes: Routes::new(SeededState::new(&[0; 32])),
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
            catch_up: 0,
        };
        self.routes.insert(filter, SessionId(session), subscription);
    }

    /// The sessions of all subscriptions that match, each as often as it has some.
    pub fn matches(&mut self, topic: &TopicName) -> impl ExactSizeIterator<Item = usize> {
        self.found.clear();
        self.routes.matches(topic, &mut self.found);
        self.found.iter().map(|(session, _)| session.0)
    }
}

impl Default for Matcher {
    fn default() -> Self {
        Self::new()
    }
}
