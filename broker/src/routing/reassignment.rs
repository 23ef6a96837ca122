//! Messages that members of shared subscriptions leave behind, on their way to other members.
//!
//! As much may wait for a member as its queue holds, so they do not move at once: each input moves some of them, and each message is
//! with one of the two at any time, in the log, too.

use std::collections::VecDeque;

use crate::persistence::record::Record;
use crate::routing::delivery::Delivery;
use crate::routing::shared_subscriptions::SharedSubscriptions;
use crate::util::sorted::{Map, Set};
use crate::{Broker, Output, SessionId, Time, TopicFilter};

/// Everything that is still to be moved.
#[derive(Debug, Default)]
pub(crate) struct Reassignments {
    leavers: VecDeque<Leaver>,
    orphans: VecDeque<Orphan>,
    /// How much this input may still look at.
    looks: usize,
}

/// A session whose client is away, while other members are there.
#[derive(Debug)]
struct Leaver {
    id: SessionId,
    /// Its number, because its place may be another's by then.
    session: u64,
    wanted: Set<TopicFilter>,
    /// Positions in flight from here on are still to be looked at.
    from: u64,
}

/// The rest of a session that has ended.
#[derive(Debug)]
pub(crate) struct Orphan {
    /// The number of that session.
    pub(crate) session: u64,
    /// By position.
    pub(crate) deliveries: VecDeque<Delivery>,
}

impl Reassignments {
    /// An input begins: it may look at so many messages.
    pub(crate) fn begin(&mut self, at_once_max: usize) {
        self.looks = at_once_max;
    }

    /// Whether there is more to move.
    pub(crate) fn has_more(&self) -> bool {
        !(self.leavers.is_empty() && self.orphans.is_empty())
    }

    pub(crate) fn orphans(&self) -> impl Iterator<Item = &Orphan> {
        self.orphans.iter()
    }

    /// The orphan of a session, as the log tells it.
    pub(crate) fn orphan(&mut self, session: u64) -> Option<&mut Orphan> {
        self.orphans.iter_mut().find(|it| it.session == session)
    }

    pub(crate) fn add_orphan(&mut self, session: u64, deliveries: VecDeque<Delivery>) {
        self.orphans.push_back(Orphan {
            session,
            deliveries,
        });
    }

    /// Forgets an orphan of which nothing is left, as the log tells it. Returns whether there was one.
    pub(crate) fn remove_orphan(&mut self, session: u64) -> bool {
        let before = self.orphans.len();
        self.orphans.retain(|it| it.session != session);
        self.orphans.len() < before
    }
}

impl Orphan {
    /// It has this to deliver, too. Returns whether that can be.
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

    /// The message at this position has moved. Returns whether it was there.
    pub(crate) fn done(&mut self, position: u64) -> bool {
        let place = self.deliveries.partition_point(|it| it.position < position);
        let found = self.deliveries.get(place).map(|it| it.position);
        found == Some(position) && self.deliveries.remove(place).is_some()
    }
}

impl Broker {
    /// Hands to other members what a session has not delivered to its client: after a break of the connection, while
    /// one of them is connected. A QoS 2 message that was sent stays with its receiver and ends with it. [MQTT-4.8.2-4]
    /// [MQTT-4.8.2-5]
    pub(crate) fn reassign_from(&mut self, now: Time, from: SessionId, out: &mut Vec<Output>) {
        // Most sessions have none: then nothing is looked at.
        if self.subscriptions.shared.len() == 0 {
            return;
        }
        let session = &self.sessions[from];
        let mut has_others: Map<&TopicFilter, bool> = Map::new();
        for filter in session.outbound.shared_filters() {
            if !has_others.contains_key(filter) {
                let is_there = |id: SessionId| id != from && self.sessions[id].connection.is_some();
                has_others.insert(
                    filter,
                    self.subscriptions.shared.members(filter).any(is_there),
                );
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

    /// A session has ended: what it had to deliver through shared subscriptions goes to other members in any case.
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

    /// Moves some of what is to be moved.
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

    /// The next message that leaves a session; none if it may look no further, or there is no more.
    fn next_of(&mut self, leaver: &mut Leaver) -> Option<Delivery> {
        let session = self.sessions.get_mut(leaver.id)?;
        // Its client may be back.
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
        Some(next)
    }

    /// Gives a message that was meant for a member who is gone to another of the same group.
    fn reassign(&mut self, now: Time, delivery: Delivery, out: &mut Vec<Output>) {
        if let Some(filter) = delivery.share {
            self.publish_to_group(now, &filter, &delivery.message, out);
        }
    }
}

impl SharedSubscriptions {
    /// The members of the group of a filter.
    fn members(&self, filter: &TopicFilter) -> impl Iterator<Item = SessionId> {
        let group = self.group(filter).into_iter();
        group.flat_map(|group| group.members().map(|(id, _)| id))
    }
}
