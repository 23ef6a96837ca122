//! Inputs of tabs that the broker has not handled yet.

use std::collections::VecDeque;

use broker::Time;
use broker::sorted::Map;

use crate::endpoint::ToBroker;
use crate::protocol::frame::{ConnectionNo, LaneMessage, Packets};
use crate::protocol::names::TabId;

/// One queue for each tab. The broker handles a limited amount of work at once and serves the tabs in rotation. A client that sends
/// much, or to many receivers, therefore delays the clients of other tabs by one slice of its work.
///
/// With little to do, the broker handles each input at once. With more, inputs join their queues, and the broker serves the queues in
/// turns of their own. Events of other tabs come between, even if they arrived behind many others.
///
/// The window of a lane bounds the bytes in a queue, because the broker acknowledges frames only when the queue is empty.
#[derive(Debug)]
pub(crate) struct Intake {
    queues: Map<TabId, VecDeque<Waiting>>,
    /// The tab that was served last.
    last: Option<TabId>,
    /// Recent work. It decreases as time passes.
    work: usize,
    /// The work of a slice.
    work_max: usize,
    /// The time at which `work` was updated.
    at: Time,
}

/// A slice is about the work of this many milliseconds.
const SLICE_MS: u64 = 8;

/// An input in a queue.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// Packets of a connection.
    Packets(ConnectionNo, Packets),
    /// Another message of a lane.
    Message(LaneMessage),
    /// From an endpoint of the broker's own tab.
    Own(ConnectionNo, ToBroker),
}

impl Intake {
    pub(crate) fn new(now: Time, work_max: usize) -> Self {
        Self {
            queues: Map::new(),
            last: None,
            work: 0,
            work_max: work_max.max(1),
            at: now,
        }
    }

    /// Begins a turn that serves the queues.
    pub(crate) fn begin_slice(&mut self, now: Time) {
        self.work = 0;
        self.at = now;
    }

    /// Reduces the recent work by the time that has passed.
    pub(crate) fn pass(&mut self, now: Time) {
        let ms = now.ms_since(self.at).min(SLICE_MS) as usize;
        if ms > 0 {
            self.work = self
                .work
                .saturating_sub(ms * self.work_max / SLICE_MS as usize);
            self.at = now;
        }
    }

    /// Adds [work](broker::Broker::work_of).
    pub(crate) fn count(&mut self, work: usize) {
        self.work = self.work.saturating_add(work);
    }

    /// Whether the slice is not used up.
    pub(crate) fn has_time(&self) -> bool {
        self.work < self.work_max
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Whether an input of this tab waits.
    pub(crate) fn contains(&self, tab: TabId) -> bool {
        self.queues.contains_key(&tab)
    }

    /// Adds an input at the end of the tab's queue.
    pub(crate) fn push(&mut self, tab: TabId, waiting: Waiting) {
        let queue = self.queues.get_or_insert_with(tab, VecDeque::new);
        queue.push_back(waiting);
    }

    /// Returns the rest of an input to the front of the tab's queue.
    pub(crate) fn put_back(&mut self, tab: TabId, waiting: Waiting) {
        let queue = self.queues.get_or_insert_with(tab, VecDeque::new);
        queue.push_front(waiting);
    }

    /// Takes the first input of the next tab in rotation.
    pub(crate) fn pop(&mut self) -> Option<(TabId, Waiting)> {
        let later = self.last.and_then(|last| {
            let mut later = self.queues.from(core::ops::Bound::Excluded(&last));
            later.next().map(|(tab, _)| *tab)
        });
        let first = || self.queues.first_key_value().map(|(tab, _)| *tab);
        let tab = later.or_else(first)?;
        self.last = Some(tab);
        self.pop_of(tab).map(|waiting| (tab, waiting))
    }

    /// Takes the first input of this tab.
    pub(crate) fn pop_of(&mut self, tab: TabId) -> Option<Waiting> {
        let queue = self.queues.get_mut(&tab)?;
        let waiting = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&tab);
        }
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(connection: u64) -> Waiting {
        Waiting::Own(ConnectionNo(connection), ToBroker::Close)
    }

    fn order(intake: &mut Intake) -> Vec<(u64, u64)> {
        core::iter::from_fn(|| intake.pop())
            .map(|(tab, waiting)| match waiting {
                Waiting::Own(ConnectionNo(no), _) => (tab.bits(), no),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn tabs_are_served_in_rotation_and_each_in_order() {
        let mut intake = Intake::new(Time::from_ms(5), 16);
        for (tab, connection) in [(3, 1), (3, 2), (3, 3), (1, 4), (2, 5), (2, 6)] {
            intake.push(TabId::from_entropy(tab), closed(connection));
        }
        assert_eq!(
            order(&mut intake),
            [(1, 4), (2, 5), (3, 1), (2, 6), (3, 2), (3, 3)]
        );
        assert!(intake.is_empty());
    }

    #[test]
    fn a_slice_ends_when_its_work_is_done() {
        let mut intake = Intake::new(Time::from_ms(5), 16);
        intake.count(15);
        assert!(intake.has_time());
        intake.count(4);
        assert!(!intake.has_time());
        intake.begin_slice(Time::from_ms(5));
        assert!(intake.has_time());
    }

    #[test]
    fn work_is_forgotten_as_time_passes() {
        let mut intake = Intake::new(Time::from_ms(5), 16);
        intake.count(18);
        intake.pass(Time::from_ms(6));
        assert!(!intake.has_time());
        intake.pass(Time::from_ms(7));
        assert!(intake.has_time());
        intake.count(2);
        assert!(!intake.has_time());
        intake.pass(Time::from_ms(1_000));
        intake.count(15);
        assert!(intake.has_time());
    }
}
