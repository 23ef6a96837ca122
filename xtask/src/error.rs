use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a command stopped, with the next step for the developer where there is one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}; `cargo xtask --help` lists commands and options")]
    Arguments(#[from] lexopt::Error),
    #[error("there is no command {}; `cargo xtask --help` lists them", .0.display())]
    UnknownCommand(OsString),
    #[error("there is no step {}; the steps are {}", .name.display(), .steps.join(" "))]
    UnknownStep {
        name: OsString,
        steps: Vec<&'static str>,
    },
    #[error(
        "arguments go to test programs: name their step with `--only native`, `--only interop`, \
         `--only edge` or `--only browser`"
    )]
    ArgumentsForNoTest,
    #[error("{} is not a port: give a number from 1 to 65535", .0.display())]
    NotAPort(OsString),
    #[error("TABMQ_WASM_TARGET is {}: set it to auto, rustup or debian", .0.display())]
    UnknownWasmTarget(OsString),
    /// A program cannot be started.
    #[error("{} does not start: {source}", .program.display())]
    Start {
        program: OsString,
        source: io::Error,
    },
    /// A program ran and failed. It has printed the reason.
    #[error("`{command}` failed ({status})")]
    Failed { command: String, status: ExitStatus },
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("no folder for tools: set {variable} to an absolute path")]
    NoCacheFolder { variable: &'static str },
    #[error("Cargo.lock names no version of {package}: restore it from the repository")]
    NotLocked { package: &'static str },
    /// An installation succeeded without the program that was wanted.
    #[error("{what} was installed, but cannot be used from {}", .place.display())]
    StillMissing { what: String, place: PathBuf },
    #[error(
        "Rust's target wasm32-unknown-unknown is missing.\n  \
         rustup cannot add it: {rustup}\n  \
         Debian's packages cannot replace it: {debian}\n  \
         Install rustup, or the WebAssembly target of your system's Rust, and run this again."
    )]
    NoWasmTarget {
        rustup: Box<Error>,
        debian: Box<Error>,
    },
    #[error("this system is not Debian or Ubuntu with apt-get")]
    NotDebian,
    #[error(
        "node is {version}, but the npm packages of the build need {least} or later: install a newer Node.js"
    )]
    OldNode { version: String, least: u32 },
    /// The TypeScript layout of page messages in the repository is not the one of the crate `tab`.
    #[error("{} does not match the crate `tab`: run `cargo xtask embed`", .path.display())]
    OldWire { path: PathBuf },
    /// Packages are missing, and the user may not install any.
    #[error(
        "installing packages needs root, or sudo without a password; run `apt-get install {}` yourself",
        .names.join(" ")
    )]
    Packages { names: Vec<&'static str> },
    #[error(
        "the browser tests need {}, not found on PATH.\n  \
         It cannot be installed from here: {packages}.\n  \
         Install Chromium or Chrome and the ChromeDriver of the same version, or set CHROME and CHROMEDRIVER \
         to their paths.",
        .missing.join(" and ")
    )]
    Browser {
        missing: Vec<&'static str>,
        packages: Box<Error>,
    },
    #[error(
        "the tests with other MQTT clients need programs from Debian's packages {}.\n  \
         They cannot be installed from here: {packages}.\n  \
         Install them and put them on PATH.",
        .missing.join(" ")
    )]
    Interop {
        missing: Vec<&'static str>,
        packages: Box<Error>,
    },
    /// An environment variable names a program that does not exist.
    #[error("{variable} names {}, which does not exist: correct it, or unset {variable} to search PATH", .path.display())]
    NoProgramAt {
        variable: &'static str,
        path: PathBuf,
    },
    #[error(
        "port {port} is in use; choose another, such as `cargo xtask demo --port {}`",
        .port.checked_add(1).unwrap_or(8080)
    )]
    PortTaken { port: u16 },
    #[error("cannot serve on port {port}: {source}")]
    Port { port: u16, source: io::Error },
    #[error("cannot listen for Ctrl+C: {0}")]
    Signals(ctrlc::Error),
    #[error(
        "{program} is not found on PATH: install Node.js 20 or later, which includes npm \
         (Debian and Ubuntu: `apt-get install nodejs npm`)"
    )]
    NoNode { program: &'static str },
    #[error("`cargo metadata` names no target folder")]
    NoTargetFolder,
    #[error(
        "there is no benchmark {}; there are peers, engine, failover, durable and ui",
        .0.display()
    )]
    UnknownBenchmark(OsString),
    #[error("no JavaScript or WebAssembly in {}: run `cargo xtask build`", .dist.display())]
    NoBuild { dist: PathBuf },
    #[error(
        "{package} must not depend on browser crates, but depends on {} (the trees above show how)",
        .found.join(" and ")
    )]
    Impure {
        package: &'static str,
        found: Vec<&'static str>,
    },
    /// Files depend on each other in circles, or the list of allowed circles is out of date.
    #[error("{}", .findings.join("\n"))]
    Circles { findings: Vec<String> },
    #[error("Cargo.toml has no line `rust-version`: restore it from the repository")]
    NoRustVersion,
    /// A step of the tests cannot run on this machine. That is not a failure.
    #[error("{why}")]
    Skipped { why: String },
    #[error("failed: {}", .failed.join(", "))]
    Steps { failed: Vec<&'static str> },
}

impl Error {
    /// Makes an error that names the file or folder at `path`.
    pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }
}
