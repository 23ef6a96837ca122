//! Checks with cargo-deny that all dependencies conform to deny.toml.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::shell;
use crate::tool::Tool;

/// The workspace, and the crates outside of it.
const MANIFESTS: [&str; 3] = [
    "Cargo.toml",
    "fuzz/Cargo.toml",
    "bench/peers/mqtt5-wasm/Cargo.toml",
];

/// Checks that need no network once cargo has the sources of all dependencies.
const WITHOUT_NETWORK: [&str; 3] = ["bans", "licenses", "sources"];

/// The program cargo-deny.
pub(crate) struct Deny {
    program: PathBuf,
}

/// `cargo xtask test --only deny`
pub(crate) fn test() -> Result<(), Error> {
    let deny = ensure()?;
    for manifest in MANIFESTS {
        println!("{manifest}: {}", WITHOUT_NETWORK.join(", "));
        shell::run(deny.check(manifest).args(WITHOUT_NETWORK))?;
    }
    if !deny.fetch_advisories() {
        println!("The advisories are not checked: their database cannot be reached.");
        return Ok(());
    }
    for manifest in MANIFESTS {
        println!("{manifest}: advisories");
        shell::run(deny.check(manifest).arg("advisories"))?;
    }
    Ok(())
}

/// Finds cargo-deny or installs it.
pub(crate) fn ensure() -> Result<Deny, Error> {
    let tool = cargo_deny();
    let program = shell::executable(tool.name);
    let program = match tool.ensure()? {
        Some(folder) => folder.join(program),
        None => program.into(),
    };
    Ok(Deny { program })
}

fn cargo_deny() -> Tool {
    Tool {
        name: "cargo-deny",
        companions: &[],
        package: "cargo-deny",
        version: "0.20.2".to_owned(),
        options: &["--locked", "--no-default-features"],
        takes: "about 4 minutes, once",
    }
}

impl Deny {
    /// A command that checks a manifest. The caller adds the kinds of checks.
    fn check(&self, manifest: &str) -> Command {
        let mut check = self.command();
        check.args(["--locked", "--manifest-path", manifest]);
        check.args(["check", "--hide-inclusion-graph"]);
        check
    }

    /// Updates the database of advisories; returns whether that succeeded.
    fn fetch_advisories(&self) -> bool {
        let mut fetch = self.command();
        fetch.args(["fetch", "db"]);
        // Without a network the caller omits the check.
        fetch.stdout(Stdio::null()).stderr(Stdio::null());
        fetch.status().is_ok_and(|status| status.success())
    }

    fn command(&self) -> Command {
        let mut command = shell::command(&self.program);
        command.arg("--config").arg(shell::root().join("deny.toml"));
        command
    }
}
