//! `cargo xtask bench failover`: how long nothing is acknowledged when the tab with the broker goes, in real Chromium with
//! real tabs; and that nothing is lost that was acknowledged.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "it waits in real time, and stops by panicking, as the harness does"
)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use bench_browser::{Options, Series, end_progress, now_ms, progress, write_json};
use e2e::{Chromium, Ending, Life, Page};
use serde::Deserialize;
use serde_json::{Value, json};

const ROUNDS: usize = 5;
/// Times as many rounds at most, if not each of them brings what it shall.
const TRIES: usize = 3;
/// Tabs beside the broker's.
const OTHERS: [usize; 2] = [5, 19];
const RETAINED: usize = 1_000;
/// Messages a second of each of the two tabs that publish.
const RATE: u32 = 200;
/// How long is published before the fault, and after everything is well again.
const CALM: Duration = Duration::from_millis(1_000);
/// How long a reign lasts before one fault that only silence tells of: tabs suspect less eagerly what is new.
const LONG_REIGN: Duration = Duration::from_secs(5);
const HANG: Duration = Duration::from_millis(2_500);
/// Longest time that is waited for the last acknowledgement and the last message.
const SETTLE: Duration = Duration::from_secs(30);

/// Keeps the page from hearing of its freezing, and notes it.
const UNHANDLED: &str = "
    globalThis.unheard = [];
    for (const what of ['freeze', 'resume']) {
        document.addEventListener(what, (event) => {
            unheard.push({ what, at: 0, visibility: document.visibilityState });
            event.stopImmediatePropagation();
        }, true);
    }
";

/// What happens to the tab with the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Close,
    Crash,
    /// The tab is closed, and the one that is granted the lock next is frozen.
    CloseFrozenNext,
    Freeze,
    FreezeUnhandled,
    Hang,
    Cache,
}

impl Fault {
    const ALL: [Self; 7] = [
        Self::Close,
        Self::Crash,
        Self::CloseFrozenNext,
        Self::Freeze,
        Self::FreezeUnhandled,
        Self::Hang,
        Self::Cache,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Crash => "crash",
            Self::CloseFrozenNext => "close, next frozen",
            Self::Freeze => "freeze",
            Self::FreezeUnhandled => "freeze, unhandled",
            Self::Hang => "hang of 2.5 s",
            Self::Cache => "back/forward cache",
        }
    }

    /// The longest gap that is wanted in half of the rounds, and in all of them.
    const fn goal_ms(self) -> (f64, f64) {
        match self {
            Self::Close | Self::Crash => (100.0, 300.0),
            Self::CloseFrozenNext
            | Self::Freeze
            | Self::FreezeUnhandled
            | Self::Hang
            | Self::Cache => (1_000.0, 1_000.0),
        }
    }
}

/// What was found out of one fault with so many tabs.
#[derive(Debug, Default)]
struct Figures {
    /// Longest gap between two acknowledgements, of each tab that publishes.
    gap_ms: Series,
    /// The same in the second before the fault: what the machine itself does.
    calm_gap_ms: Series,
    acknowledged: usize,
    lost: usize,
    duplicates: usize,
    retained_lost: usize,
    /// From the fault to each step, in the order of the steps.
    steps_ms: BTreeMap<&'static str, Series>,
}

/// The steps from the fault to the first acknowledgement.
const STEPS: [&str; 6] = ["noticed", "lock", "reign", "heard", "connected", "puback"];

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

impl Figures {
    /// Adds those of one round.
    fn add(&mut self, round: Self) {
        self.gap_ms.extend(round.gap_ms);
        self.calm_gap_ms.extend(round.calm_gap_ms);
        self.acknowledged += round.acknowledged;
        self.lost += round.lost;
        self.duplicates += round.duplicates;
        self.retained_lost += round.retained_lost;
        for (step, ms) in round.steps_ms {
            self.steps_ms.entry(step).or_default().extend(ms);
        }
    }
}

/// A tab that is connected and subscribed, as the others are.
fn join<'c>(chromium: &'c Chromium, fault: Fault) -> Page<'c> {
    let page = chromium.open_blank();
    if matches!(fault, Fault::FreezeUnhandled | Fault::CloseFrozenNext) {
        // As if the page did not know of freezing: then its worker keeps the lock and stands still with the page.
        page.before_each_page(UNHANDLED);
    }
    page.join("failover");
    connect(&page);
    page
}

fn connect(page: &Page<'_>) {
    page.evaluate("tab.connect().then(() => tab.subscribe('others/#'))");
}

/// Whether it happened: a browser may drop a page from its back/forward cache whenever it likes.
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
        thread::sleep(LONG_REIGN);
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
    // The oldest of the others is the next broker; the newest is the last to hear of anything.
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
    // All is well once both publish again.
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
        // Until the one that hung has come to itself.
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
        thaw_unheard(&waiter);
        waiter.until_client();
        connect(&waiter);
        pages.push(waiter);
    }
    has_happened
}

/// Whose request for the broker's lock is the oldest that is not granted.
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

/// What is left of the broker's tab.
enum Hit<'c> {
    Gone,
    Left(Page<'c>),
}

/// Lets it happen, and makes sure that it does.
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

/// Brings the channel back to as many tabs as before, and makes sure of what has happened to the broker's. Whether it did.
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
        Fault::FreezeUnhandled => thaw_unheard(&page),
        Fault::Hang => {}
        Fault::Cache => {
            page.back();
            page.show();
            // A page that was not in the cache is loaded anew.
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
    // Whoever only hangs may go on in the end, if the others were patient; that shows in the gap.
    if fault != Fault::Hang {
        page.until_client();
    }
    connect(&page);
    pages.push(page);
    has_happened
}

/// Wakes a page that does not know that it was frozen, and makes sure that it was.
fn thaw_unheard(page: &Page<'_>) {
    page.thaw();
    let life: Vec<Life> = page.evaluate_as("unheard");
    let frozen = life.iter().find(|it| it.what == "freeze");
    assert!(
        frozen.is_some_and(|it| it.visibility == "hidden"),
        "the page was not hidden and frozen: {life:?}"
    );
}

/// Waits until the tab's worker is another one.
fn assert_new(page: &Page<'_>, before: &str) {
    page.until_true("a new worker", &format!("tab.state.tabId !== '{before}'"));
}

#[derive(Debug, Deserialize)]
struct Report {
    acknowledged: Vec<f64>,
    refused: Vec<(usize, u8)>,
}

/// The longest time between two of these times, of which the later one is within these limits.
fn longest_gap(sorted: &[f64], from: f64, to: f64) -> f64 {
    let gaps = sorted.windows(2).filter_map(|pair| match pair {
        [a, b] if *b > from && *b <= to => Some(b - a),
        _ => None,
    });
    gaps.fold(0.0, f64::max)
}

/// Waits until everything acknowledged has arrived. How many have not, and how many copies have.
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

/// How many of the retained messages a newcomer does not get.
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

/// Notes how long after the fault each step came.
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
        told: Option<f64>,
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
        let told = log.iter().filter(is_it).filter_map(|it| it.told);
        told.fold(None, |least: Option<f64>, at| {
            Some(least.map_or(at, |least| least.min(at)))
        })
    };
    if let Some(next) = pages.iter().find(|page| page.is_broker()) {
        let log = log(next);
        add("lock", first(&log, &["TakingOver"]));
        add("reign", first(&log, &["Elected"]));
    }
    let [_, last] = publishers;
    let its_log = log(last);
    add("noticed", first(&its_log, &["BrokerLost", "Suspected"]));
    add("heard", first(&its_log, &["Following"]));
    let connected = its_log
        .iter()
        .find(|it| it.kind == "Status" && it.words.contains("Connected"));
    add("connected", connected.map(|it| it.at));
    if let Some(report) = reports.last() {
        let after = report.acknowledged.iter().copied();
        // Where the gap ends.
        let mut sorted: Vec<f64> = after.collect();
        sorted.sort_by(f64::total_cmp);
        let gap = longest_gap(&sorted, begin - 20.0, f64::MAX);
        let end = sorted
            .windows(2)
            .find(|pair| matches!(pair, [a, b] if *b > begin - 20.0 && (b - a - gap).abs() < 1e-6));
        add("puback", end.and_then(|pair| pair.last().copied()));
    }
}

fn print_table(all: &[(Fault, usize, Figures)], rounds: usize) {
    println!(
        "The longest gap between two acknowledgements, in ms: QoS 1, two tabs publish at {RATE}/s each, {RETAINED} retained \
         messages, {rounds} rounds.\n\"calm\" is the longest gap before the fault. Goals: half of the gaps, and all.\n"
    );
    println!(
        "{:<20}{:>7}{:>9}{:>9}{:>9}{:>9}{:>13}{:>8}{:>6}{:>6}{:>10}",
        "fault", "others", "min", "median", "max", "calm", "goals", "", "lost", "twice", "acks"
    );
    for (fault, others, it) in all {
        let (median, max) = fault.goal_ms();
        let is_met = it.gap_ms.median() <= median && it.gap_ms.max() <= max;
        println!(
            "{:<20}{others:>7}{:>9.1}{:>9.1}{:>9.1}{:>9.1}{:>13}{:>8}{:>6}{:>6}{:>10}",
            fault.name(),
            it.gap_ms.min(),
            it.gap_ms.median(),
            it.gap_ms.max(),
            it.calm_gap_ms.max(),
            format!("{median:.0}/{max:.0}"),
            if is_met { "met" } else { "MISSED" },
            it.lost + it.retained_lost,
            it.duplicates,
            it.acknowledged,
        );
    }
    println!(
        "\nMedians from the fault to each step, in ms; those of the tab that publishes and is not the next broker.\n"
    );
    print!("{:<20}{:>7}", "fault", "others");
    for step in STEPS {
        print!("{step:>11}");
    }
    println!();
    for (fault, others, it) in all {
        print!("{:<20}{others:>7}", fault.name());
        for step in STEPS {
            let median = it.steps_ms.get(step).map_or(f64::NAN, Series::median);
            print!("{median:>11.1}");
        }
        println!();
    }
}

fn to_json(all: &[(Fault, usize, Figures)], rounds: usize) -> Value {
    let figures: Vec<Value> = all
        .iter()
        .map(|(fault, others, it)| {
            let steps: BTreeMap<&str, f64> = it
                .steps_ms
                .iter()
                .map(|(step, series)| (*step, series.median()))
                .collect();
            json!({
                "fault": fault.name(),
                "others": others,
                "gapMs": { "min": it.gap_ms.min(), "median": it.gap_ms.median(), "max": it.gap_ms.max() },
                "calmGapMaxMs": it.calm_gap_ms.max(),
                "goalMs": { "median": fault.goal_ms().0, "max": fault.goal_ms().1 },
                "acknowledged": it.acknowledged,
                "lost": it.lost,
                "retainedLost": it.retained_lost,
                "duplicates": it.duplicates,
                "stepsMs": steps,
            })
        })
        .collect();
    json!({ "rounds": rounds, "rate": RATE, "retained": RETAINED, "figures": figures })
}
