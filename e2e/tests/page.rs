//! The page around the bus: browsers that cannot run it, places it is served from, builds.

use std::fs;

use e2e::{Browser, ConsoleEntry, Message, Role, Setup, Tab, dist};
use serde_json::Value;

use crate::builds::{WORKER_FILES, write_build};
use crate::until_agreed;

fn complaints(browser: &Browser) -> Vec<ConsoleEntry> {
    let mut console = browser.console();
    console.retain(|entry| ["SEVERE", "WARNING"].contains(&entry.level.as_str()));
    console
}

#[test]
fn a_normal_run_has_an_empty_console_and_no_missing_file() {
    let browser = Browser::start();
    let mut tabs = vec![browser.open(""), browser.open(""), browser.open("")];
    for qos in 0..=2 {
        tabs[1].publish(&Message::new("a", "b").qos(qos));
    }
    tabs[2].until("three messages", |view| view.message_count == 3);
    tabs.remove(0).close();
    until_agreed(&tabs);
    tabs[0].publish_acknowledged(&Message::new("a", "b").qos(1));
    assert_eq!(complaints(&browser), []);
    for tab in &tabs {
        assert_eq!(tab.view().errors, [""; 0]);
    }
    let mut missed = browser.server().requests();
    missed.retain(|request| request.status != 200);
    assert_eq!(missed, []);
}

#[test]
fn the_app_works_below_any_path() {
    let browser = Browser::start_with(Setup {
        mount: "/some/where/",
        ..Setup::default()
    });
    let tabs = [browser.open(""), browser.open("?channel=mqtt-demo")];
    until_agreed(&tabs);
    tabs[1].publish(&Message::new("a", "b"));
    for tab in &tabs {
        tab.until_received(&[Message::new("a", "b")]);
    }
    for request in browser.server().requests() {
        assert_eq!(request.status, 200, "{}", request.target);
    }
}

#[test]
fn the_page_names_missing_browser_features() {
    let features = [
        ("BroadcastChannel", "delete globalThis.BroadcastChannel;"),
        (
            "navigator.locks",
            "delete Navigator.prototype.locks; delete globalThis.indexedDB;",
        ),
        ("WebAssembly", "delete globalThis.WebAssembly;"),
        ("Worker", "delete globalThis.Worker;"),
    ];
    let browser = Browser::start();
    let each_and_all = features
        .map(|feature| vec![feature])
        .into_iter()
        .chain([features.to_vec()]);
    for missing in each_and_all {
        let tab = browser.open_blank();
        for (_, delete) in &missing {
            tab.before_each_page(delete);
        }
        tab.go(&browser.app(""));
        let view = tab.until("the missing features", |view| view.unsupported.is_some());
        assert_eq!(
            named_as_missing(&tab),
            missing.iter().map(|(name, _)| *name).collect::<Vec<_>>()
        );
        assert_eq!(view.role, None, "the app was started");
        tab.close();
    }
    assert_eq!(complaints(&browser), []);
}

/// The features that the page names as missing, sorted.
#[track_caller]
fn named_as_missing(tab: &Tab) -> Vec<String> {
    let script = "return [...document.querySelectorAll('[data-testid=unsupported] code')].map((it) => it.textContent)";
    let names = tab.execute(script, Vec::new());
    let names = names.as_array().into_iter().flatten();
    let mut names: Vec<String> = names.filter_map(Value::as_str).map(str::to_owned).collect();
    names.sort_by_key(|name| name.to_lowercase());
    names
}

#[test]
fn an_insecure_page_without_a_database_recommends_https() {
    let browser = Browser::start_with(Setup {
        is_secure: false,
        ..Setup::default()
    });
    let tab = browser.open_blank();
    tab.before_each_page("delete globalThis.indexedDB;");
    tab.go(&browser.app(""));
    let view = tab.until("the missing features", |view| view.unsupported.is_some());
    let text = view.unsupported.unwrap_or_default();
    assert!(text.contains("https://"), "{text}");
    assert_eq!(named_as_missing(&tab), ["navigator.locks"]);
}

#[test]
fn an_invalid_channel_name_is_refused_with_a_reason() {
    let browser = Browser::start();
    let tab = browser.open_blank();
    tab.go(&browser.app("?channel=a/b"));
    let view = tab.until("an error", |view| !view.errors.is_empty());
    assert!(
        view.errors[0].contains("has 1 to 64 characters"),
        "{:?}",
        view.errors
    );
    // The form names the format, before the browser's own message could.
    tab.click("connection-settings");
    tab.type_into("channel", "a b");
    let message = "return document.querySelector('[data-testid=channel]').validationMessage";
    let message = tab.execute(message, Vec::new());
    assert!(
        message
            .as_str()
            .is_some_and(|it| it.contains("has 1 to 64 characters")),
        "{message}"
    );
    tab.type_into("channel", "a-b");
    let is_valid = "return document.querySelector('[data-testid=channel]').validity.valid";
    assert_eq!(tab.execute(is_valid, Vec::new()), true);
}

#[test]
fn a_missing_worker_file_is_named() {
    let browser = Browser::start();
    for file in WORKER_FILES {
        let folder = tempfile::tempdir().expect("a folder");
        write_build(&dist(), folder.path(), &[]);
        fs::remove_file(folder.path().join(file)).expect("the file is in the build");
        browser.server().deploy(folder.path());
        let tab = browser.open_blank();
        tab.go(&browser.app(""));
        let view = tab.until("an error", |view| !view.errors.is_empty());
        assert!(view.errors[0].contains(file), "{file}: {:?}", view.errors);
        tab.close();
    }
}

#[test]
fn the_brokers_tab_chooses_the_durability_and_all_tabs_show_it() {
    let browser = Browser::start();
    let broker = browser.open("?durability=strict");
    broker.until_ready_as(Role::Broker);
    let client = browser.open("?durability=memory");
    client.until_ready_as(Role::Client);
    let tabs = [broker, client];
    until_agreed(&tabs);
    for tab in &tabs {
        tab.until("strict", |view| view.kept.as_deref() == Some("strict"));
    }
}
