//! `cargo xtask bench ui`: how free the app's page stays under load and when it shows large payloads, how smoothly its log
//! scrolls, what memory it takes, and how soon a page is there, in real Chromium; and that no message is lost unaccounted.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "it waits in real time, and stops by panicking, as the harness does"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use bench_browser::{Figure, Goal, Series, end_progress, print_figures, progress, write_json};
use e2e::{Caching, Chromium, ChromiumSetup, Page, Server, dist};
use lexopt::prelude::{Long, ValueExt as _};
use serde::Deserialize;
use serde_json::{Value, json};

const SECONDS: u32 = 20;
/// Messages a second.
const RATE: u32 = 10_000;
const BYTES: usize = 64;
/// How often a page is loaded.
const LOADS: usize = 5;
/// Turns of the wheel from one end of the log to the other; a few more are made, so that it gets there.
const TURNS: u32 = 250;
const PAGES_DOWN: usize = 100;
/// From the app's being ready to the first message of the load.
const REST: Duration = Duration::from_secs(2);
/// Longest time that is waited for the last message after the last one that came.
const SETTLE: Duration = Duration::from_secs(5);
/// A task that takes longer is felt.
const TASK_MS_MAX: f64 = 50.0;
/// Rows of the log when it is full. Before, its memory grows and must.
const ROWS_MAX: u32 = 100_000;
/// How much more memory a page may have at the end than in the middle, when its log was full already.
const GROWTH_MAX: f64 = 1.5;
const LONGEST: Duration = Duration::from_secs(120);
const WINDOW: (u32, u32) = (1440, 900);

/// What watches a page from its beginning: every task that is long, every frame, the app's memory, and when it was ready.
const WATCH: &str = r#"
globalThis.watch = (() => {
    const tasks = [];
    const frames = [];
    const ready = {};
    let from = 0;
    let memory;
    let arrived = { count: 0, at: 0 };
    const received = () =>
        Number(document.querySelector("[data-testid=message-count]")?.textContent.replaceAll(",", "") ?? 0);
    const note = (entries) => tasks.push(...entries.map(({ startTime, duration }) => ({ at: startTime, ms: duration })));
    const observer = new PerformanceObserver((list) => note(list.getEntries()));
    observer.observe({ type: "longtask", buffered: true });
    addEventListener("TrunkApplicationStarted", ({ detail }) => { memory = detail.wasm.memory; });
    const look = (what, selector) => {
        if (ready[what] === undefined && document.querySelector(selector) !== null) ready[what] = performance.now();
    };
    const frame = (at) => {
        frames.push(at);
        look("broker", "[data-testid=role-badge][data-role=broker]");
        look("connected", "[data-testid=status][data-status=connected]");
        const count = received();
        if (count !== arrived.count) arrived = { count, at: performance.now() };
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    return {
        begin() { from = performance.now(); },
        tell() {
            note(observer.takeRecords());
            const since = frames.filter((at) => at >= from);
            const gaps = since.slice(1).map((at, index) => at - since[index]);
            return {
                ms: performance.now() - from,
                frames: since.length,
                longestFrame: gaps.reduce((a, b) => Math.max(a, b), 0),
                arrivedMs: arrived.at - from,
                tasks: tasks.filter(({ at }) => at >= from).map(({ at, ms }) => ({ at: at - from, ms })),
            };
        },
        ready() {
            const paint = (name) => performance.getEntriesByName(name)[0]?.startTime;
            const all = { ...ready, firstPaint: paint("first-paint"), contentful: paint("first-contentful-paint") };
            return Object.keys(all).length === 4 && Object.values(all).every(Number.isFinite) ? all : null;
        },
        wasm: () => memory?.buffer.byteLength ?? 0,
        received,
    };
})();
"#;

/// The app is ready for messages.
const IS_SUBSCRIBED: &str =
    "document.querySelector('[data-testid=status][data-status=connected]') !== null
    && document.querySelector('[data-testid=subscription][data-granted=\"2\"]') !== null";

struct Options {
    seconds: u32,
    json: Option<PathBuf>,
}

impl Options {
    fn parse(mut parser: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut options = Self {
            seconds: SECONDS,
            json: None,
        };
        while let Some(argument) = parser.next()? {
            match argument {
                Long("seconds") => options.seconds = parser.value()?.parse::<u32>()?.max(1),
                Long("json") => options.json = Some(parser.value()?.into()),
                other => return Err(other.unexpected()),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let options = match Options::parse(lexopt::Parser::from_env()) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut figures = Vec::new();
    let mut failures = Vec::new();
    let chromium = start();
    loads(&chromium, &mut figures);
    let (app, was_full) = under_load(&chromium, options.seconds, &mut figures, &mut failures);
    scrolling(&app, &mut figures);
    payloads(&chromium, &mut figures);
    end_progress();
    println!(
        "{RATE} messages of {BYTES} bytes a second with QoS 0 for {} s.\n",
        options.seconds
    );
    print_figures(&figures);
    if !was_full {
        println!(
            "\nToo short to tell whether the memory has bounds: the log was not full in the middle."
        );
    }
    if let Some(path) = &options.json {
        let figures: Vec<Value> = figures.iter().map(Figure::to_json).collect();
        let all = json!({ "seconds": options.seconds, "figures": figures, "failures": failures });
        if let Err(error) = write_json(path, &all) {
            eprintln!("error: {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    for failure in &failures {
        eprintln!("error: {failure}");
    }
    match failures.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// A browser, and a server that has the app, and the page without a view below it.
fn start() -> Chromium {
    let server = match Server::start(&dist(), "/", Caching::Unsaid) {
        Ok(server) => Rc::new(server),
        Err(error) => panic!("no server: {error}"),
    };
    let chromium = Chromium::start_with(ChromiumSetup {
        server: Some(server),
        ..ChromiumSetup::default()
    });
    chromium.wait_at_most(LONGEST);
    chromium
}

/// Opens the app on a channel, watched from its beginning.
fn open_app<'c>(chromium: &'c Chromium, channel: &str) -> Page<'c> {
    let page = chromium.open_blank();
    let (width, height) = WINDOW;
    let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
    page.command("Emulation.setDeviceMetricsOverride", size);
    page.before_each_page(WATCH);
    page.navigate(&format!("{}?channel={channel}", chromium.server().url()));
    page
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    broker: f64,
    connected: f64,
    first_paint: f64,
    contentful: f64,
}

/// How soon a page is there that is alone on its channel.
fn loads(chromium: &Chromium, figures: &mut Vec<Figure>) {
    let mut all = Vec::new();
    let mut longest = Figure::new(
        "loading: longest task over 50 ms, 0 if none",
        "ms",
        Some(Goal::AtMost(TASK_MS_MAX)),
    );
    for load in 1..=LOADS {
        progress(&format!("load {load} of {LOADS}"));
        let page = open_app(chromium, &format!("load-{load}"));
        let ready = chromium.until("a page that is ready", || {
            page.evaluate_as::<Option<Ready>>("globalThis.watch?.ready() ?? null")
        });
        longest.values.push(tell(&page).longest_task());
        all.push(ready);
        page.close();
    }
    let mut add = |what: &str, of: fn(&Ready) -> f64| {
        let mut figure = Figure::new(format!("loading: to {what}"), "ms", None);
        figure.values = all.iter().map(of).collect();
        figures.push(figure);
    };
    add("the first paint", |it| it.first_paint);
    add("the first contentful paint", |it| it.contentful);
    add("the role of the broker", |it| it.broker);
    add("the connection", |it| it.connected);
    figures.push(longest);
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    ms: f64,
    frames: u32,
    longest_frame: f64,
    /// Until the last message was shown.
    arrived_ms: f64,
    /// Those over 50 ms.
    tasks: Vec<LongTask>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct LongTask {
    /// When it began, in ms.
    at: f64,
    ms: f64,
}

impl Told {
    fn longest_task(&self) -> f64 {
        self.tasks.iter().map(|it| it.ms).fold(0.0, f64::max)
    }

    /// When the longest task began, in ms; NaN if there is none.
    fn longest_task_at(&self) -> f64 {
        let longest = self.tasks.iter().max_by(|a, b| a.ms.total_cmp(&b.ms));
        longest.map_or(f64::NAN, |it| it.at)
    }

    fn frames_per_second(&self) -> f64 {
        f64::from(self.frames) * 1_000.0 / self.ms
    }
}

fn tell(page: &Page<'_>) -> Told {
    page.evaluate_as("watch.tell()")
}

/// Bytes of a page: those of its scripts, and those of the app's WebAssembly.
#[derive(Clone, Copy, Debug)]
struct Memory {
    script: f64,
    wasm: f64,
}

fn memory(page: &Page<'_>) -> Memory {
    let metrics = page.command("Performance.getMetrics", json!({}));
    let mut metrics = metrics["metrics"].as_array().into_iter().flatten();
    let heap = metrics.find(|it| it["name"] == "JSHeapUsedSize");
    Memory {
        script: heap.and_then(|it| it["value"].as_f64()).unwrap_or(f64::NAN),
        wasm: page.evaluate_as("watch.wasm()"),
    }
}

fn received(page: &Page<'_>) -> f64 {
    page.evaluate_as("watch.received()")
}

/// Another tab, which has the broker, publishes into the app. Returns the app, and whether its log was full in the middle.
fn under_load<'c>(
    chromium: &'c Chromium,
    seconds: u32,
    figures: &mut Vec<Figure>,
    failures: &mut Vec<String>,
) -> (Page<'c>, bool) {
    progress("load: opening the tabs");
    let publisher = chromium.open_blank();
    publisher.load(&format!(
        "{}load/index.html?channel=ui",
        chromium.server().url()
    ));
    publisher.evaluate("tab.open()");
    publisher.until_broker();
    publisher.evaluate("tab.connect()");
    let app = open_app(chromium, "ui");
    app.until_true("the app is subscribed", IS_SUBSCRIBED);
    app.show();
    publisher.until_hidden();
    // What a page and its worker do once they are there, `loads` measures.
    thread::sleep(REST);
    app.command("Performance.enable", json!({}));
    // Without collecting garbage, with which the browser also throws away what it has compiled of WebAssembly: the load would
    // begin with a page that compiles everything anew, as no visitor's does.
    let at_start = memory(&app);

    let count = RATE * seconds;
    let begin = Instant::now();
    app.evaluate("watch.begin()");
    let publish = format!(
        "tab.start({{ topic: 'load/ui', qos: 0, bytes: {BYTES}, count: {count}, rate: {RATE}, window: 100000 }});
        tab.done().then(({{ started, sent }}) => sent.at(-1) - started)"
    );
    let publishing = publisher.begin(&publish);
    let mut at_half = None;
    for second in 1..=seconds {
        let due = Duration::from_secs(second.into());
        thread::sleep(due.saturating_sub(begin.elapsed()));
        progress(&format!("load: {second} of {seconds} s"));
        if second * 2 >= seconds && at_half.is_none() {
            // Without collecting garbage, which would be a long task of ours.
            at_half = Some((memory(&app), received(&app)));
        }
    }
    let publishing_ms = publisher.end(publishing, &publish);
    let arrived = settle(&app, count);
    let told = tell(&app);
    let dropped = dropped(&publisher, f64::from(count) - arrived);
    app.collect_garbage();
    let at_end = memory(&app);

    let mut add = |what: &str, unit, value: f64, goal| {
        let mut figure = Figure::new(format!("load: {what}"), unit, goal);
        figure.values = Series::from_iter([value]);
        figures.push(figure);
    };
    let published = f64::from(count) * 1e3 / publishing_ms.as_f64().unwrap_or(f64::NAN);
    add("published", "per s", published, None);
    add("received", "per s", arrived * 1e3 / told.arrived_ms, None);
    add("dropped by the broker, as it says", "", dropped, None);
    let goal = Some(Goal::AtMost(TASK_MS_MAX));
    let what = "longest task over 50 ms, 0 if none";
    add(what, "ms", told.longest_task(), goal);
    #[allow(clippy::cast_precision_loss, reason = "there are not that many")]
    let tasks = told.tasks.len() as f64;
    add("tasks over 50 ms", "", tasks, Some(Goal::AtMost(0.0)));
    let at_s = told.longest_task_at() / 1e3;
    add("the longest began after", "s", at_s, None);
    add("frames", "per s", told.frames_per_second(), None);
    add("longest frame", "ms", told.longest_frame, None);
    for (when, memory) in [
        ("at the start", Some(at_start)),
        ("in the middle", at_half.map(|(memory, _)| memory)),
        ("at the end", Some(at_end)),
    ] {
        let megabytes = |bytes: fn(Memory) -> f64| memory.map_or(f64::NAN, |it| bytes(it) / 1e6);
        let what = |of: &str| format!("memory of {of}, {when}");
        add(&what("scripts"), "MB", megabytes(|it| it.script), None);
        add(&what("WebAssembly"), "MB", megabytes(|it| it.wasm), None);
    }

    let lost = f64::from(count) - arrived - dropped;
    if lost != 0.0 {
        failures.push(format!(
            "of {count} messages {arrived} arrived and {dropped} were dropped: {lost} are not accounted for"
        ));
    }
    let mut is_full = true;
    match at_half {
        Some((half, rows)) if rows >= f64::from(ROWS_MAX) * 0.9 => {
            failures.extend(unbounded(half, at_end));
        }
        Some(_) | None => is_full = false,
    }
    (app, is_full)
}

/// What has grown although the log was full.
fn unbounded(half: Memory, end: Memory) -> Vec<String> {
    let all = [
        ("scripts", half.script, end.script),
        ("WebAssembly", half.wasm, end.wasm),
    ];
    let grown = all
        .into_iter()
        .filter(|(_, half, end)| *end > half * GROWTH_MAX);
    grown
        .map(|(what, half, end)| {
            let (half, end) = (half / 1e6, end / 1e6);
            format!("the memory of {what} grew from {half:.1} MB in the middle to {end:.1} MB")
        })
        .collect()
}

/// Waits until all have arrived, or no more do. How many there are.
fn settle(app: &Page<'_>, count: u32) -> f64 {
    let mut arrived = received(app);
    let mut latest = Instant::now();
    while arrived < f64::from(count) && latest.elapsed() < SETTLE {
        thread::sleep(Duration::from_millis(50));
        let now = received(app);
        if now > arrived {
            (arrived, latest) = (now, Instant::now());
        }
    }
    arrived
}

/// What the broker says that it has dropped, which it says once in a while, so that many are waited for.
fn dropped(publisher: &Page<'_>, missing: f64) -> f64 {
    let begin = Instant::now();
    loop {
        let dropped: f64 = publisher.evaluate_as("tab.state.stats?.broker?.messages_dropped ?? 0");
        if dropped >= missing || begin.elapsed() > SETTLE {
            return dropped;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Goes through the log, first with the wheel, then with the keyboard.
fn scrolling(app: &Page<'_>, figures: &mut Vec<Figure>) {
    progress("scrolling");
    let place: (f64, f64) = app.evaluate_as(
        "(() => {
            const { x, y, width, height } = document.querySelector('[data-testid=message-log]').getBoundingClientRect();
            return [x + width / 2, y + Math.min(height, innerHeight - y) / 2];
        })()",
    );
    let log = "document.querySelector('[data-testid=message-log]')";
    let height: f64 = app.evaluate_as(&format!("{log}.scrollHeight"));
    let mut add = |what: String, unit, value: f64| {
        let mut figure = Figure::new(what, unit, None);
        figure.values = Series::from_iter([value]);
        figures.push(figure);
    };
    add("scrolling: height of the log".to_owned(), "px", height);
    let mut measure = |what: &str, scroll: &dyn Fn()| {
        app.evaluate("watch.begin()");
        scroll();
        let told = tell(app);
        let reached: f64 = app.evaluate_as(&format!(
            "Math.round(({log}.scrollTop + {log}.clientHeight) / {log}.scrollHeight * 100)"
        ));
        add(
            format!("scrolling, {what}: frames"),
            "per s",
            told.frames_per_second(),
        );
        add(
            format!("scrolling, {what}: longest frame"),
            "ms",
            told.longest_frame,
        );
        add(
            format!("scrolling, {what}: longest task over 50 ms, 0 if none"),
            "ms",
            told.longest_task(),
        );
        add(format!("scrolling, {what}: came to"), "%", reached);
    };
    measure("wheel", &|| {
        for _ in 0..TURNS + TURNS / 10 {
            app.wheel(place, height / f64::from(TURNS));
        }
    });
    app.click(place);
    app.press("Home", 36);
    measure("keyboard", &|| {
        for _ in 0..PAGES_DOWN {
            app.press("PageDown", 34);
        }
        app.press("End", 35);
        // What the last key does is drawn in the frames after it.
        app.evaluate("new Promise((resolve) => setTimeout(resolve, 200))");
    });
}

/// A megabyte of each kind, as an expression of JavaScript with a `seed`, and how it is looked at.
const PAYLOADS: [(&str, &str, &[&str]); 4] = [
    (
        "JSON",
        "JSON.stringify(Array.from({ length: 20000 }, (_, i) => ({ id: i, value: seed + i % 7, name: `n${i}`, on: true })))",
        &["json", "text", "hex", "base64", "diff"],
    ),
    (
        "text",
        "Array.from({ length: 20000 }, (_, i) => `line ${i} of ${seed}, with some words to fill it up`).join('\\n')",
        &["text", "hex", "base64", "diff"],
    ),
    (
        "text in one line",
        "`${seed}`.repeat(1e6)",
        &["text", "hex", "base64", "diff"],
    ),
    (
        "bytes",
        "Uint8Array.from({ length: 1e6 }, (_, i) => i * seed + (i >> 8))",
        &["hex", "base64", "diff"],
    ),
];

/// Shows large payloads in every way.
fn payloads(chromium: &Chromium, figures: &mut Vec<Figure>) {
    progress("payloads: opening the tabs");
    let publisher = chromium.open_blank();
    publisher.load(&format!(
        "{}load/index.html?channel=payloads",
        chromium.server().url()
    ));
    publisher.evaluate("tab.open()");
    publisher.until_broker();
    publisher.evaluate("tab.connect()");
    let app = open_app(chromium, "payloads");
    app.until_true("the app is subscribed", IS_SUBSCRIBED);
    app.show();
    let of = |testid: &str| format!("document.querySelector('[data-testid={testid}]')");
    for (kind, expression, looks) in PAYLOADS {
        for seed in [1, 2] {
            let before = received(&app);
            publisher.evaluate(&format!(
                "tab.publish('payload', ((seed) => {expression})({seed}))"
            ));
            app.until_true("the payload", &format!("watch.received() > {before}"));
        }
        // Another detail begins with the look that tells most.
        app.evaluate(&format!(
            "{}.dispatchEvent(new KeyboardEvent('keydown', {{ key: 'Escape', bubbles: true }}))",
            of("message-log")
        ));
        for (place, look) in looks.iter().enumerate() {
            let button = match place {
                0 => of("message"),
                _ => of(&format!("look-{look}")),
            };
            progress(&format!("payloads: {kind} as {look}"));
            app.evaluate("new Promise((resolve) => setTimeout(resolve, 300))");
            app.evaluate("watch.begin()");
            let (lines, note) = match *look {
                "diff" => (of("diff"), of("diff-summary")),
                _ => (of("payload"), of("payload-note")),
            };
            let is_shown = match *look {
                "diff" => format!("{lines}?.dataset.lines > 1 && {note} !== null"),
                _ => format!("{lines}?.dataset.lines > 1 && {note} === null"),
            };
            // From the click until all is there, by the page's own clock.
            let took: f64 = app.evaluate_as(&format!(
                "(async () => {{
                    const begin = performance.now();
                    {button}.click();
                    do await new Promise(requestAnimationFrame); while (!({is_shown}));
                    return performance.now() - begin;
                }})()"
            ));
            app.evaluate("new Promise((resolve) => setTimeout(resolve, 300))");
            let told = tell(&app);
            let mut add = |what: &str, value: f64, goal| {
                let mut figure =
                    Figure::new(format!("1 MB of {kind} as {look}: {what}"), "ms", goal);
                figure.values = Series::from_iter([value]);
                figures.push(figure);
            };
            add("until it is shown", took, None);
            let goal = Some(Goal::AtMost(TASK_MS_MAX));
            add(
                "longest task over 50 ms, 0 if none",
                told.longest_task(),
                goal,
            );
        }
    }
    app.close();
    publisher.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_may_grow_by_half() {
        let memory = |script, wasm| Memory { script, wasm };
        assert!(unbounded(memory(10e6, 20e6), memory(15e6, 30e6)).is_empty());
        let grown = unbounded(memory(10e6, 20e6), memory(16e6, 31e6));
        assert_eq!(grown.len(), 2);
        assert!(grown[1].contains("from 20.0 MB"), "{}", grown[1]);
    }

    #[test]
    fn the_command_line_tells_how_long() {
        let parse = |words: &[&str]| Options::parse(lexopt::Parser::from_args(words));
        assert_eq!(parse(&[]).unwrap().seconds, SECONDS);
        assert_eq!(parse(&["--seconds", "3"]).unwrap().seconds, 3);
        assert!(parse(&["--rounds", "3"]).is_err());
    }
}
