//! Searches the log in steps, so that the page stays responsive.

use std::collections::VecDeque;

use tabmq_worker::topic_matches;

use super::messages::{MessageLog, Received};
use super::search_query::Query;

/// Messages that are examined in one animation frame.
const STEP: u64 = 4_000;

/// The conditions of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Criteria {
    /// A topic filter; empty: all topics.
    pub(crate) topic_filter: String,
    /// The text of the search, see [`Query`]; empty: all messages.
    pub(crate) text: String,
}

/// The messages of a log that match. It examines new messages at once, and older ones step by step, from newest to
/// oldest.
#[derive(Debug, Default)]
pub(crate) struct Search {
    wanted: Criteria,
    query: Query,
    /// Numbers of the found messages, ascending.
    found: VecDeque<u64>,
    /// All messages from here to `newest` are examined.
    oldest: u64,
    newest: u64,
    /// Matches among the messages that arrived since the search began.
    arrived: u64,
}

impl Criteria {
    pub(crate) fn is_all(&self) -> bool {
        self.topic_filter.is_empty() && self.text.is_empty()
    }

    fn is(&self, query: &Query, received: &Received) -> bool {
        let topic = &received.message.topic;
        (self.topic_filter.is_empty() || topic_matches(&self.topic_filter, topic))
            && query.finds(&received.message)
    }
}

/// Counts the matching messages that arrived since the list was held.
#[derive(Debug, Default)]
pub(crate) struct NewMatches {
    wanted: Criteria,
    query: Query,
    /// Number of the newest message of the held list.
    since: u64,
    /// All messages up to this number are examined.
    looked: u64,
    found: u64,
}

impl NewMatches {
    /// Counts the matches in `log` after the message `since`. Returns the count so far, and whether all are examined: one call
    /// examines as many as fit in a frame.
    pub(crate) fn advance(
        &mut self,
        log: &MessageLog,
        wanted: &Criteria,
        since: u64,
    ) -> (u64, bool) {
        if wanted.is_all() {
            return (log.received().saturating_sub(since), true);
        }
        if self.wanted != *wanted || self.since != since || self.looked > log.received() {
            *self = Self {
                query: Query::parse(&wanted.text),
                wanted: wanted.clone(),
                since,
                looked: since,
                found: 0,
            };
        }
        let first = (self.looked + 1).max(log.oldest());
        let last = log.received().min(first + STEP);
        for number in first..=last {
            let received = log.get(number);
            let is_wanted = received.is_some_and(|it| self.wanted.is(&self.query, it));
            self.found += u64::from(is_wanted);
        }
        self.looked = last.max(self.looked);
        (self.found, self.looked >= log.received())
    }
}

impl Search {
    /// Continues a search in a log that can have grown, discarded messages or been cleared. Restarts with other criteria.
    /// Returns whether all messages are examined.
    pub(crate) fn advance(&mut self, log: &MessageLog, wanted: &Criteria) -> bool {
        // A paused log is older than the current one.
        if self.wanted != *wanted || self.newest > log.received() {
            *self = Self {
                wanted: wanted.clone(),
                query: Query::parse(&wanted.text),
                found: VecDeque::new(),
                oldest: log.received() + 1,
                newest: log.received(),
                arrived: 0,
            };
        }
        while self.found.front().is_some_and(|it| *it < log.oldest()) {
            self.found.pop_front();
        }
        let mut left = STEP;
        if log.received() - self.newest > STEP {
            // More have arrived than a frame can examine: start again from the newest.
            self.found.clear();
            self.oldest = log.received() + 1;
            self.newest = log.received();
        }
        for number in self.newest + 1..=log.received() {
            if log
                .get(number)
                .is_some_and(|it| self.wanted.is(&self.query, it))
            {
                self.found.push_back(number);
                self.arrived += 1;
            }
            left -= 1;
        }
        self.newest = log.received();
        let end = self.oldest.saturating_sub(left).max(log.oldest());
        for number in (end..self.oldest).rev() {
            if log
                .get(number)
                .is_some_and(|it| self.wanted.is(&self.query, it))
            {
                self.found.push_front(number);
            }
        }
        self.oldest = self.oldest.min(end);
        self.oldest <= log.oldest()
    }

    /// Matches among the messages that arrived during the search.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived
    }

    /// The numbers, ascending.
    pub(crate) fn numbers(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.found.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::MESSAGES_MAX;
    use super::super::messages::tests::message;
    use super::*;

    fn wanted(topic_filter: &str, text: &str) -> Criteria {
        Criteria {
            topic_filter: topic_filter.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Every third message has the topic `a`.
    fn fill(log: &mut MessageLog, messages: usize) {
        for _ in 0..messages {
            let topic = if log.received().is_multiple_of(3) {
                "a/x"
            } else {
                "b/x"
            };
            log.push(message(topic, b"payload"), Vec::new());
        }
    }

    /// The numbers that an exhaustive search finds.
    fn all(log: &MessageLog, wanted: &Criteria) -> Vec<u64> {
        let query = Query::parse(&wanted.text);
        let numbers = log.oldest()..=log.received();
        numbers
            .filter(|it| wanted.is(&query, log.get(*it).unwrap()))
            .collect()
    }

    #[test]
    fn a_long_log_is_searched_in_steps_from_the_newest() {
        let mut log = MessageLog::default();
        fill(&mut log, 3 * STEP as usize);
        let mut search = Search::default();
        let a = wanted("a/+", "");
        assert!(!search.advance(&log, &a));
        assert_eq!(search.numbers().next_back(), Some(3 * STEP - 2));
        let found = search.numbers().count();
        assert!(!search.advance(&log, &a) && search.numbers().count() > found);
        assert!(search.advance(&log, &a));
        assert_eq!(search.numbers().collect::<Vec<_>>(), all(&log, &a));
    }

    #[test]
    fn messages_that_arrive_or_are_discarded_meanwhile_are_found_or_forgotten() {
        let mut log = MessageLog::default();
        let mut search = Search::default();
        let text = wanted("", "a/x");
        for burst in [1, 10, STEP as usize + 1, MESSAGES_MAX, 7, 2] {
            fill(&mut log, burst);
            while !search.advance(&log, &text) {}
            assert_eq!(search.numbers().collect::<Vec<_>>(), all(&log, &text));
        }
        log.clear();
        assert!(search.advance(&log, &text));
        assert_eq!(search.numbers().count(), 0);
        fill(&mut log, 3);
        search.advance(&log, &text);
        assert_eq!(search.numbers().count(), 1);
    }

    #[test]
    fn other_criteria_or_an_earlier_log_restart_the_search() {
        let mut log = MessageLog::default();
        fill(&mut log, 6);
        let paused = log.clone();
        fill(&mut log, 6);
        let mut search = Search::default();
        search.advance(&log, &wanted("a/x", ""));
        search.advance(&paused, &wanted("a/x", ""));
        assert_eq!(search.numbers().collect::<Vec<_>>(), [1, 4]);
        search.advance(&log, &wanted("b/x", "load"));
        assert_eq!(search.numbers().count(), 8);
    }

    #[test]
    fn matches_since_a_list_is_held_are_counted() {
        let mut log = MessageLog::default();
        fill(&mut log, 3);
        let mut new_rows = NewMatches::default();
        fill(&mut log, 6);
        let a = wanted("", "a/x");
        assert_eq!(new_rows.advance(&log, &Criteria::default(), 3), (6, true));
        assert_eq!(new_rows.advance(&log, &a, 3), (2, true));
        fill(&mut log, 3);
        assert_eq!(new_rows.advance(&log, &a, 3), (3, true));
        assert_eq!(new_rows.advance(&log, &a, 12), (0, true));
        log.clear();
        assert_eq!(new_rows.advance(&log, &a, 12), (0, true));
    }
}
