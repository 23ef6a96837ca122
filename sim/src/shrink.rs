//! From a world in which something goes wrong to a smaller one in which the same goes wrong.

use crate::scenario::{Fault, Scenario};
use crate::trace::Trace;
use crate::violation::Violation;
use crate::{Failure, observe};

/// How long the first faults may last when the time of a failure is cut down, in milliseconds.
const CHAOS_MS: [u64; 8] = [200, 400, 800, 1_200, 1_800, 2_500, 3_500, 5_000];

/// A smaller world than that of `failure` in which something of the same kind goes wrong: with fewer kinds of faults,
/// fewer tabs, and a shorter trace. It runs up to `runs_max` worlds to find it.
#[must_use]
pub fn shrink(failure: &Failure, runs_max: usize) -> Failure {
    let mut search = Search {
        kind: failure.kind(),
        best: failure.scenario().clone(),
        lines: failure.lines,
        runs_left: runs_max,
        found: failure.clone(),
    };
    // Without one kind of fault the course of all others changes, so that what did not help at first may help later.
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
    /// Tries everything once. Returns whether anything helped.
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

    /// Keeps a world if the same goes wrong in it, and sooner or with less about it.
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
