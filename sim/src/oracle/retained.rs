//! The messages that a topic may retain at the end.

use std::collections::BTreeMap;

use tab::api::Term;

use super::message::{Moment, Published};
use crate::workload::message_id::MessageId;

/// The candidates for the retained message of a topic.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// The messages, without those that only delete.
    pub(crate) messages: Vec<MessageId>,
    /// Whether no retained message is possible, too.
    pub(crate) may_be_none: bool,
}

/// Returns the candidates at the broker of `term`, or at any broker if that is `None`. These are the messages that the
/// broker may have received, without those that a later one has certainly replaced. The order of two publishers at
/// about the same time is unknown.
pub(crate) fn candidates(
    messages: &BTreeMap<MessageId, Published>,
    topic: &str,
    term: Option<Term>,
    now: Moment,
) -> Candidates {
    let possible: Vec<(&MessageId, &Published)> = messages
        .iter()
        .filter(|(_, it)| it.publication.retain && it.publication.topic == topic)
        .filter(|(_, it)| term.map_or_else(|| it.may_have_arrived(), |term| it.may_be_of(term)))
        .collect();
    let is_certain = |it: &Published| match term {
        Some(term) => it.is_of(term),
        None => it.is_acknowledged(),
    };
    let last_certain = possible
        .iter()
        .filter(|(_, it)| is_certain(it))
        .map(|(_, it)| it.since.at)
        .max();
    let mut candidates = Candidates {
        may_be_none: last_certain.is_none(),
        ..Candidates::default()
    };
    for (id, published) in possible {
        // Where brokers stall, an unacknowledged message may arrive at any time.
        let is_over = term.is_some() || is_certain(published);
        if is_over && last_certain.is_some_and(|last| published.arrived_by(now) < last) {
            continue;
        }
        if published.publication.payload.is_empty() {
            candidates.may_be_none = true;
        } else {
            candidates.messages.push(*id);
        }
    }
    candidates
}
