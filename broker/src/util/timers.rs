//! Timers.

use crate::Time;
use crate::util::sorted::Set;

/// Keys ordered by due time, and then by key.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    entries: Set<(Time, K)>,
}

impl<K: Ord> Timers<K> {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Set::new(),
        }
    }

    pub(crate) fn insert(&mut self, at: Time, key: K) {
        self.entries.insert((at, key));
    }

    pub(crate) fn remove(&mut self, at: Time, key: K) {
        self.entries.remove(&(at, key));
    }

    /// The earliest due time.
    pub(crate) fn next(&self) -> Option<Time> {
        self.entries.first().map(|(at, _)| *at)
    }

    /// Takes the first key that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        self.entries.pop_first().map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_keys_are_returned_in_order() {
        let mut timers = Timers::new();
        for (ms, key) in [(30, 'c'), (10, 'b'), (10, 'a'), (20, 'x')] {
            timers.insert(Time::from_ms(ms), key);
        }
        timers.remove(Time::from_ms(20), 'x');
        assert_eq!(timers.next(), Some(Time::from_ms(10)));
        let due: Vec<char> = core::iter::from_fn(|| timers.pop_due(Time::from_ms(29))).collect();
        assert_eq!(due, ['a', 'b']);
        assert_eq!(timers.pop_due(Time::from_ms(30)), Some('c'));
        assert_eq!(timers.next(), None);
    }
}
