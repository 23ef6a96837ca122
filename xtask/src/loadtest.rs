//! `cargo xtask loadtest`: publishes and receives in many real tabs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::browser;
use crate::error::Error;
use crate::page;
use crate::setup::{self, Needs, Tools};
use crate::shell;
use crate::vendor;

/// The options with a file name.
const FILES: [&str; 2] = ["--json", "--html"];

/// The load of `cargo xtask test`: two minutes of the highest load that the project promises for ten.
const IN_TESTS: &[&str] = &[
    "--tabs",
    "32",
    "--publishers",
    "4",
    "--subscribers",
    "2",
    "--rate",
    "2000",
    "--minutes",
    "2",
    "--churn",
    "6",
    "--kill-broker-every",
    "20",
];

/// Builds the page and runs the load test, which has its own help.
pub(crate) fn run(arguments: &[OsString]) -> Result<(), Error> {
    let tools = setup::ensure(Needs::Browser)?;
    vendor::ensure()?;
    let folder = page::build(&tools)?;
    drive(&folder, &absolute(arguments)?)
}

/// `cargo xtask test --only load`
pub(crate) fn test(tools: &Tools) -> Result<(), Error> {
    let folder = page::build(tools)?;
    let arguments: Vec<OsString> = IN_TESTS.iter().map(OsString::from).collect();
    drive(&folder, &arguments)
}

fn drive(page: &Path, arguments: &[OsString]) -> Result<(), Error> {
    let browser = browser::find()?;
    let mut run = shell::cargo(["run", "-p", "bench-browser", "--bin", "loadtest", "--"]);
    run.args(arguments)
        .env("TABMQ_PAGE", page)
        .env("TABMQ_UPLOT", vendor::uplot())
        .envs(browser.variables());
    shell::run(&mut run)
}

/// Makes file names absolute. They are relative to the developer's folder, and the program runs in the workspace's.
fn absolute(arguments: &[OsString]) -> Result<Vec<OsString>, Error> {
    let mut is_file = false;
    let all = arguments.iter().map(|argument| {
        let was_file = is_file;
        is_file = FILES.iter().any(|name| argument == name);
        if !was_file {
            return Ok(argument.clone());
        }
        let path = PathBuf::from(argument);
        let absolute = std::path::absolute(&path).map_err(Error::at(&path))?;
        Ok(absolute.into())
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_relative_to_the_developers_folder() {
        let arguments = ["--html", "a.html", "--qos", "1"].map(OsString::from);
        let all = absolute(&arguments).unwrap();
        let here = std::env::current_dir().unwrap().join("a.html");
        assert_eq!(
            all,
            [
                OsString::from("--html"),
                here.into(),
                "--qos".into(),
                "1".into()
            ]
        );
    }
}
