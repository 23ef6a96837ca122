//! Membership: the tabs on the channel.

use broker::Time;
use broker::sorted::Map;

use crate::api::TabInfo;
use crate::protocol::control::Announcement;
use crate::protocol::names::TabId;

/// The other tabs, by their announcements.
#[derive(Debug)]
pub(crate) struct Membership {
    tabs: Map<TabId, Entry>,
    tabs_max: usize,
    changed: bool,
    /// When the page last got the list.
    shown: Option<Time>,
}

#[derive(Debug)]
struct Entry {
    announcement: Announcement,
    last_seen: Time,
}

impl Membership {
    /// Creates an empty list that is due for the page. It holds at most `tabs_max` tabs.
    pub(crate) fn new(tabs_max: usize) -> Self {
        Self {
            tabs: Map::new(),
            tabs_max,
            changed: true,
            shown: None,
        }
    }

    /// Notes an announcement. Returns `true` if its tab is new. A full list ignores new tabs.
    pub(crate) fn announced(&mut self, now: Time, announcement: Announcement) -> bool {
        let tab = announcement.tab_id;
        let is_new = !self.tabs.contains_key(&tab);
        if is_new && self.tabs.len() >= self.tabs_max {
            return false;
        }
        let entry = Entry {
            announcement,
            last_seen: now,
        };
        self.tabs.insert(tab, entry);
        self.changed = true;
        is_new
    }

    /// Removes a tab. Returns `true` if it was known.
    pub(crate) fn remove(&mut self, tab: TabId) -> bool {
        let known = self.tabs.remove(&tab).is_some();
        self.changed |= known;
        known
    }

    pub(crate) fn ids(&self) -> Vec<TabId> {
        self.tabs.keys().copied().collect()
    }

    /// Tabs whose last announcement is `silence_ms` old.
    pub(crate) fn silent(&self, now: Time, silence_ms: u64) -> Vec<TabId> {
        self.tabs
            .iter()
            .filter(|(_, entry)| entry.last_seen.plus_ms(silence_ms) <= now)
            .map(|(tab, _)| *tab)
            .collect()
    }

    /// When the next tab will have been silent for `silence_ms`.
    pub(crate) fn next_silence(&self, silence_ms: u64) -> Option<Time> {
        let last_seen = self.tabs.values().map(|entry| entry.last_seen);
        last_seen.min().map(|seen| seen.plus_ms(silence_ms))
    }

    /// This tab has changed.
    pub(crate) fn touch(&mut self) {
        self.changed = true;
    }

    /// This tab has changed, and the page should get the list at once.
    pub(crate) fn touch_urgently(&mut self) {
        self.changed = true;
        self.shown = None;
    }

    /// Whether the page should get the list now: it has changed, and the last one is `gap_ms` old. During a change of
    /// broker, many announcements arrive at once.
    pub(crate) fn take_due(&mut self, now: Time, gap_ms: u64) -> bool {
        let is_due = self.next_show(gap_ms).is_some_and(|at| at <= now);
        if is_due {
            self.changed = false;
            self.shown = Some(now);
        }
        is_due
    }

    /// When the page should get the list next.
    pub(crate) fn next_show(&self, gap_ms: u64) -> Option<Time> {
        let earliest = self
            .shown
            .map_or(Time::default(), |shown| shown.plus_ms(gap_ms));
        self.changed.then_some(earliest)
    }

    /// All tabs including `own`, ordered by id. `broker` decides which one is the broker, because two tabs may both
    /// claim to be it.
    pub(crate) fn tabs_with(&self, own: TabInfo, broker: Option<TabId>) -> Vec<TabInfo> {
        let others = self.tabs.values();
        let others = others.map(|entry| info(&entry.announcement, entry.last_seen));
        let mut tabs: Vec<TabInfo> = others.collect();
        let place = tabs.partition_point(|tab| tab.tab_id < own.tab_id);
        tabs.insert(
            place,
            TabInfo {
                is_self: true,
                ..own
            },
        );
        for tab in &mut tabs {
            tab.is_broker = Some(tab.tab_id) == broker;
        }
        tabs
    }
}

/// The properties of a tab that the page gets.
pub(crate) fn info(announcement: &Announcement, last_seen: Time) -> TabInfo {
    TabInfo {
        tab_id: announcement.tab_id,
        is_self: false,
        is_broker: announcement.is_broker,
        term: announcement.term,
        since: Time::from_ms(announcement.since),
        last_seen,
        visibility: announcement.visibility,
        clients: announcement.clients,
        build: announcement.build.clone(),
        durability: announcement.durability,
        storage: announcement.storage,
    }
}
