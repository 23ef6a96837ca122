//! Runs the tests of `front` with other MQTT clients: paho-mqtt, MQTT.js and mosquitto's.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::apt;
use crate::error::Error;
use crate::npm;
use crate::shell;
use crate::tool;

const PYTHON: [&str; 2] = ["python3", "python"];

/// A program that the tests need, and the Debian package that has it.
struct Program {
    names: &'static [&'static str],
    package: &'static str,
}

const PROGRAMS: [Program; 5] = [
    Program {
        names: &["mosquitto_pub"],
        package: "mosquitto-clients",
    },
    Program {
        names: &["stdbuf"],
        package: "coreutils",
    },
    Program {
        names: &PYTHON,
        package: "python3",
    },
    Program {
        names: &["node"],
        package: "nodejs",
    },
    Program {
        names: &["npm"],
        package: "npm",
    },
];

/// The paths of the clients.
pub(crate) struct Interop {
    /// The Python that has paho-mqtt.
    python: PathBuf,
    /// The folder that has MQTT.js.
    node_modules: PathBuf,
}

/// `cargo xtask test --only interop`
pub(crate) fn test(arguments: &[OsString]) -> Result<(), Error> {
    let interop = ensure()?;
    let mut test = shell::cargo(["test", "-p", "front", "--"]);
    test.args(arguments)
        .env("TABMQ_PYTHON", interop.python)
        .env("TABMQ_NODE_PATH", interop.node_modules);
    shell::run(&mut test)
}

/// Finds or installs the clients: apt-get installs programs, and libraries go into the user's cache folder.
pub(crate) fn ensure() -> Result<Interop, Error> {
    let mut missing = missing_packages();
    if !has_venv() {
        missing.push("python3-venv");
    }
    if !missing.is_empty() {
        apt::install(&missing, "about 1 minute, once").map_err(|packages| Error::Interop {
            missing: missing.clone(),
            packages: Box::new(packages),
        })?;
        if let Some(package) = missing_packages().first() {
            return Err(Error::StillMissing {
                what: (*package).to_owned(),
                place: PathBuf::from("/usr/bin"),
            });
        }
    }
    let tests = shell::root().join("front/tests");
    Ok(Interop {
        python: ensure_paho(&tests.join("paho"))?,
        node_modules: ensure_mqttjs(&tests.join("mqttjs"))?,
    })
}

fn missing_packages() -> Vec<&'static str> {
    let missing = PROGRAMS
        .iter()
        .filter(|program| shell::find(program.names).is_none());
    missing.map(|program| program.package).collect()
}

/// Debian's Python cannot make virtual environments without the package python3-venv.
fn has_venv() -> bool {
    python().is_some_and(|python| {
        shell::ask(shell::command(python).args(["-c", "import venv, ensurepip"])).is_some()
    })
}

fn python() -> Option<PathBuf> {
    shell::find(&PYTHON)
}

/// A virtual environment with the packages of requirements.txt. Returns its Python.
fn ensure_paho(source: &Path) -> Result<PathBuf, Error> {
    let program = if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    };
    let folder = tool::cache_folder()?.join("interop-python");
    ensure_copy_of(source, &["requirements.txt"], &folder, |unfinished| {
        shell::announce("Installing paho-mqtt", "about 20 s, once");
        let python = python().unwrap_or_else(|| PathBuf::from(PYTHON[0]));
        shell::run(shell::command(python).args(["-m", "venv"]).arg(unfinished))?;
        let mut pip = shell::command(unfinished.join(program));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        shell::run(
            pip.arg("--requirement")
                .arg(source.join("requirements.txt")),
        )
    })?;
    Ok(folder.join(program))
}

/// Installs the packages of package-lock.json. Returns their folder.
fn ensure_mqttjs(source: &Path) -> Result<PathBuf, Error> {
    let folder = tool::cache_folder()?.join("interop-node");
    let files = ["package.json", "package-lock.json"];
    ensure_copy_of(source, &files, &folder, |unfinished| {
        shell::announce("Installing MQTT.js", "about 10 s, once");
        let mut npm = npm::npm(unfinished);
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        shell::run(&mut npm)
    })?;
    Ok(folder.join("node_modules"))
}

/// Calls `install` to fill `folder`, unless that was done for the same `files`. `folder` keeps copies of them.
fn ensure_copy_of(
    source: &Path,
    files: &[&str],
    folder: &Path,
    install: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    let read = |path: PathBuf| fs::read(&path).map_err(Error::at(path));
    let mut is_current = true;
    for file in files {
        let wanted = read(source.join(file))?;
        is_current &= fs::read(folder.join(file)).is_ok_and(|installed| installed == wanted);
    }
    if is_current {
        return Ok(());
    }
    tool::atomically(folder, |unfinished| {
        for file in files {
            let copy = unfinished.join(file);
            fs::copy(source.join(file), &copy).map_err(Error::at(copy))?;
        }
        install(unfinished)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_list_is_installed_again() {
        let folder = std::env::temp_dir().join(format!("tabmq-interop-{}", std::process::id()));
        let source = folder.join("source");
        fs::create_dir_all(&source).unwrap();
        let installed = folder.join("installed");
        let ensure = |list: &str| {
            fs::write(source.join("list"), list).unwrap();
            let mut ran = false;
            ensure_copy_of(&source, &["list"], &installed, |_| {
                ran = true;
                Ok(())
            })
            .unwrap();
            ran
        };
        assert_eq!(["one", "one", "two"].map(ensure), [true, false, true]);
        let failed = ensure_copy_of(&folder, &["absent"], &installed, |_| Ok(()));
        assert!(matches!(failed, Err(Error::File { .. })));
        fs::remove_dir_all(folder).unwrap();
    }
}
