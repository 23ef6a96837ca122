//! A deterministic world of real [`tab::Tab`]s in virtual time.
//!
//! A seed decides everything: how many tabs there are, when they open, close and crash, how long each message takes, what
//! the pages want, and what nonsense others put on the channels. An oracle watches the pages' commands and notices and
//! the tabs' roles: at most one broker at a time and terms that rise, delivery as MQTT promises it, every request
//! answered once. In the end faults cease, and within seconds all must be well: one broker, every client connected, every
//! message delivered once, every roster right.
//!
//! The same seed gives the same trace; [`Failure`] says how to replay it.

#![forbid(unsafe_code)]

mod garbage;
mod locks;
mod net;
mod oracle;
mod page;
mod plan;
mod prng;
mod tally;
mod trace;
mod violation;
mod world;

use core::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use tally::Tally;
use trace::Trace;
use violation::Violation;

/// How many of the last lines of a trace a [`Failure`] shows.
const LINES_SHOWN: usize = 80;

/// Runs the world of this seed.
///
/// # Errors
/// The first violation that the oracle found.
pub fn run(seed: u64) -> Result<Tally, Failure> {
    observe(seed, &mut Trace::off()).map_err(|violation| {
        // A trace costs time, so that it is made only when somebody wants to read it.
        let mut trace = Trace::on();
        let _ = observe(seed, &mut trace);
        Failure::new(seed, violation, &trace.into_lines())
    })
}

/// Runs the world of this seed and records every event in words.
pub fn replay(seed: u64) -> (Vec<String>, Result<Tally, Failure>) {
    let mut trace = Trace::on();
    let outcome = observe(seed, &mut trace);
    let lines = trace.into_lines();
    let outcome = outcome.map_err(|violation| Failure::new(seed, violation, &lines));
    (lines, outcome)
}

fn observe(seed: u64, trace: &mut Trace) -> Result<Tally, Violation> {
    // A panic in a tab is a finding like any other, and whatever it leaves behind is dropped here.
    catch_unwind(AssertUnwindSafe(|| world::run(seed, trace))).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(Violation::Panicked { message })
    })
}

/// An invariant did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    seed: u64,
    violation: Violation,
    last_lines: Vec<String>,
}

impl Failure {
    fn new(seed: u64, violation: Violation, lines: &[String]) -> Self {
        let shown = lines.len().saturating_sub(LINES_SHOWN);
        Self {
            seed,
            violation,
            last_lines: lines.iter().skip(shown).cloned().collect(),
        }
    }
}

/// The end of the trace, then what is wrong, then how to see it all.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.last_lines {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {}: {}", self.seed, self.violation)?;
        write!(
            f,
            "replay: cargo run -p sim -- --seed {} --trace",
            self.seed
        )
    }
}

impl core::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_is_wrong_and_how_to_replay_it() {
        let lines: Vec<String> = (0..200).map(|line| format!("line {line}")).collect();
        let violation = Violation::NoRest { events: 5 };
        let text = Failure::new(7, violation, &lines).to_string();
        assert!(!text.contains("line 119\n") && text.contains("line 120\n"));
        assert!(text.ends_with(
            "line 199\nseed 7: no end after 5 events\n\
             replay: cargo run -p sim -- --seed 7 --trace"
        ));
    }
}
