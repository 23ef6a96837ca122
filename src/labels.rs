//! The state in words.

use std::borrow::Cow;
use std::fmt::Write as _;

use tabmq_worker::api::{
    ClientStatus, DisconnectCause, DropReason, Durability, EventKind, QoS, Role, Subscription,
};
use tabmq_worker::hooks::{PublishStatus, Published};
use tabmq_worker::{BusStatus, Reason, RequestError, StorageStatus, SubscriptionStatus};

use crate::state::drops::Loss;
use crate::state::failover::{Cause, Failover, StreamFigures};
use crate::state::share_url::View;

/// A role's name.
pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Waiting => "Waiting",
        Role::Client { .. } => "Client",
        Role::Broker { .. } => "Broker",
    }
}

/// A view's name.
pub(crate) fn view(view: View) -> &'static str {
    match view {
        View::Messages => "Messages",
        View::Topics => "Topics",
        View::Routing => "Routing",
        View::Failover => "Failover",
        View::Performance => "Performance",
    }
}

/// A status: one word for style sheets and tests, and a sentence.
pub(crate) fn status(bus: &BusStatus, client: &ClientStatus) -> (&'static str, String) {
    match bus {
        BusStatus::Starting => return ("waiting", "Starting…".to_owned()),
        BusStatus::Failed(_) => return ("disconnected", "The worker has stopped.".to_owned()),
        BusStatus::Refused(_) => {
            return (
                "disconnected",
                "Not connected: the channel’s name is not valid.".to_owned(),
            );
        }
        BusStatus::Open(_) => {}
    }
    match client {
        ClientStatus::Waiting => ("waiting", "Waiting for a broker…".to_owned()),
        ClientStatus::Connecting => ("connecting", "Connecting…".to_owned()),
        ClientStatus::Connected {
            client_id,
            session_present,
            term: _,
        } => {
            let session = if *session_present {
                "session resumed"
            } else {
                "new session"
            };
            let client_id = short_ids(client_id);
            ("connected", format!("{client_id} · {session}"))
        }
        ClientStatus::Disconnected(cause) => (
            "disconnected",
            match cause {
                DisconnectCause::Requested => "Disconnected.".to_owned(),
                DisconnectCause::Refused(code) => {
                    format!("The broker refused the connection: {}.", Reason(*code))
                }
                DisconnectCause::ByBroker(SESSION_TAKEN_OVER) => {
                    "Disconnected. Another tab connected with the same client ID (0x8E).".to_owned()
                }
                DisconnectCause::ByBroker(code) => {
                    format!("The broker ended the connection: {}.", Reason(*code))
                }
                DisconnectCause::BrokerError(code) => format!(
                    "Disconnected, because the broker sent an invalid packet: {}.",
                    Reason(*code)
                ),
            },
        ),
    }
}

/// MQTT's reason code of a connection whose client identifier another one has.
const SESSION_TAKEN_OVER: u8 = 0x8e;

/// What a person chooses between.
pub(crate) fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Relaxed => "On disk",
        Durability::Strict => "On disk, flushed every time (slower)",
        Durability::Memory => "In memory only",
    }
}

/// For how long the browser keeps what the broker stores; `None`: nothing is known, or nothing is stored.
pub(crate) fn persistence(status: &StorageStatus) -> Option<String> {
    let keeps = match status.is_persistent? {
        true => "The browser keeps it until you clear this site’s data",
        false => {
            "The browser may remove it when space runs low, and does when a private window closes"
        }
    };
    Some(match (status.usage_bytes, status.quota_bytes) {
        (Some(usage), Some(quota)) => {
            format!(
                "{keeps}. {} of {} MB used.",
                megabytes(usage),
                megabytes(quota)
            )
        }
        (Some(_) | None, _) => format!("{keeps}."),
    })
}

fn megabytes(bytes: u64) -> String {
    count(bytes.div_ceil(1_000_000))
}

/// What became of the publishes.
pub(crate) fn publish_result(status: &PublishStatus, role: Role) -> String {
    let pending = status.pending as u64;
    if pending > 0 {
        let messages = if pending == 1 { "message" } else { "messages" };
        let pending = count(pending);
        return match role {
            Role::Waiting => {
                format!("{pending} {messages} queued, to be sent in order once there is a broker.")
            }
            Role::Client { .. } | Role::Broker { .. } => {
                format!("{pending} {messages} sent, not acknowledged yet.")
            }
        };
    }
    let Some(Published {
        number,
        qos,
        result,
    }) = &status.last
    else {
        return publish::FIRST.to_owned();
    };
    let number = count(*number);
    match (result, qos) {
        (Ok(_), QoS::AtMostOnce) => format!("Message {number} sent (QoS 0 is not acknowledged)."),
        (Ok(Reason(NO_MATCHING_SUBSCRIBERS)), QoS::AtLeastOnce | QoS::ExactlyOnce) => {
            format!("Message {number} published, but nobody is subscribed to its topic (0x10).")
        }
        (Ok(_), QoS::AtLeastOnce | QoS::ExactlyOnce) => {
            format!("Message {number} published and acknowledged.")
        }
        (Err(RequestError::Reason(reason)), _) => {
            format!("Message {number} refused by the broker: {reason}.")
        }
        (Err(RequestError::Problem(why)), _) => format!("Not sent. {why}"),
        (Err(RequestError::Closed), _) => format!(
            "The connection ended before message {number} was acknowledged. It may or may not have arrived."
        ),
    }
}

/// MQTT's reason code of a message that was accepted and that nobody gets.
const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;

/// What the broker said about a subscription.
pub(crate) fn grant(status: &SubscriptionStatus) -> String {
    match status {
        SubscriptionStatus::Suspended => "Not connected".to_owned(),
        SubscriptionStatus::Requested => "Requested…".to_owned(),
        SubscriptionStatus::Granted(qos) => format!("QoS {}", qos_level(*qos)),
        SubscriptionStatus::Refused(why) => format!("Refused: {why}"),
    }
}

/// What became of this subscription, with what is wrong with it where that is known better than by a broker.
pub(crate) fn grant_of(subscription: &Subscription, status: &SubscriptionStatus) -> String {
    let is_shared = subscription.topic_filter.starts_with("$share/");
    match (status, filter_problem(&subscription.topic_filter)) {
        (SubscriptionStatus::Refused(_), Some(problem)) => problem.to_owned(),
        (SubscriptionStatus::Refused(_), None) if is_shared && subscription.no_local => {
            "Shared subscriptions can't use No Local.".to_owned()
        }
        _ => grant(status),
    }
}

/// MQTT's number of a QoS.
pub(crate) fn qos_level(qos: QoS) -> u8 {
    match qos {
        QoS::AtMostOnce => 0,
        QoS::AtLeastOnce => 1,
        QoS::ExactlyOnce => 2,
    }
}

pub(crate) fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

/// When a session ends.
pub(crate) fn expiry(interval_s: u32) -> String {
    match interval_s {
        0 => "on disconnect".to_owned(),
        u32::MAX => "never".to_owned(),
        seconds => format!("{} after disconnect", duration(u64::from(seconds) * 1_000)),
    }
}

/// What a failover cost; what is not known yet is still counted.
pub(crate) fn failover_counts(failover: &Failover, counting: Option<&str>) -> String {
    let resent = failover
        .resent
        .map(|it| format!("{} sent again by this tab", of(it, "packet", "packets")));
    let stream = failover.stream.map(|it| {
        let StreamFigures {
            acknowledged,
            lost,
            duplicates,
            gap_ms,
        } = it;
        let lost = match lost {
            0 => "none lost".to_owned(),
            lost => format!("{} lost", count(lost)),
        };
        format!(
            "{} acknowledged · {lost} · {} · longest pause {gap_ms:.0} ms",
            count(acknowledged),
            of(duplicates, "duplicate", "duplicates"),
        )
    });
    let known: Vec<String> = stream
        .or_else(|| counting.map(str::to_owned))
        .into_iter()
        .chain(resent)
        .collect();
    match known.as_slice() {
        [] => "Counting…".to_owned(),
        known => known.join(" · "),
    }
}

/// A duration in the largest unit that says something: `7 s`, `12 min`, `3 h`, `2 d`.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A count with its thousands set apart: `12,345`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut words = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            words.push(',');
        }
        words.push(digit);
    }
    words
}

/// Payloads: looking at them, comparing, charts, copying and saving.
pub(crate) mod payload {
    use super::{count, duration};
    use crate::payload::Size;
    use crate::payload::json::{Expected, Misfit, Problem};
    use crate::payload::numbers::{FieldKind, Key};

    pub(crate) const LOOKS: &str = "Show the payload as";
    pub(crate) const PAYLOAD: &str = "Payload";
    pub(crate) const COPY: &str = "Copy payload";
    pub(crate) const COPY_FORMATTED: &str = "Copy formatted";
    pub(crate) const COPY_TEXT: &str = "Copy text";
    pub(crate) const COPY_HEX: &str = "Copy hex";
    pub(crate) const COPY_BASE64: &str = "Copy Base64";
    pub(crate) const SAVE: &str = "Save payload";
    pub(crate) const SAVE_HINT: &str = "Download the exact bytes as a file";
    pub(crate) const DIFFERENCES: &str = "What has changed since the earlier message";
    pub(crate) const OLDER: &str = "‹ Older";
    pub(crate) const NEWER: &str = "Newer ›";

    /// `1 byte`, `1,234 bytes`.
    pub(crate) fn bytes(number: usize) -> String {
        counted(number, "byte", "bytes")
    }

    /// A number with its noun: `1 line`, `1,234 lines`.
    pub(crate) fn counted(number: usize, one: &str, many: &str) -> String {
        format!(
            "{} {}",
            count(number as u64),
            if number == 1 { one } else { many }
        )
    }

    /// Why what was typed as JSON is none.
    pub(crate) fn invalid_json(problem: &Problem, bytes: &[u8]) -> String {
        format!("Invalid JSON: {}.", json_problem(problem, bytes))
    }

    /// Why a payload is not shown as JSON.
    pub(crate) fn not_json(problem: &Problem, bytes: &[u8]) -> String {
        format!("Not valid JSON: {}.", json_problem(problem, bytes))
    }

    fn json_problem(problem: &Problem, bytes: &[u8]) -> String {
        let why = match problem.what {
            Misfit::NotUtf8 => {
                return format!("byte {} is not UTF-8", count(problem.at as u64 + 1));
            }
            Misfit::ByteOrderMark => {
                return "it begins with a byte order mark (bytes EF BB BF)".to_owned();
            }
            Misfit::Empty => return "it has no value".to_owned(),
            Misfit::EndsTooEarly => "it ends too early".to_owned(),
            Misfit::AnotherValue => "a second value begins after the first".to_owned(),
            Misfit::Unexpected { found, expected } => {
                let expected = match expected {
                    Expected::Value => "a value",
                    Expected::ValueOrClose => "a value or “]”",
                    Expected::Name => "a name in quotes",
                    Expected::NameOrClose => "a name in quotes or “}”",
                    Expected::Colon => "“:”",
                    Expected::CommaOrClose => "a comma or a closing bracket",
                    Expected::End => "the end",
                };
                format!("“{}” where {expected} should be", found.escape_debug())
            }
            Misfit::ControlCharacter(byte) => {
                format!("a string has the control character \\u{byte:04x} without an escape")
            }
            Misfit::Escape => "a string has an escape that JSON does not know".to_owned(),
            Misfit::Number => "a number is not written as JSON writes it".to_owned(),
        };
        let (line, column) = problem.place(bytes);
        format!(
            "{why} (line {}, column {})",
            count(line as u64),
            count(column as u64)
        )
    }

    /// A payload of JSON that is several values.
    pub(crate) fn several_values(values: usize) -> String {
        format!(
            "{} values, each on lines of its own (JSON Lines).",
            count(values as u64)
        )
    }

    /// Why a payload is not shown as text.
    pub(crate) fn not_text(problem: &Problem) -> String {
        format!(
            "Not text: byte {} is not UTF-8.",
            count(problem.at as u64 + 1)
        )
    }

    pub(crate) const HALF_A_BYTE: &str = "Hex needs two digits per byte; the last byte has one.";

    pub(crate) fn no_hex_digit(character: char, place: usize) -> String {
        format!("Character {place} (“{character}”) is not a hex digit.")
    }

    pub(crate) fn not_allowed_in_base64(character: char, place: usize) -> String {
        format!("Character {place} (“{character}”) is not allowed here.")
    }

    /// A group of Base64 that is not whole.
    pub(crate) fn base64_group(digits: usize) -> String {
        format!("Base64 comes in groups of four; the last group has {digits}.")
    }

    pub(crate) const EMPTY_PAYLOAD: &str = "Empty payload.";

    /// Behind the last line of a payload that has more lines than a list can have.
    pub(crate) fn lines_left_out(lines: usize, bytes: usize, all: usize) -> String {
        format!(
            "The first {} lines are shown: {} of {}. “{SAVE}” has all.",
            count(lines as u64),
            Size(bytes),
            Size(all)
        )
    }

    /// While the lines of a payload are found.
    pub(crate) fn reading(percent: usize) -> String {
        format!("Reading… {percent} %")
    }

    pub(crate) const NOTHING_EARLIER: &str = "No earlier message on this topic in the log.";
    pub(crate) const IDENTICAL: &str = "Identical to the previous message.";
    pub(crate) const IDENTICAL_TO_EARLIER: &str = "Identical to the earlier message.";
    pub(crate) const SAME_VALUES: &str =
        "Same values, different bytes: only the white space between the values differs.";
    pub(crate) const COMPARED_IN_PLACE: &str =
        "Too many differences to find what moved: these lines are compared in their places.";

    /// While two payloads are compared.
    pub(crate) fn comparing(percent: usize) -> String {
        format!("Comparing… {percent} %")
    }

    /// What a comparison has found.
    pub(crate) fn differences(removed: usize, added: usize) -> String {
        format!(
            "{} removed, {} added.",
            counted(removed, "line", "lines"),
            count(added as u64)
        )
    }

    /// Two payloads are too large to be compared line by line. They differ first at this byte, counted from 0.
    pub(crate) fn too_large_to_compare(
        before: usize,
        after: usize,
        first_difference: usize,
    ) -> String {
        format!(
            "Too large to compare line by line: {} and {}. The first difference is at byte {}.",
            Size(before),
            Size(after),
            count(first_difference as u64 + 1)
        )
    }

    pub(crate) fn unchanged(lines: usize) -> String {
        format!("{} unchanged", counted(lines, "line", "lines"))
    }

    /// How much earlier the other message came.
    pub(crate) fn earlier_by(ms: u64) -> String {
        match ms {
            0..10_000 => format!("{} ms earlier", count(ms)),
            ms => format!("{} earlier", duration(ms)),
        }
    }

    /// What became of copying.
    pub(crate) fn copied(is_copied: bool) -> &'static str {
        match is_copied {
            true => "Copied.",
            false => "The browser blocked copying.",
        }
    }

    /// Below a chart: how far it goes back.
    pub(crate) fn chart_bounds(points: usize, points_max: usize, is_gathering: bool) -> String {
        let bounds = match (points, count(points_max as u64)) {
            (points, most) if points >= points_max => format!("The newest {most} points"),
            (points, most) => format!("{} of at most {most}", counted(points, "point", "points")),
        };
        match is_gathering {
            true => format!("{bounds}; reading the log…"),
            false => format!("{bounds}. Clearing the log keeps them."),
        }
    }

    /// Messages whose numbers are not looked for.
    pub(crate) fn too_large_to_chart(messages: u64, bytes_max: usize) -> String {
        let payloads = if messages == 1 { "payload" } else { "payloads" };
        format!(
            "{} {payloads} above {} not charted.",
            count(messages),
            Size(bytes_max)
        )
    }

    /// How many of the fields are drawn.
    pub(crate) fn charted(shown: usize, all: usize) -> String {
        let all = counted(all, "number", "numbers");
        format!("Charted: {} of {all}", count(shown as u64))
    }

    pub(crate) fn more_fields(fields: usize) -> String {
        format!("{} more", count(fields as u64))
    }

    /// Fields for which there is no room.
    pub(crate) fn fields_left_out(fields: usize, room: usize) -> String {
        format!(
            "{} not offered: {} fields of a topic are kept.",
            counted(fields, "field", "fields"),
            count(room as u64)
        )
    }

    /// Where in a payload a number is.
    pub(crate) fn field_path(path: &[Key]) -> String {
        if path.is_empty() {
            return "value".to_owned();
        }
        let keys: Vec<String> = path
            .iter()
            .map(|key| match key {
                Key::Name(name) if name.is_empty() => "(empty)".to_owned(),
                Key::Name(name) => name.clone(),
                Key::Index(index) => format!("[{index}]"),
            })
            .collect();
        keys.join(" › ")
    }

    /// What kind of number a field has; `None`: nothing that has to be said.
    pub(crate) fn field_kind(kind: FieldKind) -> Option<&'static str> {
        match kind {
            FieldKind::Number => None,
            FieldKind::OnOff => Some("on/off"),
            FieldKind::TextWithNumber => Some("text with a number"),
            FieldKind::Time => Some("time"),
            FieldKind::Identifier => Some("ID"),
        }
    }

    pub(crate) fn on_or_off(is_on: bool) -> &'static str {
        if is_on { "on" } else { "off" }
    }
}

/// A sentence with the ids of tabs as the roster has them: the first four of sixteen digits.
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

// The words of each part of the page, in one place, so that one thing has one name.

/// Tabs.
pub(crate) mod tabs {
    use super::count;

    pub(crate) const ROSTER: &str = "Tabs on this channel";
    pub(crate) const THIS: &str = "this tab";
    pub(crate) const AGE: &str = "Since it joined";
    pub(crate) const OPEN_ONE: &str = "Open a tab";
    pub(crate) const OPEN_MANY: &str = "Open";
    pub(crate) const HOW_MANY: &str = "How many tabs to open";
    pub(crate) const OPEN_MANY_UNIT: &str = "tabs";

    pub(crate) fn clients(clients: u64) -> String {
        match clients {
            1 => "1 client".to_owned(),
            clients => format!("{} clients", count(clients)),
        }
    }

    pub(crate) fn build(build: &str) -> String {
        format!("Build {build} of its worker")
    }
}

/// Connection.
pub(crate) mod connection {
    use tabmq_worker::api::{Durability, StorageState};

    pub(crate) const CHANNEL: &str = "Channel";
    pub(crate) const CHANNEL_FORMAT: &str = "Letters, digits, “.”, “_” and “-”, but no spaces";
    pub(crate) const STORAGE: &str = "Storage, if this tab is the broker";
    pub(crate) const JOIN: &str = "Switch channel";
    pub(crate) const SESSION: &str = "Session";
    pub(crate) const CONNECT: &str = "Connect";
    pub(crate) const RECONNECT: &str = "Reconnect";
    pub(crate) const DISCONNECT: &str = "Disconnect";
    pub(crate) const CLIENT_ID: &str = "Client ID";
    pub(crate) const CLIENT_ID_HINT: &str = "Leave empty to use the tab’s ID.";
    pub(crate) const EXPIRY: &str = "Session expiry (seconds)";
    pub(crate) const EXPIRY_HINT: &str = "4294967295 means never.";
    pub(crate) const KEEP_ALIVE: &str = "Keep alive (seconds)";
    pub(crate) const KEEP_ALIVE_HINT: &str = "0 turns it off.";
    pub(crate) const WILL_HINT: &str = "Leave empty for no will.";
    pub(crate) const WILL_DELAY: &str = "Delay (seconds)";
    pub(crate) const WILL_ON_DISCONNECT: &str = "Also publish the will when I disconnect";

    pub(crate) fn settings(is_open: bool) -> &'static str {
        if is_open { "Done" } else { "Settings…" }
    }

    /// How the broker keeps its state; `None`: there is none that could.
    pub(crate) fn kept(durability: Option<Durability>, state: StorageState) -> &'static str {
        match (durability, state) {
            (None, _) => "Waiting for a broker…",
            (Some(_), StorageState::Full) => {
                "The browser’s storage is full: the broker refuses what it would have to store."
            }
            (Some(_), StorageState::Failing) => {
                "The browser’s database fails: the broker refuses what it would have to store."
            }
            (Some(_), StorageState::Memory) | (Some(Durability::Memory), StorageState::Ok) => {
                "In memory only. Lost when the broker’s tab closes."
            }
            (Some(Durability::Relaxed), StorageState::Ok) => {
                "Saved on disk, as long as the browser keeps this site’s data."
            }
            (Some(Durability::Strict), StorageState::Ok) => {
                "Saved and flushed to disk, as long as the browser keeps this site’s data."
            }
        }
    }

    pub(crate) fn will(is_set: bool) -> &'static str {
        if is_set { "Will (set)" } else { "Will" }
    }
}

/// Subscriptions.
pub(crate) mod subscriptions {
    use tabmq_worker::api::QoS;

    pub(crate) const FILTER: &str = "Topic filter";
    pub(crate) const FILTER_EXAMPLE: &str = "home/+/lamp";
    pub(crate) const SUBSCRIBE: &str = "Subscribe";
    pub(crate) const UNSUBSCRIBE: &str = "Unsubscribe";
    pub(crate) const COUNT: &str = "Messages that matched";
    pub(crate) const NONE: &str = "No subscriptions. The topic filter # matches every topic.";
    pub(crate) const IDENTIFIER: &str = "Subscription identifier";
    /// By MQTT's number.
    pub(crate) const RETAIN_HANDLING: [&str; 3] = [
        "0 – on every subscribe",
        "1 – only for a new subscription",
        "2 – never",
    ];

    pub(crate) fn unsubscribe(topic_filter: &str) -> String {
        format!("Unsubscribe from {topic_filter}")
    }

    /// What is folded away: the QoS, and how many options differ from the default.
    pub(crate) fn options(qos: QoS, chosen: usize) -> String {
        let options = super::folded("Options", chosen);
        format!("QoS {} · {options}", super::qos_level(qos))
    }

    pub(crate) fn identifier(identifier: impl std::fmt::Display) -> String {
        format!("Identifier {identifier}")
    }
}

/// Publish.
pub(crate) mod publish {
    pub(crate) const OPEN: &str = "+ Publish";
    pub(crate) const CLOSE: &str = "Close";
    pub(crate) const PUBLISH: &str = "Publish";
    pub(crate) const FIRST: &str = "Ctrl+Enter to publish";
    pub(crate) const FORMAT: &str = "Format";
    pub(crate) const STOP: &str = "Stop";
    pub(crate) const AGAIN: &str = "Load into the form";
    pub(crate) const REPEAT: &str = "Repeat until stopped";
    pub(crate) const RATE: &str = "Messages per second";
    pub(crate) const CONTENT_TYPE: &str = "Content type";
    pub(crate) const EXPIRY: &str = "Message expiry (seconds)";
    pub(crate) const RESPONSE_TOPIC: &str = "Response topic";
    pub(crate) const CORRELATION_DATA: &str = "Correlation data (hex)";
    pub(crate) const CORRELATION_DATA_FORMAT: &str = "Two hex digits for each byte";
    pub(crate) const IS_UTF8: &str = "Mark as UTF-8 text (Payload Format Indicator)";
    pub(crate) const USER_PROPERTIES: &str = "User properties";
    pub(crate) const ADD_USER_PROPERTY: &str = "Add a user property";
    pub(crate) const REMOVE_USER_PROPERTY: &str = "Remove this user property";
    pub(crate) const NAME: &str = "Name";
    pub(crate) const VALUE: &str = "Value";

    /// Why a topic is none that one publishes to: the place of its first wildcard, from 0, in characters.
    pub(crate) fn wildcard(place: usize) -> String {
        let place = place + 1;
        format!("Not sent: you can’t publish to a topic with + or # (character {place}).")
    }

    pub(crate) fn rate_hint(maximum: u32) -> String {
        format!("Up to {maximum}. For more, use the load generator under Performance.")
    }

    pub(crate) fn properties(filled: usize) -> String {
        super::folded("Properties", filled)
    }

    pub(crate) fn repeat(is_on: bool) -> &'static str {
        if is_on { "Repeat (on)" } else { "Repeat" }
    }

    pub(crate) fn history(sent: usize) -> String {
        super::folded("History", sent)
    }
}

/// What is folded away, and how much of it there is.
fn folded(name: &str, filled: usize) -> String {
    if filled == 0 {
        name.to_owned()
    } else {
        format!("{name} ({filled})")
    }
}

/// Fields that several forms have.
pub(crate) mod fields {
    use tabmq_worker::api::QoS;

    /// A QoS to choose.
    pub(crate) fn qos(qos: QoS) -> String {
        let promise = match qos {
            QoS::AtMostOnce => "at most once",
            QoS::AtLeastOnce => "at least once",
            QoS::ExactlyOnce => "exactly once",
        };
        format!("{} – {promise}", super::qos_level(qos))
    }
}

/// Events.
pub(crate) mod events {
    use tabmq_worker::api::EventKind;

    use super::count;

    pub(crate) const EXPORT: &str = "Export";
    pub(crate) const EXPORT_TITLE: &str = "Download the events (JSON Lines)";

    /// What happened. The engine tells it, too, to those who read its events in a program; here it is said to people.
    pub(crate) fn event(kind: &EventKind) -> String {
        match kind {
            EventKind::TabAppeared(tab) => format!("Tab {} joined.", tab.short()),
            EventKind::TabLost(tab) => {
                format!("Tab {} disappeared (crashed or was killed).", tab.short())
            }
            EventKind::Elected {
                after_ms: Some(ms), ..
            } => format!(
                "This tab is the broker ({} ms after the last one was heard).",
                count(*ms)
            ),
            EventKind::Elected { after_ms: None, .. } => "This tab is the broker.".to_owned(),
            EventKind::TakingOver => "Elected as broker; loading saved state.".to_owned(),
            EventKind::Restored {
                took_ms,
                sessions,
                retained_messages,
                messages,
            } => format!(
                "State loaded in {} ms: {}, {}, {}.",
                count(*took_ms),
                some(*sessions, "session", "sessions"),
                some(*retained_messages, "retained message", "retained messages"),
                some(*messages, "queued message", "queued messages"),
            ),
            EventKind::RecordsSkipped { skipped, first } => {
                let records = match skipped {
                    1 => "1 unreadable record".to_owned(),
                    skipped => format!("{} unreadable records", count(*skipped)),
                };
                match first {
                    Some(first) => format!("Skipped {records}. The first: {first}."),
                    None => format!("Skipped {records}."),
                }
            }
            EventKind::InMemory(why) => {
                format!("State is in memory only, and is lost when this tab closes: {why}")
            }
            EventKind::Storage(why) => format!("Storage error; retrying. {why}"),
            EventKind::StorageFailing(why) => {
                format!(
                    "Storage keeps failing. Messages that must be stored are refused until it works. {why}"
                )
            }
            EventKind::StorageWorks => "Storage works again.".to_owned(),
            EventKind::StorageFull => {
                "Storage is full. Messages that must be stored are refused.".to_owned()
            }
            EventKind::StorageHasRoom => "Storage has room again.".to_owned(),
            EventKind::Suspected => "Broker not responding; checking.".to_owned(),
            EventKind::Ousting => "Still no reply; taking over.".to_owned(),
            EventKind::Deaf => "This tab does not receive what it sends on the channel.".to_owned(),
            EventKind::StoodStill { ms } => format!(
                "This tab was suspended for {} ms; checking whether it is still the broker.",
                count(*ms)
            ),
            EventKind::BrokerLost { .. } => {
                "The broker is gone; waiting for the next one.".to_owned()
            }
            EventKind::Foreign(source) => format!("Ignored a foreign message on {source}."),
            EventKind::LaneReset(tab) => {
                format!("Link to tab {} lost a frame and was reset.", tab.short())
            }
            EventKind::LockHeld(lock) => format!(
                "Another script of this site holds the lock {lock}, and no broker answers; waiting."
            ),
            EventKind::Joined
            | EventKind::TabLeft(_)
            | EventKind::StorageLost
            | EventKind::StorageDamaged { .. }
            | EventKind::StorageRemoved
            | EventKind::Deposed { .. }
            | EventKind::Following { .. }
            | EventKind::Broker(_)
            | EventKind::Runtime(_) => kind.to_string(),
        }
    }

    fn some(number: usize, one: &str, many: &str) -> String {
        match number {
            1 => format!("1 {one}"),
            number => format!("{} {many}", count(number as u64)),
        }
    }

    pub(crate) fn forgotten(events: u64) -> String {
        format!("{} older events were discarded.", count(events))
    }
}

/// Alerts.
pub(crate) mod alerts {
    pub(crate) const OFFLINE: &str = "This tab is offline.";
    pub(crate) const RELOAD: &str = "Reload";
    pub(crate) const DISMISS: &str = "Dismiss";
}

// Truth and state: what was lost, what is retained, what is found, what has come to a halt.

/// The app is on no channel.
pub(crate) const CHANNEL_REFUSED: &str = "Channel names may contain letters, digits, “.”, “_” and “-”, but no spaces. Choose another under Connection.";

/// Why the broker cannot be stopped.
pub(crate) const SECOND_TAB_FIRST: &str = "Open a second tab first: it will take over.";

/// Why a topic is not looked up.
pub(crate) const LOADING: &str = "Loading…";

/// A tab's role, or what keeps it from having one.
pub(crate) fn badge(role: Role, halt: Option<Halt>) -> &'static str {
    match halt {
        Some(Halt::Offline) => "Offline",
        Some(Halt::Frozen) => "Frozen",
        None => self::role(role),
    }
}

/// Why this tab does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// Its worker has ended.
    Offline,
    /// Its worker does nothing for a while, because somebody wanted that.
    Frozen,
}

/// The title of the document.
pub(crate) fn title(badge: &str, view: View, channel: &str) -> String {
    format!("{badge} · {} · {channel} · TabMQ", self::view(view))
}

/// Why a tab is offline; `why` is what the page knows of it.
pub(crate) fn offline(why: &str) -> String {
    let why = match why {
        "The worker was made to crash." => "You crashed its worker.",
        why => why,
    };
    format!("{why} Reload to rejoin; your settings are in the address.")
}

/// What a newcomer is told; `None`: nothing any more.
pub(crate) fn hint(tabs: usize, has_met_another: bool, failovers: u64) -> Option<&'static str> {
    match (tabs, has_met_another, failovers) {
        (0 | 1, false, _) => Some(
            "1. Open a second tab: what you publish in one arrives in both. 2. Then stop the broker: the other tab takes over.",
        ),
        (0..=2, true, 0) => Some(
            "✓ A second tab is open. 2. Now stop the broker (Close, Crash or Freeze): the other tab takes over.",
        ),
        _ => None,
    }
}

/// How many of the tabs that were opened at once have joined; `None`: all.
pub(crate) fn joined(joined: usize, wanted: u32) -> Option<String> {
    let all = usize::try_from(wanted).unwrap_or(usize::MAX);
    match joined {
        joined if joined >= all => None,
        // The click itself opens one, whatever a browser thinks of more.
        0 | 1 => Some(format!(
            "The browser opened {joined} of {wanted} tabs. Allow pop-ups for this site to open several at once."
        )),
        joined => Some(format!("{joined} of {wanted} tabs have joined so far.")),
    }
}

/// Whether an event says that the broker has dropped a message. Not every one is told so, and how many are is asked for.
pub(crate) fn is_about_a_drop(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Broker(what) if what.starts_with("A message on ") && what.contains(" was dropped: "))
}

/// Whether an event is about the topics on which the app talks to itself.
pub(crate) fn is_about_the_app(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Broker(what) if what.contains("subscribed to $demo/") || what.contains("unsubscribed from $demo/"))
}

/// A client as the list of tabs names it: of an ID that was made from a tab's, only the short one of the tab.
pub(crate) fn client(client_id: &str) -> &str {
    let tab = client_id.strip_prefix("tab-");
    let is_made = |tab: &&str| tab.len() == 16 && tab.bytes().all(|it| it.is_ascii_hexdigit());
    tab.filter(is_made)
        .and_then(|tab| tab.get(..4))
        .unwrap_or(client_id)
}

/// Messages that the broker has dropped for a client.
pub(crate) fn loss(loss: &Loss) -> String {
    let when = match loss.seconds {
        0 | 1 => "in the last second".to_owned(),
        seconds => format!("in the last {} seconds", count(seconds)),
    };
    format!(
        "Dropped {} for {} {when}: {}.",
        messages(loss.messages),
        client(&loss.client_id),
        loss.reason
    )
}

/// What this tab did not get.
pub(crate) fn own_loss(dropped: u64, reason: DropReason) -> String {
    format!(
        "The broker dropped {} for this tab: {reason}.",
        messages(dropped)
    )
}

/// `1 message`, `1,234 messages`.
pub(crate) fn messages(number: u64) -> String {
    of(number, "message", "messages")
}

/// A number of things: `1 topic`, `1,234 topics`.
pub(crate) fn of(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { more })
}

/// The end of the list of messages.
pub(crate) enum EndOfLog {
    Offline,
    Empty,
    Cleared,
    Searching,
    /// None of so many matches.
    NoMatch(u64),
    /// So many were discarded; so many messages and mebibytes are kept.
    Discarded(u64, u64, usize),
}

pub(crate) fn end_of_log(end: &EndOfLog) -> String {
    match end {
        EndOfLog::Offline => "No messages. This tab is offline.".to_owned(),
        EndOfLog::Empty => "No messages yet. Publish one, here or in another tab.".to_owned(),
        EndOfLog::Cleared => "Log cleared. New messages appear here.".to_owned(),
        EndOfLog::Searching => "Searching older messages…".to_owned(),
        EndOfLog::NoMatch(all) => format!("No match in {}.", messages(*all)),
        EndOfLog::Discarded(discarded, kept, mebibytes) => format!(
            "{} discarded. The log keeps the newest {} ({mebibytes} MiB at most).",
            of(*discarded, "older message was", "older messages were"),
            count(*kept)
        ),
    }
}

/// What has come to a list that stands still.
pub(crate) fn newcomers(number: u64) -> String {
    format!("▲ {} new", count(number))
}

/// How a broker was lost.
pub(crate) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Gone => "is gone",
        Cause::Closed => "closed",
        Cause::Crashed => "crashed",
        Cause::Froze => "froze",
        Cause::Deposed => "is no longer the broker",
    }
}

/// How long a step took.
pub(crate) fn step_ms(ms: f64) -> String {
    if ms < 1.0 {
        "< 1 ms".to_owned()
    } else {
        format!("{ms:.0} ms")
    }
}

/// What a count is still waiting for, in so many milliseconds.
pub(crate) fn counting(left_ms: f64) -> String {
    format!("Counting… {:.0} s", (left_ms / 1e3).ceil().max(1.0))
}

/// Text with its invisible characters marked: controls, blanks at its ends, what changes the direction of writing, what has
/// no width, and marks that are put onto the letter before them.
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

/// What is wrong with a topic filter; a sentence for the person who types it.
pub(crate) fn filter_problem(filter: &str) -> Option<&'static str> {
    let shared = match filter.strip_prefix("$share/") {
        None => filter,
        Some(rest) => {
            let Some((group, shared)) = rest.split_once('/') else {
                return Some("Invalid filter: $share/ needs a group and a filter.");
            };
            if group.is_empty() || group.contains(['+', '#']) {
                return Some("Invalid filter: $share/ needs a group without wildcards.");
            }
            shared
        }
    };
    if shared.is_empty() {
        return Some("Invalid filter: it is empty.");
    }
    if filter.contains('\0') {
        return Some("Invalid filter: it contains U+0000.");
    }
    if filter.len() > usize::from(u16::MAX) {
        return Some("Invalid filter: it is longer than 65,535 bytes.");
    }
    let levels: Vec<&str> = shared.split('/').collect();
    for (place, level) in levels.iter().enumerate() {
        if level.contains('#') {
            if *level != "#" {
                return Some("Invalid filter: # must be a level of its own.");
            }
            if place + 1 < levels.len() {
                return Some("Invalid filter: # must be the last level.");
            }
        }
        if level.contains('+') && *level != "+" {
            return Some("Invalid filter: + must be a level of its own.");
        }
    }
    None
}

/// What is wrong with a topic name; a sentence for the person who types it.
pub(crate) fn topic_problem(topic: &str) -> Option<String> {
    let wrong = topic
        .char_indices()
        .find(|(_, it)| matches!(it, '+' | '#' | '\0'));
    if let Some((offset, it)) = wrong {
        let place = topic.get(..offset).unwrap_or_default().chars().count() + 1;
        let it = if it == '\0' {
            "U+0000".to_owned()
        } else {
            it.to_string()
        };
        return Some(format!(
            "Not a topic name: {it} is not allowed (character {place})."
        ));
    }
    (topic.len() > usize::from(u16::MAX))
        .then(|| "Not a topic name: it is longer than 65,535 bytes.".to_owned())
}

/// What a link does not carry of what there is.
pub(crate) fn left_out_of_link(left_out: &[&str]) -> String {
    match left_out {
        [] => "Link copied.".to_owned(),
        [one] => format!("Link copied. Not in it: {one}."),
        [first @ .., last] => format!("Link copied. Not in it: {} and {last}.", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use tabmq_worker::api::StorageState;

    use super::*;

    #[test]
    fn counts_and_durations_are_short() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(duration(59_999), "59 s");
        assert_eq!(duration(3_599_999), "59 min");
        assert_eq!(duration(90_000_000), "1 d");
    }

    #[test]
    fn what_is_promised_of_the_storage_is_what_is_known() {
        let kept = |state| connection::kept(Some(Durability::Relaxed), state);
        assert!(kept(StorageState::Ok).contains("as long as the browser"));
        assert!(kept(StorageState::Memory).contains("In memory"));
        assert!(kept(StorageState::Full).contains("full"));
        assert_eq!(persistence(&StorageStatus::default()), None);
        let status = StorageStatus {
            is_persistent: Some(false),
            usage_bytes: Some(1),
            quota_bytes: Some(2_000_000_000),
            ..StorageStatus::default()
        };
        assert_eq!(
            persistence(&status).as_deref(),
            Some(
                "The browser may remove it when space runs low, and does when a private window closes. 1 of 2,000 MB used."
            )
        );
    }

    #[test]
    fn a_publish_says_whether_it_waits_for_a_broker_or_for_its_answer() {
        let waiting = PublishStatus {
            pending: 2,
            ..PublishStatus::default()
        };
        assert_eq!(
            publish_result(&waiting, Role::Waiting),
            "2 messages queued, to be sent in order once there is a broker."
        );
        let answered = PublishStatus {
            last: Some(Published {
                number: 2,
                qos: QoS::AtLeastOnce,
                result: Ok(Reason(0x10)),
            }),
            ..PublishStatus::default()
        };
        assert_eq!(
            publish_result(&answered, Role::Waiting),
            "Message 2 published, but nobody is subscribed to its topic (0x10)."
        );
    }

    #[test]
    fn ids_of_tabs_are_as_short_as_in_the_roster() {
        let event =
            "tab-10d1aabbccddeeff connected; 8f07aabbccddeeff left after 1234567890123456789 ms.";
        assert_eq!(
            short_ids(event),
            "tab-10d1 connected; 8f07 left after 1234567890123456789 ms."
        );
        assert_eq!(
            short_ids("Grüße, x10d1aabbccddeeff"),
            "Grüße, x10d1aabbccddeeff"
        );
    }

    #[test]
    fn a_filter_that_is_none_is_told_why() {
        for valid in ["#", "a/+/b", "+", "/", "a//b", "$share/g/a/#", "a b"] {
            assert_eq!(filter_problem(valid), None, "{valid}");
        }
        for (wrong, why) in [
            ("a/#/b", "# must be the last level"),
            ("a#", "# must be a level"),
            ("a/b+", "+ must be a level"),
            ("$share/g", "needs a group and a filter"),
            ("$share/+/a", "without wildcards"),
            ("", "empty"),
        ] {
            assert!(
                filter_problem(wrong).is_some_and(|it| it.contains(why)),
                "{wrong}"
            );
        }
    }

    #[test]
    fn losses_are_said_of_the_tab_that_has_them() {
        let loss = |client_id: &str, messages, seconds| {
            loss(&Loss {
                client_id: client_id.to_owned(),
                reason: DropReason::QueueFull,
                messages,
                seconds,
            })
        };
        assert_eq!(
            loss("tab-d3ef000000000001", 25_094, 1),
            "Dropped 25,094 messages for d3ef in the last second: its queue is full."
        );
        assert_eq!(
            loss("tab-oven", 1, 3),
            "Dropped 1 message for tab-oven in the last 3 seconds: its queue is full."
        );
    }

    #[test]
    fn invisible_characters_are_marked_and_others_left_alone() {
        for (text, marked) in [
            ("temp/é", "temp/é"),
            ("a\u{202e}txt", "a⟨U+202E⟩txt"),
            (" a b ", "␠a b␠"),
            ("e\u{301}", "e◌\u{301}"),
            ("a\tb", "a⟨U+0009⟩b"),
            ("  ", "␠␠"),
        ] {
            assert_eq!(visible(text), marked);
        }
    }

    #[test]
    fn a_topic_that_is_none_is_told_where() {
        assert_eq!(topic_problem("a/b"), None);
        assert_eq!(
            topic_problem("ü/+/x").as_deref(),
            Some("Not a topic name: + is not allowed (character 3).")
        );
    }

    #[test]
    fn tabs_that_have_not_joined_are_not_blamed_on_pop_ups_once_several_have() {
        assert!(joined(1, 12).is_some_and(|it| it.contains("pop-ups")));
        assert!(joined(5, 12).is_some_and(|it| !it.contains("pop-ups")));
        assert_eq!(joined(12, 12), None);
        assert!(joined(0, 1).is_some_and(|it| it.contains("0 of 1")));
    }

    #[test]
    fn a_newcomer_is_told_both_steps_until_they_are_done() {
        assert!(hint(1, false, 0).is_some_and(|it| it.contains("second tab")));
        assert!(hint(2, true, 0).is_some_and(|it| it.starts_with('✓') && it.contains("stop")));
        assert_eq!(hint(2, true, 1), None);
        assert_eq!(hint(9, true, 0), None);
    }

    #[test]
    fn a_drop_is_known_by_the_words_of_the_broker() {
        let event = |what: &str| EventKind::Broker(what.to_owned());
        assert!(is_about_a_drop(&event(
            "A message on a for b was dropped: it expired."
        )));
        assert!(!is_about_a_drop(&event("oven connected.")));
    }
}
