//! Numbers in an order that the caller defines: one code for the maps of all types.

use core::cmp::Ordering;
use core::iter::{Chain, Copied, Flatten};

/// How many numbers a chunk has at most.
const CHUNK: usize = 256;

/// Distinct numbers, in an order that the caller knows. An empty list takes no memory, because most maps stay empty.
#[derive(Clone, Debug)]
pub(super) struct Order(Option<Box<Numbers>>);

#[derive(Clone, Debug, Default)]
struct Numbers {
    /// The first ones: all of them, as long as they are few.
    first: Vec<u32>,
    /// The others; none of these is empty.
    rest: Vec<Vec<u32>>,
    /// The removed numbers.
    free: Vec<u32>,
}

/// The place of a number, or where it would be: its chunk, counted from `first`, and its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    chunk: usize,
    index: usize,
}

impl Rank {
    /// That of the first one.
    pub(super) const FIRST: Self = Self { chunk: 0, index: 0 };
    /// That after the last one.
    pub(super) const LAST: Self = Self {
        chunk: usize::MAX,
        index: usize::MAX,
    };

    /// Behind the one that is here.
    pub(super) const fn next(self) -> Self {
        Self {
            chunk: self.chunk,
            index: self.index + 1,
        }
    }
}

/// The numbers, in order.
pub(super) type IntoIter = Chain<std::vec::IntoIter<u32>, Flatten<std::vec::IntoIter<Vec<u32>>>>;

impl Order {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = u32> {
        let (first, rest) = match &self.0 {
            Some(numbers) => (&*numbers.first, &*numbers.rest),
            None => Default::default(),
        };
        let first: Copied<_> = first.iter().copied();
        first.chain(rest.iter().flatten().copied())
    }

    /// The first number. A timer asks for it at each input, so it takes no iteration.
    pub(super) fn first(&self) -> Option<u32> {
        self.0
            .as_ref()?
            .first
            .first()
            .copied()
            .or_else(|| self.iter().next())
    }

    pub(super) fn into_iter(self) -> IntoIter {
        let numbers = self.0.map_or_else(Numbers::default, |numbers| *numbers);
        let rest = numbers.rest.into_iter().flatten();
        numbers.first.into_iter().chain(rest)
    }

    /// The number of removed numbers that are not in use again.
    pub(super) fn free(&self) -> usize {
        self.0.as_ref().map_or(0, |numbers| numbers.free.len())
    }

    /// A removed number.
    pub(super) fn pop_free(&mut self) -> Option<u32> {
        self.0.as_mut()?.free.pop()
    }

    /// See [`Numbers::find`].
    pub(super) fn find(&self, compare: &dyn Fn(u32) -> Ordering) -> Result<(Rank, u32), Rank> {
        match &self.0 {
            Some(numbers) => numbers.find(compare),
            None => Err(Rank::FIRST),
        }
    }

    /// Inserts a number at a rank of [`Self::find`].
    pub(super) fn insert(&mut self, rank: Rank, number: u32) {
        self.0.get_or_insert_default().insert(rank, number);
    }

    /// Removes the number at a rank. Returns whether it was the last: then none is free either.
    pub(super) fn remove(&mut self, rank: Rank) -> bool {
        self.0.as_mut().is_none_or(|numbers| numbers.remove(rank))
    }

    /// Those from one rank up to another.
    pub(super) fn between(&self, start: Rank, end: Rank) -> impl Iterator<Item = u32> {
        let numbers = self.0.as_deref();
        numbers
            .into_iter()
            .flat_map(move |numbers| numbers.between(start, end))
    }
}

impl Numbers {
    /// The rank of the searched number and the number, or the rank that it would have. `compare` compares a number
    /// with it.
    fn find(&self, compare: &dyn Fn(u32) -> Ordering) -> Result<(Rank, u32), Rank> {
        let begins_before = |chunk: &Vec<u32>| compare(chunk[0]) != Ordering::Greater;
        let chunk = self.rest.partition_point(begins_before);
        let numbers = self.chunk(chunk);
        let index = match numbers.last() {
            // Most new numbers go to the end.
            Some(last) if chunk == self.rest.len() && compare(*last) == Ordering::Less => {
                Err(numbers.len())
            }
            _ => numbers.binary_search_by(|number| compare(*number)),
        };
        match index {
            Ok(index) => Ok((Rank { chunk, index }, numbers[index])),
            Err(index) => Err(Rank { chunk, index }),
        }
    }

    fn insert(&mut self, rank: Rank, number: u32) {
        let Rank {
            mut chunk,
            mut index,
        } = rank;
        if self.chunk(chunk).len() == CHUNK {
            // Numbers that come in order fill whole chunks.
            let is_last = chunk == self.rest.len() && index == CHUNK;
            let kept = if is_last { CHUNK } else { CHUNK / 2 };
            let upper = self.chunk_mut(chunk).split_off(kept);
            self.rest.insert(chunk, upper);
            if index >= kept {
                chunk += 1;
                index -= kept;
            }
        }
        self.chunk_mut(chunk).insert(index, number);
    }

    fn remove(&mut self, rank: Rank) -> bool {
        let numbers = self.chunk_mut(rank.chunk);
        let number = numbers.remove(rank.index);
        if numbers.len() < CHUNK / 4 && !self.rest.is_empty() {
            self.join(rank.chunk);
        }
        let is_last = self.first.is_empty() && self.rest.is_empty();
        if is_last {
            self.free.clear();
        } else {
            self.free.push(number);
        }
        is_last
    }

    fn between(&self, start: Rank, end: Rank) -> impl Iterator<Item = u32> {
        (start.chunk..=end.chunk.min(self.rest.len())).flat_map(move |chunk| {
            let numbers = self.chunk(chunk);
            let from = if chunk == start.chunk { start.index } else { 0 };
            let to = if chunk == end.chunk {
                end.index
            } else {
                usize::MAX
            };
            let within = numbers.get(from..to.min(numbers.len()));
            within.unwrap_or_default().iter().copied()
        })
    }

    /// Joins a chunk of few with a neighbour if there is room in one for both, as there always is for none.
    fn join(&mut self, chunk: usize) {
        let lower = chunk.min(self.rest.len() - 1);
        if self.chunk(lower).len() + self.rest[lower].len() <= CHUNK {
            let mut upper = self.rest.remove(lower);
            self.chunk_mut(lower).append(&mut upper);
        }
    }

    fn chunk(&self, number: usize) -> &Vec<u32> {
        match number.checked_sub(1) {
            None => &self.first,
            Some(index) => &self.rest[index],
        }
    }

    fn chunk_mut(&mut self, number: usize) -> &mut Vec<u32> {
        match number.checked_sub(1) {
            None => &mut self.first,
            Some(index) => &mut self.rest[index],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With any insertions and removals, each moves at most one chunk, and there are not many more chunks than needed.
    #[test]
    fn the_chunks_have_a_bounded_size_and_number() {
        let count = 40 * CHUNK as u32;
        let falling = (0..count).rev();
        let shuffled = (0..count).map(|key| key * 7919 % count);
        for mut numbers in [falling.collect(), shuffled.collect::<Vec<_>>()] {
            let mut order = Order::new();
            for number in &numbers {
                let rank = order.find(&|other| other.cmp(number)).unwrap_err();
                order.insert(rank, *number);
                let numbers = order.0.as_ref().unwrap();
                assert!(numbers.first.len() <= CHUNK);
                let mut rest = numbers.rest.iter();
                assert!(rest.all(|it| (1..=CHUNK).contains(&it.len())));
            }
            assert!(order.iter().eq(0..count));
            assert!(order.0.as_ref().unwrap().rest.len() < count as usize / CHUNK * 4);
            numbers.reverse();
            for (number, left) in numbers.iter().zip((0..count as usize).rev()) {
                let (rank, _) = order.find(&|other| other.cmp(number)).unwrap();
                order.remove(rank);
                let chunks = order.0.as_ref().map_or(0, |numbers| numbers.rest.len());
                assert!(chunks <= 4 + left * 8 / CHUNK, "{left}");
            }
            assert_eq!((order.iter().count(), order.free()), (0, 0));
        }
    }
}
