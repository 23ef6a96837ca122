//! Shared subscriptions: of the members of a group, one gets each message.

use crate::util::sorted::Map;
use std::sync::Arc;

use crate::routing::fan_out::Routed;
use crate::routing::message::{Message, min_qos};
use crate::routing::routes::{Routes, Subscription};
use crate::session::SessionId;
use crate::session::outbound::Delivery;
use crate::util::hash::SeededState;
use crate::{Broker, Output, QoS, Time, TopicFilter, TopicName};
use slab::Slab;

/// All shared subscriptions. A share name makes another group for every filter. [MQTT-4.8.2-1]
#[derive(Debug)]
pub(crate) struct SharedSubscriptions {
    groups: Slab<Group>,
    /// By filter, `$share/` and share name included.
    ids: Map<TopicFilter, GroupId>,
    routes: Routes<GroupId, ()>,
    members: usize,
    /// Empty; kept for its memory.
    matches: Vec<(GroupId, ())>,
}

/// A group while it has members; freed ones are given away again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct GroupId(usize);

#[derive(Debug)]
pub(crate) struct Group {
    filter: TopicFilter,
    members: Vec<(SessionId, Subscription)>,
    /// Whose turn it is.
    next: usize,
}

impl SharedSubscriptions {
    pub(crate) fn new(state: SeededState) -> Self {
        Self {
            groups: Slab::new(),
            ids: Map::new(),
            routes: Routes::new(state),
            members: 0,
            matches: Vec::new(),
        }
    }

    /// How many members all groups have together.
    pub(crate) fn len(&self) -> usize {
        self.members
    }

    /// Adds a session to the group of `filter`, or changes its subscription.
    pub(crate) fn insert(
        &mut self,
        filter: &TopicFilter,
        session: SessionId,
        subscription: Subscription,
    ) {
        let GroupId(index) = match self.ids.get(filter) {
            Some(&id) => id,
            None => {
                let id = GroupId(self.groups.insert(Group {
                    filter: filter.clone(),
                    members: Vec::new(),
                    next: 0,
                }));
                self.ids.insert(filter.clone(), id);
                self.routes.insert(filter, id, ());
                id
            }
        };
        let members = &mut self.groups[index].members;
        match members.iter_mut().find(|(member, _)| *member == session) {
            Some((_, former)) => *former = subscription,
            None => {
                members.push((session, subscription));
                self.members += 1;
            }
        }
    }

    /// The subscription of a member.
    pub(crate) fn get(&self, filter: &TopicFilter, session: SessionId) -> Option<Subscription> {
        let mut members = self.group(filter)?.members();
        let member = members.find(|(member, _)| *member == session);
        member.map(|(_, subscription)| subscription)
    }

    /// The group of a filter.
    pub(crate) fn group(&self, filter: &TopicFilter) -> Option<&Group> {
        let id = self.ids.get(filter)?;
        Some(&self.groups[id.0])
    }

    /// All members, in the order of their filters and in that of each group.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TopicFilter, SessionId, Subscription)> {
        let groups = self.ids.values().map(|id| &self.groups[id.0]);
        groups.flat_map(|group| {
            let members = group.members.iter();
            members.map(|&(session, subscription)| (&group.filter, session, subscription))
        })
    }

    /// Takes a session out of the group of `filter`; without members, the group is gone.
    pub(crate) fn remove(&mut self, filter: &TopicFilter, session: SessionId) {
        let Some(&id) = self.ids.get(filter) else {
            return;
        };
        let group = &mut self.groups[id.0];
        let position = group
            .members
            .iter()
            .position(|(member, _)| *member == session);
        let Some(position) = position else { return };
        group.members.remove(position);
        self.members -= 1;
        if position < group.next {
            group.next -= 1;
        }
        if group.members.is_empty() {
            self.groups.remove(id.0);
            self.ids.remove(filter);
            self.routes.remove(filter, id);
        }
    }

    /// The groups whose filter matches `topic`, always in the same order.
    fn matching(&mut self, topic: &TopicName) -> Vec<GroupId> {
        if self.ids.is_empty() {
            return Vec::new();
        }
        let mut matches = core::mem::take(&mut self.matches);
        self.routes.matches(topic, &mut matches);
        let groups = matches.drain(..).map(|(id, ())| id).collect();
        self.matches = matches;
        groups
    }
}

impl Group {
    pub(crate) fn members(&self) -> impl Iterator<Item = (SessionId, Subscription)> {
        self.members.iter().copied()
    }

    /// The members, beginning with the one whose turn it is.
    fn in_turn(&self) -> impl Iterator<Item = (usize, SessionId, Subscription)> {
        let (before, from) = self.members.split_at(self.next.min(self.members.len()));
        let from = from.iter().zip(self.next..);
        let before = before.iter().zip(0..);
        from.chain(before)
            .map(|(&(session, subscription), position)| (position, session, subscription))
    }
}

impl Broker {
    /// Sends a message to one member of every group whose filter matches.
    pub(crate) fn publish_shared(
        &mut self,
        now: Time,
        message: &Arc<Message>,
        out: &mut Vec<Output>,
    ) -> Routed {
        let mut routed = Routed::NoReceiver;
        for id in self.shared_subscriptions.matching(&message.topic) {
            // A group of which nobody can have it has it all the same.
            let mut of_group = Routed::Delivered;
            if let Some((session, subscription)) = self.choose(id, message.qos) {
                let filter = self.shared_subscriptions.groups[id.0].filter.clone();
                of_group = self.deliver_shared(now, session, filter, message, subscription, out);
            }
            routed = routed.max(of_group);
        }
        routed
    }

    /// Sends a message to a member of the group of a filter, if there is one.
    pub(crate) fn publish_to_group(
        &mut self,
        now: Time,
        filter: &TopicFilter,
        message: &Arc<Message>,
        out: &mut Vec<Output>,
    ) {
        if let Some(&id) = self.shared_subscriptions.ids.get(filter)
            && let Some((session, subscription)) = self.choose(id, message.qos)
        {
            let filter = filter.clone();
            self.deliver_shared(now, session, filter, message, subscription, out);
        }
    }

    /// Whose turn it is: first among the members that can take the message at once, then among those that are connected,
    /// then among those for which it can wait.
    fn choose(&mut self, id: GroupId, qos: QoS) -> Option<(SessionId, Subscription)> {
        let group = &self.shared_subscriptions.groups[id.0];
        let sessions = &self.sessions;
        let mut second_best = None;
        let mut third_best = None;
        let mut best = None;
        for chosen @ (_, session, subscription) in group.in_turn() {
            let session = &sessions[session.0];
            match &session.connection {
                Some(connection)
                    if !connection.is_congested
                        && session.outbound.room(connection.client.receive_maximum) > 0 =>
                {
                    best = Some(chosen);
                    break;
                }
                Some(_) => second_best = second_best.or(Some(chosen)),
                None if min_qos(qos, subscription.qos) != QoS::AtMostOnce => {
                    third_best = third_best.or(Some(chosen));
                }
                None => {}
            }
        }
        let (position, session, subscription) = best.or(second_best).or(third_best)?;
        self.shared_subscriptions.groups[id.0].next = position + 1;
        Some((session, subscription))
    }

    fn deliver_shared(
        &mut self,
        now: Time,
        session: SessionId,
        filter: TopicFilter,
        message: &Arc<Message>,
        subscription: Subscription,
        out: &mut Vec<Output>,
    ) -> Routed {
        let mut delivery = Delivery::new(message, [&subscription]);
        delivery.share = Some(filter);
        self.deliver(now, session, delivery, out)
    }
}
