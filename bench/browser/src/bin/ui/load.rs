//! Publishes many messages into the app.

use std::thread;
use std::time::{Duration, Instant};

use bench_browser::{Figure, Goal, Series, progress};
use e2e::{Chromium, Page};
use serde_json::json;

use crate::watch::{IS_SUBSCRIBED, Memory, TASK_MS_MAX, memory, observe, open_app, received};

/// Messages a second.
pub(crate) const RATE: u32 = 10_000;
pub(crate) const BYTES: usize = 64;
/// Time from a ready app to the first message of the load.
const REST: Duration = Duration::from_secs(2);
/// Longest time between two received messages.
const SETTLE: Duration = Duration::from_secs(5);
/// Rows of a full log. Until then its memory grows.
const ROWS_MAX: u32 = 100_000;
/// Highest ratio of a page's memory at the end to that in the middle, if the log was full in the middle.
const GROWTH_MAX: f64 = 1.5;
/// Publishes into the app from another tab, which has the broker. Returns the app, and whether its log was full in the middle.
pub(crate) fn under_load<'c>(
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
    // `loads` measures the work after loading.
    thread::sleep(REST);
    app.command("Performance.enable", json!({}));
    // No garbage collection here: it also discards compiled WebAssembly, and the page would compile everything again.
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
            // No garbage collection here, because it is a long task.
            at_half = Some((memory(&app), received(&app)));
        }
    }
    let publishing_ms = publisher.end(publishing, &publish);
    let arrived = settle(&app, count);
    let observed = observe(&app);
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
    add(
        "received",
        "per s",
        arrived * 1e3 / observed.arrived_ms,
        None,
    );
    add("dropped, as the broker reports", "", dropped, None);
    let goal = Some(Goal::AtMost(TASK_MS_MAX));
    let what = "longest task over 50 ms, 0 if none";
    add(what, "ms", observed.longest_task(), goal);
    #[allow(clippy::cast_precision_loss, reason = "there are not that many")]
    let tasks = observed.tasks.len() as f64;
    add("tasks over 50 ms", "", tasks, Some(Goal::AtMost(0.0)));
    let at_s = observed.longest_task_at() / 1e3;
    add("the longest began after", "s", at_s, None);
    add("frames", "per s", observed.frames_per_second(), None);
    add("longest frame", "ms", observed.longest_frame, None);
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

/// The kinds of memory that grew although the log was full.
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

/// Waits until all messages have arrived, or no more arrive. Returns their number.
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

/// The number of messages that the broker reports as dropped. It reports from time to time, so this waits for `missing`.
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
}
