//! The numbers that came on one topic, for a chart.

use std::rc::Rc;

use super::messages::MessageLog;
use super::search::{Search, Wanted};
use crate::payload;

/// Points that are drawn; of more, the newest.
const POINTS_MAX: usize = 2_000;

/// Fields that are drawn, in the order in which they were met.
const FIELDS_MAX: usize = 6;

/// The numbers that a log has on one topic: of payloads that are one, and of the fields of JSON objects.
#[derive(Debug)]
pub(crate) struct Numbers {
    wanted: Wanted,
    search: Search,
    fields: Vec<Rc<str>>,
    /// Seconds since the Unix epoch, ascending.
    times: Vec<f64>,
    /// By field; NaN where a message has none.
    values: Vec<Vec<f64>>,
    /// What of the search the points are of: the number of the first and of the last message, and how many there are.
    drawn: Option<(u64, u64, usize)>,
}

impl Numbers {
    pub(crate) fn of(topic: &str) -> Self {
        Self {
            wanted: Wanted {
                // A topic name is a filter that matches itself alone.
                topic_filter: topic.to_owned(),
                text: String::new(),
            },
            search: Search::default(),
            fields: Vec::new(),
            times: Vec::new(),
            values: Vec::new(),
            drawn: None,
        }
    }

    /// Goes on with the search in the log; whether it is through, and whether there are other points than before.
    pub(crate) fn advance(&mut self, log: &MessageLog) -> (bool, bool) {
        let is_through = self.search.advance(log, &self.wanted);
        let mut found = self.search.numbers();
        let first = found.next();
        let drawn = first.map(|first| {
            let last = found.next_back().unwrap_or(first);
            (first, last, self.search.numbers().count())
        });
        drop(found);
        if drawn == self.drawn {
            return (is_through, false);
        }
        self.drawn = drawn;
        self.gather(log);
        (is_through, true)
    }

    fn gather(&mut self, log: &MessageLog) {
        (self.fields, self.times, self.values) = Default::default();
        let mut numbers: Vec<u64> = self.search.numbers().rev().take(POINTS_MAX).collect();
        numbers.reverse();
        for received in numbers.into_iter().filter_map(|number| log.get(number)) {
            let found = payload::numbers(&received.message.payload);
            if found.is_empty() {
                continue;
            }
            self.times
                .push(received.message.received_at.as_ms() as f64 / 1e3);
            let points = self.times.len();
            for (field, value) in found {
                let place = self.fields.iter().position(|it| **it == *field);
                let place = place.or_else(|| {
                    (self.fields.len() < FIELDS_MAX).then(|| {
                        self.fields.push(field.into());
                        self.values.push(vec![f64::NAN; points - 1]);
                        self.fields.len() - 1
                    })
                });
                if let Some(values) = place.and_then(|place| self.values.get_mut(place)) {
                    // A field that comes twice in an object counts once.
                    values.truncate(points - 1);
                    values.push(value);
                }
            }
            for values in &mut self.values {
                values.resize(points, f64::NAN);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    pub(crate) fn fields(&self) -> &[Rc<str>] {
        &self.fields
    }

    /// Seconds since the Unix epoch, ascending.
    pub(crate) fn times(&self) -> &[f64] {
        &self.times
    }

    /// The numbers of each field, one for each time; NaN where there is none.
    pub(crate) fn values(&self) -> &[Vec<f64>] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::tests::message;
    use super::*;

    fn log(payloads: &[&str]) -> MessageLog {
        let mut log = MessageLog::default();
        for payload in payloads {
            log.push(message("t", payload.as_bytes()), Vec::new());
            log.push(message("other", b"7"), Vec::new());
        }
        log
    }

    fn numbers(payloads: &[&str]) -> Numbers {
        let mut numbers = Numbers::of("t");
        numbers.advance(&log(payloads));
        numbers
    }

    #[test]
    fn plain_numbers_are_one_series() {
        let numbers = numbers(&["1", "two", "3"]);
        assert_eq!(numbers.values(), [vec![1.0, 3.0]]);
        assert_eq!(numbers.times().len(), 2);
    }

    #[test]
    fn each_field_is_a_series_with_gaps_where_it_is_missing() {
        let numbers = numbers(&[r#"{"a":1}"#, r#"{"b":2,"a":3}"#, r#"{"b":4}"#]);
        let fields: Vec<&str> = numbers.fields().iter().map(|it| &**it).collect();
        assert_eq!(fields, ["a", "b"]);
        let is_gap: Vec<Vec<bool>> = numbers
            .values()
            .iter()
            .map(|it| it.iter().map(|it| it.is_nan()).collect())
            .collect();
        assert_eq!(is_gap, [[false, false, true], [true, false, false]]);
    }

    #[test]
    fn points_are_gathered_anew_only_when_there_are_others() {
        let mut log = log(&["1"]);
        let mut numbers = Numbers::of("t");
        assert_eq!(numbers.advance(&log), (true, true));
        assert_eq!(numbers.advance(&log), (true, false));
        log.push(message("t", b"2"), Vec::new());
        assert_eq!(numbers.advance(&log), (true, true));
        assert_eq!(numbers.values(), [[1.0, 2.0]]);
    }
}
