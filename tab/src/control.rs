//! Messages on the control channel, on which the tabs of one channel find each other.
//!
//! In the browser they are plain objects with string field names, readable in its developer tools. Fields that are not
//! known are ignored, and so are types that are not known: a later build of the same major version may send them.

use serde::{Deserialize, Serialize};

use crate::api::{Durability, Term, Visibility};
use crate::names::TabId;

/// Longest build string accepted from another tab, in bytes.
pub const BUILD_BYTES_MAX: usize = 64;

/// Greatest integer that a number in JavaScript holds exactly; terms and times beyond it are refused.
pub const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Every field that a control message can have. A runtime that gets objects from the browser looks at no others.
pub const FIELDS: &[&str] = &[
    "type",
    "tabId",
    "isBroker",
    "timestamp",
    "term",
    "since",
    "build",
    "protocol",
    "clients",
    "visibility",
    "binding",
    "durability",
    "number",
    "committed",
    "lanes",
];

/// How many values a field may have at most.
pub const VALUES_MAX: usize = 512;

/// One message on the control channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "lowercase",
    rename_all_fields = "camelCase"
)]
pub enum ControlMessage {
    /// Who is there? Every tab answers with an announcement.
    Who {
        /// Who asks.
        tab_id: TabId,
    },
    /// A tab tells about itself: at start, on every change, in answer to `who`, and every 5 s.
    Announce(Announcement),
    /// A tab has left. Its page says so, or the broker that noticed the loss.
    Goodbye {
        /// Who left.
        tab_id: TabId,
    },
    /// A tab has opened its end of the lane and asks the broker to open the other one.
    Bind {
        /// Who asks.
        tab_id: TabId,
        /// The broker's term.
        term: Term,
        /// Number of this attempt; frames of earlier attempts are ignored.
        binding: u32,
    },
    /// Whether the broker lives, and its storage: see `pong`.
    Probe {
        /// Who asks.
        tab_id: TabId,
        /// Tells the probes of a tab apart.
        number: u32,
    },
    /// The broker answers a `probe` when it has written to the log after it came: a broker whose storage is stuck is as
    /// good as dead.
    Pong {
        /// Who asked.
        tab_id: TabId,
        /// Which probe it answers.
        number: u32,
        /// The broker's term.
        term: Term,
        /// The last row of the log that is stored; 0 if there is no log.
        committed: u64,
    },
    /// The broker has closed its end of a lane; the tab is to bind again.
    Unbind {
        /// Whose lane.
        tab_id: TabId,
        /// The broker's term.
        term: Term,
        /// Number of the attempt whose lane it was; of an earlier one it comes late and is ignored.
        binding: u32,
    },
}

/// What a tab tells about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    /// Who.
    pub tab_id: TabId,
    /// Whether it is the broker.
    pub is_broker: bool,
    /// When it said so, in Unix milliseconds.
    pub timestamp: u64,
    /// The broker's term, its own or that of the broker it follows; without a broker, the highest it has heard of.
    #[serde(default)]
    pub term: Option<Term>,
    /// When it joined, in Unix milliseconds.
    #[serde(default)]
    pub since: u64,
    /// Build of its worker.
    #[serde(default)]
    pub build: String,
    /// Versions of the protocol it speaks: lowest and highest major.
    #[serde(default)]
    pub protocol: (u32, u32),
    /// Number of its local clients.
    #[serde(default)]
    pub clients: u32,
    /// Whether its page is visible.
    #[serde(default)]
    pub visibility: Visibility,
    /// How it keeps what it acknowledges while it is the broker; for another tab, what it would do.
    #[serde(default)]
    pub durability: Durability,
    /// Of a new broker, the tabs to which its end of a lane is open already. They need not `bind`: the binding is 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lanes: Vec<TabId>,
}

impl ControlMessage {
    /// Whether every value is in its range. What is not was sent by no tab of ours.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        let term_fits = |term: &Term| term.0 <= SAFE_INTEGER_MAX;
        match self {
            Self::Who { .. } | Self::Goodbye { .. } | Self::Probe { .. } => true,
            Self::Announce(announcement) => {
                announcement.build.len() <= BUILD_BYTES_MAX
                    && announcement.lanes.len() <= VALUES_MAX
                    && announcement.timestamp <= SAFE_INTEGER_MAX
                    && announcement.since <= SAFE_INTEGER_MAX
                    && announcement.term.as_ref().is_none_or(term_fits)
                    && (!announcement.is_broker || announcement.term.is_some())
            }
            Self::Pong {
                term, committed, ..
            } => term_fits(term) && *committed <= SAFE_INTEGER_MAX,
            Self::Bind { term, .. } | Self::Unbind { term, .. } => term_fits(term),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Option<ControlMessage> {
        serde_json::from_str(json).ok()
    }

    fn announcement() -> Announcement {
        Announcement {
            tab_id: TabId::from_entropy(1),
            is_broker: true,
            timestamp: 5,
            term: Some(Term(7)),
            since: 3,
            build: "b".to_owned(),
            protocol: (1, 1),
            clients: 2,
            visibility: Visibility::Hidden,
            durability: Durability::Strict,
            lanes: Vec::new(),
        }
    }

    #[test]
    fn messages_are_objects_with_readable_fields() {
        let cases = [
            (
                ControlMessage::Announce(announcement()),
                r#"{"type":"announce","tabId":"0000000000000001","isBroker":true,"timestamp":5,"term":7,"since":3,"build":"b","protocol":[1,1],"clients":2,"visibility":"hidden","durability":"strict"}"#,
            ),
            (
                ControlMessage::Probe {
                    tab_id: TabId::from_entropy(1),
                    number: 3,
                },
                r#"{"type":"probe","tabId":"0000000000000001","number":3}"#,
            ),
            (
                ControlMessage::Pong {
                    tab_id: TabId::from_entropy(1),
                    number: 3,
                    term: Term(7),
                    committed: 9,
                },
                r#"{"type":"pong","tabId":"0000000000000001","number":3,"term":7,"committed":9}"#,
            ),
            (
                ControlMessage::Who {
                    tab_id: TabId::from_entropy(1),
                },
                r#"{"type":"who","tabId":"0000000000000001"}"#,
            ),
            (
                ControlMessage::Goodbye {
                    tab_id: TabId::from_entropy(1),
                },
                r#"{"type":"goodbye","tabId":"0000000000000001"}"#,
            ),
            (
                ControlMessage::Bind {
                    tab_id: TabId::from_entropy(1),
                    term: Term(7),
                    binding: 2,
                },
                r#"{"type":"bind","tabId":"0000000000000001","term":7,"binding":2}"#,
            ),
            (
                ControlMessage::Unbind {
                    tab_id: TabId::from_entropy(1),
                    term: Term(7),
                    binding: 2,
                },
                r#"{"type":"unbind","tabId":"0000000000000001","term":7,"binding":2}"#,
            ),
        ];
        for (message, json) in cases {
            assert_eq!(serde_json::to_string(&message).unwrap(), json);
            assert_eq!(parse(json), Some(message));
        }
    }

    #[test]
    fn unknown_fields_are_ignored_and_missing_ones_have_defaults() {
        let short = r#"{"type":"announce","tabId":"0000000000000001","isBroker":false,"timestamp":5,"mood":"good"}"#;
        let expected = Announcement {
            is_broker: false,
            term: None,
            since: 0,
            build: String::new(),
            protocol: (0, 0),
            clients: 0,
            visibility: Visibility::Visible,
            durability: Durability::Relaxed,
            ..announcement()
        };
        assert_eq!(parse(short), Some(ControlMessage::Announce(expected)));
    }

    #[test]
    fn what_no_tab_says_is_refused() {
        for json in [
            r#"{"type":"shout","tabId":"0000000000000001"}"#,
            r#"{"tabId":"0000000000000001"}"#,
            r#"{"type":"who"}"#,
            r#"{"type":"who","tabId":"1"}"#,
            r#"{"type":"announce","tabId":"0000000000000001","isBroker":true}"#,
            r#"{"type":"announce","tabId":"0000000000000001","isBroker":1,"timestamp":5}"#,
            r#"{"type":"bind","tabId":"0000000000000001","term":-7,"binding":2}"#,
            r#"{"type":"bind","tabId":"0000000000000001","term":7,"binding":4294967296}"#,
            r#""who""#,
            "null",
        ] {
            assert_eq!(parse(json), None, "{json}");
        }
    }

    #[test]
    fn values_out_of_range_are_not_plausible() {
        let beyond = SAFE_INTEGER_MAX + 1;
        let plausible = |announcement| ControlMessage::Announce(announcement).is_plausible();
        assert!(plausible(announcement()));
        for announcement in [
            Announcement {
                timestamp: beyond,
                ..announcement()
            },
            Announcement {
                since: beyond,
                ..announcement()
            },
            Announcement {
                term: Some(Term(beyond)),
                ..announcement()
            },
            Announcement {
                term: None,
                ..announcement()
            },
            Announcement {
                build: "x".repeat(BUILD_BYTES_MAX + 1),
                ..announcement()
            },
            Announcement {
                lanes: vec![TabId::from_entropy(1); VALUES_MAX + 1],
                ..announcement()
            },
        ] {
            assert!(!plausible(announcement));
        }
    }
}
