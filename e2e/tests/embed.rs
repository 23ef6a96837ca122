//! The npm package in apps: each example in two tabs, and the behaviour of MQTT.js.

mod clients;
mod examples;
mod mqttjs;
mod storage;
mod worker;

use std::rc::Rc;

use e2e::{Caching, Chromium, ChromiumSetup, Page, Server, path_in};

/// Starts a browser and a server for all examples, below a path that is not the root.
fn start() -> Chromium {
    let examples = path_in("TABMQ_EXAMPLES");
    let server = Server::start(&examples, "/below/a/path/", Caching::Unsaid).expect("a server");
    Chromium::start_with(ChromiumSetup {
        server: Some(Rc::new(server)),
        ..ChromiumSetup::default()
    })
}

fn url(chromium: &Chromium, example: &str) -> String {
    format!("{}{example}/dist/index.html", chromium.server().url())
}

fn open<'c>(chromium: &'c Chromium, example: &str) -> Page<'c> {
    let page = chromium.open(&url(chromium, example));
    page.until_true(
        "the example",
        "document.body?.dataset.ready === 'true' || document.querySelector('#status')?.value === 'subscribed'
            || !!document.querySelector('#error')?.textContent",
    );
    assert_eq!(
        page.evaluate("document.querySelector('#error').textContent"),
        ""
    );
    page
}

/// Runs checks in the page; returns the number of passed ones.
#[track_caller]
fn passed(page: &Page<'_>, checks: &str) -> usize {
    page.evaluate(&format!(
        "globalThis.passed = [];
         {checks}(passed).then(() => {{ passed.end = 'passed'; }}, (error) => {{ passed.end = error.message; }}); 1"
    ));
    page.until_true("an end", "passed.end !== undefined");
    let end: String = page.evaluate_as("passed.end");
    let passed: Vec<String> = page.evaluate_as("passed");
    assert_eq!(end, "passed", "{passed:?}");
    passed.len()
}

/// The package. Each page may have its own copy.
const PACKAGE: &str = "./../../plain/dist/tabmq/index.js";
