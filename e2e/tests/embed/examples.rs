//! The examples: one for each bundler and framework.

use e2e::{Ending, Page};

use super::{open, passed, start, url};

const HOOKS: &str = include_str!("react.js");

/// Types a text and sends it.
fn send(page: &Page<'_>, text: &str) {
    page.evaluate(&format!(
        "{{
            const input = document.querySelector('#text');
            Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(input, '{text}');
            input.dispatchEvent(new Event('input', {{ bubbles: true }}));
        }}
        new Promise((resolve) => setTimeout(resolve, 0)).then(() => document.querySelector('#send').click())"
    ));
}

fn until_messages(page: &Page<'_>, expected: &[&str]) {
    until_shown(
        page,
        expected,
        "[...document.querySelectorAll('#messages li')]",
    );
}

/// If a broker ends before it stores the acknowledgement of a message with QoS 1, the next broker sends the message again.
fn until_messages_at_least_once(page: &Page<'_>, expected: &[&str]) {
    until_shown(
        page,
        expected,
        "[...document.querySelectorAll('#messages li')]
            .filter((it, index, all) => all.findIndex(({ textContent }) => textContent === it.textContent) === index)",
    );
}

fn until_shown(page: &Page<'_>, expected: &[&str], items: &str) {
    let expected = serde_json::to_string(expected).expect("texts");
    page.until_true(
        "the messages",
        &format!("JSON.stringify({items}.map((it) => it.textContent)) === '{expected}'"),
    );
}

/// Both tabs receive each other's messages, also after the broker's tab was closed.
fn chat(example: &str) {
    let chromium = start();
    let [first, second] = [(); 2].map(|()| open(&chromium, example));
    send(&first, "from the first");
    for page in [&first, &second] {
        until_messages(page, &["from the first"]);
    }
    send(&second, "from the second");
    for page in [&first, &second] {
        until_messages(page, &["from the first", "from the second"]);
    }
    first.end_by(Ending::Close);
    send(&second, "alone");
    until_messages_at_least_once(&second, &["from the first", "from the second", "alone"]);
    let third = open(&chromium, example);
    send(&third, "from the third");
    until_messages(&third, &["from the third"]);
    let seen = [
        "from the first",
        "from the second",
        "alone",
        "from the third",
    ];
    until_messages_at_least_once(&second, &seen);
}

#[test]
fn a_plain_page_with_a_strict_policy_needs_no_bundler() {
    chat("plain");
}

#[test]
fn vite_finds_the_worker() {
    chat("vite-ts");
}

#[test]
fn webpack_finds_the_worker() {
    chat("webpack");
}

#[test]
fn parcel_finds_the_worker() {
    chat("parcel");
}

#[test]
fn esbuild_gets_the_workers_address() {
    chat("esbuild");
}

#[test]
fn react_has_hooks() {
    chat("react");
}

#[test]
fn mqttjs_works_unmodified() {
    chat("mqttjs");
}

#[test]
fn yew_has_hooks() {
    let chromium = start();
    let open = || {
        let page = chromium.open(&url(&chromium, "yew"));
        page.until_true(
            "its role",
            "['broker', 'client'].includes(document.querySelector('#role')?.textContent)",
        );
        page
    };
    let [first, second] = [open(), open()];
    for page in [&first, &second] {
        page.until_true(
            "both tabs",
            "document.querySelector('#tabs').textContent === '2'",
        );
    }
    first.evaluate("document.querySelector('#lamp').click()");
    second.until_true(
        "a lamp that is on",
        "document.querySelector('#lamp').textContent === 'on'",
    );
    send(&second, "from the second");
    for page in [&first, &second] {
        until_messages(page, &["from the second"]);
    }
    first.end_by(Ending::Close);
    let third = open();
    third.until_true(
        "a lamp that is on",
        "document.querySelector('#lamp').textContent === 'on'",
    );
    send(&third, "from the third");
    until_messages_at_least_once(&second, &["from the second", "from the third"]);
}

#[test]
fn react_unsubscribes_unmounted_components_and_subscribes_again() {
    let chromium = start();
    let [first, second] = [(); 2].map(|()| open(&chromium, "react"));
    for page in [&first, &second] {
        page.until_true("both tabs", "document.querySelector('#tabs').value === '2'");
    }
    send(&first, "kept");
    first.evaluate("document.querySelector('#keep').click()");
    second.until_true(
        "a retained message",
        "document.querySelector('#kept').value === 'kept'",
    );
    second.evaluate("document.querySelector('#toggle').click()");
    first.until_true("one tab", "document.querySelector('#tabs').value === '1'");
    send(&first, "unheard");
    until_messages(&first, &["kept", "unheard"]);
    second.evaluate("document.querySelector('#toggle').click()");
    second.until_true(
        "a retained message",
        "document.querySelector('#kept')?.value === 'kept'",
    );
    second.until_true(
        "a subscription",
        "document.querySelector('#status').value === 'subscribed'",
    );
    send(&first, "heard");
    until_messages(&second, &["heard"]);
    second.evaluate("document.querySelector('#clear').click()");
    until_messages(&second, &[]);
}

#[test]
fn react_hooks_pass_all_checks() {
    for (build, mounts) in [("dist", 1), ("dist/development", 2)] {
        let chromium = start();
        let page = chromium.open(&format!(
            "{}react/{build}/index.html",
            chromium.server().url()
        ));
        page.until_true("the example", "globalThis.tabmq !== undefined");
        page.evaluate(HOOKS);
        let checks = format!("((passed) => hooks(passed, {mounts}))");
        assert_eq!(passed(&page, &checks), 8);
    }
}

#[test]
fn a_page_from_the_back_forward_cache_continues() {
    let chromium = start();
    let [first, second] = [(); 2].map(|()| open(&chromium, "vite-ts"));
    first.show();
    first.navigate("about:blank");
    send(&second, "while it was away");
    until_messages(&second, &["while it was away"]);
    first.back();
    first.until_true(
        "its role",
        "document.querySelector('#role').value === 'client'",
    );
    chromium.until("a message for both", || {
        send(&second, "again");
        let count = first.evaluate("document.querySelectorAll('#messages li').length");
        (count.as_u64() > Some(0)).then_some(())
    });
}
