//! Runs the worlds of many seeds, or replays one.
#![allow(
    clippy::disallowed_methods,
    reason = "worlds run in virtual time, but the progress display does not"
)]

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sim::{Failure, Scenario, Tally};

const USAGE: &str = "\
Usage: sim --seed SEED [--trace]             runs the world of one seed; --trace prints each of its events
       sim [--seeds NUMBER] [--from SEED]    runs this number of worlds, 2,000 by default
       sim --minutes NUMBER [--from SEED]    runs worlds for this number of minutes
Without --from, the first seed is random, and is printed. The first failure ends the run. This option changes that:
       --keep-going   runs all worlds, and lists each seed that fails
A failure prints the command that replays its world, and searches for a smaller world with the same violation:
       --no-shrink    omits the search
These options restrict a world. The command of a failure may contain them:
       --without FAULT,FAULT...   --tabs NUMBER   --chaos-ms NUMBER
This option adds a deliberate error, to test that the oracle notices it:
       --mutant NAME";

/// Number of worlds that the search for a smaller one may run.
const SHRINK_RUNS_MAX: usize = 400;

const SEEDS: u64 = 2_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|it| it == "--help" || it == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    // A panic in a world is reported as a violation, and needs no message of its own.
    std::panic::set_hook(Box::new(|_| {}));
    match Task::parse(&arguments) {
        Some(task) if task.is_one => one(&task),
        Some(task) => many(&task),
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

#[derive(Default)]
struct Task {
    scenario: Scenario,
    is_one: bool,
    trace: bool,
    no_shrink: bool,
    keep_going: bool,
    from: Option<u64>,
    count: Option<u64>,
    minutes: Option<u64>,
}

impl Task {
    fn parse(arguments: &[String]) -> Option<Self> {
        let mut task = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--trace" => task.trace = true,
                "--no-shrink" => task.no_shrink = true,
                "--keep-going" => task.keep_going = true,
                "--seeds" => task.count = Some(arguments.next()?.parse().ok()?),
                "--from" => task.from = Some(arguments.next()?.parse().ok()?),
                "--minutes" => task.minutes = Some(arguments.next()?.parse().ok()?),
                name => {
                    task.is_one |= name == "--seed";
                    task.scenario.set_argument(name, arguments.next()?)?;
                }
            }
        }
        let is_plain = task.count.is_none()
            && task.minutes.is_none()
            && task.from.is_none()
            && !task.keep_going;
        (if task.is_one { is_plain } else { !task.trace }).then_some(task)
    }
}

fn one(task: &Task) -> ExitCode {
    let outcome = if task.trace {
        let (lines, outcome) = sim::replay(&task.scenario);
        for line in lines {
            println!("{line}");
        }
        outcome
    } else {
        sim::run(&task.scenario)
    };
    match outcome {
        Ok(tally) => {
            print!("{tally}");
            println!("seed {}: no violation", task.scenario.seed);
            ExitCode::SUCCESS
        }
        // A run with a trace is usually of a shrunk scenario.
        Err(failure) => fail(&failure, task.no_shrink || task.trace),
    }
}

fn fail(failure: &Failure, no_shrink: bool) -> ExitCode {
    if no_shrink {
        eprintln!("\n{failure}");
        return ExitCode::FAILURE;
    }
    eprintln!(
        "\nseed {}: {}\nSearching for a smaller world with the same violation…",
        failure.scenario().seed,
        failure.sentence()
    );
    let smaller = sim::shrink(failure, SHRINK_RUNS_MAX);
    eprintln!("\n{smaller}");
    eprintln!("before shrinking: cargo xtask sim {}", failure.scenario());
    ExitCode::FAILURE
}

/// A seed below 2^40, which is short enough to type.
fn random_seed() -> u64 {
    // The standard library has no other source of randomness.
    RandomState::new().build_hasher().finish() >> 24
}

/// Runs worlds on all cores, and shows the progress.
fn many(task: &Task) -> ExitCode {
    let from = task.from.unwrap_or_else(random_seed);
    eprintln!("The first seed is {from}");
    let begin = Instant::now();
    let count = match (task.count, task.minutes) {
        (Some(count), _) => count,
        (None, Some(_)) => u64::MAX,
        (None, None) => SEEDS,
    };
    let until = task
        .minutes
        .map(|minutes| begin + Duration::from_secs(60 * minutes));
    let next = AtomicU64::new(0);
    let done = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let tally = Mutex::new(Tally::default());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let runs: Vec<_> = (0..workers)
            .map(|_| {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        let no = next.fetch_add(1, Ordering::Relaxed);
                        if no >= count || until.is_some_and(|until| until <= Instant::now()) {
                            break;
                        }
                        let scenario = Scenario {
                            seed: from.wrapping_add(no),
                            ..task.scenario.clone()
                        };
                        match sim::run(&scenario) {
                            Ok(counts) => lock(&tally).add(&counts),
                            Err(failure) => {
                                lock(&failures).push(failure);
                                is_over.store(!task.keep_going, Ordering::Relaxed);
                            }
                        }
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let is_terminal = std::io::stderr().is_terminal();
        while !runs.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(200));
            if is_terminal {
                progress(done.load(Ordering::Relaxed), task, begin.elapsed(), "\r");
            }
        }
        progress(done.load(Ordering::Relaxed), task, begin.elapsed(), "\r");
        eprintln!();
    });
    let mut failures = failures.into_inner().unwrap_or_default();
    failures.sort_by_key(|failure| failure.scenario().seed);
    if task.keep_going && !failures.is_empty() {
        return list(&failures, done.into_inner());
    }
    if let Some(failure) = failures.first() {
        return fail(failure, task.no_shrink);
    }
    print!("{}", lock(&tally));
    ExitCode::SUCCESS
}

/// Prints a line for every failure, with the command that replays it.
fn list(failures: &[Failure], worlds: u64) -> ExitCode {
    for failure in failures {
        eprintln!(
            "cargo xtask sim {}  # {}: {}",
            failure.scenario(),
            failure.kind(),
            failure.sentence()
        );
    }
    eprintln!("{} of {worlds} worlds failed", failures.len());
    ExitCode::FAILURE
}

/// A thread that panicked has reported it, and its counts are still right.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn progress(done: u64, task: &Task, elapsed: Duration, begin: &str) {
    let of = match (task.count, task.minutes) {
        (Some(count), _) => format!(" of {count}"),
        (None, Some(_)) => String::new(),
        (None, None) => format!(" of {SEEDS}"),
    };
    let limit = task
        .minutes
        .map(|minutes| format!(" of {minutes}:00"))
        .unwrap_or_default();
    let seconds = elapsed.as_secs();
    eprint!(
        "{begin}{done}{of} worlds, {}:{:02}{limit} ",
        seconds / 60,
        seconds % 60
    );
    let _ = std::io::stderr().flush();
}
