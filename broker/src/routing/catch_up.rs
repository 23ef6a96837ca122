//! Retained messages on their way to those who have just subscribed.
//!
//! A filter of one byte may match all there are, so they do not leave at once: each input sends a few, as fast as the receivers
//! take them, and nothing is collected. The log holds how far each subscription has come, so the next broker goes on.

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

/// How many bytes of them one input sends: no more once there are as many.
const BYTES_AT_ONCE: usize = 256 * 1024;

/// How much for one connection waits to be stored when nothing is added any more.
const HELD_MAX: usize = 256;

/// The subscriptions of one session that do not have all of their retained messages yet.
#[derive(Debug, Default)]
pub(crate) struct CatchUps {
    /// By number, in which order they are served.
    pending: Map<u32, CatchUp>,
    /// The highest number given to one.
    last: u32,
    /// Topics of which the client has the message, or a later one, already, because another was published there meanwhile. For the
    /// catch-ups up to this number.
    ahead: Map<TopicName, u32>,
    /// Whether the broker's queue has the session.
    is_queued: bool,
}

/// A subscription on its way through the retained messages.
#[derive(Debug)]
pub(crate) struct CatchUp {
    filter: TopicFilter,
    /// Whether the SUBSCRIBE that asked for the messages does not want the client's own, whatever a later one says.
    no_local: bool,
    /// Messages up to this topic were looked at.
    after: Option<TopicName>,
    /// Whether the log knows of it.
    is_recorded: bool,
}

/// The sessions that can be sent more, in turn.
#[derive(Debug, Default)]
pub(crate) struct CatchUpQueue {
    ready: VecDeque<Turn>,
    /// Those that wait until what was sent to them is stored.
    unstored: Vec<Turn>,
    /// Catch-ups that began with this input: those that do not end with it are recorded.
    begun: Vec<(Turn, u32)>,
}

/// A session, by its number, too, because its place may be another's by then.
#[derive(Clone, Copy, Debug)]
struct Turn {
    id: SessionId,
    session: u64,
}

/// The outcome of a session's turn.
enum Served {
    /// There is more to send.
    More,
    /// It goes on when the client takes more, or when there is a client; or there is nothing to send.
    Waits,
    /// It goes on when what was sent is stored.
    Unstored,
}

/// How much one input may still do.
struct Budget {
    looks: usize,
    bytes: usize,
}

impl CatchUps {
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Those that are pending, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &CatchUp)> {
        self.pending.iter().map(|(number, it)| (*number, it))
    }

    /// The topics that are ahead, up to which catch-up.
    pub(crate) fn ahead(&self) -> impl Iterator<Item = (&TopicName, u32)> {
        self.ahead.iter().map(|(topic, number)| (topic, *number))
    }

    /// The number of the next one.
    pub(crate) fn next_number(&self) -> u32 {
        // 0 is none's.
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

    /// Whether a catch-up has still to come to a topic.
    fn is_before(&self, number: u32, topic: &TopicName) -> bool {
        let pending = self.pending.get(&number);
        let is_before = |it: &CatchUp| it.after.as_ref().is_none_or(|after| after < topic);
        pending.is_some_and(is_before) && !self.is_ahead(number, topic)
    }

    /// Whether the client's own messages are left out.
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

    /// One that the log knows.
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
    /// Whether somebody can be sent more.
    pub(crate) fn has_more(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The messages that were sent are stored.
    pub(crate) fn stored(&mut self) {
        self.ready.extend(self.unstored.drain(..));
    }
}

impl Broker {
    /// A subscription was made that gets the retained messages: returns the number of its catch-up, 0 if there is nothing to send.
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

    /// A catch-up has come to its end, or its subscription is made anew or ended.
    pub(crate) fn end_catch_up(&mut self, id: SessionId, number: u32) {
        if self.forget_catch_up(id, number) {
            let session = self.sessions[id].number;
            self.persistence
                .journal
                .record(|| Record::CaughtUp { session, number });
        }
    }

    /// Takes a catch-up out of its session and its subscription. Returns whether the log knows of it.
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

    /// The client of a session may take more.
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

    /// Sends some of the retained messages that are still to be sent.
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
            // As it is now: the client may have changed it meanwhile.
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

    /// Writes down how far a catch-up is; as long as the log does not know of it, only if it begins there.
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

    /// Of the subscriptions of a session that match a topic to which a message is published, the highest catch-up that has still to
    /// come to that topic.
    pub(crate) fn catch_up_before<'a>(
        &self,
        id: SessionId,
        topic: &TopicName,
        subscriptions: impl Iterator<Item = &'a Subscription>,
    ) -> Option<u32> {
        let numbers = subscriptions.map(|subscription| subscription.catch_up);
        // Most have none: then the session is not looked at.
        numbers
            .filter(|number| *number > 0)
            .filter(|number| self.sessions[id].catch_ups.is_before(*number, topic))
            .max()
    }

    /// Sends the retained message of a topic to those of these receivers that do not have it yet, before another message is
    /// published there. [MQTT-4.6.0-6]
    pub(crate) fn send_ahead(
        &mut self,
        now: Time,
        topic: &TopicName,
        matches: &[(SessionId, Subscription)],
        out: &mut Vec<Output>,
    ) {
        // Nearly always: it costs each message no more than this.
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

    /// Whether a message of this QoS is sent or waits, and is not left out.
    pub(crate) fn takes_now(&self, id: SessionId, qos: QoS) -> bool {
        let connection = self.sessions[id].connection.as_ref();
        qos != QoS::AtMostOnce || connection.is_some_and(|connection| !connection.is_congested)
    }

    /// The client has what is retained at a topic, or what replaces it.
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

/// The result of [`Retained::matching_after`](crate::routing::retained::Retained::matching_after).
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) messages: Vec<Arc<Message>>,
    /// How many messages were looked at.
    pub(crate) looks: usize,
    /// Where to go on after, if it did not come to the end.
    pub(crate) reached: Option<TopicName>,
}
