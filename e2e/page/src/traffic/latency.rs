//! The latencies of messages.

use std::collections::BTreeMap;

/// Steps for a factor of two in latency, so a value is known to 9 %.
const STEPS: f64 = 8.0;

/// Shortest measured latency (ms).
const LEAST_MS: f64 = 0.01;

/// The number of messages for each step of latency.
#[derive(Debug, Default)]
pub(super) struct Latency(BTreeMap<i32, u64>);

impl Latency {
    pub(super) fn add(&mut self, ms: f64) {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the logarithm of a time is small"
        )]
        let step = ((ms.max(LEAST_MS) / LEAST_MS).log2() * STEPS).ceil() as i32;
        *self.0.entry(step).or_default() += 1;
    }

    /// Upper bounds (ms) of latencies, each with its number of messages. Resets the counts.
    pub(super) fn take(&mut self) -> Vec<(f64, u64)> {
        let counts = std::mem::take(&mut self.0).into_iter();
        counts
            .map(|(step, count)| (LEAST_MS * (f64::from(step) / STEPS).exp2(), count))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_at_most_nine_per_cent_too_high_and_never_too_low() {
        for ms in [0.01, 0.5, 1.0, 3.7, 250.0, 60_000.0] {
            let mut latency = Latency::default();
            latency.add(ms);
            let bound = latency.take();
            assert!(
                matches!(bound[..], [(at_most, 1)] if at_most >= ms * 0.999 && at_most < ms * 1.091),
                "{ms}: {bound:?}"
            );
            assert!(latency.take().is_empty());
        }
    }
}
