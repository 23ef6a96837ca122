//! Payloads as people can read them.

use std::fmt;

/// Bytes of a payload that are drawn; the rest is only counted, because a megabyte of text in a list stalls the page.
const TEXT_BYTES_MAX: usize = 4096;

/// Bytes of a payload that are drawn in hexadecimal.
const HEX_BYTES_MAX: usize = 512;

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
    fn sizes_have_the_unit_a_person_would_choose() {
        assert_eq!(Size(999).to_string(), "999 B");
        assert_eq!(Size(1_250).to_string(), "1.2 kB");
        assert_eq!(Size(16_777_216).to_string(), "16.8 MB");
    }
}
