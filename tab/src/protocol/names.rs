//! Names on the wire: channels, tabs, lanes and locks.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::protocol::term::Term;

/// Major version of the protocol between tabs, a part of the names of lanes and locks. Tabs of different major versions
/// never communicate. All builds of one major version share one broker.
pub const PROTOCOL_MAJOR: u32 = 1;

/// Version of the database's contents; part of its name.
pub const SCHEMA: u32 = 1;

/// Maximum length of a channel's name in bytes.
pub const CHANNEL_NAME_BYTES_MAX: usize = 64;

/// Name of a channel. Always valid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName(Box<str>);

impl ChannelName {
    /// Accepts 1 to 64 of `A-Z a-z 0-9 . _ -`. No `/`, which separates the parts of the names below.
    ///
    /// # Errors
    /// [`ChannelError`] says what is wrong and where.
    pub fn parse(name: &str) -> Result<Self, ChannelError> {
        if name.is_empty() {
            return Err(ChannelError::Empty);
        }
        if let Some((offset, found)) = name
            .char_indices()
            .find(|(_, c)| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        {
            return Err(ChannelError::Character { offset, found });
        }
        if name.len() > CHANNEL_NAME_BYTES_MAX {
            return Err(ChannelError::TooLong { bytes: name.len() });
        }
        Ok(Self(name.into()))
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name of the BroadcastChannel on which the tabs find each other.
    #[must_use]
    pub fn control(&self) -> String {
        format!("{}-control", self.0)
    }

    /// Name of the BroadcastChannel between one tab and one broker.
    #[must_use]
    pub fn lane(&self, lane: Lane) -> String {
        let Lane { tab, broker, term } = lane;
        format!("{}/v{PROTOCOL_MAJOR}/c/{tab}/{broker}/{term}", self.0)
    }

    /// Name of a Web Lock.
    #[must_use]
    pub fn lock(&self, lock: Lock) -> String {
        match lock {
            Lock::Broker => format!("{}/v{PROTOCOL_MAJOR}/broker", self.0),
            Lock::Tab(tab) => format!("{}/v{PROTOCOL_MAJOR}/tab/{tab}", self.0),
            Lock::Steal => format!("{}/v{PROTOCOL_MAJOR}/steal", self.0),
        }
    }

    /// Name of the database with the broker's log. Its version is always 1, because an upgrade waits for every tab that
    /// has it open, frozen ones too. A new schema is a new database.
    #[must_use]
    pub fn database(&self) -> String {
        format!("tabmq/{}/s{SCHEMA}", self.0)
    }
}

/// The lane between one tab and one broker. The term alone does not identify a broker: without a database two brokers
/// may choose the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lane {
    /// The tab at one end.
    pub tab: TabId,
    /// The broker's tab at the other end.
    pub broker: TabId,
    /// The term of that broker.
    pub term: Term,
}

/// A Web Lock of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lock {
    /// Held by the broker; every other tab queues for it.
    Broker,
    /// Held by this tab while it lives. The broker queues for it and so learns of a crash.
    Tab(TabId),
    /// Held by the one tab that may take the broker's lock from a silent holder.
    Steal,
}

/// Why a channel's name is invalid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelError {
    /// It is empty.
    Empty,
    /// It is too long.
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It contains a character that is not allowed.
    Character {
        /// Offset in bytes.
        offset: usize,
        /// The character.
        found: char,
    },
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("The channel's name is empty."),
            Self::TooLong { bytes } => write!(
                f,
                "The channel's name has {bytes} bytes; {CHANNEL_NAME_BYTES_MAX} are allowed."
            ),
            Self::Character { offset, found } => write!(
                f,
                "The channel's name has {found:?} at {offset}; only letters, digits and . _ - are allowed."
            ),
        }
    }
}

impl core::error::Error for ChannelError {}

/// Id of one start of one tab's worker: 64 random bits, written as 16 hex digits. It is never stored, because
/// "Duplicate tab" copies stored values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TabId(u64);

impl TabId {
    /// The id of these random bits.
    #[must_use]
    pub const fn from_entropy(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits of this id.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Accepts exactly 16 lower-case hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.bytes().all(hex) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Self)
    }

    /// The first four digits, with which people tell tabs apart.
    #[must_use]
    pub fn short(self) -> String {
        format!("{:04x}", self.0 >> 48)
    }
}

impl fmt::Display for TabId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Serialized form of a tab id: text, under its own type name for code generators.
#[derive(Serialize, Deserialize)]
#[serde(rename = "TabId")]
struct TabIdText(String);

impl Serialize for TabId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        TabIdText(self.to_string()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TabId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let TabIdText(text) = TabIdText::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::invalid_value(
                serde::de::Unexpected::Str(&text),
                &"16 lower-case hex digits",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_channel_name_returns_the_reason() {
        assert!(ChannelName::parse("mqtt-demo").is_ok());
        assert_eq!(ChannelName::parse(""), Err(ChannelError::Empty));
        assert_eq!(
            ChannelName::parse("a/b"),
            Err(ChannelError::Character {
                offset: 1,
                found: '/'
            })
        );
        assert_eq!(
            ChannelName::parse(&"x".repeat(65)),
            Err(ChannelError::TooLong { bytes: 65 })
        );
    }

    #[test]
    fn names_contain_the_major_version_and_cannot_collide() {
        let channel = ChannelName::parse("c").unwrap();
        let tab = TabId::from_entropy(0xab);
        let term = Term(7);
        assert_eq!(channel.control(), "c-control");
        let broker = TabId::from_entropy(0xcd);
        assert_eq!(
            channel.lane(Lane { tab, broker, term }),
            "c/v1/c/00000000000000ab/00000000000000cd/7"
        );
        assert_eq!(channel.lock(Lock::Broker), "c/v1/broker");
        assert_eq!(channel.lock(Lock::Tab(tab)), "c/v1/tab/00000000000000ab");
        assert_eq!(channel.lock(Lock::Steal), "c/v1/steal");
        assert_eq!(channel.database(), "tabmq/c/s1");
    }

    #[test]
    fn a_tab_id_is_sixteen_lower_case_hex_digits() {
        let id = TabId::from_entropy(0x0123_4567_89ab_cdef);
        assert_eq!(id.to_string(), "0123456789abcdef");
        assert_eq!(TabId::parse("0123456789abcdef"), Some(id));
        for wrong in [
            "",
            "0123456789ABCDEF",
            "123456789abcdef",
            "+123456789abcdef",
        ] {
            assert_eq!(TabId::parse(wrong), None, "{wrong}");
        }
        assert_eq!(id.short(), "0123");
    }
}
