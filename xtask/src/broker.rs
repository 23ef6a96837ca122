//! `cargo xtask broker`: the engine over TCP and WebSocket.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use crate::error::Error;
use crate::shell;

/// Builds the front and becomes it, with these arguments; it has its own help.
pub(crate) fn run(arguments: &[OsString]) -> Result<(), Error> {
    let mut front = shell::cargo(["run", "--profile", "native", "--package", "front"]);
    front
        .arg("--manifest-path")
        .arg(shell::root().join("Cargo.toml"));
    front.arg("--").args(arguments);
    // The paths among the arguments are seen from where the command was given.
    if let Ok(folder) = env::current_dir() {
        front.current_dir(folder);
    }
    shell::announce(
        "Building the broker and starting it",
        "1 minute at first, seconds later",
    );
    replace_by(&mut front)
}

/// Cargo does the same, so a signal to this process is one to the broker.
#[cfg(unix)]
fn replace_by(command: &mut Command) -> Result<(), Error> {
    use std::os::unix::process::CommandExt;

    let failure = command.exec();
    Err(shell::cannot_start(command, failure))
}

#[cfg(not(unix))]
fn replace_by(command: &mut Command) -> Result<(), Error> {
    // Ctrl+C reaches the broker by itself, and this command outlasts it.
    ctrlc::set_handler(|| {}).map_err(Error::Signals)?;
    shell::run(command)
}
