//! A deterministic world of real [`tab::Tab`]s in virtual time.
//!
//! A seed decides everything: how many tabs there are, when they open, close, crash, freeze and hang, how long each
//! message and each write to the disk takes, what the pages want, and what nonsense others put on the channels. An
//! oracle watches the pages' commands and notices, the tabs' roles and what is stored: one reign at a time and terms that
//! rise, nothing acknowledged lost, delivery as MQTT promises it, every request answered once. Some pages speak MQTT
//! themselves, in bytes on ports, and must not notice when the broker moves; some ask the broker, and are answered. In
//! the end faults cease, and within seconds all must be well: one broker, every client connected, every message delivered
//! once, every roster right.
//!
//! The same [`Scenario`] gives the same trace; [`Failure`] says how to replay it.

#![forbid(unsafe_code)]

mod browser;
mod client_key;
mod mutant;
mod oracle;
mod plan;
mod prng;
mod scenario;
mod shrink;
mod tally;
mod trace;
mod violation;
mod workload;
mod world;

use core::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use mutant::Mutant;
pub use scenario::{Fault, Scenario};
pub use shrink::shrink;
pub use tally::Tally;
use trace::Trace;
use violation::Violation;

/// How many of the last lines of a trace a [`Failure`] shows.
const LINES_SHOWN: usize = 80;

/// Runs a world.
///
/// # Errors
/// The first violation that the oracle found.
pub fn run(scenario: &Scenario) -> Result<Tally, Failure> {
    observe(scenario, &mut Trace::off()).map_err(|violation| {
        // A trace costs time, so that it is made only when somebody wants to read it.
        let mut trace = Trace::on();
        let _ = observe(scenario, &mut trace);
        Failure::new(scenario, violation, &trace.into_lines())
    })
}

/// Runs a world and records every event in words.
pub fn replay(scenario: &Scenario) -> (Vec<String>, Result<Tally, Failure>) {
    let mut trace = Trace::on();
    let outcome = observe(scenario, &mut trace);
    let lines = trace.into_lines();
    let outcome = outcome.map_err(|violation| Failure::new(scenario, violation, &lines));
    (lines, outcome)
}

fn observe(scenario: &Scenario, trace: &mut Trace) -> Result<Tally, Violation> {
    // A panic in a tab is a finding like any other, and whatever it leaves behind is dropped here.
    catch_unwind(AssertUnwindSafe(|| world::run(scenario, trace))).unwrap_or_else(|panic| {
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
    scenario: Box<Scenario>,
    violation: Violation,
    /// How long the whole trace is.
    lines: usize,
    last_lines: Vec<String>,
}

impl Failure {
    fn new(scenario: &Scenario, violation: Violation, lines: &[String]) -> Self {
        let shown = lines.len().saturating_sub(LINES_SHOWN);
        Self {
            scenario: Box::new(scenario.clone()),
            violation,
            lines: lines.len(),
            last_lines: lines.iter().skip(shown).cloned().collect(),
        }
    }

    /// The world in which it happened.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The kind of what is wrong: two failures of one kind most likely have one cause.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.violation.kind()
    }

    /// What is wrong, in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        self.violation.to_string()
    }
}

/// The end of the trace, then what is wrong, then how to see it all.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.last_lines {
            writeln!(f, "{line}")?;
        }
        let Self {
            scenario,
            violation,
            lines,
            ..
        } = self;
        writeln!(f, "seed {}: {violation}", scenario.seed)?;
        write!(
            f,
            "replay ({lines} lines): cargo xtask sim {scenario} --trace"
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
        let violation = Violation::EventLimitReached { events: 5 };
        let failure = Failure::new(&Scenario::of(7), violation, &lines);
        assert_eq!(failure.kind(), "EventLimitReached");
        let text = failure.to_string();
        assert!(!text.contains("line 119\n") && text.contains("line 120\n"));
        assert!(text.ends_with(
            "line 199\nseed 7: the world did not come to rest within 5 events\n\
             replay (200 lines): cargo xtask sim --seed 7 --trace"
        ));
    }
}
