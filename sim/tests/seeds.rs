//! The worlds of many seeds.

use sim::Tally;

const SEEDS: u64 = 300;

#[test]
fn all_is_well_in_every_world_and_nothing_goes_untested() {
    let mut tally = Tally::default();
    for seed in 0..SEEDS {
        match sim::run(seed) {
            Ok(counts) => tally.add(&counts),
            Err(failure) => panic!("\n{failure}\n"),
        }
    }
    for (name, count) in tally.counts() {
        assert!(count > 0, "{SEEDS} worlds without {name}:\n{tally}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..5 {
        let (first, _) = sim::replay(seed);
        let (second, _) = sim::replay(seed);
        assert!(first.len() > 100, "seed {seed}: {} lines", first.len());
        for (line, (first, second)) in first.iter().zip(&second).enumerate() {
            assert_eq!(first, second, "line {line} of seed {seed}");
        }
        assert_eq!(first.len(), second.len());
    }
}

#[test]
fn another_seed_gives_another_trace() {
    let (first, _) = sim::replay(0);
    let (second, _) = sim::replay(1);
    assert_ne!(first, second);
}
