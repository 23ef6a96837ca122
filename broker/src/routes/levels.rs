//! The texts between the slashes, as numbers.

use core::hash::BuildHasher;
use std::collections::HashMap;

use crate::hash::FixedState;
use crate::slab::Slab;

/// A level of a topic or filter, at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// The number of its text.
    pub(super) number: u32,
    /// The hash of number and place. Those of all levels add up to that of the filter, so that whoever needs the hash
    /// of some of the levels need not hash again.
    pub(super) hash: u64,
}

impl Level {
    /// A level whose text stands in no filter: its number is that of none.
    pub(super) const UNKNOWN: Self = Self { number: 0, hash: 0 };

    pub(super) fn new(number: u32, place: u32) -> Self {
        Self {
            number,
            hash: FixedState.hash_one((number, place)),
        }
    }
}

/// The text of every level that filters name (its bytes, which is what topics are split by), once, under a number from 1 for as long as one of them uses it.
#[derive(Debug)]
pub(super) struct Numbers {
    by_text: HashMap<Box<[u8]>, Number, FixedState>,
    taken: Slab<()>,
}

#[derive(Clone, Copy, Debug)]
struct Number {
    number: u32,
    uses: u32,
}

impl Numbers {
    pub(super) fn new() -> Self {
        Self {
            by_text: HashMap::default(),
            taken: Slab::new(),
        }
    }

    /// The number of a text, if a filter uses it.
    pub(super) fn get(&self, text: &[u8]) -> Option<u32> {
        self.by_text.get(text).map(|number| number.number)
    }

    /// The number of a text, for one more use.
    pub(super) fn take(&mut self, text: &[u8]) -> u32 {
        if let Some(number) = self.by_text.get_mut(text) {
            number.uses += 1;
            return number.number;
        }
        let index = self.taken.insert(());
        let Ok(number) = u32::try_from(index + 1) else {
            unreachable!("memory for {index} texts")
        };
        self.by_text.insert(text.into(), Number { number, uses: 1 });
        number
    }

    /// One use less has the number of a text.
    pub(super) fn give_back(&mut self, text: &[u8]) {
        let Some(number) = self.by_text.get_mut(text) else {
            return;
        };
        number.uses -= 1;
        if number.uses == 0 {
            let number = number.number;
            self.taken.remove(number as usize - 1);
            self.by_text.remove(text);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_text.is_empty() && self.taken.len() == 0
    }
}
