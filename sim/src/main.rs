//! Runs seeds, or replays one.
#![allow(
    clippy::disallowed_methods,
    reason = "worlds run in virtual time; whoever waits for them does not"
)]

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sim::{Failure, Scenario, Tally};

const USAGE: &str = "\
Usage: sim [--seed S] [--trace]      runs the world of one seed, and prints its trace
       sim [--seeds N] [--from S]    runs N worlds, 2,000 unless told otherwise, from seed S or 0 on
       sim --minutes M [--from S]    runs worlds for M minutes
Of one world things can be left out, as a failure tells:
       --without FAULT,FAULT…  --tabs NUMBER  --chaos-ms NUMBER
and something can be broken on purpose, to see that it is noticed:
       --mutant NAME
A failure comes with a smaller world in which the same goes wrong; --no-shrink leaves that out.";

/// How many worlds are run to find a smaller one.
const SHRINK_RUNS_MAX: usize = 400;

const SEEDS: u64 = 2_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|it| it == "--help" || it == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    // What panics in a world is a finding, and told as one.
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
    from: u64,
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
                "--seeds" => task.count = Some(arguments.next()?.parse().ok()?),
                "--from" => task.from = arguments.next()?.parse().ok()?,
                "--minutes" => task.minutes = Some(arguments.next()?.parse().ok()?),
                name => {
                    task.is_one |= name == "--seed";
                    task.scenario.take(name, arguments.next()?)?;
                }
            }
        }
        let is_plain = task.count.is_none() && task.minutes.is_none() && task.from == 0;
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
            println!("seed {}: all is well", task.scenario.seed);
            ExitCode::SUCCESS
        }
        // Whoever reads a whole trace has a small one already.
        Err(failure) => fail(&failure, task.no_shrink || task.trace),
    }
}

fn fail(failure: &Failure, no_shrink: bool) -> ExitCode {
    if no_shrink {
        eprintln!("\n{failure}");
        return ExitCode::FAILURE;
    }
    eprintln!(
        "\nseed {}: {}\nLooking for a smaller world in which this goes wrong…",
        failure.scenario().seed,
        failure.sentence()
    );
    let smaller = sim::shrink(failure, SHRINK_RUNS_MAX);
    eprintln!("\n{smaller}");
    eprintln!("as found: cargo xtask sim {}", failure.scenario());
    ExitCode::FAILURE
}

/// Runs worlds on all cores, and tells how far it is.
fn many(task: &Task) -> ExitCode {
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
                            seed: task.from + no,
                            ..task.scenario.clone()
                        };
                        match sim::run(&scenario) {
                            Ok(counts) => lock(&tally).add(&counts),
                            Err(failure) => {
                                lock(&failures).push(failure);
                                is_over.store(true, Ordering::Relaxed);
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
    if let Some(failure) = failures.first() {
        return fail(failure, task.no_shrink);
    }
    print!("{}", lock(&tally));
    ExitCode::SUCCESS
}

/// A thread that panicked has told so itself; what it had counted is still right.
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
