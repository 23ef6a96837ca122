//! `cargo xtask screenshots`: takes pictures of the app.

use std::path::Path;

use crate::browser;
use crate::cargo::target_folder;
use crate::error::Error;
use crate::setup::{self, Needs};
use crate::shell;

/// Builds the app and takes pictures of every view, by default into `target/screenshots`.
pub(crate) fn run(out: Option<&Path>) -> Result<(), Error> {
    let folder = match out {
        // The path is relative to the developer's folder, not to the workspace's.
        Some(out) => std::path::absolute(out).map_err(Error::at(out))?,
        None => target_folder()?.join("screenshots"),
    };
    let tools = setup::ensure(Needs::Browser)?;
    let browser = browser::find()?;
    tools.build()?;
    shell::announce("Taking pictures", "1 minute");
    let mut run = shell::cargo(["run", "-p", "e2e", "--bin", "screenshots", "--"]);
    run.arg(folder)
        .env("TABMQ_DIST", setup::dist())
        .envs(browser.variables());
    shell::run(&mut run)
}
