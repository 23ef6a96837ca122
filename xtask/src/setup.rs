//! Finds or installs Rust's WebAssembly target, trunk, wasm-bindgen, cargo-deny, uPlot and a browser.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::browser;
use crate::deny;
use crate::error::Error;
use crate::interop;
use crate::shell;
use crate::sysroot;
use crate::tool::{self, Tool};
use crate::vendor;

pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// The part of the set-up that a command needs. Each part includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Needs {
    Cargo,
    WasmTarget,
    Trunk,
    Browser,
}

/// The paths of the tools that [`ensure`] has found or installed.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    /// Folders of tools that are not on PATH.
    folders: Vec<PathBuf>,
    /// The private sysroot, if the compiler on PATH lacks the WebAssembly target.
    sysroot: Option<PathBuf>,
}

/// Finds the needed tools, and installs missing ones.
pub(crate) fn ensure(needs: Needs) -> Result<Tools, Error> {
    let mut tools = Tools::default();
    // First, because it may fail, and the other installations take minutes.
    if needs >= Needs::Browser {
        browser::ensure()?;
    }
    if needs >= Needs::WasmTarget {
        tools.sysroot = ensure_wasm_target()?;
    }
    if needs >= Needs::Trunk {
        for tool in [tool::trunk(), tool::wasm_bindgen()?] {
            tools.folders.extend(tool.ensure()?);
        }
        // The build would install it silently.
        vendor::ensure()?;
    }
    Ok(tools)
}

/// `cargo xtask setup`
pub(crate) fn all() -> Result<(), Error> {
    let tools = ensure(Needs::Browser)?;
    interop::ensure()?;
    deny::ensure()?;
    println!(
        "\nEverything is installed. `cargo xtask demo` and `cargo xtask test` need no further set-up."
    );
    let folders = tools.path_folders();
    if folders.is_empty() {
        println!("Plain `trunk serve` works too.");
    } else {
        println!("For plain `trunk serve`, put the tools on your PATH first:\n");
        println!("  {}", path_advice(&folders));
    }
    Ok(())
}

impl Tools {
    /// Builds the page and the worker into [`dist`], in release mode.
    pub(crate) fn build(&self) -> Result<(), Error> {
        shell::announce(
            "Building the app and its worker",
            "2 minutes at first, seconds later",
        );
        shell::run(&mut self.trunk_build())
    }

    /// The command of [`Tools::build`].
    pub(crate) fn trunk_build(&self) -> Command {
        let mut build = self.trunk("build");
        build.arg("--release");
        build
    }

    /// A command of trunk, which calls cargo and wasm-bindgen.
    pub(crate) fn trunk(&self, subcommand: &str) -> Command {
        let mut trunk = self.command("trunk");
        trunk.args([subcommand, "--skip-version-check"]);
        // Trunk 0.21 parses the variable as its own flag, and accepts only true and false.
        if let Some(value) = env::var_os("NO_COLOR") {
            trunk.env("NO_COLOR", if value.is_empty() { "false" } else { "true" });
        }
        trunk
    }

    /// A command of cargo for WebAssembly.
    pub(crate) fn wasm_cargo<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut cargo = self.command("cargo");
        cargo.args(arguments).args(["--target", WASM]);
        cargo
    }

    /// Makes a module for pages, `name.js`, from a library's WebAssembly.
    pub(crate) fn web_module(&self, wasm: &Path, name: &str, folder: &Path) -> Result<(), Error> {
        let mut bindgen = self.command("wasm-bindgen");
        bindgen
            .args(["--target", "web", "--no-typescript", "--out-name", name])
            .args(["--remove-name-section", "--remove-producers-section"])
            .arg("--out-dir")
            .arg(folder)
            .arg(wasm);
        shell::run(&mut bindgen)
    }

    /// Finds or installs one more tool.
    pub(crate) fn add(&mut self, tool: &Tool) -> Result<(), Error> {
        self.folders.extend(tool.ensure()?);
        Ok(())
    }

    /// A command with the tools on its PATH.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = shell::command(program);
        command.env(
            "PATH",
            shell::path_with(self.path_folders().iter().map(PathBuf::as_path)),
        );
        if let Some(folder) = &self.sysroot {
            sysroot::apply(folder, &mut command);
        }
        command
    }

    fn path_folders(&self) -> Vec<PathBuf> {
        let compiler = self.sysroot.iter().map(|sysroot| sysroot.join("bin"));
        self.folders.iter().cloned().chain(compiler).collect()
    }
}

/// The output folder of [`Tools::build`].
pub(crate) fn dist() -> PathBuf {
    shell::root().join("dist")
}

/// Finds or installs the target. Returns the private sysroot if that has the target.
fn ensure_wasm_target() -> Result<Option<PathBuf>, Error> {
    let wanted = env::var_os("TABMQ_WASM_TARGET").unwrap_or_default();
    match wanted.to_str() {
        Some("" | "auto") => {
            if has_wasm_target() {
                return Ok(None);
            }
            if let Some(sysroot) = sysroot::find() {
                return Ok(Some(sysroot));
            }
            let Err(rustup) = add_by_rustup() else {
                return Ok(None);
            };
            println!("rustup cannot add it ({rustup}); trying Debian's packages.");
            sysroot::ensure()
                .map(Some)
                .map_err(|debian| Error::NoWasmTarget {
                    rustup: Box::new(rustup),
                    debian: Box::new(debian),
                })
        }
        Some("rustup") => {
            if !has_wasm_target() {
                add_by_rustup()?;
            }
            Ok(None)
        }
        Some("debian") => sysroot::ensure().map(Some),
        _ => Err(Error::UnknownWasmTarget(wanted)),
    }
}

/// Asks the compiler, so the source of the target does not matter.
fn has_wasm_target() -> bool {
    let Some(folder) =
        shell::ask(shell::command("rustc").args(["--print", "target-libdir", "--target", WASM]))
    else {
        return false;
    };
    let is_std = |name: &OsStr| name.to_string_lossy().starts_with("libstd-");
    fs::read_dir(Path::new(folder.trim()))
        .is_ok_and(|mut files| files.any(|file| file.is_ok_and(|it| is_std(&it.file_name()))))
}

fn add_by_rustup() -> Result<(), Error> {
    shell::announce(
        &format!("Adding Rust's target {WASM}"),
        "a few seconds, once",
    );
    shell::run(shell::command("rustup").args(["target", "add", WASM]))
}

/// The shell command that puts `folders` first on PATH.
fn path_advice(folders: &[PathBuf]) -> String {
    let folders: Vec<_> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    if cfg!(windows) {
        format!("$env:PATH = \"{};$env:PATH\"", folders.join(";"))
    } else {
        format!("export PATH=\"{}:$PATH\"", folders.join(":"))
    }
}
