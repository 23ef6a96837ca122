//! Shared subscriptions: of the members of a group, one gets each message.

use crate::routing::routes::Routes;
use crate::routing::subscription::Subscription;
use crate::util::hash::SeededState;
use crate::util::sorted::Map;
use crate::{SessionId, TopicFilter, TopicName};
use slab::Slab;

/// All shared subscriptions. A share name makes another group for every filter. [MQTT-4.8.2-1]
#[derive(Debug)]
pub(crate) struct SharedSubscriptions {
    pub(super) groups: Slab<Group>,
    /// By filter, `$share/` and share name included.
    pub(super) ids: Map<TopicFilter, GroupId>,
    routes: Routes<GroupId, ()>,
    members: usize,
    /// Empty; kept for its memory.
    matches: Vec<(GroupId, ())>,
}

/// The slot of a group. After its last member has left, another group may get the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupId(pub(super) usize);

#[derive(Debug)]
pub(crate) struct Group {
    pub(super) filter: TopicFilter,
    members: Vec<(SessionId, Subscription)>,
    /// The index of the next member.
    pub(super) next: usize,
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

    /// The number of members of all groups.
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
    pub(super) fn matching(&mut self, topic: &TopicName) -> Vec<GroupId> {
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

    /// The members, beginning with the next one.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = (usize, SessionId, Subscription)> {
        let (before, from) = self.members.split_at(self.next.min(self.members.len()));
        let from = from.iter().zip(self.next..);
        let before = before.iter().zip(0..);
        from.chain(before)
            .map(|(&(session, subscription), position)| (position, session, subscription))
    }
}
