//! A hash that depends on a secret seed.

use core::hash::{BuildHasher, Hasher};

/// Makes hash maps deterministic: with the same [`Config::seed`](crate::Config::seed) they are equal in every run and
/// on every machine. The order of a map must still reach no output. Clients choose the keys, so the seed is a secret:
/// without it, an attacker cannot find keys that collide.
#[derive(Clone, Copy, Debug)]
pub struct SeededState {
    start: u64,
    multiplier: u64,
}

impl SeededState {
    /// The state that follows from a secret.
    #[must_use]
    pub const fn new(seed: &[u8; 32]) -> Self {
        let [start, multiplier] = halves(seed);
        Self {
            start,
            // Odd, so that no bit is lost. A seed of zeros gives `MULTIPLIER`.
            multiplier: (multiplier ^ MULTIPLIER) | 1,
        }
    }
}

/// Two numbers of the first bytes of a seed.
const fn halves(seed: &[u8; 32]) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = *seed;
    [
        u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        u64::from_le_bytes([i, j, k, l, m, n, o, p]),
    ]
}

impl BuildHasher for SeededState {
    type Hasher = SeededHasher;

    fn build_hasher(&self) -> SeededHasher {
        SeededHasher {
            state: self.start,
            multiplier: self.multiplier,
        }
    }
}

/// Two multiplications for each eight bytes: the keys are short, and looked up for every message.
#[derive(Clone, Copy, Debug)]
pub struct SeededHasher {
    state: u64,
    multiplier: u64,
}

/// 2^64 divided by the golden ratio: odd, and without a pattern.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

impl SeededHasher {
    /// One multiplication keeps a difference in the highest bit as it is, so the next word could cancel it. The
    /// product is therefore folded and multiplied again.
    const fn add(&mut self, word: u64) {
        let product = (self.state.rotate_left(23) ^ word).wrapping_mul(self.multiplier);
        self.state = (product ^ (product >> 32)).wrapping_mul(self.multiplier);
    }
}

impl Hasher for SeededHasher {
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
        self.state ^= u64::from(number);
    }

    fn write_u16(&mut self, number: u16) {
        self.add(number.into());
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
        // A table uses the low bits, and a product mixes its high bits best.
        self.state ^ (self.state >> 32)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const STATE: SeededState = SeededState::new(&[0; 32]);

    #[test]
    fn similar_texts_have_different_hashes() {
        let mut texts: Vec<String> = (0..100_000).map(|n| format!("site/{n}/state")).collect();
        texts.extend((0..64).map(|n| "a".repeat(n)));
        texts.extend((0..64).map(|n| "\0".repeat(n + 1)));
        for seed in [[0; 32], [7; 32], [255; 32]] {
            let state = SeededState::new(&seed);
            let hashes: BTreeSet<u64> = texts.iter().map(|text| state.hash_one(text)).collect();
            assert_eq!(hashes.len(), texts.len());
        }
    }

    #[test]
    fn small_numbers_spread_over_a_small_table() {
        let mut used = BTreeSet::new();
        for a in 0..32_u32 {
            for b in 0..32_u32 {
                used.insert(STATE.hash_one((a, b)) % 1_024);
            }
        }
        // Random hashes would use 1 - 1/e of the places.
        assert!(used.len() > 600, "{}", used.len());
    }

    /// Topics that collided in every run, as long as there was no seed.
    #[test]
    fn keys_that_collide_under_one_seed_do_not_under_another() {
        let mut seed = [0; 32];
        let count = 30_000_u64;
        let words = |first: u64| {
            // With this start and multiplier, the second word takes back what the first one did.
            let mut hasher = STATE.build_hasher();
            hasher.write_u64(first);
            [first, hasher.state.rotate_left(23)]
        };
        let hashes = |state: SeededState| -> BTreeSet<u64> {
            (0..count)
                .map(|n| {
                    let mut hasher = state.build_hasher();
                    words(n).into_iter().for_each(|word| hasher.write_u64(word));
                    hasher.finish()
                })
                .collect()
        };
        assert_eq!(hashes(SeededState::new(&seed)).len(), 1);
        seed[3] = 1;
        assert!(hashes(SeededState::new(&seed)).len() > count as usize * 99 / 100);
        seed = [0; 32];
        seed[9] = 1;
        assert!(hashes(SeededState::new(&seed)).len() > count as usize * 99 / 100);
    }
}
