//! The subscriptions of all sessions, shared ones included.

use crate::routing::routes::Routes;
use crate::routing::shared_subscriptions::SharedSubscriptions;
use crate::routing::subscription::Subscription;
use crate::util::hash::SeededState;
use crate::{SessionId, TopicFilter};

/// All subscriptions. A filter with `$share/` goes to the shared ones, every other filter to the routes.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    pub(crate) routes: Routes,
    pub(crate) shared: SharedSubscriptions,
    /// Empty; kept for its memory.
    pub(crate) matches: Vec<(SessionId, Subscription)>,
}

impl Subscriptions {
    pub(crate) fn new(state: SeededState) -> Self {
        Self {
            routes: Routes::new(state),
            shared: SharedSubscriptions::new(state),
            matches: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.routes.len() + self.shared.len()
    }

    /// The number of wildcard patterns with which each message is compared.
    pub(crate) fn patterns(&self) -> usize {
        self.routes.patterns() + self.shared.patterns()
    }

    /// Whether there are at most `max` wildcard patterns, that of `filter` included.
    pub(crate) fn has_pattern_within(&self, filter: &TopicFilter, max: usize) -> bool {
        self.patterns() < max
            || match filter.share() {
                Some(_) => self.shared.has_pattern(filter),
                None => self.routes.has_pattern(filter),
            }
    }

    /// The subscription of a session, by id and number, to a filter.
    pub(crate) fn get(
        &self,
        filter: &TopicFilter,
        id: SessionId,
        number: u64,
    ) -> Option<Subscription> {
        match filter.share() {
            Some(_) => self.shared.get(filter, number),
            None => self.routes.get(filter, id),
        }
    }

    /// Adds a subscription, or changes it.
    pub(crate) fn insert(
        &mut self,
        filter: &TopicFilter,
        id: SessionId,
        number: u64,
        subscription: Subscription,
    ) {
        if filter.share().is_some() {
            self.shared.insert(filter, id, number, subscription);
        } else {
            self.routes.insert(filter, id, subscription);
        }
    }

    pub(crate) fn remove(&mut self, filter: &TopicFilter, id: SessionId, number: u64) {
        if filter.share().is_some() {
            self.shared.remove(filter, number);
        } else {
            self.routes.remove(filter, id);
        }
    }
}
