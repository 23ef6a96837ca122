//! The topic filters of a session.

use std::collections::HashSet;

use crate::TopicFilter;
use crate::topic::{MULTI_LEVEL, SINGLE_LEVEL};
use crate::util::hash::SeededState;
use crate::util::sorted::{self, Map};

/// The topic filters of a session, and their wildcard patterns.
#[derive(Debug)]
pub(crate) struct Filters {
    all: HashSet<TopicFilter, SeededState>,
    /// The number of filters with each pattern.
    patterns: Map<Box<str>, u32>,
    /// The bytes of all filters.
    bytes: usize,
}

/// The approximate bytes of a subscription beside its topic filter.
const SUBSCRIPTION_BYTES: usize = 128;

/// The bytes of a subscription.
pub(crate) fn bytes(filter: &TopicFilter) -> usize {
    SUBSCRIPTION_BYTES + filter.as_str().len()
}

impl Filters {
    pub(crate) const fn new(state: SeededState) -> Self {
        Self {
            all: HashSet::with_hasher(state),
            patterns: Map::new(),
            bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The bytes of all subscriptions.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All filters, in the order of their texts.
    pub(crate) fn sorted(&self) -> Vec<&TopicFilter> {
        let mut filters = self.all.iter().collect();
        sorted::sort_by_key(&mut filters, |filter| *filter);
        filters
    }

    pub(crate) fn contains(&self, filter: &TopicFilter) -> bool {
        self.all.contains(filter)
    }

    /// Whether there are at most `max` patterns, that of `filter` included.
    pub(crate) fn has_pattern_within(&self, filter: &TopicFilter, max: usize) -> bool {
        self.patterns.len() < max
            || pattern(filter).is_none_or(|pattern| self.patterns.contains_key(&pattern))
    }

    /// Adds a filter. Returns whether it is new.
    pub(crate) fn insert(&mut self, filter: TopicFilter) -> bool {
        let pattern = pattern(&filter);
        let bytes = bytes(&filter);
        let is_new = self.all.insert(filter);
        if is_new {
            self.bytes += bytes;
        }
        if is_new && let Some(pattern) = pattern {
            *self.patterns.get_or_insert_with(pattern, || 0) += 1;
        }
        is_new
    }

    /// Removes a filter. Returns whether it was there.
    pub(crate) fn remove(&mut self, filter: &TopicFilter) -> bool {
        let was_there = self.all.remove(filter);
        if was_there {
            self.bytes -= bytes(filter);
        }
        if was_there
            && let Some(pattern) = pattern(filter)
            && let Some(count) = self.patterns.get_mut(&pattern)
        {
            *count -= 1;
            if *count == 0 {
                self.patterns.remove(&pattern);
            }
        }
        was_there
    }
}

/// The wildcard pattern of a filter: one character for each level. `None` if it has no wildcards.
fn pattern(filter: &TopicFilter) -> Option<Box<str>> {
    filter.has_wildcards().then(|| {
        let levels = filter.levels().map(|level| match level {
            SINGLE_LEVEL => '+',
            MULTI_LEVEL => '#',
            _ => '.',
        });
        levels.collect()
    })
}
