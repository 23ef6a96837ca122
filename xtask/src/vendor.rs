//! Installs the page's third-party JavaScript from npm. index.html names its files to trunk.

use std::path::PathBuf;

use crate::error::Error;
use crate::npm;
use crate::shell;

/// The folder of uPlot's files.
pub(crate) fn uplot() -> PathBuf {
    folder().join("node_modules").join("uplot").join("dist")
}

fn folder() -> PathBuf {
    shell::root().join("assets").join("uplot")
}

/// Installs uPlot, unless the version of the lock file is installed.
pub(crate) fn ensure() -> Result<(), Error> {
    let folder = folder();
    if npm::is_installed(&folder) {
        return Ok(());
    }
    npm::ensure()?;
    npm::install(&folder, "uPlot, which draws charts", "a few seconds, once")
}
