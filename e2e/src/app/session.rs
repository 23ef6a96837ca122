//! A WebDriver session: one ChromeDriver, one Chromium, its windows.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use serde_json::Value;
use thirtyfour::error::{WebDriverError, WebDriverResult};
use thirtyfour::{Capabilities, WebDriver, WindowHandle};
use tokio::runtime::{Builder, Runtime};

/// Longest time for an answer of ChromeDriver, which may be that of a page load.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Sends commands and waits for their answers.
pub(crate) struct Session {
    runtime: Runtime,
    webdriver: WebDriver,
    /// The window that gets the commands.
    current: RefCell<WindowHandle>,
    /// An empty window that stays open, because commands need an open window.
    home: WindowHandle,
}

/// An entry on the console of a tab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleEntry {
    /// `SEVERE`, `WARNING`, `INFO`, …
    pub level: String,
    /// Its source and its text.
    pub message: String,
}

impl Session {
    /// Starts Chromium by the ChromeDriver at `url`.
    pub(crate) fn start<'a>(
        url: &str,
        capabilities: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> WebDriverResult<Self> {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => panic!("a runtime does not start: {error}"),
        };
        let (webdriver, home) = runtime.block_on(async {
            let mut all = Capabilities::new();
            for (name, value) in capabilities {
                all.set(name, value)?;
            }
            let webdriver = WebDriver::builder(url, all)
                .request_timeout(ANSWER_MAX)
                .await?;
            webdriver.goto("about:blank").await?;
            let home = webdriver.window().await?;
            WebDriverResult::Ok((webdriver, home))
        })?;
        Ok(Self {
            runtime,
            webdriver,
            current: RefCell::new(home.clone()),
            home,
        })
    }

    pub(crate) fn webdriver(&self) -> &WebDriver {
        &self.webdriver
    }

    pub(crate) fn home(&self) -> WindowHandle {
        self.home.clone()
    }

    #[track_caller]
    pub(crate) fn open_window(&self) -> WindowHandle {
        self.run("opening a tab", self.webdriver.new_tab())
    }

    #[track_caller]
    pub(crate) fn windows(&self) -> Vec<WindowHandle> {
        self.run("listing the tabs", self.webdriver.windows())
    }

    pub(crate) fn try_windows(&self) -> WebDriverResult<Vec<WindowHandle>> {
        self.block_on(self.webdriver.windows())
    }

    /// Sends the following commands to this window.
    pub(crate) async fn switch_to(&self, window: &WindowHandle) -> WebDriverResult<()> {
        if *self.current.borrow() != *window {
            self.webdriver.switch_to_window(window.clone()).await?;
            self.current.replace(window.clone());
        }
        Ok(())
    }

    /// Leaves the current window, which no longer exists.
    #[track_caller]
    pub(crate) fn go_home(&self) {
        self.run("leaving a tab", self.switch_to(&self.home));
    }

    /// The console entries of all tabs since the last call.
    #[track_caller]
    pub(crate) fn new_console_entries(&self) -> Vec<ConsoleEntry> {
        self.run("reading the console", self.read_console())
    }

    pub(crate) fn try_console_entries(&self) -> WebDriverResult<Vec<ConsoleEntry>> {
        self.block_on(async {
            let _ = self.switch_to(&self.home).await;
            self.read_console().await
        })
    }

    async fn read_console(&self) -> WebDriverResult<Vec<ConsoleEntry>> {
        let entries = self.webdriver.browser_log().await?.into_iter();
        let entries = entries.map(|entry| ConsoleEntry {
            level: entry.level,
            message: entry.message,
        });
        Ok(entries.collect())
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

    /// Ends Chromium.
    pub(crate) fn quit(&self) {
        // If this fails, the session ends with its ChromeDriver.
        let _ = self.block_on(self.webdriver.clone().quit());
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl fmt::Display for ConsoleEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.level, self.message)
    }
}

/// An error without ChromeDriver's own stack trace.
pub(crate) fn brief(error: WebDriverError) -> String {
    let text = error.to_string();
    let end = text.find("Stacktrace:").unwrap_or(text.len());
    text.get(..end).unwrap_or_default().trim_end().to_owned()
}
