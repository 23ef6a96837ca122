//! The log of events, newest first.

use std::collections::VecDeque;

use tabmq_worker::Time;
use tabmq_worker::api::{Event, EventKind};

use crate::labels::events;

/// Events that are kept.
const EVENTS_MAX: usize = 200;

/// The latest events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventLog {
    added: u64,
    kept: VecDeque<LoggedEvent>,
}

/// An event and its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoggedEvent {
    pub(crate) number: u64,
    pub(crate) event: Event,
    /// Whether this page added it because messages were dropped.
    is_loss: bool,
}

/// Whether an event is good or bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Neutral,
    /// A broker or its storage works.
    Good,
    /// Something was lost or fails.
    Bad,
}

impl EventLog {
    pub(crate) fn push(&mut self, event: Event) {
        self.add(event, false);
    }

    /// Adds a sentence about dropped messages, at this time in Unix milliseconds.
    pub(crate) fn push_loss(&mut self, at: f64, sentence: String) {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "milliseconds since 1970"
        )]
        let event = Event {
            at: Time::from_ms(at as u64),
            kind: EventKind::Broker(sentence),
        };
        self.add(event, true);
    }

    fn add(&mut self, event: Event, is_loss: bool) {
        self.added += 1;
        self.kept.truncate(EVENTS_MAX - 1);
        self.kept.push_front(LoggedEvent {
            number: self.added,
            event,
            is_loss,
        });
    }

    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &LoggedEvent> {
        self.kept.iter()
    }

    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = &LoggedEvent> {
        self.kept.iter().rev()
    }

    /// Number of discarded events.
    pub(crate) fn forgotten(&self) -> u64 {
        self.added - self.kept.len() as u64
    }
}

impl LoggedEvent {
    /// The event as a sentence.
    pub(crate) fn sentence(&self) -> String {
        events::event(&self.event.kind)
    }

    pub(crate) fn tone(&self) -> Tone {
        if self.is_loss {
            return Tone::Bad;
        }
        match self.event.kind {
            EventKind::Elected { .. }
            | EventKind::Following { .. }
            | EventKind::Restored { .. }
            | EventKind::StorageHasRoom
            | EventKind::StorageWorks => Tone::Good,
            EventKind::TabLost(_)
            | EventKind::RecordsSkipped { .. }
            | EventKind::InMemory(_)
            | EventKind::Storage(_)
            | EventKind::StorageFull
            | EventKind::StorageRemoved
            | EventKind::StorageFailing(_)
            | EventKind::StorageLost
            | EventKind::StorageDamaged { .. }
            | EventKind::Suspected
            | EventKind::ReplacingBroker
            | EventKind::Deaf
            | EventKind::Suspended { .. }
            | EventKind::SteppedDown { .. }
            | EventKind::BrokerLost { .. }
            | EventKind::Foreign(_)
            | EventKind::LaneReset(_)
            | EventKind::Runtime(_)
            | EventKind::LockHeld(_) => Tone::Bad,
            EventKind::Joined
            | EventKind::TabAppeared(_)
            | EventKind::TabLeft(_)
            | EventKind::Promoting
            | EventKind::Broker(_) => Tone::Neutral,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_are_kept_and_the_others_counted() {
        let mut log = EventLog::default();
        for _ in 0..EVENTS_MAX + 3 {
            log.push(Event {
                at: Default::default(),
                kind: EventKind::Joined,
            });
        }
        assert_eq!(log.newest_first().count(), EVENTS_MAX);
        assert_eq!(
            log.newest_first().next().map(|h| h.number),
            Some(EVENTS_MAX as u64 + 3)
        );
        assert_eq!(log.forgotten(), 3);
    }
}
