//! A profile on disk for several successive browsers.

use std::rc::Rc;

use e2e::{Chromium, ChromiumSetup, SQLITE, Server};
use tempfile::TempDir;

/// The browser's storage engine for databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    LevelDb,
    Sqlite,
}

pub(crate) struct Profile {
    folder: TempDir,
    format: Format,
    /// The server of the last browser.
    server: Option<Rc<Server>>,
}

impl Profile {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            format,
            server: None,
        }
    }

    /// Starts a browser. The site has the same address as in the last one.
    #[track_caller]
    pub(crate) fn start(&mut self) -> Chromium {
        let arguments: &[&str] = match self.format {
            Format::LevelDb => &[],
            Format::Sqlite => &[SQLITE],
        };
        Chromium::start_with(ChromiumSetup {
            profile: Some(self.folder.path()),
            server: self.server.take(),
            arguments,
        })
    }

    /// Ends the browser by [`Chromium::quit`] or [`Chromium::kill`], after it has stored something.
    #[track_caller]
    pub(crate) fn end(&mut self, chromium: Chromium, end: fn(Chromium) -> Rc<Server>) {
        if self.format == Format::Sqlite {
            chromium.assert_sqlite();
        }
        self.server = Some(end(chromium));
    }
}
