//! Reassignment: messages of disconnected members of shared subscriptions move to other members.
//!
//! A full queue may be moved, so each input moves only some messages. Each message belongs to one member at any time,
//! in the log too.

use std::collections::VecDeque;

use crate::persistence::record::Record;
use crate::routing::delivery::Delivery;
use crate::util::sorted::{Map, Set};
use crate::{Broker, Output, SessionId, Time, TopicFilter};

/// All messages that are still to be moved.
#[derive(Debug, Default)]
pub(crate) struct Reassignments {
    leavers: VecDeque<Leaver>,
    orphans: VecDeque<Orphan>,
    /// The number of messages that this input may still compare.
    looks: usize,
}

/// A session whose client is disconnected while other members are connected.
#[derive(Debug)]
struct Leaver {
    id: SessionId,
    /// Its number, because its slot may have another session by then.
    session: u64,
    wanted: Set<TopicFilter>,
    /// Messages in flight from this position on are still to be compared.
    from: u64,
}

/// The shared deliveries of a session that has ended.
#[derive(Debug)]
pub(crate) struct Orphan {
    /// The number of that session.
    pub(crate) session: u64,
    /// By position.
    pub(crate) deliveries: VecDeque<Delivery>,
}

impl Reassignments {
    /// Begins an input, which may compare `at_once_max` messages.
    pub(crate) fn begin(&mut self, at_once_max: usize) {
        self.looks = at_once_max;
    }

    /// Whether more messages are to be moved.
    pub(crate) fn has_more(&self) -> bool {
        !(self.leavers.is_empty() && self.orphans.is_empty())
    }

    pub(crate) fn orphans(&self) -> impl Iterator<Item = &Orphan> {
        self.orphans.iter()
    }

    /// The orphan of a session, for the replay of the log.
    pub(crate) fn orphan(&mut self, session: u64) -> Option<&mut Orphan> {
        self.orphans.iter_mut().find(|it| it.session == session)
    }

    pub(crate) fn add_orphan(&mut self, session: u64, deliveries: VecDeque<Delivery>) {
        self.orphans.push_back(Orphan {
            session,
            deliveries,
        });
    }

    /// Removes the orphan of a session, for the replay of the log. Returns whether there was one.
    pub(crate) fn remove_orphan(&mut self, session: u64) -> bool {
        let before = self.orphans.len();
        self.orphans.retain(|it| it.session != session);
        self.orphans.len() < before
    }
}

impl Orphan {
    /// Adds a delivery. Returns whether its position was free.
    pub(crate) fn add(&mut self, delivery: Delivery) -> bool {
        let place = self
            .deliveries
            .partition_point(|it| it.position < delivery.position);
        let is_new = self
            .deliveries
            .get(place)
            .is_none_or(|it| it.position != delivery.position);
        if is_new {
            self.deliveries.insert(place, delivery);
        }
        is_new
    }

    /// Removes the delivery at a position. Returns whether there was one.
    pub(crate) fn done(&mut self, position: u64) -> bool {
        let place = self.deliveries.partition_point(|it| it.position < position);
        let found = self.deliveries.get(place).map(|it| it.position);
        found == Some(position) && self.deliveries.remove(place).is_some()
    }
}

impl Broker {
    /// Starts to move undelivered messages of a disconnected session to connected members. A QoS 2 message that was
    /// sent stays with its receiver and ends with it. [MQTT-4.8.2-4] [MQTT-4.8.2-5]
    pub(crate) fn reassign_from(&mut self, now: Time, from: SessionId, out: &mut Vec<Output>) {
        // Most brokers have no shared subscriptions.
        if self.subscriptions.shared.len() == 0 {
            return;
        }
        let session = &self.sessions[from];
        let mut has_others: Map<&TopicFilter, bool> = Map::new();
        for filter in session.outbound.shared_filters() {
            if !has_others.contains_key(filter) {
                let is_there = |id: SessionId| id != from && self.sessions[id].connection.is_some();
                let shared = &mut self.subscriptions.shared;
                has_others.insert(filter, shared.has_connected(filter, is_there));
            }
        }
        let wanted = has_others.into_iter().filter(|(_, has_others)| *has_others);
        let wanted: Set<TopicFilter> = wanted.map(|(filter, _)| filter.clone()).collect();
        if wanted.is_empty() {
            return;
        }
        let session = &mut self.sessions[from];
        session
            .outbound
            .set_leaving(|filter| wanted.contains(filter));
        self.reassignments.leavers.push_back(Leaver {
            id: from,
            session: session.number,
            wanted,
            from: 0,
        });
        self.continue_reassignments(now, out);
    }

    /// Keeps the shared deliveries of an ended session, which move to other members in any case.
    pub(crate) fn orphan_deliveries(
        &mut self,
        now: Time,
        session: u64,
        deliveries: VecDeque<Delivery>,
        out: &mut Vec<Output>,
    ) {
        if deliveries.is_empty() {
            return self
                .persistence
                .journal
                .record(|| Record::SessionEnded { session });
        }
        self.persistence
            .journal
            .record(|| Record::Orphaned { session });
        self.reassignments.add_orphan(session, deliveries);
        self.continue_reassignments(now, out);
    }

    /// Moves as many messages as this input may.
    pub(crate) fn continue_reassignments(&mut self, now: Time, out: &mut Vec<Output>) {
        while self.reassignments.looks > 0
            && let Some(mut orphan) = self.reassignments.orphans.pop_front()
        {
            self.reassignments.looks -= 1;
            let session = orphan.session;
            if let Some(delivery) = orphan.deliveries.pop_front() {
                self.persistence.journal.of(session).done(delivery.position);
                self.reassign(now, delivery, out);
            }
            if orphan.deliveries.is_empty() {
                self.persistence
                    .journal
                    .record(|| Record::SessionEnded { session });
            } else {
                self.reassignments.orphans.push_front(orphan);
            }
        }
        while self.reassignments.looks > 0
            && let Some(mut leaver) = self.reassignments.leavers.pop_front()
        {
            if let Some(delivery) = self.next_of(&mut leaver) {
                self.reassignments.leavers.push_front(leaver);
                self.reassign(now, delivery, out);
            } else if self.reassignments.looks == 0 {
                self.reassignments.leavers.push_front(leaver);
            }
        }
    }

    /// The next message of a leaver; none if the budget is used up or no message is left.
    fn next_of(&mut self, leaver: &mut Leaver) -> Option<Delivery> {
        let session = self.sessions.get_mut(leaver.id)?;
        // Its client may have reconnected.
        if session.number != leaver.session || session.connection.is_some() {
            return None;
        }
        let Leaver { wanted, from, .. } = leaver;
        let looks = &mut self.reassignments.looks;
        let next = session
            .outbound
            .take_leaving(from, looks, |filter| wanted.contains(filter))?;
        self.persistence
            .journal
            .of(session.number)
            .done(next.position);
        self.sessions.recount(leaver.id);
        Some(next)
    }

    /// Gives a message to another member of the same group.
    fn reassign(&mut self, now: Time, delivery: Delivery, out: &mut Vec<Output>) {
        if let Some(filter) = delivery.share {
            self.publish_to_group(now, &filter, &delivery.message, out);
        }
    }
}
