//! Runs the worlds of many seeds: fixed ones, and some that depend on the commit.

use std::env;
use std::io::Write;
use std::ops::Range;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sim::{Scenario, Tally};

/// The seeds that every commit runs.
const FIXED: Range<u64> = 0..2_000;

/// Number of further seeds for each commit.
const OF_COMMIT: u64 = 1_000;

/// Name of the environment variable with the hash of the commit. `cargo xtask test` sets it.
const COMMIT: &str = "TABMQ_COMMIT";

/// The seeds of a commit begin at the number that the first twelve hexadecimal digits of its hash make.
fn seeds_of(commit: &str) -> Option<Range<u64>> {
    let digits = commit.get(..12)?;
    let is_hash = commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    let first = u64::from_str_radix(digits, 16).ok().filter(|_| is_hash)?;
    Some(first..first + OF_COMMIT)
}

/// The hash of the tested commit, from the environment variable or the repository.
fn commit() -> Option<String> {
    if let Ok(commit) = env::var(COMMIT) {
        return Some(commit);
    }
    let mut git = Command::new("git");
    git.args(["rev-parse", "HEAD"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = git.output().ok().filter(|it| it.status.success())?;
    let commit = String::from_utf8(output.stdout).ok()?;
    Some(commit.trim().to_owned())
}

/// Prints the line even if the test passes. The test harness would hide the output of `println!`.
fn report(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[test]
fn the_hash_of_a_commit_determines_its_seeds() {
    let hash = "00000000001f2c3d4e5f60718293a4b5c6d7e8f9";
    assert_eq!(seeds_of(hash), Some(31..1_031));
    assert_eq!(seeds_of("00000000001"), None);
    assert_eq!(seeds_of("00000000001f-dirty"), None);
}

#[test]
fn no_world_has_a_violation_and_each_count_is_positive() {
    let mut seeds: Vec<u64> = FIXED.collect();
    report(&format!("seeds {FIXED:?}"));
    match commit() {
        Some(commit) => {
            let of_commit = seeds_of(&commit)
                .unwrap_or_else(|| panic!("{COMMIT} is not the hash of a commit: {commit}"));
            report(&format!("seeds {of_commit:?}, of commit {commit}"));
            seeds.extend(of_commit);
        }
        None => report(&format!(
            "no seeds of a commit: neither {COMMIT} nor git provides its hash"
        )),
    }
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match sim::run(&Scenario::of(*seed)) {
                        Ok(counts) => tally.lock().unwrap().add(&counts),
                        Err(failure) => panic!("\n{failure}\n"),
                    }
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    for (name, count) in tally.counts() {
        assert!(count > 0, "{} worlds without {name}:\n{tally}", seeds.len());
    }
}

#[test]
fn earlier_failures_do_not_return() {
    let found = include_str!("regressions.txt");
    let mut scenarios = 0;
    for line in found.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let scenario = Scenario::parse(line).unwrap_or_else(|| panic!("not a scenario: {line}"));
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
