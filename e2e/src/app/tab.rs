//! One tab of the app.

mod input;
mod look;

use std::thread;
use std::time::Instant;

use serde_json::{Value, json};
use thirtyfour::WindowHandle;
use thirtyfour::error::WebDriverResult;

use super::session::{Session, brief};
use super::view::{self, Role, Status, VIEWS, View};
use crate::message::Message;
use crate::wait::{DEADLINE, POLL_INTERVAL};

/// Sets fields and presses a button, with the events of a person's input. `arguments` are the fields' values by
/// selector, and the button's selector.
const SUBMIT: &str = r#"
const [fields, button] = arguments;
const find = (selector) => {
    const found = document.querySelector(selector);
    if (found === null) throw new Error(`the page has no ${selector}`);
    return found;
};
for (const [selector, value] of Object.entries(fields)) {
    const field = find(selector);
    field[field.type === "checkbox" ? "checked" : "value"] = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
}
find(button).click();
"#;

/// The form with the settings of the connection and the will.
const CONNECTION: &str = "form:has([name=will-topic])";

/// One tab of a [`Browser`](crate::Browser). It stays open when this is dropped.
#[derive(Debug)]
pub struct Tab<'b> {
    session: &'b Session,
    window: WindowHandle,
}

impl<'b> Tab<'b> {
    pub(crate) fn new(session: &'b Session, window: WindowHandle) -> Self {
        Self { session, window }
    }

    // Contents of the page.

    /// The current contents of the page.
    #[track_caller]
    #[must_use]
    pub fn view(&self) -> View {
        match self.try_view() {
            Ok(view) => view,
            Err(error) => panic!("the page cannot be read: {}", brief(error)),
        }
    }

    pub(crate) fn try_view(&self) -> WebDriverResult<View> {
        let value = self.try_execute(view::SCRIPT, Vec::new())?;
        Ok(serde_json::from_value(value)?)
    }

    /// Waits until the page shows `what`; returns its contents.
    #[track_caller]
    pub fn until(&self, what: &str, is_shown: impl Fn(&View) -> bool) -> View {
        let start = Instant::now();
        loop {
            let view = self.view();
            if is_shown(&view) {
                return view;
            }
            if start.elapsed() > DEADLINE {
                let tab_id = view.tab_id.as_deref().unwrap_or("without an id");
                panic!("tab {tab_id} did not show in {DEADLINE:?}: {what}");
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Waits until the tab's client is connected and subscribed.
    #[track_caller]
    pub fn until_ready(&self) -> View {
        self.until("connected and subscribed", View::is_ready)
    }

    /// Waits until the tab is ready in this role.
    #[track_caller]
    pub fn until_ready_as(&self, role: Role) -> View {
        let is_so = |view: &View| view.role == Some(role) && view.is_ready();
        self.until(&format!("connected and subscribed as {role:?}"), is_so)
    }

    /// Waits until exactly these messages have arrived since the page was opened, in any order. They are fewer than 100.
    #[track_caller]
    pub fn until_received(&self, expected: &[Message]) -> View {
        let what = format!("{} messages", expected.len());
        let view = self.until(&what, |view| view.message_count >= expected.len() as u64);
        let sorted = |messages: &[Message]| {
            let mut messages = messages.to_vec();
            messages.sort();
            messages
        };
        assert_eq!(sorted(&view.messages), sorted(expected));
        view
    }

    /// The tab's id.
    #[track_caller]
    #[must_use]
    pub fn id(&self) -> String {
        let view = self.until("a tab id", |view| view.tab_id.is_some());
        view.tab_id.unwrap_or_default()
    }

    /// The text of the first element with this test id; empty if there is none.
    #[track_caller]
    #[must_use]
    pub fn text(&self, testid: &str) -> String {
        let script =
            "return document.querySelector(`[data-testid=${arguments[0]}]`)?.textContent ?? ''";
        let text = self.execute(script, vec![json!(testid)]);
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the first element with this test id contains a text.
    #[track_caller]
    pub fn until_text(&self, testid: &str, expected: &str) {
        let script = format!(
            "return document.querySelector('[data-testid={testid}]')?.textContent.includes({}) ?? false",
            json!(expected)
        );
        let what = format!("{expected:?} in {testid}");
        self.until_true_or(&what, &script, || self.text(testid));
    }

    /// Waits until this number of elements has this test id.
    #[track_caller]
    pub fn until_count(&self, testid: &str, expected: usize) {
        let all = format!("document.querySelectorAll('[data-testid={testid}]').length");
        let what = format!("{expected} times {testid}");
        self.until_true_or(&what, &format!("return {all} === {expected}"), || {
            self.execute(&format!("return {all}"), Vec::new())
                .to_string()
        });
    }

    /// Waits until the element with this test id has the focus.
    #[track_caller]
    pub fn until_focused(&self, testid: &str) {
        let focused = "document.activeElement?.dataset.testid ?? ''";
        let script = format!("return ({focused}) === '{testid}'");
        self.until_true_or(&format!("the focus on {testid}"), &script, || {
            self.execute(&format!("return {focused}"), Vec::new())
                .to_string()
        });
    }

    /// The value of the first field that matches a selector.
    #[track_caller]
    #[must_use]
    pub fn value(&self, selector: &str) -> Value {
        let script = "const it = document.querySelector(arguments[0]);
            return it?.type === 'checkbox' ? it.checked : it?.value ?? null";
        self.execute(script, vec![json!(selector)])
    }

    // Actions of a person on the page.

    /// Replaces the value of the first field that matches a selector, with the events of a person's input.
    #[track_caller]
    pub fn enter(&self, selector: &str, value: &str) {
        let script = "const [selector, value] = arguments;
            const field = document.querySelector(selector);
            field.value = value;
            field.dispatchEvent(new Event('input', { bubbles: true }));
            field.dispatchEvent(new Event('change', { bubbles: true }));";
        self.execute(script, vec![json!(selector), json!(value)]);
    }

    /// Opens all folded sections.
    #[track_caller]
    pub fn unfold(&self) {
        self.execute(
            "document.querySelectorAll('details').forEach((it) => it.open = true)",
            Vec::new(),
        );
    }

    /// Publishes. [`View::acknowledged`] counts the acknowledgement.
    #[track_caller]
    pub fn publish(&self, message: &Message) {
        let fields = json!({
            "[data-testid=publish-topic]": message.topic,
            "[data-testid=publish-payload]": message.payload,
            "[data-testid=publish-qos]": message.qos.to_string(),
            "[data-testid=publish-retain]": message.retain,
        });
        self.submit(fields, "[data-testid=publish-send]");
    }

    /// Publishes with QoS 1 or 2 and waits for the acknowledgement.
    #[track_caller]
    pub fn publish_acknowledged(&self, message: &Message) {
        let before = self.view().acknowledged;
        self.publish(message);
        self.until("the acknowledgement", |view| view.acknowledged > before);
    }

    /// Subscribes and waits for the grant.
    #[track_caller]
    pub fn subscribe(&self, filter: &str, qos: u8) {
        let fields = json!({
            "[data-testid=subscribe-filter]": filter,
            "[data-testid=subscribe-qos]": qos.to_string(),
        });
        self.submit(fields, "[data-testid=subscribe-add]");
        self.until(&format!("QoS {qos} granted for {filter}"), |view| {
            let mut subscriptions = view.subscriptions.iter();
            subscriptions.any(|it| it.filter == filter && it.granted == qos.to_string())
        });
    }

    /// Removes a subscription.
    #[track_caller]
    pub fn unsubscribe(&self, filter: &str) {
        let remove = format!(
            "[data-testid=subscription][data-filter={filter:?}] [data-testid=subscription-remove]"
        );
        self.submit(json!({}), &remove);
        self.until(&format!("no subscription to {filter}"), |view| {
            view.subscriptions.iter().all(|it| it.filter != filter)
        });
    }

    /// Connects again, with a will.
    #[track_caller]
    pub fn connect_with_will(&self, will: &Message) {
        let fields = json!({
            "[name=will-topic]": will.topic,
            "[name=will-payload]": will.payload,
            "[name=will-qos]": will.qos.to_string(),
            "[name=will-retain]": will.retain,
        });
        self.submit(fields, &format!("{CONNECTION} button[type=submit]"));
        // For a moment the page still shows the earlier connection. This acknowledgement is of the new one.
        self.publish_acknowledged(&Message::new("$/connected", "").qos(1));
        self.until_ready();
    }

    /// Disconnects, without the will.
    #[track_caller]
    pub fn disconnect(&self) {
        self.submit(
            json!({}),
            &format!("{CONNECTION} .actions button[type=button]"),
        );
        self.until("disconnected", |view| {
            view.status == Some(Status::Disconnected)
        });
    }

    #[track_caller]
    fn submit(&self, fields: Value, button: &str) {
        self.execute(SUBMIT, vec![fields, json!(button)]);
    }

    /// Waits until a script in the page returns something true.
    #[track_caller]
    pub fn until_true(&self, what: &str, script: &str) {
        self.until_true_or(what, script, String::new);
    }

    /// The same. The panic message contains `instead`.
    #[track_caller]
    pub fn until_true_or(&self, what: &str, script: &str, instead: impl Fn() -> String) {
        let start = Instant::now();
        while self.execute(script, Vec::new()) != true {
            if start.elapsed() > DEADLINE {
                panic!("not in {DEADLINE:?}: {what}; {}", instead());
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// The views that the page has links to.
    #[track_caller]
    #[must_use]
    pub fn views(&self) -> Vec<&'static str> {
        let leads_to = |view: &&str| {
            let link =
                format!("return document.querySelector('[data-testid=view-{view}]') !== null");
            self.execute(&link, Vec::new()) == true
        };
        let mut views = VIEWS.to_vec();
        if leads_to(&VIEWS[0]) {
            let missing: Vec<_> = views.iter().filter(|view| !leads_to(view)).collect();
            assert!(missing.is_empty(), "nothing leads to {missing:?}");
        } else {
            // A page with a single view.
            views.truncate(1);
        }
        views
    }

    /// Follows the link to a view, if there are several, and waits until the page shows it.
    #[track_caller]
    pub fn show(&self, view: &str) {
        let follow = format!("document.querySelector('[data-testid=view-{view}]')?.click()");
        self.execute(&follow, Vec::new());
        let is_there = format!(
            "return document.querySelector('[data-testid=view-{view}]') === null
                || document.querySelector('[data-testid={view}-view]') !== null"
        );
        let start = Instant::now();
        while self.execute(&is_there, Vec::new()) != true {
            assert!(start.elapsed() < DEADLINE, "no view {view} in {DEADLINE:?}");
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Selects or enters something in this view, so that it has contents.
    #[track_caller]
    pub fn fill(&self, view: &str) {
        let fill = match view {
            "messages" => "await press('[data-testid=message]');",
            "topics" => {
                "await press('button', 'Expand all'); await press('[data-testid=topic][data-name=temperature]');"
            }
            "routing" => "await type('[data-testid=receivers-topic]', 'home/kitchen/temperature');",
            "performance" => {
                "await type('[data-testid=load-rate]', 500); await type('[data-testid=load-seconds]', 60);
                await press('[data-testid=load-start]');"
            }
            _ => return,
        };
        self.execute_async(&format!(
            "const drawn = async () => {{
                for (let frames = 0; frames < 3; frames++) await new Promise(requestAnimationFrame);
            }};
            const press = (selector, words = '') => {{
                [...document.querySelectorAll(selector)].find((it) => it.textContent.includes(words))?.click();
                return drawn();
            }};
            const type = (selector, value) => {{
                const field = document.querySelector(selector);
                if (field !== null) field.value = value;
                field?.dispatchEvent(new Event('input', {{ bubbles: true }}));
                return drawn();
            }};
            {fill}"
        ));
    }

    // Scripts, navigation and the end of a page.

    /// Runs the body of a function in the page.
    #[track_caller]
    pub fn execute(&self, script: &str, arguments: Vec<Value>) -> Value {
        match self.try_execute(script, arguments) {
            Ok(value) => value,
            Err(error) => panic!("a script failed in the page: {}\n{script}", brief(error)),
        }
    }

    /// Runs the body of an asynchronous function in the page, and waits for its end.
    #[track_caller]
    pub fn execute_async(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[0];
            (async () => {{ {script} }})().then((value) => done({{ value }}), (error) => done({{ error: String(error) }}));"
        );
        let end = self.session.run("a script", async {
            self.session.switch_to(&self.window).await?;
            let end = self
                .session
                .webdriver()
                .execute_async(script, Vec::new())
                .await?;
            Ok(end.json().clone())
        });
        match end.get("error") {
            None => end.get("value").cloned().unwrap_or_default(),
            Some(error) => panic!("a script failed in the page: {error}"),
        }
    }

    fn try_execute(&self, script: &str, arguments: Vec<Value>) -> WebDriverResult<Value> {
        self.session.block_on(async {
            self.session.switch_to(&self.window).await?;
            let value = self.session.webdriver().execute(script, arguments).await?;
            Ok(value.json().clone())
        })
    }

    /// Goes to an address.
    #[track_caller]
    pub fn go(&self, url: &str) {
        self.session.run(&format!("loading {url}"), async {
            self.session.switch_to(&self.window).await?;
            self.session.webdriver().goto(url).await
        });
    }

    /// Goes back in the history.
    #[track_caller]
    pub fn back(&self) {
        self.session.run("going back", async {
            self.session.switch_to(&self.window).await?;
            self.session.webdriver().back().await
        });
    }

    /// Reloads the page.
    #[track_caller]
    pub fn reload(&self) {
        self.session.run("reloading", async {
            self.session.switch_to(&self.window).await?;
            self.session.webdriver().refresh().await
        });
    }

    /// Runs a script before the page's own scripts, in each page that this tab loads from now on.
    #[track_caller]
    pub fn before_each_page(&self, script: &str) {
        self.session.run("a script for new pages", async {
            self.session.switch_to(&self.window).await?;
            let cdp = self.session.webdriver().cdp();
            let source = json!({ "source": script });
            cdp.send_raw("Page.addScriptToEvaluateOnNewDocument", source)
                .await
        });
    }

    /// Freezes the page, as browsers do with pages that were long in the background, or thaws it.
    #[track_caller]
    pub fn set_frozen(&self, is_frozen: bool) {
        let state = if is_frozen { "frozen" } else { "active" };
        self.session.run(&format!("a page that is {state}"), async {
            self.session.switch_to(&self.window).await?;
            let cdp = self.session.webdriver().cdp();
            cdp.send_raw("Page.setWebLifecycleState", json!({ "state": state }))
                .await
        });
    }

    /// Closes the tab.
    #[track_caller]
    pub fn close(self) {
        self.session.run("closing a tab", async {
            self.session.switch_to(&self.window).await?;
            self.session.webdriver().close_window().await
        });
        self.session.go_home();
    }

    /// Crashes the tab, and checks that it has crashed.
    #[track_caller]
    pub fn crash(self) {
        let crashed = self.session.block_on(async {
            self.session.switch_to(&self.window).await?;
            self.session
                .webdriver()
                .cdp()
                .send_raw("Page.crash", ())
                .await
        });
        assert_crashed("Page.crash", crashed);
        assert_crashed(
            "a script afterwards",
            self.try_execute("return 1", Vec::new()),
        );
        self.session.go_home();
    }
}

#[track_caller]
fn assert_crashed(what: &str, result: WebDriverResult<Value>) {
    match result {
        // ChromeDriver's own error code, which is not in the standard.
        Err(error) if error.to_string().contains("tab crashed") => {}
        other => panic!("the tab did not crash; {what} gave {other:?}"),
    }
}
