//! `cargo xtask embed`: builds and checks the npm package and its examples.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::npm;
use crate::page;
use crate::setup::{self, Needs, Tools};
use crate::shell;

/// The layout of the messages between page and worker, in TypeScript.
const WIRE: &str = "src/wire.ts";
/// The files of the app's build that become the package's worker.
const GLUE: [&str; 2] = ["worker.js", "worker_bg.wasm"];
const SNIPPETS: &str = "snippets";
/// The examples that npm scripts build.
const EXAMPLES: [&str; 7] = [
    "plain", "vite-ts", "webpack", "parcel", "esbuild", "react", "mqttjs",
];

/// `cargo xtask embed`
pub(crate) fn run() -> Result<(), Error> {
    let tools = setup::ensure(Needs::Trunk)?;
    tools.build()?;
    let text = wire()?;
    let path = folder().join(WIRE);
    if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
        fs::write(&path, text).map_err(Error::at(&path))?;
    }
    package()?;
    lint()?;
    println!("\nThe package is in {}.", folder().join("dist").display());
    Ok(())
}

/// `cargo xtask test --only embed`: builds the package, and fails if the layout in the repository is out of date.
pub(crate) fn check() -> Result<(), Error> {
    let path = folder().join(WIRE);
    if fs::read_to_string(&path).map_err(Error::at(&path))? != wire()? {
        return Err(Error::OldWire { path });
    }
    package()?;
    lint()
}

/// The package's folder in the repository.
pub(crate) fn folder() -> PathBuf {
    shell::root().join("embed")
}

/// Builds the package and the examples. Returns the folder of the examples.
pub(crate) fn examples(tools: &Tools) -> Result<PathBuf, Error> {
    package()?;
    let examples = folder().join("examples");
    for name in EXAMPLES {
        npm_run(&examples.join(name), &["build"])?;
    }
    let mut trunk = tools.trunk_build();
    shell::run(trunk.current_dir(examples.join("yew")))?;
    Ok(examples)
}

/// Builds the package from the existing build of the app. Returns the package's folder.
pub(crate) fn build() -> Result<PathBuf, Error> {
    package()?;
    Ok(folder().join("dist"))
}

/// Builds the package from the existing build of the app, packs it, and unpacks it for the examples.
fn package() -> Result<(), Error> {
    npm::ensure()?;
    npm::install(
        &folder(),
        "the tools that build and check the package",
        "1 minute, once",
    )?;
    copy_glue(&folder().join("glue"))?;
    let build = shell::read(&mut wire_command(&["build"]))?;
    npm_run(
        &folder(),
        &["build", "--", build.trim(), env!("CARGO_PKG_VERSION")],
    )?;
    npm_run(&folder(), &["pack"])
}

/// Checks the package: an app in TypeScript and the READMEs' code compile with it, `require` loads it, and publint and attw
/// find nothing. The worker and its WebAssembly have no types.
fn lint() -> Result<(), Error> {
    npm_run(&folder(), &["lint"])
}

/// Runs a script of a folder's package.json.
fn npm_run(folder: &Path, script: &[&str]) -> Result<(), Error> {
    let mut npm = npm::npm(folder);
    // Without `CI`, Parcel and others look for a newer version of themselves on the network.
    npm.args(["run", "--silent"]).args(script).env("CI", "1");
    shell::run(&mut npm)
}

fn wire() -> Result<String, Error> {
    shell::read(&mut wire_command(&[]))
}

fn wire_command(arguments: &[&str]) -> std::process::Command {
    let mut wire = shell::cargo(["run", "--quiet", "-p", "embed-wire", "--"]);
    wire.args(arguments);
    wire
}

fn copy_glue(to: &Path) -> Result<(), Error> {
    // An earlier build may have left other files.
    match fs::remove_dir_all(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::at(to)(error));
        }
        _ => {}
    }
    fs::create_dir_all(to).map_err(Error::at(to))?;
    for name in GLUE {
        let from = setup::dist().join(name);
        fs::copy(&from, to.join(name)).map_err(Error::at(&from))?;
    }
    page::copy_folder(&setup::dist().join(SNIPPETS), &to.join(SNIPPETS))
}
