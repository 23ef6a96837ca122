//! A deterministic simulation of real [`tab::Tab`]s in virtual time, with fault injection.
//!
//! A world consists of tabs, models of the browser's channels, locks and database, a seeded workload, and an oracle.
//! The seed decides everything: when tabs open, close, crash, freeze and hang, how long each message and each write
//! takes, what pages ask for, and what other scripts post.
//!
//! The oracle sees the commands and notices of the pages, the roles of the tabs, and the stored rows. It checks that
//! there is one leader at a time, that terms rise, and that no acknowledged message is lost. It also checks that
//! delivery follows MQTT, and that each request gets one answer. Some pages speak MQTT themselves, in bytes on ports,
//! and must not notice a change of broker.
//!
//! Each world has a fault phase and a recovery phase. Seconds after the faults end, there must be one broker, and every
//! client must be connected. Every probe must be delivered once, and every tab must list the same members.
//!
//! # Contract
//!
//! - [`run`] and [`replay`] are pure functions of the [`Scenario`]: the same scenario always gives the same trace.
//! - No clock is read, and all random numbers come from the seed.
//! - A panic in a tab is a violation like any other.
//! - A [`Failure`] contains the violation and the arguments that replay it. [`shrink()`] searches for a smaller
//!   scenario with the same violation.
//!
//! # Guide
//!
//! - `scenario`, `plan`: the seed with its restrictions, and what it decides in advance.
//! - `world`: the event loop, fault injection, and the recovery phase.
//! - `browser`, `workload`: models of the browser's APIs; pages, and the clients behind ports.
//! - `oracle`, `violation`: the invariants, and a sentence for each.
//! - `mutant`, `tally`: deliberate errors that test the oracle; counts, so that no run passes by testing nothing.
//! - `shrink`, `trace`, `prng`: smaller scenarios, the text of a run, and random numbers.

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

/// Number of trace lines that a [`Failure`] shows, from the end.
const LINES_SHOWN: usize = 80;

/// Runs a world.
///
/// # Errors The first violation that the oracle finds.
pub fn run(scenario: &Scenario) -> Result<Tally, Failure> {
    observe(scenario, &mut Trace::off()).map_err(|violation| {
        // A trace costs time, so that only a failed run is repeated with one.
        let mut trace = Trace::on();
        let _ = observe(scenario, &mut trace);
        Failure::new(scenario, violation, &trace.into_lines())
    })
}

/// Runs a world and records every event in a trace.
pub fn replay(scenario: &Scenario) -> (Vec<String>, Result<Tally, Failure>) {
    let mut trace = Trace::on();
    let outcome = observe(scenario, &mut trace);
    let lines = trace.into_lines();
    let outcome = outcome.map_err(|violation| Failure::new(scenario, violation, &lines));
    (lines, outcome)
}

fn observe(scenario: &Scenario, trace: &mut Trace) -> Result<Tally, Violation> {
    // A panic in a tab is a violation, and the world in which it happened is dropped here.
    catch_unwind(AssertUnwindSafe(|| world::run(scenario, trace))).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(Violation::Panicked { message })
    })
}

/// A violated invariant, with the scenario that replays it.
#[derive(Clone, Debug)]
pub struct Failure {
    scenario: Box<Scenario>,
    violation: Violation,
    /// Length of the whole trace.
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

    /// The scenario in which it happened.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The kind of the violation: two failures of one kind most likely have one cause.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.violation.kind()
    }

    /// The violation in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        self.violation.to_string()
    }
}

/// The end of the trace, then the violation, then the command that replays it.
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
    fn a_failure_displays_the_violation_and_the_replay_command() {
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
