//! `cargo xtask sim`: many tabs in virtual time.

use std::ffi::OsString;

use crate::error::Error;
use crate::shell;

/// Builds the simulation as the tests do, so that both share one build, and runs it; it has its own help.
pub(crate) fn run(arguments: &[OsString]) -> Result<(), Error> {
    shell::announce(
        "Building the simulation and running it",
        "1 minute at first, seconds later",
    );
    let mut sim = shell::cargo(["run", "--package", "sim", "--"]);
    shell::run(sim.args(arguments))
}
