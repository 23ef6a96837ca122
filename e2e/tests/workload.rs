//! A workload of two tabs: one publishes continuously, and one has a session that receives.

use std::time::{Duration, Instant};

use e2e::{Chromium, DEADLINE, Page, Process};
use serde::Deserialize;

/// Messages a second.
const RATE: u32 = 100;
/// Longest gap in the acknowledgements. The benchmark measures it; this limit only detects a missing failover.
const GAP_MS_MAX: f64 = 8_000.0;

/// A continuously publishing tab, and one with a session that receives.
pub(crate) struct Work<'p, 'c> {
    publisher: &'p Page<'c>,
    keeper: &'p Page<'c>,
}

/// The outcome of the messages.
#[derive(Debug, Deserialize)]
struct Report {
    sent: Vec<f64>,
    acknowledged: Vec<f64>,
    refused: Vec<(usize, u8)>,
}

/// Connected tabs on a channel. The first is the broker, and the others are queued for its lock in this order.
#[track_caller]
pub(crate) fn tabs<'c>(chromium: &'c Chromium, count: usize, channel: &str) -> Vec<Page<'c>> {
    let pages: Vec<Page<'_>> = (0..count).map(|_| chromium.join(channel)).collect();
    pages[0].until_broker();
    for page in &pages {
        connect(page);
    }
    pages
}

/// Stops the process of a broker, but not during a transaction.
///
/// In practice it may stop there, too, once in a hundred times at this rate. Then no tab can read the log until the
/// browser aborts the transaction, after a time of the browser's choice.
#[track_caller]
pub(crate) fn stop_between_transactions(
    broker: &Page<'_>,
    other: &Page<'_>,
    channel: &str,
) -> Process {
    let process = broker.process();
    for _ in 0..10 {
        process.stop();
        if other.evaluate(&format!("raw.isReadable('{channel}', 300)")) == true {
            return process;
        }
        process.resume();
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the log of {channel} can never be read");
}

#[track_caller]
pub(crate) fn connect(page: &Page<'_>) {
    page.evaluate("tab.connect()");
}

impl<'p, 'c> Work<'p, 'c> {
    /// Begins to publish with QoS 1.
    #[track_caller]
    pub(crate) fn begin(publisher: &'p Page<'c>, keeper: &'p Page<'c>) -> Self {
        keeper.evaluate(
            "tab.connect({ client: 1, clientId: 'keeper', clean: false, expiry: 3600 })
                .then(() => tab.subscribe('load/#', { client: 1 }))",
        );
        publisher.evaluate(&format!(
            "tab.start({{ topic: 'load/work', rate: {RATE}, window: 60000 }})"
        ));
        let work = Self { publisher, keeper };
        work.continues();
        work
    }

    /// Waits for the acknowledgement of newly published messages.
    #[track_caller]
    pub(crate) fn continues(&self) {
        self.publisher
            .evaluate("globalThis.mark = tab.report().sent.length");
        let is_there = "tab.report().acknowledged.slice(mark).filter((at) => at > 0).length >= 3";
        self.publisher.until_true(
            "an acknowledgement of what was published just now",
            is_there,
        );
    }

    /// Ends publishing, and checks that all messages were acknowledged in time and arrived.
    #[track_caller]
    pub(crate) fn end(self) {
        let mut at = self.end_at_any_time();
        at.sort_by(f64::total_cmp);
        let gaps = at.windows(2).map(|pair| pair[1] - pair[0]);
        let longest = gaps.fold(0.0, f64::max);
        assert!(
            longest < GAP_MS_MAX,
            "nothing acknowledged for {longest} ms"
        );
    }

    /// The same as [`Work::end`], without a time limit, because the publisher was suspended. Returns the times of the acknowledgements.
    #[track_caller]
    pub(crate) fn end_at_any_time(self) -> Vec<f64> {
        self.publisher.evaluate("tab.stop()");
        let report: Report = self.publisher.evaluate_as("tab.done()");
        assert_eq!(report.refused, []);
        assert_eq!(report.sent.len(), report.acknowledged.len());
        let start = Instant::now();
        loop {
            let counts: Vec<u32> = self.keeper.evaluate_as("tab.counts('load/work')");
            let lost: Vec<usize> = (0..report.sent.len())
                .filter(|number| counts.get(*number).copied().unwrap_or_default() == 0)
                .collect();
            if lost.is_empty() {
                break;
            }
            assert!(
                start.elapsed() < DEADLINE,
                "of {} messages were acknowledged and lost: {lost:?}",
                report.sent.len()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        report.acknowledged
    }
}

/// The broker's tab, if exactly one tab is the broker and all others follow its term.
#[track_caller]
pub(crate) fn agreed<'p, 'c>(pages: &'p [Page<'c>]) -> Option<&'p Page<'c>> {
    let terms: Vec<Option<u64>> = pages
        .iter()
        .map(|page| {
            page.evaluate_as("tab.state.role?.Broker?.term ?? tab.state.role?.Client?.term ?? null")
        })
        .collect();
    let is_one_reign = terms.iter().all(|term| term.is_some() && *term == terms[0]);
    let brokers: Vec<&Page<'_>> = pages.iter().filter(|page| page.is_broker()).collect();
    match brokers.as_slice() {
        [broker] if is_one_reign => Some(broker),
        _ => None,
    }
}
