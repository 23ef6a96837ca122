//! Finds, installs and runs Node.js and npm.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::apt;
use crate::error::Error;
use crate::shell;

/// Finds Node and npm, or installs them.
pub(crate) fn ensure() -> Result<(), Error> {
    let missing = || -> Vec<&'static str> {
        let packages = [("node", "nodejs"), ("npm", "npm")];
        let missing = packages.into_iter();
        let missing = missing.filter(|(program, _)| shell::find(&[program]).is_none());
        missing.map(|(_, package)| package).collect()
    };
    if missing().is_empty() {
        return check_version();
    }
    apt::install(&missing(), "about 1 minute, once").map_err(|_| Error::NoNode {
        program: if shell::find(&["node"]).is_none() {
            "node"
        } else {
            "npm"
        },
    })?;
    match missing().first() {
        Some(package) => Err(Error::StillMissing {
            what: (*package).to_owned(),
            place: "/usr/bin".into(),
        }),
        None => check_version(),
    }
}

/// The oldest Node.js that the tools of the npm package support.
const MAJOR_LEAST: u32 = 20;

fn check_version() -> Result<(), Error> {
    let version = shell::read(shell::command("node").arg("--version"))?;
    let major = version.trim().trim_start_matches('v').split('.').next();
    match major.and_then(|major| major.parse::<u32>().ok()) {
        Some(major) if major < MAJOR_LEAST => Err(Error::OldNode {
            version: version.trim().to_owned(),
            least: MAJOR_LEAST,
        }),
        _ => Ok(()),
    }
}

/// A command of npm in a folder.
pub(crate) fn npm(folder: &Path) -> Command {
    // On Windows npm is a script, which only cmd finds.
    let mut npm = if cfg!(windows) {
        let mut cmd = shell::command("cmd");
        cmd.args(["/C", "npm"]);
        cmd
    } else {
        shell::command("npm")
    };
    npm.current_dir(folder);
    npm
}

/// Whether all packages of a folder's lock file are installed.
pub(crate) fn is_installed(folder: &Path) -> bool {
    // npm writes this file last.
    let installed = folder.join("node_modules").join(".package-lock.json");
    let lock = folder.join("package-lock.json");
    let age = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    age(&installed).is_ok_and(|installed| age(&lock).is_ok_and(|lock| lock <= installed))
}

/// Installs the packages of a folder's lock file if they are not installed. Scripts of packages do not run.
pub(crate) fn install(folder: &Path, what: &str, takes: &str) -> Result<(), Error> {
    if is_installed(folder) {
        return Ok(());
    }
    shell::announce(&format!("Installing {what}"), takes);
    let mut ci = npm(folder);
    ci.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    shell::run(&mut ci)
}
