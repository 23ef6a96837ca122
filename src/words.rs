//! The state in words.

use tabmq_worker::api::{ClientStatus, DisconnectCause, Durability, QoS, Role, StorageState};
use tabmq_worker::hooks::{PublishStatus, Published};
use tabmq_worker::{BusStatus, Reason, RequestError, StorageStatus, SubscriptionStatus};

use crate::link::View;
use crate::state::failover::{Failover, StreamFigures};

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
        BusStatus::Starting => return ("waiting", "Starting.".to_owned()),
        BusStatus::Failed(_) => return ("disconnected", "The worker has stopped.".to_owned()),
        BusStatus::Refused(_) => return ("disconnected", "On no channel.".to_owned()),
        BusStatus::Open(_) => {}
    }
    match client {
        ClientStatus::Waiting => ("waiting", "Waiting for a broker.".to_owned()),
        ClientStatus::Connecting => ("connecting", "Connecting.".to_owned()),
        ClientStatus::Connected {
            client_id,
            session_present,
            term: _,
        } => {
            let session = if *session_present {
                "resumed its session"
            } else {
                "new session"
            };
            ("connected", format!("Connected as {client_id}, {session}."))
        }
        ClientStatus::Disconnected(cause) => (
            "disconnected",
            match cause {
                DisconnectCause::Requested => "Disconnected.".to_owned(),
                DisconnectCause::Refused(code) => {
                    format!("The broker refused the connection: {}.", Reason(*code))
                }
                DisconnectCause::ByBroker(code) => {
                    format!("The broker ended the connection: {}.", Reason(*code))
                }
                DisconnectCause::BrokerError(code) => format!(
                    "Disconnected, because the broker sent what no broker may send: {}.",
                    Reason(*code)
                ),
            },
        ),
    }
}

/// What a person chooses between.
pub(crate) fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Relaxed => "Relaxed: on disk",
        Durability::Strict => "Strict: on disk, flushed",
        Durability::Memory => "Memory: until its tab ends",
    }
}

/// How the broker keeps its state; `None`: there is none that could.
pub(crate) fn kept(durability: Option<Durability>, state: StorageState) -> &'static str {
    match (durability, state) {
        (None, _) => "No broker keeps anything yet.",
        (Some(_), StorageState::Full) => {
            "The browser's storage is full: the broker refuses what it would have to store."
        }
        (Some(_), StorageState::Failing) => {
            "The browser's database fails: the broker refuses what it would have to store."
        }
        (Some(_), StorageState::Memory) | (Some(Durability::Memory), StorageState::Ok) => {
            "The broker keeps its state in memory: it ends with the broker's tab."
        }
        (Some(Durability::Relaxed), StorageState::Ok) => {
            "The broker keeps its state on disk, for as long as the browser keeps this site's data."
        }
        (Some(Durability::Strict), StorageState::Ok) => {
            "The broker keeps its state on disk, flushed, for as long as the browser keeps this site's data."
        }
    }
}

/// For how long the browser keeps what the broker stores; `None`: nothing is known, or nothing is stored.
pub(crate) fn persistence(status: &StorageStatus) -> Option<String> {
    let keeps = match status.is_persistent? {
        true => "It does so until a person clears it",
        false => "It may remove it when space runs low; a private window ends with it",
    };
    Some(match (status.usage_bytes, status.quota_bytes) {
        (Some(usage), Some(quota)) => {
            format!(
                "{keeps}. {} MB of {} MB are used.",
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
    let pending = status.pending;
    if pending > 0 {
        let messages = if pending == 1 { "message" } else { "messages" };
        return match role {
            Role::Waiting => {
                format!(
                    "{pending} {messages} waiting for a broker; sent in order when there is one."
                )
            }
            Role::Client { .. } | Role::Broker { .. } => {
                format!("{pending} {messages} waiting for the acknowledgement.")
            }
        };
    }
    let Some(Published {
        number,
        qos,
        result,
    }) = &status.last
    else {
        return "Ctrl+Enter publishes, too.".to_owned();
    };
    match (result, qos) {
        (Ok(_), QoS::AtMostOnce) => format!("Message {number} sent."),
        (Ok(reason), QoS::AtLeastOnce | QoS::ExactlyOnce) => {
            format!("Message {number} acknowledged: {reason}.")
        }
        (Err(RequestError::Reason(reason)), _) => format!("Message {number} refused: {reason}."),
        (Err(RequestError::Problem(why)), _) => format!("Message {number} not sent. {why}"),
        (Err(RequestError::Closed), _) => format!(
            "The connection ended before message {number} was acknowledged; it may or may not have arrived."
        ),
    }
}

/// What the broker said about a subscription.
pub(crate) fn grant(status: &SubscriptionStatus) -> String {
    match status {
        SubscriptionStatus::Suspended => "Not connected".to_owned(),
        SubscriptionStatus::Requested => "Requested".to_owned(),
        SubscriptionStatus::Granted(qos) => format!("Granted QoS {}", qos_level(*qos)),
        SubscriptionStatus::Refused(why) => format!("Refused: {why}"),
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
        0 => "with its connection".to_owned(),
        u32::MAX => "never".to_owned(),
        seconds => format!("{} after it", duration(u64::from(seconds) * 1_000)),
    }
}

/// What a failover cost.
pub(crate) fn failover_counts(failover: &Failover) -> String {
    let resent = match failover.resent {
        None => "Not known yet what was sent again.".to_owned(),
        Some(1) => "This tab sent 1 packet again.".to_owned(),
        Some(resent) => format!("This tab sent {} packets again.", count(resent)),
    };
    match failover.stream {
        None => resent,
        Some(StreamFigures {
            acknowledged,
            lost,
            duplicates,
            gap_ms,
        }) => format!(
            "{resent} Of {} acknowledged messages {} lost and {} came twice; the longest gap between two acknowledgements was {gap_ms:.0} ms.",
            count(acknowledged),
            were(lost),
            count(duplicates),
        ),
    }
}

fn were(number: u64) -> String {
    match number {
        1 => "1 was".to_owned(),
        number => format!("{} were", count(number)),
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
    use crate::json::{Expected, Misfit, Problem};
    use crate::payload::Size;
    use crate::values::{FieldKind, Key};

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

#[cfg(test)]
mod tests {
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
        let kept = |state| kept(Some(Durability::Relaxed), state);
        assert!(kept(StorageState::Ok).contains("as long as the browser"));
        assert!(kept(StorageState::Memory).contains("in memory"));
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
                "It may remove it when space runs low; a private window ends with it. 1 MB of 2,000 MB are used."
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
            "2 messages waiting for a broker; sent in order when there is one."
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
            "Message 2 acknowledged: No matching subscribers (0x10)."
        );
    }
}
