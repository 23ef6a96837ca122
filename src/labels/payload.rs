//! Payloads: views, comparison, charts, copying and saving.

use super::figures::{count, duration};
use crate::payload::json::{Expected, Problem, ProblemKind};
use crate::payload::numbers::{FieldKind, Key};
use crate::payload::size::Size;

pub(crate) const LOOKS: &str = "Show the payload as";
pub(crate) const PAYLOAD: &str = "Payload";
pub(crate) const COPY: &str = "Copy payload";
pub(crate) const COPY_TOPIC: &str = "Copy topic";
pub(crate) const DIFF: &str = "Diff";
pub(crate) const COPY_FORMATTED: &str = "Copy formatted";
pub(crate) const COPY_TEXT: &str = "Copy text";
pub(crate) const COPY_HEX: &str = "Copy hex";
pub(crate) const COPY_BASE64: &str = "Copy Base64";
pub(crate) const SAVE: &str = "Save payload";
pub(crate) const SAVE_HINT: &str = "Download the exact bytes as a file";
pub(crate) const DIFFERENCES: &str = "Changes since the earlier message";
pub(crate) const OLDER: &str = "‹ Older";
pub(crate) const NEWER: &str = "Newer ›";

/// The name of the chart of a topic's numbers.
pub(crate) fn numbers_on(topic: &str) -> String {
    format!("Numbers on {topic}")
}

/// `1 byte`, `1,234 bytes`.
pub(crate) fn bytes(number: usize) -> String {
    counted(number, "byte", "bytes")
}

/// A number with its noun: `1 line`, `1,234 lines`.
pub(crate) fn counted(number: usize, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        count(number as u64),
        if number == 1 { one } else { many }
    )
}

/// Why a typed text is not JSON.
pub(crate) fn invalid_json(problem: &Problem, bytes: &[u8]) -> String {
    format!("Invalid JSON: {}.", json_problem(problem, bytes))
}

/// Why a payload is not shown as JSON.
pub(crate) fn not_json(problem: &Problem, bytes: &[u8]) -> String {
    format!("Not valid JSON: {}.", json_problem(problem, bytes))
}

fn json_problem(problem: &Problem, bytes: &[u8]) -> String {
    let why = match problem.kind {
        ProblemKind::NotUtf8 => {
            return format!("byte {} is not UTF-8", count(problem.at as u64 + 1));
        }
        ProblemKind::ByteOrderMark => {
            return "it begins with a byte order mark (bytes EF BB BF)".to_owned();
        }
        ProblemKind::Empty => return "it has no value".to_owned(),
        ProblemKind::EndsTooEarly => "it ends too early".to_owned(),
        ProblemKind::AnotherValue => "a second value begins after the first".to_owned(),
        ProblemKind::Unexpected { found, expected } => {
            let expected = match expected {
                Expected::Value => "a value",
                Expected::ValueOrClose => "a value or “]”",
                Expected::Name => "a name in quotes",
                Expected::NameOrClose => "a name in quotes or “}”",
                Expected::Colon => "“:”",
                Expected::CommaOrClose => "a comma or a closing bracket",
                Expected::End => "the end",
            };
            format!("“{}” where {expected} should be", found.escape_debug())
        }
        ProblemKind::ControlCharacter(byte) => {
            format!("a string has the control character \\u{byte:04x} without an escape")
        }
        ProblemKind::Escape => "a string has an escape that JSON does not know".to_owned(),
        ProblemKind::Number => "a number is not written as JSON writes it".to_owned(),
    };
    let (line, column) = problem.place(bytes);
    format!(
        "{why} (line {}, column {})",
        count(line as u64),
        count(column as u64)
    )
}

/// A note on a payload with several JSON values.
pub(crate) fn several_values(values: usize) -> String {
    format!(
        "{} values, each on lines of its own (JSON Lines).",
        count(values as u64)
    )
}

/// Why a payload is not shown as text.
pub(crate) fn not_text(problem: &Problem) -> String {
    format!(
        "Not text: byte {} is not UTF-8.",
        count(problem.at as u64 + 1)
    )
}

pub(crate) const HALF_A_BYTE: &str = "Hex needs two digits per byte; the last byte has one.";

pub(crate) fn no_hex_digit(character: char, place: usize) -> String {
    format!("Character {place} (“{character}”) is not a hex digit.")
}

pub(crate) fn not_allowed_in_base64(character: char, place: usize) -> String {
    format!("Character {place} (“{character}”) is not allowed here.")
}

/// An incomplete group of Base64.
pub(crate) fn base64_group(digits: usize) -> String {
    format!("Base64 comes in groups of four; the last group has {digits}.")
}

pub(crate) const EMPTY_PAYLOAD: &str = "Empty payload.";

/// A note after the last line of a payload with more lines than a list can show.
pub(crate) fn lines_left_out(lines: usize, bytes: usize, all: usize) -> String {
    format!(
        "The first {} lines are shown: {} of {}. “{SAVE}” has all.",
        count(lines as u64),
        Size(bytes),
        Size(all)
    )
}

/// While the lines of a payload are found.
pub(crate) fn reading(percent: usize) -> String {
    format!("Reading… {percent} %")
}

pub(crate) const NOTHING_EARLIER: &str = "No earlier message on this topic in the log.";
pub(crate) const IDENTICAL: &str = "Identical to the previous message.";
pub(crate) const IDENTICAL_TO_EARLIER: &str = "Identical to the earlier message.";
pub(crate) const SAME_VALUES: &str =
    "Same values, different bytes: only the white space between the values differs.";
pub(crate) const COMPARED_IN_PLACE: &str =
    "Too many differences to find what moved: these lines are compared in their places.";

/// While two payloads are compared.
pub(crate) fn comparing(percent: usize) -> String {
    format!("Comparing… {percent} %")
}

/// The result of a comparison.
pub(crate) fn differences(removed: usize, added: usize) -> String {
    format!(
        "{} removed, {} added.",
        counted(removed, "line", "lines"),
        count(added as u64)
    )
}

/// Two payloads are too large to be compared line by line. `first_difference` is an offset, from 0.
pub(crate) fn too_large_to_compare(before: usize, after: usize, first_difference: usize) -> String {
    format!(
        "Too large to compare line by line: {} and {}. The first difference is at byte {}.",
        Size(before),
        Size(after),
        count(first_difference as u64 + 1)
    )
}

pub(crate) fn unchanged(lines: usize) -> String {
    format!("{} unchanged", counted(lines, "line", "lines"))
}

/// How much later this message arrived than the earlier one.
pub(crate) fn later_by(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{} ms later", count(ms)),
        ms => format!("{} later", duration(ms)),
    }
}

/// The result of copying.
pub(crate) fn copied(is_copied: bool) -> &'static str {
    match is_copied {
        true => "Copied.",
        false => "The browser blocked copying.",
    }
}

/// A note below a chart: how many points it has.
pub(crate) fn chart_bounds(points: usize, points_max: usize, is_gathering: bool) -> String {
    let bounds = match (points, count(points_max as u64)) {
        (points, most) if points >= points_max => format!("The newest {most} points"),
        (points, most) => format!("{} of at most {most}", counted(points, "point", "points")),
    };
    match is_gathering {
        true => format!("{bounds}; reading the log…"),
        false => format!("{bounds}. Clearing the log keeps them."),
    }
}

/// Messages that are too large to be searched for numbers.
pub(crate) fn too_large_to_chart(messages: u64, bytes_max: usize) -> String {
    let payloads = if messages == 1 { "payload" } else { "payloads" };
    format!(
        "{} {payloads} above {} not charted.",
        count(messages),
        Size(bytes_max)
    )
}

/// Number of drawn fields.
pub(crate) fn charted(shown: usize, all: usize) -> String {
    let all = counted(all, "number", "numbers");
    format!("Charted: {} of {all}", count(shown as u64))
}

pub(crate) fn more_fields(fields: usize) -> String {
    format!("{} more", count(fields as u64))
}

/// Fields that did not fit.
pub(crate) fn fields_left_out(fields: usize, room: usize) -> String {
    format!(
        "{} not offered: {} fields of a topic are kept.",
        counted(fields, "field", "fields"),
        count(room as u64)
    )
}

/// The path of a number in a payload.
pub(crate) fn field_path(path: &[Key]) -> String {
    if path.is_empty() {
        return "value".to_owned();
    }
    let keys: Vec<String> = path
        .iter()
        .map(|key| match key {
            Key::Name(name) if name.is_empty() => "(empty)".to_owned(),
            Key::Name(name) => name.clone(),
            Key::Index(index) => format!("[{index}]"),
        })
        .collect();
    keys.join(" › ")
}

/// The kind of a field's numbers; `None` for plain numbers.
pub(crate) fn field_kind(kind: FieldKind) -> Option<&'static str> {
    match kind {
        FieldKind::Number => None,
        FieldKind::OnOff => Some("on/off"),
        FieldKind::TextWithNumber => Some("text with a number"),
        FieldKind::Time => Some("time"),
        FieldKind::Identifier => Some("ID"),
    }
}

pub(crate) fn on_or_off(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}
