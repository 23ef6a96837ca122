//! Faults of the broker's tab. Each time another tab restores the stored state, and no acknowledged message is lost.
//! The tests check that the fault happened.

use std::thread;
use std::time::Duration;

use e2e::{Chromium, ChromiumSetup, Ending, Life, Page, SQLITE};

use crate::workload::{Work, agreed, connect, tabs};

/// Hides the freeze events from the page, so its worker keeps the lock and is frozen with it. Records the events.
pub(crate) const UNHANDLED_FREEZE: &str = "
    globalThis.hiddenEvents = [];
    for (const what of ['freeze', 'resume']) {
        document.addEventListener(what, (event) => {
            hiddenEvents.push({ what, at: 0, visibility: document.visibilityState });
            event.stopImmediatePropagation();
        }, true);
    }
";

/// The same for the back/forward cache.
const UNHANDLED_CACHE: &str = "
    globalThis.hiddenEvents = [];
    for (const what of ['pagehide', 'pageshow']) {
        window.addEventListener(what, (event) => {
            hiddenEvents.push({ what, at: 0, persisted: event.persisted });
            event.stopImmediatePropagation();
        }, true);
    }
";

/// Number of attempts, because a browser may drop a page from its cache at any time.
const TRIES: usize = 3;

/// Runs three tabs under load, and causes a fault of the broker's.
#[track_caller]
fn hit<'c>(
    chromium: &'c Chromium,
    prepare: impl Fn(&Page<'c>),
    strike: impl FnOnce(Page<'c>),
) -> Vec<Page<'c>> {
    let broker = chromium.open_blank();
    prepare(&broker);
    broker.join("faults");
    let term = broker.until_broker();
    connect(&broker);
    let others = vec![chromium.join("faults"), chromium.join("faults")];
    for page in &others {
        page.until_client();
        connect(page);
    }
    others[0].evaluate("tab.publish('kept', 'as it was', { retain: true })");
    let work = Work::begin(&others[1], &others[0]);
    broker.until_hidden();
    strike(broker);
    work.continues();
    let next = chromium.until("another broker", || agreed(&others));
    assert!(next.until_broker() > term, "terms rise");
    work.end();
    assert_kept(&others[1]);
    others
}

#[track_caller]
fn assert_kept(page: &Page<'_>) {
    page.evaluate("tab.messages.length = 0");
    page.evaluate("tab.connect({ client: 7 }).then(() => tab.subscribe('kept', { client: 7 }))");
    page.until_true(
        "the retained message",
        "tab.messages.some((it) => it.topic === 'kept' && it.payload === 'as it was' && it.retain)",
    );
}

#[track_caller]
pub(crate) fn assert_hidden_event(page: &Page<'_>, is_it: impl Fn(&Life) -> bool) {
    let life: Vec<Life> = page.evaluate_as("hiddenEvents");
    assert!(life.iter().any(is_it), "the fault did not happen: {life:?}");
}

#[test]
fn nothing_is_lost_when_the_broker_is_closed() {
    let chromium = Chromium::start();
    hit(&chromium, |_| {}, |broker| broker.end_by(Ending::Close));
}

#[test]
fn nothing_is_lost_when_the_broker_crashes() {
    let chromium = Chromium::start();
    hit(&chromium, |_| {}, |broker| broker.end_by(Ending::Crash));
}

#[test]
fn nothing_is_lost_in_sqlite_databases() {
    for ending in [Ending::Close, Ending::Crash] {
        let chromium = Chromium::start_with(ChromiumSetup {
            arguments: &[SQLITE],
            ..ChromiumSetup::default()
        });
        hit(&chromium, |_| {}, |broker| broker.end_by(ending));
        chromium.assert_sqlite();
    }
}

#[test]
fn nothing_is_lost_when_the_brokers_process_is_killed() {
    let chromium = Chromium::start();
    hit(
        &chromium,
        |_| {},
        |broker| {
            broker.process().kill();
            broker.until_crashed();
        },
    );
}

#[test]
fn nothing_is_lost_when_the_broker_is_reloaded() {
    let chromium = Chromium::start();
    hit(
        &chromium,
        |_| {},
        |broker| {
            let before = broker.id();
            broker.reload();
            assert_ne!(broker.id(), before);
        },
    );
}

/// Navigates away from the broker's page, and back into the cached page. `has_come` checks that it was cached.
#[track_caller]
fn hit_by_the_cache(
    prepare: impl Fn(&Page<'_>),
    away: Duration,
    has_come: impl Fn(&Page<'_>, &str) -> bool,
) {
    let is_done = (0..TRIES).any(|_| {
        let chromium = Chromium::start();
        let mut is_done = false;
        hit(&chromium, &prepare, |broker| {
            let before = broker.id();
            broker.navigate("about:blank");
            thread::sleep(away);
            broker.back();
            // If the browser dropped the page from its cache, it loads it again.
            broker.until_true("its script", "typeof life !== 'undefined'");
            is_done = has_come(&broker, &before);
            if is_done {
                broker.until_client();
            }
        });
        is_done
    });
    assert!(
        is_done,
        "the page did not come out of the cache in {TRIES} attempts"
    );
}

#[test]
fn nothing_is_lost_when_the_broker_goes_into_the_back_forward_cache_and_comes_back() {
    let away = Duration::from_millis(500);
    hit_by_the_cache(
        |_| {},
        away,
        |broker, before| {
            let life = broker.life();
            let shown = life.iter().rfind(|it| it.what == "pageshow");
            let has_come = shown.is_some_and(|it| it.persisted);
            if has_come {
                broker.until_true("a new worker", &format!("tab.state.tabId !== '{before}'"));
            }
            has_come
        },
    );
}

#[test]
fn nothing_is_lost_when_a_broker_goes_into_the_cache_without_an_event() {
    hit_by_the_cache(
        |page| page.before_each_page(UNHANDLED_CACHE),
        Duration::from_millis(2_500),
        |broker, _| {
            let hidden: Vec<Life> = broker.evaluate_as("hiddenEvents");
            let has = |what: &str| hidden.iter().any(|it| it.what == what);
            has("pagehide")
                && hidden
                    .iter()
                    .any(|it| it.what == "pageshow" && it.persisted)
        },
    );
}

#[test]
fn nothing_is_lost_when_the_broker_is_frozen() {
    let chromium = Chromium::start();
    hit(
        &chromium,
        |_| {},
        |broker| {
            let before = broker.id();
            broker.freeze();
            thread::sleep(Duration::from_millis(500));
            broker.thaw();
            let life = broker.life();
            let frozen = life.iter().find(|it| it.what == "freeze");
            assert!(
                frozen.is_some_and(|it| it.visibility == "hidden"),
                "not hidden and frozen: {life:?}"
            );
            broker.until_true("a new worker", &format!("tab.state.tabId !== '{before}'"));
            broker.until_client();
        },
    );
}

#[test]
fn nothing_is_lost_when_a_broker_is_frozen_without_an_event() {
    let chromium = Chromium::start();
    hit(
        &chromium,
        |page| page.before_each_page(UNHANDLED_FREEZE),
        |broker| {
            let id = broker.id();
            broker.freeze();
            thread::sleep(Duration::from_millis(2_500));
            broker.thaw();
            assert_hidden_event(&broker, |it| {
                it.what == "freeze" && it.visibility == "hidden"
            });
            // The same worker learns that its leadership is over.
            broker.until_client();
            assert_eq!(broker.id(), id);
        },
    );
}

#[test]
fn nothing_is_lost_when_the_brokers_process_is_suspended() {
    let chromium = Chromium::start();
    hit(
        &chromium,
        |_| {},
        |broker| {
            // If it is suspended in a transaction, the others cannot check their databases, and do not replace it.
            let is_over = (0..TRIES).any(|_| {
                let process = broker.process();
                process.stop();
                thread::sleep(Duration::from_millis(2_500));
                process.resume();
                broker.is_client_within(Duration::from_secs(3))
            });
            assert!(is_over, "no tab replaced the broker in {TRIES} attempts");
        },
    );
}

#[test]
fn nothing_is_lost_when_the_broker_hangs() {
    let chromium = Chromium::start();
    hit(
        &chromium,
        |_| {},
        |broker| {
            let worker = broker.worker();
            worker.hang(Duration::from_millis(2_500));
            let id = broker.id();
            // It executes nothing before.
            let ms = worker.evaluate("performance.now()");
            assert!(ms.as_f64() > Some(2_500.0));
            broker.until_client();
            assert_eq!(broker.id(), id);
        },
    );
}

#[test]
fn a_frozen_tab_at_the_head_of_the_lock_queue_does_not_prevent_a_new_leader() {
    let chromium = Chromium::start();
    let broker = chromium.join("faults");
    broker.until_broker();
    let frozen = chromium.open_blank();
    frozen.before_each_page(UNHANDLED_FREEZE);
    frozen.join("faults");
    frozen.until_client();
    let others = [chromium.join("faults"), chromium.join("faults")];
    for page in &others {
        page.until_client();
        connect(page);
    }
    let work = Work::begin(&others[1], &others[0]);
    frozen.freeze();
    broker.end_by(Ending::Close);
    work.continues();
    let next = chromium.until("another broker", || agreed(&others));
    let term = next.until_broker();

    frozen.thaw();
    assert_hidden_event(&frozen, |it| {
        it.what == "freeze" && it.visibility == "hidden"
    });
    frozen.until_true(
        "the leadership of the other tab",
        &format!("tab.state.role?.Client?.term >= {term}"),
    );
    work.end();
}

#[test]
fn a_broker_that_wakes_after_its_replacement_and_a_checkpoint_writes_nothing() {
    let chromium = Chromium::start();
    let stale = chromium.open_blank();
    stale.before_each_page(UNHANDLED_FREEZE);
    stale.join("faults");
    let old_term = stale.until_broker();
    connect(&stale);
    let others = [chromium.join("faults"), chromium.join("faults")];
    for page in &others {
        page.until_client();
        connect(page);
    }
    // It publishes itself, so it has something to send at once when it wakes.
    let work = Work::begin(&stale, &others[0]);
    stale.freeze();
    // The failure detector works only if a tab waits for the broker.
    others[0].evaluate("tab.publish('a', 'b')");
    let next = chromium.until("another broker", || agreed(&others));
    assert!(next.until_broker() > old_term);
    // More than the limit of the log.
    others[1].evaluate(
        "tab.start({ topic: 'big/', topics: true, retain: true, bytes: 100000, count: 60, window: 10 }); tab.done()",
    );
    chromium.until("a checkpoint", || {
        let pieces = others[1].evaluate("raw.sizes('faults').then((it) => it.pieces)");
        (pieces.as_u64() > Some(0)).then_some(())
    });

    stale.thaw();
    assert_hidden_event(&stale, |it| {
        it.what == "freeze" && it.visibility == "hidden"
    });
    stale.until_client();
    work.continues();
    work.end_at_any_time();
    // In the order of row numbers, terms never fall: all rows of the stale broker are before the fence.
    let terms: Vec<u64> =
        others[1].evaluate_as("raw.rows('faults').then((rows) => rows.map((row) => row.term))");
    assert!(terms.is_sorted(), "{terms:?}");
}

#[test]
fn a_deaf_tab_does_not_replace_the_broker() {
    let chromium = Chromium::start();
    let broker = chromium.join("faults");
    let term = broker.until_broker();
    let deaf = chromium.open_blank();
    deaf.join_with_worker_script(
        "faults",
        "const listen = BroadcastChannel.prototype.addEventListener;
        BroadcastChannel.prototype.addEventListener = function (type, listener, ...rest) {
            const hear = (event) => globalThis.isDeaf || listener(event);
            return listen.call(this, type, hear, ...rest);
        };",
    );
    deaf.until_client();
    connect(&deaf);
    deaf.worker().evaluate("globalThis.isDeaf = true");
    // It waits for an answer that it does not receive.
    deaf.evaluate("tab.publish('a', 'b'), true");
    deaf.until_true("the event Deaf", "tab.log.some((it) => it.kind === 'Deaf')");
    thread::sleep(Duration::from_secs(3));
    assert_eq!(broker.until_broker(), term);
    assert_eq!(
        broker.evaluate("tab.log.some((it) => it.kind === 'SteppedDown')"),
        false
    );
    assert_eq!(
        deaf.evaluate("tab.log.some((it) => it.kind === 'ReplacingBroker')"),
        false
    );
}

#[test]
fn thirty_two_tabs_that_start_at_once_agree_on_one_broker() {
    let chromium = Chromium::start();
    let pages: Vec<Page<'_>> = (0..32).map(|_| chromium.open_blank()).collect();
    let url = format!("{}?channel=faults", chromium.server().url());
    let loading: Vec<_> = pages
        .iter()
        .map(|page| page.begin_navigation(&url))
        .collect();
    for (page, ticket) in pages.iter().zip(loading) {
        page.end(ticket, "navigation");
        page.until_true("the page", "typeof tab === 'object'");
    }
    let joining: Vec<_> = pages.iter().map(|page| page.begin("tab.open()")).collect();
    for (page, ticket) in pages.iter().zip(joining) {
        page.end(ticket, "joining");
    }
    chromium.until("one broker", || agreed(&pages));
    let brokers = pages
        .iter()
        .filter(|page| page.evaluate("tab.log.some((it) => it.kind === 'Elected')") == true);
    assert_eq!(brokers.count(), 1, "elected in all");
    for page in &pages {
        connect(page);
    }
}

#[test]
fn a_change_of_broker_is_no_disconnection_and_sends_no_will() {
    let chromium = Chromium::start();
    let mut pages = tabs(&chromium, 3, "faults");
    let with_will = pages.pop().expect("three");
    with_will.evaluate("tab.connect({ will: { topic: 'will', payload: 'gone' } })");
    with_will.evaluate("tab.subscribe('news')");
    let watcher = &pages[1];
    watcher.evaluate("tab.subscribe('will')");
    let broker = pages.remove(0);
    broker.end_by(Ending::Crash);
    let watcher = &pages[0];
    watcher.until_broker();
    with_will.until_client();
    with_will.evaluate("tab.settled()");
    // The subscription continues without another SUBSCRIBE, because it is in the session.
    watcher.evaluate("tab.publish('news', 'from the new broker')");
    with_will.until_true("the news", "tab.messages.some((it) => it.topic === 'news')");
    assert_eq!(watcher.evaluate("tab.messages.length"), 0);

    with_will.end_by(Ending::Crash);
    watcher.until_true("the will", "tab.messages.some((it) => it.topic === 'will')");
}
