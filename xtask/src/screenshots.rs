//! `cargo xtask screenshots`: pictures of the app, for those who judge how it looks.

use std::path::Path;

use crate::browser;
use crate::cargo::target_folder;
use crate::error::Error;
use crate::setup::{self, Needs};
use crate::shell;

/// Builds the app and has pictures taken of every view; into `target/screenshots` unless told otherwise.
pub(crate) fn run(out: Option<&Path>) -> Result<(), Error> {
    let folder = match out {
        // Relative to where the developer stands, not to the workspace.
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
