//! JSON as a sequence of tokens. Each token keeps its original bytes: numbers keep their digits, objects their duplicate
//! names, strings their escapes. There is no recursion, so depth has no limit.

use std::ops::Range;

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Open(Container),
    Close(Container),
    /// A string before a colon.
    Name,
    String,
    Number,
    True,
    False,
    Null,
    Colon,
    Comma,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Object,
    Array,
}

/// A token and the position of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    pub(crate) fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// Why bytes are not JSON, and the offset of the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) at: usize,
    pub(crate) kind: ProblemKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    NotUtf8,
    ByteOrderMark,
    /// No value at all.
    Empty,
    EndsTooEarly,
    /// A second value where the text should end.
    AnotherValue,
    Unexpected {
        found: char,
        expected: Expected,
    },
    /// A control character, which a string can contain only as an escape.
    ControlCharacter(u8),
    Escape,
    /// Digits that are not a JSON number: `01`, `1.`, `-`.
    Number,
}

/// The expected next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Value,
    ValueOrClose,
    Name,
    NameOrClose,
    Colon,
    CommaOrClose,
    End,
}

/// Reads tokens, and checks that they form valid JSON.
#[derive(Clone, Debug)]
pub(crate) struct Scanner {
    at: usize,
    open: Vec<Container>,
    expected: Expected,
    /// Number of complete top-level values.
    values: usize,
    is_many: bool,
    is_over: bool,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Scanner {
    /// For bytes that are one value.
    pub(crate) fn new() -> Self {
        Self {
            at: 0,
            open: Vec::new(),
            expected: Expected::Value,
            values: 0,
            is_many: false,
            is_over: false,
        }
    }

    /// For bytes that can be several values, each on a line of its own.
    pub(crate) fn many() -> Self {
        Self {
            is_many: true,
            ..Self::new()
        }
    }

    /// Offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Number of containers around the next token.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Number of complete values.
    pub(crate) fn values(&self) -> usize {
        self.values
    }

    /// The next token of these bytes, which are UTF-8; `None` after the last token and after a problem.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Option<Result<Token, Problem>> {
        if self.is_over {
            return None;
        }
        let begin = self.at;
        let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let rest = bytes.get(begin..).unwrap_or_default();
        self.at += rest.iter().take_while(is_space).count();
        let result = match bytes.get(self.at) {
            None if self.expected == Expected::End => {
                self.is_over = true;
                return None;
            }
            None => Err(match (self.values, self.open.len(), self.expected) {
                (0, 0, Expected::Value) => ProblemKind::Empty,
                _ => ProblemKind::EndsTooEarly,
            }),
            Some(byte) => {
                let is_new_line = bytes
                    .get(begin..self.at)
                    .is_some_and(|it| it.contains(&b'\n'));
                if self.is_many && self.expected == Expected::End && is_new_line {
                    self.expected = Expected::Value;
                }
                self.token(bytes, *byte)
            }
        };
        Some(result.map_err(|kind| {
            self.is_over = true;
            Problem { at: self.at, kind }
        }))
    }

    fn token(&mut self, bytes: &[u8], first: u8) -> Result<Token, ProblemKind> {
        let start = self.at;
        if start == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
            return Err(ProblemKind::ByteOrderMark);
        }
        let is_name = matches!(self.expected, Expected::Name | Expected::NameOrClose);
        let is_value = matches!(self.expected, Expected::Value | Expected::ValueOrClose);
        let kind = match first {
            b'"' if is_name => Kind::Name,
            b'"' if is_value => Kind::String,
            b'{' if is_value => Kind::Open(Container::Object),
            b'[' if is_value => Kind::Open(Container::Array),
            b'-' | b'0'..=b'9' if is_value => Kind::Number,
            b't' if is_value => Kind::True,
            b'f' if is_value => Kind::False,
            b'n' if is_value => Kind::Null,
            b':' if self.expected == Expected::Colon => Kind::Colon,
            b',' if self.expected == Expected::CommaOrClose => Kind::Comma,
            b'}' if self.may_close(Container::Object) => Kind::Close(Container::Object),
            b']' if self.may_close(Container::Array) => Kind::Close(Container::Array),
            b'"' | b'{' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'
                if self.expected == Expected::End =>
            {
                return Err(ProblemKind::AnotherValue);
            }
            _ => return Err(self.unexpected(bytes)),
        };
        self.at = match kind {
            Kind::Open(_) | Kind::Close(_) | Kind::Colon | Kind::Comma => start + 1,
            Kind::Name | Kind::String => self.string(bytes)?,
            Kind::Number => self.number(bytes)?,
            Kind::True => self.word(bytes, b"true")?,
            Kind::False => self.word(bytes, b"false")?,
            Kind::Null => self.word(bytes, b"null")?,
        };
        self.expected = match kind {
            Kind::Open(container) => {
                self.open.push(container);
                match container {
                    Container::Object => Expected::NameOrClose,
                    Container::Array => Expected::ValueOrClose,
                }
            }
            Kind::Name => Expected::Colon,
            Kind::Colon => Expected::Value,
            Kind::Comma => match self.open.last() {
                Some(Container::Object) => Expected::Name,
                Some(Container::Array) | None => Expected::Value,
            },
            Kind::Close(_) => {
                self.open.pop();
                self.after_value()
            }
            Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {
                self.after_value()
            }
        };
        Ok(Token {
            kind,
            start,
            end: self.at,
        })
    }

    fn may_close(&self, container: Container) -> bool {
        self.open.last() == Some(&container)
            && matches!(
                self.expected,
                Expected::CommaOrClose | Expected::NameOrClose | Expected::ValueOrClose
            )
    }

    fn after_value(&mut self) -> Expected {
        if self.open.is_empty() {
            self.values += 1;
            Expected::End
        } else {
            Expected::CommaOrClose
        }
    }

    /// The end of the string that begins here.
    fn string(&mut self, bytes: &[u8]) -> Result<usize, ProblemKind> {
        let mut at = self.at + 1;
        loop {
            match bytes.get(at) {
                None => return self.fails_at(at, ProblemKind::EndsTooEarly),
                Some(b'"') => return Ok(at + 1),
                Some(b'\\') => {
                    let digits = bytes.get(at + 2..at + 6).unwrap_or_default();
                    at += match bytes.get(at + 1) {
                        None => return self.fails_at(at + 1, ProblemKind::EndsTooEarly),
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'u')
                            if digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit) =>
                        {
                            6
                        }
                        Some(_) => return self.fails_at(at, ProblemKind::Escape),
                    };
                }
                Some(byte @ ..b' ') => {
                    return self.fails_at(at, ProblemKind::ControlCharacter(*byte));
                }
                Some(_) => at += 1,
            }
        }
    }

    /// The end of the number that begins here.
    fn number(&mut self, bytes: &[u8]) -> Result<usize, ProblemKind> {
        let digits = |from: usize| {
            let rest = bytes.get(from..).unwrap_or_default();
            rest.iter().take_while(|it| it.is_ascii_digit()).count()
        };
        let mut at = self.at + usize::from(bytes.get(self.at) == Some(&b'-'));
        let whole = digits(at);
        if whole == 0 {
            return self.lacks_digits(bytes, at);
        }
        if whole > 1 && bytes.get(at) == Some(&b'0') {
            return Err(ProblemKind::Number);
        }
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            if fraction == 0 {
                return self.lacks_digits(bytes, at + 1);
            }
            at += 1 + fraction;
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at + 1 + sign);
            if exponent == 0 {
                return self.lacks_digits(bytes, at + 1 + sign);
            }
            at += 1 + sign + exponent;
        }
        Ok(at)
    }

    /// The problem of an incomplete number: at the end of the bytes it can have been cut, elsewhere it is invalid.
    fn lacks_digits(&mut self, bytes: &[u8], at: usize) -> Result<usize, ProblemKind> {
        match at >= bytes.len() {
            true => self.fails_at(at, ProblemKind::EndsTooEarly),
            false => Err(ProblemKind::Number),
        }
    }

    fn word(&mut self, bytes: &[u8], word: &[u8]) -> Result<usize, ProblemKind> {
        let rest = bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            return Ok(self.at + word.len());
        }
        match word.starts_with(rest) {
            true => self.fails_at(bytes.len(), ProblemKind::EndsTooEarly),
            false => Err(self.unexpected(bytes)),
        }
    }

    fn fails_at(&mut self, at: usize, kind: ProblemKind) -> Result<usize, ProblemKind> {
        self.at = at;
        Err(kind)
    }

    fn unexpected(&self, bytes: &[u8]) -> ProblemKind {
        ProblemKind::Unexpected {
            found: char_at(bytes, self.at),
            expected: self.expected,
        }
    }
}

/// Checks that these bytes are one value.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Problem> {
    check_utf8(bytes)?;
    let mut scanner = Scanner::new();
    while let Some(token) = scanner.next(bytes) {
        token?;
    }
    Ok(())
}

/// Checks that these bytes are UTF-8, as JSON requires.
pub(crate) fn check_utf8(bytes: &[u8]) -> Result<(), Problem> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(Problem {
            at: error.valid_up_to(),
            kind: ProblemKind::NotUtf8,
        }),
    }
}

impl Problem {
    /// Line and column in characters, both from 1.
    pub(crate) fn place(&self, bytes: &[u8]) -> (usize, usize) {
        let before = bytes.get(..self.at).unwrap_or(bytes);
        let line = before.iter().filter(|it| **it == b'\n').count() + 1;
        let start = before
            .iter()
            .rposition(|it| *it == b'\n')
            .map_or(0, |it| it + 1);
        let characters = String::from_utf8_lossy(&before[start..]).chars().count();
        (line, characters + 1)
    }
}

fn char_at(bytes: &[u8], at: usize) -> char {
    let end = bytes.len().min(at + 4);
    let chunk = bytes.get(at..end).and_then(|it| it.utf8_chunks().next());
    chunk
        .and_then(|it| it.valid().chars().next())
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The text of a string token. A lone surrogate becomes U+FFFD.
pub(crate) fn unescape(token: &[u8]) -> String {
    let inner = token.strip_prefix(b"\"").unwrap_or(token);
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    let text = String::from_utf8_lossy(inner);
    if !text.contains('\\') {
        return text.into_owned();
    }
    let mut meant = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let mut units = [0; 2];
        if character != '\\' {
            meant.extend_from_slice(character.encode_utf16(&mut units));
            continue;
        }
        let escaped = match characters.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                meant.push(u16::from_str_radix(&digits, 16).unwrap_or(0xfffd));
                continue;
            }
            Some(other) => other,
            None => break,
        };
        meant.extend_from_slice(escaped.encode_utf16(&mut units));
    }
    String::from_utf16_lossy(&meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Option<(ProblemKind, usize)> {
        check(text.as_bytes()).err().map(|it| (it.kind, it.at))
    }

    #[test]
    fn json_is_accepted_at_any_depth() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let objects = format!("{}1{}", "{\"a\":".repeat(150), "}".repeat(150));
        for text in [
            "0",
            "-0",
            "1e2",
            "1E+2",
            "-0.10",
            "1e999",
            "\"\\ud800\"",
            "\"\\/\\u00e9\"",
            " null\r\n",
            "[]",
            "{}",
            "{\"k\":1,\"k\":2}",
            "[true,false,{\"a\":[]}]",
            &deep,
            &objects,
        ] {
            assert_eq!(problem(text), None, "{text:.40}");
        }
    }

    #[test]
    fn invalid_json_is_refused_with_its_place() {
        let unexpected = |found, expected| ProblemKind::Unexpected { found, expected };
        for (text, kind, at) in [
            ("", ProblemKind::Empty, 0),
            (" \n", ProblemKind::Empty, 2),
            ("\u{feff}{}", ProblemKind::ByteOrderMark, 0),
            ("{\"a\": ", ProblemKind::EndsTooEarly, 6),
            ("[1", ProblemKind::EndsTooEarly, 2),
            ("\"a", ProblemKind::EndsTooEarly, 2),
            ("tru", ProblemKind::EndsTooEarly, 3),
            ("-", ProblemKind::EndsTooEarly, 1),
            ("1 2", ProblemKind::AnotherValue, 2),
            ("1\n2", ProblemKind::AnotherValue, 2),
            ("{}{}", ProblemKind::AnotherValue, 2),
            ("01", ProblemKind::Number, 0),
            ("[1.]", ProblemKind::Number, 1),
            ("[1,]", unexpected(']', Expected::Value), 3),
            ("{\"a\":1,}", unexpected('}', Expected::Name), 7),
            ("{a:1}", unexpected('a', Expected::NameOrClose), 1),
            ("{\"a\" 1}", unexpected('1', Expected::Colon), 5),
            ("[1 ü]", unexpected('ü', Expected::CommaOrClose), 3),
            ("[1}", unexpected('}', Expected::CommaOrClose), 2),
            ("NaN", unexpected('N', Expected::Value), 0),
            ("trap", unexpected('t', Expected::Value), 0),
            ("{} x", unexpected('x', Expected::End), 3),
            ("\"\t\"", ProblemKind::ControlCharacter(9), 1),
            ("\"\\x\"", ProblemKind::Escape, 1),
            ("\"\\u12\"", ProblemKind::Escape, 1),
        ] {
            assert_eq!(problem(text), Some((kind, at)), "{text}");
        }
        assert_eq!(check(b"\"\xff\"").unwrap_err().kind, ProblemKind::NotUtf8);
    }

    #[test]
    fn several_values_can_have_lines_of_their_own() {
        let values = |text: &str| {
            let mut scanner = Scanner::many();
            while let Some(token) = scanner.next(text.as_bytes()) {
                token.map_err(|it| it.kind)?;
            }
            Ok(scanner.values())
        };
        assert_eq!(values("{\"a\":1}\n{\"a\":\n2}\r\n\n3\n"), Ok(3));
        assert_eq!(values("1 2"), Err(ProblemKind::AnotherValue));
    }

    #[test]
    fn a_place_is_a_line_and_a_column() {
        let bytes = "{\n \"ü\": x}".as_bytes();
        assert_eq!(check(bytes).unwrap_err().place(bytes), (2, 7));
    }

    #[test]
    fn escapes_become_characters() {
        assert_eq!(unescape(br#""a\n\/\u00e9\ud83d\ude00""#), "a\n/é😀");
        assert_eq!(unescape(br#""\ud800""#), "\u{fffd}");
        assert_eq!(unescape("\"ü\"".as_bytes()), "ü");
    }
}
