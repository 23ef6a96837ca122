//! A hash that is the same in every run and on every machine.

use core::hash::{BuildHasher, Hasher};

/// Makes hash maps as predictable as the engine is, and the digests that tell messages from each other. The order of a map must
/// still reach no output, and somebody who chooses the keys can make them collide: the limits on what a client may keep here bound
/// the cost of that.
#[derive(Clone, Copy, Debug, Default)]
pub struct FixedState;

impl BuildHasher for FixedState {
    type Hasher = FixedHasher;

    fn build_hasher(&self) -> FixedHasher {
        FixedHasher(0)
    }
}

/// A multiplication for each eight bytes: the keys are short, and looked up for every message.
#[derive(Clone, Copy, Debug)]
pub struct FixedHasher(u64);

/// 2^64 divided by the golden ratio: odd, and without a pattern.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

impl FixedHasher {
    const fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(MULTIPLIER);
    }
}

impl Hasher for FixedHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for &word in words {
            self.add(u64::from_le_bytes(word));
        }
        // The two halves may overlap. That loses nothing, because the length is added.
        let rest = if let (Some(&first), Some(&last)) = (rest.first_chunk(), rest.last_chunk()) {
            u64::from(u32::from_le_bytes(first)) | (u64::from(u32::from_le_bytes(last)) << 32)
        } else {
            rest.iter()
                .fold(0, |word, &byte| (word << 8) | u64::from(byte))
        };
        self.add(rest ^ ((bytes.len() as u64) << 56));
    }

    fn write_u8(&mut self, number: u8) {
        self.0 ^= u64::from(number);
    }

    fn write_u32(&mut self, number: u32) {
        self.add(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }

    fn finish(&self) -> u64 {
        // A table takes its place from the low bits, and a product mixes its high bits best.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn texts_that_differ_little_have_different_hashes() {
        let mut texts: Vec<String> = (0..100_000).map(|n| format!("site/{n}/state")).collect();
        texts.extend((0..64).map(|n| "a".repeat(n)));
        texts.extend((0..64).map(|n| "\0".repeat(n + 1)));
        let hashes: BTreeSet<u64> = texts.iter().map(|text| FixedState.hash_one(text)).collect();
        assert_eq!(hashes.len(), texts.len());
    }

    #[test]
    fn small_numbers_spread_over_a_small_table() {
        let mut used = BTreeSet::new();
        for a in 0..32_u32 {
            for b in 0..32_u32 {
                used.insert(FixedState.hash_one((a, b)) % 1_024);
            }
        }
        // Random hashes would use 1 - 1/e of the places.
        assert!(used.len() > 600, "{}", used.len());
    }
}
