//! Checks the workspace with the oldest Rust that it supports: `rust-version` in Cargo.toml.

use std::fs;

use crate::error::Error;
use crate::setup::WASM;
use crate::shell;

/// `cargo xtask test --only msrv`
pub(crate) fn test() -> Result<(), Error> {
    let version = rust_version()?;
    if shell::find(&["rustup"]).is_none() {
        return Err(skipped(&version, "rustup is not on PATH"));
    }
    let Some(toolchain) = installed(&version).or_else(|| install(&version)) else {
        return Err(skipped(&version, "rustup cannot install it"));
    };
    check(&toolchain, &["--workspace"])?;
    if has_wasm_target(&toolchain) {
        let browser = ["-p", "tabmq", "-p", "tabmq-worker", "--target", WASM];
        return check(&toolchain, &browser);
    }
    println!(
        "Rust {version} has no target {WASM}: the browser's crates are checked natively only."
    );
    Ok(())
}

fn check(toolchain: &str, packages: &[&str]) -> Result<(), Error> {
    let mut check = shell::command("rustup");
    check.args(["run", toolchain, "cargo", "check", "--locked"]);
    shell::run(check.args(packages))
}

fn skipped(version: &str, why: &str) -> Error {
    let why = format!("Rust {version} is not installed, and {why}");
    Error::Skipped { why }
}

/// The name of the toolchain of this version, with or without its last number.
fn installed(version: &str) -> Option<String> {
    let names = [version.to_owned(), format!("{version}.0")];
    let listed = shell::ask(shell::command("rustup").args(["toolchain", "list"]))?;
    names.into_iter().find(|name| is_listed(&listed, name))
}

/// `rustup toolchain list` prints a toolchain in each line: version and host, joined by a hyphen.
fn is_listed(listed: &str, name: &str) -> bool {
    let is_it = |line: &str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', ' ']))
    };
    listed.lines().any(is_it)
}

fn install(version: &str) -> Option<String> {
    shell::announce(&format!("Installing Rust {version}"), "20 s, once");
    let mut install = shell::command("rustup");
    install.args(["toolchain", "install", version, "--profile", "minimal"]);
    install.args(["--no-self-update", "--target", WASM]);
    shell::run(&mut install).ok()?;
    Some(version.to_owned())
}

fn has_wasm_target(toolchain: &str) -> bool {
    let list = ["target", "list", "--installed", "--toolchain", toolchain];
    shell::ask(shell::command("rustup").args(list))
        .is_some_and(|targets| targets.lines().any(|target| target == WASM))
}

fn rust_version() -> Result<String, Error> {
    let path = shell::root().join("Cargo.toml");
    let manifest = fs::read_to_string(&path).map_err(Error::at(&path))?;
    let version = declared(&manifest).ok_or(Error::NoRustVersion)?;
    Ok(version.to_owned())
}

/// The `rust-version` in the text of a Cargo.toml.
fn declared(manifest: &str) -> Option<&str> {
    let mut lines = manifest.lines();
    lines.find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolchain_is_found_by_its_whole_version() {
        let listed = "stable-x86_64-unknown-linux-gnu (active, default)\n1.89-x86_64-unknown-linux-gnu\nlinked";
        assert!(is_listed(listed, "1.89"));
        assert!(is_listed(listed, "stable"));
        assert!(is_listed(listed, "linked"));
        for absent in ["1.8", "1.89.0", "nightly"] {
            assert!(!is_listed(listed, absent), "{absent}");
        }
    }

    #[test]
    fn every_manifest_declares_the_same_rust() {
        let root = shell::root();
        let workspace = rust_version().unwrap();
        let fuzz = fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
        assert_eq!(declared(&fuzz), Some(workspace.as_str()));
    }
}
