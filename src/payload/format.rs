//! The formats in which a person reads and writes payloads: text, JSON, hexadecimal and Base64. A payload itself is bytes.

use data_encoding::{BASE64, DecodeKind, HEXLOWER_PERMISSIVE};

use crate::labels;
use crate::payload::json::{self, ProblemKind, Scanner};

/// Bytes of a payload that a row shows. The rest is only counted.
const TEXT_BYTES_MAX: usize = 4096;

/// Bytes of a payload that a row shows in hexadecimal.
const HEX_BYTES_MAX: usize = 512;

/// Bytes of a payload that decide its format.
const BEGINNING_BYTES: usize = 1 << 16;

/// A format to show and to type bytes.
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

    /// The bytes of a typed text, or a sentence about its error.
    pub(crate) fn parse(self, typed: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Text => Ok(typed.as_bytes().to_vec()),
            Self::Json => match json::check(typed.as_bytes()) {
                Ok(()) => Ok(typed.as_bytes().to_vec()),
                Err(problem) => Err(labels::payload::invalid_json(&problem, typed.as_bytes())),
            },
            Self::Hex => parse_hex(typed),
            Self::Base64 => parse_base64(typed),
        }
    }

    /// The inverse of [`parse`](Self::parse); `None`: these bytes cannot be typed in this format.
    pub(crate) fn typed(self, payload: &[u8]) -> Option<String> {
        match self {
            Self::Text | Self::Json => String::from_utf8(payload.to_vec()).ok(),
            Self::Hex => Some(HEXLOWER_PERMISSIVE.encode(payload)),
            Self::Base64 => Some(BASE64.encode(payload)),
        }
    }

    /// The most readable format of these bytes, judged by their beginning.
    pub(crate) fn best(payload: &[u8]) -> Self {
        if !matches!(payload.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return Self::readable(payload);
        }
        let beginning = payload.get(..BEGINNING_BYTES).unwrap_or(payload);
        let mut scanner = Scanner::many();
        while let Some(token) = scanner.next(beginning) {
            match token {
                Ok(_) => {}
                // The value continues after the examined beginning.
                Err(problem)
                    if problem.kind == ProblemKind::EndsTooEarly
                        && beginning.len() < payload.len() =>
                {
                    break;
                }
                Err(_) => return Self::readable(payload),
            }
        }
        match std::str::from_utf8(payload) {
            Ok(_) => Self::Json,
            Err(_) => Self::Hex,
        }
    }

    /// Text if the bytes are readable text, otherwise hexadecimal.
    pub(crate) fn readable(payload: &[u8]) -> Self {
        match (
            std::str::from_utf8(payload),
            beginning(payload, BEGINNING_BYTES),
        ) {
            (Ok(_), Some(text)) if !text.chars().any(is_unreadable) => Self::Text,
            _ => Self::Hex,
        }
    }
}

fn parse_hex(typed: &str) -> Result<Vec<u8>, String> {
    let mut digits = (1..).zip(typed.chars());
    let wrong = digits.find(|(_, it)| !it.is_ascii_hexdigit() && !it.is_ascii_whitespace());
    if let Some((place, character)) = wrong {
        return Err(labels::payload::no_hex_digit(character, place));
    }
    let digits: String = typed.split_ascii_whitespace().collect();
    HEXLOWER_PERMISSIVE
        .decode(digits.as_bytes())
        .map_err(|_| labels::payload::HALF_A_BYTE.to_owned())
}

fn parse_base64(typed: &str) -> Result<Vec<u8>, String> {
    let mut characters: Vec<(usize, char)> = (1..).zip(typed.chars()).collect();
    characters.retain(|(_, it)| !it.is_ascii_whitespace());
    let is_digit = |it: char| it.is_ascii_alphanumeric() || matches!(it, '+' | '/' | '=');
    let wrong = characters.iter().find(|(_, it)| !is_digit(*it));
    if let Some((place, character)) = wrong {
        return Err(labels::payload::not_allowed_in_base64(*character, *place));
    }
    let digits: String = characters.iter().map(|(_, it)| it).collect();
    BASE64
        .decode(digits.as_bytes())
        .map_err(|error| match error.kind {
            DecodeKind::Length => labels::payload::base64_group(digits.len() % 4),
            DecodeKind::Symbol | DecodeKind::Trailing | DecodeKind::Padding => {
                let at = error.position.min(digits.len().saturating_sub(1));
                match characters.get(at) {
                    Some((place, character)) => {
                        labels::payload::not_allowed_in_base64(*character, *place)
                    }
                    None => labels::payload::base64_group(0),
                }
            }
        })
}

/// The beginning of a text: as many whole characters as fit in this many bytes.
fn beginning(payload: &[u8], bytes: usize) -> Option<&str> {
    let shown = payload.get(..bytes).unwrap_or(payload);
    match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        // The last character is cut.
        Err(error) if error.error_len().is_none() && shown.len() < payload.len() => {
            std::str::from_utf8(&shown[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

/// The beginning of a payload as text, for a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preview {
    pub(crate) form: Form,
    /// The shown beginning of the payload.
    pub(crate) text: String,
    /// Number of bytes after the shown ones.
    pub(crate) bytes_left_out: usize,
}

/// How the bytes of a preview became text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// UTF-8 without control characters other than white space.
    Text,
    /// Two hexadecimal digits for each byte.
    Hex,
}

impl Preview {
    /// Reads only the beginning, because a list does this for each row.
    pub(crate) fn of(payload: &[u8]) -> Self {
        match beginning(payload, TEXT_BYTES_MAX) {
            Some(text) if !text.chars().any(is_unreadable) => Self {
                form: Form::Text,
                text: text.to_owned(),
                bytes_left_out: payload.len() - text.len(),
            },
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

/// A control character other than white space.
fn is_unreadable(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// The name of a payload's file: the last level of its topic, and an extension that fits the bytes.
pub(crate) fn file_name(topic: &str, payload: &[u8]) -> String {
    const CHARS_MAX: usize = 64;
    let level = topic
        .rsplit('/')
        .find(|it| !it.is_empty())
        .unwrap_or_default();
    let is_fine = |it: char| it.is_alphanumeric() || "-_.".contains(it);
    let name: String = level
        .chars()
        .map(|it| if is_fine(it) { it } else { '_' })
        .take(CHARS_MAX)
        .collect();
    let name = name.trim_matches('.');
    let name = if name.is_empty() { "payload" } else { name };
    let kinds: [(&[u8], &str); 8] = [
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\xff\xd8\xff", "jpg"),
        (b"GIF8", "gif"),
        (b"BM", "bmp"),
        (b"%PDF-", "pdf"),
        (b"PK\x03\x04", "zip"),
        (b"\x1f\x8b", "gz"),
        (b"<svg", "svg"),
    ];
    let kind = kinds.iter().find(|(begin, _)| payload.starts_with(begin));
    let is_webp = payload.starts_with(b"RIFF") && payload.get(8..12) == Some(b"WEBP");
    let extension = match (kind, Format::best(payload)) {
        (Some((_, extension)), _) => extension,
        (None, _) if is_webp => "webp",
        (None, Format::Json) => "json",
        (None, Format::Text) => "txt",
        (None, Format::Hex | Format::Base64) => "bin",
    };
    format!("{name}.{extension}")
}

/// Text with control characters made visible, except tabs.
pub(crate) fn visible(text: &str) -> std::borrow::Cow<'_, str> {
    let is_hidden = |it: char| it.is_control() && it != '\t';
    if !text.contains(is_hidden) {
        return text.into();
    }
    let seen = |it: char| match u32::from(it) {
        _ if !is_hidden(it) => it,
        0x7f => '\u{2421}',
        code @ 0..0x20 => char::from_u32(0x2400 + code).unwrap_or(char::REPLACEMENT_CHARACTER),
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(seen).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_text_and_everything_else_as_hex() {
        let shown = |payload: &[u8]| {
            let readable = Preview::of(payload);
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
    fn omitted_bytes_are_counted_and_no_character_is_cut() {
        let text = format!("x{}", "ü".repeat(TEXT_BYTES_MAX));
        let readable = Preview::of(text.as_bytes());
        assert_eq!(readable.text.len() + readable.bytes_left_out, text.len());
        assert_eq!(readable.text.len(), TEXT_BYTES_MAX - 1);

        let readable = Preview::of(&[0xff; HEX_BYTES_MAX + 5]);
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
    fn typing_errors_are_explained() {
        let wrong = |format: Format, typed: &str| format.parse(typed).unwrap_err();
        assert_eq!(
            wrong(Format::Hex, "00 1"),
            "Hex needs two digits per byte; the last byte has one."
        );
        assert_eq!(
            wrong(Format::Hex, "xyz"),
            "Character 1 (“x”) is not a hex digit."
        );
        assert_eq!(
            wrong(Format::Base64, "aGVsbG8"),
            "Base64 comes in groups of four; the last group has 3."
        );
        assert_eq!(
            wrong(Format::Base64, "ab =d"),
            "Character 4 (“=”) is not allowed here."
        );
        assert_eq!(
            wrong(Format::Base64, "ab-d"),
            "Character 3 (“-”) is not allowed here."
        );
        assert_eq!(
            wrong(Format::Json, "{\"temperature\": 20.0"),
            "Invalid JSON: it ends too early (line 1, column 21)."
        );
        assert_eq!(
            Format::Hex.parse("DE ad\n be EF"),
            Ok(vec![0xde, 0xad, 0xbe, 0xef])
        );
    }

    #[test]
    fn any_valid_json_can_be_typed() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for typed in [&deep, "{\"k\":1,\"k\":2}", "1e999", "\"\\ud800\""] {
            assert_eq!(Format::Json.parse(typed), Ok(typed.as_bytes().to_vec()));
        }
    }

    #[test]
    fn the_best_format_is_the_most_readable() {
        assert_eq!(Format::best(b" {\"a\": 1}"), Format::Json);
        assert_eq!(Format::best(b"{\"a\": 1}\n{\"a\": 2}\n"), Format::Json);
        assert_eq!(Format::best(b"21.5"), Format::Text);
        assert_eq!(Format::best(b"{no json}"), Format::Text);
        assert_eq!(Format::best("\u{feff}{}".as_bytes()), Format::Text);
        assert_eq!(Format::best(&[0xff]), Format::Hex);
        assert_eq!(Format::best(b"a\x00"), Format::Hex);
        let large = format!("[\"{}\"]", "ü".repeat(BEGINNING_BYTES));
        assert_eq!(Format::best(large.as_bytes()), Format::Json);
    }

    #[test]
    fn a_saved_payload_is_named_after_its_topic_and_its_kind() {
        for (topic, payload, name) in [
            ("home/kitchen/climate", &b"{}"[..], "climate.json"),
            ("a/b c:d", b"x", "b_c_d.txt"),
            ("/", b"\x00", "payload.bin"),
            ("camera/..", b"\x89PNG\r\n\x1a\n", "payload.png"),
        ] {
            assert_eq!(file_name(topic, payload), name);
        }
    }

    #[test]
    fn control_characters_are_made_visible() {
        assert_eq!(visible("a\tb"), "a\tb");
        assert_eq!(visible("a\u{0}\r\u{7f}"), "a␀␍␡");
    }
}
