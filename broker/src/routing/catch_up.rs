//! Catch-up: retained messages on their way to new subscriptions.
//!
//! A filter of one byte may match all retained messages, so each input sends only some, as fast as the receivers
//! accept them. No list of them is built. The log has the progress of each subscription, so the next broker continues.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::persistence::record::Record;
use crate::routing::delivery::Delivery;
use crate::routing::fan_out::Routed;
use crate::routing::message::Message;
use crate::routing::subscription::Subscription;
use crate::util::sorted::Map;
use crate::{Broker, Output, QoS, SessionId, Time, TopicFilter, TopicName};

/// The bytes after which one input sends no more of them.
const BYTES_AT_ONCE: usize = 256 * 1024;

/// The number of outputs held back for a connection at which its catch-up pauses.
const HELD_MAX: usize = 256;

/// The catch-ups of one session: subscriptions that lack some of their retained messages.
#[derive(Debug, Default)]
pub(crate) struct CatchUps {
    /// By number, which is the order of service.
    pending: Map<u32, CatchUp>,
    /// The last number.
    last: u32,
    /// Topics whose message the client already has, or a later one, because another was published meanwhile. Valid for
    /// catch-ups up to this number.
    ahead: Map<TopicName, u32>,
    /// Whether the session is in the broker's queue.
    is_queued: bool,
}

/// The progress of a subscription through the retained messages.
#[derive(Debug)]
pub(crate) struct CatchUp {
    filter: TopicFilter,
    /// No Local of the SUBSCRIBE that asked for the messages, whatever a later one says.
    no_local: bool,
    /// Messages up to this topic are done.
    after: Option<TopicName>,
    /// Whether the log has it.
    is_recorded: bool,
}

/// The sessions with a catch-up that can continue, in turn.
#[derive(Debug, Default)]
pub(crate) struct CatchUpQueue {
    ready: VecDeque<Turn>,
    /// Sessions that wait until the messages sent to them are stored.
    unstored: Vec<Turn>,
    /// Catch-ups that began with this input. Those that do not end with it are recorded.
    begun: Vec<(Turn, u32)>,
}

/// A session, also by its number, because its slot may have another session by then.
#[derive(Clone, Copy, Debug)]
struct Turn {
    id: SessionId,
    session: u64,
}

/// The outcome of a session's turn.
enum Served {
    /// There is more to send.
    More,
    /// It continues when the client accepts more or connects, or it has nothing to send.
    Waits,
    /// It continues when the sent messages are stored.
    Unstored,
}

/// The work that one input may still do.
struct Budget {
    looks: usize,
    bytes: usize,
}

impl CatchUps {
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// The pending ones, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &CatchUp)> {
        self.pending.iter().map(|(number, it)| (*number, it))
    }

    /// The topics that are ahead for a pending catch-up, with the last one for which they are.
    pub(crate) fn ahead(&self) -> impl Iterator<Item = (&TopicName, u32)> {
        let first = self.pending.iter().next().map(|(number, _)| *number);
        self.ahead
            .iter()
            .map(|(topic, number)| (topic, *number))
            // A topic may outlive its catch-ups: removing it with them would compare all.
            .filter(move |(_, number)| first.is_some_and(|first| *number >= first))
    }

    /// The next number.
    pub(crate) fn next_number(&self) -> u32 {
        // 0 means none.
        self.last.checked_add(1).unwrap_or(1)
    }

    pub(crate) fn insert(&mut self, number: u32, catch_up: CatchUp) {
        self.last = number;
        self.pending.insert(number, catch_up);
    }

    fn remove(&mut self, number: u32) -> Option<CatchUp> {
        let removed = self.pending.remove(&number);
        if self.pending.is_empty() {
            self.ahead.clear();
        }
        removed
    }

    pub(crate) fn set_ahead(&mut self, topic: TopicName, number: u32) {
        if !self.pending.is_empty() {
            self.ahead.insert(topic, number);
        }
    }

    /// Whether a catch-up has not reached a topic yet.
    fn is_before(&self, number: u32, topic: &TopicName) -> bool {
        let pending = self.pending.get(&number);
        let is_before = |it: &CatchUp| it.after.as_ref().is_none_or(|after| after < topic);
        pending.is_some_and(is_before) && !self.is_ahead(number, topic)
    }

    /// Whether a catch-up leaves the client's own messages out.
    fn is_no_local(&self, number: u32) -> bool {
        self.pending.get(&number).is_some_and(|it| it.no_local)
    }

    fn is_ahead(&self, number: u32, topic: &TopicName) -> bool {
        self.ahead.get(topic).is_some_and(|upto| number <= *upto)
    }
}

impl CatchUp {
    const fn new(filter: TopicFilter, no_local: bool) -> Self {
        Self {
            filter,
            no_local,
            after: None,
            is_recorded: false,
        }
    }

    /// A catch-up from the log.
    pub(crate) const fn restored(
        filter: TopicFilter,
        no_local: bool,
        after: Option<TopicName>,
    ) -> Self {
        Self {
            filter,
            no_local,
            after,
            is_recorded: true,
        }
    }

    pub(crate) fn record(&self, session: u64, number: u32) -> Record<'_> {
        Record::CatchUp {
            session,
            number,
            filter: self.filter.as_str(),
            no_local: self.no_local,
            after: self.after.as_ref().map(TopicName::as_str),
        }
    }
}

impl CatchUpQueue {
    /// Whether a session can continue.
    pub(crate) fn has_more(&self) -> bool {
        !self.ready.is_empty()
    }

    /// A batch is stored: waiting sessions continue.
    pub(crate) fn stored(&mut self) {
        self.ready.extend(self.unstored.drain(..));
    }
}

impl Broker {
    /// Starts the catch-up of a subscription and returns its number, or 0 if no message can match.
    pub(crate) fn begin_catch_up(
        &mut self,
        id: SessionId,
        filter: &TopicFilter,
        no_local: bool,
    ) -> u32 {
        if !self.retained.may_match(filter) {
            return 0;
        }
        let session = &mut self.sessions[id];
        let number = session.catch_ups.next_number();
        let catch_up = CatchUp::new(filter.clone(), no_local);
        session.catch_ups.insert(number, catch_up);
        let turn = Turn {
            id,
            session: session.number,
        };
        self.catch_up_queue.begun.push((turn, number));
        self.queue_catch_up(id);
        number
    }

    /// Ends a catch-up: it is complete, or its subscription was replaced or ended.
    pub(crate) fn end_catch_up(&mut self, id: SessionId, number: u32) {
        if self.forget_catch_up(id, number) {
            let session = self.sessions[id].number;
            self.persistence
                .journal
                .record(|| Record::CaughtUp { session, number });
        }
    }

    /// Takes a catch-up out of its session and its subscription. Returns whether the log has it.
    pub(crate) fn forget_catch_up(&mut self, id: SessionId, number: u32) -> bool {
        let Some(ended) = self.sessions[id].catch_ups.remove(number) else {
            return false;
        };
        if let Some(subscription) = self.subscriptions.routes.get(&ended.filter, id) {
            let subscription = Subscription {
                catch_up: 0,
                ..subscription
            };
            self.subscriptions
                .routes
                .insert(&ended.filter, id, subscription);
        }
        ended.is_recorded
    }

    /// Queues a session whose client may accept more.
    pub(crate) fn queue_catch_up(&mut self, id: SessionId) {
        let session = &mut self.sessions[id];
        if session.connection.is_some()
            && !session.catch_ups.is_empty()
            && !session.catch_ups.is_queued
        {
            session.catch_ups.is_queued = true;
            let session = session.number;
            self.catch_up_queue.ready.push_back(Turn { id, session });
        }
    }

    /// Continues the catch-ups by some messages.
    pub(crate) fn catch_up(&mut self, now: Time, out: &mut Vec<Output>) {
        let mut budget = Budget {
            looks: self.config.at_once_max,
            bytes: BYTES_AT_ONCE,
        };
        while budget.looks > 0
            && budget.bytes > 0
            && let Some(turn) = self.catch_up_queue.ready.pop_front()
        {
            if !self.is_there(turn) {
                continue;
            }
            match self.serve(now, turn.id, &mut budget, out) {
                Served::More => self.catch_up_queue.ready.push_back(turn),
                Served::Unstored => self.catch_up_queue.unstored.push(turn),
                Served::Waits => self.sessions[turn.id].catch_ups.is_queued = false,
            }
        }
        if self.catch_up_queue.begun.is_empty() {
            return;
        }
        for (turn, number) in core::mem::take(&mut self.catch_up_queue.begun) {
            if self.is_there(turn) {
                self.record_catch_up(turn.id, number, true);
            }
        }
    }

    fn is_there(&self, turn: Turn) -> bool {
        let session = self.sessions.get(turn.id);
        session.is_some_and(|session| session.number == turn.session)
    }

    /// Sends a session what the budget and its client allow.
    fn serve(
        &mut self,
        now: Time,
        id: SessionId,
        budget: &mut Budget,
        out: &mut Vec<Output>,
    ) -> Served {
        loop {
            let session = &self.sessions[id];
            let Some(connection) = session
                .connection
                .as_ref()
                .filter(|connection| !connection.is_congested)
            else {
                return Served::Waits;
            };
            if self.persistence.commit_gate.held(connection.conn) >= HELD_MAX {
                return Served::Unstored;
            }
            let Some((number, catch_up)) = session.catch_ups.iter().next() else {
                return Served::Waits;
            };
            // The client may have changed the subscription meanwhile.
            let Some(subscription) = self.subscriptions.routes.get(&catch_up.filter, id) else {
                self.end_catch_up(id, number);
                continue;
            };
            let room = match subscription.qos {
                QoS::AtMostOnce => usize::MAX,
                _ => {
                    let waiting_max = self.config.queue_messages_max.min(self.config.at_once_max);
                    let may_wait = waiting_max.saturating_sub(session.outbound.queued());
                    session.outbound.room(connection.client.receive_maximum) + may_wait
                }
            };
            if room == 0 {
                return Served::Waits;
            }
            if budget.looks == 0 || budget.bytes == 0 {
                return Served::More;
            }
            let after = catch_up.after.as_ref();
            let found = self
                .retained
                .matching_after(&catch_up.filter, after, room, budget.looks);
            budget.looks -= found.looks.min(budget.looks);
            for message in found.messages {
                budget.bytes = budget.bytes.saturating_sub(message.bytes());
                self.send_retained(now, id, number, subscription, &message, out);
            }
            match found.reached {
                Some(topic) => {
                    if let Some(catch_up) = self.sessions[id].catch_ups.pending.get_mut(&number) {
                        catch_up.after = Some(topic);
                    }
                    self.record_catch_up(id, number, false);
                }
                None => self.end_catch_up(id, number),
            }
        }
    }

    /// Records the progress of a catch-up. One that the log lacks is recorded only if `begins`.
    fn record_catch_up(&mut self, id: SessionId, number: u32, begins: bool) {
        let session = &mut self.sessions[id];
        if let Some(catch_up) = session.catch_ups.pending.get_mut(&number)
            && catch_up.is_recorded != begins
        {
            catch_up.is_recorded = true;
            let session = session.number;
            self.persistence
                .journal
                .record(|| catch_up.record(session, number));
        }
    }

    fn send_retained(
        &mut self,
        now: Time,
        id: SessionId,
        number: u32,
        subscription: Subscription,
        message: &Arc<Message>,
        out: &mut Vec<Output>,
    ) {
        let session = &self.sessions[id];
        let no_local = subscription.no_local || session.catch_ups.is_no_local(number);
        let is_own = no_local && session.client_id == message.publisher;
        if !is_own && !session.catch_ups.is_ahead(number, &message.topic) {
            let mut delivery = Delivery::new(message, [&subscription]);
            delivery.retain = true;
            self.deliver(now, id, delivery, out);
        }
    }

    /// The highest catch-up among these subscriptions of a session that has not reached the topic of a publication.
    pub(crate) fn catch_up_before<'a>(
        &self,
        id: SessionId,
        topic: &TopicName,
        subscriptions: impl Iterator<Item = &'a Subscription>,
    ) -> Option<u32> {
        let numbers = subscriptions.map(|subscription| subscription.catch_up);
        // Most subscriptions have none, and then the session is not read.
        numbers
            .filter(|number| *number > 0)
            .filter(|number| self.sessions[id].catch_ups.is_before(*number, topic))
            .max()
    }

    /// Sends the retained message of a topic to receivers that lack it, before another message on that topic.
    /// [MQTT-4.6.0-6]
    pub(crate) fn send_ahead(
        &mut self,
        now: Time,
        topic: &TopicName,
        matches: &[(SessionId, Subscription)],
        out: &mut Vec<Output>,
    ) {
        // The usual case. Each message costs only this check.
        if matches
            .iter()
            .all(|(_, subscription)| subscription.catch_up == 0)
        {
            return;
        }
        let Some(message) = self.retained.get(topic) else {
            return;
        };
        for of_session in matches.chunk_by(|(a, _), (b, _)| a == b) {
            let [(id, _), ..] = *of_session else { continue };
            let subscriptions = of_session.iter().map(|(_, subscription)| subscription);
            let Some(number) = self.catch_up_before(id, topic, subscriptions.clone()) else {
                continue;
            };
            let session = &self.sessions[id];
            let is_own = session.client_id == message.publisher;
            let wanting: SmallVec<[&Subscription; 4]> = subscriptions
                .filter(|it| session.catch_ups.is_before(it.catch_up, topic))
                .filter(|it| !is_own || !session.catch_ups.is_no_local(it.catch_up) && !it.no_local)
                .collect();
            if wanting.is_empty() {
                continue;
            }
            let mut delivery = Delivery::new(&message, wanting);
            delivery.retain = true;
            let qos = delivery.qos;
            if self.takes_now(id, qos) && self.deliver(now, id, delivery, out) == Routed::Delivered
            {
                self.note_ahead(id, topic, number);
            }
        }
    }

    /// Whether a message of this QoS is sent or queued, and not dropped.
    pub(crate) fn takes_now(&self, id: SessionId, qos: QoS) -> bool {
        let connection = self.sessions[id].connection.as_ref();
        qos != QoS::AtMostOnce || connection.is_some_and(|connection| !connection.is_congested)
    }

    /// Notes that the client has the retained message of a topic, or its replacement.
    pub(crate) fn note_ahead(&mut self, id: SessionId, topic: &TopicName, number: u32) {
        let session = &mut self.sessions[id];
        session.catch_ups.set_ahead(topic.clone(), number);
        let session = session.number;
        let topic = topic.as_str();
        self.persistence.journal.record(|| Record::SentAhead {
            session,
            number,
            topic,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_ahead_only_for_pending_catch_ups() {
        let catch_up = || CatchUp::new(TopicFilter::parse("a/#").unwrap(), false);
        let topic = TopicName::parse("a/b").unwrap();
        let mut catch_ups = CatchUps::default();
        catch_ups.insert(6, catch_up());
        catch_ups.set_ahead(topic.clone(), 6);
        catch_ups.insert(8, catch_up());
        let ahead = |catch_ups: &CatchUps| -> Vec<_> {
            let ahead = catch_ups.ahead();
            ahead
                .map(|(topic, number)| (topic.clone(), number))
                .collect()
        };
        assert_eq!(ahead(&catch_ups), [(topic, 6)]);

        // A broker restored from a log in which the first one ended before the second began does not know the topic.
        catch_ups.remove(6);
        assert_eq!(ahead(&catch_ups), []);
    }
}
