//! Runs one load test.

use std::thread;
use std::time::{Duration, Instant};

use bench_browser::progress;
use e2e::{Chromium, Ending};

use crate::options::LoadOptions;
use crate::processes::Processes;
use crate::record::{Action, Incident, Record};
use crate::seconds::{PageSample, Second};
use crate::tabs::Tabs;
use crate::verdict::Verdict;

const INTERVAL: Duration = Duration::from_secs(1);

/// Longest time until the last acknowledgement, and until the last message.
const SETTLE: Duration = Duration::from_secs(30);

/// Longest time until there is a broker to kill.
const ELECTION: Duration = Duration::from_secs(10);

/// Width of the progress bar.
const BAR: usize = 30;

pub(crate) fn run(options: &LoadOptions) -> Record {
    let chromium = Chromium::start();
    chromium.wait_at_most(SETTLE);
    let mut tabs = Tabs::new(&chromium, options);
    for number in 0..options.tabs {
        progress(&format!("opening tab {} of {}", number + 1, options.tabs));
        tabs.open(number);
    }
    let mut processes = Processes::default();
    processes.usage(&chromium, 1.0);
    tabs.sample();
    tabs.start(false);

    let begin = Instant::now();
    let mut seconds: Vec<Second> = Vec::new();
    let mut incidents = Vec::new();
    let mut kill_at = options.kill_broker_every;
    let churn_every = (options.churn > 0.0).then(|| Duration::from_secs_f64(60.0 / options.churn));
    let mut churn_at = churn_every;
    let mut last = begin;
    let mut look = |tabs: &mut Tabs<'_>, last: &mut Instant| {
        let counts = tabs.sample();
        let elapsed = last.elapsed().as_secs_f64();
        *last = Instant::now();
        let usage = processes.usage(&chromium, elapsed);
        seconds.push(Second {
            at_s: begin.elapsed().as_secs_f64(),
            seconds: elapsed,
            counts,
            usage,
        });
        seconds
            .last()
            .map_or(0.0, |it| it.counts.received as f64 / it.seconds)
    };
    let mut next = INTERVAL;
    while begin.elapsed() < options.duration {
        thread::sleep(next.saturating_sub(begin.elapsed()));
        let received = look(&mut tabs, &mut last);
        progress(&bar(begin.elapsed(), options.duration, received));
        if kill_at.is_some_and(|at| begin.elapsed() >= at) && begin.elapsed() < options.duration {
            let place = broker(&tabs);
            // Crash and close alternate.
            let (ending, what) = match incidents_of_brokers(&incidents) % 2 {
                0 => (Ending::Crash, Action::BrokerCrashed),
                _ => (Ending::Close, Action::BrokerClosed),
            };
            let at_s = begin.elapsed().as_secs_f64();
            incidents.push(Incident { at_s, what });
            tabs.replace(place, ending);
            kill_at = options
                .kill_broker_every
                .map(|every| begin.elapsed() + every);
        }
        if churn_at.is_some_and(|at| begin.elapsed() >= at)
            && begin.elapsed() < options.duration
            && let Some(place) = tabs.bystander()
        {
            let at_s = begin.elapsed().as_secs_f64();
            let what = Action::TabReplaced;
            incidents.push(Incident { at_s, what });
            tabs.replace(place, Ending::Close);
            churn_at = churn_at.zip(churn_every).map(|(at, every)| at + every);
        }
        next = (begin.elapsed() + INTERVAL / 4).max(next + INTERVAL);
    }
    tabs.stop();
    let published_s = begin.elapsed().as_secs_f64();
    progress("waiting for the last acknowledgements and messages");
    let stopped = Instant::now();
    while !tabs.are_done() && stopped.elapsed() < SETTLE {
        thread::sleep(Duration::from_millis(50));
    }
    let verdict = settle(&mut tabs);
    look(&mut tabs, &mut last);
    let mut totals = PageSample::default();
    for second in &seconds {
        totals.add(&second.counts);
    }
    Record {
        incidents,
        totals,
        verdict,
        dropped: tabs.dropped(),
        published_s,
        seconds,
    }
}

/// Waits until all acknowledged messages have arrived, or no more arrive.
fn settle(tabs: &mut Tabs<'_>) -> Verdict {
    let mut latest = Instant::now();
    let mut best = u64::MAX;
    loop {
        let received = tabs.outcomes();
        let verdict = Verdict::of(&tabs.acknowledged, &received);
        if verdict.lost < best {
            (best, latest) = (verdict.lost, Instant::now());
        }
        if verdict.lost == 0 || latest.elapsed() > SETTLE / 6 {
            return verdict;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn broker(tabs: &Tabs<'_>) -> usize {
    let start = Instant::now();
    loop {
        if let Some(place) = tabs.broker() {
            return place;
        }
        assert!(start.elapsed() < ELECTION, "no broker in {ELECTION:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn incidents_of_brokers(incidents: &[Incident]) -> usize {
    let of_brokers = incidents.iter().filter(|it| it.what != Action::TabReplaced);
    of_brokers.count()
}

fn bar(elapsed: Duration, whole: Duration, received: f64) -> String {
    let part = (elapsed.as_secs_f64() / whole.as_secs_f64()).min(1.0);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a small number"
    )]
    let full = (part * BAR as f64) as usize;
    format!(
        "[{}{}] {:.0} of {:.0} s, {received:.0} messages/s received",
        "#".repeat(full),
        ".".repeat(BAR - full),
        elapsed.as_secs_f64(),
        whole.as_secs_f64(),
    )
}
