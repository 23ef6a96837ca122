//! Compares two payloads in steps.

use std::ops::Range;

use crate::payload::Format;
use crate::payload::lines::Lines;
use line_matcher::{LineIds, LineMatcher};

mod line_matcher;
mod myers;

/// Size up to which payloads are compared line by line, in bytes.
const BYTES_MAX: usize = 4 << 20;

/// Number of lines up to which payloads are compared line by line.
const LINES_MAX: usize = 200_000;

/// Characters after which a line is wrapped, so that no line is too long to draw.
const COLUMNS: usize = 1_000;

/// Unchanged lines that are shown around a change.
const CONTEXT: usize = 3;

/// Up to this many lines, unchanged lines are not left out.
const WHOLE_LINES_MAX: usize = 200;

/// A row of the comparison: a line, or several lines that are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// Index in the later payload.
    Same(usize),
    /// Index in the earlier payload.
    Removed(usize),
    /// Index in the later payload.
    Added(usize),
    /// Number of unchanged lines.
    LeftOut(usize),
}

/// The result of comparing two payloads.
#[derive(Debug)]
pub(crate) enum Diff {
    Identical,
    /// The offset of the first difference.
    TooLarge(usize),
    Lines(Box<LineDiff>),
}

/// Compares two payloads line by line: as JSON, as text or in hexadecimal, whichever fits both.
#[derive(Debug)]
pub(crate) struct LineDiff {
    format: Format,
    before: Lines,
    after: Lines,
    work: Work,
    rows: Vec<Row>,
    removed: usize,
    added: usize,
    is_in_place: bool,
}

#[derive(Debug)]
enum Work {
    Split,
    Name(LineIds),
    Match(Box<LineMatcher>),
    Done,
    /// There are too many lines.
    GivenUp,
}

impl Diff {
    pub(crate) fn new(before: &[u8], after: &[u8]) -> Self {
        if before == after {
            return Self::Identical;
        }
        if before.len().max(after.len()) > BYTES_MAX {
            return Self::TooLarge(first_difference(before, after));
        }
        Self::Lines(Box::new(LineDiff::new(Format::Json, before, after)))
    }

    /// Continues until it is done or the time is up. Returns whether it is done.
    pub(crate) fn advance(
        &mut self,
        before: &[u8],
        after: &[u8],
        mut is_time_up: impl FnMut() -> bool,
    ) -> bool {
        let Self::Lines(diff) = self else { return true };
        while !matches!(diff.work, Work::Done | Work::GivenUp) {
            diff.step(before, after, &mut is_time_up);
            if is_time_up() {
                break;
            }
        }
        if matches!(diff.work, Work::GivenUp) {
            *self = Self::TooLarge(first_difference(before, after));
            return true;
        }
        matches!(diff.work, Work::Done)
    }
}

/// The bytes of a line between its common prefix and suffix with another line.
pub(crate) fn changed_part(line: &str, other: &str) -> Range<usize> {
    let same = |(a, b): &(char, char)| a == b;
    let head = line.chars().zip(other.chars()).take_while(same);
    let start = head.map(|(it, _)| it.len_utf8()).sum();
    let (line_rest, other_rest) = (&line[start..], &other[start..]);
    let tail = line_rest.chars().rev().zip(other_rest.chars().rev());
    let tail: usize = tail.take_while(same).map(|(it, _)| it.len_utf8()).sum();
    start..line.len() - tail
}

fn first_difference(before: &[u8], after: &[u8]) -> usize {
    before.iter().zip(after).take_while(|(a, b)| a == b).count()
}

impl LineDiff {
    fn new(format: Format, before: &[u8], after: &[u8]) -> Self {
        Self {
            format,
            before: Lines::new(format, before, COLUMNS),
            after: Lines::new(format, after, COLUMNS),
            work: Work::Split,
            rows: Vec::new(),
            removed: 0,
            added: 0,
            is_in_place: false,
        }
    }

    fn step(&mut self, before: &[u8], after: &[u8], is_time_up: &mut impl FnMut() -> bool) {
        match &mut self.work {
            Work::Split => {
                let is_through = self.before.advance(before, &mut *is_time_up)
                    && self.after.advance(after, &mut *is_time_up);
                if is_through {
                    self.after_split(before, after);
                }
            }
            Work::Name(names) => {
                let LineIds {
                    numbers,
                    before: named_before,
                    after: named_after,
                } = names;
                let is_through =
                    LineIds::advance(numbers, named_before, &self.before, before, is_time_up)
                        && LineIds::advance(numbers, named_after, &self.after, after, is_time_up);
                if is_through {
                    self.work = Work::Match(Box::new(LineMatcher::new(names)));
                }
            }
            Work::Match(matching) => {
                if matching.advance(is_time_up) {
                    (self.removed, self.added) = (matching.removed, matching.added);
                    self.is_in_place = matching.is_in_place;
                    self.rows = without_unchanged(&matching.rows);
                    self.work = Work::Done;
                }
            }
            Work::Done | Work::GivenUp => {}
        }
    }

    fn after_split(&mut self, before: &[u8], after: &[u8]) {
        let fits = |lines: &Lines, bytes: &[u8]| match self.format {
            Format::Json | Format::Base64 => lines.problem().is_none(),
            Format::Text => Format::readable(bytes) == Format::Text,
            Format::Hex => true,
        };
        if !(fits(&self.before, before) && fits(&self.after, after)) {
            let next = match self.format {
                Format::Json => Format::Text,
                Format::Text | Format::Hex | Format::Base64 => Format::Hex,
            };
            *self = Self::new(next, before, after);
            return;
        }
        let lines = self.before.len(before).max(self.after.len(after));
        self.work = match lines > LINES_MAX {
            true => Work::GivenUp,
            false => Work::Name(LineIds::default()),
        };
    }

    /// Rough progress.
    pub(crate) fn percent(&self, before: &[u8], after: &[u8]) -> usize {
        let share = |done: usize, all: usize| done * 100 / all.max(1);
        match &self.work {
            Work::Split => {
                let done = self.before.done(before) + self.after.done(after);
                share(done, before.len() + after.len()) / 3
            }
            Work::Name(names) => {
                let all = self.before.len(before) + self.after.len(after);
                33 + share(names.before.len() + names.after.len(), all) / 3
            }
            Work::Match(matching) => {
                let all = matching.after.len();
                66 + share(matching.position.1, all) / 3
            }
            Work::Done | Work::GivenUp => 100,
        }
    }

    /// The rows, from the top. Empty until the comparison is done.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(crate) fn removed(&self) -> usize {
        self.removed
    }

    pub(crate) fn added(&self) -> usize {
        self.added
    }

    /// Whether no line differs, although bytes differ.
    pub(crate) fn is_same_values(&self) -> bool {
        self.removed == 0 && self.added == 0
    }

    /// Whether there were too many changes to find the fewest.
    pub(crate) fn is_in_place(&self) -> bool {
        self.is_in_place
    }

    /// The line that replaced this one, or that this one replaced; `None` if it is not one for one.
    pub(crate) fn counterpart(&self, index: usize) -> Option<Row> {
        let row = |at: Option<usize>| at.and_then(|at| self.rows.get(at)).copied();
        let is_removed = |it: Option<Row>| matches!(it, Some(Row::Removed(_)));
        let is_added = |it: Option<Row>| matches!(it, Some(Row::Added(_)));
        let removed = match row(Some(index))? {
            Row::Removed(_) => index,
            Row::Added(_) => index.checked_sub(1)?,
            Row::Same(_) | Row::LeftOut(_) => return None,
        };
        let is_pair = is_removed(row(Some(removed)))
            && is_added(row(Some(removed + 1)))
            && !is_removed(row(removed.checked_sub(1)))
            && !is_added(row(Some(removed + 2)));
        let counterpart = if removed == index { index + 1 } else { removed };
        row(Some(counterpart)).filter(|_| is_pair)
    }

    /// A row's text; `None` for several lines that are left out.
    pub(crate) fn text(&self, row: Row, before: &[u8], after: &[u8]) -> Option<String> {
        match row {
            Row::Same(line) | Row::Added(line) => Some(self.after.line(after, line)),
            Row::Removed(line) => Some(self.before.line(before, line)),
            Row::LeftOut(_) => None,
        }
    }
}

/// Leaves out unchanged lines far from all changes, if there are many lines.
fn without_unchanged(rows: &[Row]) -> Vec<Row> {
    if rows.len() <= WHOLE_LINES_MAX {
        return rows.to_vec();
    }
    let mut shown = Vec::new();
    let is_same = |row: &Row| matches!(row, Row::Same(_));
    let mut at = 0;
    while let Some(rest) = rows.get(at..).filter(|it| !it.is_empty()) {
        let same = rest.iter().take_while(|it| is_same(it)).count();
        let changed = rest[same..].iter().take_while(|it| !is_same(it)).count();
        let head = if at == 0 { 0 } else { CONTEXT };
        let tail = if changed == 0 { 0 } else { CONTEXT };
        if same > head + tail + 1 {
            shown.extend_from_slice(&rest[..head]);
            shown.push(Row::LeftOut(same - head - tail));
            shown.extend_from_slice(&rest[same - tail..same]);
        } else {
            shown.extend_from_slice(&rest[..same]);
        }
        shown.extend_from_slice(&rest[same..same + changed]);
        at += same + changed;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(before: &[u8], after: &[u8]) -> Diff {
        let mut diff = Diff::new(before, after);
        // The smallest possible steps.
        while !diff.advance(before, after, || true) {}
        diff
    }

    fn compared(before: &[u8], after: &[u8]) -> Box<LineDiff> {
        match diff(before, after) {
            Diff::Lines(diff) => diff,
            other => panic!("{other:?}"),
        }
    }

    /// The rows, each with a sign at its beginning.
    fn signed(before: &[u8], after: &[u8]) -> Vec<String> {
        let diff = compared(before, after);
        let signed = |row: &Row| {
            let text = diff.text(*row, before, after);
            match row {
                Row::Same(_) => format!(" {}", text.unwrap()),
                Row::Removed(_) => format!("-{}", text.unwrap()),
                Row::Added(_) => format!("+{}", text.unwrap()),
                Row::LeftOut(lines) => format!("@{lines}"),
            }
        };
        diff.rows().iter().map(signed).collect()
    }

    #[test]
    fn json_is_compared_field_by_field() {
        let signed = signed(br#"{"t":20,"on":true}"#, br#"{"t":21,"on":true}"#);
        assert_eq!(
            signed,
            [
                " {",
                "-  \"t\": 20,",
                "+  \"t\": 21,",
                "   \"on\": true",
                " }"
            ]
        );
    }

    #[test]
    fn the_changed_part_of_a_line_is_found() {
        let part = |line: &'static str, other| &line[changed_part(line, other)];
        assert_eq!(
            (part("t: 20,", "t: 215,"), part("t: 215,", "t: 20,")),
            ("0", "15")
        );
        assert_eq!((part("aa", "aaa"), part("aaa", "aa")), ("", "a"));
        assert_eq!((part("ü", "é"), part("x", "")), ("ü", "x"));
    }

    #[test]
    fn only_a_line_that_one_line_replaced_has_a_counterpart() {
        let diff = compared(b"a\nb\nc\nd\ne", b"a\nB\nc\nD\nD2\ne");
        let counterparts: Vec<_> = (0..diff.rows().len())
            .map(|it| diff.counterpart(it))
            .collect();
        let expected = [
            None,
            Some(Row::Added(1)),
            Some(Row::Removed(1)),
            None,
            None,
            None,
            None,
            None,
        ];
        assert_eq!(counterparts, expected);
    }

    #[test]
    fn an_equal_name_that_changes_is_a_change() {
        let signed = signed(br#"{"k":1,"k":2}"#, br#"{"k":3,"k":2}"#);
        assert_eq!(
            signed,
            [" {", "-  \"k\": 1,", "+  \"k\": 3,", "   \"k\": 2", " }"]
        );
    }

    #[test]
    fn another_spelling_of_a_value_is_a_change() {
        for (before, after) in [
            ("[1e2]", "[1e+2]"),
            ("[0.10]", "[0.1]"),
            ("[\"\\u00e9\"]", "[\"é\"]"),
        ] {
            let diff = compared(before.as_bytes(), after.as_bytes());
            assert_eq!((diff.removed(), diff.added()), (1, 1), "{before}");
        }
    }

    #[test]
    fn other_white_space_is_reported_and_not_called_identical() {
        let diff = compared(b"{\"a\":1}", b"{ \"a\": 1 }");
        assert!(diff.is_same_values());
        assert!(matches!(super::Diff::new(b"{}", b"{}"), Diff::Identical));
        // In a text, white space between words is a change.
        assert!(!compared(b"a b", b"a  b").is_same_values());
        assert!(!compared(b"a\n", b"a").is_same_values());
        assert!(!compared(b"a\r\n", b"a\n").is_same_values());
    }

    #[test]
    fn bytes_that_are_not_text_are_compared_in_hexadecimal() {
        let signed = signed(&[0xff], b"a");
        assert!(signed[0].starts_with("-000000  ff") && signed[1].starts_with("+000000  61"));
    }

    #[test]
    fn very_large_payloads_are_not_compared_line_by_line() {
        let mut large = vec![b'a'; BYTES_MAX + 1];
        large[7] = b'b';
        assert!(matches!(
            diff(&vec![b'a'; BYTES_MAX + 1], &large),
            Diff::TooLarge(7)
        ));
        let lines = vec![b'\n'; LINES_MAX + 1];
        assert!(matches!(diff(&lines, b"\nx"), Diff::TooLarge(1)));
    }

    #[test]
    fn the_fewest_changes_are_found_and_lead_from_one_text_to_the_other() {
        // A generator of texts with many equal lines.
        let mut state = 7_u32;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % below
        };
        for round in 0..300 {
            let mut text = |lines: u32| -> Vec<String> {
                (0..next(lines) + 1).map(|_| next(5).to_string()).collect()
            };
            let (before, after) = (text(12), text(12));
            if before == after {
                continue;
            }
            let signed = signed(before.join("\n").as_bytes(), after.join("\n").as_bytes());
            let side = |sign: &str| -> Vec<String> {
                let lines = signed
                    .iter()
                    .filter(|it| it.starts_with(' ') || it.starts_with(sign));
                lines.map(|it| it[1..].to_owned()).collect()
            };
            assert_eq!((side("-"), side("+")), (before, after), "round {round}");
        }
    }

    #[test]
    fn unchanged_lines_far_from_all_changes_are_left_out() {
        let numbers = |changed: usize| {
            let line = |it: usize| {
                if it == changed {
                    "x".to_owned()
                } else {
                    it.to_string()
                }
            };
            (0..1_000).map(line).collect::<Vec<_>>().join("\n")
        };
        let signed = signed(numbers(500).as_bytes(), numbers(2_000).as_bytes());
        assert_eq!(
            signed,
            [
                "@497", " 497", " 498", " 499", "-x", "+500", " 501", " 502", " 503", "@496"
            ]
        );
    }

    #[test]
    fn too_many_changes_are_compared_in_their_places() {
        let lines = |seed: usize| -> String {
            let line = |it: usize| ((it * seed) % 7).to_string();
            (0..5_000).map(line).collect::<Vec<_>>().join("\n")
        };
        let (before, after) = (lines(1), lines(3));
        let diff = compared(before.as_bytes(), after.as_bytes());
        assert!(diff.is_in_place() && diff.removed() == diff.added());
        let rows = diff.rows().iter();
        let last = rows.filter(|it| !matches!(it, Row::Same(_) | Row::LeftOut(_)));
        let last: Vec<_> = last.rev().take(2).collect();
        assert!(matches!(last[..], [Row::Added(b), Row::Removed(a)] if a == b));
    }
}
