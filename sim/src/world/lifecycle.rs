//! Births and deaths of tabs.

use std::collections::BTreeMap;

use tab::control::ControlMessage;
use tab::{Tab, TabId};

use super::{Event, Runtime, World};
use crate::browser::channels::Sender;
use crate::plan::Promise;
use crate::violation::Violation;
use crate::workload::page::Page;

/// How long a person stays away at least. What a tab had posted before its end has arrived by then.
const AWAY_US: u64 = 400_000;

/// Whose tab it is: another tab of the same person has the same client ids.
pub(super) type Person = u32;

impl World<'_> {
    /// A tab opens; of somebody new, if it is nobody's.
    pub(super) fn birth(&mut self, person: Option<Person>) -> Result<(), Violation> {
        let person = person.unwrap_or(self.births);
        self.away.retain(|(away, _)| *away != person);
        let id = TabId::from_entropy(self.prng.next());
        let (promise, durability) = (self.plan.promise, self.plan.durability);
        let payload_bytes = self.plan.payload_bytes;
        let page = Page::new(
            self.prng.fork(),
            person,
            self.births,
            promise,
            durability,
            payload_bytes,
        );
        self.births += 1;
        let is_other = self.prng.chance(self.plan.other_build_per_mille);
        self.oracle.tally.tabs_of_another_build += u64::from(is_other);
        let build = if is_other { "sim-next" } else { "sim" };
        let tab = Tab::new(id, build.to_owned(), self.plan.settings.clone());
        self.trace.tab(self.now_us, id, || {
            format!("opens, tab {id} of person {person}")
        });
        self.oracle.on_birth(id);
        let runtime = Runtime {
            tab,
            page,
            is_flush_due: false,
            armed: None,
            timers: 0,
            ahead_ms: self.clock_ms,
            has_ear: false,
            stall: None,
            stalls: 0,
            is_throttled: false,
            ports: BTreeMap::new(),
        };
        self.tabs.insert(id, runtime);
        self.schedule_in(0, 5_000, Event::Page(id));
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

    /// Opens a tab of somebody who was here before, or of somebody new.
    pub(super) fn open_some_tab(&mut self) -> Result<(), Violation> {
        let back: Vec<Person> = self
            .away
            .iter()
            .filter(|(_, since_us)| since_us + AWAY_US <= self.now_us)
            .map(|(person, _)| *person)
            .collect();
        let person = self.prng.pick(&back).copied();
        // Where the broker's memory is all there is, whoever comes back finds nothing that could be told in advance.
        let may_return = self.plan.promise != Promise::Memory;
        let person = person.filter(|_| may_return && self.prng.chance(600));
        self.birth(person)
    }

    /// The tab ends. A page that closes says goodbye, after it has ended its worker.
    pub(super) fn death(&mut self, tab: TabId, is_crash: bool) -> Option<Person> {
        let person = self.tabs.remove(&tab)?.page.person();
        let how = if is_crash { "crashes" } else { "closes" };
        self.trace.tab(self.now_us, tab, || how.to_owned());
        self.oracle.on_death(self.now(), tab, is_crash);
        self.disk.gone(self.now_us, tab);
        let has_joined = self.net.has_joined(tab);
        let is_silent = self.net.is_mute(tab);
        self.net.gone(tab);
        if has_joined && !is_crash && !is_silent {
            let goodbye = ControlMessage::Goodbye { tab_id: tab };
            self.post_control(Sender::Page(tab), &goodbye);
        }
        self.schedule_in(20_000, 60_000, Event::EndNoticed(tab));
        self.away.push((person, self.now_us));
        Some(person)
    }

    pub(super) fn on_end_noticed(&mut self, tab: TabId) -> Result<(), Violation> {
        let words = self.locks.gone(tab);
        self.tell(words);
        Ok(())
    }

    /// The page goes into the back/forward cache: its worker ends, and another one starts when it comes back.
    pub(super) fn cache(&mut self, tab: TabId) {
        if let Some(person) = self.death(tab, false) {
            self.oracle.tally.pages_cached += 1;
            self.schedule_in(AWAY_US, 10_000_000, Event::Birth(Some(person)));
            self.away.retain(|(away, _)| *away != person);
        }
    }

    /// All tabs end at once, and open again later.
    pub(super) fn restart(&mut self) {
        self.oracle.tally.browser_restarts += 1;
        for tab in self.living() {
            if let Some(person) = self.death(tab, true) {
                self.schedule_in(AWAY_US, 1_500_000, Event::Birth(Some(person)));
                self.away.retain(|(away, _)| *away != person);
            }
        }
    }

    pub(super) fn living(&self) -> Vec<TabId> {
        self.tabs.keys().copied().collect()
    }
}
