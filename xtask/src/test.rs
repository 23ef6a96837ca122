//! `cargo xtask test`: runs the steps and prints a table of the results.

mod circles;
mod purity;
mod steps;

use std::ffi::OsString;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::setup::{self, Needs};
use crate::shell;

pub(crate) use steps::{STEPS, Step};

/// The steps that pass arguments on to test programs.
const WITH_ARGUMENTS: [&str; 4] = ["native", "interop", "edge", "browser"];

/// The steps to run, and how to run them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Empty for all steps.
    only: Vec<&'static str>,
    pub(crate) keep_going: bool,
    /// For the test programs.
    pub(crate) arguments: Vec<OsString>,
}

impl Selection {
    pub(crate) fn add(&mut self, name: OsString) -> Result<(), Error> {
        let step =
            STEPS
                .iter()
                .find(|step| name == step.name)
                .ok_or_else(|| Error::UnknownStep {
                    name,
                    steps: STEPS.iter().map(|step| step.name).collect(),
                })?;
        self.only.push(step.name);
        Ok(())
    }

    /// Refuses arguments without a named step that passes them on.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let takes_arguments = self.only.iter().any(|name| WITH_ARGUMENTS.contains(name));
        if self.arguments.is_empty() || takes_arguments {
            Ok(())
        } else {
            Err(Error::ArgumentsForNoTest)
        }
    }

    /// The selected steps in their order, with the build if one of them needs it.
    fn steps(&self) -> Vec<&'static Step> {
        let named = |step: &Step| self.only.is_empty() || self.only.contains(&step.name);
        let build = STEPS.iter().any(|step| step.uses_build && named(step));
        STEPS
            .iter()
            .filter(|step| named(step) || (build && step.name == "build"))
            .collect()
    }
}

enum Outcome {
    Passed(Duration),
    Failed(Duration),
    /// This machine lacks a tool that the step needs.
    Skipped,
    NotRun,
}

/// `cargo xtask test`
pub(crate) fn run(selection: &Selection) -> Result<(), Error> {
    let steps = selection.steps();
    let needs = steps
        .iter()
        .map(|step| step.needs)
        .max()
        .unwrap_or(Needs::Cargo);

    let begin = Instant::now();
    let tools = setup::ensure(needs)?;
    let mut results = vec![("set-up", Outcome::Passed(begin.elapsed()))];

    for step in steps {
        let name = step.name;
        let failed = |name| {
            results
                .iter()
                .any(|(other, outcome)| *other == name && !matches!(outcome, Outcome::Passed(_)))
        };
        let stopped = !selection.keep_going
            && results
                .iter()
                .any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)));
        if stopped || (step.uses_build && failed("build")) {
            results.push((name, Outcome::NotRun));
            continue;
        }
        shell::announce(&format!("{name}: {}", step.promise), step.takes);
        let begin = Instant::now();
        let outcome = match (step.run)(&tools, &selection.arguments) {
            Ok(()) => Outcome::Passed(begin.elapsed()),
            Err(Error::Skipped { why }) => {
                println!("{name}: skipped. {why}");
                Outcome::Skipped
            }
            Err(error) => {
                println!("{name}: {error}");
                Outcome::Failed(begin.elapsed())
            }
        };
        results.push((name, outcome));
    }

    print!("\n{}", table(&results));
    let failed: Vec<_> = results
        .iter()
        .filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_)))
        .map(|(name, _)| *name)
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Error::Steps { failed })
    }
}

fn table(results: &[(&str, Outcome)]) -> String {
    let mut text = format!("{:<12}  {:<7}  {:>7}\n", "step", "result", "seconds");
    for (name, outcome) in results {
        let (result, time) = match outcome {
            Outcome::Passed(time) => ("ok", Some(time)),
            Outcome::Failed(time) => ("FAILED", Some(time)),
            Outcome::Skipped => ("skipped", None),
            Outcome::NotRun => ("not run", None),
        };
        let seconds = time
            .map(|time| format!("{:.1}", time.as_secs_f64()))
            .unwrap_or_default();
        text.push_str(format!("{name:<12}  {result:<7}  {seconds:>7}").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str]) -> Vec<&'static str> {
        let mut selection = Selection::default();
        only.iter()
            .for_each(|name| selection.add((*name).into()).unwrap());
        selection.steps().iter().map(|step| step.name).collect()
    }

    #[test]
    fn all_steps_run_unless_some_are_named() {
        assert_eq!(names(&[]).len(), STEPS.len());
        assert_eq!(names(&["purity", "fmt"]), ["fmt", "purity"]);
    }

    #[test]
    fn the_guide_for_contributors_describes_each_step() {
        let path = shell::root().join("CONTRIBUTING.md");
        let guide = std::fs::read_to_string(path).unwrap();
        for Step { name, .. } in &STEPS {
            assert!(guide.contains(&format!("\n| `{name}` | ")), "{name}");
        }
    }

    #[test]
    fn a_step_that_uses_the_build_runs_the_build_first() {
        assert_eq!(names(&["browser"]), ["build", "browser"]);
        assert_eq!(names(&["sizes"]), ["build", "sizes"]);
    }

    #[test]
    fn each_kind_of_needs_includes_those_before_it() {
        assert!(
            Needs::Cargo < Needs::WasmTarget
                && Needs::WasmTarget < Needs::Trunk
                && Needs::Trunk < Needs::Browser
        );
    }

    #[test]
    fn the_table_has_the_steps_that_did_not_run() {
        let second = Duration::from_millis(1_049);
        let results = [
            ("set-up", Outcome::Passed(second)),
            ("fmt", Outcome::Failed(second)),
            ("msrv", Outcome::Skipped),
            ("browser", Outcome::NotRun),
        ];
        let expected = "step          result   seconds
set-up        ok           1.0
fmt           FAILED       1.0
msrv          skipped
browser       not run
";
        assert_eq!(table(&results), expected);
    }
}
