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
