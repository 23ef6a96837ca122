//! Other people's JavaScript in the page: npm brings it, and index.html names its files to trunk.

use crate::error::Error;
use crate::npm;
use crate::shell;

/// Brings uPlot, unless what is there is of the lock file's version.
pub(crate) fn ensure() -> Result<(), Error> {
    let folder = shell::root().join("assets").join("uplot");
    if npm::is_installed(&folder) {
        return Ok(());
    }
    npm::ensure()?;
    npm::install(&folder, "uPlot, which draws charts", "a few seconds, once")
}
