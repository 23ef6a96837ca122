//! The tabs of the comparison.

use std::thread;
use std::time::{Duration, Instant};

use e2e::{Chromium, Page};
use serde::Deserialize;
use serde_json::{Value, json};

/// Time without a message after which the missing ones count as lost.
const QUIET: Duration = Duration::from_millis(1_500);
const POLL: Duration = Duration::from_millis(10);

/// A tab of the comparison, which has joined at most one system.
#[derive(Debug)]
pub(crate) struct ComparisonTab<'c>(pub(crate) Page<'c>);

/// The messages that one tab has counted; times in ms since the epoch.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Counted {
    pub(crate) count: u64,
    pub(crate) last: f64,
}

impl<'c> ComparisonTab<'c> {
    pub(crate) fn open(chromium: &'c Chromium) -> Self {
        let page = chromium.open_blank();
        page.navigate(&chromium.server().url());
        page.until_true("the comparison", "typeof comparison === 'object'");
        Self(page)
    }

    pub(crate) fn join(&self, system: &str, options: &Value) {
        self.0
            .evaluate(&format!("comparison.open({}, {options})", json!(system)));
    }

    pub(crate) fn leave(&self) {
        self.0.evaluate("comparison.close()");
    }

    pub(crate) fn count(&self, topic: &str) {
        self.0
            .evaluate(&format!("comparison.count({})", json!(topic)));
    }

    pub(crate) fn counted(&self, topic: &str) -> Counted {
        self.0
            .evaluate_as(&format!("comparison.counted({})", json!(topic)))
    }

    pub(crate) fn forget(&self, topic: &str) {
        self.0
            .evaluate(&format!("comparison.forget({})", json!(topic)));
    }
}

/// The result of a flood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flood {
    /// Arrived messages of all receivers per second, from the first publish to the last arrival.
    pub(crate) per_s: f64,
    /// Lost messages of all receivers.
    pub(crate) missing: u64,
}

/// Publishes in one tab, and counts in the others.
pub(crate) fn flood(
    from: &ComparisonTab<'_>,
    to: &[ComparisonTab<'_>],
    (topic, filter): (&str, &str),
    (count, bytes, topics): (u64, usize, u32),
) -> Flood {
    for tab in to {
        tab.forget(filter);
    }
    let begin: f64 = from.0.evaluate_as(&format!(
        "comparison.flood({}, {count}, {bytes}, {topics})",
        json!(topic)
    ));
    let wanted = count * to.len() as u64;
    let all = || -> Vec<Counted> { to.iter().map(|tab| tab.counted(filter)).collect() };
    let sum = |all: &[Counted]| all.iter().map(|it| it.count).sum::<u64>();
    let mut counted = all();
    let mut since = Instant::now();
    while sum(&counted) < wanted && since.elapsed() < QUIET {
        thread::sleep(POLL);
        let now = all();
        if sum(&now) > sum(&counted) {
            since = Instant::now();
        }
        counted = now;
    }
    let last = counted.iter().map(|it| it.last).fold(0.0, f64::max);
    let arrived = sum(&counted);
    Flood {
        // Without an arrival, `last` has no meaning.
        per_s: match arrived {
            0 => 0.0,
            _ => arrived as f64 / (last - begin) * 1e3,
        },
        missing: wanted - arrived,
    }
}
