//! Which message a topic may retain in the end.

use std::collections::BTreeMap;

use tab::api::Term;

use super::message::{Moment, Published};
use crate::workload::message_id::MessageId;

/// What a topic may retain.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// The messages, without such that only delete.
    pub(crate) messages: Vec<MessageId>,
    /// Whether it may retain none.
    pub(crate) may_be_none: bool,
}

/// What `topic` may retain at the broker of `term`, or at any if that is `None`: any message that this broker may have had, unless a later one has
/// certainly replaced it. Of two publishers at about the same time, who was first is not known.
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
        // Where brokers stand still, what was not acknowledged may come at any time.
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
