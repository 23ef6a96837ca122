//! Shrinks a failing scenario to a smaller one with the same violation.

use crate::scenario::{Fault, Scenario};
use crate::trace::Trace;
use crate::violation::Violation;
use crate::{Failure, observe};

/// Durations of the fault phase to try, in milliseconds.
const CHAOS_MS: [u64; 8] = [200, 400, 800, 1_200, 1_800, 2_500, 3_500, 5_000];

/// Searches for a smaller world with a violation of the same kind: with fewer kinds of faults, fewer tabs, and a trace
/// that is not longer. It runs up to `runs_max` worlds.
#[must_use]
pub fn shrink(failure: &Failure, runs_max: usize) -> Failure {
    let mut search = Search {
        kind: failure.kind(),
        best: failure.scenario().clone(),
        lines: failure.lines,
        runs_left: runs_max,
        found: failure.clone(),
    };
    // Excluding one fault changes the course of all others, so that a failed attempt may succeed later.
    while search.runs_left > 0 && search.pass() {}
    search.found
}

struct Search {
    kind: &'static str,
    best: Scenario,
    lines: usize,
    runs_left: usize,
    found: Failure,
}

impl Search {
    /// Tries each reduction once. Returns whether any succeeded.
    fn pass(&mut self) -> bool {
        let mut has_helped = false;
        for chaos_ms in CHAOS_MS {
            if self.best.chaos_ms.is_none_or(|best| chaos_ms < best) {
                let smaller = Scenario {
                    chaos_ms: Some(chaos_ms),
                    ..self.best.clone()
                };
                if self.attempt(smaller) {
                    has_helped = true;
                    break;
                }
            }
        }
        for tabs in 1..=4 {
            if self.best.tabs.is_none_or(|best| tabs < best) {
                let smaller = Scenario {
                    tabs: Some(tabs),
                    ..self.best.clone()
                };
                if self.attempt(smaller) {
                    has_helped = true;
                    break;
                }
            }
        }
        for fault in Fault::ALL {
            if !self.best.without.contains(fault) {
                let mut smaller = self.best.clone();
                smaller.without.insert(*fault);
                has_helped |= self.attempt(smaller);
            }
        }
        has_helped
    }

    /// Keeps a scenario if it has the same kind of violation, and its trace is not longer.
    fn attempt(&mut self, smaller: Scenario) -> bool {
        if self.runs_left == 0 {
            return false;
        }
        self.runs_left -= 1;
        let mut trace = Trace::on();
        let Err(violation) = observe(&smaller, &mut trace) else {
            return false;
        };
        let lines = trace.into_lines();
        if violation.kind() != self.kind || lines.len() > self.lines {
            return false;
        }
        self.lines = lines.len();
        self.best = smaller;
        self.keep(violation, &lines);
        true
    }

    fn keep(&mut self, violation: Violation, lines: &[String]) {
        self.found = Failure::new(&self.best, violation, lines);
    }
}
