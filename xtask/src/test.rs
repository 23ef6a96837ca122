//! `cargo xtask test`: every check of a change, in the order in which a failure costs least.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::browser;
use crate::deny;
use crate::embed;
use crate::error::Error;
use crate::loadtest;
use crate::msrv;
use crate::npm;
use crate::outsiders;
use crate::page;
use crate::setup::{self, Needs, Tools};
use crate::shell;
use crate::sizes;

/// What the engines must do without, on every platform.
const BROWSER_CRATES: [&str; 3] = ["js-sys", "wasm-bindgen", "web-sys"];
/// A clock for the browser that the MQTT codec brings along on wasm32, and that no engine reads.
const TOLERATED: &str = "web-time";
const ENGINES: [&str; 3] = ["broker", "tab", "sim"];

/// The hash of the commit that is tested: the simulation runs seeds that follow from it.
const COMMIT: &str = "TABMQ_COMMIT";

/// One check.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// What is true once it has passed.
    pub(crate) promise: &'static str,
    takes: &'static str,
    needs: Needs,
    /// Whether it looks at what the step `build` makes.
    uses_build: bool,
    run: fn(&Tools, &[OsString]) -> Result<(), Error>,
}

pub(crate) const STEPS: [Step; 16] = [
    Step {
        name: "fmt",
        promise: "the code is formatted",
        takes: "2 s",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, _| shell::run(&mut shell::cargo(["fmt", "--all", "--check"])),
    },
    Step {
        name: "clippy",
        promise: "clippy finds nothing, in any crate and its tests",
        takes: "1 minute at first",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, _| {
            shell::run(&mut shell::cargo([
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]))
        },
    },
    Step {
        name: "clippy-wasm",
        promise: "clippy finds nothing in what is compiled for the browser and its tests",
        takes: "1 minute at first",
        needs: Needs::WasmTarget,
        uses_build: false,
        run: |tools, _| {
            let packages = [
                "clippy",
                "-p",
                "tabmq",
                "-p",
                "tabmq-worker",
                "-p",
                "e2e-page",
                "-p",
                "tabmq-example-yew",
                "--all-targets",
            ];
            shell::run(tools.wasm_cargo(packages).args(["--", "-D", "warnings"]))
        },
    },
    Step {
        name: "check-wasm",
        promise: "the engines compile for the browser by themselves",
        takes: "10 s",
        needs: Needs::WasmTarget,
        uses_build: false,
        run: |tools, _| shell::run(&mut tools.wasm_cargo(["check", "-p", "broker", "-p", "tab"])),
    },
    Step {
        name: "purity",
        promise: "the engines depend on nothing of a browser, on any platform",
        takes: "2 s",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, _| ENGINES.iter().try_for_each(|package| check_purity(package)),
    },
    Step {
        name: "deny",
        promise: "the dependencies keep to deny.toml: licenses, sources, versions, and known advisories where the network allows",
        takes: "20 s",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, _| deny::test(),
    },
    Step {
        name: "msrv",
        promise: "the workspace compiles with the oldest Rust that Cargo.toml promises, where that is installed or can be",
        takes: "3 minutes at first",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, _| msrv::test(),
    },
    Step {
        name: "native",
        promise: "all tests pass that need neither a browser nor other people's programs",
        takes: "2 minutes at first",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, arguments| {
            let packages = [
                "test",
                "--workspace",
                "--exclude",
                "e2e",
                "--exclude",
                "front",
                "--",
            ];
            let mut test = shell::cargo(packages);
            if let Some(commit) = commit() {
                test.env(COMMIT, commit);
            }
            shell::run(test.args(arguments))
        },
    },
    Step {
        name: "outsiders",
        promise: "other people's MQTT clients get what they are promised from the front",
        takes: "3 minutes at first",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, arguments| outsiders::test(arguments),
    },
    Step {
        name: "doc",
        promise: "the documentation builds without a warning",
        takes: "30 s",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, _| {
            let mut doc = shell::cargo(["doc", "--workspace", "--no-deps"]);
            shell::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
        },
    },
    Step {
        name: "build",
        promise: "the app and its worker build in release mode",
        takes: "2 minutes at first",
        needs: Needs::Trunk,
        uses_build: false,
        run: |tools, _| shell::run(&mut tools.trunk_build()),
    },
    Step {
        name: "sizes",
        promise: "the sizes of what a visitor loads are reported",
        takes: "1 s",
        needs: Needs::Trunk,
        uses_build: true,
        run: |_, _| sizes::report(),
    },
    Step {
        name: "embed",
        promise: "the npm package builds, has what it should have, and is within its limits",
        takes: "2 minutes at first",
        needs: Needs::Trunk,
        uses_build: true,
        run: |_, _| embed::check(),
    },
    Step {
        name: "edge",
        promise: "in a real browser, the worker gets of its database and its locks what it asks for, and a page of its worker",
        takes: "1 minute at first",
        needs: Needs::Browser,
        uses_build: false,
        run: test_edge,
    },
    Step {
        name: "browser",
        promise: "all tests pass in a real browser with real tabs",
        takes: "3 minutes at first",
        needs: Needs::Browser,
        uses_build: true,
        run: test_in_browser,
    },
    Step {
        name: "load",
        promise: "32 tabs lose nothing under load while tabs are replaced and brokers killed, and take no more memory",
        takes: "3 minutes",
        needs: Needs::Browser,
        uses_build: false,
        run: |tools, _| loadtest::test(tools),
    },
];

/// Which steps to run, and how.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Nothing means all.
    only: Vec<&'static str>,
    pub(crate) keep_going: bool,
    /// For the test programs.
    pub(crate) arguments: Vec<OsString>,
}

impl Selection {
    pub(crate) fn add(&mut self, name: OsString) -> Result<(), Error> {
        let step = STEPS
            .iter()
            .find(|step| name == step.name)
            .ok_or(Error::UnknownStep(name))?;
        self.only.push(step.name);
        Ok(())
    }

    /// Arguments make sense only for the tests that are named.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let takes_arguments = self
            .only
            .iter()
            .any(|name| ["native", "outsiders", "edge", "browser"].contains(name));
        if self.arguments.is_empty() || takes_arguments {
            Ok(())
        } else {
            Err(Error::ArgumentsForNoTest)
        }
    }

    /// The selected steps in their order, with the build for those that look at it.
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
    /// This machine lacks what the step needs.
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

/// The commit of the repository, unless the developer names another one.
fn commit() -> Option<String> {
    if std::env::var_os(COMMIT).is_some() {
        return None;
    }
    let commit = shell::ask(shell::command("git").args(["rev-parse", "HEAD"]))?;
    Some(commit.trim().to_owned())
}

fn check_purity(package: &'static str) -> Result<(), Error> {
    let tree = |more: &[&str]| {
        let mut cargo = shell::cargo(["tree", "-p", package, "--target", "all"]);
        cargo.args(["--edges", "normal,build"]).args(more);
        cargo
    };
    let listed = shell::read(&mut tree(&[
        "--no-dedupe",
        "--prefix",
        "depth",
        "--format",
        " {p}",
    ]))?;
    let found = impure(&listed);
    for dependency in &found {
        shell::run(&mut tree(&["--invert", dependency]))?;
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(Error::Impure { package, found })
    }
}

/// Which browser crates are in the lines of `cargo tree`: a depth, a crate's name, its version.
fn impure(listed: &str) -> Vec<&'static str> {
    let mut found = BTreeSet::new();
    let mut tolerated_at = None;
    for line in listed.lines() {
        let mut words = line.split_whitespace();
        let (Some(depth), Some(name)) = (
            words.next().and_then(|word| word.parse::<usize>().ok()),
            words.next(),
        ) else {
            continue;
        };
        if tolerated_at.is_some_and(|tolerated| depth > tolerated) {
            continue;
        }
        tolerated_at = (name == TOLERATED).then_some(depth);
        found.extend(BROWSER_CRATES.iter().find(|browser| **browser == name));
    }
    found.into_iter().collect()
}

/// Runs the tests of the worker's own crate, each for itself and without the app: the edge's in a worker, the handles' and
/// hooks' in a page.
fn test_edge(tools: &Tools, arguments: &[OsString]) -> Result<(), Error> {
    let browser = browser::find()?;
    let mut test = tools.wasm_cargo(["test", "-p", "tabmq-worker", "--features", "yew"]);
    test.args(["--lib", "--test", "page"]);
    test.arg("--").args(arguments);
    test.env(
        "WASM_BINDGEN_TEST_WEBDRIVER_JSON",
        browser.write_capabilities()?,
    )
    .env("CHROMEDRIVER", browser.chromedriver);
    shell::run(&mut test)
}

fn test_in_browser(tools: &Tools, arguments: &[OsString]) -> Result<(), Error> {
    let browser = browser::find()?;
    let page = page::build(tools)?;
    let examples = embed::examples(tools)?;
    let axe = ensure_axe()?;
    let mut test = shell::cargo(["test", "-p", "e2e", "--"]);
    test.args(arguments);
    test.env("TABMQ_DIST", setup::dist())
        .env("TABMQ_PAGE", page)
        .env("TABMQ_EXAMPLES", examples)
        .env("TABMQ_AXE", axe)
        .envs(browser.variables());
    shell::run(&mut test)
}

/// The script that looks in a page for what keeps people out.
fn ensure_axe() -> Result<PathBuf, Error> {
    let folder = shell::root().join("e2e");
    if !npm::is_installed(&folder) {
        npm::ensure()?;
        let what = "axe-core, which looks for what keeps people out of a page";
        npm::install(&folder, what, "a few seconds, once")?;
    }
    Ok(folder.join("node_modules/axe-core/axe.min.js"))
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
    fn the_browser_never_tests_an_old_build() {
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
    fn a_browser_crate_is_found_by_its_whole_name() {
        assert_eq!(
            impure("0 sim v0.1.0 (/sim)\n1 my-web-sys v1.0.0\n1 web-system v1.0.0"),
            [""; 0]
        );
        assert_eq!(
            impure("0 sim v0.1.0 (/sim)\n1 web-sys v0.3.107\n2 js-sys v0.3.107"),
            ["js-sys", "web-sys"]
        );
    }

    #[test]
    fn only_what_the_codecs_clock_brings_along_is_tolerated() {
        let below = "0 sim v0.1.0\n1 codec v1.0.0\n2 web-time v1.1.0\n3 js-sys v0.3.107\n4 wasm-bindgen v0.2.130";
        assert_eq!(impure(below), [""; 0]);
        for beside in ["1 web-sys v0.3.107", "2 web-sys v0.3.107"] {
            assert_eq!(impure(&format!("{below}\n{beside}")), ["web-sys"]);
        }
    }

    #[test]
    fn the_table_tells_what_did_not_run() {
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
