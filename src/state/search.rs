//! Finding messages in the log without holding up the page.

use std::collections::VecDeque;

use tabmq_worker::topic_matches;

use super::messages::{MessageLog, Received};
use super::search_query::Query;

/// Messages that are looked at in one animation frame.
const STEP: u64 = 4_000;

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Criteria {
    /// A topic filter; empty: all topics.
    pub(crate) topic_filter: String,
    /// What is typed into the search, see [`Query`]; empty: anything.
    pub(crate) text: String,
}

/// The messages of a log that were found so far: first the newest, then, step by step, the older ones, and always those
/// that came meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Search {
    wanted: Criteria,
    query: Query,
    /// Numbers of the found messages, ascending.
    found: VecDeque<u64>,
    /// From here to `newest` all were looked at.
    oldest: u64,
    newest: u64,
    /// Found since the search began, among those that came since.
    came: u64,
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

/// How many messages have come since a list stands still, among those that are wanted.
#[derive(Debug, Default)]
pub(crate) struct NewMatches {
    wanted: Criteria,
    query: Query,
    /// Where the list stands still.
    since: u64,
    /// Up to here all were looked at.
    looked: u64,
    found: u64,
}

impl NewMatches {
    /// Looks at those that have come to `log` since the message `since`; how many of them are wanted. Of more than a frame
    /// can take, the others are looked at in the next ones: whether it is through.
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
    /// Goes on with a search in a log that may have grown, made room or been cleared since; with another wanted one it
    /// begins anew. Whether it is through.
    pub(crate) fn advance(&mut self, log: &MessageLog, wanted: &Criteria) -> bool {
        // A log that was paused is behind one that was not.
        if self.wanted != *wanted || self.newest > log.received() {
            *self = Self {
                wanted: wanted.clone(),
                query: Query::parse(&wanted.text),
                found: VecDeque::new(),
                oldest: log.received() + 1,
                newest: log.received(),
                came: 0,
            };
        }
        while self.found.front().is_some_and(|it| *it < log.oldest()) {
            self.found.pop_front();
        }
        let mut left = STEP;
        if log.received() - self.newest > STEP {
            // More have come than a frame can take: the newest matter most.
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
                self.came += 1;
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

    /// How many were found among the messages that came while it was searched.
    pub(crate) fn came(&self) -> u64 {
        self.came
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

    /// Every third message is about a.
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

    /// The numbers that a search through everything at once would find.
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
    fn what_comes_makes_room_or_is_cleared_meanwhile_is_found_or_forgotten() {
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
    fn another_wish_or_an_earlier_log_begins_anew() {
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
    fn those_that_come_to_a_list_that_stands_still_are_counted() {
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
