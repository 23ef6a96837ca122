//! The text of a search: words, all of which a message must contain.

use std::borrow::Cow;

use tabmq_worker::api::{Message, QoS};

/// Words of at least this many hexadecimal digits also match bytes. Shorter words would match by chance.
const HEX_DIGITS_MIN: usize = 4;

/// A parsed search.
///
/// Each word is searched in the topic, the payload, the content type, the response topic and the user properties, ignoring
/// case. `qos:1`, `retained` and `dup` also match the message's flags, and digits like `89504e` the payload's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    /// Folded by [`fold`].
    folded: String,
    /// The word as hexadecimal bytes, if it is one.
    bytes: Option<Vec<u8>>,
    flag: Option<Flag>,
}

/// A flag of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flag {
    QoS(QoS),
    Retained,
    Dup,
}

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let words = text.split_whitespace().map(|word| {
            let folded = fold(word).into_owned();
            Word {
                bytes: bytes(&folded),
                flag: flag(&folded),
                folded,
            }
        });
        Self {
            words: words.collect(),
        }
    }

    /// Whether the message contains every word.
    pub(crate) fn finds(&self, message: &Message) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let properties = &message.properties;
        let mut texts = vec![fold(&message.topic)];
        texts.extend(std::str::from_utf8(&message.payload).ok().map(fold));
        let optional = [&properties.content_type, &properties.response_topic];
        texts.extend(optional.into_iter().flatten().map(|it| fold(it)));
        let pairs = properties.user_properties.iter();
        texts.extend(pairs.flat_map(|(name, value)| [fold(name), fold(value)]));
        self.words.iter().all(|word| {
            texts.iter().any(|text| text.contains(&word.folded))
                || word.flag.is_some_and(|flag| flag.is_of(message))
                || word
                    .bytes
                    .as_ref()
                    .is_some_and(|bytes| has_bytes(&message.payload, bytes))
        })
    }
}

impl Flag {
    fn is_of(self, message: &Message) -> bool {
        match self {
            Self::QoS(qos) => message.qos == qos,
            Self::Retained => message.retain,
            Self::Dup => message.dup,
        }
    }
}

/// Text for comparison: in lower case, and with ß as ss.
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(text.to_ascii_lowercase()),
            false => Cow::Borrowed(text),
        };
    }
    Cow::Owned(text.to_lowercase().replace('ß', "ss"))
}

fn bytes(word: &str) -> Option<Vec<u8>> {
    let (digits, least) = match word.strip_prefix("hex:") {
        Some(digits) => (digits, 2),
        None => (word.strip_prefix("0x").unwrap_or(word), HEX_DIGITS_MIN),
    };
    if digits.len() < least || !digits.len().is_multiple_of(2) {
        return None;
    }
    let digits: Option<Vec<u32>> = digits.chars().map(|it| it.to_digit(16)).collect();
    let pairs = digits?;
    let byte = |pair: &[u32]| u8::try_from(pair[0] << 4 | pair[1]).ok();
    pairs.chunks_exact(2).map(byte).collect()
}

fn flag(word: &str) -> Option<Flag> {
    Some(match word {
        "qos:0" | "qos0" => Flag::QoS(QoS::AtMostOnce),
        "qos:1" | "qos1" => Flag::QoS(QoS::AtLeastOnce),
        "qos:2" | "qos2" => Flag::QoS(QoS::ExactlyOnce),
        "retained" | "retain" => Flag::Retained,
        "dup" => Flag::Dup,
        _ => return None,
    })
}

fn has_bytes(payload: &[u8], bytes: &[u8]) -> bool {
    payload.windows(bytes.len()).any(|window| window == bytes)
}

#[cfg(test)]
mod tests {
    use super::super::messages::tests::message;
    use super::*;

    fn finds(query: &str, message: &Message) -> bool {
        Query::parse(query).finds(message)
    }

    #[test]
    fn every_word_must_match_in_any_case() {
        let message = message("Home/Kitchen", "Größe der Straße".as_bytes());
        for found in [
            "",
            "kitchen",
            "GRÖSSE",
            "größe",
            "strasse KITCHEN",
            "STRAẞE",
        ] {
            assert!(finds(found, &message), "{found}");
        }
        for none in ["cellar", "kitchen cellar"] {
            assert!(!finds(none, &message), "{none}");
        }
    }

    #[test]
    fn properties_flags_and_bytes_are_searched() {
        let mut found = (*message("picture", &[0x89, 0x50, 0x4e, 0x47])).clone();
        found.properties.content_type = Some("image/PNG".to_owned());
        found.properties.user_properties = vec![("Room".to_owned(), "Attic".to_owned())];
        found.qos = QoS::AtLeastOnce;
        found.retain = true;
        for query in [
            "image/png",
            "attic room",
            "qos:1",
            "retained png",
            "89504e",
            "0x504E",
            "hex:47",
        ] {
            assert!(finds(query, &found), "{query}");
        }
        for query in ["qos:2", "dup", "89504f", "cellar"] {
            assert!(!finds(query, &found), "{query}");
        }
    }
}
