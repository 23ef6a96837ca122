//! The part of the state that is in the page's URL, so that a set-up can be shared as a link.

use std::fmt::Write as _;
use std::str::FromStr;

use tabmq_worker::BusOptions;
use tabmq_worker::api::{ConnectOptions, Durability, QoS, RetainHandling, Subscription};

use crate::labels::alerts;
use crate::labels::figures::qos_level;
use crate::labels::topic_names::filter_problem;
use crate::payload::Format;

/// Channel of a URL that names none.
const CHANNEL_DEFAULT: &str = "mqtt-demo";

/// Topic filter of a URL without `subscribe`.
const TOPIC_FILTER_DEFAULT: &str = "#";

/// Settings as a query string: `?channel=name&durability=strict&client_id=…&subscribe=filter,filter;qos=1&view=topics`.
///
/// An empty `subscribe=` subscribes to nothing. Options of a subscription follow its filter, each after a semicolon: `qos=0`,
/// `nl` (No Local), `rap=0` (no Retain As Published), `rh=1` or `2` (Retain Handling), `id=7`. A comma, semicolon or percent
/// sign within a filter is percent-encoded before the whole value is, so that standard tools can write and read the URL. A
/// `+` is never a space, because it is a wildcard far more often.
///
/// `filter` and `search` are those of the log; `topic`, `payload`, `format`, `qos` and `retain` are the message in the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShareUrl {
    pub(crate) channel: String,
    pub(crate) durability: Durability,
    pub(crate) client_id: String,
    pub(crate) clean_start: bool,
    pub(crate) session_expiry_interval: u32,
    pub(crate) keep_alive: u16,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) view: View,
    /// The topic filter of the log.
    pub(crate) filter: String,
    /// The search in the log.
    pub(crate) search: String,
    pub(crate) draft: Option<Draft>,
}

/// A message that is not published yet, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) format: Format,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
}

impl Draft {
    /// The draft as the query string of a URL.
    pub(crate) fn query(&self) -> String {
        let share_url = ShareUrl {
            draft: Some(self.clone()),
            ..ShareUrl::default()
        };
        share_url.query()
    }

    /// The inverse of [`query`](Self::query); `None`: it has no topic.
    pub(crate) fn of_query(query: &str) -> Option<Self> {
        ShareUrl::parse(query).draft
    }
}

/// Bytes of a payload that a URL carries. Servers and messengers cut longer URLs.
pub(crate) const DRAFT_BYTES_MAX: usize = 2_000;

/// A subscription with the app's defaults.
pub(crate) fn subscription(topic_filter: &str) -> Subscription {
    Subscription {
        topic_filter: topic_filter.to_owned(),
        // The maximum, so that every message arrives with the QoS of its publication.
        qos: QoS::ExactlyOnce,
        // Shows whether a message was published with RETAIN.
        retain_as_published: true,
        ..Subscription::default()
    }
}

/// Whether a broker can grant it. `false` is certain.
pub(crate) fn is_grantable(subscription: &Subscription) -> bool {
    let filter = &subscription.topic_filter;
    // A shared subscription with No Local is a protocol error. [MQTT-3.8.3-4]
    let is_shared = filter.starts_with("$share/");
    filter_problem(filter).is_none() && !(is_shared && subscription.no_local)
}

/// The view that the page shows.
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

    /// Its name in a URL.
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

impl Default for ShareUrl {
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
            subscriptions: vec![subscription(TOPIC_FILTER_DEFAULT)],
            view: View::default(),
            filter: String::new(),
            search: String::new(),
            draft: None,
        }
    }
}

impl ShareUrl {
    /// Reads a query string, with or without its `?`. Unknown and invalid values keep their defaults.
    pub(crate) fn parse(query: &str) -> Self {
        Self::parse_with_notes(query).0
    }

    /// The same, with a note on each invalid value: the value, and what is used instead.
    pub(crate) fn parse_with_notes(query: &str) -> (Self, Vec<String>) {
        let mut share_url = Self::default();
        let mut notes = Notes::default();
        let mut subscriptions = None;
        let mut draft = None::<Draft>;
        for pair in query.trim_start_matches('?').split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value);
            let mut check = Checked {
                name,
                value: &value,
                notes: &mut notes,
            };
            match name {
                "channel" => share_url.channel = value,
                "durability" => check.set(&mut share_url.durability, durability, |it| {
                    durability_name(*it).to_owned()
                }),
                "client_id" => share_url.client_id = value,
                "clean_start" => check.set_parsed(&mut share_url.clean_start),
                "session_expiry" => check.set_parsed(&mut share_url.session_expiry_interval),
                "keep_alive" => check.set_parsed(&mut share_url.keep_alive),
                "subscribe" => subscriptions.get_or_insert_with(Vec::new).extend(
                    value
                        .split(',')
                        .filter(|f| !f.is_empty())
                        .map(|it| parse_one(it, &mut notes)),
                ),
                "view" => check.set(&mut share_url.view, View::named, |it| it.name().to_owned()),
                "filter" => share_url.filter = value,
                "search" => share_url.search = value,
                "topic" => draft.get_or_insert_default().topic = value,
                "payload" => draft.get_or_insert_default().payload = value,
                "format" => check.set(
                    &mut draft.get_or_insert_default().format,
                    |name| {
                        let mut all = Format::ALL.into_iter();
                        all.find(|it| it.name().eq_ignore_ascii_case(name))
                    },
                    |it| it.name().to_lowercase(),
                ),
                "qos" => check.set_qos(&mut draft.get_or_insert_default().qos),
                // A name without a value is on.
                "retain" if value.is_empty() => draft.get_or_insert_default().retain = true,
                "retain" => check.set_parsed(&mut draft.get_or_insert_default().retain),
                _ => {}
            }
        }
        share_url.subscriptions = subscriptions.unwrap_or(share_url.subscriptions);
        // A payload without a topic is ignored.
        share_url.draft = draft.filter(|it| !it.topic.is_empty());
        if let Some(draft) = &share_url.draft
            && draft.format.parse(&draft.payload).is_err()
        {
            notes
                .0
                .push(alerts::payload_not_understood(draft.format.name()));
        }
        (share_url, notes.0)
    }

    /// The options to join the channel.
    pub(crate) fn bus_options(&self) -> BusOptions {
        BusOptions {
            durability: self.durability,
            ..BusOptions::new(&self.channel)
        }
    }

    /// The options to connect to its broker.
    pub(crate) fn connect_options(&self) -> ConnectOptions {
        ConnectOptions {
            client_id: self.client_id.clone(),
            clean_start: self.clean_start,
            session_expiry_interval: self.session_expiry_interval,
            keep_alive: self.keep_alive,
            ..ConnectOptions::default()
        }
    }

    /// The query string, with its `?`; empty if all values are defaults.
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
        if self.subscriptions != default.subscriptions {
            let all: Vec<String> = self.subscriptions.iter().map(write_one).collect();
            pairs.push(format!("subscribe={}", all.join(",")));
        }
        if !self.filter.is_empty() {
            pairs.push(format!("filter={}", encode(&self.filter)));
        }
        if !self.search.is_empty() {
            pairs.push(format!("search={}", encode(&self.search)));
        }
        if let Some(draft) = &self.draft {
            let standard = Draft::default();
            pairs.push(format!("topic={}", encode(&draft.topic)));
            if !draft.payload.is_empty() {
                pairs.push(format!("payload={}", encode(&draft.payload)));
            }
            if draft.format != standard.format {
                pairs.push(format!("format={}", draft.format.name().to_lowercase()));
            }
            if draft.qos != standard.qos {
                pairs.push(format!("qos={}", qos_level(draft.qos)));
            }
            if draft.retain {
                pairs.push("retain=true".to_owned());
            }
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

    /// The URL for another tab: the same settings without the client ID, because each connection would take over the session of
    /// the other, and without search, filter and draft.
    pub(crate) fn for_another_tab(mut self) -> Self {
        self.client_id.clear();
        self.filter.clear();
        self.search.clear();
        self.draft = None;
        self
    }
}

/// Notes on invalid values.
#[derive(Default)]
struct Notes(Vec<String>);

/// A value of a URL, and the notes that it is added to if it is invalid.
struct Checked<'a> {
    name: &'a str,
    value: &'a str,
    notes: &'a mut Notes,
}

impl Checked<'_> {
    /// Sets `target` to the value; an invalid value leaves it as it is. `written` is the target as a URL has it.
    fn set<T>(
        &mut self,
        target: &mut T,
        read: impl Fn(&str) -> Option<T>,
        written: impl Fn(&T) -> String,
    ) {
        match read(self.value) {
            Some(value) => *target = value,
            None => self.notes.0.push(alerts::not_understood(
                self.name,
                self.value,
                &written(target),
            )),
        }
    }

    fn set_parsed<T: FromStr + ToString>(&mut self, target: &mut T) {
        self.set(target, |it| it.parse().ok(), T::to_string);
    }

    fn set_qos(&mut self, target: &mut QoS) {
        self.set(target, parse_qos, |it| qos_level(*it).to_string());
    }
}

/// Reads a subscription from a decoded `subscribe` value.
fn parse_one(text: &str, notes: &mut Notes) -> Subscription {
    let mut parts = text.split(';');
    let mut it = subscription(&decode(parts.next().unwrap_or_default()));
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let mut check = Checked { name, value, notes };
        match name {
            "qos" => check.set_qos(&mut it.qos),
            "nl" => it.no_local = true,
            "rap" => it.retain_as_published = value != "0",
            "rh" => check.set(
                &mut it.retain_handling,
                |value| match value {
                    "0" => Some(RetainHandling::SendAtSubscribe),
                    "1" => Some(RetainHandling::SendIfNew),
                    "2" => Some(RetainHandling::DoNotSend),
                    _ => None,
                },
                |_| "0".to_owned(),
            ),
            "id" => check.set(
                &mut it.identifier,
                |value| {
                    let id = value.parse().ok();
                    id.filter(|id| (1..=268_435_455).contains(id)).map(Some)
                },
                |_| alerts::NO_IDENTIFIER.to_owned(),
            ),
            _ => {}
        }
    }
    it
}

/// The inverse of [`parse_one`], percent-encoded for a URL.
fn write_one(it: &Subscription) -> String {
    let escaped = it.topic_filter.replace('%', "%25");
    let escaped = escaped.replace(',', "%2C").replace(';', "%3B");
    let mut text = encode(&escaped);
    let usual = subscription(&it.topic_filter);
    if it.qos != usual.qos {
        let _ = write!(text, ";qos={}", qos_level(it.qos));
    }
    if it.no_local {
        text.push_str(";nl");
    }
    if !it.retain_as_published {
        text.push_str(";rap=0");
    }
    match it.retain_handling {
        RetainHandling::SendAtSubscribe => {}
        RetainHandling::SendIfNew => text.push_str(";rh=1"),
        RetainHandling::DoNotSend => text.push_str(";rh=2"),
    }
    if let Some(id) = it.identifier {
        let _ = write!(text, ";id={id}");
    }
    text
}

fn parse_qos(level: &str) -> Option<QoS> {
    Some(match level {
        "0" => QoS::AtMostOnce,
        "1" => QoS::AtLeastOnce,
        "2" => QoS::ExactlyOnce,
        _ => return None,
    })
}

/// Every durability, with the default first.
pub(crate) const DURABILITIES: [Durability; 3] =
    [Durability::Relaxed, Durability::Strict, Durability::Memory];

/// Its name in a URL.
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
        let subscriptions = ShareUrl::parse(query).subscriptions.into_iter();
        subscriptions.map(|it| it.topic_filter).collect()
    }

    #[test]
    fn a_bare_page_joins_the_demo_and_subscribes_to_everything() {
        let share_url = ShareUrl::parse("");
        assert_eq!(share_url.channel, "mqtt-demo");
        assert_eq!(share_url.subscriptions, [subscription("#")]);
        assert_eq!(share_url.query(), "");
    }

    #[test]
    fn an_empty_subscribe_subscribes_to_nothing() {
        assert!(filters("?subscribe=").is_empty());
        assert_eq!(ShareUrl::parse("?subscribe=").query(), "?subscribe=");
    }

    #[test]
    fn filters_are_read_plain_and_percent_encoded() {
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
    fn every_set_up_survives_a_round_trip_through_a_url() {
        let share_url = ShareUrl {
            channel: "a.b-c_d".to_owned(),
            durability: Durability::Memory,
            client_id: "me & you=100% + ü".to_owned(),
            clean_start: false,
            session_expiry_interval: u32::MAX,
            keep_alive: 0,
            subscriptions: vec![
                subscription("a,b;qos=1"),
                Subscription {
                    qos: QoS::AtMostOnce,
                    no_local: true,
                    retain_as_published: false,
                    ..subscription("50%2C/+/#")
                },
                Subscription {
                    retain_handling: RetainHandling::SendIfNew,
                    identifier: Some(7),
                    ..subscription("$share/g/x y")
                },
                Subscription {
                    qos: QoS::AtLeastOnce,
                    retain_handling: RetainHandling::DoNotSend,
                    ..subscription("ü")
                },
            ],
            view: View::Failover,
            filter: "a/+".to_owned(),
            search: "x&y =z".to_owned(),
            draft: Some(Draft {
                topic: "a b".to_owned(),
                payload: "{\"a\": 1}\n".to_owned(),
                format: Format::Json,
                qos: QoS::ExactlyOnce,
                retain: true,
            }),
        };
        assert_eq!(ShareUrl::parse(&share_url.query()), share_url);
        assert!(share_url.query().is_ascii());
    }

    #[test]
    fn a_draft_survives_a_round_trip_through_a_query() {
        let draft = Draft {
            topic: "a/b".to_owned(),
            payload: "{\"a\": 1, half &".to_owned(),
            format: Format::Json,
            qos: QoS::AtLeastOnce,
            retain: true,
        };
        assert_eq!(Draft::of_query(&draft.query()), Some(draft));
        assert_eq!(Draft::of_query(""), None);
    }

    #[test]
    fn invalid_values_keep_their_defaults() {
        let query = "?keep_alive=99999&clean_start=maybe&session_expiry=-1&durability=eternal&view=none&x=y&&=&%";
        assert_eq!(ShareUrl::parse(query), ShareUrl::default());
    }

    #[test]
    fn an_invalid_value_has_a_note_that_names_it_and_its_replacement() {
        let notes = |query: &str| ShareUrl::parse_with_notes(query).1;
        assert_eq!(
            notes("?keep_alive=99999&view=none&subscribe=a;qos=7;id=0&x=y&retain"),
            [
                "keep_alive=99999 (60 is used)",
                "view=none (messages is used)",
                "qos=7 (2 is used)",
                "id=0 (none is used)",
            ]
        );
        assert_eq!(
            notes("?topic=a&format=hex&payload=xyz"),
            ["payload, which is not Hex (the form shows it as it is)"]
        );
        assert_eq!(
            notes("?topic=a&retain=maybe"),
            ["retain=maybe (false is used)"]
        );
        for valid in [
            "",
            "?channel=c&qos=2&topic=t",
            "?subscribe=a;rh=0;nl;rap=0;id=7",
        ] {
            assert_eq!(notes(valid), [""; 0], "{valid}");
        }
    }

    #[test]
    fn another_tab_gets_its_own_client_id() {
        let share_url = ShareUrl::parse("?channel=c&client_id=me");
        assert_eq!(share_url.for_another_tab().query(), "?channel=c");
        let share_url = ShareUrl::parse("?search=x&filter=a&topic=t&payload=p");
        assert_eq!(share_url.for_another_tab().query(), "");
    }

    #[test]
    fn subscriptions_that_no_broker_grants_are_known() {
        assert!(is_grantable(&subscription("a/+/#")));
        assert!(!is_grantable(&subscription("a/#/b")));
        let shared = subscription("$share/g/a");
        assert!(is_grantable(&shared));
        assert!(!is_grantable(&Subscription {
            no_local: true,
            ..shared
        }));
    }
}
