//! The levels of filters, as numbers.

use core::hash::{BuildHasher, Hash, Hasher};
use std::collections::HashMap;

use crate::util::hash::SeededState;
use slab::Slab;

/// A level of a topic or filter, at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// The number of its text.
    pub(super) number: u32,
    /// The hash of number and place. The hashes of all levels add up to that of the filter, so a subset needs no
    /// second hashing.
    pub(super) hash: u64,
}

impl Level {
    /// A level whose text is in no filter.
    pub(super) const UNKNOWN: Self = Self { number: 0, hash: 0 };

    pub(super) fn new(state: SeededState, number: u32, place: u32) -> Self {
        Self {
            number,
            hash: state.hash_one(u64::from(number) << 32 | u64::from(place)),
        }
    }
}

/// The text of every level that filters name, once, under a number from 1 for as long as one of them uses it.
///
/// Texts are bytes here, because that is how topics are split.
#[derive(Debug)]
pub(super) struct Numbers {
    short: HashMap<Short, Number, SeededState>,
    long: HashMap<Box<[u8]>, Number, SeededState>,
    taken: Slab<()>,
}

#[derive(Clone, Copy, Debug)]
struct Number {
    number: u32,
    uses: u32,
}

/// A text of at most 16 bytes, as nearly all are: compared without a loop, and without memory of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Short {
    /// Texts of one length differ in these. From 8 bytes on they are the first and the last 8, which may overlap.
    words: [u64; 2],
    length: u8,
}

impl Numbers {
    pub(super) fn new(state: SeededState) -> Self {
        Self {
            short: HashMap::with_hasher(state),
            long: HashMap::with_hasher(state),
            taken: Slab::new(),
        }
    }

    /// The number of a text, if a filter uses it.
    pub(super) fn get(&self, text: &[u8]) -> Option<u32> {
        let number = match Short::new(text) {
            Some(short) => self.short.get(&short),
            None => self.long.get(text),
        };
        number.map(|number| number.number)
    }

    /// The number of a text, for one more use.
    pub(super) fn take(&mut self, text: &[u8]) -> u32 {
        let short = Short::new(text);
        let known = match &short {
            Some(short) => self.short.get_mut(short),
            None => self.long.get_mut(text),
        };
        if let Some(number) = known {
            number.uses += 1;
            return number.number;
        }
        let index = self.taken.insert(());
        let Ok(number) = u32::try_from(index + 1) else {
            unreachable!("memory for {index} texts")
        };
        let first_use = Number { number, uses: 1 };
        match short {
            Some(short) => self.short.insert(short, first_use),
            None => self.long.insert(text.into(), first_use),
        };
        number
    }

    /// One use less has the number of a text.
    pub(super) fn give_back(&mut self, text: &[u8]) {
        let short = Short::new(text);
        let known = match &short {
            Some(short) => self.short.get_mut(short),
            None => self.long.get_mut(text),
        };
        let Some(number) = known else {
            return;
        };
        number.uses -= 1;
        if number.uses == 0 {
            self.taken.remove(number.number as usize - 1);
            match &short {
                Some(short) => self.short.remove(short),
                None => self.long.remove(text),
            };
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.short.is_empty() && self.long.is_empty() && self.taken.len() == 0
    }
}

impl Short {
    fn new(text: &[u8]) -> Option<Self> {
        let length = u8::try_from(text.len()).ok().filter(|&it| it <= 16)?;
        let words = if let (Some(&first), Some(&last)) = (text.first_chunk(), text.last_chunk()) {
            [u64::from_le_bytes(first), u64::from_le_bytes(last)]
        } else if let (Some(&first), Some(&last)) = (text.first_chunk(), text.last_chunk()) {
            let halves = [u32::from_le_bytes(first), u32::from_le_bytes(last)];
            halves.map(u64::from)
        } else {
            let word = text
                .iter()
                .fold(0, |word, &byte| (word << 8) | u64::from(byte));
            [word, 0]
        };
        Some(Self { words, length })
    }
}

impl Hash for Short {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [first, last] = self.words;
        state.write_u64(first);
        state.write_u64(last ^ (u64::from(self.length) << 40));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_have_different_numbers() {
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for length in 0..40 {
            let plain = vec![b'a'; length];
            for place in 0..length {
                let mut other = plain.clone();
                other[place] = b'b';
                texts.push(other);
            }
            texts.push(plain);
        }
        let mut numbers = Numbers::new(SeededState::new(&[0; 32]));
        for round in 0..2 {
            let taken: Vec<u32> = texts.iter().map(|text| numbers.take(text)).collect();
            assert!(taken.iter().copied().eq(1..=taken.len() as u32), "{round}");
        }
        for (text, number) in texts.iter().zip(1..) {
            assert_eq!(numbers.get(text), Some(number));
            numbers.give_back(text);
            assert_eq!(numbers.get(text), Some(number));
            numbers.give_back(text);
            assert_eq!(numbers.get(text), None);
        }
        assert!(numbers.is_empty());
    }
}
