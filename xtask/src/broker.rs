//! `cargo xtask broker`: serves the engine over TCP and WebSocket.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use crate::error::Error;
use crate::shell;

/// Builds `front` and replaces this process by it. `front` has its own help.
pub(crate) fn run(arguments: &[OsString]) -> Result<(), Error> {
    let mut front = shell::cargo(["run", "--profile", "native", "--package", "front"]);
    front
        .arg("--manifest-path")
        .arg(shell::root().join("Cargo.toml"));
    front.arg("--").args(arguments);
    // Paths in the arguments are relative to the developer's folder.
    if let Ok(folder) = env::current_dir() {
        front.current_dir(folder);
    }
    shell::announce(
        "Building the broker and starting it",
        "1 minute at first, seconds later",
    );
    replace_by(&mut front)
}

/// Cargo replaces itself, too, so a signal to this process reaches the broker.
#[cfg(unix)]
fn replace_by(command: &mut Command) -> Result<(), Error> {
    use std::os::unix::process::CommandExt;

    let failure = command.exec();
    Err(shell::cannot_start(command, failure))
}

#[cfg(not(unix))]
fn replace_by(command: &mut Command) -> Result<(), Error> {
    // Ctrl+C reaches the broker directly. This command waits for its end.
    ctrlc::set_handler(|| {}).map_err(Error::Signals)?;
    shell::run(command)
}
