//! Filters with wildcards.

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::levels::{Level, Numbers};
use super::{List, Removed};
use crate::topic::{MULTI_LEVEL, SINGLE_LEVEL};
use crate::util::hash::SeededState;
use crate::util::sorted::Map;
use crate::{TopicFilter, TopicName};
use slab::Slab;

/// The subscriptions to filters with wildcards, in a table for each *shape*, which is where the wildcards stand.
///
/// A topic leaves out the levels for which a shape has wildcards and looks the others up. So it costs one look-up for
/// each shape in use that has no more levels than the topic, however many filters there are. The worst are 2 to the
/// power of the topic's levels plus one, when a filter of every shape is there; as many nodes a tree of levels would
/// have to visit.
///
/// The data that a topic reads stays small and in the processor's cache: a filter is one number for each of its names.
#[derive(Debug)]
pub(super) struct Wildcards<K, V> {
    /// By how many levels their filters have, `#` not counted.
    depths: Map<usize, Depth<K, V>>,
    numbers: Numbers,
    state: SeededState,
    /// How many shapes are in use.
    shapes: usize,
}

/// The shapes of filters with equally many levels.
#[derive(Debug)]
struct Depth<K, V> {
    /// Shapes of filters without `#`.
    here: Map<Named, Shape<K, V>>,
    /// Shapes of filters that end with `#`.
    below: Map<Named, Shape<K, V>>,
}

/// The places of the levels that are no wildcards, in their order.
type Named = Box<[u32]>;

/// All filters of a shape. Each has a row.
#[derive(Debug)]
struct Shape<K, V> {
    /// The rows by the hash of their levels.
    rows: HashTable<u32>,
    /// The numbers of the rows' named levels, one row after the other.
    numbers: Vec<u32>,
    /// The subscriptions, by row.
    lists: Slab<List<K, V>>,
}

/// Where a filter with wildcards belongs, and the texts of its named levels.
struct Parts<'a> {
    depth: usize,
    below: bool,
    named: Named,
    texts: Vec<&'a [u8]>,
}

/// A row with the hash of a topic's levels: it matches, unless two hashes look alike.
struct Candidate<'a, K, V> {
    named: &'a [u32],
    shape: &'a Shape<K, V>,
    row: u32,
}

/// Between the levels of a topic; no part of any other character in UTF-8.
const SEPARATOR: u8 = b'/';

/// Most topics have no more levels than this, and no more candidates, so the stack has room for them.
const LEVELS_USUALLY: usize = 16;
const CANDIDATES_USUALLY: usize = 8;

impl<K: Copy + Ord, V: Copy> Wildcards<K, V> {
    pub(super) fn new(state: SeededState) -> Self {
        Self {
            depths: Map::new(),
            numbers: Numbers::new(state),
            state,
            shapes: 0,
        }
    }

    /// How many shapes are in use.
    pub(super) fn shapes(&self) -> usize {
        self.shapes
    }

    /// Whether the shape of a filter is in use.
    pub(super) fn has_shape(&self, filter: &TopicFilter) -> bool {
        let parts = Parts::of(filter);
        self.shape(&parts).is_some()
    }

    fn shape(&self, parts: &Parts<'_>) -> Option<&Shape<K, V>> {
        let depth = self.depths.get(&parts.depth)?;
        let shapes = if parts.below {
            &depth.below
        } else {
            &depth.here
        };
        shapes.get(&parts.named)
    }

    pub(super) fn insert(&mut self, filter: &TopicFilter, key: K, value: V) -> Option<V> {
        let parts = Parts::of(filter);
        let depth = self.depths.get_or_insert_with(parts.depth, Depth::new);
        let shapes = depth.shapes(parts.below);
        let count = &mut self.shapes;
        let shape = shapes.get_or_insert_with(parts.named.clone(), || {
            *count += 1;
            Shape::new()
        });
        let known = parts
            .levels(&self.numbers, self.state)
            .and_then(|levels| shape.find(&levels));
        if let Some(row) = known {
            return shape.lists[row as usize].insert(key, value);
        }
        let levels: Vec<Level> = core::iter::zip(&parts.texts, &parts.named)
            .map(|(text, &place)| Level::new(self.state, self.numbers.take(text), place))
            .collect();
        shape.add(self.state, &parts.named, &levels, List::One(key, value));
        None
    }

    pub(super) fn get(&self, filter: &TopicFilter) -> Option<&List<K, V>> {
        let parts = Parts::of(filter);
        let shape = self.shape(&parts)?;
        let row = shape.find(&parts.levels(&self.numbers, self.state)?)?;
        Some(&shape.lists[row as usize])
    }

    pub(super) fn remove(&mut self, filter: &TopicFilter, key: K) -> bool {
        let parts = Parts::of(filter);
        let Some(levels) = parts.levels(&self.numbers, self.state) else {
            return false;
        };
        let Some(depth) = self.depths.get_mut(&parts.depth) else {
            return false;
        };
        let shapes = depth.shapes(parts.below);
        let Some(shape) = shapes.get_mut(&parts.named) else {
            return false;
        };
        let Some(row) = shape.find(&levels) else {
            return false;
        };
        match shape.lists[row as usize].remove(key) {
            Removed::Nothing => return false,
            Removed::OneOfMany => return true,
            Removed::TheLast => shape.remove(&levels),
        }
        for text in parts.texts {
            self.numbers.give_back(text);
        }
        if shape.lists.is_empty() {
            shapes.remove(&parts.named);
            self.shapes -= 1;
            if depth.is_empty() {
                self.depths.remove(&parts.depth);
            }
        }
        true
    }

    pub(super) fn matches<'a>(&'a self, topic: &TopicName, found: &mut Vec<(K, V)>) {
        let Some((&deepest, _)) = self.depths.last_key_value() else {
            return;
        };
        let topic = topic.as_str().as_bytes();
        let mut count = 0_usize;
        let mut levels: SmallVec<[Level; LEVELS_USUALLY]> = SmallVec::new();
        for (text, place) in topic.split(|&byte| byte == SEPARATOR).zip(0..) {
            // No filter names a level below its own last one.
            if count < deepest {
                levels.push(match self.numbers.get(text) {
                    Some(number) => Level::new(self.state, number, place),
                    None => Level::UNKNOWN,
                });
            }
            count += 1;
        }
        // Wildcards in front do not match topics that start with `$`. [MQTT-4.7.2-1]
        let named_in_front = topic.first() == Some(&b'$');
        // All candidates are looked up before the first is read. The processor then fetches them in parallel, and a
        // match mostly waits for memory.
        let mut candidates: SmallVec<[Candidate<'_, K, V>; CANDIDATES_USUALLY]> = SmallVec::new();
        let mut look_up = |shapes: &'a Map<Named, Shape<K, V>>| {
            for (named, shape) in shapes.iter_unordered() {
                if !named_in_front || named.first() == Some(&0) {
                    let hash = sum(named.iter().map(|&place| levels[place as usize]));
                    let rows = shape.rows.iter_hash(hash);
                    candidates.extend(rows.map(|&row| Candidate { named, shape, row }));
                }
            }
        };
        let depths = self.depths.iter();
        for (&depth, shapes) in depths.take_while(|&(depth, _)| *depth <= count) {
            // `#` stands for its parent, too.
            look_up(&shapes.below);
            if depth == count {
                look_up(&shapes.here);
            }
        }
        for Candidate { named, shape, row } in candidates {
            let levels = named.iter().map(|&place| levels[place as usize]);
            if shape.is_row(row, levels) {
                shape.lists[row as usize].append_to(found);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.depths.is_empty() && self.numbers.is_empty()
    }
}

impl<K, V> Depth<K, V> {
    const fn new() -> Self {
        Self {
            here: Map::new(),
            below: Map::new(),
        }
    }

    const fn shapes(&mut self, below: bool) -> &mut Map<Named, Shape<K, V>> {
        if below {
            &mut self.below
        } else {
            &mut self.here
        }
    }

    fn is_empty(&self) -> bool {
        self.here.is_empty() && self.below.is_empty()
    }
}

impl<K: Copy + Ord, V: Copy> Shape<K, V> {
    const fn new() -> Self {
        Self {
            rows: HashTable::new(),
            numbers: Vec::new(),
            lists: Slab::new(),
        }
    }

    /// The row of a filter with these named levels.
    fn find(&self, levels: &[Level]) -> Option<u32> {
        let rows = &self.rows;
        rows.find(sum(levels.iter().copied()), |&row| {
            self.is_row(row, levels.iter().copied())
        })
        .copied()
    }

    fn is_row(&self, row: u32, levels: impl ExactSizeIterator<Item = Level>) -> bool {
        let numbers = row_of(&self.numbers, row, levels.len());
        core::iter::zip(numbers, levels).all(|(&number, level)| number == level.number)
    }

    fn add(&mut self, state: SeededState, named: &[u32], levels: &[Level], list: List<K, V>) {
        let index = self.lists.insert(list);
        let Ok(row) = u32::try_from(index) else {
            unreachable!("memory for {index} filters")
        };
        let start = index * levels.len();
        self.numbers
            .resize(self.numbers.len().max(start + levels.len()), 0);
        for (number, level) in self.numbers[start..].iter_mut().zip(levels) {
            *number = level.number;
        }
        self.rows
            .insert_unique(sum(levels.iter().copied()), row, |&row| {
                let numbers = row_of(&self.numbers, row, named.len());
                let levels = core::iter::zip(numbers, named);
                sum(levels.map(|(&number, &place)| Level::new(state, number, place)))
            });
    }

    fn remove(&mut self, levels: &[Level]) {
        let row = self.find(levels);
        if let Ok(entry) = self
            .rows
            .find_entry(sum(levels.iter().copied()), |&other| Some(other) == row)
        {
            let (row, _) = entry.remove();
            self.lists.remove(row as usize);
        }
    }
}

fn row_of(numbers: &[u32], row: u32, width: usize) -> &[u32] {
    &numbers[row as usize * width..][..width]
}

/// The hash of a filter with these named levels.
fn sum(levels: impl Iterator<Item = Level>) -> u64 {
    levels.fold(0, |sum, level| sum.wrapping_add(level.hash))
}

impl<'a> Parts<'a> {
    fn of(filter: &'a TopicFilter) -> Self {
        let mut parts = Self {
            depth: 0,
            below: false,
            named: Box::default(),
            texts: Vec::new(),
        };
        let mut named = Vec::new();
        for (text, place) in filter.levels().zip(0..) {
            if text == MULTI_LEVEL {
                parts.below = true;
                break;
            }
            parts.depth += 1;
            if text != SINGLE_LEVEL {
                named.push(place);
                parts.texts.push(text.as_bytes());
            }
        }
        parts.named = named.into();
        parts
    }

    /// The named levels, if filters use them all.
    fn levels(&self, numbers: &Numbers, state: SeededState) -> Option<Vec<Level>> {
        core::iter::zip(&self.texts, &self.named)
            .map(|(text, &place)| Some(Level::new(state, numbers.get(text)?, place)))
            .collect()
    }
}
