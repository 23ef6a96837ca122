//! The counts between two samples.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::processes::Usage;

/// The counts of a page: see `traffic::Sample` in the page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageSample {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    pub(crate) received: u64,
    pub(crate) duplicates: u64,
    pub(crate) out_of_order: u64,
    pub(crate) gap_ms: f64,
    pub(crate) latency: Vec<(f64, u64)>,
}

impl PageSample {
    /// Adds the counts of another page, or of another period.
    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.received += other.received;
        self.duplicates += other.duplicates;
        self.out_of_order += other.out_of_order;
        self.gap_ms = self.gap_ms.max(other.gap_ms);
        self.latency.extend(&other.latency);
    }

    /// The counts since an earlier sample of the same page.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            sent: self.sent - before.sent,
            acknowledged: self.acknowledged - before.acknowledged,
            refused: self.refused - before.refused,
            received: self.received - before.received,
            duplicates: self.duplicates - before.duplicates,
            out_of_order: self.out_of_order - before.out_of_order,
            gap_ms: self.gap_ms,
            latency: self.latency.clone(),
        }
    }

    /// The latency (ms) that `percent` % of the messages do not exceed; NaN without messages.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let mut latency = self.latency.clone();
        latency.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all: u64 = latency.iter().map(|(_, count)| count).sum();
        let mut wanted = all as f64 * percent / 100.0;
        for (at_most_ms, count) in latency {
            wanted -= count as f64;
            if wanted <= 0.0 {
                return at_most_ms;
            }
        }
        f64::NAN
    }
}

/// The counts of about one second.
#[derive(Debug)]
pub(crate) struct Second {
    /// Its end, in seconds since the begin of the load.
    pub(crate) at_s: f64,
    pub(crate) seconds: f64,
    /// The sums over all pages.
    pub(crate) counts: PageSample,
    /// The usage of each process, by its id.
    pub(crate) usage: BTreeMap<u32, Usage>,
}

impl Second {
    /// The memory (MB) of all processes; none if the system does not report it.
    pub(crate) fn memory_mb(&self) -> Option<f64> {
        let all = self.usage.values().map(|it| it.memory_mb);
        all.sum::<Option<f64>>().filter(|_| !self.usage.is_empty())
    }

    /// The processor time of all processes, in per cent of one processor.
    pub(crate) fn cpu_percent(&self) -> f64 {
        self.usage.values().map(|it| it.cpu_percent).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_covers_the_counts_of_all_pages() {
        let mut all = PageSample::default();
        assert!(all.percentile(50.0).is_nan());
        for latency in [vec![(1.0, 90)], vec![(8.0, 1), (2.0, 9)]] {
            all.add(&PageSample {
                latency,
                ..PageSample::default()
            });
        }
        let found = [50.0, 90.0, 95.0, 99.0, 99.9, 100.0].map(|percent| all.percentile(percent));
        assert_eq!(found, [1.0, 1.0, 2.0, 2.0, 8.0, 8.0]);
    }
}
