//! Finds the numbers in a payload, for charts: their paths, values and kinds.

use crate::payload::json::{self, Container, Kind, Scanner, Token};

/// Size up to which a payload is searched for numbers, in bytes.
pub(crate) const BYTES_MAX: usize = 1 << 16;

/// Length up to which a text can be a number with its unit, in characters.
const TEXT_CHARS_MAX: usize = 32;

/// One step into a JSON value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Name(String),
    Index(usize),
}

/// The steps from a payload to one of its values; empty if the payload is the value.
pub(crate) type Path = Vec<Key>;

/// A value that a chart can draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    /// A number, also one in quotes.
    Number(f64),
    /// `true`, `"ON"` and the like.
    OnOff(bool),
    /// A number with a unit: `21.5 °C`.
    TextWithNumber(f64),
}

/// The meaning of a field's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Number,
    OnOff,
    TextWithNumber,
    /// A timestamp. It grows forever and would flatten all other lines.
    Time,
    /// An identifier made of digits.
    Identifier,
}

impl Value {
    pub(crate) fn number(self) -> f64 {
        match self {
            Self::Number(number) | Self::TextWithNumber(number) => number,
            Self::OnOff(is_on) => f64::from(u8::from(is_on)),
        }
    }

    /// The kind of a field with this value in a message that arrived at this time.
    pub(crate) fn kind(self, path: &[Key], unix_ms: f64) -> FieldKind {
        match self {
            Self::OnOff(_) => FieldKind::OnOff,
            Self::TextWithNumber(_) => FieldKind::TextWithNumber,
            Self::Number(number) if is_moment(number, unix_ms) => FieldKind::Time,
            Self::Number(number) if is_identifier(number, path) => FieldKind::Identifier,
            Self::Number(_) => FieldKind::Number,
        }
    }
}

/// Whether a number is a timestamp within some years of this time, in s, ms, µs or ns.
fn is_moment(number: f64, unix_ms: f64) -> bool {
    const YEARS_MS: f64 = 5.0 * 365.0 * 86_400_000.0;
    /// In seconds, this is a moment in 2001.
    const LEAST: f64 = 1e9;
    let units_ms = [1e3, 1.0, 1e-3, 1e-6];
    let mut moments = units_ms.into_iter().map(|unit_ms| number * unit_ms);
    number >= LEAST && moments.any(|moment| (moment - unix_ms).abs() < YEARS_MS)
}

fn is_identifier(number: f64, path: &[Key]) -> bool {
    /// Greatest number up to which a float represents every integer. Greater numbers are neither counts nor measurements.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let name = path.iter().rev().find_map(|key| match key {
        Key::Name(name) => Some(name.as_str()),
        Key::Index(_) => None,
    });
    let is_named = name.is_some_and(|name| {
        let lower = name.to_lowercase();
        ["id", "uid", "uuid", "guid", "serial"].contains(&lower.as_str())
            || ["_id", "-id", ".id"].iter().any(|end| lower.ends_with(end))
            || name.ends_with("Id")
            || name.ends_with("ID")
    });
    number.fract() == 0.0 && (is_named || number.abs() > EXACT_MAX)
}

/// All numbers in a payload, in order. The payload is a number, or JSON that contains numbers.
pub(crate) fn numbers(payload: &[u8]) -> Vec<(Path, Value)> {
    if payload.len() > BYTES_MAX {
        return Vec::new();
    }
    let Ok(text) = std::str::from_utf8(payload) else {
        return Vec::new();
    };
    match payload.trim_ascii_start().first() {
        Some(b'{' | b'[' | b'"') => in_json(payload),
        Some(_) => text_value(text)
            .map(|it| (Path::new(), it))
            .into_iter()
            .collect(),
        None => Vec::new(),
    }
}

/// All numbers in one JSON value; none if the bytes are anything else.
fn in_json(bytes: &[u8]) -> Vec<(Path, Value)> {
    let mut scanner = Scanner::new();
    let mut found = Vec::new();
    let mut path = Path::new();
    while let Some(token) = scanner.next(bytes) {
        let Ok(token) = token else {
            return Vec::new();
        };
        let text = bytes.get(token.range()).unwrap_or_default();
        // The last step leads to this value. A container adds a step for its content.
        match token.kind {
            Kind::Open(Container::Array) => path.push(Key::Index(0)),
            Kind::Open(Container::Object) => path.push(Key::Name(String::new())),
            Kind::Close(_) => drop(path.pop()),
            Kind::Name => {
                if let Some(last) = path.last_mut() {
                    *last = Key::Name(json::unescape(text));
                }
            }
            Kind::Comma => {
                if let Some(Key::Index(index)) = path.last_mut() {
                    *index += 1;
                }
            }
            Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null | Kind::Colon => {
                found.extend(token_value(token, text).map(|it| (path.clone(), it)));
            }
        }
    }
    found
}

fn token_value(token: Token, text: &[u8]) -> Option<Value> {
    match token.kind {
        Kind::True => Some(Value::OnOff(true)),
        Kind::False => Some(Value::OnOff(false)),
        Kind::Number => {
            let number = std::str::from_utf8(text).ok()?.parse::<f64>().ok()?;
            number.is_finite().then_some(Value::Number(number))
        }
        Kind::String => text_value(&json::unescape(text)),
        Kind::Open(_) | Kind::Close(_) | Kind::Name | Kind::Null | Kind::Colon | Kind::Comma => {
            None
        }
    }
}

/// The value of a text: a number, a word for on or off, or a number with its unit.
fn text_value(text: &str) -> Option<Value> {
    let text = text.trim();
    if text.len() > TEXT_CHARS_MAX {
        return None;
    }
    match text {
        "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Some(Value::OnOff(true)),
        "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Some(Value::OnOff(false)),
        _ => {}
    }
    let is_number = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    if text.bytes().all(|it| is_number(&it)) {
        let number = text.parse::<f64>().ok()?;
        return number.is_finite().then_some(Value::Number(number));
    }
    number_with_unit(text).map(Value::TextWithNumber)
}

/// Reads `21.5 °C`, `50 %` and `50,5`, but no date, time or address.
fn number_with_unit(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_part = |it: char| it.is_ascii_digit() || it == '.' || it == ',';
    let length = unsigned.find(|it| !is_part(it)).unwrap_or(unsigned.len());
    let (digits, unit) = unsigned.split_at(length);
    let unit = unit.trim_start();
    let is_unit = unit.is_empty()
        || unit.starts_with(|it: char| it.is_alphabetic() || "%‰°€$£¥µ'\"".contains(it))
            && !unit.contains(|it: char| it.is_ascii_digit() && it != '2' && it != '3')
            && !unit.contains(':');
    let digits = match digits.split_once(',') {
        None => digits.to_owned(),
        // Three digits after a comma can be thousands.
        Some((_, behind)) if behind.len() == 3 => return None,
        Some((before, behind)) => format!("{before}.{behind}"),
    };
    let number: f64 = digits.parse().ok()?;
    let number = if text.starts_with('-') {
        -number
    } else {
        number
    };
    (is_unit && number.is_finite()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels;

    fn found(payload: &str) -> Vec<(String, Value)> {
        let numbers = numbers(payload.as_bytes()).into_iter();
        numbers
            .map(|(path, value)| (labels::payload::field_path(&path), value))
            .collect()
    }

    fn one(name: &str, value: Value) -> Vec<(String, Value)> {
        vec![(name.to_owned(), value)]
    }

    #[test]
    fn a_payload_can_be_a_number_itself() {
        for (payload, number) in [
            (" 21.5\n", 21.5),
            ("+29", 29.0),
            (".29", 0.29),
            ("-0", 0.0),
            ("1e3", 1e3),
        ] {
            assert_eq!(
                found(payload),
                one("value", Value::Number(number)),
                "{payload}"
            );
        }
        for none in [
            "", "warm", "{", "inf", "NaN", "Infinity", "1e400", "e", "[]", "\"\"",
        ] {
            assert_eq!(found(none), [], "{none}");
        }
    }

    #[test]
    fn nested_fields_are_found_with_their_paths() {
        for (payload, path, number) in [
            (r#"{"ENERGY":{"Power":21}}"#, "ENERGY › Power", 21.0),
            (r#"{"1-0:1.8.0":{"value":1.5}}"#, "1-0:1.8.0 › value", 1.5),
            (r#"{"a":{"b":1}}"#, "a › b", 1.0),
            (r#"{"a.b":1}"#, "a.b", 1.0),
            (r#"{"a":{"b":{"c":{"d":4}}}}"#, "a › b › c › d", 4.0),
            (r#"{"\u00e9":{"":1}}"#, "é › (empty)", 1.0),
        ] {
            assert_eq!(
                found(payload),
                one(path, Value::Number(number)),
                "{payload}"
            );
        }
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(found(&deep).len(), 1);
    }

    #[test]
    fn elements_of_arrays_are_found_by_their_index() {
        let numbers = found(r#"{"l":[1,{"x":2},[],[3,null,4]]}"#);
        let paths: Vec<_> = numbers.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            ["l › [0]", "l › [1] › x", "l › [3] › [0]", "l › [3] › [2]"]
        );
    }

    #[test]
    fn a_name_with_a_dot_is_not_a_path() {
        let dotted = numbers(br#"{"a.b":1}"#);
        let nested = numbers(br#"{"a":{"b":1}}"#);
        let index = numbers(br#"{"a":{"0":1}}"#);
        let element = numbers(br#"{"a":[1]}"#);
        assert_ne!(dotted[0].0, nested[0].0);
        assert_ne!(index[0].0, element[0].0);
    }

    #[test]
    fn on_and_off_are_steps() {
        assert_eq!(found("true"), one("value", Value::OnOff(true)));
        assert_eq!(found("ON"), one("value", Value::OnOff(true)));
        assert_eq!(found(r#"{"on":false}"#), one("on", Value::OnOff(false)));
        assert_eq!(
            found(r#"{"POWER":"OFF"}"#),
            one("POWER", Value::OnOff(false))
        );
    }

    #[test]
    fn a_number_in_quotes_is_a_number() {
        assert_eq!(found(r#"{"t":"21.5"}"#), one("t", Value::Number(21.5)));
    }

    #[test]
    fn a_number_with_a_unit_is_distinguished_from_a_number() {
        for (text, number) in [
            ("21.5 °C", 21.5),
            ("50%", 50.0),
            ("-3 m²", -3.0),
            ("50,5", 50.5),
            ("9.81 m/s2", 9.81),
        ] {
            assert_eq!(
                found(text),
                one("value", Value::TextWithNumber(number)),
                "{text}"
            );
            let quoted = format!("{{\"a\":\"{text}\"}}");
            assert_eq!(
                found(&quoted),
                one("a", Value::TextWithNumber(number)),
                "{text}"
            );
        }
        for none in [
            "2026-11-29",
            "12:30",
            "10.0.0.1",
            "1,234",
            "3 of 5",
            "v1",
            "5 a:b",
        ] {
            assert_eq!(found(none), [], "{none}");
        }
    }

    #[test]
    fn times_and_identifiers_are_distinguished_from_measurements() {
        let now = 1_796_000_000_000.0;
        let kind = |payload: &str| {
            let (path, value) = numbers(payload.as_bytes()).remove(0);
            value.kind(&path, now)
        };
        for time in [
            "1796000001",
            "1795999999999",
            "1796000000000000",
            "1.796e18",
        ] {
            assert_eq!(
                kind(&format!("{{\"x\":{time}}}")),
                FieldKind::Time,
                "{time}"
            );
        }
        for id in [
            r#"{"id":7}"#,
            r#"{"deviceId":7}"#,
            r#"{"x_id":7}"#,
            r#"{"x":12345678901234567}"#,
        ] {
            assert_eq!(kind(id), FieldKind::Identifier, "{id}");
        }
        for number in [
            r#"{"humid":7}"#,
            r#"{"id":7.5}"#,
            r#"{"Wh":1000000000}"#,
            r#"{"t":-4}"#,
        ] {
            assert_eq!(kind(number), FieldKind::Number, "{number}");
        }
    }

    #[test]
    fn a_large_payload_has_no_numbers() {
        assert_eq!(found(&format!("[{}1]", " ".repeat(BYTES_MAX))), []);
    }
}
