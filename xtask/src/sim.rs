//! `cargo xtask sim`: simulates many tabs in virtual time.

use std::ffi::OsString;

use crate::error::Error;
use crate::shell;

/// Builds and runs the simulation, which has its own help. The tests share this build.
pub(crate) fn run(arguments: &[OsString]) -> Result<(), Error> {
    shell::announce(
        "Building the simulation and running it",
        "1 minute at first, seconds later",
    );
    let mut sim = shell::cargo(["run", "--package", "sim", "--"]);
    shell::run(sim.args(arguments))
}
