//! Messages that other scripts of the origin could put on our channels.

use tab::api::{Durability, Source, StorageState, Term, Visibility};
use tab::control::{Announcement, BUILD_BYTES_MAX, ControlMessage, SAFE_INTEGER_MAX};
use tab::{Input, Lane, TabId};

use crate::prng::Prng;

/// Magic bytes of our frames.
const MAGIC: &[u8] = b"TMQ1";

/// An input for `victim` that no tab sends. The tab must count and drop it.
pub(crate) fn garbage(prng: &mut Prng, victim: TabId, frame: Option<Vec<u8>>) -> Input {
    match prng.between(0, 4) {
        0 => Input::Foreign(prng.one_of([Source::Control, Source::Lane])),
        1 => {
            let mut bytes = MAGIC.to_vec();
            // No bincode integer starts with 255.
            bytes.push(255);
            let len = prng.between(0, 60);
            bytes.extend(prng.bytes(len));
            Input::Frame(some_lane(prng, victim), bytes)
        }
        2 => {
            let len = prng.between(0, 60);
            Input::Frame(some_lane(prng, victim), prng.bytes(len))
        }
        3 => {
            let mut bytes = frame.unwrap_or_default();
            let cut = prng.between(1, 4) as usize;
            bytes.truncate(bytes.len().saturating_sub(cut));
            Input::Frame(some_lane(prng, victim), bytes)
        }
        _ => Input::Control(implausible(prng, victim)),
    }
}

fn some_lane(prng: &mut Prng, victim: TabId) -> Lane {
    Lane {
        tab: victim,
        broker: TabId::from_entropy(prng.next()),
        term: Term(prng.next()),
    }
}

fn implausible(prng: &mut Prng, victim: TabId) -> ControlMessage {
    let tab_id = TabId::from_entropy(prng.next());
    // Above the largest number that is exact in JavaScript, or beyond any plausible time.
    let term = Term(SAFE_INTEGER_MAX + 1 - tab_id.bits() % 3);
    let announcement = unknown_tab(tab_id);
    match prng.between(0, 6) {
        0 => ControlMessage::Announce(Announcement {
            build: "x".repeat(BUILD_BYTES_MAX + 1),
            ..announcement
        }),
        1 => ControlMessage::Announce(Announcement {
            is_broker: true,
            ..announcement
        }),
        2 => ControlMessage::Announce(Announcement {
            is_broker: true,
            term: Some(term),
            ..announcement
        }),
        3 => ControlMessage::Announce(Announcement {
            timestamp: u64::MAX,
            ..announcement
        }),
        4 => ControlMessage::Announce(unknown_tab(victim)),
        5 => ControlMessage::Unbind {
            lane: Lane {
                tab: victim,
                broker: tab_id,
                term,
            },
            binding: 1,
        },
        _ => ControlMessage::Bind {
            lane: Lane {
                tab: tab_id,
                broker: victim,
                term,
            },
            binding: 1,
        },
    }
}

/// A message that an unknown tab could send. It is not counted, and must do no harm.
pub(crate) fn from_unknown_tab(
    prng: &mut Prng,
    now_ms: u64,
    (broker, term): (TabId, Term),
) -> ControlMessage {
    let tab_id = TabId::from_entropy(prng.next());
    match prng.between(0, 4) {
        0 => ControlMessage::Who { tab_id },
        1 => ControlMessage::Goodbye {
            tab_id,
            is_lost: false,
        },
        2 => ControlMessage::Unbind {
            lane: Lane {
                tab: tab_id,
                broker,
                term,
            },
            binding: 1,
        },
        3 => ControlMessage::Bind {
            lane: Lane {
                tab: tab_id,
                broker,
                term,
            },
            binding: 1,
        },
        _ => ControlMessage::Announce(Announcement {
            timestamp: now_ms,
            since: now_ms,
            ..unknown_tab(tab_id)
        }),
    }
}

/// An announcement in the name of this tab. With a term, it is a claim of leadership with lanes to these tabs.
pub(crate) fn announcement(
    tab_id: TabId,
    now_ms: u64,
    claim: Option<(Term, Vec<TabId>)>,
) -> ControlMessage {
    let is_broker = claim.is_some();
    let (term, lanes) = claim.unzip();
    ControlMessage::Announce(Announcement {
        is_broker,
        timestamp: now_ms,
        term,
        lanes: lanes.unwrap_or_default(),
        ..unknown_tab(tab_id)
    })
}

fn unknown_tab(tab_id: TabId) -> Announcement {
    Announcement {
        tab_id,
        is_broker: false,
        timestamp: 0,
        term: None,
        since: 0,
        build: "stranger".to_owned(),
        protocol: (1, 1),
        clients: 0,
        visibility: Visibility::Hidden,
        durability: Durability::default(),
        lanes: Vec::new(),
        leadership: None,
        log: None,
        storage: StorageState::Ok,
    }
}
