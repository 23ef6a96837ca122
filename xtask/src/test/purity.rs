//! Checks in the dependency tree that the engines depend on no browser crate.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::shell;

/// Crates that the engines must not depend on, on any platform.
const BROWSER_CRATES: [&str; 3] = ["js-sys", "wasm-bindgen", "web-sys"];
/// A browser's clock, which the MQTT codec depends on for wasm32. No engine reads it.
const TOLERATED: &str = "web-time";
const ENGINES: [&str; 3] = ["broker", "tab", "sim"];

pub(super) fn check() -> Result<(), Error> {
    ENGINES
        .iter()
        .try_for_each(|package| check_package(package))
}

fn check_package(package: &'static str) -> Result<(), Error> {
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

/// The browser crates in the lines of `cargo tree`, each with a depth, a crate's name and its version.
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn only_the_dependencies_of_the_codecs_clock_are_tolerated() {
        let below = "0 sim v0.1.0\n1 codec v1.0.0\n2 web-time v1.1.0\n3 js-sys v0.3.107\n4 wasm-bindgen v0.2.130";
        assert_eq!(impure(below), [""; 0]);
        for beside in ["1 web-sys v0.3.107", "2 web-sys v0.3.107"] {
            assert_eq!(impure(&format!("{below}\n{beside}")), ["web-sys"]);
        }
    }
}
