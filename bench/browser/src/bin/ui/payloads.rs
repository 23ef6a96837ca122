//! Shows large payloads in the app.

use bench_browser::{Figure, Goal, Series, progress};
use e2e::Chromium;

use crate::watch::{IS_SUBSCRIBED, TASK_MS_MAX, observe, open_app, received};

/// For each kind: its name, a JavaScript expression with a `seed` for 1 MB of it, and the formats to show it in.
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

/// Measures the time to show large payloads in all formats.
pub(crate) fn payloads(chromium: &Chromium, figures: &mut Vec<Figure>) {
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
        // A newly opened message is shown in its first format.
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
            // From the click until the payload is shown, by the page's clock.
            let took: f64 = app.evaluate_as(&format!(
                "(async () => {{
                    const begin = performance.now();
                    {button}.click();
                    do await new Promise(requestAnimationFrame); while (!({is_shown}));
                    return performance.now() - begin;
                }})()"
            ));
            app.evaluate("new Promise((resolve) => setTimeout(resolve, 300))");
            let observed = observe(&app);
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
                observed.longest_task(),
                goal,
            );
        }
    }
    app.close();
    publisher.close();
}
