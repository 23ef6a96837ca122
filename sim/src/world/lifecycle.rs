//! Opening and ending of tabs.

use std::collections::BTreeMap;
use std::sync::Arc;

use tab::access::AllowAll;
use tab::control::ControlMessage;
use tab::{Tab, TabId};

use super::{Event, Runtime, World};
use crate::browser::channels::Sender;
use crate::plan::Guarantee;
use crate::violation::Violation;
use crate::workload::page::Page;

/// Minimum absence of a user. By then all messages of the ended tab have arrived.
const AWAY_US: u64 = 400_000;

/// The user of a tab. Tabs of one user have the same client ids.
pub(super) type User = u32;

impl World<'_> {
    /// Opens a tab of this user, or of a new one.
    pub(super) fn open_tab(&mut self, user: Option<User>) -> Result<(), Violation> {
        let user = user.unwrap_or(self.tabs_created);
        self.away.retain(|(away, _)| *away != user);
        let id = TabId::from_entropy(self.prng.next());
        let (guarantee, durability) = (self.plan.guarantee, self.plan.durability);
        let payload_bytes = self.plan.payload_bytes;
        let page = Page::new(
            self.prng.fork(),
            user,
            self.tabs_created,
            guarantee,
            durability,
            payload_bytes,
        );
        self.tabs_created += 1;
        let is_other = self.prng.chance(self.plan.other_build_per_mille);
        self.oracle.tally.tabs_of_another_build += u64::from(is_other);
        let build = if is_other { "sim-next" } else { "sim" };
        let tab = Tab::new(
            id,
            build.to_owned(),
            self.plan.settings.clone(),
            Arc::new(AllowAll),
        );
        self.trace.tab(self.now_us, id, || {
            format!("opens, tab {id} of user {user}")
        });
        self.oracle.on_tab_opened(id);
        let runtime = Runtime {
            tab,
            page,
            is_flush_due: false,
            armed: None,
            timers: 0,
            ahead_ms: self.clock_ms,
            has_loopback: false,
            stall: None,
            stalls: 0,
            is_throttled: false,
            ports: BTreeMap::new(),
        };
        self.tabs.insert(id, runtime);
        self.schedule_in(0, 5_000, Event::PageTurn(id));
        if self.plan.has_ports {
            self.schedule(self.now_us, Event::PortTurn(id));
        }
        if self.plan.has_readers {
            self.schedule(self.now_us, Event::ReaderTurn(id));
        }
        if self.plan.has_questions {
            self.schedule(self.now_us, Event::QuestionTurn(id));
        }
        Ok(())
    }

    /// Opens a tab of a returning user, or of a new one.
    pub(super) fn open_some_tab(&mut self) -> Result<(), Violation> {
        let back: Vec<User> = self
            .away
            .iter()
            .filter(|(_, since_us)| since_us + AWAY_US <= self.now_us)
            .map(|(user, _)| *user)
            .collect();
        let user = self.prng.pick(&back).copied();
        // If the broker's state is in memory, the oracle cannot predict what a returning user finds.
        let may_return = self.plan.guarantee != Guarantee::Memory;
        let user = user.filter(|_| may_return && self.prng.chance(600));
        self.open_tab(user)
    }

    /// Ends a tab. A page that closes says goodbye after it has ended its worker.
    pub(super) fn end_tab(&mut self, tab: TabId, is_crash: bool) -> Option<User> {
        let user = self.tabs.remove(&tab)?.page.user();
        let how = if is_crash { "crashes" } else { "closes" };
        self.trace.tab(self.now_us, tab, || how.to_owned());
        self.oracle.on_tab_ended(self.now(), tab, is_crash);
        self.disk.on_tab_ended(self.now_us, tab);
        let has_joined = self.channels.has_joined(tab);
        let is_silent = self.channels.is_mute(tab);
        self.channels.on_tab_ended(tab);
        if has_joined && !is_crash && !is_silent {
            let goodbye = ControlMessage::Goodbye {
                tab_id: tab,
                is_lost: false,
            };
            self.post_control(Sender::Page(tab), &goodbye);
        }
        self.schedule_in(20_000, 60_000, Event::EndNoticed(tab));
        self.away.push((user, self.now_us));
        Some(user)
    }

    pub(super) fn on_end_noticed(&mut self, tab: TabId) -> Result<(), Violation> {
        let notices = self.locks.on_tab_ended(tab);
        self.schedule_lock_notices(notices);
        Ok(())
    }

    /// The page goes into the back/forward cache. Its worker ends, and a new one starts when the page is restored.
    pub(super) fn cache(&mut self, tab: TabId) {
        if let Some(user) = self.end_tab(tab, false) {
            self.oracle.tally.pages_cached += 1;
            self.schedule_in(AWAY_US, 10_000_000, Event::TabOpens(Some(user)));
            self.away.retain(|(away, _)| *away != user);
        }
    }

    /// All tabs end at once, and open again later.
    pub(super) fn restart(&mut self) {
        self.oracle.tally.browser_restarts += 1;
        for tab in self.tab_ids() {
            if let Some(user) = self.end_tab(tab, true) {
                self.schedule_in(AWAY_US, 1_500_000, Event::TabOpens(Some(user)));
                self.away.retain(|(away, _)| *away != user);
            }
        }
    }

    pub(super) fn tab_ids(&self) -> Vec<TabId> {
        self.tabs.keys().copied().collect()
    }
}
