//! `cargo xtask bench engine`: the engine's speed and memory, beside others.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::setup::{self, Needs, Tools};
use crate::shell;
use crate::tool;

/// What to measure, and where to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Each contender's turns; nothing means the program's own choice.
    pub(crate) rounds: Option<OsString>,
    /// Where the figures go for programs.
    pub(crate) json: Option<PathBuf>,
}

/// The profile that is fast natively and as WebAssembly.
const FAST: &str = "speed";
/// The profile in which the page's WebAssembly is built.
const SMALL: &str = "release";

/// Builds everything, installs what it is compared to, and runs it.
pub(crate) fn engine(options: &Options) -> Result<(), Error> {
    let node = node()?;
    let mut tools = setup::ensure(Needs::WasmTarget)?;
    tools.add(&tool::wasm_bindgen()?)?;
    install_rivals(&node)?;
    shell::announce("Building the benchmarks", "3 minutes at first");
    let target = target_folder()?;
    let fast = build_wasm(&tools, &target, FAST)?;
    let small = build_wasm(&tools, &target, SMALL)?;
    let bins = ["build", "-p", "bench", "--bins", "--profile", FAST];
    shell::run(&mut shell::cargo(bins))?;
    shell::announce("Measuring", "3 minutes; leave the machine alone");
    let mut engine = shell::command(target.join(FAST).join(shell::executable("engine")));
    if let Some(rounds) = &options.rounds {
        engine.arg("--rounds").arg(rounds);
    }
    if let Some(json) = &options.json {
        // Relative to where the developer stands, not to the workspace.
        let path = std::path::absolute(json).map_err(Error::at(json))?;
        engine.arg("--json").arg(path);
    }
    engine.arg(node.join("engine.mjs")).args([fast, small]);
    shell::run(&mut engine)
}

/// The folder of what Node runs, if Node is there.
fn node() -> Result<PathBuf, Error> {
    for program in ["node", "npm"] {
        if shell::find(&[program]).is_none() {
            return Err(Error::NoNode { program });
        }
    }
    Ok(shell::root().join("bench").join("node"))
}

fn install_rivals(node: &Path) -> Result<(), Error> {
    // npm writes it last, and it is as old as the lock it was made from.
    let installed = node.join("node_modules").join(".package-lock.json");
    let lock = node.join("package-lock.json");
    let age = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    let is_current =
        age(&installed).is_ok_and(|installed| age(&lock).is_ok_and(|lock| lock <= installed));
    if is_current {
        return Ok(());
    }
    shell::announce("Installing qlobber", "a few seconds, once");
    let mut npm = shell::command("npm");
    npm.args(["ci", "--no-audit", "--no-fund"])
        .current_dir(node);
    shell::run(&mut npm)
}

/// Where cargo builds, which a developer may have moved.
fn target_folder() -> Result<PathBuf, Error> {
    let mut metadata = shell::cargo(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata = shell::read(&mut metadata)?;
    named_target(&metadata).ok_or(Error::NoTargetFolder)
}

/// The value of one key in cargo's JSON: a path is all that is read of it.
fn named_target(metadata: &str) -> Option<PathBuf> {
    let (_, value) = metadata.split_once("\"target_directory\":\"")?;
    let (path, _) = value.split_once('"')?;
    Some(path.replace("\\\\", "\\").into())
}

/// Returns the JavaScript that loads the build.
fn build_wasm(tools: &Tools, target: &Path, profile: &str) -> Result<PathBuf, Error> {
    shell::run(&mut tools.wasm_cargo(["build", "-p", "bench", "--lib", "--profile", profile]))?;
    let wasm = target.join(setup::WASM).join(profile).join("bench.wasm");
    let folder = target.join("bench").join(profile);
    let mut bindgen = tools.command("wasm-bindgen");
    bindgen
        .args(["--target", "nodejs", "--no-typescript", "--out-dir"])
        .arg(&folder)
        .arg(wasm);
    shell::run(&mut bindgen)?;
    Ok(folder.join("bench.js"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_folder_is_read_from_what_cargo_says() {
        let unix = r#"{"packages":[],"target_directory":"/home/ada/target","version":1}"#;
        assert_eq!(named_target(unix), Some("/home/ada/target".into()));
        let windows = r#"{"target_directory":"C:\\ada\\target","version":1}"#;
        assert_eq!(named_target(windows), Some(r"C:\ada\target".into()));
        assert_eq!(named_target("{}"), None);
    }
}
