//! Node and npm: what is needed of them, and how they are run.

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

/// What builds the npm package asks for no older one.
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

/// npm, in a folder.
pub(crate) fn npm(folder: &Path) -> Command {
    // On Windows it is a script, which only its shell finds.
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

/// Whether all that the lock file of a folder names is there.
pub(crate) fn is_installed(folder: &Path) -> bool {
    // npm writes it last, and it is as old as the lock it was made from.
    let installed = folder.join("node_modules").join(".package-lock.json");
    let lock = folder.join("package-lock.json");
    let age = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    age(&installed).is_ok_and(|installed| age(&lock).is_ok_and(|lock| lock <= installed))
}

/// Installs what the lock file of a folder names, unless that has been done. No package runs scripts of its own.
pub(crate) fn install(folder: &Path, what: &str, takes: &str) -> Result<(), Error> {
    if is_installed(folder) {
        return Ok(());
    }
    shell::announce(&format!("Installing {what}"), takes);
    let mut ci = npm(folder);
    ci.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    shell::run(&mut ci)
}
