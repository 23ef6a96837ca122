//! A map and a set with the interface of the standard library's, as chunked sorted lists.
//!
//! They exist for their size: a `BTreeMap` costs 4 kB of WebAssembly for each pair of types, and these cost a tenth.
//! Elements stay in place, and a sorted list of their places is the same code for all types. That list is in chunks,
//! so an insertion or removal moves at most one chunk, whatever keys a client chooses.

mod order;

use core::borrow::Borrow;
use core::cmp::Ordering;
use core::ops::{Bound, RangeBounds};

use self::order::{Order, Rank};

/// A map in the order of its keys.
#[derive(Clone, Debug)]
pub struct Map<K, V> {
    /// In no order. A removed entry leaves a free place for the next one.
    entries: Vec<Option<(K, V)>>,
    /// The places in `entries`, in the order of the keys.
    order: Order,
}

/// A set in the order of its elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set<K>(Map<K, ()>);

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Default for Set<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Map<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<K: Eq, V: Eq> Eq for Map<K, V> {}

impl<K, V> Map<K, V> {
    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            order: Order::new(),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() - self.order.free()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
    }

    /// All, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.order.iter().filter_map(|place| self.at(place))
    }

    /// All, in order, with mutable values.
    pub fn for_each_mut(&mut self, mut act: impl FnMut(&K, &mut V)) {
        for place in self.order.iter() {
            if let Some((key, value)) = &mut self.entries[place as usize] {
                act(key, value);
            }
        }
    }

    /// All, in no order, which takes less time.
    pub fn iter_unordered(&self) -> impl Iterator<Item = (&K, &V)> {
        let entries = self.entries.iter().flatten();
        entries.map(|(key, value)| (key, value))
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The values, in no order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().flatten().map(|(_, value)| value)
    }

    /// The values, in the order of their keys.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.into_iter().map(|(_, value)| value)
    }

    /// The first.
    #[must_use]
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.at(self.order.first()?)
    }

    /// The last.
    #[must_use]
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next_back()
    }

    fn at(&self, place: u32) -> Option<(&K, &V)> {
        let (key, value) = self.entries[place as usize].as_ref()?;
        Some((key, value))
    }

    fn at_mut(&mut self, place: u32) -> Option<&mut V> {
        let (_, value) = self.entries[place as usize].as_mut()?;
        Some(value)
    }

    /// Those from one rank up to another, in order.
    fn between(&self, start: Rank, end: Rank) -> impl Iterator<Item = (&K, &V)> {
        let places = self.order.between(start, end);
        places.filter_map(|place| self.at(place))
    }
}

impl<K: Ord, V> Map<K, V> {
    /// The rank of a key, and where its entry is; or the rank that it would have.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<(Rank, u32), Rank>
    where
        K: Borrow<Q>,
    {
        let compare = |place: u32| match &self.entries[place as usize] {
            Some((other, _)) => other.borrow().cmp(key),
            None => Ordering::Less,
        };
        self.order.find(&compare)
    }

    fn put(&mut self, rank: Rank, key: K, value: V) -> &mut V {
        let place = self.order.pop_free().unwrap_or_else(|| {
            self.entries.push(None);
            (self.entries.len() - 1) as u32
        });
        self.order.insert(rank, place);
        let (_, value) = self.entries[place as usize].insert((key, value));
        value
    }

    fn take(&mut self, rank: Rank, place: u32) -> Option<(K, V)> {
        let taken = self.entries[place as usize].take();
        if self.order.remove(rank) {
            self.entries.clear();
        }
        taken
    }

    /// Removes the first.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        let first = self.order.first()?;
        self.take(Rank::FIRST, first)
    }

    /// Keeps the entries that `keep` accepts, in order.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        for (key, mut value) in core::mem::take(self) {
            if keep(&key, &mut value) {
                self.insert(key, value);
            }
        }
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (_, place) = self.find(key).ok()?;
        self.at(place).map(|(_, value)| value)
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (_, place) = self.find(key).ok()?;
        self.at_mut(place)
    }

    /// Whether there is a value for a key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Inserts a value, and returns the one that it replaces.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok((_, place)) => {
                let former = self.at_mut(place)?;
                Some(core::mem::replace(former, value))
            }
            Err(rank) => {
                self.put(rank, key, value);
                None
            }
        }
    }

    /// Removes a value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (rank, place) = self.find(key).ok()?;
        self.take(rank, place).map(|(_, value)| value)
    }

    /// The value of a key, which `make` makes if there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        match self.find(&key) {
            Ok((_, place)) => {
                let entry = &mut self.entries[place as usize];
                &mut entry.get_or_insert_with(|| (key, make())).1
            }
            Err(rank) => self.put(rank, key, make()),
        }
    }

    /// Those whose keys are in a range, in order.
    pub fn range<Q: Ord + ?Sized>(
        &self,
        range: impl RangeBounds<Q>,
    ) -> impl Iterator<Item = (&K, &V)>
    where
        K: Borrow<Q>,
    {
        let start = self.start(range.start_bound());
        let end = match range.end_bound() {
            Bound::Included(key) => self.start(Bound::Excluded(key)),
            Bound::Excluded(key) => self.start(Bound::Included(key)),
            Bound::Unbounded => Rank::LAST,
        };
        self.between(start, end)
    }

    /// Those from a key on, in order.
    pub fn from<Q: Ord + ?Sized>(
        &self,
        start: Bound<&Q>,
    ) -> impl Iterator<Item = (&K, &V)> + use<'_, K, V, Q>
    where
        K: Borrow<Q>,
    {
        self.between(self.start(start), Rank::LAST)
    }

    fn start<Q: Ord + ?Sized>(&self, bound: Bound<&Q>) -> Rank
    where
        K: Borrow<Q>,
    {
        match bound {
            Bound::Included(key) => self.find(key).map_or_else(|rank| rank, |(rank, _)| rank),
            Bound::Excluded(key) => self
                .find(key)
                .map_or_else(|rank| rank, |(rank, _)| rank.next()),
            Bound::Unbounded => Rank::FIRST,
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
        let mut map = Self::new();
        map.extend(items);
        map
    }
}

impl<K: Ord, V> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, items: I) {
        for (key, value) in items {
            self.insert(key, value);
        }
    }
}

/// The entries of a map, in order.
#[derive(Debug)]
pub struct IntoIter<K, V> {
    entries: Vec<Option<(K, V)>>,
    order: order::IntoIter,
}

impl<K, V> Iterator for IntoIter<K, V> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        let place = self.order.next()?;
        self.entries[place as usize].take()
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = IntoIter<K, V>;

    fn into_iter(self) -> IntoIter<K, V> {
        IntoIter {
            entries: self.entries,
            order: self.order.into_iter(),
        }
    }
}

impl<K> Set<K> {
    /// An empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Map::new())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// All, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.0.keys()
    }

    /// The first.
    #[must_use]
    pub fn first(&self) -> Option<&K> {
        self.0.first_key_value().map(|(key, ())| key)
    }
}

impl<K: Ord> Set<K> {
    /// Keeps the elements that `keep` accepts.
    pub fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        self.0.retain(|key, ()| keep(key));
    }

    /// Removes the first.
    pub fn pop_first(&mut self) -> Option<K> {
        self.0.pop_first().map(|(key, ())| key)
    }

    /// Whether it is there.
    pub fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains_key(key)
    }

    /// Inserts an element. Returns whether it is new.
    pub fn insert(&mut self, key: K) -> bool {
        self.0.insert(key, ()).is_none()
    }

    /// Removes an element. Returns whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.remove(key).is_some()
    }
}

impl<K: Ord> FromIterator<K> for Set<K> {
    fn from_iter<I: IntoIterator<Item = K>>(items: I) -> Self {
        Self(items.into_iter().map(|key| (key, ())).collect())
    }
}

impl<K: Ord> Extend<K> for Set<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, items: I) {
        self.0.extend(items.into_iter().map(|key| (key, ())));
    }
}

impl<K> IntoIterator for Set<K> {
    type Item = K;
    type IntoIter = core::iter::Map<<Map<K, ()> as IntoIterator>::IntoIter, fn((K, ())) -> K>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().map(|(key, ())| key)
    }
}

/// Sorts a list by a key; elements of one key keep their order. Each sort of the standard library takes six kilobytes of
/// WebAssembly.
pub fn sort_by_key<T: Copy, K: Ord>(list: &mut Vec<T>, key: impl Fn(&T) -> K) {
    // Most lists are.
    if list.is_sorted_by_key(&key) {
        return;
    }
    let mut sorted = Vec::with_capacity(list.len());
    let mut width = 1;
    while width < list.len() {
        for runs in list.chunks(2 * width) {
            let (mut first, mut second) = runs.split_at(width.min(runs.len()));
            while let (Some(a), Some(b)) = (first.first(), second.first()) {
                let run = if key(b) < key(a) {
                    &mut second
                } else {
                    &mut first
                };
                if let Some((next, rest)) = run.split_first() {
                    sorted.push(*next);
                    *run = rest;
                }
            }
            sorted.extend_from_slice(first);
            sorted.extend_from_slice(second);
        }
        core::mem::swap(list, &mut sorted);
        sorted.clear();
        width *= 2;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_sorted_list_keeps_the_order_of_what_is_equal() {
        for count in [0, 1, 2, 3, 7, 100, 1_000] {
            let mut list: Vec<(usize, usize)> = (0..count).map(|n| (n * 7919 % 13, n)).collect();
            let mut expected = list.clone();
            expected.sort_by_key(|(key, _)| *key);
            sort_by_key(&mut list, |(key, _)| *key);
            assert_eq!(list, expected);
        }
    }

    #[test]
    fn the_map_equals_a_btree_map() {
        compare_with_a_btree_map(50, 5_000);
    }

    #[test]
    fn the_map_equals_a_btree_map_with_many_chunks() {
        compare_with_a_btree_map(5_000, 20_000);
    }

    /// Applies the same operations to a map and to a tree, and compares them.
    fn compare_with_a_btree_map(keys: u64, rounds: u64) {
        let mut state = 1_u64;
        let mut dice = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        let (mut map, mut tree) = (Map::new(), BTreeMap::new());
        for round in 0..rounds {
            let key = dice(keys);
            match dice(5) {
                0 | 1 => assert_eq!(map.insert(key, round), tree.insert(key, round)),
                2 => assert_eq!(map.remove(&key), tree.remove(&key)),
                3 => {
                    *map.get_or_insert_with(key, || 7) += 1;
                    *tree.entry(key).or_insert(7) += 1;
                }
                _ if round % 40 == 0 => assert_eq!(map.pop_first(), tree.pop_first()),
                _ => {
                    let to = key + dice(keys / 3);
                    assert!(map.range(key..to).eq(tree.range(key..to)));
                    assert!(map.range(key..=to).eq(tree.range(key..=to)));
                    assert!(map.range(..key).eq(tree.range(..key)));
                    let open = (Bound::Excluded(key), Bound::Unbounded);
                    assert!(map.range(open).eq(tree.range(open)));
                }
            }
            assert_eq!(map.get(&key), tree.get(&key));
            assert_eq!(map.len(), tree.len());
            assert_eq!(map.last_key_value(), tree.last_key_value());
            assert!(round % keys > 50 || map.iter().eq(tree.iter()));
            assert!(round % keys > 50 || map.iter().rev().eq(tree.iter().rev()));
        }
        map.retain(|key, _| key % 2 == 0);
        tree.retain(|key, _| key % 2 == 0);
        assert!(map.into_iter().eq(tree));
    }

    #[test]
    fn a_set_has_each_element_once_and_in_order() {
        let mut set: Set<u32> = [3, 1, 2, 3].into_iter().collect();
        assert!(set.iter().eq(&[1, 2, 3]));
        assert!(!set.insert(2));
        assert!(set.remove(&2) && !set.remove(&2));
        assert!(!set.contains(&2));
        assert!(set.into_iter().eq([1, 3]));
    }
}
