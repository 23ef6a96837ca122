//! One Chromium and its tabs.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use thirtyfour::error::{WebDriverError, WebDriverResult};
use thirtyfour::{Capabilities, WebDriver, WindowHandle};
use tokio::runtime::{Builder, Runtime};

use crate::driver::{Driver, path_in};
use crate::server::{Caching, Server};
use crate::tab::{DEADLINE, POLL_INTERVAL, Tab};

/// Longest answer of ChromeDriver that is waited for; a page load may be one.
const ANSWER_MAX: Duration = Duration::from_secs(60);

const CHROME_ARGUMENTS: [&str; 10] = [
    "--headless=new",
    // Chromium ends with ChromeDriver, even if that is killed.
    "--remote-debugging-pipe",
    // Containers: the sandbox refuses to start as root, and shared memory is scarce.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    // Nothing but the app uses the network.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
];

/// A host that is the server's as well, and not local to the browser.
const INSECURE_HOST: &str = "tabmq.test";

/// With these, ChromeDriver would treat tabs in the background better than people's browsers do.
const CHROMEDRIVER_ARGUMENTS_NOT_WANTED: [&str; 2] = [
    "disable-background-timer-throttling",
    "disable-backgrounding-occluded-windows",
];

/// A Chromium with a fresh profile, and a server for the app that was built. Both end with it.
///
/// Its methods, and those of its tabs, wait for their outcome, so that a test reads from top to bottom and a failure
/// names the line of the test.
pub struct Browser {
    runtime: Runtime,
    session: WebDriver,
    /// The window that commands go to.
    current: RefCell<WindowHandle>,
    /// An empty window that stays open, because a command can only be sent to one that is.
    home: WindowHandle,
    console: RefCell<Vec<ConsoleEntry>>,
    server: Server,
    is_secure: bool,
    // In this order: the folder can be removed once nothing uses it.
    _driver: Driver,
    _folder: TempDir,
}

/// What is not as usual.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Path of the app on its server; starts and ends with a slash.
    pub mount: &'static str,
    /// What the server says about caching.
    pub caching: Caching,
    /// Whether the app is on a host that browsers take for secure, which one that is not local is only by https.
    pub is_secure: bool,
    /// More command line arguments for Chromium.
    pub chrome_arguments: &'static [&'static str],
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            mount: "/",
            caching: Caching::Unsaid,
            is_secure: true,
            chrome_arguments: &[],
        }
    }
}

/// Something on the console of one of the tabs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleEntry {
    /// `SEVERE`, `WARNING`, `INFO`, …
    pub level: String,
    /// Where it comes from, and what it says.
    pub message: String,
}

/// The folder with the app that was built.
#[must_use]
#[track_caller]
pub fn dist() -> PathBuf {
    let dist = path_in("TABMQ_DIST");
    let is_there = dist.join("index.html").is_file();
    assert!(
        is_there,
        "no app in {}: run `cargo xtask test`",
        dist.display()
    );
    dist
}

impl Browser {
    /// Starts a browser in which no tab shows the app yet.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(Setup::default())
    }

    /// Starts a browser that is not as usual.
    #[track_caller]
    #[must_use]
    pub fn start_with(setup: Setup) -> Self {
        let dist = dist();
        let chrome = path_in("CHROME");
        let server = must("a server", Server::start(&dist, setup.mount, setup.caching));
        let folder = must("a folder for the profile", tempfile::tempdir());
        let runtime = must(
            "a runtime",
            Builder::new_current_thread().enable_all().build(),
        );
        let driver = Driver::start(folder.path());
        let profile = format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        );
        let resolve = &format!("--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1");
        let arguments: Vec<&str> = CHROME_ARGUMENTS
            .iter()
            .chain(setup.chrome_arguments)
            .copied()
            .chain([profile.as_str(), resolve])
            .collect();
        let mut capabilities = Capabilities::new();
        let chrome_options = json!({
            "binary": chrome,
            "args": arguments,
            "excludeSwitches": CHROMEDRIVER_ARGUMENTS_NOT_WANTED,
        });
        let entries = [
            ("browserName", json!("chrome")),
            ("goog:loggingPrefs", json!({ "browser": "ALL" })),
            ("goog:chromeOptions", chrome_options),
        ];
        let started = runtime.block_on(async {
            for (name, value) in entries {
                capabilities.set(name, value)?;
            }
            let session = WebDriver::builder(driver.url(), capabilities)
                .request_timeout(ANSWER_MAX)
                .await?;
            session.goto("about:blank").await?;
            let home = session.window().await?;
            Ok((session, home))
        });
        let (session, home) = must("Chromium", started.map_err(brief));
        Self {
            runtime,
            session,
            current: RefCell::new(home.clone()),
            home,
            console: RefCell::default(),
            server,
            is_secure: setup.is_secure,
            _driver: driver,
            _folder: folder,
        }
    }

    /// The server of the app.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Address of the app with this query.
    #[must_use]
    pub fn app(&self, query: &str) -> String {
        let url = self.server.url();
        if self.is_secure {
            format!("{url}{query}")
        } else {
            format!("{}{query}", url.replacen("127.0.0.1", INSECURE_HOST, 1))
        }
    }

    /// Opens the app with this query (`?channel=…`, or nothing) in a new tab, and waits until it is connected and
    /// subscribed.
    #[track_caller]
    pub fn open(&self, query: &str) -> Tab<'_> {
        let tab = self.open_blank();
        tab.go(&self.app(query));
        tab.until_ready();
        tab
    }

    /// Opens a new tab with nothing in it.
    #[track_caller]
    pub fn open_blank(&self) -> Tab<'_> {
        let window = self.run("opening a tab", self.session.new_tab());
        Tab::new(self, window)
    }

    /// Opens the app in so many tabs at once, and waits for none of them.
    #[track_caller]
    pub fn open_at_once(&self, count: usize, query: &str) -> Vec<Tab<'_>> {
        let home = Tab::new(self, self.home.clone());
        let before = self.windows();
        // Without an opener, the tabs share nothing, as if a person had opened them.
        let open = "for (let i = 0; i < arguments[0]; i++) window.open(arguments[1], '_blank', 'noopener')";
        home.execute(open, vec![json!(count), json!(self.app(query))]);
        let start = Instant::now();
        loop {
            let mut opened = self.windows();
            opened.retain(|window| !before.contains(window));
            if opened.len() == count {
                return opened.into_iter().map(|it| Tab::new(self, it)).collect();
            }
            assert!(
                start.elapsed() < DEADLINE,
                "{} of {count} tabs opened",
                opened.len()
            );
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// What the consoles of all tabs say since the start.
    #[track_caller]
    pub fn console(&self) -> Vec<ConsoleEntry> {
        let entries = self.run("reading the console", self.session.browser_log());
        let mut console = self.console.borrow_mut();
        console.extend(entries.into_iter().map(|entry| ConsoleEntry {
            level: entry.level,
            message: entry.message,
        }));
        console.clone()
    }

    #[track_caller]
    fn windows(&self) -> Vec<WindowHandle> {
        self.run("listing the tabs", self.session.windows())
    }

    pub(crate) fn session(&self) -> &WebDriver {
        &self.session
    }

    /// Sends the commands that follow to this window.
    pub(crate) async fn switch_to(&self, window: &WindowHandle) -> WebDriverResult<()> {
        if *self.current.borrow() != *window {
            self.session.switch_to_window(window.clone()).await?;
            self.current.replace(window.clone());
        }
        Ok(())
    }

    /// Leaves the current window, which is gone.
    #[track_caller]
    pub(crate) fn go_home(&self) {
        self.run("leaving a tab", self.switch_to(&self.home));
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    #[track_caller]
    pub(crate) fn run<T>(&self, what: &str, work: impl Future<Output = WebDriverResult<T>>) -> T {
        match self.block_on(work) {
            Ok(value) => value,
            Err(error) => panic!("{what} failed: {}", brief(error)),
        }
    }

    /// What every tab shows, the console, and what the server did not have.
    fn report(&self) {
        let mut windows = self.block_on(self.session.windows()).unwrap_or_default();
        windows.retain(|window| *window != self.home);
        for (index, window) in windows.into_iter().enumerate() {
            eprintln!("--- Tab {}", index + 1);
            match Tab::new(self, window).try_view() {
                Ok(view) => eprint!("{view}"),
                Err(error) => eprintln!("  {}", brief(error)),
            }
        }
        eprintln!("--- Console");
        let _ = self.block_on(self.switch_to(&self.home));
        let newest = self
            .block_on(self.session.browser_log())
            .unwrap_or_default();
        let newest = newest.into_iter().map(|it| ConsoleEntry {
            level: it.level,
            message: it.message,
        });
        for entry in self.console.take().into_iter().chain(newest) {
            eprintln!("  {entry}");
        }
        let requests = self.server.requests();
        for request in requests.iter().filter(|request| request.status != 200) {
            eprintln!(
                "--- The server answered {} to {}",
                request.status, request.target
            );
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if thread::panicking() {
            self.report();
        }
        // The profile cannot be removed while Chromium writes to it. A session that cannot be ended ends with its driver.
        let _ = self.block_on(self.session.clone().quit());
    }
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser").finish_non_exhaustive()
    }
}

impl fmt::Display for ConsoleEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.level, self.message)
    }
}

#[track_caller]
fn must<T>(what: &str, result: Result<T, impl fmt::Display>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what} does not start: {error}"),
    }
}

/// An error without the stack of ChromeDriver, which tells nobody anything.
pub(crate) fn brief(error: WebDriverError) -> String {
    let text = error.to_string();
    let end = text.find("Stacktrace:").unwrap_or(text.len());
    text.get(..end).unwrap_or_default().trim_end().to_owned()
}
