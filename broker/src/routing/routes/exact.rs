//! Filters without wildcards.

use core::borrow::Borrow;
use core::hash::{Hash, Hasher};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{List, Removed};
use crate::util::hash::SeededState;
use crate::{TopicFilter, TopicName};

/// The subscriptions to filters without wildcards, by the filters' whole text.
#[derive(Debug)]
pub(super) struct Exact<K, V>(HashMap<Text, List<K, V>, SeededState>);

/// By the text that a topic must equal, without `$share/group/`.
#[derive(Debug)]
struct Text(TopicFilter);

impl<K: Copy + Ord, V: Copy> Exact<K, V> {
    pub(super) fn new(state: SeededState) -> Self {
        Self(HashMap::with_hasher(state))
    }

    pub(super) fn insert(&mut self, filter: &TopicFilter, key: K, value: V) -> Option<V> {
        match self.0.entry(Text(filter.clone())) {
            Entry::Occupied(mut list) => list.get_mut().insert(key, value),
            Entry::Vacant(place) => {
                place.insert(List::One(key, value));
                None
            }
        }
    }

    pub(super) fn get(&self, filter: &TopicFilter) -> Option<&List<K, V>> {
        self.0.get(filter.without_share())
    }

    pub(super) fn remove(&mut self, filter: &TopicFilter, key: K) -> bool {
        let Some(list) = self.0.get_mut(filter.without_share()) else {
            return false;
        };
        match list.remove(key) {
            Removed::Nothing => return false,
            Removed::OneOfMany => {}
            Removed::TheLast => {
                self.0.remove(filter.without_share());
            }
        }
        true
    }

    pub(super) fn matches(&self, topic: &TopicName, found: &mut Vec<(K, V)>) {
        if let Some(list) = self.0.get(topic.as_str()) {
            list.append_to(found);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.0.without_share()
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.without_share().hash(state);
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0.without_share() == other.0.without_share()
    }
}

impl Eq for Text {}
