//! The browser of the tests: Chromium or Chrome, and ChromeDriver.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::apt;
use crate::error::Error;
use crate::shell;

/// The paths of both programs.
pub(crate) struct Browser {
    pub(crate) chrome: PathBuf,
    pub(crate) chromedriver: PathBuf,
}

impl Browser {
    /// The environment variables that name the browser to a program that drives real tabs.
    pub(crate) fn variables(&self) -> [(&'static str, &Path); 2] {
        [
            (CHROME.variable, &self.chrome),
            (CHROMEDRIVER.variable, &self.chromedriver),
        ]
    }

    /// Writes a file that names the browser to the test runner of wasm-bindgen. Returns its path.
    pub(crate) fn write_capabilities(&self) -> Result<PathBuf, Error> {
        let folder = shell::root().join("target");
        let file = folder.join("webdriver.json");
        fs::create_dir_all(&folder).map_err(Error::at(&folder))?;
        fs::write(&file, capabilities(&self.chrome)).map_err(Error::at(&file))?;
        Ok(file)
    }
}

fn capabilities(chrome: &Path) -> String {
    let chrome = chrome.to_string_lossy();
    let chrome = chrome.replace('\\', r"\\").replace('"', "\\\"");
    format!(r#"{{"goog:chromeOptions":{{"binary":"{chrome}"}}}}"#)
}

struct Program {
    name: &'static str,
    /// The environment variable that overrides PATH.
    variable: &'static str,
    names: &'static [&'static str],
    /// Paths to try if it is not on PATH.
    places: &'static [&'static str],
}

const CHROME: Program = Program {
    name: "Chromium or Chrome",
    variable: "CHROME",
    names: &[
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "chrome",
    ],
    places: &[
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    ],
};

const CHROMEDRIVER: Program = Program {
    name: "ChromeDriver",
    variable: "CHROMEDRIVER",
    names: &["chromedriver"],
    places: &[
        "/usr/lib/chromium-browser/chromedriver",
        "/snap/bin/chromium.chromedriver",
    ],
};

/// Finds the browser, or installs it.
pub(crate) fn ensure() -> Result<(), Error> {
    let missing = missing()?;
    if missing.is_empty() {
        return Ok(());
    }
    let packages: &[&str] = match apt::distribution().as_deref() {
        Some("ubuntu") => &["chromium-browser", "chromium-chromedriver"],
        _ => &["chromium", "chromium-driver"],
    };
    apt::install(packages, "about 1 minute, once").map_err(|packages| Error::Browser {
        missing,
        packages: Box::new(packages),
    })?;
    find().map(drop)
}

/// The browser that [`ensure`] has found or installed.
pub(crate) fn find() -> Result<Browser, Error> {
    match (CHROME.find()?, CHROMEDRIVER.find()?) {
        (Some(chrome), Some(chromedriver)) => Ok(Browser {
            chrome,
            chromedriver,
        }),
        _ => Err(Error::StillMissing {
            what: missing()?.join(" and "),
            place: PathBuf::from("/usr/bin"),
        }),
    }
}

fn missing() -> Result<Vec<&'static str>, Error> {
    let mut missing = Vec::new();
    for program in [&CHROME, &CHROMEDRIVER] {
        if program.find()?.is_none() {
            missing.push(program.name);
        }
    }
    Ok(missing)
}

impl Program {
    fn find(&self) -> Result<Option<PathBuf>, Error> {
        if let Some(path) = env::var_os(self.variable)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
        {
            return if path.is_file() {
                Ok(Some(path))
            } else {
                Err(Error::NoProgramAt {
                    variable: self.variable,
                    path,
                })
            };
        }
        let known = self
            .places
            .iter()
            .map(PathBuf::from)
            .find(|place| place.is_file());
        Ok(shell::find(self.names).or(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_backslashes_is_escaped_in_json() {
        assert_eq!(
            capabilities(Path::new(r#"C:\a "b"\chrome.exe"#)),
            r#"{"goog:chromeOptions":{"binary":"C:\\a \"b\"\\chrome.exe"}}"#
        );
    }
}
