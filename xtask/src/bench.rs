//! `cargo xtask bench`: measures the engine, and TabMQ in real tabs, and compares both with others.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;
use crate::browser;
use crate::cargo::target_folder;
use crate::embed;
use crate::error::Error;
use crate::npm;
use crate::page;
use crate::setup::{self, Needs, Tools};
use crate::shell;
use crate::tool;

/// The benchmark, its options and its output files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) benchmark: Benchmark,
    /// Rounds; the program has a default.
    pub(crate) rounds: Option<OsString>,
    /// Duration of a load; the program has a default.
    pub(crate) seconds: Option<OsString>,
    /// File for the figures as JSON.
    pub(crate) json: Option<PathBuf>,
    /// File for a picture of the figures.
    pub(crate) svg: Option<PathBuf>,
    /// Parts of the names of the cases to measure; none selects all cases.
    pub(crate) only: Vec<OsString>,
}

/// One benchmark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Benchmark {
    /// TabMQ in real tabs, compared with other systems.
    #[default]
    Peers,
    /// The engine, natively and as WebAssembly.
    Engine,
    /// The time without acknowledgements when the broker moves to another tab.
    Failover,
    /// The speed of acknowledgements that wait for storage.
    Durable,
    /// The responsiveness of the app's page under load, and its loading time.
    Ui,
}

impl Benchmark {
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

    /// Whether the command line can select some of its cases.
    pub(crate) fn has_parts(self) -> bool {
        matches!(self, Self::Peers | Self::Failover | Self::Durable)
    }
}

/// The profile that optimizes for speed, natively and as WebAssembly.
const FAST: &str = "speed";
/// The profile of the page's WebAssembly.
const SMALL: &str = "release";

/// `cargo xtask bench`
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    match options.benchmark {
        Benchmark::Peers => peers(options),
        Benchmark::Engine => engine(options),
        Benchmark::Failover => in_tabs("failover", "10 minutes", options),
        Benchmark::Durable => in_tabs("durable", "5 minutes", options),
        Benchmark::Ui => in_tabs("ui", "3 minutes", options),
    }
}

/// Builds the app in release mode, and runs a program that drives real tabs.
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

/// Builds the compared systems, and runs a program that drives real tabs with each of them.
fn peers(options: &Options) -> Result<(), Error> {
    let tools = setup::ensure(Needs::Browser)?;
    let browser = browser::find()?;
    let mosquitto = mosquitto()?;
    tools.build()?;
    let package = embed::build()?;
    let folder = comparison(&tools, &package)?;
    shell::announce("Measuring", "15 minutes; leave the machine alone");
    let mut run = shell::cargo(["run", "-p", "bench-browser", "--bin", "peers", "--"]);
    options.pass_on(&mut run)?;
    run.env("TABMQ_PAGE", folder)
        .env("MOSQUITTO", mosquitto)
        .envs(browser.variables());
    shell::run(&mut run)
}

/// Builds the page of the comparison with all compared systems. Returns the folder to serve.
fn comparison(tools: &Tools, package: &Path) -> Result<PathBuf, Error> {
    let sources = shell::root().join("bench").join("peers");
    npm::ensure()?;
    npm::install(
        &sources,
        "MQTT.js and broadcast-channel",
        "a few seconds, once",
    )?;
    shell::announce("Building the compared systems", "3 minutes at first");
    let target = target_folder()?.join("bench").join("peers");
    let site = target.join("site");
    fs::create_dir_all(&site).map_err(Error::at(&site))?;
    for name in ["index.html", "comparison.js", "systems.js", "shared.js"] {
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

/// Finds Mosquitto or installs it.
fn mosquitto() -> Result<PathBuf, Error> {
    // Debian installs it into a folder that is not on a user's PATH.
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

/// Makes a folder with the app, and in `load` the page without a view. Both have one origin, so they share a broker.
fn site(page: &Path) -> Result<PathBuf, Error> {
    let site = target_folder()?.join("bench").join("site");
    // An earlier build may have left other files.
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
                // The path is relative to the developer's folder, and the program runs in the workspace's.
                let path = std::path::absolute(file).map_err(Error::at(file))?;
                command.arg(name).arg(path);
            }
        }
        Ok(())
    }
}

/// Builds the benchmarks, installs qlobber, and runs them.
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

/// The folder with Node's part of the benchmarks, after a check that Node and npm exist.
fn node() -> Result<PathBuf, Error> {
    for program in ["node", "npm"] {
        if shell::find(&[program]).is_none() {
            return Err(Error::NoNode { program });
        }
    }
    Ok(shell::root().join("bench").join("node"))
}

/// Builds the loops as WebAssembly. Returns the JavaScript file that loads them.
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
