//! One Chromium and its tabs.

use std::cell::RefCell;
use std::fmt;
use std::thread;
use std::time::Instant;

use serde_json::json;
use tempfile::TempDir;

use super::driver::Driver;
use super::session::{ConsoleEntry, Session, brief};
use super::tab::Tab;
use crate::environment::{dist, path_in};
use crate::server::{Caching, Server};
use crate::wait::{DEADLINE, POLL_INTERVAL};

const CHROME_ARGUMENTS: [&str; 10] = [
    "--headless=new",
    // Chromium ends with ChromeDriver, even if that is killed.
    "--remote-debugging-pipe",
    // Containers: the sandbox refuses to start as root, and shared memory is scarce.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    // Only the app uses the network.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
];

/// Another name of the server, which the browser does not treat as local.
const INSECURE_HOST: &str = "tabmq.test";

/// ChromeDriver's default arguments that give background tabs more processor time than usual.
const CHROMEDRIVER_ARGUMENTS_NOT_WANTED: [&str; 2] = [
    "disable-background-timer-throttling",
    "disable-backgrounding-occluded-windows",
];

/// A Chromium with a new profile, and a server for the built app. Both end when this is dropped.
///
/// Its methods, and those of its tabs, wait for their effect, so a failure
/// names the line of the test.
pub struct Browser {
    session: Session,
    console: RefCell<Vec<ConsoleEntry>>,
    server: Server,
    is_secure: bool,
    // In this order, because the folder is removed last.
    _driver: Driver,
    _folder: TempDir,
}

/// Options that differ from the defaults.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Path of the app on its server; starts and ends with a slash.
    pub mount: &'static str,
    /// The server's caching headers.
    pub caching: Caching,
    /// Whether the app is in a secure context. Without https, only local hosts are.
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

impl Browser {
    /// Starts a browser without a tab of the app.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(Setup::default())
    }

    /// Starts a browser with options.
    #[track_caller]
    #[must_use]
    pub fn start_with(setup: Setup) -> Self {
        let dist = dist();
        let chrome = path_in("CHROME");
        let server = must("a server", Server::start(&dist, setup.mount, setup.caching));
        let folder = must("a folder for the profile", tempfile::tempdir());
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
        let session = Session::start(&driver.url(), entries);
        Self {
            session: must("Chromium", session.map_err(brief)),
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

    /// Opens an empty tab.
    #[track_caller]
    pub fn open_blank(&self) -> Tab<'_> {
        let window = self.session.open_window();
        Tab::new(&self.session, window)
    }

    /// Opens the app in several tabs at once, without waiting for them.
    #[track_caller]
    pub fn open_at_once(&self, count: usize, query: &str) -> Vec<Tab<'_>> {
        let home = Tab::new(&self.session, self.session.home());
        let before = self.session.windows();
        // Without an opener, the tabs are independent, as if a person had opened them.
        let open = "for (let i = 0; i < arguments[0]; i++) window.open(arguments[1], '_blank', 'noopener')";
        home.execute(open, vec![json!(count), json!(self.app(query))]);
        let start = Instant::now();
        loop {
            let mut opened = self.session.windows();
            opened.retain(|window| !before.contains(window));
            if opened.len() == count {
                return opened
                    .into_iter()
                    .map(|it| Tab::new(&self.session, it))
                    .collect();
            }
            assert!(
                start.elapsed() < DEADLINE,
                "{} of {count} tabs opened",
                opened.len()
            );
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// The console entries of all tabs since the start.
    #[track_caller]
    pub fn console(&self) -> Vec<ConsoleEntry> {
        let mut console = self.console.borrow_mut();
        console.extend(self.session.new_console_entries());
        console.clone()
    }

    /// Prints the contents of all tabs, the console, and failed requests.
    fn report(&self) {
        let mut windows = self.session.try_windows().unwrap_or_default();
        windows.retain(|window| *window != self.session.home());
        for (index, window) in windows.into_iter().enumerate() {
            eprintln!("--- Tab {}", index + 1);
            match Tab::new(&self.session, window).try_view() {
                Ok(view) => eprint!("{view}"),
                Err(error) => eprintln!("  {}", brief(error)),
            }
        }
        eprintln!("--- Console");
        let newest = self.session.try_console_entries().unwrap_or_default();
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
        // The profile cannot be removed while Chromium writes to it.
        self.session.quit();
    }
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser").finish_non_exhaustive()
    }
}

#[track_caller]
fn must<T>(what: &str, result: Result<T, impl fmt::Display>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what} does not start: {error}"),
    }
}
