//! A Chromium without a driver: real tabs in the background, real freezing, the real back/forward cache.

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

/// Starts a program whose pipes are where Chromium wants those of the protocol: 3 and 4.
#[cfg(unix)]
const WITH_PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null"#;

/// What a page without a view knows, in words.
const REPORT: &str = r#"typeof tab === "undefined" ? location.href : [
    `${tab.state.tabId} ${JSON.stringify(tab.state.role)} ${document.visibilityState}`,
    JSON.stringify(tab.state.statuses),
    ...tab.log.slice(-30).map((it) => `  ${(it.told ?? it.at).toFixed(0)} ${it.kind}: ${it.words}`),
].join("\n")"#;

/// Has Chromium keep new databases in SQLite instead of LevelDB, as it will by itself one day.
pub const SQLITE: &str = "--enable-features=IdbSqliteBackingStore";

const ARGUMENTS: [&str; 13] = [
    "--headless=new",
    "--remote-debugging-pipe",
    // Containers: the sandbox refuses to start as root, and shared memory is scarce.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    // Nothing but the page uses the network.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    // A host that is not this machine by name, so that a page on it is not secure.
    "--host-resolver-rules=MAP *.test 127.0.0.1",
];

/// A Chromium that is spoken to through nothing but the DevTools protocol, and a server for pages without a view. Both
/// end with it.
///
/// An automation driver makes tabs in the background look as if they were in front, and keeps them awake. Here a tab is
/// hidden when another one is opened or shown, and freezing and the back/forward cache are the browser's own.
#[derive(Debug)]
pub struct Chromium {
    connection: Connection,
    server: Rc<Server>,
    process: Child,
    profile: Profile,
}

/// What is not as usual.
#[derive(Debug, Default)]
pub struct ChromiumSetup<'a> {
    /// The folder of the profile, which stays; none: a fresh one.
    pub profile: Option<&'a Path>,
    /// The server of an earlier browser, because what a site has stored goes by its address, the port included.
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
    /// Starts a browser with no page of ours yet.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(ChromiumSetup::default())
    }

    /// Starts a browser that is not as usual.
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

    /// How long an answer is waited for from now on.
    pub fn wait_at_most(&self, longest: Duration) {
        self.connection.wait_at_most(longest);
    }

    /// Makes sure that [`SQLITE`] was understood, and all databases are there.
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
            "not in SQLite, for which this browser may be too old: {names:?}"
        );
    }

    /// Opens a page in a new tab, in front of the others, and waits for nothing.
    #[track_caller]
    pub fn open(&self, url: &str) -> Page<'_> {
        let target = self.call("Target.createTarget", json!({ "url": url }));
        let page = Page::attach(&self.connection, &self.server, &word(&target["targetId"]));
        // Until the first document has come there is an empty one, of no origin.
        if url != BLANK {
            page.until_true("the page", &format!("location.href !== '{BLANK}'"));
        }
        page
    }

    /// Opens an empty tab, to be prepared before anything is loaded.
    #[track_caller]
    pub fn open_blank(&self) -> Page<'_> {
        self.open(BLANK)
    }

    /// Opens a page without a view on a channel, and waits until it has joined.
    #[track_caller]
    pub fn join(&self, channel: &str) -> Page<'_> {
        let page = self.open_blank();
        page.join(channel);
        page
    }

    /// Ends the browser as a person does, and returns its server.
    #[track_caller]
    pub fn quit(mut self) -> Rc<Server> {
        self.call("Browser.close", json!({}));
        // It has been asked to end; how it does so is its affair.
        let _ = self.process.wait();
        Rc::clone(&self.server)
    }

    /// Ends all processes of the browser at once, as a crash of the machine's user session would, and returns its server.
    #[track_caller]
    pub fn kill(mut self) -> Rc<Server> {
        let killed = self.process.kill().and_then(|()| self.process.wait());
        assert!(killed.is_ok(), "the browser cannot be killed: {killed:?}");
        Rc::clone(&self.server)
    }

    /// Lets a site store so many bytes and no more; none: as many as the browser sees fit.
    #[track_caller]
    pub fn override_quota(&self, page: &Page<'_>, origin: &Value, bytes: Option<u64>) {
        let mut params = json!({ "origin": origin });
        if let Some(bytes) = bytes {
            params["quotaSize"] = bytes.into();
        }
        page.command("Storage.overrideQuotaForOrigin", params);
    }

    /// What every page without a view knows, and what went wrong in it.
    fn report(&self) {
        self.connection.wait_at_most(Duration::from_secs(2));
        for (index, session) in self.connection.pages().iter().enumerate() {
            let params = json!({ "expression": REPORT, "returnByValue": true });
            let told = match self
                .connection
                .try_command(session, "Runtime.evaluate", &params)
            {
                Ok(told) => word(&told["result"]["value"]),
                Err(error) => error.to_string(),
            };
            eprintln!("--- Page {}\n{told}", index + 1);
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
        // Both fail only if it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Profile::Fresh(folder) = &self.profile {
            // Its other processes end a moment later, and may still write.
            let start = Instant::now();
            while fs::remove_dir_all(folder.path()).is_err() && start.elapsed() < DEADLINE {
                thread::sleep(POLL_INTERVAL);
            }
        }
    }
}
