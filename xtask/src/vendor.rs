//! Other people's JavaScript in the page: npm brings it, and index.html names its files to trunk.

use std::path::PathBuf;

use crate::error::Error;
use crate::npm;
use crate::shell;

/// Where uPlot's files are.
pub(crate) fn uplot() -> PathBuf {
    folder().join("node_modules").join("uplot").join("dist")
}

fn folder() -> PathBuf {
    shell::root().join("assets").join("uplot")
}

/// Brings uPlot, unless what is there is of the lock file's version.
pub(crate) fn ensure() -> Result<(), Error> {
    let folder = folder();
    if npm::is_installed(&folder) {
        return Ok(());
    }
    npm::ensure()?;
    npm::install(&folder, "uPlot, which draws charts", "a few seconds, once")
}
