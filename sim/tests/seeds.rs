//! The worlds of many seeds.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use sim::{Scenario, Tally};

const SEEDS: u64 = 2_000;

#[test]
fn all_is_well_in_every_world_and_nothing_goes_untested() {
    let next = AtomicU64::new(0);
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS {
                        break;
                    }
                    match sim::run(&Scenario::of(seed)) {
                        Ok(counts) => tally.lock().unwrap().add(&counts),
                        Err(failure) => panic!("\n{failure}\n"),
                    }
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    for (name, count) in tally.counts() {
        assert!(count > 0, "{SEEDS} worlds without {name}:\n{tally}");
    }
}

#[test]
fn what_went_wrong_once_goes_right() {
    let found = include_str!("regressions.txt");
    let mut scenarios = 0;
    for line in found.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let scenario = Scenario::parse(line).unwrap_or_else(|| panic!("no scenario: {line}"));
        if let Err(failure) = sim::run(&scenario) {
            panic!("\n{failure}\n");
        }
        scenarios += 1;
    }
    assert!(scenarios > 0);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..5 {
        let (first, _) = sim::replay(&Scenario::of(seed));
        let (second, _) = sim::replay(&Scenario::of(seed));
        assert!(first.len() > 100, "seed {seed}: {} lines", first.len());
        for (line, (first, second)) in first.iter().zip(&second).enumerate() {
            assert_eq!(first, second, "line {line} of seed {seed}");
        }
        assert_eq!(first.len(), second.len());
    }
}

#[test]
fn another_seed_gives_another_trace() {
    let (first, _) = sim::replay(&Scenario::of(0));
    let (second, _) = sim::replay(&Scenario::of(1));
    assert_ne!(first, second);
}
