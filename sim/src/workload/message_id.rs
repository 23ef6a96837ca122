//! Identifies a message, so that the oracle recognizes each copy of it.

use core::fmt;
use core::str::FromStr;

use tab::api::{Message, MessageProperties};

/// Name of the user property that carries a [`MessageId`].
pub(crate) const ID_PROPERTY: &str = "id";

/// Identifies a message by its publisher and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageId {
    /// Number of the tab.
    page: u32,
    client: u32,
    /// Rises with every message of the page.
    no: u64,
}

impl MessageId {
    pub(crate) const fn new(page: u32, client: u32, no: u64) -> Self {
        Self { page, client, no }
    }

    /// Reads the id of a message. MQTT 3.1.1 has no properties, so that only the payload contains it.
    pub(crate) fn of(message: &Message) -> Option<Self> {
        Self::in_properties(&message.properties).or_else(|| Self::all_in(&message.payload).next())
    }

    /// Finds all ids in some bytes.
    pub(crate) fn all_in(bytes: &[u8]) -> impl Iterator<Item = Self> + '_ {
        bytes
            .split(|byte| *byte == b'~')
            .skip(1)
            .filter_map(|rest| {
                let end = rest.iter().position(|byte| *byte == b';')?;
                let id = core::str::from_utf8(rest.get(..end)?).ok()?;
                format!("~{id};").parse().ok()
            })
    }

    pub(crate) fn in_properties(properties: &MessageProperties) -> Option<Self> {
        let mut ids = properties
            .user_properties
            .iter()
            .filter(|(name, _)| name == ID_PROPERTY);
        ids.next()?.1.parse().ok()
    }
}

/// Has a start and an end mark, so that no id is part of another one. The oracle searches for ids in stored bytes.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "~{}.{}.{};", self.page, self.client, self.no)
    }
}

impl FromStr for MessageId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.strip_prefix('~').ok_or(())?;
        let text = text.strip_suffix(';').ok_or(())?;
        let mut parts = text.split('.');
        let mut part = || parts.next()?.parse::<u64>().ok();
        let (page, client, no) = part()
            .zip(part())
            .zip(part())
            .map(|((page, client), no)| (page, client, no))
            .ok_or(())?;
        Ok(Self {
            page: u32::try_from(page).map_err(|_| ())?,
            client: u32::try_from(client).map_err(|_| ())?,
            no,
        })
    }
}
