//! Builds Rust's WebAssembly target from Debian's packages, for machines on which rustup cannot add it. Debian has a
//! compiler for the target and the source of the standard library, which is compiled once into a private sysroot.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;
use crate::error::Error;
use crate::shell;
use crate::tool;

/// Debian keeps these packages recent, because it builds Firefox and Chromium with them.
const PACKAGES: [&str; 5] = [
    "rustc-web",
    "cargo-web",
    "rust-web-src",
    "rust-web-clippy",
    "lld-22",
];
const LLD: &str = "/usr/lib/llvm-22/bin/lld";
const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
const CARGO_CLIPPY: &str = "/usr/bin/cargo-clippy";
const SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// An empty package. Its build compiles the standard library.
const EMPTY_PACKAGE: &str = r#"
[package]
name = "empty"
edition = "2024"

[lib]
path = "empty.rs"

[workspace]

[profile.release]
opt-level = "s"
panic = "abort"
debug = 0
"#;

/// The sysroot of Debian's current compiler, if it was built before. With its `bin` first on PATH, `cargo build` and
/// `cargo clippy` for wasm32-unknown-unknown need no flags.
pub(crate) fn find() -> Option<PathBuf> {
    let folder = folder(&Compiler::find()?).ok()?;
    folder.exists().then_some(folder)
}

/// Finds or builds the sysroot. Installs missing packages first.
pub(crate) fn ensure() -> Result<PathBuf, Error> {
    let compiler = match Compiler::find() {
        Some(compiler) => compiler,
        None => {
            apt::install(&PACKAGES, "about 1 minute, once")?;
            let what = PACKAGES.join(" ");
            Compiler::find().ok_or(Error::StillMissing {
                what,
                place: RUSTC.into(),
            })?
        }
    };
    let folder = folder(&compiler)?;
    if !folder.exists() {
        let what = "Compiling Rust's standard library for WebAssembly";
        shell::announce(what, "about 1 minute, once");
        tool::atomically(&folder, |unfinished| build(unfinished, &compiler.host))?;
    }
    Ok(folder)
}

/// Makes a command use the sysroot in `folder`.
pub(crate) fn apply(folder: &Path, command: &mut Command) {
    // clippy does not start the `rustc` in this folder.
    command.env("SYSROOT", folder);
}

/// Debian's compiler, with all other parts of the sysroot.
struct Compiler {
    release: String,
    host: String,
}

impl Compiler {
    fn find() -> Option<Self> {
        let mut parts = [LLD, RUSTC, CARGO, CARGO_CLIPPY, SOURCE].iter();
        if !parts.all(|part| Path::new(part).exists()) {
            return None;
        }
        let about = shell::ask(shell::command(RUSTC).arg("-vV"))?;
        let field = |key| {
            about
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .map(str::to_owned)
        };
        Some(Self {
            release: field("release: ")?,
            host: field("host: ")?,
        })
    }
}

/// Each release has its folder, because a compiler reads only its own library.
fn folder(compiler: &Compiler) -> Result<PathBuf, Error> {
    Ok(tool::cache_folder()?.join(format!("wasm-sysroot-{}", compiler.release)))
}

fn build(sysroot: &Path, host: &str) -> Result<(), Error> {
    let rustlib = sysroot.join("lib/rustlib");
    let library = rustlib.join("wasm32-unknown-unknown/lib");
    for folder in [
        &sysroot.join("bin"),
        &rustlib.join(host).join("bin"),
        &library,
    ] {
        fs::create_dir_all(folder).map_err(Error::at(folder))?;
    }
    // Scripts, because a compiler behind a link still uses the sysroot in /usr.
    for program in ["rustc", "rustdoc"] {
        let script =
            format!("#!/bin/sh\nexec /usr/bin/{program} --sysroot \"${{0%/bin/*}}\" \"$@\"\n");
        write_script(&sysroot.join("bin").join(program), &script)?;
    }
    link(Path::new(CARGO), &sysroot.join("bin/cargo"))?;
    link(Path::new(CARGO_CLIPPY), &sysroot.join("bin/cargo-clippy"))?;
    link(
        &Path::new("/usr/lib/rustlib").join(host).join("lib"),
        &rustlib.join(host).join("lib"),
    )?;
    link(Path::new(LLD), &rustlib.join(host).join("bin/rust-lld"))?;

    let package = sysroot.join("empty");
    fs::create_dir_all(&package).map_err(Error::at(&package))?;
    for (name, text) in [("Cargo.toml", EMPTY_PACKAGE), ("empty.rs", "")] {
        let path = package.join(name);
        fs::write(&path, text).map_err(Error::at(&path))?;
    }
    let target = package.join("target");
    let mut cargo = shell::command(CARGO);
    cargo
        .current_dir(&package)
        .args(["build", "--release", "--target", "wasm32-unknown-unknown"]);
    cargo.args(["-Z", "build-std=std,panic_abort,test,proc_macro"]);
    cargo
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", RUSTC)
        .env("CARGO_TARGET_DIR", &target);
    // Link-time optimisation of the app needs the library's bitcode.
    cargo
        .env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
            "-Cembed-bitcode=yes",
        )
        .env_remove("RUSTFLAGS");
    shell::run(&mut cargo)?;

    let built = target.join("wasm32-unknown-unknown/release/deps");
    copy_libraries(&built, &library).map_err(Error::at(&built))?;
    fs::remove_dir_all(&package).map_err(Error::at(&package))
}

fn copy_libraries(from: &Path, to: &Path) -> Result<(), std::io::Error> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if let (Some("rlib"), Some(name)) = (
            path.extension().and_then(|it| it.to_str()),
            path.file_name(),
        ) {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn write_script(path: &Path, text: &str) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;

    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .map_err(Error::at(path))
}

#[cfg(unix)]
fn link(original: &Path, link: &Path) -> Result<(), Error> {
    std::os::unix::fs::symlink(original, link).map_err(Error::at(link))
}

// Never called on Windows, which has no apt-get.
#[cfg(not(unix))]
fn write_script(_path: &Path, _text: &str) -> Result<(), Error> {
    Err(Error::NotDebian)
}

#[cfg(not(unix))]
fn link(_original: &Path, _link: &Path) -> Result<(), Error> {
    Err(Error::NotDebian)
}
