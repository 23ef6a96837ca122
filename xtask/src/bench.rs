//! `cargo xtask bench`: the engine beside others, and the whole in real tabs.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;
use crate::browser;
use crate::embed;
use crate::error::Error;
use crate::npm;
use crate::page;
use crate::setup::{self, Needs, Tools};
use crate::shell;
use crate::tool;

/// What to measure, and where to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) what: What,
    /// How often each is measured; nothing means the program's own choice.
    pub(crate) rounds: Option<OsString>,
    /// How long a load lasts; nothing means the program's own choice.
    pub(crate) seconds: Option<OsString>,
    /// Where the figures go for programs.
    pub(crate) json: Option<PathBuf>,
    /// Where a picture goes.
    pub(crate) svg: Option<PathBuf>,
    /// Parts of the names of what is measured; none: everything.
    pub(crate) only: Vec<OsString>,
}

/// One benchmark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum What {
    /// The whole beside what else there is.
    #[default]
    Peers,
    /// The engine, natively and as WebAssembly.
    Engine,
    /// How long nothing is acknowledged when the broker moves.
    Failover,
    /// What is acknowledged once it is stored, and how fast.
    Durable,
    /// How free the app's page stays under load, and how soon it is there.
    Ui,
}

impl What {
    pub(crate) fn named(name: &std::ffi::OsStr) -> Option<Self> {
        match name.to_str()? {
            "peers" => Some(Self::Peers),
            "engine" => Some(Self::Engine),
            "failover" => Some(Self::Failover),
            "durable" => Some(Self::Durable),
            "ui" => Some(Self::Ui),
            _ => None,
        }
    }

    /// Whether it is repeated as often as told, and has parts to choose from.
    pub(crate) fn has_parts(self) -> bool {
        matches!(self, Self::Peers | Self::Failover | Self::Durable)
    }
}

/// The profile that is fast natively and as WebAssembly.
const FAST: &str = "speed";
/// The profile in which the page's WebAssembly is built.
const SMALL: &str = "release";

/// `cargo xtask bench`
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    match options.what {
        What::Peers => peers(options),
        What::Engine => engine(options),
        What::Failover => in_tabs("failover", "10 minutes", options),
        What::Durable => in_tabs("durable", "5 minutes", options),
        What::Ui => in_tabs("ui", "3 minutes", options),
    }
}

/// Builds the app, as visitors get it, and lets a program drive real tabs.
fn in_tabs(program: &str, takes: &str, options: &Options) -> Result<(), Error> {
    let tools = setup::ensure(Needs::Browser)?;
    let browser = browser::find()?;
    tools.build()?;
    let folder = page::build(&tools)?;
    let site = site(&folder)?;
    shell::announce("Measuring", &format!("{takes}; leave the machine alone"));
    let mut run = shell::cargo(["run", "-p", "bench-browser", "--bin", program, "--"]);
    options.pass_on(&mut run)?;
    run.env("TABMQ_PAGE", folder)
        .env("TABMQ_DIST", site)
        .envs(browser.variables());
    shell::run(&mut run)
}

/// Builds what is compared, and lets a program drive real tabs with each.
fn peers(options: &Options) -> Result<(), Error> {
    let tools = setup::ensure(Needs::Browser)?;
    let browser = browser::find()?;
    let mosquitto = mosquitto()?;
    tools.build()?;
    let package = embed::build()?;
    let folder = contest(&tools, &package)?;
    shell::announce("Measuring", "15 minutes; leave the machine alone");
    let mut run = shell::cargo(["run", "-p", "bench-browser", "--bin", "peers", "--"]);
    options.pass_on(&mut run)?;
    run.env("TABMQ_PAGE", folder)
        .env("MOSQUITTO", mosquitto)
        .envs(browser.variables());
    shell::run(&mut run)
}

/// The page of the contest, and all that takes part in it.
fn contest(tools: &Tools, package: &Path) -> Result<PathBuf, Error> {
    let sources = shell::root().join("bench").join("peers");
    npm::ensure()?;
    npm::install(
        &sources,
        "MQTT.js and broadcast-channel",
        "a few seconds, once",
    )?;
    shell::announce("Building what is compared", "3 minutes at first");
    let target = target_folder()?.join("bench").join("peers");
    let site = target.join("site");
    fs::create_dir_all(&site).map_err(Error::at(&site))?;
    for name in ["index.html", "contest.js", "systems.js", "shared.js"] {
        fs::copy(sources.join(name), site.join(name)).map_err(Error::at(&sources))?;
    }
    page::copy_folder(package, &site.join("tabmq"))?;
    let mut bundle = npm::npm(&sources);
    bundle
        .args(["exec", "--offline", "--", "esbuild", "npm.js"])
        .args([
            "--bundle",
            "--minify",
            "--format=esm",
            "--log-level=warning",
        ])
        .arg(format!("--outfile={}", site.join("npm.js").display()));
    shell::run(&mut bundle)?;
    let peer = sources.join("mqtt5-wasm");
    let mut build = tools.wasm_cargo(["build", "--release", "--locked"]);
    build.arg("--target-dir").arg(&target).current_dir(&peer);
    shell::run(&mut build)?;
    let wasm = target.join(setup::WASM).join("release");
    tools.web_module(
        &wasm.join("bench_peer_mqtt5_wasm.wasm"),
        "mqtt5",
        &site.join("mqtt5"),
    )?;
    Ok(site)
}

/// Where Mosquitto is, or is after this.
fn mosquitto() -> Result<PathBuf, Error> {
    // Debian keeps it from the users' PATH.
    let find = || {
        shell::find(&["mosquitto"])
            .or_else(|| Some(PathBuf::from("/usr/sbin/mosquitto")).filter(|it| it.is_file()))
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    apt::install(&["mosquitto"], "1 minute, once")?;
    find().ok_or_else(|| Error::StillMissing {
        what: "mosquitto".to_owned(),
        place: "/usr/sbin".into(),
    })
}

/// The app with the page without a view below it, in `load`: of one origin, and so on one bus.
fn site(page: &Path) -> Result<PathBuf, Error> {
    let site = target_folder()?.join("bench").join("site");
    // Without what an earlier build had.
    if site.exists() {
        fs::remove_dir_all(&site).map_err(Error::at(&site))?;
    }
    page::copy_folder(&setup::dist(), &site)?;
    page::copy_folder(page, &site.join("load"))?;
    Ok(site)
}

impl Options {
    fn pass_on(&self, command: &mut Command) -> Result<(), Error> {
        command.args(&self.only);
        if let Some(rounds) = &self.rounds {
            command.arg("--rounds").arg(rounds);
        }
        if let Some(seconds) = &self.seconds {
            command.arg("--seconds").arg(seconds);
        }
        for (name, file) in [("--json", &self.json), ("--svg", &self.svg)] {
            if let Some(file) = file {
                // Relative to where the developer stands, not to the workspace.
                let path = std::path::absolute(file).map_err(Error::at(file))?;
                command.arg(name).arg(path);
            }
        }
        Ok(())
    }
}

/// Builds everything, installs what it is compared to, and runs it.
fn engine(options: &Options) -> Result<(), Error> {
    let node = node()?;
    let mut tools = setup::ensure(Needs::WasmTarget)?;
    tools.add(&tool::wasm_bindgen()?)?;
    npm::install(&node, "qlobber", "a few seconds, once")?;
    shell::announce("Building the benchmarks", "3 minutes at first");
    let target = target_folder()?;
    let fast = build_wasm(&tools, &target, FAST)?;
    let small = build_wasm(&tools, &target, SMALL)?;
    let bins = [
        "build",
        "-p",
        "bench",
        "--bins",
        "--features",
        "peers",
        "--profile",
        FAST,
    ];
    shell::run(&mut shell::cargo(bins))?;
    shell::announce("Measuring", "3 minutes; leave the machine alone");
    let mut engine = shell::command(target.join(FAST).join(shell::executable("engine")));
    options.pass_on(&mut engine)?;
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

/// Where cargo builds, which a developer may have moved.
pub(crate) fn target_folder() -> Result<PathBuf, Error> {
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
