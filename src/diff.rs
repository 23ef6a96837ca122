//! What has changed from one payload to the next.

use similar::{ChangeTag, TextDiff};

use crate::payload::Format;

/// Characters that are compared; the time it takes may grow with their square.
const CHARS_MAX: usize = 1 << 15;

/// A line of the two payloads laid upon each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Same(String),
    Removed(String),
    Added(String),
}

/// Compares two payloads line by line: as pretty JSON, as text or in hexadecimal, whichever fits both. `None`: they are
/// too large.
pub(crate) fn lines(before: &[u8], after: &[u8]) -> Option<Vec<Line>> {
    if before.len().max(after.len()) > CHARS_MAX {
        return None;
    }
    let formats = [Format::Json, Format::Text, Format::Hex];
    let mut shown = formats
        .into_iter()
        .filter_map(|format| format.show(before).zip(format.show(after)));
    let (before, after) = shown.next()?;
    let diff = TextDiff::from_lines(&before, &after);
    let lines = diff.iter_all_changes().map(|change| {
        let text = change.value().trim_end_matches('\n').to_owned();
        match change.tag() {
            ChangeTag::Equal => Line::Same(text),
            ChangeTag::Delete => Line::Removed(text),
            ChangeTag::Insert => Line::Added(text),
        }
    });
    Some(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_compared_field_by_field() {
        let lines = lines(br#"{"t":20,"on":true}"#, br#"{"t":21,"on":true}"#).unwrap();
        let changed: Vec<_> = lines
            .iter()
            .filter(|it| !matches!(it, Line::Same(_)))
            .collect();
        let (old, new) = ("  \"t\": 20,".to_owned(), "  \"t\": 21,".to_owned());
        assert_eq!(changed, [&Line::Removed(old), &Line::Added(new)]);
    }

    #[test]
    fn what_is_not_text_is_compared_in_hexadecimal() {
        let lines = lines(&[0xff], b"a").unwrap();
        assert!(matches!(&lines[0], Line::Removed(line) if line.contains("ff")));
        assert!(matches!(&lines[1], Line::Added(line) if line.contains("61")));
    }

    #[test]
    fn the_very_large_is_not_compared() {
        assert_eq!(lines(&vec![b'a'; CHARS_MAX + 1], b"a"), None);
    }
}
