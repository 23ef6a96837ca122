//! A profile on disk, in which one browser starts after the other.

use std::rc::Rc;

use e2e::{Chromium, ChromiumSetup, SQLITE, Server};
use tempfile::TempDir;

/// The format in which the browser keeps databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    LevelDb,
    Sqlite,
}

pub(crate) struct Profile {
    folder: TempDir,
    format: Format,
    /// The server of the browser that has ended.
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

    /// Starts a browser, for which the site is at the same address as for the one before.
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

    /// Ends the browser, which has stored something by now: [`Chromium::quit`] or [`Chromium::kill`].
    #[track_caller]
    pub(crate) fn end(&mut self, chromium: Chromium, end: fn(Chromium) -> Rc<Server>) {
        if self.format == Format::Sqlite {
            chromium.assert_sqlite();
        }
        self.server = Some(end(chromium));
    }
}
