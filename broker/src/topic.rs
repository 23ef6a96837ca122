//! Topic names, topic filters, and matching.

use core::fmt;
use std::sync::Arc;

/// A valid topic name. A clone costs no copy. [MQTT-4.7.3-1]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// Parses a topic name: not empty, no U+0000, no wildcard, at most 65,535 bytes.
    ///
    /// # Errors
    ///
    /// The first rule that `name` breaks.
    pub fn parse(name: &str) -> Result<Self, TopicError> {
        Self::check(name)?;
        Ok(Self(name.into()))
    }

    /// Checks a name as [`TopicName::parse`] does, without keeping it.
    pub(crate) fn check(name: &str) -> Result<(), TopicError> {
        check_text(name)?;
        match wildcard(name) {
            Some(offset) => Err(TopicError::Wildcard { offset }),
            None => Ok(()),
        }
    }

    /// The name as it was published.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The levels from left to right, at least one; a level may be empty.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.0.split(SEPARATOR)
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A valid topic filter, with `$share/group/` in front if it is shared. A clone costs no copy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter(Arc<str>);

impl TopicFilter {
    /// Parses a topic filter: not empty, no U+0000, at most 65,535 bytes, wildcards only as whole levels, and `#` only
    /// as the last one. A shared one has a group without wildcards, and a filter after it. [MQTT-4.7.1-1]
    /// [MQTT-4.7.1-2] [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    ///
    /// # Errors
    ///
    /// The first rule that `filter` breaks.
    pub fn parse(filter: &str) -> Result<Self, TopicError> {
        Self::check(filter)?;
        Ok(Self(filter.into()))
    }

    /// Checks a filter as [`TopicFilter::parse`] does, without keeping it.
    pub(crate) fn check(filter: &str) -> Result<(), TopicError> {
        check_text(filter)?;
        let Some(rest) = filter.strip_prefix(SHARE_PREFIX) else {
            return check_wildcards(filter, 0);
        };
        let (group, shared) = rest.split_once(SEPARATOR).unwrap_or((rest, ""));
        if group.is_empty() {
            return Err(TopicError::ShareGroupEmpty);
        }
        if let Some(at) = wildcard(group) {
            return Err(TopicError::ShareGroupWildcard {
                offset: SHARE_PREFIX.len() + at,
            });
        }
        if shared.is_empty() {
            return Err(TopicError::ShareWithoutFilter);
        }
        check_wildcards(shared, filter.len() - shared.len())
    }

    /// Whether a filter that passed the check is one of a shared subscription.
    pub(crate) fn is_shared(filter: &str) -> bool {
        filter.starts_with(SHARE_PREFIX)
    }

    /// The filter as it was subscribed to, `$share/group/` included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The group of a shared subscription and the filter that its members share.
    #[must_use]
    pub fn share(&self) -> Option<(&str, &str)> {
        share(&self.0)
    }

    /// The levels from left to right, wildcards included, without `$share/group/`.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.without_share().split(SEPARATOR)
    }

    /// Whether this filter matches `name`: see [`topic_matches`].
    #[must_use]
    pub fn matches(&self, name: &TopicName) -> bool {
        topic_matches(&self.0, &name.0)
    }

    /// Whether it may match more than one name.
    pub(crate) fn has_wildcards(&self) -> bool {
        // A share group has none.
        wildcard(&self.0).is_some()
    }

    /// The filter without `$share/group/`.
    pub(crate) fn without_share(&self) -> &str {
        without_share(&self.0)
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn share(filter: &str) -> Option<(&str, &str)> {
    filter.strip_prefix(SHARE_PREFIX)?.split_once(SEPARATOR)
}

fn without_share(filter: &str) -> &str {
    share(filter).map_or(filter, |(_, filter)| filter)
}

/// Whether a valid topic filter matches a valid topic name. A shared filter matches without `$share/group/`. A
/// first-level wildcard does not match a name that starts with `$`; `a/#` also matches `a`. [MQTT-4.7.2-1]
///
/// ```
/// # use broker::topic_matches;
/// assert!(topic_matches("home/+/temperature", "home/kitchen/temperature"));
/// assert!(!topic_matches("#", "$SYS/broker/uptime"));
/// ```
#[must_use]
pub fn topic_matches(filter: &str, name: &str) -> bool {
    let filter = without_share(filter);
    if name.starts_with('$') && filter.starts_with(WILDCARDS) {
        return false;
    }
    let mut levels = name.split(SEPARATOR);
    for wanted in filter.split(SEPARATOR) {
        if wanted == MULTI_LEVEL {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == SINGLE_LEVEL || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// Why a text is no topic name or no topic filter. Offsets count bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicError {
    /// It has no character. [MQTT-4.7.3-1]
    Empty,
    /// It is longer than 65,535 bytes. [MQTT-4.7.3-3]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It contains U+0000. [MQTT-4.7.3-2]
    NulCharacter {
        /// The offset of the character.
        offset: usize,
    },
    /// A topic name contains a wildcard.
    Wildcard {
        /// The offset of the wildcard.
        offset: usize,
    },
    /// A wildcard is not a level of its own, or levels follow a `#`. [MQTT-4.7.1-1] [MQTT-4.7.1-2]
    MisplacedWildcard {
        /// The offset of the wildcard.
        offset: usize,
    },
    /// The share group is empty. [MQTT-4.8.2-1]
    ShareGroupEmpty,
    /// The group of a shared subscription contains a wildcard. [MQTT-4.8.2-2]
    ShareGroupWildcard {
        /// The offset of the wildcard.
        offset: usize,
    },
    /// No topic filter follows the group of a shared subscription. [MQTT-4.8.2-2]
    ShareWithoutFilter,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "it is empty"),
            Self::TooLong { bytes } => write!(f, "{bytes} bytes are more than {BYTES_MAX}"),
            Self::NulCharacter { offset } => write!(f, "U+0000 at byte {offset}"),
            Self::Wildcard { offset } => write!(f, "wildcard at byte {offset} of a topic name"),
            Self::MisplacedWildcard { offset } => write!(f, "misplaced wildcard at byte {offset}"),
            Self::ShareGroupEmpty => write!(f, "the share group is empty"),
            Self::ShareGroupWildcard { offset } => {
                write!(f, "wildcard at byte {offset}, in the share group")
            }
            Self::ShareWithoutFilter => write!(f, "no topic filter after the share group"),
        }
    }
}

impl core::error::Error for TopicError {}

const SEPARATOR: char = '/';
pub(crate) const SINGLE_LEVEL: &str = "+";
pub(crate) const MULTI_LEVEL: &str = "#";
const WILDCARDS: [char; 2] = ['+', '#'];
const SHARE_PREFIX: &str = "$share/";
const BYTES_MAX: usize = u16::MAX as usize;

fn check_text(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > BYTES_MAX {
        return Err(TopicError::TooLong { bytes: text.len() });
    }
    match text.find('\0') {
        Some(offset) => Err(TopicError::NulCharacter { offset }),
        None => Ok(()),
    }
}

/// The byte offset of the first wildcard. Searching for characters takes several times as long, and each message's topic is searched.
pub(crate) fn wildcard(text: &str) -> Option<usize> {
    text.bytes().position(|byte| matches!(byte, b'+' | b'#'))
}

/// `start` is where `filter` starts in the text that the error is about.
fn check_wildcards(filter: &str, start: usize) -> Result<(), TopicError> {
    let mut offset = start;
    let mut levels = filter.split(SEPARATOR).peekable();
    while let Some(level) = levels.next() {
        if let Some(at) = wildcard(level) {
            let whole_level = level.len() == 1;
            let levels_follow = levels.peek().is_some();
            if !whole_level || (level == MULTI_LEVEL && levels_follow) {
                return Err(TopicError::MisplacedWildcard {
                    offset: offset + at,
                });
            }
        }
        offset += level.len() + 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::parse(text).unwrap()
    }

    fn matches(filter_text: &str, name: &str) -> bool {
        filter(filter_text).matches(&TopicName::parse(name).unwrap())
    }

    #[test]
    fn names_without_wildcards_are_accepted_unchanged() {
        let longest = "x".repeat(BYTES_MAX);
        for name in [
            "a",
            "/",
            "a//b/",
            " ",
            "$SYS/ü/日本",
            "\u{feff}a",
            "$share",
            "$share/g/a",
            &longest,
        ] {
            assert_eq!(TopicName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn the_error_of_an_invalid_name_has_its_place() {
        let too_long = "x".repeat(BYTES_MAX + 1);
        for (name, error) in [
            ("", TopicError::Empty),
            (
                too_long.as_str(),
                TopicError::TooLong {
                    bytes: BYTES_MAX + 1,
                },
            ),
            ("ü\0", TopicError::NulCharacter { offset: 2 }),
            ("a/+", TopicError::Wildcard { offset: 2 }),
            ("a#", TopicError::Wildcard { offset: 1 }),
        ] {
            assert_eq!(TopicName::parse(name), Err(error));
        }
    }

    #[test]
    fn filters_may_have_wildcards_as_whole_levels() {
        for text in [
            "#",
            "+",
            "/",
            "+/+",
            "/+",
            "a/#",
            "+/a/#",
            "a//+",
            "$SYS/#",
            "\u{feff}/+",
            "$share",
            "$shared/#",
            "$share/g/#",
            "$share/g//",
            "$share/g/$share/h/a",
        ] {
            assert_eq!(filter(text).as_str(), text);
        }
    }

    #[test]
    fn the_error_of_an_invalid_filter_has_its_place() {
        for (text, error) in [
            ("", TopicError::Empty),
            ("a\0", TopicError::NulCharacter { offset: 1 }),
            ("a/#/b", TopicError::MisplacedWildcard { offset: 2 }),
            ("#/", TopicError::MisplacedWildcard { offset: 0 }),
            ("ü+", TopicError::MisplacedWildcard { offset: 2 }),
            ("+a", TopicError::MisplacedWildcard { offset: 0 }),
            ("a/++", TopicError::MisplacedWildcard { offset: 2 }),
            ("a/b#", TopicError::MisplacedWildcard { offset: 3 }),
            ("$share/", TopicError::ShareGroupEmpty),
            ("$share//a", TopicError::ShareGroupEmpty),
            ("$share/g+/a", TopicError::ShareGroupWildcard { offset: 8 }),
            ("$share/#", TopicError::ShareGroupWildcard { offset: 7 }),
            ("$share/g", TopicError::ShareWithoutFilter),
            ("$share/g/", TopicError::ShareWithoutFilter),
            (
                "$share/g/a/b+",
                TopicError::MisplacedWildcard { offset: 12 },
            ),
        ] {
            assert_eq!(TopicFilter::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_plus_matches_exactly_one_level() {
        assert!(matches("+", "a"));
        assert!(matches("a/+/c", "a/b/c"));
        assert!(matches("a/+", "a/"));
        assert!(matches("+/+", "/a"));
        assert!(matches("/+", "/a"));
        assert!(!matches("+", "/a"));
        assert!(!matches("a/+", "a"));
        assert!(!matches("a/+", "a/b/c"));
    }

    #[test]
    fn a_hash_matches_the_parent_and_all_levels_below() {
        assert!(matches("#", "a/b/c"));
        assert!(matches("#", "/"));
        assert!(matches("a/#", "a"));
        assert!(matches("a/#", "a/"));
        assert!(matches("a/#", "a/b/c"));
        assert!(matches("+/#", "a"));
        assert!(!matches("a/#", "ab"));
        assert!(!matches("a/b/#", "a"));
    }

    #[test]
    fn levels_are_compared_byte_by_byte() {
        assert!(matches("a/b", "a/b"));
        assert!(!matches("a/b", "A/b"));
        assert!(!matches("a", "a/"));
        assert!(!matches("a/b", "a"));
        assert!(!matches("a", "\u{feff}a"));
    }

    #[test]
    fn a_leading_wildcard_never_matches_a_dollar_topic() {
        assert!(!matches("#", "$SYS/uptime"));
        assert!(!matches("+/uptime", "$SYS/uptime"));
        assert!(!matches("$share/g/#", "$SYS/uptime"));
        assert!(matches("$SYS/#", "$SYS/uptime"));
        assert!(matches("$SYS/+", "$SYS/uptime"));
        assert!(matches("$share/g/$SYS/#", "$SYS/uptime"));
    }

    #[test]
    fn a_shared_filter_matches_by_what_follows_its_group() {
        let shared = filter("$share/g/a/+");
        assert_eq!(shared.share(), Some(("g", "a/+")));
        assert_eq!(shared.levels().collect::<Vec<_>>(), ["a", "+"]);
        assert!(matches("$share/g/a/+", "a/b"));
        assert!(!matches("$share/g/a/+", "$share/g/a/b"));
        assert_eq!(filter("$share").share(), None);
        assert_eq!(filter("a/+").share(), None);
    }

    #[test]
    fn topics_match_filters_as_the_specification_says() {
        for (filter, topic) in [
            ("#", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("a/+", "a/b"),
            ("+/+", "/b"),
            ("a/+/c", "a//c"),
            ("$SYS/#", "$SYS/x"),
            ("$share/g/a/+", "a/b"),
        ] {
            assert!(topic_matches(filter, topic), "{filter} matches {topic}");
        }
        for (filter, topic) in [
            ("a", "a/b"),
            ("a/b", "a"),
            ("a/+", "a"),
            ("a/+", "a/b/c"),
            ("#", "$SYS/x"),
            ("+/x", "$SYS/x"),
            ("$share/g/#", "$SYS/x"),
        ] {
            assert!(!topic_matches(filter, topic), "{filter} leaves out {topic}");
        }
    }
}
