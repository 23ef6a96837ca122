//! The samples that the performance view draws: one per second.

use tabmq_worker::RingBuffer;

use super::numbered_stream::Latency;

/// Seconds that are kept and drawn.
const SECONDS: usize = 300;

/// One second of this page.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// Unix seconds.
    pub(crate) at: f64,
    /// Messages per second that this page received.
    pub(crate) received: f64,
    /// Messages per second that the load generator published.
    pub(crate) published: f64,
    /// Latency of the load generator's messages.
    pub(crate) latency: Option<Latency>,
    /// The worker's load, in percent; `None`: the worker has not reported.
    pub(crate) worker_busy: Option<f64>,
    /// The load of the page's own code, in percent.
    pub(crate) page_busy: f64,
    /// The broker's answer, if it was asked.
    pub(crate) broker: Option<BrokerSample>,
}

/// One second of the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct BrokerSample {
    /// Messages in the queues of clients.
    pub(crate) queued: f64,
    /// Messages sent and not acknowledged yet.
    pub(crate) in_flight: f64,
    /// Messages dropped since the broker began.
    pub(crate) dropped: f64,
}

/// The last five minutes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Samples(RingBuffer<Sample>);

impl Default for Samples {
    fn default() -> Self {
        Self(RingBuffer::new(SECONDS))
    }
}

impl Samples {
    pub(crate) fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// Unix seconds, ascending.
    pub(crate) fn times(&self) -> Vec<f64> {
        self.0.iter().map(|sample| sample.at).collect()
    }

    /// One value for each time; NaN where it is missing.
    pub(crate) fn values(&self, value: impl Fn(&Sample) -> Option<f64>) -> Vec<f64> {
        let values = self.0.iter().map(value);
        values.map(|value| value.unwrap_or(f64::NAN)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_minutes_are_kept_and_gaps_are_nan() {
        let mut samples = Samples::default();
        for second in 0..SECONDS + 10 {
            samples.push(Sample {
                at: second as f64,
                worker_busy: (second % 2 == 0).then_some(5.0),
                ..Sample::default()
            });
        }
        assert_eq!(samples.times().first(), Some(&10.0));
        let busy = samples.values(|it| it.worker_busy);
        assert_eq!(
            (busy.len(), busy[0], busy[1].is_nan()),
            (SECONDS, 5.0, true)
        );
    }
}
