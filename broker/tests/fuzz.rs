//! A bounded run of the fuzz targets on the stable toolchain, with their corpus and seeded random inputs. Their checks are
//! in `fuzz/src`; `cargo +nightly fuzz run` searches further.

#![expect(
    clippy::unwrap_used,
    reason = "clippy exempts the tests, but not what they share"
)]

#[expect(unreachable_pub, reason = "the fuzz targets reach it")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

#[path = "support/corpus.rs"]
mod corpus;

use corpus::corpus;

const RANDOM_PACKETS: usize = 40_000;
const RANDOM_SCRIPTS: usize = 4_000;
const RANDOM_LOGS: usize = 2_000;

#[test]
fn the_corpus_of_packets_breaks_no_invariant() {
    let corpus = corpus("packets");
    corpus
        .iter()
        .for_each(|bytes| targets::packets::check(bytes));
    let mut random = Random(1);
    for _ in 0..RANDOM_PACKETS {
        let mut bytes = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(3) {
            random.mutate(&mut bytes);
        }
        targets::packets::check(&bytes);
    }
}

#[test]
fn the_corpus_of_scripts_breaks_no_invariant() {
    let corpus = corpus("broker");
    corpus
        .iter()
        .for_each(|script| targets::script::check(script));
    let mut random = Random(2);
    for _ in 0..RANDOM_SCRIPTS / 2 {
        let mut script = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(8) {
            random.mutate(&mut script);
        }
        targets::script::check(&script);
    }
}

#[test]
fn random_scripts_break_no_invariant() {
    let mut random = Random(3);
    for _ in 0..RANDOM_SCRIPTS / 2 {
        let length = random.below(600);
        let script: Vec<u8> = (0..length).map(|_| random.byte()).collect();
        targets::script::check(&script);
    }
}

#[test]
fn the_corpus_of_logs_breaks_no_invariant_of_a_restored_broker() {
    let corpus = corpus("log");
    corpus.iter().for_each(|input| targets::log::check(input));
    let mut random = Random(4);
    for _ in 0..RANDOM_LOGS {
        let mut input = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(8) {
            random.mutate(&mut input);
        }
        targets::log::check(&input);
    }
}

/// Xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u8
    }

    fn below(&mut self, bound: usize) -> usize {
        let number = u32::from_be_bytes([0, self.byte(), self.byte(), self.byte()]);
        number as usize % bound
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        match self.below(5) {
            0 => bytes.insert(at, self.byte()),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            _ if at < bytes.len() => bytes[at] = self.byte(),
            _ => bytes.push(self.byte()),
        }
    }
}
