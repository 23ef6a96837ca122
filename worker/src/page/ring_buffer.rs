//! A ring buffer.

use std::collections::VecDeque;

/// Keeps the newest items, newest last, up to its capacity, and counts the others.
///
/// ```
/// # use tabmq_worker::RingBuffer;
/// let mut buffer = RingBuffer::new(2);
/// buffer.extend(["a", "b", "c"]);
/// assert_eq!(buffer.iter().collect::<Vec<_>>(), [&"b", &"c"]);
/// assert_eq!((buffer.received(), buffer.dropped()), (3, 1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingBuffer<T> {
    kept: VecDeque<T>,
    capacity: usize,
    received: u64,
    dropped: u64,
}

impl<T> RingBuffer<T> {
    /// An empty buffer. With capacity 0 it only counts.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            capacity,
            received: 0,
            dropped: 0,
        }
    }

    /// Adds an item, and drops the oldest one if the buffer is full.
    pub fn push(&mut self, item: T) {
        self.received += 1;
        self.kept.push_back(item);
        self.make_room();
    }

    /// Removes the oldest item.
    pub fn pop(&mut self) -> Option<T> {
        self.kept.pop_front()
    }

    /// Removes the items. The number of received items stays.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.dropped = 0;
    }

    /// Maximum number of items.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Changes the maximum number of items.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.make_room();
    }

    /// The kept items, newest last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.kept.iter()
    }

    /// The newest item.
    #[must_use]
    pub fn latest(&self) -> Option<&T> {
        self.kept.back()
    }

    /// Number of items received.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Number of items dropped since the last [`clear`](Self::clear).
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn make_room(&mut self) {
        while self.kept.len() > self.capacity {
            self.kept.pop_front();
            self.dropped += 1;
        }
    }
}

impl<T> Extend<T> for RingBuffer<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_buffer_keeps_the_newest() {
        let mut buffer = RingBuffer::new(3);
        buffer.extend([1, 2, 3]);
        buffer.set_capacity(1);
        assert_eq!((buffer.latest(), buffer.dropped()), (Some(&3), 2));
        assert_eq!((buffer.pop(), buffer.pop()), (Some(3), None));
    }

    #[test]
    fn a_cleared_ring_still_knows_how_many_came() {
        let mut buffer = RingBuffer::new(1);
        buffer.extend([1, 2]);
        buffer.clear();
        buffer.push(3);
        assert_eq!((buffer.received(), buffer.dropped()), (3, 0));
        assert_eq!(buffer.iter().len(), 1);
    }

    #[test]
    fn capacity_zero_only_counts() {
        let mut buffer = RingBuffer::new(0);
        buffer.push(1);
        assert_eq!((buffer.received(), buffer.latest()), (1, None));
    }
}
