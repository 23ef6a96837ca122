//! The numbers of the viewed topics, for charts. They have memory of their own: clearing or trimming the log does not end
//! a chart.

use std::cell::{Ref, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use tabmq_worker::api::Message;

use super::messages::MessageLog;
use crate::payload::numbers::{self, FieldKind, Path, Value};

/// Messages of a topic whose numbers are kept.
pub(crate) const POINTS_MAX: usize = 2_000;

/// Fields of a topic that are kept. Further fields are only counted.
pub(crate) const FIELDS_MAX: usize = 500;

/// Numbers of a topic that are kept. With many fields, fewer messages are kept.
const NUMBERS_MAX: usize = 100_000;

/// Topics whose numbers are kept: the last viewed ones. With 8 bytes for a number, that is 12.8 MB at most.
const TOPICS_MAX: usize = 16;

/// Fields that are drawn by default.
const SHOWN_MAX: usize = 6;

/// Messages of the log that are examined in one animation frame.
const STEP: u64 = 4_000;

/// Messages of the log whose numbers are gathered in one animation frame.
const GATHERED_STEP: usize = 100;

/// The viewed topics and their numbers.
#[derive(Debug, Default)]
pub(crate) struct Charts {
    /// Number of the latest message on any topic.
    received: u64,
    /// The last viewed topic comes first.
    topics: VecDeque<TopicNumbers>,
}

/// The current charts, shared with the view: they can be newer than the drawn ones.
#[derive(Clone, Default)]
pub(crate) struct SharedCharts {
    charts: Rc<RefCell<Charts>>,
    /// Number of changes.
    version: u64,
}

/// The numbers of one topic.
#[derive(Debug)]
pub(crate) struct TopicNumbers {
    topic: String,
    fields: Vec<Field>,
    places: BTreeMap<Path, usize>,
    /// Seconds since the Unix epoch, ascending.
    times: VecDeque<f64>,
    /// Messages of the log up to this number are still to be examined; 0: none.
    older: u64,
    /// Greatest number of fields of one message that did not fit.
    left_out: usize,
    /// Messages that are too large to be searched for numbers.
    too_large: u64,
    version: u64,
}

/// A number at one path in the payloads of a topic.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) path: Path,
    pub(crate) kind: FieldKind,
    /// One value for each message; NaN where it is missing.
    values: VecDeque<f64>,
    /// Whether the person chose to see it; `None`: no choice.
    wanted: Option<bool>,
}

impl SharedCharts {
    pub(crate) fn get(&self) -> Ref<'_, Charts> {
        self.charts.borrow()
    }

    /// Applies a change.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Charts)) {
        change(&mut self.charts.borrow_mut());
        self.version += 1;
    }

    /// Gathers the numbers of a topic from new messages and from the log. Returns whether the log is read to its end.
    pub(crate) fn gather(&self, topic: &str, log: &MessageLog) -> bool {
        self.charts.borrow_mut().gather(topic, log)
    }
}

impl PartialEq for SharedCharts {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.charts, &other.charts) && self.version == other.version
    }
}

impl Charts {
    /// Adds the numbers of a new message.
    pub(crate) fn push(&mut self, message: &Message) {
        self.received += 1;
        if let Some(numbers) = self.topics.iter_mut().find(|it| it.topic == message.topic) {
            numbers.push(message);
        }
    }

    pub(crate) fn get(&self, topic: &str) -> Option<&TopicNumbers> {
        self.topics.iter().find(|it| it.topic == topic)
    }

    /// Shows or hides a field.
    pub(crate) fn show(&mut self, topic: &str, field: usize, is_shown: bool) {
        let mut topics = self.topics.iter_mut();
        if let Some(numbers) = topics.find(|it| it.topic == topic)
            && let Some(field) = numbers.fields.get_mut(field)
        {
            field.wanted = Some(is_shown);
            numbers.version += 1;
        }
    }

    fn gather(&mut self, topic: &str, log: &MessageLog) -> bool {
        match self.topics.iter().position(|it| it.topic == topic) {
            Some(0) => {}
            Some(place) => {
                if let Some(numbers) = self.topics.remove(place) {
                    self.topics.push_front(numbers);
                }
            }
            None => {
                self.topics.truncate(TOPICS_MAX - 1);
                self.topics
                    .push_front(TopicNumbers::new(topic, self.received));
            }
        }
        self.topics.front_mut().is_none_or(|it| it.gather(log))
    }
}

impl TopicNumbers {
    fn new(topic: &str, older: u64) -> Self {
        Self {
            topic: topic.to_owned(),
            fields: Vec::new(),
            places: BTreeMap::new(),
            times: VecDeque::new(),
            older,
            left_out: 0,
            too_large: 0,
            version: 0,
        }
    }

    fn push(&mut self, message: &Message) {
        let found = self.found(message);
        if found.is_empty() {
            return;
        }
        let point = self.times.len();
        self.times.push_back(seconds(message));
        for (place, value) in found {
            let values = &mut self.fields[place].values;
            values.resize(point, f64::NAN);
            // If an object has a name twice, the later value counts.
            values.push_back(value.number());
        }
        for field in &mut self.fields {
            field.values.resize(point + 1, f64::NAN);
        }
        while self.times.len() > self.room() {
            self.times.pop_front();
            for field in &mut self.fields {
                field.values.pop_front();
            }
        }
        self.version += 1;
    }

    fn push_older(&mut self, message: &Message) {
        let found = self.found(message);
        if found.is_empty() {
            return;
        }
        self.times.push_front(seconds(message));
        let points = self.times.len();
        for field in &mut self.fields {
            // A new field has no later value.
            field.values.resize(points - 1, f64::NAN);
            field.values.push_front(f64::NAN);
        }
        for (place, value) in found {
            self.fields[place].values[0] = value.number();
        }
        self.version += 1;
    }

    /// Continues with older messages of the log, from newest to oldest. Returns whether all are examined.
    fn gather(&mut self, log: &MessageLog) -> bool {
        let (mut looked_at, mut gathered) = (0, 0);
        // The drawn log can lack the latest messages. The next drawing has them.
        if self.older > log.received() {
            return false;
        }
        while self.older >= log.oldest() && self.older > 0 {
            if looked_at >= STEP || gathered >= GATHERED_STEP {
                return false;
            }
            if self.times.len() >= self.room() {
                break;
            }
            if let Some(received) = log.get(self.older)
                && received.message.topic == self.topic
            {
                gathered += 1;
                self.push_older(&received.message);
            }
            looked_at += 1;
            self.older -= 1;
        }
        self.older = 0;
        true
    }

    /// The numbers of a message with the indexes of their fields. Adds unknown fields while there is room.
    fn found(&mut self, message: &Message) -> Vec<(usize, Value)> {
        let mut left_out = 0;
        let mut found = Vec::new();
        let unix_ms = message.received_at.as_ms() as f64;
        if message.payload.len() > numbers::BYTES_MAX {
            self.too_large += 1;
            self.version += 1;
        }
        for (path, value) in numbers::numbers(&message.payload) {
            let kind = value.kind(&path, unix_ms);
            let place = match self.places.get(&path) {
                Some(place) => *place,
                None if self.fields.len() < FIELDS_MAX => {
                    let place = self.fields.len();
                    self.places.insert(path.clone(), place);
                    self.fields.push(Field {
                        path,
                        kind,
                        values: VecDeque::new(),
                        wanted: None,
                    });
                    place
                }
                None => {
                    left_out += 1;
                    continue;
                }
            };
            let known = &mut self.fields[place].kind;
            if *known == FieldKind::OnOff && kind != FieldKind::OnOff {
                // The field has other values than on and off.
                *known = kind;
            }
            found.push((place, value));
        }
        self.left_out = self.left_out.max(left_out);
        found
    }

    /// Messages that are kept.
    pub(crate) fn room(&self) -> usize {
        POINTS_MAX.min(NUMBERS_MAX / self.fields.len().max(1))
    }

    pub(crate) fn points(&self) -> usize {
        self.times.len()
    }

    /// Whether older messages of the log are still to be examined.
    pub(crate) fn is_gathering(&self) -> bool {
        self.older > 0
    }

    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Number of fields that did not fit.
    pub(crate) fn left_out(&self) -> usize {
        self.left_out
    }

    /// Messages that are too large to be searched for numbers.
    pub(crate) fn too_large(&self) -> u64 {
        self.too_large
    }

    /// Grows with each change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Whether each field is drawn: by the person's choice, and by default the first fields that are measurements.
    pub(crate) fn shown(&self) -> Vec<bool> {
        let mut unasked = 0;
        let fields = self.fields.iter();
        fields
            .map(|field| {
                let is_measured = matches!(field.kind, FieldKind::Number | FieldKind::OnOff);
                unasked += usize::from(is_measured);
                field.wanted.unwrap_or(is_measured && unasked <= SHOWN_MAX)
            })
            .collect()
    }

    /// Seconds since the Unix epoch, ascending.
    pub(crate) fn times(&self) -> Vec<f64> {
        self.times.iter().copied().collect()
    }

    /// The values of a field, one for each time; NaN where it is missing.
    pub(crate) fn values(&self, field: usize) -> Vec<f64> {
        let field = self.fields.get(field);
        field.map_or_else(Vec::new, |it| it.values.iter().copied().collect())
    }
}

fn seconds(message: &Message) -> f64 {
    message.received_at.as_ms() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::super::messages::tests::message;
    use super::*;
    use crate::labels;

    /// A log and charts with the same messages.
    #[derive(Default)]
    struct Page {
        log: MessageLog,
        charts: Charts,
    }

    impl Page {
        fn push(&mut self, topic: &str, payload: &str) {
            let message = message(topic, payload.as_bytes());
            self.charts.push(&message);
            self.log.push(message, Vec::new());
        }

        fn gather(&mut self) -> &TopicNumbers {
            while !self.charts.gather("t", &self.log) {}
            self.charts.get("t").unwrap()
        }
    }

    fn page(payloads: &[&str]) -> Page {
        let mut page = Page::default();
        for payload in payloads {
            page.push("t", payload);
            page.push("other", "7");
        }
        page
    }

    fn names(numbers: &TopicNumbers) -> Vec<String> {
        let fields = numbers.fields().iter();
        fields
            .map(|it| labels::payload::field_path(&it.path))
            .collect()
    }

    #[test]
    fn plain_numbers_are_one_field() {
        let mut page = page(&["1", "two", "3"]);
        let numbers = page.gather();
        assert_eq!((numbers.points(), numbers.values(0)), (2, vec![1.0, 3.0]));
    }

    #[test]
    fn each_field_has_gaps_where_it_is_missing() {
        let mut page = page(&[r#"{"a":1}"#, r#"{"b":2,"a":3}"#]);
        page.gather();
        page.push("t", r#"{"b":4,"c":{"d":5}}"#);
        let numbers = page.charts.get("t").unwrap();
        assert_eq!(names(numbers), ["b", "a", "c › d"]);
        let is_gap =
            |field| -> Vec<bool> { numbers.values(field).iter().map(|it| it.is_nan()).collect() };
        assert_eq!(is_gap(0), [true, false, false]);
        assert_eq!(is_gap(1), [false, false, true]);
        assert_eq!(is_gap(2), [true, true, false]);
    }

    #[test]
    fn clearing_the_log_ends_no_chart() {
        let mut page = page(&["1", "2"]);
        page.gather();
        page.log.clear();
        page.push("t", "3");
        assert_eq!(page.gather().values(0), [1.0, 2.0, 3.0]);
        // The topic was not viewed before, so its numbers come from the log alone.
        while !page.charts.gather("other", &page.log) {}
        assert_eq!(page.charts.get("other").unwrap().points(), 0);
    }

    #[test]
    fn messages_that_arrive_while_the_log_is_read_are_counted_once() {
        let mut page = Page::default();
        for number in 0..3 * GATHERED_STEP {
            page.push("t", &number.to_string());
        }
        assert!(!page.charts.gather("t", &page.log));
        page.push("t", "-1");
        let values = page.gather().values(0);
        assert_eq!(values.len(), 3 * GATHERED_STEP + 1);
        assert!(values[..3 * GATHERED_STEP].is_sorted() && values[3 * GATHERED_STEP] == -1.0);
    }

    #[test]
    fn the_oldest_points_make_room_and_so_do_topics() {
        let mut page = page(&["0"]);
        page.gather();
        for number in 1..POINTS_MAX + 5 {
            page.push("t", &number.to_string());
        }
        let numbers = page.charts.get("t").unwrap();
        assert_eq!((numbers.points(), numbers.values(0)[0]), (POINTS_MAX, 5.0));
        for topic in 0..TOPICS_MAX {
            page.charts.gather(&topic.to_string(), &page.log);
        }
        assert!(page.charts.get("t").is_none());
        assert_eq!(page.charts.topics.len(), TOPICS_MAX);
    }

    #[test]
    fn all_fields_are_offered_and_any_can_be_shown() {
        let fields: Vec<_> = (1..=10).map(|it| format!("\"f{it}\":{it}")).collect();
        let mut page = page(&[&format!("{{{}}}", fields.join(","))]);
        let shown = |numbers: &TopicNumbers| numbers.shown().iter().filter(|it| **it).count();
        let numbers = page.gather();
        assert_eq!(
            (numbers.fields().len(), shown(numbers), numbers.left_out()),
            (10, SHOWN_MAX, 0)
        );
        page.charts.show("t", 9, true);
        page.charts.show("t", 0, false);
        let shown = page.charts.get("t").unwrap().shown();
        assert!(shown[9] && !shown[0] && shown[1]);
    }

    #[test]
    fn times_identifiers_and_texts_are_offered_but_not_drawn_by_default() {
        let mut page = page(&[]);
        page.gather();
        let mut message = (*message(
            "t",
            br#"{"ts":1796000000000,"id":7,"temp":21.5,"on":true,"text":"21.5 C"}"#,
        ))
        .clone();
        message.received_at = tabmq_worker::Time::from_ms(1_796_000_000_123);
        page.charts.push(&message);
        let numbers = page.charts.get("t").unwrap();
        assert_eq!(numbers.shown(), [false, false, true, true, false]);
    }

    #[test]
    fn fields_without_room_are_counted() {
        let elements: Vec<_> = (0..FIELDS_MAX + 3).map(|it| it.to_string()).collect();
        let mut page = page(&[&format!("[{}]", elements.join(","))]);
        let numbers = page.gather();
        assert_eq!(
            (numbers.fields().len(), numbers.left_out()),
            (FIELDS_MAX, 3)
        );
        assert_eq!(numbers.room(), NUMBERS_MAX / FIELDS_MAX);
    }
}
