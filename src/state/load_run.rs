//! The load generator's plan and its current run.

use tabmq_worker::api::QoS;

use super::numbered_stream::Stream;

/// Unanswered publications at which the generator pauses, because the page keeps each of them in memory.
pub(crate) const PENDING_MAX: usize = 5_000;

/// Most publications in one animation frame, so that a frame stays short.
const BURST_MAX: u64 = 1_000;

/// The load to generate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// Messages per second; `None`: as many as possible.
    pub(crate) rate: Option<u32>,
    pub(crate) payload_bytes: usize,
    pub(crate) qos: QoS,
    pub(crate) topics: u32,
    /// Duration in seconds; `None`: until it is stopped.
    pub(crate) seconds: Option<u32>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rate: Some(1_000),
            payload_bytes: 64,
            qos: QoS::AtMostOnce,
            topics: 10,
            seconds: Some(30),
        }
    }
}

/// A run of the load generator.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) plan: Plan,
    /// Distinguishes this run's messages from those of an earlier run.
    pub(crate) number: u32,
    began: f64,
    /// When it was stopped. Messages in transit can still arrive.
    stopped: Option<f64>,
    pub(crate) stream: Stream,
}

impl Run {
    pub(crate) fn begin(plan: Plan, number: u32, now: f64) -> Self {
        Self {
            plan,
            number,
            began: now,
            stopped: None,
            stream: Stream::default(),
        }
    }

    /// Number of messages to publish now.
    pub(crate) fn due(&mut self, now: f64, pending: usize) -> u64 {
        if self.stopped.is_some() {
            return 0;
        }
        let seconds = (now - self.began) / 1e3;
        let end = self.plan.seconds.map(f64::from);
        if end.is_some_and(|end| seconds >= end) {
            self.stop(now);
        }
        let room = PENDING_MAX.saturating_sub(pending) as u64;
        let wanted = match self.plan.rate {
            None => BURST_MAX,
            Some(rate) => {
                let until = end.map_or(seconds, |end| seconds.min(end));
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a count of messages"
                )]
                let by_now = (until * f64::from(rate)) as u64;
                by_now.saturating_sub(self.stream.totals().sent)
            }
        };
        wanted.min(room).min(BURST_MAX)
    }

    pub(crate) fn stop(&mut self, now: f64) {
        self.stopped.get_or_insert(now);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.stopped.is_none()
    }

    /// Its duration so far, in seconds.
    pub(crate) fn seconds(&self, now: f64) -> f64 {
        (self.stopped.unwrap_or(now) - self.began) / 1e3
    }

    /// The payload of a message: the run and the number, then dots up to the planned length.
    pub(crate) fn payload(&self, number: u64) -> Vec<u8> {
        let mut payload = format!("{} {number} ", self.number).into_bytes();
        payload.resize(payload.len().max(self.plan.payload_bytes), b'.');
        payload
    }

    /// The number of a message; `None`: it is not of this run.
    pub(crate) fn number_of(&self, payload: &[u8]) -> Option<u64> {
        const DIGITS_MAX: usize = 40;
        let head = payload.get(..DIGITS_MAX).unwrap_or(payload);
        let mut words = std::str::from_utf8(head).ok()?.split(' ');
        let run: u32 = words.next()?.parse().ok()?;
        (run == self.number).then(|| words.next()?.parse().ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rate: Option<u32>, seconds: Option<u32>) -> Run {
        let plan = Plan {
            rate,
            seconds,
            ..Plan::default()
        };
        Run::begin(plan, 7, 1_000.0)
    }

    fn publish(run: &mut Run, now: f64, pending: usize) -> u64 {
        let due = run.due(now, pending);
        for _ in 0..due {
            run.stream.send(now);
        }
        due
    }

    #[test]
    fn the_rate_holds_on_average_without_bursts_after_a_delay() {
        let mut run = run(Some(100), Some(2));
        assert_eq!(publish(&mut run, 1_000.0, 0), 0);
        assert_eq!(publish(&mut run, 1_505.0, 0), 50);
        assert_eq!(publish(&mut run, 9_000.0, 0), 150);
        assert!(!run.is_running());
        assert_eq!(publish(&mut run, 9_100.0, 0), 0);
        let mut fast = super::tests::run(Some(1_000_000), None);
        assert_eq!(publish(&mut fast, 2_000.0, 0), BURST_MAX);
    }

    #[test]
    fn it_waits_while_too_many_are_unanswered() {
        let mut run = run(None, None);
        assert_eq!(publish(&mut run, 1_001.0, PENDING_MAX - 3), 3);
        assert_eq!(publish(&mut run, 1_002.0, PENDING_MAX + 1), 0);
    }

    #[test]
    fn only_payloads_of_this_run_have_its_numbers() {
        let run = run(None, None);
        for number in [0, 1, u64::MAX] {
            let payload = run.payload(number);
            assert!(payload.len() >= run.plan.payload_bytes);
            assert_eq!(run.number_of(&payload), Some(number));
        }
        for foreign in [&b"8 1 ..."[..], b"", b"7", b"7 x", &[0xff; 64]] {
            assert_eq!(run.number_of(foreign), None);
        }
    }
}
