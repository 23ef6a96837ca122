//! A page without a view.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::connection::Connection;
use super::expression::{params_of, value_in};
use super::process::Process;
use super::protocol::{Failure, Ticket, word};
use super::worker::Worker;
use crate::server::Server;
use crate::wait::{DEADLINE, POLL_INTERVAL, until};

/// Time (ms) for which a page keeps its process busy, so that it can be identified.
const BUSY_MS: u32 = 400;

/// A page in a tab of a `Chromium`, attached by the DevTools protocol. It stays open when this is dropped.
#[derive(Debug)]
pub struct Page<'c> {
    connection: &'c Connection,
    server: &'c Server,
    target: String,
    session: String,
}

/// How a page ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The tab is closed.
    Close,
    /// The page's process crashes.
    Crash,
}

/// A lifecycle event that the page recorded.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Life {
    /// The name of the event.
    pub what: String,
    /// Its time, in milliseconds since the epoch.
    pub at: f64,
    /// Whether the page comes from the back/forward cache, or may go there.
    #[serde(default)]
    pub persisted: bool,
    /// `visible` or `hidden`, if it was recorded.
    #[serde(default)]
    pub visibility: String,
}

impl<'c> Page<'c> {
    #[track_caller]
    pub(crate) fn attach(connection: &'c Connection, server: &'c Server, target: &str) -> Self {
        let params = json!({ "targetId": target, "flatten": true });
        let attached = connection.call("Target.attachToTarget", params);
        let page = Self {
            connection,
            server,
            target: target.to_owned(),
            session: word(&attached["sessionId"]),
        };
        connection.note_page(&page.session);
        page.call("Page.enable", json!({}));
        page.call("Runtime.enable", json!({}));
        page
    }

    /// Loads the page and joins a channel.
    #[track_caller]
    pub fn join(&self, channel: &str) {
        self.load(&format!("{}?channel={channel}", self.server.url()));
        self.evaluate("tab.open()");
    }

    /// Loads the page without joining a channel.
    #[track_caller]
    pub fn load(&self, url: &str) {
        self.navigate(url);
        self.until_true("the page", "typeof tab === 'object'");
    }

    /// Goes to an address, and waits until the page is loaded.
    #[track_caller]
    pub fn navigate(&self, url: &str) {
        let answer = self.call("Page.navigate", json!({ "url": url }));
        let trouble = &answer["errorText"];
        assert!(trouble.is_null(), "{url}: {trouble}");
        let url = json!(url);
        self.until_true("another page", &format!("location.href === {url}"));
    }

    /// Begins to go to an address, without waiting; see [`Self::end`].
    pub fn begin_navigation(&self, url: &str) -> Ticket {
        self.begin_call("Page.navigate", &json!({ "url": url }))
    }

    /// Goes back in the history, and waits until the earlier page is shown.
    #[track_caller]
    pub fn back(&self) {
        let history = self.call("Page.getNavigationHistory", json!({}));
        let current = history["currentIndex"].as_u64().unwrap_or_default();
        let before = usize::try_from(current.saturating_sub(1)).unwrap_or_default();
        let entry = &history["entries"][before];
        let params = json!({ "entryId": entry["id"] });
        self.call("Page.navigateToHistoryEntry", params);
        let is_back = format!("location.href === {}", entry["url"]);
        self.until_true("the page before", &is_back);
    }

    /// Reloads the page, and joins its channel again.
    #[track_caller]
    pub fn reload(&self) {
        self.evaluate("globalThis.isOld = true");
        self.call("Page.reload", json!({}));
        let is_new = "globalThis.isOld === undefined && typeof tab === 'object'";
        self.until_true("the page anew", is_new);
        self.evaluate("tab.open()");
    }

    /// Runs a script before the page's own scripts, in each page that this tab loads from now on.
    #[track_caller]
    pub fn before_each_page(&self, script: &str) {
        let params = json!({ "source": script });
        self.call("Page.addScriptToEvaluateOnNewDocument", params);
    }

    /// Evaluates an expression in the page; a promise is awaited.
    #[track_caller]
    pub fn evaluate(&self, expression: &str) -> Value {
        let ticket = self.begin(expression);
        self.end(ticket, expression)
    }

    /// Evaluates an expression and deserializes its value.
    #[track_caller]
    pub fn evaluate_as<T: DeserializeOwned>(&self, expression: &str) -> T {
        let value = self.evaluate(expression);
        match serde_json::from_value(value) {
            Ok(value) => value,
            Err(error) => panic!("{expression}: {error}"),
        }
    }

    /// Begins to evaluate an expression; [`Self::end`] gets its value.
    pub fn begin(&self, expression: &str) -> Ticket {
        let params = params_of(expression);
        self.begin_call("Runtime.evaluate", &params)
    }

    /// Waits for the value of an expression that [`Self::begin`] began.
    #[track_caller]
    pub fn end(&self, ticket: Ticket, expression: &str) -> Value {
        match self.connection.end(ticket).and_then(value_in) {
            Ok(value) => value,
            Err(error) => panic!("{expression}: {error}"),
        }
    }

    fn try_evaluate(&self, expression: &str) -> Result<Value, Failure> {
        self.connection
            .end(self.begin(expression))
            .and_then(value_in)
    }

    /// Waits until an expression is true. Errors during a page load are ignored.
    #[track_caller]
    pub fn until_true(&self, what: &str, expression: &str) {
        let start = Instant::now();
        loop {
            let value = self.try_evaluate(expression);
            if value == Ok(Value::Bool(true)) {
                return;
            }
            assert!(
                start.elapsed() < DEADLINE,
                "not in {DEADLINE:?}: {what}; {expression} is {value:?}"
            );
            thread::sleep(POLL_INTERVAL);
        }
    }

    // Actions of a person.

    /// Turns the mouse wheel over a place in the window.
    #[track_caller]
    pub fn wheel(&self, (x, y): (f64, f64), pixels: f64) {
        let params = json!({ "type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": pixels });
        self.call("Input.dispatchMouseEvent", params);
    }

    /// Clicks at a place in the window.
    #[track_caller]
    pub fn click(&self, (x, y): (f64, f64)) {
        for what in ["mousePressed", "mouseReleased"] {
            let params = json!({ "type": what, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", params);
        }
    }

    /// Presses a key that types no text, by its name and key code.
    #[track_caller]
    pub fn press(&self, key: &str, code: u32) {
        for what in ["rawKeyDown", "keyUp"] {
            let params =
                json!({ "type": what, "key": key, "code": key, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// Collects the garbage of the page's scripts.
    #[track_caller]
    pub fn collect_garbage(&self) {
        self.call("HeapProfiler.collectGarbage", json!({}));
    }

    /// The page's lifecycle events.
    #[track_caller]
    pub fn life(&self) -> Vec<Life> {
        self.evaluate_as("life")
    }

    /// Waits for this tab's id.
    #[track_caller]
    pub fn id(&self) -> String {
        self.evaluate_as("tab.until(() => tab.state.tabId)")
    }

    /// Whether the broker is in this tab.
    #[track_caller]
    pub fn is_broker(&self) -> bool {
        self.evaluate("tab.state.role?.Broker !== undefined") == true
    }

    /// Waits until the broker is in this tab, and returns its term.
    #[track_caller]
    pub fn until_broker(&self) -> u64 {
        self.evaluate_as("tab.until(() => tab.state.role?.Broker?.term)")
    }

    /// Waits until the broker is in another tab, and returns its term.
    #[track_caller]
    pub fn until_client(&self) -> u64 {
        self.evaluate_as("tab.until(() => tab.state.role?.Client?.term)")
    }

    /// Waits until the broker is in another tab, at most for this time; returns whether it is.
    #[track_caller]
    pub fn is_client_within(&self, time: Duration) -> bool {
        let is_client = "tab.state.role?.Client !== undefined";
        let wait = format!(
            "Promise.race([tab.until(() => {is_client}), new Promise((resolve) => setTimeout(resolve, {}))])
                .then(() => {is_client})",
            time.as_millis()
        );
        self.evaluate(&wait) == true
    }

    /// Shows the tab, which hides the others.
    #[track_caller]
    pub fn show(&self) {
        self.call("Page.bringToFront", json!({}));
        self.until_true("a visible page", "document.visibilityState === 'visible'");
    }

    /// Waits until the tab is hidden.
    #[track_caller]
    pub fn until_hidden(&self) {
        self.until_true("a hidden page", "document.visibilityState === 'hidden'");
    }

    /// Freezes the page, as Chromium does with tabs that were long in the background. The page must be hidden.
    #[track_caller]
    pub fn freeze(&self) {
        self.until_hidden();
        self.begin_freeze();
    }

    /// Freezes the page without checking that it is hidden.
    #[track_caller]
    pub fn begin_freeze(&self) {
        self.call("Page.setWebLifecycleState", json!({ "state": "frozen" }));
    }

    /// Thaws the page.
    #[track_caller]
    pub fn thaw(&self) {
        self.call("Page.setWebLifecycleState", json!({ "state": "active" }));
        self.show();
    }

    /// Ends the page, and checks that it has ended.
    #[track_caller]
    pub fn end_by(self, ending: Ending) {
        match ending {
            Ending::Close => {
                self.close();
                self.until_event("Target.targetDestroyed");
            }
            Ending::Crash => {
                // A crashed page does not answer.
                let _ = self.begin_call("Page.crash", &json!({}));
                self.until_crashed();
            }
        }
    }

    /// Waits until the page has crashed.
    #[track_caller]
    pub fn until_crashed(&self) {
        self.until_event("Target.targetCrashed");
    }

    #[track_caller]
    fn until_event(&self, method: &str) {
        self.connection.event(method, |event| {
            let is_it = event.method == method && event.params["targetId"] == *self.target;
            is_it.then_some(())
        });
    }

    /// Closes the tab.
    #[track_caller]
    pub fn close(&self) {
        let params = json!({ "targetId": self.target });
        self.connection.call("Target.closeTarget", params);
    }

    /// Attaches to the tab's newest worker.
    #[track_caller]
    pub fn worker(&self) -> Worker<'c> {
        self.attach_workers(false);
        let session = self.connection.event("the tab's worker", |event| {
            let is_it = event.session == self.session
                && event.method == "Target.attachedToTarget"
                && word(&event.params["targetInfo"]["url"]).contains("worker-loader");
            is_it.then(|| word(&event.params["sessionId"]))
        });
        Worker::new(self.connection, session)
    }

    /// Loads the page and joins a channel. A script runs first in each of the page's workers.
    #[track_caller]
    pub fn join_with_worker_script(&self, channel: &str, script: &str) {
        let url = format!("{}?channel={channel}", self.server.url());
        self.join_at_with_worker_script(&url, script);
    }

    /// The same as [`Self::join_with_worker_script`], at an address whose query has the channel.
    #[track_caller]
    pub fn join_at_with_worker_script(&self, url: &str, script: &str) {
        self.attach_workers(true);
        self.navigate(url);
        let mut prepared = BTreeSet::new();
        let start = Instant::now();
        while self.try_evaluate("typeof tab") != Ok(json!("object")) {
            self.prepare_workers(script, &mut prepared);
            assert!(start.elapsed() < DEADLINE, "no page in {DEADLINE:?}");
        }
        let joined = "tab.open().then(() => { globalThis.hasJoined = true; }), true";
        self.evaluate(joined);
        while self.evaluate("globalThis.hasJoined === true") != true {
            self.prepare_workers(script, &mut prepared);
            assert!(start.elapsed() < DEADLINE, "not joined in {DEADLINE:?}");
        }
    }

    fn attach_workers(&self, wait: bool) {
        let params = json!({ "autoAttach": true, "waitForDebuggerOnStart": wait, "flatten": true });
        self.call("Target.setAutoAttach", params);
    }

    fn prepare_workers(&self, script: &str, prepared: &mut BTreeSet<String>) {
        let attached = self.connection.events(|event| {
            let is_it = event.session == self.session && event.method == "Target.attachedToTarget";
            is_it.then(|| word(&event.params["sessionId"]))
        });
        for session in attached {
            if prepared.insert(session.clone()) {
                let params = params_of(script);
                let ran = self
                    .connection
                    .command(&session, "Runtime.evaluate", &params);
                let trouble = &ran["exceptionDetails"];
                assert!(trouble.is_null(), "{script}: {trouble}");
                let go = "Runtime.runIfWaitingForDebugger";
                self.connection.command(&session, go, &json!({}));
            }
        }
    }

    /// Finds the process of the page: the page keeps it busy for a moment, so that it uses the most processor time.
    #[track_caller]
    pub fn process(&self) -> Process {
        let busy = format!("for (const end = Date.now() + {BUSY_MS}; Date.now() < end;);");
        let id = until("the process of a page", || {
            let before = self.connection.renderers();
            self.evaluate(&busy);
            let gain = |(id, after): (u32, f64)| {
                let earlier = before.iter().find(|(other, _)| *other == id);
                (id, after - earlier.map_or(0.0, |(_, seconds)| *seconds))
            };
            let mut gains: Vec<_> = self.connection.renderers().into_iter().map(gain).collect();
            gains.sort_by(|a, b| b.1.total_cmp(&a.1));
            let (id, busiest) = *gains.first()?;
            let next = gains.get(1).map_or(0.0, |(_, seconds)| *seconds);
            (busiest > 2.0 * next).then_some(id)
        });
        Process::new(id)
    }

    /// Sends a command of the protocol to this page.
    #[track_caller]
    pub fn command(&self, method: &str, params: Value) -> Value {
        self.call(method, params)
    }

    fn begin_call(&self, method: &str, params: &Value) -> Ticket {
        self.connection.begin(&self.session, method, params)
    }

    #[track_caller]
    fn call(&self, method: &str, params: Value) -> Value {
        self.connection.command(&self.session, method, &params)
    }
}
