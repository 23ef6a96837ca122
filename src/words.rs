//! The state in words.

use std::borrow::Cow;
use std::fmt::Write as _;

use tabmq_worker::api::{
    ClientStatus, DisconnectCause, DropReason, Durability, EventKind, QoS, Role, StorageState,
    Subscription,
};
use tabmq_worker::hooks::{PublishStatus, Published};
use tabmq_worker::{BusStatus, Reason, RequestError, StorageStatus, SubscriptionStatus};

use crate::link::View;
use crate::state::drops::Loss;
use crate::state::failover::{Cause, Failover, StreamFigures};

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

/// The reason code with which a broker ends a connection when another one has its client ID.
const SESSION_TAKEN_OVER: u8 = 0x8e;

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
                DisconnectCause::ByBroker(SESSION_TAKEN_OVER) => {
                    "Disconnected. Another tab connected with the same client ID (0x8E).".to_owned()
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

/// An event.
pub(crate) fn event(kind: &EventKind) -> String {
    match kind {
        EventKind::TabAppeared(tab) => format!("Tab {} joined.", tab.short()),
        EventKind::TabLost(tab) => format!("Tab {} disappeared (crash or killed).", tab.short()),
        EventKind::TakingOver => "Elected as broker; loading saved state.".to_owned(),
        EventKind::Elected {
            after_ms: Some(ms), ..
        } => format!("This tab is the broker now ({ms} ms after the last one was heard)."),
        EventKind::Suspected => "Broker not responding; checking.".to_owned(),
        EventKind::Ousting => "Still no reply; taking over.".to_owned(),
        EventKind::StoodStill { ms } => format!(
            "This tab was suspended for {} ms; checking whether it is still the broker.",
            count(*ms)
        ),
        EventKind::LaneReset(tab) => {
            format!("Link to tab {} lost a frame and was reset.", tab.short())
        }
        other => other.to_string(),
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
