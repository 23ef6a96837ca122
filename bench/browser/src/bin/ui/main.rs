//! `cargo xtask bench ui`: measures the app's page in real Chromium: long tasks under load and with large payloads,
//! scrolling of its log, memory and loading time. It checks that each message is received or counted as dropped.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "it waits in real time, and panics on failure, as the harness does"
)]

mod load;
mod payloads;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use bench_browser::{Figure, Goal, Series, end_progress, print_figures, progress, write_json};
use e2e::{Caching, Chromium, ChromiumSetup, Page, Server, dist};
use lexopt::prelude::{Long, ValueExt as _};
use serde::Deserialize;
use serde_json::{Value, json};

use load::{BYTES, RATE, under_load};
use payloads::payloads;
use watch::{TASK_MS_MAX, observe, open_app};

const SECONDS: u32 = 20;
/// Number of measured page loads.
const LOADS: usize = 5;
/// Turns of the wheel for the whole height of the log. A few more are made to reach its end.
const TURNS: u32 = 250;
const PAGES_DOWN: usize = 100;
const LONGEST: Duration = Duration::from_secs(120);
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
            "\nThe run was too short to check the memory's bounds: the log was not full in the middle."
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

/// Starts a browser, and a server for the app with the page without a view in a subfolder.
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

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    broker: f64,
    connected: f64,
    first_paint: f64,
    contentful: f64,
}

/// Measures the loading of a page that is alone on its channel.
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
        longest.values.push(observe(&page).longest_task());
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

/// Scrolls through the log, first with the wheel, then with the keyboard.
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
        let observed = observe(app);
        let reached: f64 = app.evaluate_as(&format!(
            "Math.round(({log}.scrollTop + {log}.clientHeight) / {log}.scrollHeight * 100)"
        ));
        add(
            format!("scrolling, {what}: frames"),
            "per s",
            observed.frames_per_second(),
        );
        add(
            format!("scrolling, {what}: longest frame"),
            "ms",
            observed.longest_frame,
        );
        add(
            format!("scrolling, {what}: longest task over 50 ms, 0 if none"),
            "ms",
            observed.longest_task(),
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
        // The next frames draw the effect of the last key.
        app.evaluate("new Promise((resolve) => setTimeout(resolve, 200))");
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_the_duration() {
        let parse = |words: &[&str]| Options::parse(lexopt::Parser::from_args(words));
        assert_eq!(parse(&[]).unwrap().seconds, SECONDS);
        assert_eq!(parse(&["--seconds", "3"]).unwrap().seconds, 3);
        assert!(parse(&["--rounds", "3"]).is_err());
    }
}
