//! Installs packages of Debian and Ubuntu.

use std::fs;
use std::process::Command;

use crate::error::Error;
use crate::shell;

/// Installs `names`. It never removes another package.
///
/// # Errors
/// The system has no apt-get, or this user may not install packages.
pub(crate) fn install(names: &[&'static str], takes: &str) -> Result<(), Error> {
    if !is_debian() {
        return Err(Error::NotDebian);
    }
    let Some(become_root) = way_to_root() else {
        return Err(Error::Packages {
            names: names.to_vec(),
        });
    };
    shell::announce(
        &format!("Installing {} with apt-get", names.join(" ")),
        takes,
    );
    shell::run(apt_get(become_root).args(["update", "--quiet"]))?;
    shell::run(
        apt_get(become_root)
            .args([
                "install",
                "--quiet",
                "--yes",
                "--no-install-recommends",
                "--no-remove",
            ])
            .args(names),
    )
}

/// The name in `/etc/os-release`: `debian`, `ubuntu`, or the name of a derived system.
pub(crate) fn distribution() -> Option<String> {
    let release = fs::read_to_string("/etc/os-release").ok()?;
    release
        .lines()
        .find_map(|line| line.strip_prefix("ID="))
        .map(|id| id.trim_matches('"').to_owned())
}

fn is_debian() -> bool {
    cfg!(target_os = "linux") && shell::find(&["apt-get"]).is_some()
}

/// The words before a command that make it run as root: none for root, `sudo` if it asks for no password.
fn way_to_root() -> Option<&'static [&'static str]> {
    if shell::ask(shell::command("id").arg("-u")).is_some_and(|id| id.trim() == "0") {
        return Some(&[]);
    }
    shell::ask(shell::command("sudo").args(["-n", "true"])).map(|_| ["sudo", "-n"].as_slice())
}

fn apt_get(become_root: &[&str]) -> Command {
    let mut words = become_root
        .iter()
        .chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    let mut command = shell::command(words.next().unwrap_or(&"env"));
    command.args(words);
    command
}
