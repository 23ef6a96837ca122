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
    /// By the number of the session, so that the next broker has them in the same order.
    members: Map<u64, Member>,
    /// The lowest number that may be next in turn.
    pub(super) next: u64,
    /// The number of the member that was last found to be connected.
    connected: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) session: SessionId,
    pub(super) subscription: Subscription,
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

    /// The number of wildcard patterns of all filters.
    pub(crate) fn patterns(&self) -> usize {
        self.routes.patterns()
    }

    /// Whether a filter has no pattern that the others have not.
    pub(crate) fn has_pattern(&self, filter: &TopicFilter) -> bool {
        self.routes.has_pattern(filter)
    }

    /// Adds a session to the group of `filter`, or changes its subscription.
    pub(crate) fn insert(
        &mut self,
        filter: &TopicFilter,
        session: SessionId,
        number: u64,
        subscription: Subscription,
    ) {
        let GroupId(index) = match self.ids.get(filter) {
            Some(&id) => id,
            None => {
                let id = GroupId(self.groups.insert(Group {
                    filter: filter.clone(),
                    members: Map::new(),
                    next: 0,
                    connected: 0,
                }));
                self.ids.insert(filter.clone(), id);
                self.routes.insert(filter, id, ());
                id
            }
        };
        let group = &mut self.groups[index];
        let member = Member {
            session,
            subscription,
        };
        if group.members.insert(number, member).is_none() {
            self.members += 1;
        }
    }

    /// The subscription of a member.
    pub(crate) fn get(&self, filter: &TopicFilter, number: u64) -> Option<Subscription> {
        let group = &self.groups[self.ids.get(filter)?.0];
        Some(group.members.get(&number)?.subscription)
    }

    /// Whether the group of a filter has a connected member.
    pub(super) fn has_connected(
        &mut self,
        filter: &TopicFilter,
        is_connected: impl Fn(SessionId) -> bool,
    ) -> bool {
        let id = self.ids.get(filter);
        id.is_some_and(|id| self.groups[id.0].has_connected(is_connected))
    }

    /// All members, in the order of their filters and of their sessions' numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TopicFilter, SessionId)> {
        let groups = self.ids.values().map(|id| &self.groups[id.0]);
        groups.flat_map(|group| {
            let members = group.members.values();
            members.map(|member| (&group.filter, member.session))
        })
    }

    /// Takes a session out of the group of `filter`; without members, the group is gone.
    pub(crate) fn remove(&mut self, filter: &TopicFilter, number: u64) {
        let Some(&id) = self.ids.get(filter) else {
            return;
        };
        let group = &mut self.groups[id.0];
        if group.members.remove(&number).is_none() {
            return;
        }
        self.members -= 1;
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
    /// Whether a member is connected. Members leave one by one, so the search begins where the last one ended.
    fn has_connected(&mut self, is_connected: impl Fn(SessionId) -> bool) -> bool {
        let mut members = self.beginning_at(self.connected);
        let found = members.find(|(_, member)| is_connected(member.session));
        let number = found.map(|(number, _)| number);
        drop(members);
        self.connected = number.unwrap_or(self.connected);
        number.is_some()
    }

    /// The members with their numbers, beginning with the next one.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = (u64, Member)> {
        self.beginning_at(self.next)
    }

    fn beginning_at(&self, number: u64) -> impl Iterator<Item = (u64, Member)> {
        let from = self.members.range(number..);
        let before = self.members.range(..number);
        let all = from.chain(before);
        all.map(|(number, member)| (*number, *member))
    }
}
