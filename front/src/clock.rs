//! The clock of the engine.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use broker::Time;

/// Unix time that never decreases. It is read from the wall clock once, at the start, and then follows the monotonic clock.
/// A change of the wall clock therefore neither ends sessions nor stops time.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_at: Time,
}

impl Clock {
    pub(crate) fn start() -> Self {
        // A wall clock before 1970 counts as 1970.
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            started: Instant::now(),
            started_at: Time::from_ms(whole_ms(since_epoch)),
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.started_at.plus_ms(whole_ms(self.started.elapsed()))
    }

    /// The duration until `time`; 0 if it has passed.
    pub(crate) fn until(&self, time: Time) -> Duration {
        Duration::from_millis(time.ms_since(self.now()))
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_begins_at_the_wall_clock_and_never_decreases() {
        let clock = Clock::start();
        let begin = clock.now();
        let wall = whole_ms(SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
        assert!(wall.abs_diff(begin.as_ms()) < 1_000);
        std::thread::sleep(Duration::from_millis(5));
        assert!(clock.now() >= begin.plus_ms(5));
        assert_eq!(clock.until(begin), Duration::ZERO);
        assert!(clock.until(begin.plus_secs(60)) > Duration::from_secs(50));
    }
}
