//! Presence: which tabs exist, and this tab's announcements.

use broker::Time;

use super::election::Claim;
use super::{Joined, Part, Turn};
use crate::api::{EventKind, Notice, Role, StorageState, Visibility};
use crate::election::membership::{self, Membership};
use crate::log::Trouble;
use crate::protocol::control::{Announcement, ControlMessage};
use crate::protocol::names::{Lock, PROTOCOL_MAJOR, TabId};

/// The known tabs, and the announcements of this one.
#[derive(Debug)]
pub(super) struct Presence {
    pub(super) members: Membership,
    /// `None` until this tab holds its own lock.
    pub(super) announcing: Option<Announcing>,
}

#[derive(Debug)]
pub(super) struct Announcing {
    last: Time,
    due: Time,
    /// The storage state that was announced, or is about to be.
    storage: StorageState,
}

impl Presence {
    pub(super) fn new(tabs_max: usize) -> Self {
        Self {
            members: Membership::new(tabs_max),
            announcing: None,
        }
    }

    /// Begins to announce this tab; `false` if it did already.
    pub(super) fn begin(&mut self, now: Time) -> bool {
        let is_first = self.announcing.is_none();
        self.announcing.get_or_insert(Announcing {
            last: now,
            due: now,
            storage: StorageState::default(),
        });
        is_first
    }

    pub(super) fn next_announcement(&self) -> Option<Time> {
        self.announcing.as_ref().map(|announcing| announcing.due)
    }

    /// Announces this tab as soon as the gap between two announcements allows.
    pub(super) fn announce_soon(&mut self, gap_ms: u64) {
        if let Some(announcing) = &mut self.announcing {
            let soon = announcing.last.plus_ms(gap_ms);
            announcing.due = announcing.due.min(soon);
        }
    }
}

impl Joined {
    pub(super) fn on_visibility(&mut self, visibility: Visibility) {
        if self.profile.visibility != visibility {
            self.profile.visibility = visibility;
            self.changed();
            // Browsers silently close database connections of background tabs.
            if visibility == Visibility::Visible {
                self.check_database();
            }
        }
    }

    /// Answers as soon as the gap between two announcements allows.
    pub(super) fn on_who(&mut self, turn: &mut Turn<'_>) {
        self.announce_soon();
        // The sender needs the broker. Other tabs may answer together.
        if matches!(self.part, Part::Broker(_)) {
            self.announce_if_due(turn);
        }
    }

    pub(super) fn on_announce(&mut self, announcement: Announcement, turn: &mut Turn<'_>) {
        let tab = announcement.tab_id;
        let log = announcement.log;
        let term = announcement.term.filter(|_| announcement.is_broker);
        let claim = term.map(|term| Claim {
            tab,
            term,
            has_lane: announcement.lanes.contains(&self.tab_id),
            leadership: announcement.leadership,
        });
        self.highest_term = self.highest_term.max(announcement.term);
        if self.presence.members.announced(turn.now, announcement) {
            turn.event(EventKind::TabAppeared(tab));
        }
        self.watch(tab, turn);
        match claim {
            Some(claim) => self.on_claim(claim, turn),
            None => self.on_disclaimer(tab, turn),
        }
        if let Part::Client(uplink) = &self.part
            && uplink.broker() == tab
            && let Some(identity) = log
        {
            self.on_identity(identity, true, turn);
        }
    }

    /// A page, or another sender, says that a tab leaves. Only the tab's lock proves it: the broker queues for that
    /// lock, and ends no session because of a message.
    pub(super) fn on_goodbye(&mut self, tab: TabId, is_lost: bool, turn: &mut Turn<'_>) {
        if tab == self.tab_id {
            // A broker that took this tab for gone has closed the lane and sent `unbind`.
            return self.refute(turn);
        }
        if self.presence.members.remove(tab) {
            let event = if is_lost {
                EventKind::TabLost(tab)
            } else {
                EventKind::TabLeft(tab)
            };
            turn.event(event);
        }
        if let Part::Client(uplink) = &mut self.part
            && uplink.broker() == tab
            && !core::mem::replace(&mut uplink.is_watched, true)
        {
            turn.acquire(Lock::Tab(tab));
        }
    }

    /// Another sender spread a wrong statement about this tab. A new announcement corrects it.
    pub(super) fn refute(&mut self, turn: &mut Turn<'_>) {
        self.changed();
        if let Part::Broker(leadership) = &self.part
            && !leadership.is_in_doubt()
        {
            self.announce_if_due(turn);
        }
    }

    /// A tab is gone.
    pub(super) fn forget(&mut self, tab: TabId, how: EventKind, turn: &mut Turn<'_>) {
        if self.presence.members.remove(tab) {
            turn.event(how);
        }
        match &mut self.part {
            Part::Waiting | Part::Promoting(_) => {}
            Part::Client(uplink) if uplink.broker() == tab => self.on_broker_gone(turn),
            Part::Client(_) => {}
            Part::Broker(leadership) => {
                if leadership.watched.remove(&tab) {
                    turn.release(Lock::Tab(tab));
                }
                self.with_broker(turn, |hosted_broker, now, out| {
                    hosted_broker.on_tab_gone(now, tab, out);
                });
            }
        }
    }

    /// Removes silent tabs until they announce themselves again. Only their locks show whether they are gone.
    pub(super) fn drop_silent_tabs(&mut self, turn: &mut Turn<'_>) {
        for tab in self
            .presence
            .members
            .silent(turn.now, self.settings.silence_ms)
        {
            match &self.part {
                Part::Client(uplink) if uplink.broker() == tab => {
                    self.forget(tab, EventKind::TabLost(tab), turn);
                    turn.control(ControlMessage::Who {
                        tab_id: self.tab_id,
                    });
                }
                Part::Client(_) | Part::Waiting | Part::Promoting(_) | Part::Broker(_) => {
                    self.presence.members.remove(tab);
                    turn.event(EventKind::TabLost(tab));
                }
            }
        }
    }

    fn announcement(&self, turn: &Turn<'_>) -> Announcement {
        let term = match &self.part {
            Part::Broker(leadership) => Some(leadership.hosted_broker.term),
            Part::Client(uplink) => Some(uplink.lane().term),
            Part::Waiting | Part::Promoting(_) => self.highest_term,
        };
        let clients = self.endpoints.wanted();
        Announcement {
            tab_id: self.tab_id,
            is_broker: matches!(self.part, Part::Broker(_)),
            timestamp: turn.now.as_ms(),
            term,
            since: self.profile.since.as_ms(),
            build: self.profile.build.clone(),
            protocol: (PROTOCOL_MAJOR, PROTOCOL_MAJOR),
            clients: u32::try_from(clients).unwrap_or(u32::MAX),
            visibility: self.profile.visibility,
            durability: self.durability_now(),
            lanes: Vec::new(),
            leadership: match &self.part {
                Part::Broker(leadership) => Some(leadership.times),
                Part::Client(_) | Part::Waiting | Part::Promoting(_) => None,
            },
            log: match &self.part {
                Part::Broker(leadership) if leadership.log.is_some() => self.database.log_identity,
                Part::Broker(_) | Part::Client(_) | Part::Waiting | Part::Promoting(_) => None,
            },
            storage: self.storage_state(),
        }
    }

    /// Notes the identity of the broker's log. `is_news`: whether a change has not been reported yet.
    pub(super) fn on_identity(&mut self, identity: u64, is_news: bool, turn: &mut Turn<'_>) {
        let before = self.database.log_identity.replace(identity);
        if before == Some(identity) {
            return;
        }
        turn.notify(Notice::Log { identity });
        if before.is_some() && is_news {
            self.event_seldom("lost", turn, || EventKind::StorageLost);
        }
    }

    /// State of the storage of this tab's broker.
    fn storage_state(&self) -> StorageState {
        match &self.part {
            Part::Broker(leadership) => match &leadership.log {
                None => StorageState::Memory,
                Some(log) => match log.trouble() {
                    None => StorageState::Ok,
                    Some(Trouble::Full) => StorageState::Full,
                    Some(Trouble::Failing) => StorageState::Failing,
                },
            },
            Part::Waiting | Part::Client(_) | Part::Promoting(_) => StorageState::Ok,
        }
    }

    /// Announces a change of this tab's storage state.
    pub(super) fn announce_storage_state(&mut self) {
        let state = self.storage_state();
        if let Some(announcing) = &mut self.presence.announcing
            && announcing.storage != state
        {
            announcing.storage = state;
            self.changed();
        }
    }

    pub(super) fn announce(&mut self, turn: &mut Turn<'_>) {
        self.announce_with(Vec::new(), turn);
    }

    /// Announces this tab, which has become the broker, with the tabs whose lanes are open.
    pub(super) fn announce_with(&mut self, lanes: Vec<TabId>, turn: &mut Turn<'_>) {
        let announcement = Announcement {
            lanes,
            ..self.announcement(turn)
        };
        let Some(announcing) = &mut self.presence.announcing else {
            return;
        };
        announcing.last = turn.now;
        announcing.storage = announcement.storage;
        announcing.due = turn.now.plus_ms(self.settings.announce_interval_ms);
        turn.control(ControlMessage::Announce(announcement));
        self.stats.broker = match &self.part {
            Part::Broker(leadership) => Some(leadership.hosted_broker.stats()),
            Part::Client(_) | Part::Waiting | Part::Promoting(_) => None,
        };
        turn.notify(Notice::Stats(self.stats.clone()));
    }

    pub(super) fn announce_if_due(&mut self, turn: &mut Turn<'_>) {
        let due = self.presence.next_announcement();
        if due.is_some_and(|due| due <= turn.now) {
            self.announce(turn);
        }
    }

    pub(super) fn announce_soon(&mut self) {
        self.presence.announce_soon(self.settings.announce_gap_ms);
    }

    /// A property that this tab announces has changed.
    pub(super) fn changed(&mut self) {
        self.presence.members.touch();
        self.announce_soon();
    }

    pub(super) fn show_members(&mut self, turn: &mut Turn<'_>) {
        if !self
            .presence
            .members
            .take_due(turn.now, self.settings.members_gap_ms)
        {
            return;
        }
        let own = membership::info(&self.announcement(turn), turn.now);
        let broker = match self.role() {
            Role::Waiting => None,
            Role::Client { broker, .. } => Some(broker),
            Role::Broker { .. } => Some(self.tab_id),
        };
        turn.notify(Notice::Members(
            self.presence.members.tabs_with(own, broker),
        ));
    }
}
