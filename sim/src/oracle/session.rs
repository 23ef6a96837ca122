//! Sessions as a durable broker must keep them, across tabs and brokers.

mod lifecycle;

use std::collections::{BTreeMap, BTreeSet};

use tab::api::{QoS, Subscription};

use super::message::{Moment, Published};
use super::topic;
use crate::client_key::ClientKey;
use crate::workload::message_id::MessageId;

/// The session of one client id.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Counts the sessions of this client id, as far as their succession is certain.
    pub(super) generation: u32,
    /// When a CONNACK confirmed it; `None` if that is not certain.
    pub(super) since: Option<Moment>,
    /// Whether its expiry interval exceeds the duration of any world.
    pub(super) is_lasting: bool,
    filters: BTreeMap<String, Filter>,
    /// Messages that any client with this id got in this generation.
    seen: BTreeSet<MessageId>,
    /// The living clients that should be connected with this id.
    pub(super) holders: BTreeSet<ClientKey>,
    /// Whether several clients ever had it in turn. Each may have left packet identifiers unknown to the others.
    pub(super) was_shared: bool,
    /// Clients that left before they were connected, and the time until which their CONNECT may still arrive.
    pub(super) late: BTreeMap<ClientKey, u64>,
}

#[derive(Debug, Default)]
struct Filter {
    /// Pending SUBSCRIBEs and UNSUBSCRIBEs, whose effect is not certain yet.
    pending: u32,
    firm: Option<Firm>,
}

/// A subscription that exists until the page changes it.
#[derive(Clone, Debug)]
struct Firm {
    options: Subscription,
    granted: Moment,
}

impl Session {
    /// The session may have ended, or been replaced.
    pub(super) fn end(&mut self) {
        self.generation += 1;
        self.since = None;
        self.filters.clear();
        self.seen.clear();
    }

    /// Whether several clients take it over from each other, or may still do so.
    pub(super) fn is_contested(&self, now: Moment) -> bool {
        // The packets of one client stay in order.
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

    /// A reader may replace the subscription of an earlier page's client. The oracle cannot tell.
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

/// The session that a request is for.
#[derive(Clone, Debug)]
pub(super) struct SessionRequest {
    pub(super) client_id: String,
    pub(super) generation: u32,
}
