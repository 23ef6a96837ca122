//! Messages on the control channel, by which the tabs of one channel find each other.
//!
//! In the browser they are plain objects with string field names, readable in its developer tools. Unknown fields and
//! types are ignored: a later build of the same major version may send them.

use broker::Time;

use crate::api::{Durability, LeadershipTimes, StorageState, Term, Visibility};
use crate::protocol::names::{Lane, TabId};

/// Longest accepted build string, in bytes.
pub const BUILD_BYTES_MAX: usize = 64;

/// Greatest integer that a JavaScript number holds exactly. Greater terms and times are refused.
pub const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Maximum number of values in a list.
pub const VALUES_MAX: usize = 512;

/// Value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number from 0 to [`SAFE_INTEGER_MAX`].
    Number(u64),
    /// A boolean.
    Truth(bool),
    /// An array of such values.
    List(Vec<Self>),
}

/// The content of an object's field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Missing, `undefined` or `null`.
    Missing,
    /// A value.
    Value(Value),
    /// Anything that is no [`Value`].
    Foreign,
}

/// One message on the control channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlMessage {
    /// Asks for announcements. Every tab answers with one.
    Who {
        /// The sender.
        tab_id: TabId,
    },
    /// Properties of a tab: at start, on every change, in answer to `who`, and every 5 s.
    Announce(Announcement),
    /// A tab has left. Sent by its page, or by the broker that noticed the loss.
    Goodbye {
        /// The tab that left.
        tab_id: TabId,
        /// Whether its lock was free without a goodbye of its page: it crashed, or was killed.
        is_lost: bool,
    },
    /// A tab has opened its end of the lane and asks the broker to open the other one.
    Bind {
        /// The lane; its tab is the sender.
        lane: Lane,
        /// Number of this attempt; frames of earlier attempts are ignored.
        binding: u32,
    },
    /// Asks whether the broker and its storage work. The answer is `pong`.
    Probe {
        /// The sender.
        tab_id: TabId,
        /// Number of the probe, per tab.
        number: u32,
    },
    /// The broker answers a `probe` after it has stored a row that is newer than the probe. A broker whose storage
    /// hangs does not answer.
    Pong {
        /// The sender of the probe.
        tab_id: TabId,
        /// Number of the probe.
        number: u32,
        /// The broker's term.
        term: Term,
        /// The last stored row of the log; 0 without a log.
        committed: u64,
    },
    /// The broker has closed its end of a lane. The tab should bind again.
    Unbind {
        /// The lane.
        lane: Lane,
        /// Number of the attempt that opened it. The tab ignores earlier attempts.
        binding: u32,
    },
}

/// The properties that a tab announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The tab.
    pub tab_id: TabId,
    /// Whether it is the broker.
    pub is_broker: bool,
    /// Time of the announcement, in Unix milliseconds.
    pub timestamp: u64,
    /// The term of the broker, which may be this tab; without a broker, the highest known term.
    pub term: Option<Term>,
    /// When it joined, in Unix milliseconds.
    pub since: u64,
    /// Build of its worker.
    pub build: String,
    /// Versions of the protocol it speaks: lowest and highest major.
    pub protocol: (u32, u32),
    /// Number of its clients and ports.
    pub clients: u32,
    /// Whether its page is visible.
    pub visibility: Visibility,
    /// How it keeps acknowledged state as the broker, now or if it were elected.
    pub durability: Durability,
    /// From a new broker: the tabs whose lanes it has opened. They need no `bind`: the binding is 0.
    pub lanes: Vec<TabId>,
    /// From a broker: the times of its promotion.
    pub leadership: Option<LeadershipTimes>,
    /// From a broker with a log: the log's identity, see [`Notice::Log`](crate::api::Notice::Log).
    pub log: Option<u64>,
    /// From a broker: the state of its storage.
    pub storage: StorageState,
}

impl ControlMessage {
    /// The fields, in an order for human readers.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, Value)> {
        let text = |text: &str| Value::Text(text.to_owned());
        let tab = |tab: &TabId| Value::Text(tab.to_string());
        let number = |number: &u32| Value::Number(u64::from(*number));
        let kind = |kind: &str, tab_id: &TabId| vec![("type", text(kind)), ("tabId", tab(tab_id))];
        let of_lane = |which: &str, lane: &Lane, binding: &u32| {
            let mut fields = kind(which, &lane.tab);
            fields.extend([
                ("broker", tab(&lane.broker)),
                ("term", Value::Number(lane.term.0)),
                ("binding", number(binding)),
            ]);
            fields
        };
        match self {
            Self::Who { tab_id } => kind("who", tab_id),
            Self::Goodbye { tab_id, is_lost } => {
                let mut fields = kind("goodbye", tab_id);
                fields.extend(is_lost.then_some(("isLost", Value::Truth(true))));
                fields
            }
            Self::Announce(it) => {
                let mut fields = kind("announce", &it.tab_id);
                fields.push(("isBroker", Value::Truth(it.is_broker)));
                fields.push(("timestamp", Value::Number(it.timestamp)));
                fields.extend(it.term.map(|term| ("term", Value::Number(term.0))));
                let (lowest, highest) = &it.protocol;
                fields.extend([
                    ("since", Value::Number(it.since)),
                    ("build", text(&it.build)),
                    (
                        "protocol",
                        Value::List(vec![number(lowest), number(highest)]),
                    ),
                    ("clients", number(&it.clients)),
                    ("visibility", text(it.visibility.name())),
                    ("durability", text(it.durability.name())),
                ]);
                if let Some(leadership) = it.leadership {
                    fields.push(("elected", Value::Number(leadership.elected.as_ms())));
                    fields.push(("restored", Value::Number(leadership.restored.as_ms())));
                }
                fields.extend(it.log.map(|log| ("log", Value::Number(log))));
                if it.storage != StorageState::default() {
                    fields.push(("storage", text(it.storage.name())));
                }
                if !it.lanes.is_empty() {
                    fields.push(("lanes", Value::List(it.lanes.iter().map(tab).collect())));
                }
                fields
            }
            Self::Bind { lane, binding } => of_lane("bind", lane, binding),
            Self::Unbind { lane, binding } => of_lane("unbind", lane, binding),
            Self::Probe { tab_id, number: no } => {
                let mut fields = kind("probe", tab_id);
                fields.push(("number", number(no)));
                fields
            }
            Self::Pong {
                tab_id,
                number: no,
                term,
                committed,
            } => {
                let mut fields = kind("pong", tab_id);
                fields.extend([
                    ("number", number(no)),
                    ("term", Value::Number(term.0)),
                    ("committed", Value::Number(*committed)),
                ]);
                fields
            }
        }
    }

    /// Parses a message. `field` returns its fields. `None`: no tab of ours can have sent it.
    pub fn from_fields(field: &dyn Fn(&'static str) -> Field) -> Option<Self> {
        let fields = Fields(field);
        let tab_id = fields.tab("tabId")?;
        Some(match fields.text("type")??.as_str() {
            "who" => Self::Who { tab_id },
            "goodbye" => Self::Goodbye {
                tab_id,
                // The cause is only displayed: anything else is ignored.
                is_lost: matches!((fields.0)("isLost"), Field::Value(Value::Truth(true))),
            },
            "announce" => Self::Announce(Announcement {
                tab_id,
                is_broker: fields.truth("isBroker")??,
                timestamp: fields.number("timestamp")??,
                term: fields.number("term")?.map(Term),
                since: fields.number("since")?.unwrap_or_default(),
                build: fields.text("build")?.unwrap_or_default(),
                protocol: match fields.list("protocol")?.as_deref() {
                    None => (0, 0),
                    Some([Value::Number(lowest), Value::Number(highest)]) => {
                        ((*lowest).try_into().ok()?, (*highest).try_into().ok()?)
                    }
                    Some(_) => return None,
                },
                clients: fields.small("clients")?.unwrap_or_default(),
                visibility: match fields.text("visibility")? {
                    Some(name) => Visibility::named(&name)?,
                    None => Visibility::default(),
                },
                durability: match fields.text("durability")? {
                    Some(name) => Durability::named(&name)?,
                    None => Durability::default(),
                },
                lanes: fields
                    .list("lanes")?
                    .unwrap_or_default()
                    .into_iter()
                    .map(|lane| match lane {
                        Value::Text(text) => TabId::parse(&text),
                        _ => None,
                    })
                    .collect::<Option<_>>()?,
                leadership: match (fields.number("elected")?, fields.number("restored")?) {
                    // The times are optional: impossible ones are ignored, and the rest of the announcement counts.
                    (Some(elected), Some(restored))
                        if elected <= restored && restored <= SAFE_INTEGER_MAX =>
                    {
                        Some(LeadershipTimes {
                            elected: Time::from_ms(elected),
                            restored: Time::from_ms(restored),
                        })
                    }
                    _ => None,
                },
                log: fields.number("log")?.filter(|log| *log <= SAFE_INTEGER_MAX),
                // The state is only displayed: unknown values are ignored.
                storage: match (fields.0)("storage") {
                    Field::Value(Value::Text(name)) => StorageState::named(&name),
                    Field::Value(_) | Field::Missing | Field::Foreign => StorageState::default(),
                },
            }),
            "bind" => Self::Bind {
                lane: fields.lane(tab_id)?,
                binding: fields.small("binding")??,
            },
            "unbind" => Self::Unbind {
                lane: fields.lane(tab_id)?,
                binding: fields.small("binding")??,
            },
            "probe" => Self::Probe {
                tab_id,
                number: fields.small("number")??,
            },
            "pong" => Self::Pong {
                tab_id,
                number: fields.small("number")??,
                term: Term(fields.number("term")??),
                committed: fields.number("committed")??,
            },
            _ => return None,
        })
    }

    /// The term in this message, if it has one.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        match self {
            Self::Who { .. } | Self::Goodbye { .. } | Self::Probe { .. } => None,
            Self::Announce(announcement) => announcement.term,
            Self::Bind { lane, .. } | Self::Unbind { lane, .. } => Some(lane.term),
            Self::Pong { term, .. } => Some(*term),
        }
    }

    /// Whether every value is in its range. No tab of ours sends other values.
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
            Self::Bind { lane, .. } | Self::Unbind { lane, .. } => term_fits(&lane.term),
        }
    }
}

/// Reads fields. Outer `None`: no tab of ours can have sent it. Inner `None`: missing.
struct Fields<'a>(&'a dyn Fn(&'static str) -> Field);

impl Fields<'_> {
    fn read<T>(
        &self,
        name: &'static str,
        take: impl FnOnce(Value) -> Option<T>,
    ) -> Option<Option<T>> {
        match (self.0)(name) {
            Field::Missing => Some(None),
            Field::Value(value) => take(value).map(Some),
            Field::Foreign => None,
        }
    }

    fn text(&self, name: &'static str) -> Option<Option<String>> {
        self.read(name, |value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        })
    }

    fn number(&self, name: &'static str) -> Option<Option<u64>> {
        self.read(name, |value| match value {
            Value::Number(number) => Some(number),
            _ => None,
        })
    }

    fn small(&self, name: &'static str) -> Option<Option<u32>> {
        self.read(name, |value| match value {
            Value::Number(number) => number.try_into().ok(),
            _ => None,
        })
    }

    fn truth(&self, name: &'static str) -> Option<Option<bool>> {
        self.read(name, |value| match value {
            Value::Truth(truth) => Some(truth),
            _ => None,
        })
    }

    fn list(&self, name: &'static str) -> Option<Option<Vec<Value>>> {
        self.read(name, |value| match value {
            Value::List(values) => Some(values),
            _ => None,
        })
    }

    fn tab(&self, name: &'static str) -> Option<TabId> {
        TabId::parse(&self.text(name)??)
    }

    /// The lane between this tab and the broker in the fields.
    fn lane(&self, tab: TabId) -> Option<Lane> {
        Some(Lane {
            tab,
            broker: self.tab("broker")?,
            term: Term(self.number("term")??),
        })
    }
}

#[cfg(test)]
mod tests;
