//! The oracle's view of one client, and the messages that it may and must receive.

mod delivery;

use delivery::Copies;
pub(super) use delivery::Stream;

use std::collections::BTreeMap;

use tab::Time;
use tab::api::{Problem, QoS, ReaderNo, RequestId, Subscription, Term};

use super::message::{Moment, Published};
use super::topic;
use crate::client_key::ClientKey;
use crate::workload::message_id::MessageId;

/// Milliseconds after a connection until the broker certainly has the client's subscriptions again.
const RENEWAL_MS: u64 = 500;

/// One client, as its page's commands and its notices show it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    /// Counts the connections that the page requested.
    pub(crate) epoch: u32,
    /// Whether the page wants the client connected.
    pub(crate) is_wanted: bool,
    /// The term in which the client is connected.
    pub(crate) connection: Option<Term>,
    /// Counts the sessions, as far as the client can observe them.
    pub(crate) session: u32,
    /// When the session began.
    session_since: Option<Moment>,
    /// The term of the last CONNACK in this epoch.
    last_term: Option<Term>,
    /// The broker that got the last CONNECT of this epoch.
    tried: Option<Term>,
    /// Number of CONNACKs in this epoch.
    connects: u32,
    /// Number of CONNACKs that resumed the session of this epoch.
    resumes: u32,
    pub(super) subscriptions: Vec<Subscribed>,
    seen: BTreeMap<MessageId, Copies>,
    /// Arrival time of the last new message, and the time of its publication.
    newest: Option<(Time, Moment)>,
    order: BTreeMap<Stream, MessageId>,
    /// The will of this epoch.
    pub(crate) will: Option<MessageId>,
    /// Whether the will was sent when the disk may have been full.
    pub(super) is_will_unstored: bool,
    /// Whether the broker publishes the will as soon as the client is lost.
    pub(crate) is_will_prompt: bool,
    /// Whether the session outlives a broken connection.
    pub(crate) has_lasting_session: bool,
    /// The page has ended the connection, and has no confirmation yet. Notices of the old connection may still arrive.
    pub(super) is_connection_uncertain: bool,
    /// The client id of this epoch.
    pub(super) client_id: Option<String>,
    pub(super) is_clean_start: bool,
    /// Session expiry interval in seconds.
    pub(super) expiry: u32,
    /// Readers of the page, and their topic filters.
    pub(super) readers: BTreeMap<ReaderNo, String>,
    /// Whether the client has no listener of its own, and whether that was ever so.
    pub(super) has_no_listener: bool,
    pub(super) had_no_listener: bool,
    /// A refused request, until a notice reports the end of the connection.
    pub(super) refused: Option<(RequestId, Problem)>,
}

/// One topic filter of one SUBSCRIBE.
#[derive(Clone, Debug)]
pub(super) struct Subscribed {
    request: RequestId,
    /// Index in the request, which may contain a filter twice.
    place: usize,
    epoch: u32,
    /// Upper bound of how often it was sent before this epoch, or by other clients with this client id.
    sent: u32,
    options: Subscription,
    since: Moment,
    granted: Option<Moment>,
    /// The stored subscription may be gone, even if the answer is still to come.
    is_uncertain: bool,
    /// A reader wants it. Messages may match it, but need not arrive, because others may share it.
    is_of_reader: bool,
    /// The page has requested its end.
    is_ending: bool,
    until: Option<Moment>,
}

impl Subscribed {
    /// The record of its end may be gone.
    pub(super) fn undo_end(&mut self) {
        self.until = None;
    }

    /// Whether both request the same. A reader with its client's options is different, because it shares the filter.
    fn is_same_request(&self, other: &Self) -> bool {
        (&self.options, self.place, self.is_of_reader)
            == (&other.options, other.place, other.is_of_reader)
    }
}

impl Client {
    // Commands of the page.

    /// The page ends the connection. A worker that is stalled, or verifies its leadership, learns of it later. It may
    /// first report a connection that it has set up meanwhile.
    pub(crate) fn end(&mut self) {
        self.is_connection_uncertain |= self.connection.is_some() || self.is_wanted;
        self.is_wanted = false;
    }

    /// The page connects the client.
    pub(crate) fn connect(&mut self) {
        self.end();
        self.subscriptions = self.inheritable();
        self.epoch += 1;
        self.is_wanted = true;
        self.connection = None;
        self.session += 1;
        self.session_since = None;
        self.last_term = None;
        self.tried = None;
        self.connects = 0;
        self.resumes = 0;
        self.seen.clear();
        self.order.clear();
        self.readers.clear();
        self.will = None;
    }

    /// Adds subscriptions that other clients with this client id have or had.
    pub(super) fn inherit(&mut self, subscriptions: Vec<Subscribed>) {
        for it in subscriptions {
            // Two clients that inherit from each other repeatedly have no more than both had.
            let known = self.subscriptions.iter_mut().find(|known| {
                known.is_same_request(&it) && (known.until.is_none() || known.until == it.until)
            });
            match known {
                Some(known) => known.sent = known.sent.max(it.sent),
                None => self.subscriptions.push(Subscribed {
                    // It belongs to no request and no epoch of this client.
                    request: RequestId(u64::MAX),
                    epoch: 0,
                    ..it
                }),
            }
        }
    }

    /// The subscriptions that apply to other clients with this client id if they take over its session.
    pub(super) fn inheritable(&self) -> Vec<Subscribed> {
        let its = self.subscriptions.iter();
        let bequeathed = its.map(|it| Subscribed {
            sent: self.times_sent(it),
            ..it.clone()
        });
        bequeathed.collect()
    }

    /// Each connection may have sent an unanswered SUBSCRIBE once more.
    fn times_sent(&self, subscription: &Subscribed) -> u32 {
        match subscription.epoch == self.epoch {
            true => subscription.sent.max(1 + self.connects),
            false => subscription.sent,
        }
    }

    /// Another client with this client id subscribes, or a reader of it does.
    pub(super) fn inherit_new(
        &mut self,
        since: Moment,
        subscriptions: &[Subscription],
        is_of_reader: bool,
    ) {
        let made = subscriptions.iter().enumerate();
        let made = made.map(|(place, options)| Subscribed {
            request: RequestId(u64::MAX),
            place,
            epoch: 0,
            sent: 1,
            options: options.clone(),
            since,
            granted: None,
            is_uncertain: false,
            is_of_reader,
            is_ending: false,
            until: None,
        });
        self.subscriptions.extend(made);
    }

    /// Whether this client's own page has requested a filter, and not its end.
    pub(super) fn has_own(&self, topic_filter: &str) -> bool {
        let mut own = self.subscriptions.iter();
        own.any(|it| {
            it.epoch == self.epoch
                && it.options.topic_filter == topic_filter
                && !(it.is_of_reader || it.is_ending)
        })
    }

    /// A reader of the page wants this subscription.
    pub(super) fn read(&mut self, since: Moment, options: &Subscription) {
        self.subscriptions.push(Subscribed {
            request: RequestId(u64::MAX),
            place: 0,
            epoch: self.epoch,
            sent: 0,
            options: options.clone(),
            since,
            granted: None,
            is_uncertain: false,
            is_of_reader: true,
            is_ending: false,
            until: None,
        });
    }

    /// Whether the client was connected since the page requested it.
    pub(super) fn was_connected(&self) -> bool {
        self.last_term.is_some()
    }

    pub(super) fn last_term(&self) -> Option<Term> {
        self.last_term
    }

    /// Its subscriptions from before the page connected it anew.
    pub(super) fn of_earlier_epochs(&self) -> Vec<Subscribed> {
        let mut all = self.inheritable();
        all.retain(|it| it.epoch != self.epoch);
        all
    }

    /// Its granted subscriptions may be gone.
    pub(super) fn mark_uncertain(&mut self) {
        for subscription in &mut self.subscriptions {
            subscription.granted = None;
            subscription.is_uncertain = true;
        }
    }

    /// The records of the ends of its subscriptions may be gone.
    pub(super) fn undo_end(&mut self) {
        self.subscriptions.iter_mut().for_each(Subscribed::undo_end);
    }

    pub(crate) fn subscribe(
        &mut self,
        now: Moment,
        request: RequestId,
        subscriptions: &[Subscription],
    ) {
        let epoch = self.epoch;
        let made = subscriptions.iter().enumerate();
        let made = made.map(|(place, options)| Subscribed {
            request,
            place,
            epoch,
            sent: 0,
            options: options.clone(),
            since: now,
            granted: None,
            is_uncertain: false,
            is_of_reader: false,
            is_ending: false,
            until: None,
        });
        self.subscriptions.extend(made);
    }

    pub(crate) fn unsubscribe(&mut self, topic_filters: &[String]) {
        for subscription in &mut self.subscriptions {
            if topic_filters.contains(&subscription.options.topic_filter) {
                subscription.is_ending = true;
            }
        }
    }

    // Notices to the page.

    /// Returns whether the client resumes its session.
    pub(crate) fn connected(
        &mut self,
        now: Moment,
        term: Term,
        session_present: bool,
        may_outlive_broker: bool,
        may_have_been_away: bool,
        may_be_full: bool,
    ) -> bool {
        // The CONNACK belongs to a connection that the page has ended. Only the next one tells about the session of
        // this epoch.
        if self.is_connection_uncertain && may_outlive_broker {
            self.connection = Some(term);
            return session_present;
        }
        // With state in memory, another broker can have a session only from an earlier attempt to connect without a
        // CONNACK.
        let is_first = self.last_term.is_none();
        let is_same = may_outlive_broker || is_first || self.last_term == Some(term);
        let is_resumed = session_present && is_same;
        let has_moved = self.last_term != Some(term);
        self.connection = Some(term);
        self.last_term = Some(term);
        self.connects += 1;
        let was_away = has_moved && may_have_been_away;
        // If the disk was full, the client's acknowledgements are not stored, and the next broker sends those messages
        // again.
        let begins_before = has_moved && may_be_full;
        if !(may_outlive_broker && is_resumed) || was_away || begins_before {
            self.order.clear();
        }
        if was_away {
            self.seen.clear();
        }
        if is_first || !is_resumed {
            self.session_since = Some(now);
        }
        if !is_resumed {
            self.session += 1;
            // The earlier session is gone, and so are its subscriptions. Messages that matched them may still wait for
            // a listener.
            if !self.had_no_listener {
                let epoch = self.epoch;
                self.subscriptions.retain(|it| it.epoch == epoch);
            }
        } else if !is_first {
            self.resumes += 1;
        }
        is_resumed
    }

    /// Whether the broker of `term` must still have the session.
    pub(crate) fn must_resume(&self, term: Term) -> bool {
        self.has_lasting_session && self.last_term == Some(term)
    }

    /// The client sends CONNECT to the broker of this term. Returns whether it had, or tried, a connection to this
    /// broker before.
    pub(super) fn connecting(&mut self, term: Option<Term>) -> bool {
        self.lost();
        let before = core::mem::replace(&mut self.tried, term);
        term.is_some() && before == term
    }

    /// The client is not connected now.
    pub(super) fn lost(&mut self) {
        self.connection = None;
        self.is_connection_uncertain = false;
    }

    pub(crate) fn disconnected(&mut self) {
        self.lost();
        self.session += 1;
    }

    /// The QoS of each subscription in this request.
    pub(crate) fn requested(&self, request: RequestId) -> impl Iterator<Item = QoS> + '_ {
        self.subscriptions
            .iter()
            .filter(move |it| it.request == request)
            .map(|it| it.options.qos)
    }

    pub(crate) fn subscribed(&mut self, now: Moment, request: RequestId) {
        for subscription in &mut self.subscriptions {
            if subscription.request == request && !subscription.is_uncertain {
                subscription.granted = Some(now);
            }
        }
    }

    /// An UNSUBSCRIBE of the moment `asked` was answered.
    pub(crate) fn unsubscribed(&mut self, now: Moment, asked: Moment, topic_filters: &[String]) {
        for subscription in &mut self.subscriptions {
            if subscription.since.step < asked.step
                && !subscription.is_of_reader
                && topic_filters.contains(&subscription.options.topic_filter)
            {
                subscription.until.get_or_insert(now);
            }
        }
    }

    /// Whether a message that the broker of `term` got after `since` must reach this client with QoS 1 or 2.
    pub(crate) fn must_get(
        &self,
        client: ClientKey,
        published: &Published,
        since: Moment,
        term: Term,
    ) -> bool {
        let Some(session) = self.session_since else {
            return false;
        };
        let is_renewed = session.at.plus_ms(RENEWAL_MS) <= since.at;
        self.connection == Some(term)
            && !self.has_no_listener
            && self.firm_filters(client, published).any(|its| {
                its.iter().all(|it| it.options.qos != QoS::AtMostOnce)
                    && its
                        .iter()
                        .filter_map(|it| it.granted)
                        .filter(|granted| granted.step < since.step)
                        .any(|granted| is_renewed || granted.step > session.step)
            })
    }

    /// The will that the broker of `term` must publish when the client is lost.
    pub(crate) fn certain_will(&self, term: Term) -> Option<MessageId> {
        let is_known = self.is_wanted && self.connection == Some(term);
        self.will.filter(|_| is_known && self.is_will_prompt)
    }

    /// Whether a message published now, in the recovery phase, must reach this client with at least this QoS.
    pub(crate) fn is_subscribed(
        &self,
        client: ClientKey,
        published: &Published,
        least: QoS,
    ) -> bool {
        self.is_wanted
            && self.firm_filters(client, published).any(|its| {
                its.iter().any(|it| it.granted.is_some())
                    && its.iter().all(|it| it.options.qos >= least)
            })
    }

    /// The matching subscriptions by topic filter, without filters that the page has changed since.
    fn firm_filters(
        &self,
        client: ClientKey,
        published: &Published,
    ) -> impl Iterator<Item = Vec<&Subscribed>> {
        let mut filters: BTreeMap<&str, Vec<&Subscribed>> = BTreeMap::new();
        for it in &self.subscriptions {
            if it.epoch == self.epoch
                && it.until.is_none()
                && !it.is_of_reader
                && topic::matches(&it.options.topic_filter, &published.publication.topic)
            {
                let filter = it.options.topic_filter.as_str();
                filters.entry(filter).or_default().push(it);
            }
        }
        let is_own = published.publisher == client;
        filters.into_values().filter(move |its| {
            its.iter()
                .all(|it| !(it.is_ending || is_own && it.options.no_local))
        })
    }

    /// The subscriptions that the broker has certainly granted, by topic filter.
    pub(super) fn certain_subscriptions(&self) -> impl Iterator<Item = (&str, &Subscription)> {
        let mut filters: BTreeMap<&str, Vec<&Subscribed>> = BTreeMap::new();
        for it in self.subscriptions.iter().filter(|it| it.until.is_none()) {
            filters
                .entry(&it.options.topic_filter)
                .or_default()
                .push(it);
        }
        let is_known = self.is_wanted && self.connection.is_some();
        filters.into_iter().filter_map(move |(filter, its)| {
            let last = its.last()?;
            let is_certain = its
                .iter()
                .all(|it| it.epoch == self.epoch && !it.is_ending && it.granted.is_some())
                && !its.iter().any(|it| it.is_of_reader);
            (is_certain && is_known).then_some((filter, &last.options))
        })
    }
}

pub(super) fn is_match(options: &Subscription, client: ClientKey, published: &Published) -> bool {
    topic::matches(&options.topic_filter, &published.publication.topic)
        && !(options.no_local && published.publisher == client && !published.is_publisher_unknown)
}
