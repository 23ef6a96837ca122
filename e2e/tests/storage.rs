//! The browser's storage: it survives, is full, is removed, is corrupted, or does not exist.

use e2e::{Chromium, Ending, Page};
use serde_json::{Value, json};

use crate::profile::{Format, Profile};
use crate::workload::{connect, tabs};

/// Stores a session of a client that is away, with a subscription and a queued message, and a retained message.
#[track_caller]
pub(crate) fn leave_things(page: &Page<'_>) {
    page.evaluate(
        "(async () => {
            await tab.connect({ client: 1, clientId: 'away', clean: false, expiry: 3600 });
            await tab.subscribe('letters/#', { client: 1 });
            tab.disconnect({ client: 1 });
            await tab.publish('letters/1', 'waits');
            await tab.publish('kept', 'as it was', { retain: true });
        })()",
    );
}

/// Checks that everything of [`leave_things`] exists.
#[track_caller]
pub(crate) fn assert_things(page: &Page<'_>) {
    page.evaluate("tab.messages.length = 0");
    let connected =
        page.evaluate("tab.connect({ client: 1, clientId: 'away', clean: false, expiry: 3600 })");
    assert_eq!(connected["session_present"], true, "{connected}");
    page.until_true(
        "the queued message",
        "tab.messages.some((it) => it.payload === 'waits')",
    );
    page.evaluate("tab.publish('letters/2', 'comes later')");
    page.until_true(
        "a message of the stored subscription",
        "tab.messages.some((it) => it.client === 1 && it.payload === 'comes later')",
    );
    page.evaluate("tab.connect({ client: 2 }).then(() => tab.subscribe('kept', { client: 2 }))");
    page.until_true(
        "the retained message",
        "tab.messages.some((it) => it.client === 2 && it.payload === 'as it was' && it.retain)",
    );
}

/// Checks that nothing of [`leave_things`] exists.
#[track_caller]
pub(crate) fn assert_nothing(page: &Page<'_>) {
    page.evaluate("tab.messages.length = 0");
    let connected =
        page.evaluate("tab.connect({ client: 1, clientId: 'away', clean: false, expiry: 3600 })");
    assert_eq!(connected["session_present"], false, "{connected}");
    page.evaluate("tab.connect({ client: 2 }).then(() => tab.subscribe('#', { client: 2 }))");
    page.evaluate("tab.publish('last', '')");
    page.until_true(
        "a message",
        "tab.messages.some((it) => it.topic === 'last')",
    );
    let kept = "tab.messages.some((it) => it.topic === 'kept' || it.payload === 'waits')";
    assert_eq!(page.evaluate(kept), false);
}

#[track_caller]
pub(crate) fn until_event(page: &Page<'_>, kind: &str) -> String {
    let look = format!("tab.until(() => tab.log.find((it) => it.kind === '{kind}')?.words)");
    page.evaluate_as(&look)
}

#[track_caller]
pub(crate) fn had_event(page: &Page<'_>, kind: &str) -> bool {
    page.evaluate(&format!("tab.log.some((it) => it.kind === '{kind}')")) == true
}

#[test]
fn sessions_subscriptions_and_messages_survive_the_end_of_the_browser() {
    assert_survive(Format::LevelDb);
}

#[test]
fn sessions_subscriptions_and_messages_survive_in_sqlite_databases() {
    assert_survive(Format::Sqlite);
}

#[track_caller]
fn assert_survive(format: Format) {
    let mut profile = Profile::new(format);
    for end in [Chromium::quit, Chromium::kill] {
        let chromium = profile.start();
        let pages = tabs(&chromium, 2, "storage");
        leave_things(&pages[1]);
        profile.end(chromium, end);

        let chromium = profile.start();
        let page = chromium.join("storage");
        let term = page.until_broker();
        connect(&page);
        assert_things(&page);
        let restored = until_event(&page, "Restored");
        assert!(restored.contains("retained"), "{restored}");
        assert!(term > 0);
        profile.end(chromium, Chromium::quit);
    }
}

#[test]
fn a_reload_of_the_last_tab_restores_everything() {
    let chromium = Chromium::start();
    let page = chromium.join("storage");
    page.until_broker();
    connect(&page);
    leave_things(&page);
    page.reload();
    page.until_broker();
    connect(&page);
    assert_things(&page);
}

#[test]
fn a_full_storage_refuses_messages_with_quota_exceeded_until_there_is_space() {
    let chromium = Chromium::start();
    // Before anything is stored, because the browser caches the free space for half a minute.
    let aside = chromium.open_blank();
    aside.load(&chromium.server().url());
    let origin = aside.evaluate("location.origin");
    chromium.override_quota(&aside, &origin, Some(400_000));
    let pages = tabs(&chromium, 2, "storage");
    leave_things(&pages[1]);
    pages[1].evaluate("tab.subscribe('#')");
    // Noise, because the browser compresses stored values.
    let noise = "[...crypto.getRandomValues(new Uint8Array(50_000))].map((it) => String.fromCharCode(33 + it % 90)).join('')";
    let refused = chromium.until("a refusal", || {
        let code = pages[1].evaluate(&format!("tab.publish('big', {noise}, {{ retain: true }})"));
        (code != 0 && code != 16).then_some(code)
    });
    assert_eq!(refused, 0x97, "quota exceeded");
    until_event(&pages[0], "StorageFull");
    // Messages that are not stored still arrive, also from the next broker.
    pages[1].evaluate("tab.settled()");
    pages[1].evaluate("tab.publish('small', 'continues', { qos: 0 })");
    pages[1].until_true(
        "QoS 0",
        "tab.messages.some((it) => it.payload === 'continues')",
    );

    chromium.override_quota(&aside, &origin, None);
    let accepted = chromium.until("room", || {
        let code = pages[1].evaluate("tab.publish('big', 'not so big', { retain: true })");
        (code == 0 || code == 16).then_some(code)
    });
    assert!(accepted.is_number());
    until_event(&pages[0], "StorageHasRoom");
    let mut pages = pages;
    pages.remove(0).end_by(Ending::Close);
    pages[0].until_broker();
    assert_things(&pages[0]);
}

#[test]
fn removed_data_is_reported_and_written_again_from_memory() {
    let chromium = Chromium::start();
    let mut pages = tabs(&chromium, 2, "storage");
    leave_things(&pages[1]);
    let term = pages[0].until_broker();
    let origin = pages[0].evaluate("location.origin");
    pages[0].command(
        "Storage.clearDataForOrigin",
        json!({ "origin": origin, "storageTypes": "indexeddb" }),
    );
    until_event(&pages[0], "StorageRemoved");
    pages[0].until_true(
        "a new reign",
        &format!("tab.state.role?.Broker?.term > {term}"),
    );
    pages[1].evaluate("tab.publish('a', 'b')");
    pages.remove(0).end_by(Ending::Crash);
    pages[0].until_broker();
    assert_things(&pages[0]);
}

#[test]
fn unreadable_rows_are_skipped_and_reported_and_the_others_are_restored() {
    let chromium = Chromium::start();
    let mut pages = tabs(&chromium, 2, "storage");
    leave_things(&pages[1]);
    pages[1].evaluate("tab.publish('spoilt', 'marker', { retain: true })");
    pages[1].evaluate("tab.publish('kept', 'as it was', { retain: true })");
    let changed = pages[1].evaluate(
        "raw.change('storage', (row) => {
            const at = row.bytes && new TextDecoder('latin1').decode(row.bytes).indexOf('marker');
            if (!(at >= 0)) return undefined;
            row.bytes[at] ^= 1;
            return row;
        })",
    );
    assert_eq!(changed, 1, "corrupted rows");
    pages[1].evaluate("raw.put('storage', 0, 'not a row')");
    pages.remove(0).end_by(Ending::Crash);
    pages[0].until_broker();
    let text = until_event(&pages[0], "RecordsSkipped");
    assert!(text.contains('2'), "{text}");
    assert_things(&pages[0]);
    let spoilt = "tab.messages.some((it) => it.topic === 'spoilt')";
    pages[0].evaluate("tab.connect({ client: 3 }).then(() => tab.subscribe('#', { client: 3 }))");
    pages[0].until_true(
        "the kept message",
        "tab.messages.some((it) => it.client === 3)",
    );
    assert_eq!(pages[0].evaluate(spoilt), false);
}

#[test]
fn a_broker_without_a_database_reports_that_and_works_until_its_tab_ends() {
    let chromium = Chromium::start();
    let no_database = "Object.defineProperty(globalThis, 'indexedDB', { value: undefined })";
    assert_volatile(
        &chromium,
        || {
            let page = chromium.open_blank();
            page.join_with_worker_script("storage", no_database);
            page
        },
        |broker| {
            let why = until_event(broker, "InMemory");
            assert!(why.contains("memory only"), "{why}");
        },
    );
}

#[test]
fn a_broker_with_durability_memory_stores_nothing() {
    let chromium = Chromium::start();
    assert_volatile(
        &chromium,
        || chromium.join("storage&durability=memory"),
        |broker| {
            assert!(
                !had_event(broker, "InMemory"),
                "the configured state is reported as an event"
            );
            let databases: Value =
                broker.evaluate("indexedDB.databases().then((all) => all.length)");
            assert_eq!(databases, 0);
        },
    );
}

#[track_caller]
fn assert_volatile<'c>(
    chromium: &'c Chromium,
    join: impl Fn() -> Page<'c>,
    assert_broker: impl Fn(&Page<'c>),
) {
    let mut pages = vec![join(), join()];
    pages[0].until_broker();
    for page in &pages {
        connect(page);
    }
    leave_things(&pages[1]);
    assert_broker(&pages[0]);
    let announced = chromium.until("the broker's announcement", || {
        let members = pages[1].evaluate("tab.state.members.find((it) => it.is_broker)?.durability");
        (!members.is_null()).then_some(members)
    });
    assert_eq!(announced, "memory");
    pages.remove(0).end_by(Ending::Close);
    pages[0].until_broker();
    assert_broker(&pages[0]);
    connect(&pages[0]);
    assert_nothing(&pages[0]);
}
