//! Lines of indented JSON.

use super::{Row, UNWRAPPED, cut, place};
use crate::payload::json::{Kind, Problem, Scanner, Token};

/// Levels of JSON that indent their content. Deeper levels indent no further.
const LEVELS_MAX: usize = 64;

/// Spaces by which a level of JSON indents its content.
const INDENT: usize = 2;

/// Puts tokens into lines: one for each field, element, and bracket.
#[derive(Debug)]
pub(super) struct Indenter {
    pub(super) scanner: Scanner,
    before: Option<Kind>,
    row: Option<Row>,
    /// Characters in the row so far.
    width: usize,
}

impl Indenter {
    pub(super) fn new() -> Self {
        Self {
            scanner: Scanner::many(),
            before: None,
            row: None,
            width: 0,
        }
    }

    /// Reads the next token. Returns whether there was one.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        columns: usize,
        rows: &mut Vec<Row>,
    ) -> Result<bool, Problem> {
        let Some(token) = self.scanner.next(bytes) else {
            rows.extend(self.row.take());
            return Ok(false);
        };
        let token = token?;
        if self.is_first_of_row(token) {
            rows.extend(self.row.take());
            let level = match token.kind {
                Kind::Open(_) => self.scanner.depth() - 1,
                _ => self.scanner.depth(),
            };
            let level = level.min(LEVELS_MAX);
            self.row = Some(Row {
                start: place(token.start),
                end: place(token.end),
                level: u16::try_from(level).unwrap_or(u16::MAX),
                is_in_string: false,
            });
            self.width = level * INDENT;
        }
        self.put(token, bytes, columns, rows);
        self.before = Some(token.kind);
        Ok(true)
    }

    fn is_first_of_row(&self, token: Token) -> bool {
        match (self.before, token.kind) {
            (None | Some(Kind::Comma), _) => true,
            // An empty container is one line.
            (Some(Kind::Open(_)), Kind::Close(_)) => false,
            (Some(Kind::Open(_)), _) | (Some(_), Kind::Close(_)) => true,
            (_, Kind::Comma | Kind::Colon) | (Some(Kind::Colon), _) => false,
            // The next value of JSON Lines.
            (Some(_), _) => true,
        }
    }

    /// Appends a token to the row, and wraps the row within a token that is too long.
    fn put(&mut self, token: Token, bytes: &[u8], columns: usize, rows: &mut Vec<Row>) {
        let Some(row) = &mut self.row else { return };
        row.end = place(token.end);
        let length = token.end - token.start;
        let is_string = matches!(token.kind, Kind::String | Kind::Name);
        // A line has room for some characters at any depth.
        let room = columns.saturating_sub(self.width).max(8);
        if length <= room || columns == UNWRAPPED {
            self.width += length + usize::from(token.kind == Kind::Colon);
            return;
        }
        let (mut at, mut room) = (token.start, room);
        loop {
            let rest = bytes.get(at..token.end).unwrap_or_default();
            let mut length = cut(rest, room);
            // An escape is not split, so that each line can be read by itself.
            let backslashes = rest[..length].iter().rev().take_while(|it| **it == b'\\');
            if length < rest.len() && backslashes.count() % 2 == 1 {
                length += 1;
            }
            if length >= rest.len() {
                self.width = cut_width(rest);
                row.end = place(token.end);
                return;
            }
            at += length;
            row.end = place(at);
            rows.push(*row);
            *row = Row {
                start: place(at),
                end: place(token.end),
                level: 0,
                is_in_string: is_string,
            };
            room = columns;
        }
    }
}

fn cut_width(bytes: &[u8]) -> usize {
    String::from_utf8_lossy(bytes).chars().count()
}

/// The tokens of a line, without the white space between them.
pub(super) fn json_line(row: Row, bytes: &[u8]) -> String {
    let indent = usize::from(row.level) * INDENT;
    let mut line = Vec::with_capacity(indent + bytes.len() + 1);
    line.resize(indent, b' ');
    let mut is_in_string = row.is_in_string;
    let mut is_escaped = false;
    for &byte in bytes {
        if is_in_string {
            is_in_string = is_escaped || byte != b'"';
            is_escaped = !is_escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            is_in_string = byte == b'"';
        }
        line.push(byte);
        if byte == b':' && !is_in_string {
            line.push(b' ');
        }
    }
    String::from_utf8_lossy(&line).into_owned()
}
