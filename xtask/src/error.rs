use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a command stopped, with what a developer needs to go on.
#[derive(Debug)]
pub(crate) enum Error {
    Arguments(lexopt::Error),
    UnknownCommand(OsString),
    UnknownStep(OsString),
    ArgumentsForNoTest,
    NotAPort(OsString),
    UnknownWasmTarget(OsString),
    /// A program that could not be started at all.
    Start {
        program: OsString,
        source: io::Error,
    },
    /// A program that ran and failed; it has said why.
    Failed {
        command: String,
        status: ExitStatus,
    },
    File {
        path: PathBuf,
        source: io::Error,
    },
    NoCacheFolder {
        variable: &'static str,
    },
    NotLocked {
        package: &'static str,
    },
    /// An installation that went through, and yet did not bring what it was for.
    StillMissing {
        what: String,
        place: PathBuf,
    },
    NoWasmTarget {
        rustup: Box<Error>,
        debian: Box<Error>,
    },
    NotDebian,
    OldNode {
        version: String,
        least: u32,
    },
    /// What page and worker say to each other is written down as it was.
    OldWire {
        path: PathBuf,
    },
    /// Packages are missing, and the user may not install any.
    Packages {
        names: Vec<&'static str>,
    },
    Browser {
        missing: Vec<&'static str>,
        packages: Box<Error>,
    },
    Outsiders {
        missing: Vec<&'static str>,
        packages: Box<Error>,
    },
    /// An environment variable that names a program which is not there.
    NoProgramAt {
        variable: &'static str,
        path: PathBuf,
    },
    PortTaken {
        port: u16,
    },
    Port {
        port: u16,
        source: io::Error,
    },
    Signals(ctrlc::Error),
    NoNode {
        program: &'static str,
    },
    NoTargetFolder,
    UnknownBenchmark(OsString),
    NoBuild {
        dist: PathBuf,
    },
    Impure {
        package: &'static str,
        found: Vec<&'static str>,
    },
    NoRustVersion,
    /// A step of the tests that cannot run on this machine, which is no failure of it.
    Skipped {
        why: String,
    },
    Steps {
        failed: Vec<&'static str>,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arguments(error) => {
                write!(f, "{error}; `cargo xtask --help` tells what there is")
            }
            Self::UnknownCommand(name) => {
                write!(
                    f,
                    "there is no command {}; `cargo xtask --help` lists them",
                    name.display()
                )
            }
            Self::UnknownStep(name) => {
                write!(f, "there is no step {}; the steps are", name.display())?;
                crate::test::STEPS
                    .iter()
                    .try_for_each(|step| write!(f, " {}", step.name))
            }
            Self::ArgumentsForNoTest => f.write_str(
                "arguments go to test programs: say which with `--only native`, `--only outsiders`, \
                 `--only edge` or `--only browser`",
            ),
            Self::NotAPort(value) => write!(
                f,
                "{} is not a port: give a number from 1 to 65535",
                value.display()
            ),
            Self::UnknownWasmTarget(value) => {
                write!(
                    f,
                    "TABMQ_WASM_TARGET is {}, which is none of auto, rustup, debian",
                    value.display()
                )
            }
            Self::Start { program, source } => {
                write!(f, "{} does not start: {source}", program.display())
            }
            Self::OldNode { version, least } => write!(
                f,
                "node is {version}, and what npm brings for the build needs {least} or later: install a newer Node.js"
            ),
            Self::OldWire { path } => write!(
                f,
                "{} is not what the crate `tab` says: run `cargo xtask embed`",
                path.display()
            ),
            Self::Failed { command, status } => write!(f, "`{command}` failed ({status})"),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::NoCacheFolder { variable } => {
                write!(
                    f,
                    "no folder for tools: {variable} is not set to an absolute path"
                )
            }
            Self::NotLocked { package } => write!(f, "Cargo.lock names no version of {package}"),
            Self::StillMissing { what, place } => {
                write!(
                    f,
                    "{what} was installed, and still cannot be used from {}",
                    place.display()
                )
            }
            Self::NoWasmTarget { rustup, debian } => write!(
                f,
                "Rust's target wasm32-unknown-unknown is missing.\n  \
                 rustup cannot add it: {rustup}\n  \
                 Debian's packages cannot stand in for it: {debian}\n  \
                 Install rustup, or the WebAssembly target of your system's Rust, and run this again."
            ),
            Self::NotDebian => f.write_str("this is no Debian or Ubuntu with apt-get"),
            Self::Packages { names } => {
                let names = names.join(" ");
                write!(
                    f,
                    "it takes root, or sudo without a password; run `apt-get install {names}` yourself"
                )
            }
            Self::Browser { missing, packages } => write!(
                f,
                "the browser tests need {}, not found on PATH.\n  \
                 It cannot be installed from here: {packages}.\n  \
                 Install Chromium or Chrome and the ChromeDriver of the same version, or set CHROME and CHROMEDRIVER \
                 to their paths.",
                missing.join(" and ")
            ),
            Self::Outsiders { missing, packages } => write!(
                f,
                "the tests with other people's MQTT clients need programs that Debian has in {}.\n  \
                 They cannot be installed from here: {packages}.\n  \
                 Install them and put them on PATH.",
                missing.join(" ")
            ),
            Self::NoProgramAt { variable, path } => {
                write!(
                    f,
                    "{variable} names {}, and there is no such file",
                    path.display()
                )
            }
            Self::PortTaken { port } => {
                let other = port.checked_add(1).unwrap_or(8080);
                write!(
                    f,
                    "port {port} is in use; choose another, such as `cargo xtask demo --port {other}`"
                )
            }
            Self::Port { port, source } => write!(f, "cannot serve on port {port}: {source}"),
            Self::Signals(error) => write!(f, "cannot listen for Ctrl+C: {error}"),
            Self::NoNode { program } => write!(
                f,
                "it takes {program}, not found on PATH: install Node.js 20 or later, which brings npm \
                 (Debian and Ubuntu: `apt-get install nodejs npm`)"
            ),
            Self::NoTargetFolder => f.write_str("cargo does not tell where it builds"),
            Self::UnknownBenchmark(name) => write!(
                f,
                "there is no benchmark {}; there are peers, engine, failover, durable and ui",
                name.display()
            ),
            Self::NoBuild { dist } => {
                write!(f, "no JavaScript or WebAssembly in {}", dist.display())
            }
            Self::Impure { package, found } => write!(
                f,
                "{package} must know nothing of browsers, but depends on {} (see above by which way)",
                found.join(" and ")
            ),
            Self::NoRustVersion => f.write_str("Cargo.toml has no line `rust-version`"),
            Self::Skipped { why } => f.write_str(why),
            Self::Steps { failed } => write!(f, "failed: {}", failed.join(", ")),
        }
    }
}

impl Error {
    /// Turns what went wrong with the file or folder at `path` into an error that names it.
    pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }
}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Self {
        Self::Arguments(error)
    }
}
