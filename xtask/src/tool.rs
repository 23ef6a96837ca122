//! Finds or builds command line tools of a fixed version. cargo installs them into the user's cache folder.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use crate::error::Error;
use crate::shell;

/// A tool that `cargo install` can build.
pub(crate) struct Tool {
    /// The program's name. `--version` prints its name and version.
    pub(crate) name: &'static str,
    /// Other needed programs of the same package.
    pub(crate) companions: &'static [&'static str],
    pub(crate) package: &'static str,
    pub(crate) version: String,
    pub(crate) options: &'static [&'static str],
    pub(crate) takes: &'static str,
}

/// The tool that builds and serves the app.
pub(crate) fn trunk() -> Tool {
    Tool {
        name: "trunk",
        companions: &[],
        package: "trunk",
        version: "0.21.14".to_owned(),
        // The default features are TLS and a search for updates. Neither is needed.
        options: &["--locked", "--no-default-features"],
        takes: "about 3 minutes, once",
    }
}

/// The tool that generates the JavaScript for the WebAssembly. It reads the output of the library of the same name, so it
/// must have the version of Cargo.lock.
pub(crate) fn wasm_bindgen() -> Result<Tool, Error> {
    let path = shell::root().join("Cargo.lock");
    let lock = fs::read_to_string(&path).map_err(Error::at(&path))?;
    let package = "wasm-bindgen";
    let version = locked_version(&lock, package)
        .ok_or(Error::NotLocked { package })?
        .to_owned();
    Ok(Tool {
        name: package,
        // Runs the tests in a browser that do not need the app.
        companions: &["wasm-bindgen-test-runner"],
        package: "wasm-bindgen-cli",
        version,
        // Not --locked: its lock file names yanked versions.
        options: &["--no-default-features"],
        takes: "about 1 minute, once",
    })
}

impl Tool {
    /// Finds or installs the tool. Returns the folder to put on PATH; none if the tool is on PATH.
    pub(crate) fn ensure(&self) -> Result<Option<PathBuf>, Error> {
        if shell::find(&[self.name]).is_some_and(|program| self.is(&program)) {
            return Ok(None);
        }
        let folder = cache_folder()?.join(format!("{}-{}", self.name, self.version));
        let programs = folder.join("bin");
        let program = programs.join(shell::executable(self.name));
        if !self.is(&program) {
            self.install(&folder)?;
            if !self.is(&program) {
                return Err(Error::StillMissing {
                    what: format!("{} {}", self.name, self.version),
                    place: folder,
                });
            }
        }
        Ok(Some(programs))
    }

    fn is(&self, program: &Path) -> bool {
        let has = |companion: &&str| {
            let companion = program.with_file_name(shell::executable(companion));
            companion.is_file()
        };
        let answer = shell::ask(shell::command(program).arg("--version"));
        self.companions.iter().all(has)
            && answer.is_some_and(|answer| {
                answer.split_whitespace().nth(1) == Some(self.version.as_str())
            })
    }

    /// Builds the tool without optimization. That takes a third of the time, and each build of the app takes two seconds
    /// longer.
    fn install(&self, folder: &Path) -> Result<(), Error> {
        shell::announce(
            &format!("Installing {} {}", self.name, self.version),
            self.takes,
        );
        atomically(folder, |unfinished| {
            let mut install = shell::cargo(["install", "--debug", "--no-track", "--root"]);
            install.arg(unfinished).args(self.options).args([
                self.package,
                "--version",
                &self.version,
            ]);
            install
                .env("CARGO_PROFILE_DEV_DEBUG", "0")
                .env("CARGO_PROFILE_DEV_STRIP", "symbols");
            // Otherwise cargo warns that the folder is not on PATH.
            install.env("PATH", shell::path_with([unfinished.join("bin").as_path()]));
            shell::run(&mut install)
        })
    }
}

/// Calls `make` to fill a temporary folder, and renames that to `folder` when it is complete. So an interrupted
/// installation never looks complete.
pub(crate) fn atomically(
    folder: &Path,
    make: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(format!(".unfinished-{}", process::id()));
    let unfinished = folder.with_file_name(name);
    fs::create_dir_all(&unfinished).map_err(Error::at(&unfinished))?;
    let made = make(&unfinished).and_then(|()| {
        // Usually the folder does not exist. If it cannot be removed, the renaming fails.
        let _ = fs::remove_dir_all(folder);
        fs::rename(&unfinished, folder).map_err(Error::at(folder))
    });
    if made.is_err() {
        // The first error is reported.
        let _ = fs::remove_dir_all(&unfinished);
    }
    made
}

/// The folder of all installed tools, which all clones share.
pub(crate) fn cache_folder() -> Result<PathBuf, Error> {
    cache_folder_by(env::var_os)
}

fn cache_folder_by(variable: impl Fn(&'static str) -> Option<OsString>) -> Result<PathBuf, Error> {
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let folder = if cfg!(windows) {
        absolute("LOCALAPPDATA").ok_or(Error::NoCacheFolder {
            variable: "LOCALAPPDATA",
        })
    } else {
        let home = || absolute("HOME").ok_or(Error::NoCacheFolder { variable: "HOME" });
        if cfg!(target_os = "macos") {
            home().map(|home| home.join("Library/Caches"))
        } else {
            absolute("XDG_CACHE_HOME").map_or_else(|| home().map(|home| home.join(".cache")), Ok)
        }
    };
    folder.map(|folder| folder.join("tabmq"))
}

/// The version of `package` in the text of a Cargo.lock.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let value = |line: &'a str, key: &str| {
        line.strip_prefix(key)?
            .strip_prefix(" = \"")?
            .strip_suffix('"')
    };
    let mut lines = lock.lines();
    lines.find(|line| value(line, "name") == Some(package))?;
    // `version` follows `name` in the same table.
    lines
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| value(line, "version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"version = 4

[[package]]
name = "wasm-bindgen"
version = "0.2.130"
dependencies = [
 "wasm-bindgen-macro",
]

[[package]]
name = "wasm-bindgen-macro"
version = "0.2.131"

[[package]]
name = "versionless"

[[package]]
name = "last"
version = "1.0.0"
"#;

    #[test]
    fn a_locked_version_is_found_by_the_whole_name() {
        assert_eq!(locked_version(LOCK, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked_version(LOCK, "wasm-bindgen-macro"), Some("0.2.131"));
        assert_eq!(locked_version(LOCK, "wasm"), None);
    }

    #[test]
    fn a_package_without_a_version_has_none() {
        assert_eq!(locked_version(LOCK, "versionless"), None);
    }

    #[test]
    fn trunk_toml_names_the_locked_version() {
        let trunk = fs::read_to_string(shell::root().join("Trunk.toml")).unwrap();
        let version = wasm_bindgen().unwrap().version;
        assert!(
            trunk
                .lines()
                .any(|line| line == format!("wasm_bindgen = \"{version}\"")),
            "{version}"
        );
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn the_cache_folder_follows_xdg_and_falls_back_to_home() {
        let home = |name| (name == "HOME").then(|| OsString::from("/home/ada"));
        assert_eq!(
            cache_folder_by(home).unwrap(),
            Path::new("/home/ada/.cache/tabmq")
        );

        let xdg = |name| {
            Some(OsString::from(if name == "HOME" {
                "/home/ada"
            } else {
                "/var/caches"
            }))
        };
        assert_eq!(
            cache_folder_by(xdg).unwrap(),
            Path::new("/var/caches/tabmq")
        );

        let relative = |name| {
            Some(OsString::from(if name == "HOME" {
                "/home/ada"
            } else {
                "caches"
            }))
        };
        assert_eq!(
            cache_folder_by(relative).unwrap(),
            Path::new("/home/ada/.cache/tabmq")
        );

        assert!(matches!(
            cache_folder_by(|_| None),
            Err(Error::NoCacheFolder { variable: "HOME" })
        ));
    }

    #[test]
    fn an_interrupted_installation_leaves_nothing_behind() {
        let folder = env::temp_dir()
            .join(format!("tabmq-xtask-{}", process::id()))
            .join("tool-1.0");
        let failed = atomically(&folder, |_| Err(Error::NotDebian));
        assert!(matches!(failed, Err(Error::NotDebian)));
        assert!(!folder.exists());
        assert_eq!(fs::read_dir(folder.parent().unwrap()).unwrap().count(), 0);

        atomically(&folder, |unfinished| {
            fs::write(unfinished.join("program"), "").unwrap();
            Ok(())
        })
        .unwrap();
        assert!(folder.join("program").is_file());
        fs::remove_dir_all(folder.parent().unwrap()).unwrap();
    }
}
