//! Runs seeds, or replays one.

use std::process::ExitCode;

const USAGE: &str = "\
Usage:
  sim --seed S [--trace]     runs one seed, and prints its trace
  sim --seeds N [--from S]   runs N seeds, from S or 0 on";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Task::parse(&arguments) {
        Some(Task::One { seed, trace }) => one(seed, trace),
        Some(Task::Many { from, count }) => many(from, count),
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

enum Task {
    One { seed: u64, trace: bool },
    Many { from: u64, count: u64 },
}

impl Task {
    fn parse(arguments: &[String]) -> Option<Self> {
        let (mut seed, mut count, mut from, mut trace) = (None, None, None, false);
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next()?.parse::<u64>().ok();
            match argument.as_str() {
                "--seed" => seed = Some(number()?),
                "--seeds" => count = Some(number()?),
                "--from" => from = Some(number()?),
                "--trace" => trace = true,
                _ => return None,
            }
        }
        match (seed, count) {
            (Some(seed), None) if from.is_none() => Some(Self::One { seed, trace }),
            (None, Some(count)) if !trace => Some(Self::Many {
                from: from.unwrap_or(0),
                count,
            }),
            _ => None,
        }
    }
}

fn one(seed: u64, trace: bool) -> ExitCode {
    let outcome = if trace {
        let (lines, outcome) = sim::replay(seed);
        for line in lines {
            println!("{line}");
        }
        outcome
    } else {
        sim::run(seed)
    };
    match outcome {
        Ok(tally) => {
            print!("{tally}");
            println!("seed {seed}: all is well");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn many(from: u64, count: u64) -> ExitCode {
    let mut tally = sim::Tally::default();
    for seed in from..from.saturating_add(count) {
        match sim::run(seed) {
            Ok(counts) => tally.add(&counts),
            Err(failure) => {
                eprintln!("\n{failure}");
                return ExitCode::FAILURE;
            }
        }
        let done = seed - from + 1;
        if done.is_multiple_of(10) || done == count {
            eprint!("\r{done} of {count} seeds");
        }
    }
    eprintln!();
    print!("{tally}");
    ExitCode::SUCCESS
}
