//! A stream of numbered messages that a page publishes and receives itself. The numbers show which messages arrive late,
//! twice or not at all.

use std::collections::VecDeque;

/// How long a message can be in transit before it counts as lost.
const PATIENCE_MS: f64 = 30_000.0;

/// Latencies of one interval that are kept. Beyond that, every second one is discarded, repeatedly.
const LATENCIES_MAX: usize = 20_000;

/// A stream in progress. Times are in milliseconds of one clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// Number of the first message that can still be in transit.
    first: u64,
    in_transit: VecDeque<Numbered>,
    totals: Totals,
    /// Time of the last acknowledgement.
    acknowledged_at: Option<f64>,
    latencies: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Numbered {
    sent: f64,
    is_acknowledged: bool,
    has_arrived: bool,
    has_failed: bool,
}

/// The results so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) sent: u64,
    /// With QoS 0: handed to the worker.
    pub(crate) acknowledged: u64,
    /// Ended with an error.
    pub(crate) failed: u64,
    pub(crate) arrived: u64,
    /// Acknowledged, but not arrived after 30 s, which is possible with QoS 0.
    pub(crate) lost: u64,
    /// Arrived again.
    pub(crate) duplicates: u64,
    /// The longest time between two acknowledgements, in milliseconds.
    pub(crate) gap_ms: f64,
}

/// Median and 99th percentile of the latencies of an interval, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Stream {
    /// Records a publication and returns its number.
    pub(crate) fn send(&mut self, now: f64) -> u64 {
        self.totals.sent += 1;
        self.in_transit.push_back(Numbered {
            sent: now,
            is_acknowledged: false,
            has_arrived: false,
            has_failed: false,
        });
        self.first + self.in_transit.len() as u64 - 1
    }

    /// The broker has acknowledged the message.
    pub(crate) fn acknowledge(&mut self, now: f64, number: u64) {
        self.totals.acknowledged += 1;
        if let Some(before) = self.acknowledged_at.replace(now) {
            self.totals.gap_ms = self.totals.gap_ms.max(now - before);
        }
        if let Some(message) = self.get(number) {
            message.is_acknowledged = true;
        }
    }

    /// The message was refused, or its fate is unknown.
    pub(crate) fn fail(&mut self, number: u64) {
        self.totals.failed += 1;
        if let Some(message) = self.get(number) {
            message.has_failed = true;
        }
    }

    /// The message has arrived.
    pub(crate) fn arrive(&mut self, now: f64, number: u64) {
        let sent = match self.get(number) {
            Some(message) if !message.has_arrived => {
                message.has_arrived = true;
                message.sent
            }
            Some(_) | None => {
                self.totals.duplicates += 1;
                return;
            }
        };
        self.totals.arrived += 1;
        if self.latencies.len() == LATENCIES_MAX {
            let mut place = 0;
            self.latencies.retain(|_| {
                place += 1;
                place % 2 == 0
            });
        }
        self.latencies.push(now - sent);
    }

    fn get(&mut self, number: u64) -> Option<&mut Numbered> {
        let place = number.checked_sub(self.first)?;
        self.in_transit.get_mut(usize::try_from(place).ok()?)
    }

    /// Gives up messages that have been in transit for too long.
    pub(crate) fn settle(&mut self, now: f64) {
        while let Some(oldest) = self.in_transit.front() {
            let is_through = oldest.has_arrived && (oldest.is_acknowledged || oldest.has_failed);
            if !is_through && oldest.sent + PATIENCE_MS > now {
                return;
            }
            if oldest.is_acknowledged && !oldest.has_arrived {
                self.totals.lost += 1;
            }
            self.in_transit.pop_front();
            self.first += 1;
        }
    }

    /// Messages that are not acknowledged or have not arrived yet.
    pub(crate) fn in_transit(&self) -> usize {
        let in_transit = self.in_transit.iter();
        in_transit
            .filter(|it| !(it.has_failed || it.has_arrived && it.is_acknowledged))
            .count()
    }

    /// Messages that were acknowledged and have not arrived, given up or not.
    pub(crate) fn missing(&self) -> u64 {
        let in_transit = self.in_transit.iter();
        let missing = in_transit.filter(|it| it.is_acknowledged && !it.has_arrived);
        self.totals.lost + missing.count() as u64
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// The latency of the messages that arrived since the last call.
    pub(crate) fn take_latency(&mut self) -> Option<Latency> {
        let mut latencies = core::mem::take(&mut self.latencies);
        latencies.sort_unstable_by(f64::total_cmp);
        let at = |part: usize| {
            latencies
                .get((latencies.len() * part / 100).min(latencies.len().checked_sub(1)?))
                .copied()
        };
        Some(Latency {
            p50_ms: at(50)?,
            p99_ms: at(99)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledged_message_that_does_not_arrive_is_lost_and_one_that_arrives_again_a_duplicate()
    {
        let mut stream = Stream::default();
        let numbers: Vec<u64> = (0..4).map(|it| stream.send(f64::from(it))).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        stream.acknowledge(10.0, 0);
        stream.acknowledge(250.0, 1);
        stream.arrive(12.0, 0);
        stream.arrive(13.0, 0);
        stream.fail(2);
        stream.settle(100.0);
        stream.arrive(14.0, 0);
        assert_eq!((stream.in_transit(), stream.missing()), (2, 1));
        stream.settle(1e6);
        let totals = Totals {
            sent: 4,
            acknowledged: 2,
            failed: 1,
            arrived: 1,
            lost: 1,
            duplicates: 2,
            gap_ms: 240.0,
        };
        assert_eq!((stream.totals(), stream.in_transit()), (totals, 0));
        assert_eq!(stream.send(0.0), 4);
    }

    #[test]
    fn latencies_are_of_one_interval() {
        let mut stream = Stream::default();
        for took in 1..=100 {
            let number = stream.send(0.0);
            stream.arrive(f64::from(took), number);
        }
        let latency = Latency {
            p50_ms: 51.0,
            p99_ms: 100.0,
        };
        assert_eq!(stream.take_latency(), Some(latency));
        assert_eq!(stream.take_latency(), None);
    }

    #[test]
    fn latencies_of_a_long_interval_are_thinned_out() {
        let mut stream = Stream::default();
        for _ in 0..3 * LATENCIES_MAX {
            let number = stream.send(0.0);
            stream.arrive(1.0, number);
        }
        assert!(stream.latencies.len() <= LATENCIES_MAX);
    }
}
