//! Payloads as people read and write them. Bytes they stay: text, JSON, hexadecimal and Base64 are views of them.

use std::fmt;

use data_encoding::{BASE64, DecodeError, DecodeKind, HEXLOWER_PERMISSIVE};
use serde_json::Value;

/// Bytes of a payload that are drawn; the rest is only counted, because a megabyte of text in a list stalls the page.
const TEXT_BYTES_MAX: usize = 4096;

/// Bytes of a payload that are drawn in hexadecimal.
const HEX_BYTES_MAX: usize = 512;

/// Bytes of a payload that one may look at as a whole.
const WHOLE_BYTES_MAX: usize = 1 << 18;

/// A way to look at bytes, and to type them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
    Hex,
    Base64,
}

impl Format {
    pub(crate) const ALL: [Self; 4] = [Self::Text, Self::Json, Self::Hex, Self::Base64];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Json => "JSON",
            Self::Hex => "Hex",
            Self::Base64 => "Base64",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// The bytes that somebody typed, or what is wrong with them, in words.
    pub(crate) fn parse(self, typed: &str) -> Result<Vec<u8>, String> {
        let without_space = || typed.split_ascii_whitespace().collect::<String>();
        match self {
            Self::Text => Ok(typed.as_bytes().to_vec()),
            Self::Json => match serde_json::from_str::<Value>(typed) {
                Ok(_) => Ok(typed.as_bytes().to_vec()),
                Err(error) => Err(format!("Not JSON: {error}.")),
            },
            Self::Hex => HEXLOWER_PERMISSIVE
                .decode(without_space().as_bytes())
                .map_err(|error| format!("Not hexadecimal: {}.", misfit(error))),
            Self::Base64 => BASE64
                .decode(without_space().as_bytes())
                .map_err(|error| format!("Not Base64: {}.", misfit(error))),
        }
    }

    /// The bytes as text to read and to copy; `None`: they cannot be shown so.
    pub(crate) fn show(self, payload: &[u8]) -> Option<String> {
        if payload.len() > WHOLE_BYTES_MAX {
            return None;
        }
        match self {
            Self::Text => {
                let text = std::str::from_utf8(payload).ok()?;
                (!text.chars().any(is_unreadable)).then(|| text.to_owned())
            }
            Self::Json => {
                let value: Value = serde_json::from_slice(payload).ok()?;
                serde_json::to_string_pretty(&value).ok()
            }
            Self::Hex => Some(hex_dump(payload)),
            Self::Base64 => Some(BASE64.encode(payload)),
        }
    }

    /// What [`parse`](Self::parse) makes these bytes of; `None`: they cannot be typed so.
    pub(crate) fn typed(self, payload: &[u8]) -> Option<String> {
        match self {
            Self::Hex => Some(HEXLOWER_PERMISSIVE.encode(payload)),
            Self::Text | Self::Json => String::from_utf8(payload.to_vec()).ok(),
            Self::Base64 => self.show(payload),
        }
    }

    /// The way that tells most about these bytes.
    pub(crate) fn best(payload: &[u8]) -> Self {
        let is_structured = matches!(payload.trim_ascii_start().first(), Some(b'{' | b'['));
        let formats = [Self::Json, Self::Text];
        let mut fitting = formats
            .into_iter()
            .filter(|it| *it != Self::Json || is_structured);
        fitting
            .find(|it| it.show(payload).is_some())
            .unwrap_or(Self::Hex)
    }
}

fn misfit(error: DecodeError) -> String {
    let place = error.position + 1;
    match error.kind {
        DecodeKind::Length => format!("it ends too early, behind character {}", error.position),
        DecodeKind::Symbol => format!("character {place} is none of its digits"),
        DecodeKind::Trailing => format!("character {place} has bits that no byte has"),
        DecodeKind::Padding => format!("the padding at character {place} is not right"),
    }
}

/// Lines of 16 bytes: the offset, the bytes, and the characters of ASCII among them.
fn hex_dump(bytes: &[u8]) -> String {
    let lines = bytes.chunks(16).enumerate().map(|(line, bytes)| {
        let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let readable = |byte: &u8| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '·',
        };
        let ascii: String = bytes.iter().map(readable).collect();
        format!("{:06x}  {:<47}  {ascii}", line * 16, hex.join(" "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The numbers in a payload: it is one, or a JSON object with some among its fields.
pub(crate) fn numbers(payload: &[u8]) -> Vec<(String, f64)> {
    const DIGITS_MAX: usize = 64;
    let Ok(text) = std::str::from_utf8(payload) else {
        return Vec::new();
    };
    let text = text.trim();
    if text.len() <= DIGITS_MAX
        && let Ok(number) = text.parse::<f64>()
        && number.is_finite()
    {
        return vec![("value".to_owned(), number)];
    }
    if !text.starts_with('{') || text.len() > WHOLE_BYTES_MAX {
        return Vec::new();
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => {
            let numbers = fields.into_iter();
            let numbers = numbers.filter_map(|(name, value)| Some((name, value.as_f64()?)));
            numbers.filter(|(_, number)| number.is_finite()).collect()
        }
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// A payload as it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Readable {
    pub(crate) form: Form,
    /// The beginning of the payload, as much as is drawn.
    pub(crate) text: String,
    /// Bytes behind that.
    pub(crate) bytes_left_out: usize,
}

/// How bytes became text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// They are UTF-8 without control characters other than white space.
    Text,
    /// They are not: two digits each.
    Hex,
}

impl Readable {
    pub(crate) fn of(payload: &[u8]) -> Self {
        match std::str::from_utf8(payload) {
            Ok(text) if !text.chars().any(is_unreadable) => {
                let end = (0..=text.len().min(TEXT_BYTES_MAX))
                    .rev()
                    .find(|&end| text.is_char_boundary(end))
                    .unwrap_or(0);
                Self {
                    form: Form::Text,
                    text: text.get(..end).unwrap_or_default().to_owned(),
                    bytes_left_out: text.len() - end,
                }
            }
            _ => {
                let shown = payload.get(..HEX_BYTES_MAX).unwrap_or(payload);
                let digits: Vec<_> = shown.iter().map(|byte| format!("{byte:02x}")).collect();
                Self {
                    form: Form::Hex,
                    text: digits.join(" "),
                    bytes_left_out: payload.len() - shown.len(),
                }
            }
        }
    }
}

fn is_unreadable(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// A number of bytes; displays as `12 B`, `3.4 kB` or `5.6 MB`.
#[derive(Clone, Copy)]
pub(crate) struct Size(pub(crate) usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..1_000 => write!(f, "{bytes} B"),
            bytes @ 1_000..1_000_000 => write!(f, "{:.1} kB", bytes as f64 / 1e3),
            bytes => write!(f, "{:.1} MB", bytes as f64 / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_text_and_everything_else_as_hex() {
        let shown = |payload: &[u8]| {
            let readable = Readable::of(payload);
            (readable.form, readable.text)
        };
        assert_eq!(
            shown("21 °C\n".as_bytes()),
            (Form::Text, "21 °C\n".to_owned())
        );
        assert_eq!(
            shown(&[0xc3, 0x28, 0x00]),
            (Form::Hex, "c3 28 00".to_owned())
        );
        assert_eq!(shown(&[0x01, 0x02]), (Form::Hex, "01 02".to_owned()));
    }

    #[test]
    fn what_is_left_out_is_counted_and_no_character_is_cut() {
        let text = format!("x{}", "ü".repeat(TEXT_BYTES_MAX));
        let readable = Readable::of(text.as_bytes());
        assert_eq!(readable.text.len() + readable.bytes_left_out, text.len());
        assert_eq!(readable.text.len(), TEXT_BYTES_MAX - 1);

        let readable = Readable::of(&[0xff; HEX_BYTES_MAX + 5]);
        assert_eq!(readable.bytes_left_out, 5);
    }

    #[test]
    fn bytes_survive_being_shown_and_typed_in_every_format_that_can_show_them() {
        let payloads: [&[u8]; 5] = [
            b"",
            b"plain",
            b"{\"b\": 1, \"a\": [2.50]}",
            &[0, 255, 10],
            "\u{e9}".as_bytes(),
        ];
        for payload in payloads {
            for format in Format::ALL {
                let typed = format.typed(payload).map(|typed| format.parse(&typed));
                match typed {
                    Some(Ok(bytes)) => assert_eq!(bytes, payload, "{format:?}"),
                    Some(Err(why)) => {
                        assert!(format == Format::Json && why.contains("JSON"), "{why}")
                    }
                    None => assert!(std::str::from_utf8(payload).is_err()),
                }
            }
        }
    }

    #[test]
    fn what_is_typed_wrongly_is_told_in_words() {
        let wrong = |format: Format, typed: &str| format.parse(typed).unwrap_err();
        assert!(wrong(Format::Hex, "abc").contains("too early"));
        assert!(wrong(Format::Hex, "0g").contains("character 2"));
        assert!(wrong(Format::Base64, "ab=d").starts_with("Not Base64"));
        assert!(wrong(Format::Json, "{").contains("line 1"));
        assert_eq!(
            Format::Hex.parse("DE ad\n be EF"),
            Ok(vec![0xde, 0xad, 0xbe, 0xef])
        );
    }

    #[test]
    fn json_is_shown_with_its_order_and_its_digits() {
        let shown = Format::Json.show(b"{\"b\":1.10,\"a\":12345678901234567890123}");
        assert_eq!(
            shown.as_deref(),
            Some("{\n  \"b\": 1.10,\n  \"a\": 12345678901234567890123\n}")
        );
    }

    #[test]
    fn the_best_format_tells_most() {
        assert_eq!(Format::best(b" {\"a\": 1}"), Format::Json);
        assert_eq!(Format::best(b"21.5"), Format::Text);
        assert_eq!(Format::best(b"{no json}"), Format::Text);
        assert_eq!(Format::best(&[0xff]), Format::Hex);
    }

    #[test]
    fn a_hex_dump_has_offsets_and_characters() {
        let dump = hex_dump(b"0123456789abcdef\x00A");
        let lines: Vec<_> = dump.lines().collect();
        assert!(lines[0].starts_with("000000  30 31 ") && lines[0].ends_with("  0123456789abcdef"));
        assert!(lines[1].starts_with("000010  00 41 ") && lines[1].ends_with("  \u{b7}A"));
    }

    #[test]
    fn numbers_are_found_alone_and_in_objects() {
        let found = |payload: &str| numbers(payload.as_bytes());
        assert_eq!(found(" 21.5\n"), [("value".to_owned(), 21.5)]);
        let fields = [("t".to_owned(), 1.0), ("h".to_owned(), -2e3)];
        assert_eq!(
            found(r#"{"t": 1, "name": "x", "h": -2e3, "o": {"z": 1}}"#),
            fields
        );
        for none in ["", "warm", "[1]", "{", "inf", "NaN"] {
            assert_eq!(found(none), [], "{none}");
        }
    }

    #[test]
    fn sizes_have_the_unit_a_person_would_choose() {
        assert_eq!(Size(999).to_string(), "999 B");
        assert_eq!(Size(1_250).to_string(), "1.2 kB");
        assert_eq!(Size(16_777_216).to_string(), "16.8 MB");
    }
}
