//! Two builds of TabMQ at once: pages that are open for long have an old one.

use std::fs;
use std::path::Path;

use e2e::{Browser, Caching, Chromium, Message, Page, Role, Server, Setup, dist};

use crate::until_agreed;
#[cfg(unix)]
use crate::{
    faults::{UNHANDLED_FREEZE, assert_hidden_event},
    workload::{Work, agreed, connect},
};

/// The worker's files, whose names are the same in every build.
pub(crate) const WORKER_FILES: [&str; 3] = ["worker-loader.js", "worker.js", "worker_bg.wasm"];

/// The builds in the requests for the worker's files: `?v=BUILD`.
#[track_caller]
fn builds_asked_for(server: &Server) -> Vec<String> {
    let requests = server.requests();
    let targets = requests.iter().map(|request| request.target.as_str());
    let mut builds: Vec<String> = targets
        .filter(|target| WORKER_FILES.iter().any(|file| target.contains(file)))
        .map(|target| match target.split_once("?v=") {
            Some((_, build)) if !build.is_empty() => build.to_owned(),
            _ => panic!("{target} does not name its build"),
        })
        .collect();
    builds.dedup();
    builds
}

#[test]
fn a_new_build_loads_its_own_worker_despite_a_greedy_cache_and_shares_the_old_builds_broker() {
    let browser = Browser::start_with(Setup {
        caching: Caching::Greedy,
        ..Setup::default()
    });
    let old = browser.open("");
    let builds = builds_asked_for(browser.server());
    assert_eq!(builds.len(), 1, "{builds:?}");
    let old_build = &builds[0];

    // Another build has another build name of its worker, and other hashes in trunk's file names.
    let new_build = other_hex(old_build);
    let index = fs::read_to_string(dist().join("index.html")).expect("index.html");
    let words = index.split(|c: char| !c.is_ascii_alphanumeric());
    // Trunk omits leading zeros.
    let hashes = words.filter(|word| {
        (12..=16).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_hexdigit())
    });
    let mut changes: Vec<(String, String)> =
        hashes.map(|it| (it.to_owned(), other_hex(it))).collect();
    changes.push((old_build.clone(), new_build.clone()));
    let folder = tempfile::tempdir().expect("a folder");
    write_build(&dist(), folder.path(), &changes);
    browser.server().deploy(folder.path());
    let new = browser.open("");
    let builds = builds_asked_for(browser.server());
    assert_eq!(builds, [old_build.clone(), new_build.clone()]);
    for request in browser.server().requests() {
        assert_eq!(request.status, 200, "{}", request.target);
    }

    old.until_ready_as(Role::Broker);
    new.until_ready_as(Role::Client);
    let tabs = [old, new];
    until_agreed(&tabs);
    for (tab, build) in tabs.iter().zip([old_build, &new_build]) {
        let view = tab.view();
        let own = view
            .members
            .iter()
            .find(|row| Some(&row.tab_id) == view.tab_id.as_ref());
        assert_eq!(own.map(|row| &row.build), Some(build));
        tab.publish(&Message::new("from", build));
    }
    let messages = [
        Message::new("from", old_build),
        Message::new("from", new_build),
    ];
    for tab in &tabs {
        tab.until_received(&messages);
    }
}

#[cfg(unix)]
fn build_of(page: &Page<'_>) -> String {
    page.until_true(
        "a list of tabs",
        "tab.state.members.some((it) => it.is_self)",
    );
    page.evaluate_as("tab.state.members.find((it) => it.is_self).build")
}

/// Deploys a new build while a tab of an old build is the broker.
#[cfg(unix)]
#[track_caller]
fn deploy_beside(chromium: &Chromium, old: &Page<'_>, folder: &Path) -> String {
    let old_build = build_of(old);
    let new_build = other_hex(&old_build);
    write_build(&e2e::page_dist(), folder, &[(old_build, new_build.clone())]);
    chromium.server().deploy(folder);
    new_build
}

#[cfg(unix)]
#[test]
fn a_frozen_broker_of_an_old_build_is_replaced_by_a_new_build_and_becomes_its_client() {
    let chromium = Chromium::start();
    let old = chromium.open_blank();
    old.before_each_page(UNHANDLED_FREEZE);
    old.join("builds");
    let term = old.until_broker();
    connect(&old);
    let folder = tempfile::tempdir().expect("a folder");
    let new_build = deploy_beside(&chromium, &old, folder.path());
    let others = [chromium.join("builds"), chromium.join("builds")];
    for page in &others {
        page.until_client();
        connect(page);
        assert_eq!(build_of(page), new_build);
    }
    others[0].evaluate("tab.publish('kept', 'by the old one', { retain: true })");
    let work = Work::begin(&others[0], &others[1]);
    old.freeze();
    work.continues();
    let next = chromium.until("another broker", || agreed(&others));
    assert!(next.until_broker() > term);
    old.thaw();
    assert_hidden_event(&old, |it| it.what == "freeze" && it.visibility == "hidden");
    old.until_client();
    work.end();
    // Each build reads the other's storage.
    others[1].evaluate("tab.subscribe('kept')");
    others[1].until_true(
        "the retained message",
        "tab.messages.some((it) => it.payload === 'by the old one')",
    );
    old.evaluate("tab.publish('kept', 'by the new one', { retain: true })");
    for page in others {
        page.close();
    }
    assert!(old.until_broker() > term);
    old.evaluate("tab.subscribe('kept')");
    old.until_true(
        "the retained message",
        "tab.messages.some((it) => it.payload === 'by the new one' && it.retain)",
    );
}

/// Copies a build with changes of the same length in file names and contents.
pub(crate) fn write_build(from: &Path, to: &Path, changes: &[(String, String)]) {
    for entry in fs::read_dir(from).expect("a build") {
        let entry = entry.expect("a file");
        let mut name = entry.file_name().into_string().expect("a name");
        for (old, new) in changes {
            name = name.replace(old, new);
        }
        if entry.path().is_dir() {
            fs::create_dir(to.join(&name)).expect("a folder");
            write_build(&entry.path(), &to.join(name), changes);
        } else {
            let mut content = fs::read(entry.path()).expect("a file");
            for (old, new) in changes {
                replace(&mut content, old.as_bytes(), new.as_bytes());
            }
            fs::write(to.join(name), content).expect("a copy");
        }
    }
}

fn replace(content: &mut [u8], old: &[u8], new: &[u8]) {
    for start in 0..=content.len().saturating_sub(old.len()) {
        if content[start..].starts_with(old) {
            content[start..start + old.len()].copy_from_slice(new);
        }
    }
}

/// Other hexadecimal digits of the same length.
fn other_hex(hex: &str) -> String {
    let next = |digit: u32| char::from_digit((digit + 1) % 16, 16);
    hex.chars()
        .map(|c| c.to_digit(16).and_then(next).unwrap_or(c))
        .collect()
}
