//! `cargo xtask bench durable`: measures in real tabs the speed of acknowledgements that wait for storage, and the time to
//! restore the stored state.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "it waits in real time, and panics on failure, as the harness does"
)]

use std::process::ExitCode;
use std::time::Duration;

use bench_browser::{
    Figure, Goal, Options, Series, end_progress, print_figures, progress, write_json,
};
use e2e::{Chromium, ChromiumSetup, Ending, Page, SQLITE};
use serde::Deserialize;
use serde_json::{Value, json};

const ROUNDS: usize = 3;
const LATENCY_MESSAGES: usize = 500;
const PIPELINED_MESSAGES: usize = 40_000;
/// Messages before the measurement, published in the same way, so that the browser has compiled and optimized the code.
const WARM_UP_MESSAGES: usize = 2_000;
/// Unacknowledged messages of each tab.
const WINDOW: usize = 2_000;
const BYTES: usize = 64;
const RETAINED: usize = 10_000;
/// Messages in one row, to measure the browser's own limit.
const ROW_MESSAGES: usize = 1_000;
/// The path of a publish and of its PUBACK without TabMQ.
const RAW_HAND: &str = "raw: page, worker, other tab's worker, row, and back, p50";
const LONGEST: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let options = match Options::from_env(ROUNDS) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut figures = Vec::new();
    if options.wants("raw") {
        raw(&options, &mut figures);
    }
    if options.wants("latency") {
        let mut latency = |durability, receiver, store| {
            latency(durability, receiver, store, &options, &mut figures);
        };
        for durability in ["relaxed", "strict", "memory"] {
            latency(durability, Receiver::Away, Store::AsItIs);
        }
        latency("relaxed", Receiver::Live, Store::AsItIs);
        latency("relaxed", Receiver::Away, Store::Sqlite);
    }
    for receiver in [Receiver::Away, Receiver::Live, Receiver::None] {
        for tabs in [1, 4] {
            if options.wants("pipelined") {
                pipelined("relaxed", receiver, tabs, &options, &mut figures);
            }
        }
    }
    if options.wants("pipelined") {
        for durability in ["strict", "memory"] {
            pipelined(durability, Receiver::Away, 1, &options, &mut figures);
        }
    }
    if options.wants("takeover") {
        takeover(&options, &mut figures);
    }
    end_progress();
    print_table(&figures, options.rounds);
    if let Some(path) = &options.json
        && let Err(error) = write_json(path, &to_json(&figures, options.rounds))
    {
        eprintln!("error: {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn start() -> Chromium {
    start_with(Store::AsItIs)
}

fn start_with(store: Store) -> Chromium {
    let chromium = Chromium::start_with(ChromiumSetup {
        arguments: match store {
            Store::AsItIs => &[],
            Store::Sqlite => &[SQLITE],
        },
        ..ChromiumSetup::default()
    });
    chromium.wait_at_most(LONGEST);
    chromium
}

/// The browser's storage engine for databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    /// The default of this version.
    AsItIs,
    Sqlite,
}

impl Store {
    const fn suffix(self) -> &'static str {
        match self {
            Self::AsItIs => "",
            Self::Sqlite => ", SQLite",
        }
    }
}

/// Measures the browser without TabMQ.
fn raw(options: &Options, figures: &mut Vec<Figure>) {
    let chromium = start();
    let pages = [chromium.open_blank(), chromium.open_blank()];
    for page in &pages {
        page.load(chromium.server().url().as_str());
    }
    pages[0].evaluate("raw.echo()");
    let mut echo = Figure::new("raw: message to another worker and back, p50", "ms", None);
    let mut adds = ["relaxed", "strict"].map(|durability| {
        let what = format!("raw: row of {BYTES} bytes stored, {durability}, p50");
        (durability, Figure::new(what, "ms", None))
    });
    let what = format!("raw: messages stored, {ROW_MESSAGES} in a row, relaxed");
    let mut bulk = Figure::new(what, "per s", None);
    for round in 1..=options.rounds {
        progress(&format!("raw: round {round} of {}", options.rounds));
        let times: Vec<f64> =
            pages[1].evaluate_as(&format!("raw.ping({LATENCY_MESSAGES}, {BYTES})"));
        echo.values.push(Series::from_iter(times).median());
        for (durability, figure) in &mut adds {
            let add = format!("raw.add({LATENCY_MESSAGES}, {BYTES}, '{durability}')");
            let times: Vec<f64> = pages[1].evaluate_as(&add);
            figure.values.push(Series::from_iter(times).median());
        }
        let bytes = ROW_MESSAGES * BYTES;
        let times: Vec<f64> = pages[1].evaluate_as(&format!("raw.add(50, {bytes}, 'relaxed')"));
        let count = u32::try_from(times.len() * ROW_MESSAGES).unwrap_or(u32::MAX);
        bulk.values
            .push(f64::from(count) * 1_000.0 / times.iter().sum::<f64>());
    }
    figures.push(echo);
    figures.extend(adds.map(|(_, figure)| figure));
    figures.push(bulk);
}

/// Opens connected tabs. The first one has the broker.
fn tabs<'c>(
    chromium: &'c Chromium,
    channel: &str,
    durability: &str,
    count: usize,
) -> Vec<Page<'c>> {
    let pages: Vec<Page<'_>> = (0..count)
        .map(|_| chromium.join(&format!("{channel}&durability={durability}")))
        .collect();
    pages[0].until_broker();
    for page in &pages {
        page.evaluate("tab.connect()");
    }
    pages
}

fn latency(
    durability: &str,
    receiver: Receiver,
    store: Store,
    options: &Options,
    figures: &mut Vec<Figure>,
) {
    let chromium = start_with(store);
    let pages = tabs(&chromium, "latency", durability, 3);
    receiver.subscribe(&pages[2]);
    if store == Store::Sqlite {
        chromium.assert_sqlite();
    }
    let is_goal = durability == "relaxed" && receiver == Receiver::Away && store == Store::AsItIs;
    // Alternates with TabMQ, because the machine's speed changes from minute to minute.
    let mut hand = is_goal.then(|| Figure::new(RAW_HAND, "ms", None));
    if hand.is_some() {
        pages[0].evaluate(&format!("raw.keep('{durability}')"));
    }
    let goal = is_goal.then_some(Goal::AtMost(1.0));
    let of = format!("{durability}, {}{}", receiver.name(), store.suffix());
    let what = |place| format!("to PUBACK {place}, {of}");
    let mut first = Figure::new(what("across tabs at first"), "ms", None);
    let mut across = Figure::new(what("across tabs"), "ms", goal);
    let mut within = Figure::new(what("in the broker's tab"), "ms", None);
    progress(&format!("latency, {of}: warming up"));
    first
        .values
        .push(publish_one_by_one(&pages[1], "warm", WARM_UP_MESSAGES));
    publish_one_by_one(&pages[0], "warm", WARM_UP_MESSAGES);
    for round in 1..=options.rounds {
        progress(&format!(
            "latency, {of}: round {round} of {}",
            options.rounds
        ));
        for (page, figure) in [(&pages[1], &mut across), (&pages[0], &mut within)] {
            let took = publish_one_by_one(page, &round.to_string(), LATENCY_MESSAGES);
            figure.values.push(took);
        }
        if let Some(hand) = &mut hand {
            let expression = format!("raw.hand({LATENCY_MESSAGES}, {BYTES})");
            let times: Vec<f64> = pages[1].evaluate_as(&expression);
            hand.values.push(Series::from_iter(times).median());
        }
    }
    figures.extend(hand);
    if is_goal {
        figures.push(first);
    }
    figures.extend([across, within]);
}

/// Publishes messages one after the other; returns the median time (ms) from a message to its acknowledgement.
fn publish_one_by_one(page: &Page<'_>, topic: &str, count: usize) -> f64 {
    let report = publish(page, &format!("load/{topic}"), count, 1);
    let times = report.sent.iter().zip(&report.acknowledged);
    let times: Series = times.map(|(sent, at)| at - sent).collect();
    times.median()
}

/// The receiver of the messages, which determines what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiver {
    /// A session whose client is away.
    Away,
    /// A client of another tab, with QoS 1.
    Live,
    /// No receiver: nothing is stored.
    None,
}

impl Receiver {
    const fn name(self) -> &'static str {
        match self {
            Self::Away => "for a client that is away",
            Self::Live => "for a client in another tab",
            Self::None => "without receiver, so nothing to store",
        }
    }

    fn subscribe(self, page: &Page<'_>) {
        match self {
            Self::Away => {
                page.evaluate(
                    "tab.connect({ client: 1, clientId: 'keeper', clean: false, expiry: 3600 })
                        .then(() => tab.subscribe('load/#', { client: 1 }))
                        .then(() => tab.disconnect({ client: 1 }))",
                );
            }
            Self::Live => {
                page.evaluate("tab.subscribe('load/#')");
            }
            Self::None => {}
        }
    }
}

fn pipelined(
    durability: &str,
    receiver: Receiver,
    publishers: usize,
    options: &Options,
    figures: &mut Vec<Figure>,
) {
    let from = match publishers {
        1 => "from 1 tab".to_owned(),
        count => format!("from {count} tabs"),
    };
    let what = format!("acknowledged, {durability}, {from}, {}", receiver.name());
    let is_goal = durability == "relaxed" && receiver == Receiver::Away;
    let goal = is_goal.then_some(Goal::AtLeast(50_000.0));
    let mut rate = Figure::new(what.clone(), "per s", goal);
    for round in 1..=options.rounds {
        progress(&format!("{what}: round {round} of {}", options.rounds));
        // Each round has its own database, because the queue of a client that is away would fill it.
        let chromium = start();
        let pages = tabs(&chromium, "pipelined", durability, publishers + 2);
        let keeper = &pages[publishers + 1];
        receiver.subscribe(keeper);
        publish(&pages[1], "load/warm", WARM_UP_MESSAGES, WINDOW);
        let each = PIPELINED_MESSAGES / publishers;
        let publishing = &pages[1..=publishers];
        let begun: Vec<_> = publishing
            .iter()
            .enumerate()
            .map(|(index, page)| {
                let expression = start_load(&format!("load/{index}"), each, WINDOW);
                (page, page.begin(&expression))
            })
            .collect();
        let reports: Vec<Report> = begun
            .into_iter()
            .map(
                |(page, ticket)| match serde_json::from_value(page.end(ticket, "publishing")) {
                    Ok(report) => report,
                    Err(error) => panic!("not a report: {error}"),
                },
            )
            .collect();
        let refused = reports.iter().map(|it| it.refused.len()).sum::<usize>();
        assert_eq!(refused, 0, "refused");
        let begin = reports.iter().map(|it| it.started).fold(f64::MAX, f64::min);
        let ends = reports.iter().flat_map(|it| &it.acknowledged);
        let end = ends.copied().fold(0.0, f64::max);
        let count = u32::try_from(each * publishers).unwrap_or(u32::MAX);
        rate.values.push(f64::from(count) * 1_000.0 / (end - begin));
    }
    figures.push(rate);
}

fn takeover(options: &Options, figures: &mut Vec<Figure>) {
    let chromium = start();
    let mut pages = tabs(&chromium, "takeover", "relaxed", 2);
    progress("takeover: filling");
    pages[1].evaluate(&format!(
        "tab.start({{ topic: 'load/kept/', topics: true, retain: true, bytes: {BYTES}, count: {RETAINED}, window: {WINDOW} }}); tab.done()"
    ));
    let what = format!("from the lock to leadership, {RETAINED} retained messages");
    let mut took = Figure::new(what, "ms", Some(Goal::AtMost(150.0)));
    let mut sizes = Vec::new();
    for round in 1..=options.rounds {
        progress(&format!("takeover: round {round} of {}", options.rounds));
        let size: Sizes = pages[0].evaluate_as("raw.sizes('takeover')");
        sizes.push(size);
        pages[1].evaluate("tab.log.length = 0");
        pages.remove(0).end_by(Ending::Close);
        pages[0].until_broker();
        let times: [Option<f64>; 2] = pages[0].evaluate_as(
            "['Promoting', 'Elected'].map((kind) => tab.log.find((it) => it.kind === kind)?.eventAt)",
        );
        let [Some(lock), Some(elected)] = times else {
            panic!("the new broker did not report its election: {times:?}");
        };
        let restored: String =
            pages[0].evaluate_as("tab.log.find((it) => it.kind === 'Restored')?.words ?? ''");
        assert!(
            restored.contains(&format!("{RETAINED} retained")),
            "not all messages were restored: {restored:?}"
        );
        took.values.push(elected - lock);
        pages.push(chromium.join("takeover"));
        pages[1].evaluate("tab.connect()");
    }
    figures.push(took);
    let mut size = |what: &str, of: fn(&Sizes) -> f64, unit| {
        let mut figure = Figure::new(what, unit, None);
        figure.values = sizes.iter().map(of).collect();
        figures.push(figure);
    };
    size("rows of the log", |it| it.rows, "rows");
    size("the log", |it| it.log_bytes, "bytes");
    size("pieces of the snapshot", |it| it.pieces, "pieces");
    size("the snapshot", |it| it.snap_bytes, "bytes");
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sizes {
    rows: f64,
    log_bytes: f64,
    pieces: f64,
    snap_bytes: f64,
}

#[derive(Debug, Deserialize)]
struct Report {
    started: f64,
    sent: Vec<f64>,
    acknowledged: Vec<f64>,
    refused: Vec<(usize, u8)>,
}

fn start_load(topic: &str, count: usize, window: usize) -> String {
    format!(
        "tab.start({{ topic: '{topic}', bytes: {BYTES}, count: {count}, window: {window} }}); tab.done()"
    )
}

/// Publishes and waits for every acknowledgement.
fn publish(page: &Page<'_>, topic: &str, count: usize, window: usize) -> Report {
    page.evaluate_as(&start_load(topic, count, window))
}

fn print_table(figures: &[Figure], rounds: usize) {
    println!("{rounds} rounds; {BYTES} bytes each.\n");
    print_figures(figures);
    let median = |word: &str| {
        let found = figures.iter().find(|it| it.what.starts_with(word));
        found.map(|it| it.values.median())
    };
    if let (Some(raw), Some(across)) = (median(RAW_HAND), median("to PUBACK across tabs, relaxed"))
    {
        println!(
            "\nA publish takes {:.2} times as long as a message of plain JavaScript on the same path ({raw:.2} ms).",
            across / raw
        );
    }
    if let (Some(raw), Some(ours)) = (
        median("raw: messages stored"),
        median("acknowledged, relaxed, from 1 tab"),
    ) {
        println!(
            "The rate of acknowledgements is {:.0} % of the rate at which the database stores the same bytes.",
            ours / raw * 100.0
        );
    }
}

fn to_json(figures: &[Figure], rounds: usize) -> Value {
    let figures: Vec<Value> = figures.iter().map(Figure::to_json).collect();
    json!({ "rounds": rounds, "bytes": BYTES, "figures": figures })
}
