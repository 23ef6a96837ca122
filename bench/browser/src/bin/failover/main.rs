//! `cargo xtask bench failover`: measures in real tabs the longest time without an acknowledgement after a fault of the
//! broker's tab, and checks that no acknowledged message is lost.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "it waits in real time, and panics on failure, as the harness does"
)]

mod fault;
mod figures;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use bench_browser::{Options, end_progress, now_ms, progress, write_json};
use e2e::{Chromium, Ending, Life, Page};
use serde::Deserialize;
use serde_json::Value;

use fault::Fault;
use figures::{Figures, print_table, to_json};

const ROUNDS: usize = 5;
/// Factor for the highest number of rounds, because the fault does not happen in each round.
const TRIES: usize = 3;
/// Tabs beside the broker's.
const OTHERS: [usize; 2] = [5, 19];
const RETAINED: usize = 1_000;
/// Messages a second of each of the two publishing tabs.
const RATE: u32 = 200;
/// Time of publishing before the fault, and after the recovery.
const CALM: Duration = Duration::from_millis(1_000);
/// Age of a leadership before a fault that only the failure detector notices. The detector waits longer for a new broker.
const LONG_LEADERSHIP: Duration = Duration::from_secs(5);
const HANG: Duration = Duration::from_millis(2_500);
/// Longest time until the last acknowledgement and the last message.
const SETTLE: Duration = Duration::from_secs(30);

/// Hides the freeze events from the page, and records them.
const UNHANDLED: &str = "
    globalThis.hiddenEvents = [];
    for (const what of ['freeze', 'resume']) {
        document.addEventListener(what, (event) => {
            hiddenEvents.push({ what, at: 0, visibility: document.visibilityState });
            event.stopImmediatePropagation();
        }, true);
    }
";

fn main() -> ExitCode {
    let options = match Options::from_env(ROUNDS) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut all = Vec::new();
    for others in OTHERS {
        for fault in Fault::ALL {
            let name = format!("{}, {others} others", fault.name());
            if options.wants(&name) {
                all.push((fault, others, measure(fault, others, &name, options.rounds)));
            }
        }
    }
    end_progress();
    print_table(&all, options.rounds);
    if let Some(path) = &options.json
        && let Err(error) = write_json(path, &to_json(&all, options.rounds))
    {
        eprintln!("error: {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    let lost: usize = all.iter().map(|(.., it)| it.lost + it.retained_lost).sum();
    if lost > 0 {
        eprintln!("error: {lost} messages were acknowledged and lost");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn measure(fault: Fault, others: usize, name: &str, rounds: usize) -> Figures {
    progress(&format!("{name}: {} tabs", others + 1));
    let chromium = Chromium::start();
    chromium.wait_at_most(SETTLE);
    let mut pages: Vec<Page<'_>> = Vec::new();
    for _ in 0..=others {
        pages.push(join(&chromium, fault));
    }
    let filler = &pages[others];
    filler.evaluate(&format!(
        "tab.start({{ topic: 'load/kept/', topics: true, retain: true, count: {RETAINED}, window: 200 }}); tab.done()"
    ));
    let mut figures = Figures::default();
    let mut counted = 0;
    for round in 1..=rounds * TRIES {
        progress(&format!("{name}: round {} of {rounds}", counted + 1));
        let mut found = Figures::default();
        if one_round(&chromium, &mut pages, fault, round, &mut found) {
            figures.add(found);
            counted += 1;
        }
        if counted == rounds {
            return figures;
        }
    }
    panic!(
        "{name}: it happened in {counted} of {} rounds",
        rounds * TRIES
    );
}

/// Opens a tab that is connected and subscribed.
fn join<'c>(chromium: &'c Chromium, fault: Fault) -> Page<'c> {
    let page = chromium.open_blank();
    if matches!(fault, Fault::FreezeUnhandled | Fault::CloseFrozenNext) {
        // Without the event, the worker keeps the lock and is frozen with the page.
        page.before_each_page(UNHANDLED);
    }
    page.join("failover");
    connect(&page);
    page
}

fn connect(page: &Page<'_>) {
    page.evaluate("tab.connect().then(() => tab.subscribe('others/#'))");
}

/// Measures one round; returns whether the fault happened. A browser may drop a page from its back/forward cache at any time.
fn one_round<'c>(
    chromium: &'c Chromium,
    pages: &mut Vec<Page<'c>>,
    fault: Fault,
    round: usize,
    figures: &mut Figures,
) -> bool {
    let place = chromium.until("a broker", || pages.iter().position(Page::is_broker));
    if matches!(
        fault,
        Fault::FreezeUnhandled | Fault::CloseFrozenNext | Fault::Hang
    ) {
        thread::sleep(LONG_LEADERSHIP);
    }
    let broker = pages.remove(place);
    let waiter = (fault == Fault::CloseFrozenNext).then(|| {
        let next = chromium.until("a queue", || next_in_queue(pages));
        pages.remove(next)
    });
    for page in pages.iter() {
        page.until_client();
        page.evaluate("tab.settled()");
    }
    // The oldest of the others is the next broker. The newest learns of it last.
    let publishers = [&pages[0], &pages[pages.len() - 1]];
    let keeper = &pages[pages.len() / 2];
    let kept: Value = keeper.evaluate(
        "tab.connect({ client: 1, clientId: 'keeper', clean: false, expiry: 3600 })
            .then(async (it) => (await tab.subscribe('load/run/#', { client: 1 }), it))",
    );
    assert!(
        round == 1 || kept["session_present"] == true,
        "the keeper's session is gone: {kept}"
    );
    keeper.evaluate("tab.forgetCounts()");
    publishers[1].show();
    for (index, page) in publishers.iter().enumerate() {
        page.evaluate("tab.log.length = 0");
        page.evaluate(&format!(
            "tab.start({{ topic: 'load/run/{round}/{index}', rate: {RATE}, window: 60000 }})"
        ));
    }
    for page in pages.iter() {
        page.evaluate("tab.log.length = 0");
    }
    thread::sleep(CALM);

    if let Some(waiter) = &waiter {
        waiter.freeze();
    }
    let before = broker.id();
    let begin = now_ms();
    let hit = strike(broker, fault);
    // The recovery is complete when both get acknowledgements again.
    for (index, page) in publishers.iter().enumerate() {
        chromium.until("an acknowledgement after the fault", || {
            let is_there = page.evaluate(&format!(
                "(() => {{ const it = tab.report().acknowledged; let n = 0;
                    for (let i = it.length - 1; i >= 0 && n < 5; i--) if (it[i] > {begin} + 20) n++;
                    return n >= 5; }})()"
            )) == true;
            is_there.then_some(index)
        });
    }
    if fault == Fault::Hang {
        // Wait for the end of the hang.
        let left = HANG.saturating_sub(Duration::from_secs_f64((now_ms() - begin) / 1_000.0));
        thread::sleep(left);
    }
    thread::sleep(CALM);
    for page in &publishers {
        page.evaluate("tab.stop()");
    }
    let reports: Vec<Report> = publishers
        .iter()
        .map(|page| page.evaluate_as("tab.done()"))
        .collect();
    for (index, report) in reports.iter().enumerate() {
        let mut at: Vec<f64> = report.acknowledged.clone();
        at.sort_by(f64::total_cmp);
        figures
            .gap_ms
            .push(longest_gap(&at, begin - 20.0, f64::MAX));
        let calm_from = begin - CALM.as_secs_f64() * 500.0;
        figures.calm_gap_ms.push(longest_gap(&at, calm_from, begin));
        figures.acknowledged += at.len();
        let (lost, duplicates) = arrived(keeper, &format!("load/run/{round}/{index}"), report);
        figures.lost += lost;
        figures.duplicates += duplicates;
    }
    trace(pages, publishers, &reports, begin, figures);
    figures.retained_lost += retained_lost(keeper);
    let has_happened = recover(chromium, pages, hit, fault, &before);
    if let Some(waiter) = waiter {
        thaw_without_event(&waiter);
        waiter.until_client();
        connect(&waiter);
        pages.push(waiter);
    }
    has_happened
}

/// The page with the oldest pending request for the broker's lock.
fn next_in_queue(pages: &[Page<'_>]) -> Option<usize> {
    let lock: Option<String> = pages[0].evaluate_as(
        "navigator.locks.query().then(({ held, pending }) => {
            const next = pending.find((it) => it.name.endsWith('/broker'))?.clientId;
            return held.find((it) => it.clientId === next && it.name.includes('/tab/'))?.name;
        })",
    );
    let lock = lock?;
    pages.iter().position(|page| lock.ends_with(&page.id()))
}

/// The broker's tab after the fault.
enum Hit<'c> {
    Gone,
    Left(Page<'c>),
}

/// Causes the fault in the broker's tab.
fn strike(broker: Page<'_>, fault: Fault) -> Hit<'_> {
    match fault {
        Fault::Close | Fault::CloseFrozenNext => {
            broker.end_by(Ending::Close);
            Hit::Gone
        }
        Fault::Crash => {
            broker.end_by(Ending::Crash);
            Hit::Gone
        }
        Fault::Freeze | Fault::FreezeUnhandled => {
            broker.begin_freeze();
            Hit::Left(broker)
        }
        Fault::Hang => {
            broker.worker().hang(HANG);
            Hit::Left(broker)
        }
        Fault::Cache => {
            broker.navigate("about:blank");
            Hit::Left(broker)
        }
    }
}

/// Restores the number of tabs, and checks the fault of the broker's tab. Returns whether the fault happened.
fn recover<'c>(
    chromium: &'c Chromium,
    pages: &mut Vec<Page<'c>>,
    hit: Hit<'c>,
    fault: Fault,
    before: &str,
) -> bool {
    let page = match hit {
        Hit::Gone => {
            pages.push(join(chromium, fault));
            return true;
        }
        Hit::Left(page) => page,
    };
    let mut has_happened = true;
    match fault {
        Fault::Close | Fault::Crash | Fault::CloseFrozenNext => {}
        Fault::Freeze => {
            page.thaw();
            let life = page.life();
            let frozen = life.iter().find(|it| it.what == "freeze");
            assert!(
                frozen.is_some_and(|it| it.visibility == "hidden"),
                "the page was not hidden and frozen: {life:?}"
            );
            assert_new(&page, before);
        }
        Fault::FreezeUnhandled => thaw_without_event(&page),
        Fault::Hang => {}
        Fault::Cache => {
            page.back();
            page.show();
            // If the page was not in the cache, the browser loads it again.
            page.until_true("the page's script", "typeof life !== 'undefined'");
            let life = page.life();
            let shown = life.iter().rfind(|it| it.what == "pageshow");
            has_happened = shown.is_some_and(|it| it.persisted);
            if has_happened {
                assert_new(&page, before);
            } else {
                page.join("failover");
            }
        }
    }
    // After a hang, the tab may still be the broker, if no other tab replaced it in time. The gap shows that.
    if fault != Fault::Hang {
        page.until_client();
    }
    connect(&page);
    pages.push(page);
    has_happened
}

/// Thaws a page that got no event, and checks that it was frozen.
fn thaw_without_event(page: &Page<'_>) {
    page.thaw();
    let life: Vec<Life> = page.evaluate_as("hiddenEvents");
    let frozen = life.iter().find(|it| it.what == "freeze");
    assert!(
        frozen.is_some_and(|it| it.visibility == "hidden"),
        "the page was not hidden and frozen: {life:?}"
    );
}

/// Waits until the tab has a new worker.
fn assert_new(page: &Page<'_>, before: &str) {
    page.until_true("a new worker", &format!("tab.state.tabId !== '{before}'"));
}

#[derive(Debug, Deserialize)]
struct Report {
    acknowledged: Vec<f64>,
    refused: Vec<(usize, u8)>,
}

/// The longest difference of two successive times, if the later one is above `from` and at most `to`.
fn longest_gap(sorted: &[f64], from: f64, to: f64) -> f64 {
    let gaps = sorted.windows(2).filter_map(|pair| match pair {
        [a, b] if *b > from && *b <= to => Some(b - a),
        _ => None,
    });
    gaps.fold(0.0, f64::max)
}

/// Waits until all acknowledged messages have arrived. Returns the numbers of lost messages and of copies.
fn arrived(keeper: &Page<'_>, topic: &str, report: &Report) -> (usize, usize) {
    assert!(report.refused.is_empty(), "refused: {:?}", report.refused);
    let start = Instant::now();
    loop {
        let counts: Vec<usize> = keeper.evaluate_as(&format!("tab.counts('{topic}')"));
        let count = |number: usize| counts.get(number).copied().unwrap_or_default();
        let acknowledged =
            (0..report.acknowledged.len()).filter(|it| report.acknowledged[*it] > 0.0);
        let lost = acknowledged.filter(|it| count(*it) == 0).count();
        if lost == 0 || start.elapsed() > SETTLE {
            let copies = counts.iter().map(|it| it.saturating_sub(1)).sum();
            return (lost, copies);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The number of retained messages that a new client does not get.
fn retained_lost(page: &Page<'_>) -> usize {
    let start = Instant::now();
    page.evaluate(
        "tab.forgetCounts(); tab.connect({ client: 2 }).then(() => tab.subscribe('load/kept/#', { client: 2 }))",
    );
    loop {
        let arrived: f64 = page.evaluate_as("tab.countAll()");
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count"
        )]
        let lost = RETAINED.saturating_sub(arrived as usize);
        if lost == 0 || start.elapsed() > Duration::from_secs(5) {
            page.evaluate("tab.disconnect({ client: 2 })");
            return lost;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Records the time from the fault to each step.
fn trace(
    pages: &[Page<'_>],
    publishers: [&Page<'_>; 2],
    reports: &[Report],
    begin: f64,
    figures: &mut Figures,
) {
    #[derive(Deserialize)]
    struct Entry {
        kind: String,
        at: f64,
        #[serde(rename = "eventAt")]
        event_at: Option<f64>,
        words: String,
    }
    let log = |page: &Page<'_>| -> Vec<Entry> { page.evaluate_as("tab.log") };
    let mut add = |step: &'static str, at: Option<f64>| {
        if let Some(at) = at {
            figures.steps_ms.entry(step).or_default().push(at - begin);
        }
    };
    let first = |log: &[Entry], kinds: &[&str]| {
        let is_it = |it: &&Entry| kinds.contains(&it.kind.as_str());
        let times = log.iter().filter(is_it).filter_map(|it| it.event_at);
        times.fold(None, |least: Option<f64>, at| {
            Some(least.map_or(at, |least| least.min(at)))
        })
    };
    if let Some(next) = pages.iter().find(|page| page.is_broker()) {
        let log = log(next);
        add("lock", first(&log, &["Promoting"]));
        add("leader", first(&log, &["Elected"]));
    }
    let [_, last] = publishers;
    let its_log = log(last);
    add("noticed", first(&its_log, &["BrokerLost", "Suspected"]));
    add("known", first(&its_log, &["Following"]));
    let connected = its_log
        .iter()
        .find(|it| it.kind == "Status" && it.words.contains("Connected"));
    add("connected", connected.map(|it| it.at));
    if let Some(report) = reports.last() {
        let after = report.acknowledged.iter().copied();
        // The end of the gap.
        let mut sorted: Vec<f64> = after.collect();
        sorted.sort_by(f64::total_cmp);
        let gap = longest_gap(&sorted, begin - 20.0, f64::MAX);
        let end = sorted
            .windows(2)
            .find(|pair| matches!(pair, [a, b] if *b > begin - 20.0 && (b - a - gap).abs() < 1e-6));
        add("puback", end.and_then(|pair| pair.last().copied()));
    }
}
