//! Waiting for a condition.

use std::thread;
use std::time::{Duration, Instant};

/// Longest time for which a test waits for a condition. It is much longer than any condition takes, because it measures nothing.
pub const DEADLINE: Duration = Duration::from_secs(15);

pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Calls `look` until it returns a value.
#[cfg(unix)]
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "not in {DEADLINE:?}: {what}");
        thread::sleep(POLL_INTERVAL);
    }
}
