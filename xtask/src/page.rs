//! Builds the page without a view, which tests and benchmarks drive in real tabs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cargo::target_folder;
use crate::error::Error;
use crate::setup::{self, Tools};
use crate::shell;

/// Source files that are served unchanged.
const FILES: [&str; 3] = ["index.html", "driver.js", "raw.js"];
/// The worker's files from the build of the app.
const WORKER: [&str; 3] = ["worker-loader.js", "worker.js", "worker_bg.wasm"];
/// Page and worker share these files. One crate makes them, so their contents are the same.
const SNIPPETS: &str = "snippets";

/// Builds the page, and copies the worker from the existing build of the app. Returns the folder to serve.
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

/// Copies the contents of a folder into another one.
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
