use broker::bench::Matcher;
use broker::{TopicFilter, TopicName};

use crate::workload;

/// Matches topics against all filters of the workload.
#[derive(Debug)]
pub struct Matching {
    matcher: Matcher,
    topics: Vec<TopicName>,
    next: usize,
}

impl Matching {
    /// Subscribes to all filters, each in its own session.
    #[must_use]
    pub fn new() -> Self {
        let mut matcher = Matcher::new();
        for (session, filter) in workload::filters().iter().enumerate() {
            if let Ok(filter) = TopicFilter::parse(filter) {
                matcher.subscribe(&filter, session);
            }
        }
        let topics = workload::topics().filter_map(|topic| TopicName::parse(&topic).ok());
        Self {
            matcher,
            topics: topics.collect(),
            next: 0,
        }
    }

    /// Matches the next `count` topics; returns the number of matching subscriptions.
    pub fn run(&mut self, count: usize) -> usize {
        let mut found = 0;
        for _ in 0..count {
            found += self.matcher.matches(&self.topics[self.next]).len();
            self.next = (self.next + 1) % self.topics.len();
        }
        found
    }

    /// The numbers of the filters that match a topic, in the order of the workload.
    pub fn matching(&mut self, topic: &TopicName) -> Vec<usize> {
        let mut found: Vec<usize> = self.matcher.matches(topic).collect();
        found.sort_unstable();
        found
    }
}

impl Default for Matching {
    fn default() -> Self {
        Self::new()
    }
}
