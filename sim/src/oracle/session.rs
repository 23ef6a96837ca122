//! Sessions as a durable broker must keep them: whatever tab their clients are in, and whatever becomes of brokers.

use std::collections::{BTreeMap, BTreeSet};

use tab::api::{QoS, Subscription};

use super::message::{Moment, Published};
use super::topic;
use crate::client_key::ClientKey;
use crate::workload::message_id::MessageId;

/// One session, by the client id.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Counts the sessions of this client id, as far as it is certain that one took the place of another.
    pub(super) generation: u32,
    /// When a CONNACK told that it is there; `None` if that is not certain.
    pub(super) since: Option<Moment>,
    /// Whether it outlives its connections for longer than any world lasts.
    pub(super) is_lasting: bool,
    filters: BTreeMap<String, Filter>,
    /// What any client of this id got in this generation.
    seen: BTreeSet<MessageId>,
    /// The living clients that are meant to be connected with this id.
    pub(super) holders: BTreeSet<ClientKey>,
    /// Whether several clients ever had it in turn: each may have left packet identifiers that the others do not know of.
    pub(super) was_shared: bool,
    /// Clients that left before they were connected, and until when their CONNECT may still come.
    pub(super) late: BTreeMap<ClientKey, u64>,
}

#[derive(Debug, Default)]
struct Filter {
    /// SUBSCRIBEs and UNSUBSCRIBEs without an answer: what they do, and when, is not certain.
    pending: u32,
    firm: Option<Firm>,
}

/// A subscription that is there until the page asks for something else.
#[derive(Clone, Debug)]
struct Firm {
    options: Subscription,
    granted: Moment,
}

impl Session {
    /// From now on it may be another one, or none.
    pub(super) fn end(&mut self) {
        self.generation += 1;
        self.since = None;
        self.filters.clear();
        self.seen.clear();
    }

    /// Several clients take it from each other, or may do so still.
    pub(super) fn is_contested(&self, now: Moment) -> bool {
        // The packets of one client keep their order.
        let may_come = |(key, until): (&ClientKey, &u64)| {
            now.at.as_ms() < *until && !self.holders.contains(key)
        };
        self.holders.len() > 1 || self.late.iter().any(may_come)
    }

    pub(super) fn asked<'a>(&mut self, filters: impl Iterator<Item = &'a str>) {
        for name in filters {
            let filter = self.filters.entry(name.to_owned()).or_default();
            filter.pending += 1;
            filter.firm = None;
        }
    }

    /// A request of this generation was answered.
    pub(super) fn answered(&mut self, now: Moment, name: &str, granted: Option<&Subscription>) {
        let Some(filter) = self.filters.get_mut(name) else {
            return;
        };
        filter.pending = filter.pending.saturating_sub(1);
        if filter.pending == 0 {
            filter.firm = granted.map(|options| Firm {
                options: options.clone(),
                granted: now,
            });
        }
    }

    /// A reader takes the place of what a client of an earlier page had subscribed to, if it had: nobody knows of that.
    pub(super) fn read(&mut self, name: &str) {
        if let Some(filter) = self.filters.get_mut(name) {
            filter.firm = None;
        }
    }

    pub(super) fn got(&mut self, message: MessageId) {
        self.seen.insert(message);
    }

    pub(super) fn has_got(&self, message: MessageId) -> bool {
        self.seen.contains(&message)
    }

    /// Whether a message that was published after `since` must reach it with QoS 1 or 2.
    pub(super) fn must_get(
        &self,
        now: Moment,
        client_id: &str,
        publisher_id: Option<&str>,
        published: &Published,
        since: Moment,
    ) -> bool {
        let is_there = self.since.is_some_and(|it| it.step < since.step);
        let may_be_own = publisher_id.is_none_or(|publisher| publisher == client_id);
        is_there
            && !self.is_contested(now)
            && (self.is_lasting || !self.holders.is_empty())
            && self.filters.iter().any(|(name, filter)| {
                filter.firm.as_ref().is_some_and(|firm| {
                    firm.granted.step < since.step
                        && firm.options.qos != QoS::AtMostOnce
                        && !(may_be_own && firm.options.no_local)
                        && topic::matches(name, &published.publication.topic)
                })
            })
    }
}

/// What a request asked of which session.
#[derive(Clone, Debug)]
pub(super) struct SessionRequest {
    pub(super) client_id: String,
    pub(super) generation: u32,
}
