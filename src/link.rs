//! The part of the state that lives in the page's URL, so that a set-up can be shared as a link.

use std::fmt::Write as _;

use tabmq_worker::BusOptions;
use tabmq_worker::api::{ConnectOptions, Durability};

/// Channel of a page whose link names none.
const CHANNEL_DEFAULT: &str = "mqtt-demo";

/// Topic filter of a page whose link says nothing about subscriptions.
const TOPIC_FILTER_DEFAULT: &str = "#";

/// A set-up as a query string: `?channel=name&durability=strict&client_id=…&subscribe=filter,filter&view=topics`.
///
/// An empty `subscribe=` subscribes to nothing. Within `subscribe`, a comma or a percent sign that belongs to a filter is
/// itself percent-encoded before the whole value is, so that any standard tool may write or read the link. A `+` is
/// always itself and never a space: it is a wildcard far more often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) channel: String,
    pub(crate) durability: Durability,
    pub(crate) client_id: String,
    pub(crate) clean_start: bool,
    pub(crate) session_expiry_interval: u32,
    pub(crate) keep_alive: u16,
    pub(crate) topic_filters: Vec<String>,
    pub(crate) view: View,
}

/// What of the bus the page shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum View {
    #[default]
    Messages,
    Topics,
    Routing,
    Failover,
    Performance,
}

impl View {
    pub(crate) const ALL: [Self; 5] = [
        Self::Messages,
        Self::Topics,
        Self::Routing,
        Self::Failover,
        Self::Performance,
    ];

    /// Its name in a link.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Topics => "topics",
            Self::Routing => "routing",
            Self::Failover => "failover",
            Self::Performance => "performance",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.name() == name)
    }
}

impl Default for Link {
    fn default() -> Self {
        let ConnectOptions {
            client_id,
            clean_start,
            session_expiry_interval,
            keep_alive,
            ..
        } = ConnectOptions::default();
        Self {
            channel: CHANNEL_DEFAULT.to_owned(),
            durability: Durability::default(),
            client_id,
            clean_start,
            session_expiry_interval,
            keep_alive,
            topic_filters: vec![TOPIC_FILTER_DEFAULT.to_owned()],
            view: View::default(),
        }
    }
}

impl Link {
    /// Reads a query string, with or without its `?`. What it does not know or understand, it leaves at the default.
    pub(crate) fn parse(query: &str) -> Self {
        let mut link = Self::default();
        let mut topic_filters = None;
        for pair in query.trim_start_matches('?').split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value);
            match name {
                "channel" => link.channel = value,
                "durability" => link.durability = durability(&value).unwrap_or(link.durability),
                "client_id" => link.client_id = value,
                "clean_start" => link.clean_start = value.parse().unwrap_or(link.clean_start),
                "session_expiry" => {
                    link.session_expiry_interval =
                        value.parse().unwrap_or(link.session_expiry_interval);
                }
                "keep_alive" => link.keep_alive = value.parse().unwrap_or(link.keep_alive),
                "subscribe" => topic_filters
                    .get_or_insert_with(Vec::new)
                    .extend(value.split(',').filter(|f| !f.is_empty()).map(decode)),
                "view" => link.view = View::named(&value).unwrap_or(link.view),
                _ => {}
            }
        }
        link.topic_filters = topic_filters.unwrap_or(link.topic_filters);
        link
    }

    /// How to join the channel.
    pub(crate) fn bus_options(&self) -> BusOptions {
        BusOptions {
            durability: self.durability,
            ..BusOptions::new(&self.channel)
        }
    }

    /// How to connect to its broker.
    pub(crate) fn connect_options(&self) -> ConnectOptions {
        ConnectOptions {
            client_id: self.client_id.clone(),
            clean_start: self.clean_start,
            session_expiry_interval: self.session_expiry_interval,
            keep_alive: self.keep_alive,
            ..ConnectOptions::default()
        }
    }

    /// The query string, with its `?`; empty if everything is as it is without one.
    pub(crate) fn query(&self) -> String {
        let default = Self::default();
        let mut pairs = Vec::new();
        if self.channel != default.channel {
            pairs.push(format!("channel={}", encode(&self.channel)));
        }
        if self.durability != default.durability {
            pairs.push(format!("durability={}", durability_name(self.durability)));
        }
        if self.client_id != default.client_id {
            pairs.push(format!("client_id={}", encode(&self.client_id)));
        }
        if self.clean_start != default.clean_start {
            pairs.push(format!("clean_start={}", self.clean_start));
        }
        if self.session_expiry_interval != default.session_expiry_interval {
            pairs.push(format!("session_expiry={}", self.session_expiry_interval));
        }
        if self.keep_alive != default.keep_alive {
            pairs.push(format!("keep_alive={}", self.keep_alive));
        }
        if self.topic_filters != default.topic_filters {
            let escape = |filter: &String| filter.replace('%', "%25").replace(',', "%2C");
            let filters: Vec<_> = self
                .topic_filters
                .iter()
                .map(|f| encode(&escape(f)))
                .collect();
            pairs.push(format!("subscribe={}", filters.join(",")));
        }
        if self.view != default.view {
            pairs.push(format!("view={}", self.view.name()));
        }
        if pairs.is_empty() {
            String::new()
        } else {
            format!("?{}", pairs.join("&"))
        }
    }

    /// The link for one more tab: the same set-up without the client id, because two connections of one client id take
    /// each other over.
    pub(crate) fn for_another_tab(mut self) -> Self {
        self.client_id.clear();
        self
    }
}

/// Every durability, from the one of a link that names none.
pub(crate) const DURABILITIES: [Durability; 3] =
    [Durability::Relaxed, Durability::Strict, Durability::Memory];

/// Its name in a link.
pub(crate) fn durability_name(durability: Durability) -> &'static str {
    match durability {
        Durability::Relaxed => "relaxed",
        Durability::Strict => "strict",
        Durability::Memory => "memory",
    }
}

/// The durability of this name.
pub(crate) fn durability(name: &str) -> Option<Durability> {
    let mut all = DURABILITIES.into_iter();
    all.find(|durability| durability_name(*durability) == name)
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'$' => {
                encoded.push(char::from(byte));
            }
            _ => {
                // Writing into a String cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

/// Undoes percent-encoding. A `%` without two hex digits stays; bytes that are not UTF-8 become U+FFFD.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        rest = match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                tail.get(2..).unwrap_or_default()
            }
            None => {
                bytes.push(first);
                tail
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(query: &str) -> Vec<String> {
        Link::parse(query).topic_filters
    }

    #[test]
    fn a_bare_page_joins_the_demo_and_subscribes_to_everything() {
        let link = Link::parse("");
        assert_eq!(link.channel, "mqtt-demo");
        assert_eq!(link.topic_filters, ["#"]);
        assert_eq!(link.query(), "");
    }

    #[test]
    fn an_empty_subscribe_subscribes_to_nothing() {
        assert!(filters("?subscribe=").is_empty());
        assert_eq!(Link::parse("?subscribe=").query(), "?subscribe=");
    }

    #[test]
    fn filters_are_read_as_people_and_as_tools_write_them() {
        for query in [
            "?subscribe=a/+/b,c%23",
            "?subscribe=a/%2B/b%2Cc%23",
            "?subscribe=a/%2B/b&subscribe=c%23",
        ] {
            assert_eq!(filters(query), ["a/+/b", "c#"], "{query}");
        }
        assert_eq!(filters("?subscribe=100%25,%"), ["100%", "%"]);
    }

    #[test]
    fn every_set_up_survives_the_way_through_a_link() {
        let link = Link {
            channel: "a.b-c_d".to_owned(),
            durability: Durability::Memory,
            client_id: "me & you=100% + ü".to_owned(),
            clean_start: false,
            session_expiry_interval: u32::MAX,
            keep_alive: 0,
            topic_filters: ["a,b", "50%2C/+/#", "$share/g/x y", "ü"]
                .map(str::to_owned)
                .to_vec(),
            view: View::Failover,
        };
        assert_eq!(Link::parse(&link.query()), link);
        assert!(link.query().is_ascii());
    }

    #[test]
    fn nonsense_is_left_at_the_default() {
        let query = "?keep_alive=99999&clean_start=maybe&session_expiry=-1&durability=eternal&view=none&x=y&&=&%";
        assert_eq!(Link::parse(query), Link::default());
    }

    #[test]
    fn another_tab_gets_its_own_client_id() {
        let link = Link::parse("?channel=c&client_id=me");
        assert_eq!(link.for_another_tab().query(), "?channel=c");
    }
}
