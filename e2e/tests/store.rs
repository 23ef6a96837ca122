//! The database fails and recovers: no acknowledged message is lost, no refused message arrives, and events report it.
//!
//! `store_faults.js` has the faults.

use std::thread;
use std::time::{Duration, Instant};

use e2e::{Chromium, DEADLINE, Ending, Page};
use serde::Deserialize;

use crate::storage::{assert_nothing, assert_things, leave_things};
use crate::workload::connect;

const FAULTS: &str = include_str!("store_faults.js");

/// Duration of a temporary fault: longer than six successive attempts.
const PASSING: Duration = Duration::from_secs(5);

/// Messages a second.
const RATE: u32 = 100;

const QUOTA_EXCEEDED: u8 = 0x97;

// Events.

/// Events of the storage.
#[derive(Clone, Copy, Debug)]
enum StorageEvent {
    /// Storage fails, or does not answer.
    Fails,
    /// Storage works again.
    Works,
    /// The state is in memory only.
    InMemory,
    /// A part of the stored state is missing or corrupted.
    Missing,
    /// The whole stored state is missing.
    Lost,
}

/// The names of this event in the page's log.
const fn kinds(event: StorageEvent) -> &'static [&'static str] {
    match event {
        StorageEvent::Fails => &["StorageFailing", "Storage"],
        StorageEvent::Works => &["StorageWorks", "StorageHasRoom"],
        StorageEvent::InMemory => &["InMemory"],
        StorageEvent::Missing => &["RecordsSkipped", "StorageDamaged"],
        StorageEvent::Lost => &["StorageLost"],
    }
}

fn find_event(event: StorageEvent) -> String {
    format!(
        "tab.log.find((it) => {:?}.includes(it.kind))?.words",
        kinds(event)
    )
}

#[track_caller]
fn until_event(page: &Page<'_>, event: StorageEvent) -> String {
    page.evaluate_as(&format!("tab.until(() => {})", find_event(event)))
}

#[track_caller]
fn assert_no_event(page: &Page<'_>, event: StorageEvent) {
    let words = page.evaluate(&find_event(event));
    assert!(words.is_null(), "{event:?}: {words}");
}

// Tabs with storage that fails on command.

/// Joins a channel with a worker whose storage fails on command.
#[track_caller]
fn join<'c>(chromium: &'c Chromium, channel: &str) -> Page<'c> {
    join_in(chromium, channel, None)
}

/// The same, with storage that fails from the beginning.
#[track_caller]
fn join_in<'c>(chromium: &'c Chromium, channel: &str, fault: Option<&str>) -> Page<'c> {
    let page = chromium.open_blank();
    page.join_with_worker_script(channel, &script(fault));
    page
}

fn script(fault: Option<&str>) -> String {
    let begin = fault.map(|fault| format!("storeFaults.begin('{fault}');"));
    format!("{FAULTS}{}", begin.unwrap_or_default())
}

#[track_caller]
fn join_connected<'c>(chromium: &'c Chromium, channel: &str, count: usize) -> Vec<Page<'c>> {
    let pages: Vec<_> = (0..count).map(|_| join(chromium, channel)).collect();
    pages[0].until_broker();
    for page in &pages {
        connect(page);
    }
    pages
}

#[track_caller]
fn begin(page: &Page<'_>, fault: &str) {
    let begin = format!("storeFaults.begin('{fault}')");
    page.worker().evaluate(&begin);
}

#[track_caller]
fn end(page: &Page<'_>) {
    page.worker().evaluate("storeFaults.end()");
}

/// Waits for the duration of a temporary fault.
fn pass(begun: Instant) {
    thread::sleep(PASSING.saturating_sub(begun.elapsed()));
}

// Messages during the fault.

/// The outcome of messages that were published during the fault.
#[derive(Debug, Deserialize)]
struct Report {
    sent: Vec<f64>,
    refused: Vec<(usize, u8)>,
}

/// Begins to publish in the last of these tabs, which also has a session that receives the messages.
#[track_caller]
fn begin_work(page: &Page<'_>) {
    page.evaluate(
        "tab.connect({ client: 1, clientId: 'keeper', clean: false, expiry: 3600 })
            .then(() => tab.subscribe('load/#', { client: 1 }))",
    );
    page.evaluate(&format!(
        "tab.start({{ topic: 'load/work', rate: {RATE}, window: 60000 }})"
    ));
    until_acknowledged(page);
}

/// Waits for the acknowledgement of a newly published message.
#[track_caller]
fn until_acknowledged(page: &Page<'_>) {
    page.evaluate("globalThis.mark = tab.report().sent.length");
    let is_there = "(() => {
        const { acknowledged, refused } = tab.report();
        const numbers = new Set(refused.map(([number]) => number));
        return acknowledged.slice(mark).some((at, index) => at > 0 && !numbers.has(mark + index));
    })()";
    page.until_true("an acknowledgement", is_there);
}

/// Ends publishing. Each message was acknowledged and arrives, or was refused for lack of space and does not arrive.
#[track_caller]
fn end_work(page: &Page<'_>) -> usize {
    page.evaluate("tab.stop()");
    let Report { sent, refused } = page.evaluate_as("tab.done()");
    assert!(
        refused.iter().all(|(_, code)| *code == QUOTA_EXCEEDED),
        "{refused:?}"
    );
    let is_refused = |number| refused.iter().any(|(refused, _)| *refused == number);
    let accepted: Vec<usize> = (0..sent.len()).filter(|it| !is_refused(*it)).collect();
    let start = Instant::now();
    loop {
        let counts: Vec<u32> = page.evaluate_as("tab.counts('load/work')");
        let count = |number: usize| counts.get(number).copied().unwrap_or_default();
        let arrived: Vec<_> = refused.iter().filter(|(it, _)| count(*it) > 0).collect();
        assert!(arrived.is_empty(), "refused and yet arrived: {arrived:?}");
        let lost: Vec<_> = accepted.iter().filter(|it| count(**it) == 0).collect();
        if lost.is_empty() {
            return refused.len();
        }
        assert!(
            start.elapsed() < DEADLINE,
            "of {} messages {} were acknowledged and lost, the first of them {:?}",
            sent.len(),
            lost.len(),
            lost[0]
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// Publishes retained messages one after the other until one is refused. Earlier ones may be in flight until the fault
/// ends.
#[track_caller]
fn until_refused(page: &Page<'_>) {
    page.evaluate("globalThis.codes = [], true");
    let publish = format!(
        "(() => {{
            const number = codes.push(undefined) - 1;
            tab.publish(`tried/${{number}}`, 'it', {{ retain: true }}).then((code) => {{ codes[number] = code; }});
            return codes.includes({QUOTA_EXCEEDED});
        }})()"
    );
    page.until_true("a refusal", &publish);
}

/// Checks that exactly the accepted messages of [`until_refused`] are retained.
#[track_caller]
fn assert_refusals(page: &Page<'_>, codes: &[u8]) {
    let is_accepted = |(number, code): (usize, &u8)| (*code < 0x80).then_some(number);
    let accepted: Vec<usize> = codes.iter().enumerate().filter_map(is_accepted).collect();
    page.evaluate("tab.messages.length = 0, tab.subscribe('tried/#')");
    page.evaluate("tab.publish('tried/last', '')");
    page.until_true(
        "the last message",
        "tab.messages.some((it) => it.topic === 'tried/last')",
    );
    let mut found: Vec<usize> = page.evaluate_as(
        "tab.messages.filter((it) => it.payload === 'it').map((it) => Number(it.topic.split('/')[1]))",
    );
    found.sort_unstable();
    assert_eq!(found, accepted);
}

/// Publishes retained values that a broker without its state does not have.
#[track_caller]
fn leave_values(page: &Page<'_>, prefix: &str) {
    let publish = format!(
        "Promise.all(Array.from({{ length: 20 }}, (_, at) =>
            tab.publish(`{prefix}/${{at}}`, `value ${{at}}`, {{ retain: true }})))"
    );
    let codes: Vec<u8> = page.evaluate_as(&publish);
    assert!(codes.iter().all(|code| [0, 16].contains(code)), "{codes:?}");
}

/// Checks that all of them exist.
#[track_caller]
fn assert_values(page: &Page<'_>, prefix: &str) {
    page.evaluate(&format!(
        "tab.messages.length = 0,
         tab.connect({{ client: 7 }}).then(() => tab.subscribe('{prefix}/+', {{ client: 7 }}))"
    ));
    page.until_true(
        "all retained values",
        "new Set(tab.messages.filter((it) => it.client === 7 && it.retain).map((it) => it.topic)).size === 20",
    );
}

/// Reloads the last tab with a worker whose storage works, so it shows the stored state.
#[track_caller]
fn reload(page: &Page<'_>) {
    // New workers do not wait for a script.
    drop(page.worker());
    page.reload();
    page.until_broker();
    connect(page);
}

// One tab.

#[test]
fn a_broker_with_a_closed_database_opens_it_again_and_loses_nothing() {
    for fault in ["deadHandles", "closedHandles"] {
        let chromium = Chromium::start();
        let page = join_connected(&chromium, "store", 1).remove(0);
        leave_things(&page);
        leave_values(&page, "before");
        begin_work(&page);
        begin(&page, fault);
        until_acknowledged(&page);
        leave_values(&page, "meanwhile");
        end_work(&page);
        assert_values(&page, "before");
        assert_no_event(&page, StorageEvent::InMemory);
        reload(&page);
        assert_values(&page, "before");
        assert_values(&page, "meanwhile");
        assert_things(&page);
    }
}

#[test]
fn a_broker_whose_writes_fail_refuses_messages_and_continues_when_they_work() {
    for fault in ["abortedWrites", "fullDisk"] {
        let chromium = Chromium::start();
        let page = join_connected(&chromium, "store", 1).remove(0);
        leave_things(&page);
        leave_values(&page, "before");
        begin_work(&page);
        let begun = Instant::now();
        begin(&page, fault);
        until_event(&page, StorageEvent::Fails);
        until_refused(&page);
        pass(begun);
        assert!(page.is_broker());
        end(&page);
        until_event(&page, StorageEvent::Works);
        // It still has the whole state.
        assert_values(&page, "before");
        until_acknowledged(&page);
        leave_values(&page, "after");
        page.until_true("all answers", "codes.every((code) => code !== undefined)");
        let codes: Vec<u8> = page.evaluate_as("codes");
        let refused = end_work(&page);
        assert!(refused > 0, "for five seconds nothing could be stored");
        assert_no_event(&page, StorageEvent::InMemory);
        reload(&page);
        assert_values(&page, "before");
        assert_values(&page, "after");
        assert_things(&page);
        assert_refusals(&page, &codes);
    }
}

#[test]
fn a_client_without_stored_state_connects_while_storage_fails() {
    let chromium = Chromium::start();
    let page = join_connected(&chromium, "store", 1).remove(0);
    page.evaluate("tab.subscribe('now')");
    begin(&page, "fullDisk");
    until_refused(&page);
    let connected = page.evaluate("tab.connect({ client: 5, clientId: 'fleeting' })");
    assert!(connected["term"].is_u64(), "{connected}");
    page.evaluate("tab.publish('now', 'at once', { client: 5, qos: 0 })");
    page.until_true(
        "a message with QoS 0",
        "tab.messages.some((it) => it.payload === 'at once')",
    );
}

// Three tabs whose storage fails at the same time.

#[test]
fn nothing_is_lost_when_the_databases_of_all_tabs_fail_for_a_while() {
    for fault in [
        "deadHandles",
        "closedHandles",
        "abortedWrites",
        "lostServer",
    ] {
        let chromium = Chromium::start();
        let mut pages = join_connected(&chromium, "store", 3);
        leave_things(&pages[2]);
        leave_values(&pages[2], "before");
        begin_work(&pages[2]);
        let begun = Instant::now();
        for page in &pages {
            begin(page, fault);
        }
        pass(begun);
        for page in &pages {
            end(page);
        }
        until_acknowledged(&pages[2]);
        leave_values(&pages[2], "after");
        end_work(&pages[2]);
        for page in &pages {
            assert_no_event(page, StorageEvent::InMemory);
        }
        // Retained messages are also in the database, for any next broker.
        while pages.len() > 1 {
            let broker = chromium.until("a broker", || pages.iter().position(Page::is_broker));
            if broker == pages.len() - 1 {
                break;
            }
            pages.remove(broker).end_by(Ending::Close);
            let last = &pages[pages.len() - 1];
            assert_values(last, "before");
            assert_values(last, "after");
        }
        let last = &pages[pages.len() - 1];
        assert_things(last);
    }
}

#[test]
fn a_tab_with_working_storage_replaces_a_broker_whose_storage_fails() {
    for fault in ["abortedWrites", "lostServer"] {
        let chromium = Chromium::start();
        let pages = join_connected(&chromium, "store", 2);
        leave_things(&pages[1]);
        leave_values(&pages[1], "before");
        begin_work(&pages[1]);
        begin(&pages[0], fault);
        pages[1].until_broker();
        until_acknowledged(&pages[1]);
        leave_values(&pages[1], "after");
        // A tab whose own storage fails does not replace the broker.
        pages[0].until_client();
        end_work(&pages[1]);
        assert_values(&pages[1], "before");
        assert_values(&pages[1], "after");
        assert_things(&pages[1]);
        assert!(pages[1].is_broker());
    }
}

// A database that does not answer.

#[test]
fn a_database_without_answer_is_reported_and_a_tab_with_working_storage_leads() {
    let chromium = Chromium::start();
    let first = join_in(&chromium, "store", Some("silentOpen"));
    until_event(&first, StorageEvent::Fails);
    let second = join(&chromium, "store");
    second.until_broker();
    for page in [&first, &second] {
        connect(page);
    }
    first.until_client();
    leave_values(&first, "kept");
    assert_values(&second, "kept");
    assert!(second.is_broker());
}

#[test]
fn a_blocked_log_is_reported_and_read_when_it_is_free() {
    let chromium = Chromium::start();
    let holder = chromium.open_blank();
    holder.load(&chromium.server().url());
    let page = join(&chromium, "store");
    page.until_broker();
    connect(&page);
    leave_things(&page);
    leave_values(&page, "kept");
    // As WebKit does with the open transaction of a worker that has ended.
    holder.evaluate("raw.hold('store')");
    drop(page.worker());
    page.reload();
    until_event(&page, StorageEvent::Fails);
    assert_no_event(&page, StorageEvent::InMemory);
    holder.evaluate("raw.release()");
    page.until_broker();
    connect(&page);
    assert_values(&page, "kept");
    assert_things(&page);
}

// No database.

#[track_caller]
fn assert_in_memory(page: &Page<'_>) {
    page.until_broker();
    connect(page);
    let why = until_event(page, StorageEvent::InMemory);
    assert!(why.contains("memory only"), "{why}");
    leave_values(page, "kept");
    assert_values(page, "kept");
}

#[test]
fn a_site_without_storage_works_in_memory_and_reports_it() {
    let chromium = Chromium::start();
    assert_in_memory(&join_in(&chromium, "store", Some("blockedSite")));
}

#[test]
fn an_insecure_page_without_a_database_reports_its_state() {
    let chromium = Chromium::start();
    let page = chromium.open_blank();
    let url = format!(
        "http://tabmq.test:{}/?channel=store",
        chromium.server().port()
    );
    page.join_at_with_worker_script(&url, &script(Some("noDatabases")));
    // It reports one of the two.
    page.until_true(
        "an answer",
        &format!(
            "{} !== undefined || tab.state.failed !== null || tab.log.some((it) => it.kind === 'Refused')",
            find_event(StorageEvent::InMemory)
        ),
    );
}

// A database with missing parts.

#[test]
fn missing_rows_are_reported() {
    let chromium = Chromium::start();
    let mut pages = join_connected(&chromium, "store", 2);
    leave_values(&pages[1], "before");
    pages[1].evaluate("tab.publish('missing', 'marker', { retain: true })");
    leave_values(&pages[1], "after");
    let removed = pages[1].evaluate(
        "raw.remove('store', (key, { bytes }) =>
            bytes && new TextDecoder('latin1').decode(bytes).includes('marker'))",
    );
    assert_eq!(removed, 1);
    pages.remove(0).end_by(Ending::Crash);
    pages[0].until_broker();
    until_event(&pages[0], StorageEvent::Missing);
    assert_values(&pages[0], "before");
    assert_values(&pages[0], "after");
}

#[test]
fn a_checkpoint_without_its_snapshot_is_reported() {
    let chromium = Chromium::start();
    let mut pages = join_connected(&chromium, "store", 2);
    // More than the limit of the log, so a snapshot replaces it.
    pages[1].evaluate("tab.publish('large', tab.noise(1, 5_000_000), { retain: true })");
    leave_values(&pages[1], "after");
    let removed = chromium.until("a snapshot", || {
        let removed = pages[1].evaluate("raw.removeSnapshot('store')");
        (removed != 0).then_some(removed)
    });
    assert!(removed.is_u64());
    pages.remove(0).end_by(Ending::Crash);
    pages[0].until_broker();
    until_event(&pages[0], StorageEvent::Missing);
}

// A deleted database.

/// Deletes the database of a channel without an open tab, as a browser does if it needs space or drops a damaged profile. The
/// page must have the same origin.
#[track_caller]
pub(crate) fn evict(page: &Page<'_>, channel: &str) {
    let kept = page.evaluate(&format!("localStorage.getItem('tabmq/{channel}/log')"));
    assert!(kept.is_string(), "no page knows the log of {channel}");
    let deleted = page.evaluate(&format!(
        "indexedDB.databases().then((all) => Promise.all(all
            .filter(({{ name }}) => name.startsWith('tabmq/{channel}/'))
            .map(({{ name }}) => new Promise((resolve, reject) => {{
                const request = indexedDB.deleteDatabase(name);
                request.onsuccess = resolve;
                request.onerror = () => reject(request.error);
            }})))).then((deleted) => deleted.length)"
    ));
    assert_eq!(deleted, 1, "databases of {channel}");
}

#[test]
fn a_returning_page_reports_a_deleted_database_and_no_kept_one() {
    let chromium = Chromium::start();
    let aside = chromium.open_blank();
    aside.load(&chromium.server().url());
    let come = || {
        let page = chromium.join("store");
        page.until_broker();
        connect(&page);
        page
    };
    let page = come();
    leave_things(&page);
    leave_values(&page, "before");
    page.end_by(Ending::Close);

    let page = come();
    assert_values(&page, "before");
    assert_no_event(&page, StorageEvent::Lost);
    page.end_by(Ending::Close);

    evict(&aside, "store");
    let page = come();
    let words = until_event(&page, StorageEvent::Lost);
    assert!(words.contains("has lost"), "{words}");
    assert_nothing(&page);
    leave_values(&page, "after");
    page.end_by(Ending::Close);

    // From now on the page knows this log.
    let page = come();
    assert_values(&page, "after");
    assert_no_event(&page, StorageEvent::Lost);
}

// A worker that ends.

#[test]
fn a_worker_that_ends_at_its_start_is_reported_with_its_cause_and_blocks_no_other_tab() {
    let chromium = Chromium::start();
    let failed = chromium.open_blank();
    let throws = "
        const { open } = IDBFactory.prototype;
        IDBFactory.prototype.open = function (...parameters) {
            setTimeout(() => { throw new Error('made to end'); });
            return open.apply(this, parameters);
        };";
    failed.join_with_worker_script("store", throws);
    failed.until_true("a failure", "tab.state.failed !== null");
    let why: String = failed.evaluate_as("tab.state.failed");
    assert!(why.contains("made to end"), "{why}");
    let page = chromium.join("store");
    page.until_broker();
    connect(&page);
}
