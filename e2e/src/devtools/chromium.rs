//! A Chromium without a driver, with the browser's own background tabs, freezing and back/forward cache.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::connection::Connection;
use super::page::Page;
use super::protocol::word;
use crate::environment::{page_dist, path_in};
use crate::server::{Caching, Server};
use crate::wait::{DEADLINE, POLL_INTERVAL, until};

/// The page of a new tab before anything is loaded.
const BLANK: &str = "about:blank";

/// Starts a program with the protocol's pipes as file descriptors 3 and 4, as Chromium expects them.
#[cfg(unix)]
const WITH_PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null"#;

/// The state of a page without a view, as text.
const REPORT: &str = r#"typeof tab === "undefined" ? location.href : [
    `${tab.state.tabId} ${JSON.stringify(tab.state.role)} ${document.visibilityState}`,
    JSON.stringify(tab.state.statuses),
    ...tab.log.slice(-30).map((it) => `  ${(it.eventAt ?? it.at).toFixed(0)} ${it.kind}: ${it.words}`),
].join("\n")"#;

/// Makes Chromium store new databases in SQLite instead of LevelDB. A later version will do so by default.
pub const SQLITE: &str = "--enable-features=IdbSqliteBackingStore";

const ARGUMENTS: [&str; 13] = [
    "--headless=new",
    "--remote-debugging-pipe",
    // Containers: the sandbox refuses to start as root, and shared memory is scarce.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    // Only the page uses the network.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    // A host with a name that is not local, so a page on it is no secure context.
    "--host-resolver-rules=MAP *.test 127.0.0.1",
];

/// A Chromium that only the DevTools protocol controls, and a server for pages without a view. Both
/// end when this is dropped.
///
/// An automation driver makes background tabs look visible, and keeps them awake. Here a tab is
/// hidden when another one is opened or shown, and freezing and the back/forward cache work as usual.
#[derive(Debug)]
pub struct Chromium {
    connection: Connection,
    server: Rc<Server>,
    process: Child,
    profile: Profile,
}

/// Options that differ from the defaults.
#[derive(Debug, Default)]
pub struct ChromiumSetup<'a> {
    /// The folder of a profile to keep; none for a new profile.
    pub profile: Option<&'a Path>,
    /// The server of an earlier browser. A site's storage belongs to its address, including the port.
    pub server: Option<Rc<Server>>,
    /// More command line arguments.
    pub arguments: &'a [&'a str],
}

#[derive(Debug)]
enum Profile {
    Fresh(TempDir),
    Given(PathBuf),
}

impl Profile {
    fn path(&self) -> &Path {
        match self {
            Self::Fresh(folder) => folder.path(),
            Self::Given(folder) => folder,
        }
    }
}

impl Chromium {
    /// Starts a browser without a page.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(ChromiumSetup::default())
    }

    /// Starts a browser with options.
    #[track_caller]
    #[must_use]
    pub fn start_with(setup: ChromiumSetup<'_>) -> Self {
        let server = setup.server.unwrap_or_else(|| {
            match Server::start(&page_dist(), "/", Caching::Unsaid) {
                Ok(server) => Rc::new(server),
                Err(error) => panic!("no server: {error}"),
            }
        });
        let profile = match setup.profile {
            Some(folder) => Profile::Given(folder.to_owned()),
            None => match tempfile::tempdir() {
                Ok(folder) => Profile::Fresh(folder),
                Err(error) => panic!("no folder for the profile: {error}"),
            },
        };
        let chrome = path_in("CHROME");
        let mut command = Command::new("sh");
        command
            .args(["-c", WITH_PIPES])
            .arg(&chrome)
            .args(ARGUMENTS)
            .args(setup.arguments)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = match command.spawn() {
            Ok(process) => process,
            Err(error) => panic!("{} does not start: {error}", chrome.display()),
        };
        let (Some(writer), Some(reader)) = (process.stdin.take(), process.stdout.take()) else {
            panic!("{} has no pipes", chrome.display());
        };
        let chromium = Self {
            connection: Connection::new(writer, reader),
            server,
            process,
            profile,
        };
        chromium.call("Target.setDiscoverTargets", json!({ "discover": true }));
        chromium
    }

    /// The server of the page without a view.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Sets the longest time for the following answers.
    pub fn wait_at_most(&self, longest: Duration) {
        self.connection.wait_at_most(longest);
    }

    /// Checks that [`SQLITE`] has an effect: all databases are stored by SQLite.
    #[track_caller]
    pub fn assert_sqlite(&self) {
        let folder = self.profile.path().join("Default").join("IndexedDB");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries.filter_map(Result::ok),
            Err(error) => panic!("no databases in {}: {error}", folder.display()),
        };
        let names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        let is_leveldb = |name: &OsString| name.to_string_lossy().ends_with(".leveldb");
        assert!(
            !names.is_empty() && !names.iter().any(is_leveldb),
            "not in SQLite; this browser may be too old: {names:?}"
        );
    }

    /// Opens a page in a new visible tab, without waiting for it.
    #[track_caller]
    pub fn open(&self, url: &str) -> Page<'_> {
        let target = self.call("Target.createTarget", json!({ "url": url }));
        let page = Page::attach(&self.connection, &self.server, &word(&target["targetId"]));
        // Before the first document there is an empty one without an origin.
        if url != BLANK {
            page.until_true("the page", &format!("location.href !== '{BLANK}'"));
        }
        page
    }

    /// Opens an empty tab.
    #[track_caller]
    pub fn open_blank(&self) -> Page<'_> {
        self.open(BLANK)
    }

    /// Opens a page without a view, and waits until it has joined a channel.
    #[track_caller]
    pub fn join(&self, channel: &str) -> Page<'_> {
        let page = self.open_blank();
        page.join(channel);
        page
    }

    /// Ends the browser normally, and returns its server.
    #[track_caller]
    pub fn quit(mut self) -> Rc<Server> {
        self.call("Browser.close", json!({}));
        // The exit status does not matter.
        let _ = self.process.wait();
        Rc::clone(&self.server)
    }

    /// Kills all processes of the browser, as a crash of the user session does, and returns its server.
    #[track_caller]
    pub fn kill(mut self) -> Rc<Server> {
        let killed = self.process.kill().and_then(|()| self.process.wait());
        assert!(killed.is_ok(), "the browser cannot be killed: {killed:?}");
        Rc::clone(&self.server)
    }

    /// Sets the quota (bytes) of a site's storage; none restores the browser's own.
    #[track_caller]
    pub fn override_quota(&self, page: &Page<'_>, origin: &Value, bytes: Option<u64>) {
        let mut params = json!({ "origin": origin });
        if let Some(bytes) = bytes {
            params["quotaSize"] = bytes.into();
        }
        page.command("Storage.overrideQuotaForOrigin", params);
    }

    /// Prints the state of all pages, and uncaught errors.
    fn report(&self) {
        self.connection.wait_at_most(Duration::from_secs(2));
        for (index, session) in self.connection.pages().iter().enumerate() {
            let params = json!({ "expression": REPORT, "returnByValue": true });
            let text = match self
                .connection
                .try_command(session, "Runtime.evaluate", &params)
            {
                Ok(text) => word(&text["result"]["value"]),
                Err(error) => error.to_string(),
            };
            eprintln!("--- Page {}\n{text}", index + 1);
        }
        for thrown in self.connection.events(|event| {
            let is_it = event.method == "Runtime.exceptionThrown";
            is_it.then(|| event.params["exceptionDetails"]["exception"]["description"].clone())
        }) {
            eprintln!("--- Thrown\n{thrown}");
        }
    }

    /// Sends a command to the browser itself, and waits for the answer.
    #[track_caller]
    pub fn call(&self, method: &str, params: Value) -> Value {
        self.connection.call(method, params)
    }

    /// The processes of pages, each with its processor time in seconds.
    #[track_caller]
    #[must_use]
    pub fn renderers(&self) -> Vec<(u32, f64)> {
        self.connection.renderers()
    }

    /// Calls `look` until it returns a value.
    #[track_caller]
    pub fn until<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        until(what, look)
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if thread::panicking() {
            self.report();
        }
        // Both fail only if the process has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Profile::Fresh(folder) = &self.profile {
            // The browser's other processes end later, and may still write.
            let start = Instant::now();
            while fs::remove_dir_all(folder.path()).is_err() && start.elapsed() < DEADLINE {
                thread::sleep(POLL_INTERVAL);
            }
        }
    }
}
