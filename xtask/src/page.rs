//! The page without a view: what tests and benchmarks of real tabs drive.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cargo::target_folder;
use crate::error::Error;
use crate::setup::{self, Tools};
use crate::shell;

/// What stands in the repository as it is served.
const FILES: [&str; 3] = ["index.html", "driver.js", "raw.js"];
/// What the build of the app has made, and what visitors get.
const WORKER: [&str; 3] = ["worker-loader.js", "worker.js", "worker_bg.wasm"];
/// Of the page and of the worker alike: one crate's, so each file has the same content in both.
const SNIPPETS: &str = "snippets";

/// Builds the page beside the worker of the app, which is built already. Returns the folder to serve.
pub(crate) fn build(tools: &Tools) -> Result<PathBuf, Error> {
    let target = target_folder()?;
    shell::run(&mut tools.wasm_cargo(["build", "-p", "e2e-page", "--lib", "--release"]))?;
    let folder = target.join("e2e-page");
    let wasm = target.join(setup::WASM).join("release");
    tools.web_module(&wasm.join("e2e_page.wasm"), "page", &folder)?;
    let sources = shell::root().join("e2e").join("page");
    let files = FILES.map(|name| (sources.join(name), name));
    let worker = WORKER.map(|name| (setup::dist().join(name), name));
    for (file, name) in files.into_iter().chain(worker) {
        fs::copy(&file, folder.join(name)).map_err(Error::at(&file))?;
    }
    copy_folder(&setup::dist().join(SNIPPETS), &folder.join(SNIPPETS))?;
    Ok(folder)
}

/// Copies what is in a folder, beside what the other has already.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::at(to))?;
    for entry in fs::read_dir(from).map_err(Error::at(from))? {
        let entry = entry.map_err(Error::at(from))?.path();
        let Some(name) = entry.file_name() else {
            continue;
        };
        if entry.is_dir() {
            copy_folder(&entry, &to.join(name))?;
        } else {
            fs::copy(&entry, to.join(name)).map_err(Error::at(&entry))?;
        }
    }
    Ok(())
}
