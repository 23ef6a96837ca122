//! A payload as lines. The beginnings of lines are found in steps, and a line becomes text only when it is drawn. So a
//! megabyte neither blocks the page nor exists twice.

use data_encoding::BASE64;

use crate::payload::Format;
use crate::payload::json::{self, Problem};
use indenter::{Indenter, json_line};

mod indenter;

/// Lines that are found. More would make a list higher than browsers allow.
pub(crate) const LINES_MAX: usize = 500_000;

/// Bytes in a line of hexadecimal.
const HEX_BYTES: usize = 16;

/// Bytes in a line of Base64: 76 characters, the maximum of MIME.
const BASE64_BYTES: usize = 57;

/// Lines or tokens between two looks at the clock.
const STEP: usize = 512;

/// No line is wrapped.
pub(crate) const UNWRAPPED: usize = usize::MAX;

/// The lines of one payload in one format.
#[derive(Debug)]
pub(crate) struct Lines {
    format: Format,
    /// Characters after which a line is wrapped.
    columns: usize,
    work: Work,
    rows: Vec<Row>,
    problem: Option<Problem>,
    is_through: bool,
}

/// The position of a line's bytes.
#[derive(Clone, Copy, Debug)]
struct Row {
    start: u32,
    end: u32,
    level: u16,
    /// Whether it continues a JSON string of the line before.
    is_in_string: bool,
}

#[derive(Debug)]
enum Work {
    /// Nothing to find: the lines follow from the payload's length.
    Computed,
    /// Text up to this byte is split into lines.
    Text(usize),
    Json(Box<Indenter>),
}

impl Lines {
    pub(crate) fn new(format: Format, bytes: &[u8], columns: usize) -> Self {
        let is_utf8 = || json::check_utf8(bytes).err();
        let (work, problem) = match format {
            Format::Hex | Format::Base64 => (Work::Computed, None),
            Format::Text => (Work::Text(0), is_utf8()),
            Format::Json => (Work::Json(Box::new(Indenter::new())), is_utf8()),
        };
        Self {
            format,
            columns: columns.max(8),
            is_through: problem.is_some() || matches!(work, Work::Computed),
            work,
            rows: Vec::new(),
            problem,
        }
    }

    /// Finds more lines until all are found or the time is up. Returns whether all are found.
    pub(crate) fn advance(&mut self, bytes: &[u8], mut is_time_up: impl FnMut() -> bool) -> bool {
        while !self.is_through {
            for _ in 0..STEP {
                if self.rows.len() >= LINES_MAX {
                    self.is_through = true;
                }
                if self.is_through {
                    return true;
                }
                match &mut self.work {
                    Work::Computed => self.is_through = true,
                    Work::Text(at) => match text_row(bytes, *at, self.columns) {
                        (row, Some(next)) => {
                            self.rows.push(row);
                            *at = next;
                        }
                        (row, None) => {
                            self.rows.push(row);
                            self.is_through = true;
                        }
                    },
                    Work::Json(indenter) => {
                        match indenter.advance(bytes, self.columns, &mut self.rows) {
                            Ok(true) => {}
                            Ok(false) => self.is_through = true,
                            Err(problem) => {
                                self.problem = Some(problem);
                                self.is_through = true;
                            }
                        }
                    }
                }
            }
            if is_time_up() {
                break;
            }
        }
        self.is_through
    }

    pub(crate) fn is_through(&self) -> bool {
        self.is_through
    }

    /// Why the bytes cannot be shown in this format.
    pub(crate) fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// Number of JSON values: several in JSON Lines.
    pub(crate) fn values(&self) -> usize {
        match &self.work {
            Work::Json(indenter) => indenter.scanner.values(),
            Work::Computed | Work::Text(_) => 1,
        }
    }

    /// Lines that are found so far.
    pub(crate) fn len(&self, bytes: &[u8]) -> usize {
        match self.format {
            Format::Hex => bytes.len().div_ceil(HEX_BYTES).min(LINES_MAX),
            Format::Base64 => bytes.len().div_ceil(BASE64_BYTES).min(LINES_MAX),
            Format::Text | Format::Json => self.rows.len(),
        }
    }

    /// Number of bytes that are split into lines.
    pub(crate) fn done(&self, bytes: &[u8]) -> usize {
        match &self.work {
            Work::Computed => bytes.len().min(self.len(bytes) * self.bytes_per_line()),
            Work::Text(_) if self.is_cut(bytes) => self.rows.last().map_or(0, |it| it.end as usize),
            Work::Text(_) if self.is_through => bytes.len(),
            Work::Text(at) => *at,
            Work::Json(indenter) => indenter.scanner.at(),
        }
    }

    /// Whether the payload has more lines than can be found.
    pub(crate) fn is_cut(&self, bytes: &[u8]) -> bool {
        self.is_through
            && self.problem.is_none()
            && match &self.work {
                Work::Computed => self.len(bytes) * self.bytes_per_line() < bytes.len(),
                Work::Text(_) | Work::Json(_) => self.rows.len() >= LINES_MAX,
            }
    }

    fn bytes_per_line(&self) -> usize {
        match self.format {
            Format::Hex => HEX_BYTES,
            Format::Base64 => BASE64_BYTES,
            Format::Text | Format::Json => 1,
        }
    }

    /// A line's text.
    pub(crate) fn line(&self, bytes: &[u8], index: usize) -> String {
        let computed = |length: usize| {
            let start = index * length;
            bytes
                .get(start..bytes.len().min(start + length))
                .unwrap_or_default()
        };
        match self.format {
            Format::Hex => hex_line(index * HEX_BYTES, computed(HEX_BYTES)),
            Format::Base64 => BASE64.encode(computed(BASE64_BYTES)),
            Format::Text | Format::Json => {
                let Some(row) = self.rows.get(index) else {
                    return String::new();
                };
                let bytes = bytes.get(row.start as usize..row.end as usize);
                let bytes = bytes.unwrap_or_default();
                match self.format {
                    Format::Json => json_line(*row, bytes),
                    _ => String::from_utf8_lossy(bytes).into_owned(),
                }
            }
        }
    }

    /// These lines as one text.
    pub(crate) fn text(&self, bytes: &[u8], lines: std::ops::Range<usize>) -> String {
        let lines = lines.start..lines.end.min(self.len(bytes));
        let lines: Vec<String> = lines.map(|it| self.line(bytes, it)).collect();
        lines.join("\n")
    }
}

/// The offset, the bytes, and the characters of ASCII among them.
fn hex_line(offset: usize, bytes: &[u8]) -> String {
    let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let readable = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '·',
    };
    let ascii: String = bytes.iter().map(readable).collect();
    format!("{offset:06x}  {:<47}  {ascii}", hex.join(" "))
}

/// The line of text that begins here, and the beginning of the next one.
fn text_row(bytes: &[u8], start: usize, columns: usize) -> (Row, Option<usize>) {
    let rest = bytes.get(start..).unwrap_or_default();
    // No character has more than four bytes.
    let longest = columns.saturating_mul(4).saturating_add(1).min(rest.len());
    let newline = rest[..longest].iter().position(|it| *it == b'\n');
    let end = match newline {
        Some(length) if length <= columns => start + length,
        _ => start + cut(&rest[..newline.unwrap_or(longest)], columns),
    };
    let row = Row {
        start: place(start),
        end: place(end),
        level: 0,
        is_in_string: false,
    };
    let next = match bytes.get(end) {
        None => None,
        Some(b'\n') => Some(end + 1),
        Some(_) => Some(end),
    };
    (row, next)
}

/// Number of bytes of this many characters, or of all.
fn cut(bytes: &[u8], characters: usize) -> usize {
    let is_first = |byte: &u8| !(0x80..0xc0).contains(byte);
    let mut firsts = bytes.iter().enumerate().filter(|(_, it)| is_first(it));
    firsts.nth(characters).map_or(bytes.len(), |(at, _)| at)
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines, found in the smallest possible steps.
    fn lines(format: Format, bytes: &[u8], columns: usize) -> Result<Vec<String>, Problem> {
        let mut lines = Lines::new(format, bytes, columns);
        while !lines.advance(bytes, || true) {}
        match lines.problem() {
            Some(problem) => Err(*problem),
            None => Ok((0..lines.len(bytes))
                .map(|it| lines.line(bytes, it))
                .collect()),
        }
    }

    fn json(text: &str) -> Vec<String> {
        lines(Format::Json, text.as_bytes(), UNWRAPPED).unwrap()
    }

    #[test]
    fn json_is_indented_and_tokens_are_unchanged() {
        for (text, expected) in [
            (
                "{\"b\":1.10,\"a\":12345678901234567890123}",
                &[
                    "{",
                    "  \"b\": 1.10,",
                    "  \"a\": 12345678901234567890123",
                    "}",
                ][..],
            ),
            (
                "{\"z\":127.0,\"o\":0.10,\"m\":-0}",
                &["{", "  \"z\": 127.0,", "  \"o\": 0.10,", "  \"m\": -0", "}"],
            ),
            (
                "[1e2,1e999,1E+2]",
                &["[", "  1e2,", "  1e999,", "  1E+2", "]"],
            ),
            (
                "{\"k\":1,\"k\":2}",
                &["{", "  \"k\": 1,", "  \"k\": 2", "}"],
            ),
            (
                "{\"$serde_json::private::Number\":\"12\"}",
                &["{", "  \"$serde_json::private::Number\": \"12\"", "}"],
            ),
            (
                "[\"\\u00e9\\/\\ud800 : { \\\" \"]",
                &["[", "  \"\\u00e9\\/\\ud800 : { \\\" \"", "]"],
            ),
            (" { } ", &["{}"]),
            ("[ [ ] , { } ]", &["[", "  [],", "  {}", "]"]),
            (
                "\t{\"a\"\n:\r\n[true , null]}",
                &["{", "  \"a\": [", "    true,", "    null", "  ]", "}"],
            ),
            ("\"a b\"", &["\"a b\""]),
        ] {
            assert_eq!(json(text), expected, "{text}");
        }
    }

    #[test]
    fn depth_has_no_limit() {
        let text = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(json(&text).len(), 399);
        let text = format!("{}1{}", "{\"a\":".repeat(150), "}".repeat(150));
        let lines = json(&text);
        assert_eq!((lines.len(), lines[1].as_str()), (301, "  \"a\": {"));
        assert!(lines[150].ends_with("\"a\": 1") && lines[300] == "}");
        let text = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(json(&text)[100_000].trim_start(), "]");
    }

    #[test]
    fn several_values_follow_each_other() {
        assert_eq!(json("{\"a\":1}\n2\n"), ["{", "  \"a\": 1", "}", "2"]);
    }

    #[test]
    fn invalid_json_is_reported_with_its_place() {
        let problem = |bytes| lines(Format::Json, bytes, UNWRAPPED).unwrap_err();
        assert_eq!(
            problem("\u{feff}{}".as_bytes()).kind,
            json::ProblemKind::ByteOrderMark
        );
        assert_eq!(
            problem(b"{\"a\":1} {\"a\":2}").kind,
            json::ProblemKind::AnotherValue
        );
        assert_eq!(problem(b"[\xff]").at, 1);
    }

    #[test]
    fn long_lines_are_wrapped_and_nothing_is_lost() {
        let text = format!("{{\"name\":\"{}\",\"n\":[1]}}", "a \\\\\\\" :ü".repeat(300));
        let unwrapped = json(&text).join("");
        for columns in 8..30 {
            let wrapped = lines(Format::Json, text.as_bytes(), columns).unwrap();
            assert_eq!(wrapped.join(""), unwrapped);
            assert!(
                wrapped
                    .iter()
                    .all(|it| it.chars().count() <= columns.max(16) + 2)
            );
            let plain = lines(Format::Text, text.as_bytes(), columns).unwrap();
            assert_eq!(plain.join(""), text);
            assert!(plain.iter().all(|it| it.chars().count() <= columns));
        }
    }

    #[test]
    fn text_keeps_its_lines() {
        let text = |text: &str| lines(Format::Text, text.as_bytes(), 8).unwrap();
        assert_eq!(text(""), [""]);
        assert_eq!(text("a\nb"), ["a", "b"]);
        assert_eq!(text("a\r\n\n"), ["a\r", "", ""]);
        assert_eq!(text("12345678\n1"), ["12345678", "1"]);
        assert_eq!(text("123456789"), ["12345678", "9"]);
        assert_eq!(text("üüüüüüüüü"), ["üüüüüüüü", "ü"]);
    }

    #[test]
    fn hex_and_base64_have_lines_of_one_length() {
        let hex = lines(Format::Hex, b"0123456789abcdef\x00A", 80).unwrap();
        assert!(hex[0].starts_with("000000  30 31 ") && hex[0].ends_with("  0123456789abcdef"));
        assert!(hex[1].starts_with("000010  00 41 ") && hex[1].ends_with("  \u{b7}A"));
        let bytes = vec![7; 1_000_000];
        let base64 = lines(Format::Base64, &bytes, 80).unwrap();
        assert_eq!((base64.len(), base64[0].len()), (17_544, 76));
        assert_eq!(base64.concat(), BASE64.encode(&bytes));
    }

    #[test]
    fn no_more_lines_are_found_than_a_list_can_have() {
        let bytes = vec![b'\n'; LINES_MAX + 5];
        let mut lines = Lines::new(Format::Text, &bytes, 80);
        assert!(!lines.advance(&bytes, || true) && !lines.is_cut(&bytes));
        while !lines.advance(&bytes, || false) {}
        assert!(lines.is_cut(&bytes));
        assert_eq!(
            (lines.len(&bytes), lines.done(&bytes)),
            (LINES_MAX, LINES_MAX - 1)
        );
    }
}
