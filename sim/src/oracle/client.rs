//! What is known of one client, and what it may and must receive.

use std::collections::BTreeMap;

use tab::Time;
use tab::api::{Message, Problem, QoS, ReaderNo, RequestId, RetainHandling, Subscription, Term};

use super::message::{Kind, Moment, Published};
use super::topic;
use crate::client_key::ClientKey;
use crate::plan::Guarantee;
use crate::tally::Tally;
use crate::violation::Violation;
use crate::workload::message_id::MessageId;

/// Milliseconds after a connection in which the client's subscriptions have certainly reached the broker again.
const RENEWAL_MS: u64 = 500;

/// One client, as its page and the notices show it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    /// Counts the connections that the page asked for.
    pub(crate) epoch: u32,
    /// Whether the page wants it connected.
    pub(crate) is_wanted: bool,
    /// The term in which it is connected.
    pub(crate) connection: Option<Term>,
    /// Counts the sessions, as far as the client notices.
    pub(crate) session: u32,
    /// When the session began.
    session_since: Option<Moment>,
    /// The term of the last CONNACK in this epoch.
    last_term: Option<Term>,
    /// The broker that got the last CONNECT of this epoch.
    tried: Option<Term>,
    /// CONNACKs in this epoch.
    connects: u32,
    /// Of these, such that went on with the session of this epoch.
    resumes: u32,
    pub(super) subscriptions: Vec<Subscribed>,
    seen: BTreeMap<MessageId, Copies>,
    /// When the last message came that was new to it, and when that had been published.
    newest: Option<(Time, Moment)>,
    order: BTreeMap<Stream, MessageId>,
    /// The will of this epoch.
    pub(crate) will: Option<MessageId>,
    /// Whether it came when there may have been no room for it.
    pub(super) is_will_unstored: bool,
    /// Whether it is published as soon as the client is lost.
    pub(crate) is_will_prompt: bool,
    /// Whether the session outlives a connection that broke.
    pub(crate) has_lasting_session: bool,
    /// The page has ended its connection, and has not heard yet that it is over: what had come before may be told still.
    pub(super) is_connection_uncertain: bool,
    /// What it calls itself in this epoch.
    pub(super) client_id: Option<String>,
    pub(super) is_clean_start: bool,
    /// Seconds that the session outlives a connection.
    pub(super) expiry: u32,
    /// Those of the page who read, and what.
    pub(super) readers: BTreeMap<ReaderNo, String>,
    /// Whether nobody hears what comes for the client itself, and whether that was so at any time.
    pub(super) has_no_listener: bool,
    pub(super) had_no_listener: bool,
    /// A request that was refused, until it is told that the connection has ended.
    pub(super) refused: Option<(RequestId, Problem)>,
}

/// One topic filter of one SUBSCRIBE.
#[derive(Clone, Debug)]
pub(super) struct Subscribed {
    request: RequestId,
    /// Its place in the request, which may name a filter twice.
    place: usize,
    epoch: u32,
    /// How often it may have been sent before this epoch, or by other clients of its client id.
    sent: u32,
    options: Subscription,
    since: Moment,
    granted: Option<Moment>,
    /// What is stored of it may be gone, also if the answer is still to come.
    is_uncertain: bool,
    /// A reader wants it: then messages may come by it, and whether they must nobody knows, as others may share it.
    is_of_reader: bool,
    /// The page has asked for its end.
    is_ending: bool,
    until: Option<Moment>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Copies {
    /// With RETAIN 0, and with QoS 0 where that does not wait for the disk.
    at_most_once: u32,
    /// With RETAIN 0, otherwise.
    plain: u32,
    /// With RETAIN 1 and QoS 0, where that does not wait for the disk.
    retained_at_most_once: u32,
    /// With RETAIN 1, otherwise.
    retained: u32,
    /// Whether any came with QoS 1.
    is_at_least_once: bool,
}

/// Messages of which the order is kept: of one publisher, on one topic, with one QoS on either side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stream {
    pub(super) publisher: ClientKey,
    pub(super) topic: String,
    pub(super) published: QoS,
    pub(super) delivered: QoS,
}

impl Subscribed {
    /// What ended it may be gone.
    pub(super) fn undo_end(&mut self) {
        self.until = None;
    }

    /// Whether both ask for the same. A reader may use the same options as its client, but it also makes the filter shared.
    fn is_same_request(&self, other: &Self) -> bool {
        (&self.options, self.place, self.is_of_reader)
            == (&other.options, other.place, other.is_of_reader)
    }
}

impl Copies {
    fn all(self) -> u32 {
        self.at_most_once + self.plain + self.retained_at_most_once + self.retained
    }
}

impl Client {
    // The page's commands.

    /// The page ends its connection. A worker that stands still, or makes sure that it is the broker, learns of it later, and
    /// may first tell of the connection that it has set up meanwhile.
    pub(crate) fn end(&mut self) {
        self.is_connection_uncertain |= self.connection.is_some() || self.is_wanted;
        self.is_wanted = false;
    }

    /// The page connects it, anew or for the first time.
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

    /// Other clients of its client id subscribed to this, or did once.
    pub(super) fn inherit(&mut self, subscriptions: Vec<Subscribed>) {
        for it in subscriptions {
            // Two clients that inherit from each other again and again have no more than both had.
            let known = self.subscriptions.iter_mut().find(|known| {
                known.is_same_request(&it) && (known.until.is_none() || known.until == it.until)
            });
            match known {
                Some(known) => known.sent = known.sent.max(it.sent),
                None => self.subscriptions.push(Subscribed {
                    // Of no request and no epoch of this client's.
                    request: RequestId(u64::MAX),
                    epoch: 0,
                    ..it
                }),
            }
        }
    }

    /// The subscriptions by which other clients of its client id may get something when they take its session over.
    pub(super) fn inheritable(&self) -> Vec<Subscribed> {
        let its = self.subscriptions.iter();
        let bequeathed = its.map(|it| Subscribed {
            sent: self.times_sent(it),
            ..it.clone()
        });
        bequeathed.collect()
    }

    /// Each connection may have sent what was not answered once more.
    fn times_sent(&self, subscription: &Subscribed) -> u32 {
        match subscription.epoch == self.epoch {
            true => subscription.sent.max(1 + self.connects),
            false => subscription.sent,
        }
    }

    /// Another client of its client id subscribes to this, or a reader there wants it.
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

    /// Whether the page of this client itself has asked for a filter, and not for its end.
    pub(super) fn has_own(&self, topic_filter: &str) -> bool {
        let mut own = self.subscriptions.iter();
        own.any(|it| {
            it.epoch == self.epoch
                && it.options.topic_filter == topic_filter
                && !(it.is_of_reader || it.is_ending)
        })
    }

    /// A part of the page reads this.
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

    /// Whether it was connected since the page asked for it.
    pub(super) fn was_connected(&self) -> bool {
        self.last_term.is_some()
    }

    pub(super) fn last_term(&self) -> Option<Term> {
        self.last_term
    }

    /// What it had subscribed to before the page connected it anew.
    pub(super) fn of_earlier_epochs(&self) -> Vec<Subscribed> {
        let mut all = self.inheritable();
        all.retain(|it| it.epoch != self.epoch);
        all
    }

    /// What was granted to it may be gone.
    pub(super) fn mark_uncertain(&mut self) {
        for subscription in &mut self.subscriptions {
            subscription.granted = None;
            subscription.is_uncertain = true;
        }
    }

    /// What ended its subscriptions may be gone.
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

    // Notices.

    /// Returns whether it goes on with its session.
    pub(crate) fn connected(
        &mut self,
        now: Moment,
        term: Term,
        session_present: bool,
        may_outlive_broker: bool,
        may_have_been_away: bool,
        may_be_full: bool,
    ) -> bool {
        // It belongs to a connection that the page has given up already. Only the next one says what became of the session of
        // this epoch.
        if self.is_connection_uncertain && may_outlive_broker {
            self.connection = Some(term);
            return session_present;
        }
        // In memory there can only be a session at another broker that an earlier attempt to connect began, unheard.
        let is_first = self.last_term.is_none();
        let is_same = may_outlive_broker || is_first || self.last_term == Some(term);
        let is_resumed = session_present && is_same;
        let has_moved = self.last_term != Some(term);
        self.connection = Some(term);
        self.last_term = Some(term);
        self.connects += 1;
        let was_away = has_moved && may_have_been_away;
        // Without room nobody stored that the client has acknowledged something, and the next broker begins before that.
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
            // An earlier session that this client could have gone on with is gone, and what it had subscribed to.
            // What came by them may wait for a listener still.
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

    /// It sends CONNECT to the broker of this term. Returns whether it had a connection to the same broker before, which is over.
    pub(super) fn connecting(&mut self, term: Option<Term>) -> bool {
        self.lost();
        let before = core::mem::replace(&mut self.tried, term);
        term.is_some() && before == term
    }

    /// It is not connected now.
    pub(super) fn lost(&mut self) {
        self.connection = None;
        self.is_connection_uncertain = false;
    }

    pub(crate) fn disconnected(&mut self) {
        self.lost();
        self.session += 1;
    }

    /// The subscriptions of this request, by their QoS.
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

    /// An UNSUBSCRIBE that the page asked for at `asked` was answered.
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

    /// A message arrived.
    pub(crate) fn deliver(
        &mut self,
        key: ClientKey,
        id: MessageId,
        published: &Published,
        message: &Message,
        guarantee: Guarantee,
        tally: &mut Tally,
    ) -> Result<(), Violation> {
        let may_outlive_broker = guarantee != Guarantee::Memory;
        if !published.is_intact(message) {
            return Err(Violation::MessageAltered {
                client: key,
                message: id,
            });
        }
        if self.is_connection_uncertain && may_outlive_broker {
            return Ok(());
        }
        // What has waited for a listener may be told at any time.
        let term = self
            .connection
            .or(self.last_term.filter(|_| self.had_no_listener));
        let Some(term) = term else {
            let message = id;
            return Err(Violation::DeliveredWhileDisconnected {
                client: key,
                message,
            });
        };
        // A broker with a disk may find a session that one without knew nothing of.
        if guarantee != Guarantee::Recovery {
            self.check_subscriptions(key, id, published, message)?;
        }
        let may_repeat = self.had_no_listener && guarantee == Guarantee::Recovery;
        let may = (may_outlive_broker, may_repeat);
        let is_first = self.check_copies(key, id, published, message, may, tally)?;
        // A client that subscribed in between gets the second copy of one message after the first of the next. In memory, only the
        // same broker can send that, unless messages of two brokers have waited for a listener.
        let may_be_of_two = may_outlive_broker || self.had_no_listener;
        let is_resent = published.is_resent_in(term) || may_be_of_two && published.is_resent();
        // Whoever read it first did so in order; the client itself hears it when it comes again.
        let is_late = self.had_no_listener && message.dup;
        let is_ordered = !(is_resent || is_late || may_repeat || message.retain);
        if is_first && is_ordered && published.kind == Kind::Publish {
            self.check_order(key, id, published, message, tally)?;
        }
        Ok(())
    }

    /// Notes how far the broker has come with what waits for the client.
    pub(super) fn progress(&mut self, now: Time, id: MessageId, since: Moment) {
        if self.copies(id) == 1 {
            self.newest = Some((now, since));
        }
    }

    /// Whether it has been sent something within so many milliseconds that was published before `since`.
    pub(super) fn gets_older(&self, now: Time, since: Moment, within_ms: u64) -> bool {
        self.newest.is_some_and(|(came, published)| {
            published.step < since.step && came.plus_ms(within_ms) > now
        })
    }

    /// It matches a subscription that the client has, or had when the message was published.
    fn check_subscriptions(
        &self,
        client: ClientKey,
        id: MessageId,
        published: &Published,
        message: &Message,
    ) -> Result<(), Violation> {
        let matching: Vec<&Subscription> = self
            .subscriptions
            .iter()
            .filter(|it| {
                it.until
                    .is_none_or(|until| published.since.step < until.step)
            })
            .filter(|it| {
                is_match(&it.options, client, published)
                    || self.is_shared(&it.options.topic_filter)
                        && topic::matches(&it.options.topic_filter, &message.topic)
            })
            .map(|it| &it.options)
            .collect();
        let granted = matching.iter().map(|options| options.qos).max();
        let Some(granted) = granted else {
            return Err(Violation::DeliveredWithoutSubscription {
                client,
                message: id,
                topic: message.topic.clone(),
            });
        };
        if message.qos > granted.min(published.publication.qos) {
            return Err(Violation::QoSTooHigh {
                client,
                message: id,
                qos: message.qos,
            });
        }
        let of_none = message
            .subscription_identifiers
            .iter()
            .find(|id| !matching.iter().any(|it| it.identifier == Some(**id)));
        if let Some(identifier) = of_none {
            return Err(Violation::WrongSubscriptionIdentifier {
                client,
                message: id,
                identifier: *identifier,
            });
        }
        Ok(())
    }

    /// Whether somebody reads the filter: then the client gets as much as any wants, also what it has published itself.
    fn is_shared(&self, topic_filter: &str) -> bool {
        let mut read = self.subscriptions.iter().filter(|it| it.is_of_reader);
        read.any(|it| it.options.topic_filter == topic_filter)
    }

    /// It comes no more often than it may. Returns whether it came for the first time.
    fn check_copies(
        &mut self,
        client: ClientKey,
        id: MessageId,
        published: &Published,
        message: &Message,
        (may_outlive_broker, may_repeat): (bool, bool),
        tally: &mut Tally,
    ) -> Result<bool, Violation> {
        let routed = published.copies_max(message.qos, may_outlive_broker);
        let retained = if published.publication.retain {
            self.retained_copies_max(client, published)
        } else {
            0
        };
        let copies = self.seen.entry(id).or_default();
        let is_first = copies.all() == 0;
        copies.is_at_least_once |= message.qos == QoS::AtLeastOnce;
        // What a client has not acknowledged before its connection broke, it gets again with QoS 1.
        let sent = if copies.is_at_least_once {
            1 + self.resumes
        } else {
            1
        };
        let (copies, allowed) = if message.retain {
            if !published.publication.retain {
                return Err(Violation::WrongRetainFlag {
                    client,
                    message: id,
                });
            }
            let allowed = routed.saturating_add(retained);
            if message.qos == QoS::AtMostOnce && may_outlive_broker {
                copies.retained_at_most_once += 1;
                (copies.at_most_once + copies.retained_at_most_once, allowed)
            } else {
                copies.retained += 1;
                (copies.plain + copies.retained, allowed.saturating_mul(sent))
            }
        } else if message.qos == QoS::AtMostOnce && may_outlive_broker {
            copies.at_most_once += 1;
            (copies.at_most_once, routed)
        } else {
            copies.plain += 1;
            (copies.plain, routed.saturating_mul(sent))
        };
        // What waited for a listener may be of a session that a broker without a disk knew nothing of, and come in it again.
        if copies > allowed && !may_repeat {
            return Err(Violation::TooManyCopies {
                client,
                message: id,
                qos: message.qos,
                copies,
                allowed,
            });
        }
        match message.qos {
            QoS::AtMostOnce => tally.deliveries_qos0 += 1,
            QoS::AtLeastOnce => tally.deliveries_qos1 += 1,
            QoS::ExactlyOnce => tally.deliveries_qos2 += 1,
        }
        tally.deliveries_retained += u64::from(message.retain);
        tally.deliveries_repeated += u64::from(!is_first);
        tally.wills_delivered += u64::from(published.kind != Kind::Publish);
        Ok(is_first)
    }

    /// How often a retained message may be sent because of a subscription, made or renewed.
    fn retained_copies_max(&self, client: ClientKey, published: &Published) -> u32 {
        let asks = self.subscriptions.iter().filter(|it| {
            it.options.retain_handling != RetainHandling::DoNotSend
                && (is_match(&it.options, client, published)
                    || self.is_shared(&it.options.topic_filter)
                        && topic::matches(&it.options.topic_filter, &published.publication.topic))
        });
        asks.map(|it| it.sent.max(1 + self.connects)).sum()
    }

    /// On one connection, what comes for the first time comes in the order in which it was published.
    fn check_order(
        &mut self,
        client: ClientKey,
        id: MessageId,
        published: &Published,
        message: &Message,
        tally: &mut Tally,
    ) -> Result<(), Violation> {
        let stream = Stream {
            publisher: published.publisher,
            topic: message.topic.clone(),
            published: published.publication.qos,
            delivered: message.qos,
        };
        let Some(last) = self.order.insert(stream, id) else {
            return Ok(());
        };
        if last > id {
            return Err(Violation::OutOfOrder {
                client,
                message: id,
                after: last,
            });
        }
        tally.orders_compared += 1;
        Ok(())
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

    /// The will that the broker of `term` has to publish when the client is lost.
    pub(crate) fn certain_will(&self, term: Term) -> Option<MessageId> {
        let is_known = self.is_wanted && self.connection == Some(term);
        self.will.filter(|_| is_known && self.is_will_prompt)
    }

    /// Whether a message published now, in the calm, must reach this client by a subscription with at least this QoS.
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

    /// The subscriptions that match, by topic filter, without such filters as the page has touched since.
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

    /// What the broker has certainly granted to it, by topic filter.
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

    pub(crate) fn copies(&self, id: MessageId) -> u32 {
        let copies = self.seen.get(&id).copied().unwrap_or_default();
        copies.all()
    }

    /// What came with RETAIN 1.
    pub(crate) fn retained(&self) -> impl Iterator<Item = MessageId> + '_ {
        self.seen
            .iter()
            .filter(|(_, copies)| copies.retained + copies.retained_at_most_once > 0)
            .map(|(id, _)| *id)
    }
}

pub(super) fn is_match(options: &Subscription, client: ClientKey, published: &Published) -> bool {
    topic::matches(&options.topic_filter, &published.publication.topic)
        && !(options.no_local && published.publisher == client && !published.is_publisher_unknown)
}
