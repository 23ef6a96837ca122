//! Texts of others, changed for display: invisible characters marked, tab ids shortened.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Text with invisible characters marked: controls, spaces at its ends, characters that change the direction of writing or
/// have no width, and combining marks.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let is_blank_end = text.starts_with(' ') || text.ends_with(' ');
    if !is_blank_end && !text.chars().any(is_invisible) {
        return Cow::Borrowed(text);
    }
    let begins = text.len() - text.trim_start_matches(' ').len();
    let ends = text.trim_end_matches(' ').len();
    let mut marked = String::with_capacity(text.len() + 8);
    for (place, it) in text.char_indices() {
        match it {
            ' ' if place < begins || place >= ends => marked.push('␠'),
            '\u{300}'..='\u{36f}' => {
                marked.push('◌');
                marked.push(it);
            }
            it if is_invisible(it) => {
                // Writing into a String cannot fail.
                let _ = write!(marked, "⟨U+{:04X}⟩", u32::from(it));
            }
            it => marked.push(it),
        }
    }
    Cow::Owned(marked)
}

fn is_invisible(it: char) -> bool {
    it.is_control()
        || matches!(it,
            '\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{300}'..='\u{36f}' | '\u{2000}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A sentence with tab ids shortened as in the list of tabs: to the first four of sixteen digits.
pub(crate) fn short_ids(sentence: &str) -> String {
    const DIGITS: usize = 16;
    const SHORT: usize = 4;
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let mut short = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some(start) = rest.bytes().position(|byte| is_digit(&byte)) {
        let (before, from) = rest.split_at(start);
        let digits = from.bytes().take_while(is_digit).count();
        let is_in_a_word = before.ends_with(|it: char| it.is_alphanumeric());
        let (id, after) = from.split_at(digits);
        let ends = !after.starts_with(|it: char| it.is_alphanumeric());
        let kept = if digits == DIGITS && ends && !is_in_a_word {
            SHORT
        } else {
            digits
        };
        short.push_str(before);
        short.push_str(id.get(..kept).unwrap_or(id));
        rest = after;
    }
    short.push_str(rest);
    short
}
