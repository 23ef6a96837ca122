//! Restores a broker from a snapshot and batches.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::access::Access;
use crate::persistence::framing::RecordReader;
use crate::persistence::record::{Publisher, Receiver, Record, RecordError};
use crate::routing::catch_up::CatchUp;
use crate::routing::message::Message;
use crate::routing::subscription::Subscription;
use crate::session::{Deadline, Session};
use crate::util::sorted::Map;
use crate::{Broker, Config, SessionId, Time, TopicFilter, TopicName};

/// The result of a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Applied records.
    pub records: u64,
    /// Skipped records: damaged, unknown, or about unknown state, and blocks whose rest is lost. Nothing else is lost
    /// with one.
    pub skipped: u64,
    /// The errors of the first few.
    pub errors: Vec<RecordError>,
    /// Sessions.
    pub sessions: usize,
    /// Sessions in reconnect grace.
    pub in_reconnect_grace: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Retained messages.
    pub retained_messages: usize,
    /// Messages that are queued or in flight, counted for each receiver.
    pub messages: usize,
}

/// The maximum number of kept errors.
const ERRORS_MAX: usize = 8;
/// Higher numbers are impossible, so that counters never overflow.
const NUMBER_MAX: u64 = 1 << 60;
/// Below this number of messages, unused ones are not removed.
const MESSAGES_KEPT: usize = 1024;

impl Broker {
    /// A broker with the state of `blocks`, in order: those of [`Broker::snapshot`], if there is one, and the batches
    /// after it. Batches may be joined to one block.
    ///
    /// Sessions whose clients were connected enter [reconnect grace](Broker::in_reconnect_grace). The first input
    /// executes what became due meanwhile. Unreadable records are skipped and reported.
    #[must_use]
    pub fn restore<'a>(
        config: Config,
        access: Box<dyn Access>,
        blocks: impl IntoIterator<Item = &'a [u8]>,
        now: Time,
    ) -> (Self, Restored) {
        let mut replay = Replay {
            broker: Self::with_access(config, access),
            restored: Restored::default(),
            sessions: Map::new(),
            messages: Map::new(),
            messages_kept: 0,
        };
        for block in blocks {
            replay.block(block);
        }
        replay.finish(now)
    }
}

/// Applies records.
struct Replay {
    broker: Broker,
    restored: Restored,
    sessions: Map<u64, SessionId>,
    /// The messages that later records may name, and more.
    messages: Map<u64, Arc<Message>>,
    messages_kept: usize,
}

impl Replay {
    fn block(&mut self, block: &[u8]) {
        for record in RecordReader::of(block) {
            match record.and_then(|(offset, record)| self.apply(offset, record)) {
                Ok(()) => self.restored.records += 1,
                Err(error) => self.skip(error),
            }
        }
        // A message moves from one receiver to another within one block.
        if self.messages.len() > 2 * self.messages_kept + MESSAGES_KEPT {
            self.messages
                .retain(|_, message| Arc::strong_count(message) > 1);
            self.messages_kept = self.messages.len();
        }
    }

    fn skip(&mut self, error: RecordError) {
        self.restored.skipped += 1;
        if self.restored.errors.len() < ERRORS_MAX {
            self.restored.errors.push(error);
        }
    }

    fn finish(self, now: Time) -> (Broker, Restored) {
        let Self {
            mut broker,
            mut restored,
            ..
        } = self;
        broker.ids_assigned = broker.persistence.journal.ids_assigned;
        broker.retained.drop_expired(now);
        let grace_ms = broker.config.reconnect_grace_ms;
        broker.reconnect_grace.wait_until(now.plus_ms(grace_ms));
        for id in self.sessions.values() {
            broker.sessions.recount(*id);
        }
        let stats = broker.stats();
        restored.sessions = stats.sessions;
        restored.in_reconnect_grace = broker.reconnect_grace.len();
        restored.subscriptions = stats.subscriptions;
        restored.retained_messages = stats.retained_messages;
        let sessions = self.sessions.values().map(|id| &broker.sessions[*id]);
        restored.messages = sessions
            .map(|session| session.outbound.deliveries().count())
            .sum();
        (broker, restored)
    }

    fn apply(&mut self, offset: usize, record: Record<'_>) -> Result<(), RecordError> {
        let impossible = |what| RecordError::Impossible { offset, what };
        match record {
            Record::Numbers {
                sessions,
                messages,
                ids_assigned,
            } => {
                if sessions.max(messages).max(ids_assigned) > NUMBER_MAX {
                    return Err(impossible("too high a number"));
                }
                let journal = &mut self.broker.persistence.journal;
                journal.sessions = journal.sessions.max(sessions);
                journal.messages = journal.messages.max(messages);
                journal.ids_assigned = journal.ids_assigned.max(ids_assigned);
            }
            Record::SessionBegun { session, client_id } => {
                if session > NUMBER_MAX {
                    return Err(impossible("too high a number"));
                }
                if client_id.is_empty() || client_id.len() > 65_535 || client_id.contains('\0') {
                    return Err(impossible("no client identifier"));
                }
                self.begin_session(session, client_id);
            }
            Record::SessionEnded { session } => {
                if self.broker.reassignments.remove_orphan(session) {
                    return Ok(());
                }
                let id = self.sessions.remove(&session);
                let id = id.ok_or(RecordError::NoSession { session })?;
                self.broker.remove_session(id);
            }
            Record::Connected {
                session,
                origin,
                username,
                expiry_interval_s,
                will,
            } => {
                let id = self.id(session)?;
                let client_id = Arc::clone(&self.broker.sessions[id].client_id);
                let will =
                    will.map(|will| will.read(&client_id).ok_or(impossible("an invalid will")));
                let will = will.transpose()?;
                self.broker.clear_deadlines(id);
                self.broker.end_reconnect_grace(id);
                self.broker.reconnect_grace.insert(origin, id);
                let session = &mut self.broker.sessions[id];
                session.origin = origin;
                session.username = username.map(str::to_owned);
                session.expiry_interval_s = expiry_interval_s;
                session.will = will;
            }
            Record::Away {
                session,
                expiry_interval_s,
                expires,
                will_due,
            } => {
                let id = self.id(session)?;
                self.broker.clear_deadlines(id);
                self.broker.end_reconnect_grace(id);
                let session = &mut self.broker.sessions[id];
                session.expiry_interval_s = expiry_interval_s;
                session.expires = expires;
                session.will_due = will_due;
                if will_due.is_none() {
                    session.will = None;
                }
                let deadlines = &mut self.broker.deadlines;
                if let Some(at) = will_due {
                    deadlines.insert(at, Deadline::Will(id));
                }
                if let Some(at) = expires {
                    deadlines.insert(at, Deadline::SessionExpiry(id));
                }
            }
            Record::Reauthenticated { session, username } => {
                self.session(session)?.username = username.map(str::to_owned);
            }
            Record::WillOver { session } => {
                let id = self.id(session)?;
                let session = &mut self.broker.sessions[id];
                session.will = None;
                if let Some(at) = session.will_due.take() {
                    self.broker.deadlines.remove(at, Deadline::Will(id));
                }
            }
            Record::Subscribed {
                session,
                filter,
                subscription,
            } => {
                let id = self.id(session)?;
                let filter = TopicFilter::parse(filter).map_err(|_| impossible("no filter"))?;
                let subscription = subscription.read();
                let subscription = subscription.ok_or(impossible("no subscription identifier"))?;
                self.broker.subscribe(&filter, id, subscription);
                self.broker.sessions[id].filters.insert(filter);
            }
            Record::Unsubscribed { session, filter } => {
                let id = self.id(session)?;
                let filter = TopicFilter::parse(filter).map_err(|_| impossible("no filter"))?;
                if self.broker.sessions[id].filters.remove(&filter) {
                    self.broker.subscriptions.remove(&filter, id, session);
                }
            }
            Record::Received { session, packet_id } => {
                let session = self.session(session)?;
                if packet_id == 0 {
                    return Err(impossible("no packet identifier"));
                }
                session.inbound.insert(packet_id);
            }
            Record::Forgotten { session, packet_id } => {
                self.session(session)?.inbound.remove(&packet_id);
            }
            Record::Message {
                number,
                message,
                is_retained,
                receivers,
            } => {
                if !(1..=NUMBER_MAX).contains(&number) {
                    return Err(impossible("no number"));
                }
                let publisher = match message.publisher {
                    Publisher::Client(client_id) => client_id.into(),
                    Publisher::Session(session) => match self.session(session) {
                        Ok(session) => Arc::clone(&session.client_id),
                        // The message survives its publisher.
                        Err(_) => "".into(),
                    },
                };
                let message = message.read(number, publisher);
                let message = Arc::new(message.ok_or(impossible("an invalid message"))?);
                let journal = &mut self.broker.persistence.journal;
                journal.messages = journal.messages.max(number);
                if is_retained {
                    self.broker.retained.set(&message);
                }
                self.messages.insert(number, Arc::clone(&message));
                self.deliver(offset, &message, &receivers);
            }
            Record::Delivered { message, receivers } => {
                let found = self.messages.get(&message).cloned();
                let message = found.ok_or(RecordError::NoMessage { message })?;
                self.deliver(offset, &message, &receivers);
            }
            Record::Sent {
                session,
                position,
                packet_id,
            } => {
                let outbound = &mut self.session(session)?.outbound;
                let is_known = outbound.replay_sent(position, packet_id);
                return known(session, is_known);
            }
            Record::Released {
                session,
                packet_id,
                position,
            } => {
                if position > NUMBER_MAX {
                    return Err(impossible("too high a number"));
                }
                let outbound = &mut self.session(session)?.outbound;
                let is_known = outbound.replay_released(packet_id, position);
                return known(session, is_known);
            }
            Record::Orphaned { session } => {
                if session > NUMBER_MAX {
                    return Err(impossible("too high a number"));
                }
                let left = match self.sessions.remove(&session) {
                    Some(id) => self.broker.remove_session(id).outbound.take_shared(),
                    None => VecDeque::new(),
                };
                self.broker.reassignments.add_orphan(session, left);
            }
            Record::Done { session, position } => {
                if let Some(orphan) = self.broker.reassignments.orphan(session) {
                    return known(session, orphan.done(position));
                }
                let is_known = self.session(session)?.outbound.replay_done(position);
                return known(session, is_known);
            }
            Record::CatchUp {
                session,
                number,
                filter,
                no_local,
                after,
            } => {
                let id = self.id(session)?;
                let filter = TopicFilter::parse(filter).map_err(|_| impossible("no filter"))?;
                if number == 0 || filter.share().is_some() {
                    return Err(impossible("an invalid catch-up"));
                }
                let after = after.map(TopicName::parse).transpose();
                let after = after.map_err(|_| impossible("no topic"))?;
                let made = self.broker.subscriptions.routes.get(&filter, id);
                let made = made.ok_or(impossible("no subscription"))?;
                let made = Subscription {
                    catch_up: number,
                    ..made
                };
                self.broker.subscriptions.insert(&filter, id, session, made);
                let catch_up = CatchUp::restored(filter, no_local, after);
                let session = &mut self.broker.sessions[id];
                session.catch_ups.insert(number, catch_up);
            }
            Record::CaughtUp { session, number } => {
                let id = self.id(session)?;
                self.broker.forget_catch_up(id, number);
            }
            Record::SentAhead {
                session,
                number,
                topic,
            } => {
                let topic = TopicName::parse(topic).map_err(|_| impossible("no topic"))?;
                self.session(session)?.catch_ups.set_ahead(topic, number);
            }
            Record::Outbound {
                session,
                next_position,
                last_packet_id,
            } => {
                if next_position > NUMBER_MAX {
                    return Err(impossible("too high a number"));
                }
                let outbound = &mut self.session(session)?.outbound;
                outbound.replay_counters(next_position, last_packet_id);
            }
        }
        Ok(())
    }

    /// Starts a session. If its number or its client has one already, the record of that one's end is lost.
    fn begin_session(&mut self, number: u64, client_id: &str) {
        let former = self.sessions.remove(&number);
        let of_client = self.broker.sessions.id_of(client_id);
        let of_client = of_client.filter(|id| Some(*id) != former);
        for id in [former, of_client].into_iter().flatten() {
            let ended = self.broker.remove_session(id);
            self.sessions.remove(&ended.number);
        }
        let id = self.broker.add_session(number, client_id.into());
        self.sessions.insert(number, id);
        let journal = &mut self.broker.persistence.journal;
        journal.sessions = journal.sessions.max(number);
    }

    /// An impossible receiver does not affect the others.
    fn deliver(&mut self, offset: usize, message: &Arc<Message>, receivers: &[Receiver]) {
        for receiver in receivers {
            let added = self.receive(offset, message, receiver);
            if let Err(error) = added {
                self.skip(error);
            }
        }
    }

    fn receive(
        &mut self,
        offset: usize,
        message: &Arc<Message>,
        receiver: &Receiver,
    ) -> Result<(), RecordError> {
        let what = "an invalid delivery";
        let impossible = RecordError::Impossible { offset, what };
        let delivery = receiver.read(message).ok_or(impossible)?;
        if let Some(orphan) = self.broker.reassignments.orphan(receiver.session) {
            let is_possible = receiver.position <= NUMBER_MAX && orphan.add(delivery);
            return is_possible.then_some(()).ok_or(impossible);
        }
        let session = self.session(receiver.session)?;
        let is_possible = receiver.position <= NUMBER_MAX
            && session.outbound.replay_added(delivery, receiver.packet_id);
        is_possible.then_some(()).ok_or(impossible)
    }

    fn id(&self, session: u64) -> Result<SessionId, RecordError> {
        let id = self.sessions.get(&session).copied();
        id.ok_or(RecordError::NoSession { session })
    }

    fn session(&mut self, session: u64) -> Result<&mut Session, RecordError> {
        let id = self.id(session)?;
        Ok(&mut self.broker.sessions[id])
    }
}

fn known(session: u64, is_known: bool) -> Result<(), RecordError> {
    is_known
        .then_some(())
        .ok_or(RecordError::NoDelivery { session })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QoS;
    use crate::access::AllowAll;
    use crate::persistence::framing::RecordWriter;

    #[test]
    fn an_invalid_catch_up_record_is_skipped() {
        let subscription = Subscription {
            qos: QoS::AtMostOnce,
            no_local: false,
            retain_as_published: false,
            id: None,
            catch_up: 0,
        };
        let catch_up = |number, filter| Record::CatchUp {
            session: 1,
            number,
            filter,
            no_local: false,
            after: None,
        };
        for (record, skipped) in [
            (catch_up(1, "#"), 0),
            (catch_up(0, "#"), 1),
            (catch_up(1, "a"), 1),
            (catch_up(1, "$share/g/#"), 1),
        ] {
            let mut block = RecordWriter::new();
            block.push(&Record::SessionBegun {
                session: 1,
                client_id: "a",
            });
            for filter in ["#", "$share/g/#"] {
                block.push(&Record::Subscribed {
                    session: 1,
                    filter,
                    subscription: subscription.into(),
                });
            }
            block.push(&record);
            let block = block.take().unwrap();
            let (_, restored) = Broker::restore(
                Config::default(),
                Box::new(AllowAll),
                [&block[..]],
                Time::from_ms(1),
            );
            assert_eq!(restored.skipped, skipped, "{record:?}");
        }
    }
}
