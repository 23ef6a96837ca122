//! The world: tabs in virtual time, and the event loop that runs them.

mod fault;
mod garbage;
mod lifecycle;
mod ports;
mod questions;
mod readers;
mod recovery;
mod stall;
mod turn;

use std::collections::BTreeMap;

use tab::api::{ClientCommand, Command};
use tab::{Input, PortNo, Tab, TabId, Time};

use crate::browser::channels::Channels;
use crate::browser::disk::Disk;
use crate::browser::locks::Locks;
use crate::mutant::Mutant;
use crate::oracle::Oracle;
use crate::plan::{MORE, Plan};
use crate::prng::Prng;
use crate::scenario::Scenario;
use crate::tally::Tally;
use crate::trace::Trace;
use crate::violation::Violation;
use crate::workload::page::{Act, Page};
use crate::workload::port::Port;
use lifecycle::User;
use stall::{Arrival, Stall};

/// Start of the world, in Unix milliseconds.
const BEGIN_MS: u64 = 1_790_000_000_000;

/// Far above the number of events in any terminating run.
const EVENTS_MAX: u64 = 1_000_000;

/// The state of one run.
#[derive(Debug)]
pub(crate) struct World<'t> {
    plan: Plan,
    mutant: Option<Mutant>,
    prng: Prng,
    /// For ports only, so that its draws change nothing else.
    port_prng: Prng,
    last_port: u32,
    /// For questions only.
    question_prng: Prng,
    reader_prng: Prng,
    last_reader: u32,
    last_question: u64,
    now_us: u64,
    /// Difference of the wall clock to the world's time.
    clock_ms: i64,
    /// By time, then in the order of scheduling.
    queue: BTreeMap<(u64, u64), Event>,
    scheduled: u64,
    events: u64,
    tabs_created: u32,
    /// Users whose tabs have ended and who may return, with the time of the end.
    away: Vec<(User, u64)>,
    tabs: BTreeMap<TabId, Runtime>,
    channels: Channels,
    locks: Locks,
    disk: Disk,
    /// For each tab, the time at which its read of file-backed values ends.
    reading: BTreeMap<TabId, u64>,
    oracle: Oracle,
    is_recovering: bool,
    trace: &'t mut Trace,
}

/// The worker around a tab: a loop that carries out the tab's outputs.
#[derive(Debug)]
struct Runtime {
    tab: Tab,
    page: Page,
    is_flush_due: bool,
    armed: Option<Time>,
    timers: u64,
    /// Difference of its clock to the world's time. It only grows, so that the clock never goes back or stops.
    ahead_ms: i64,
    has_loopback: bool,
    stall: Option<Stall>,
    /// Number of stalls, so that a wake-up ends no later stall.
    stalls: u64,
    is_throttled: bool,
    /// The clients behind open ports.
    ports: BTreeMap<PortNo, Port>,
}

#[allow(
    clippy::large_enum_variant,
    reason = "nearly all events are of the large variant"
)]
#[derive(Debug)]
enum Event {
    Arrival(TabId, Arrival),
    /// A transaction is carried out.
    Disk(u64),
    Flush(TabId),
    PageTurn(TabId),
    /// A page uses or opens a port.
    PortTurn(TabId),
    /// The client behind a port reads.
    PortTick(TabId, PortNo),
    /// A page queries the broker.
    QuestionTurn(TabId),
    /// A part of a page begins to listen or to read, or stops.
    ReaderTurn(TabId),
    TabOpens(Option<User>),
    /// The browser notices the end of a tab.
    EndNoticed(TabId),
    Wake(TabId, u64),
    /// The impairments of a tab end: it receives messages again, in time, and its timers are punctual.
    ImpairmentEnds(TabId),
    /// One of the regular faults.
    Fault,
    /// An additional fault at a critical moment.
    ExtraFault,
    /// The tab ends or hangs during a write.
    MidCommit(TabId),
}

/// Runs a world: the fault phase, then the recovery phase. The oracle checks both.
pub(crate) fn run(scenario: &Scenario, trace: &mut Trace) -> Result<Tally, Violation> {
    let mut world = World::new(scenario, trace);
    world.begin();
    world.run_until(world.plan.chaos_ms)?;
    world.recover()?;
    world.oracle.tally.slow_deliveries = world.channels.slow;
    Ok(world.oracle.tally)
}

impl<'t> World<'t> {
    fn new(scenario: &Scenario, trace: &'t mut Trace) -> Self {
        let mut prng = Prng::new(scenario.seed);
        let plan = Plan::new(&mut prng.fork(), scenario);
        let mutant = scenario.mutant;
        trace.note(0, || format!("{plan:?}"));
        Self {
            channels: Channels::new(prng.fork(), plan.slow_per_mille),
            disk: Disk::new(prng.fork(), plan.disk, mutant),
            reading: BTreeMap::new(),
            locks: Locks::new(plan.has_web_locks, mutant == Some(Mutant::LockShared)),
            oracle: Oracle::new(plan.clone()),
            plan,
            mutant,
            prng,
            port_prng: Prng::new(!scenario.seed ^ MORE),
            last_port: 0,
            question_prng: Prng::new(scenario.seed.rotate_left(32) ^ MORE),
            last_question: 0,
            reader_prng: Prng::new(scenario.seed.rotate_left(16) ^ MORE),
            last_reader: 0,
            now_us: 0,
            clock_ms: 0,
            queue: BTreeMap::new(),
            scheduled: 0,
            events: 0,
            tabs_created: 0,
            away: Vec::new(),
            tabs: BTreeMap::new(),
            is_recovering: false,
            trace,
        }
    }

    fn begin(&mut self) {
        for _ in 0..self.plan.tabs_at_start {
            let at_us = self.prng.between(0, self.plan.start_ms * 1_000);
            self.schedule(at_us, Event::TabOpens(None));
        }
        self.schedule_fault();
    }

    /// The world's time, which the oracle uses.
    fn now(&self) -> Time {
        Time::from_ms(BEGIN_MS + self.now_us / 1_000)
    }

    fn wall_ms(&self) -> u64 {
        self.now().as_ms().saturating_add_signed(self.clock_ms)
    }

    /// The time on a tab's clock.
    fn clock(&mut self, tab: TabId) -> Time {
        let ahead_ms = self.tabs.get_mut(&tab).map_or(self.clock_ms, |runtime| {
            runtime.ahead_ms = runtime.ahead_ms.max(self.clock_ms);
            runtime.ahead_ms
        });
        Time::from_ms(self.now().as_ms().saturating_add_signed(ahead_ms))
    }

    // The event loop.

    fn schedule(&mut self, at_us: u64, event: Event) {
        self.scheduled += 1;
        self.queue.insert((at_us, self.scheduled), event);
    }

    fn schedule_in(&mut self, low_us: u64, high_us: u64, event: Event) {
        let at_us = self.now_us + self.prng.between(low_us, high_us);
        self.schedule(at_us, event);
    }

    fn schedule_fault(&mut self) {
        let gap_us = self.plan.fault_gap_ms * 1_000;
        self.schedule_in(0, 2 * gap_us, Event::Fault);
    }

    fn run_for(&mut self, ms: u64) -> Result<(), Violation> {
        self.run_until(self.now_us / 1_000 + ms)
    }

    fn run_until(&mut self, ms: u64) -> Result<(), Violation> {
        let end_us = ms * 1_000;
        while let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= end_us
        {
            let ((at_us, _), event) = entry.remove_entry();
            self.now_us = at_us;
            self.events += 1;
            if self.events > EVENTS_MAX {
                let events = self.events;
                return Err(Violation::EventLimitReached { events });
            }
            self.oracle.check_due(self.now())?;
            self.handle_event(event)?;
        }
        // That moment may be in the past, and time does not go back.
        self.now_us = self.now_us.max(end_us);
        Ok(())
    }

    fn handle_event(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Arrival(tab, arrival) => self.arrive(tab, arrival),
            Event::Disk(transaction) => self.on_disk(transaction),
            Event::Flush(tab) => self.flush_now(tab),
            Event::PageTurn(tab) => self.on_page_turn(tab),
            Event::PortTurn(tab) => self.on_port_turn(tab),
            Event::PortTick(tab, no) => self.on_port_tick(tab, no),
            Event::QuestionTurn(tab) => self.on_question_turn(tab),
            Event::ReaderTurn(tab) => self.on_reader_turn(tab),
            Event::TabOpens(user) => self.open_tab(user),
            Event::EndNoticed(tab) => self.on_end_noticed(tab),
            Event::Wake(tab, stall) => self.wake(tab, stall),
            Event::ImpairmentEnds(tab) => self.end_impairments(tab),
            Event::Fault => {
                if !self.is_recovering {
                    self.schedule_fault();
                }
                self.on_fault()
            }
            Event::ExtraFault => self.on_fault(),
            Event::MidCommit(tab) => self.on_mid_commit(tab),
        }
    }

    // Pages.

    fn on_page_turn(&mut self, tab: TabId) -> Result<(), Violation> {
        let Some(runtime) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        let gap_us = self.plan.act_gap_ms * 1_000;
        // While the page is frozen or its worker hangs, its commands wait.
        if runtime.stall.is_some() {
            self.schedule_in(gap_us, 4 * gap_us, Event::PageTurn(tab));
            return Ok(());
        }
        if self.is_recovering {
            let open = runtime.page.open();
            return open.map_or(Ok(()), |open| self.issue(tab, open));
        }
        for act in runtime.page.next_commands() {
            self.issue(tab, act)?;
        }
        self.schedule_in(0, 2 * gap_us, Event::PageTurn(tab));
        Ok(())
    }

    fn issue(&mut self, tab: TabId, act: Act) -> Result<(), Violation> {
        // A notice does not name the connection of its client. The oracle must see the last notices of the previous
        // connection first.
        if let Command::Client(_, ClientCommand::Connect(_)) = &act.command {
            self.flush(tab)?;
        }
        self.oracle.on_act(self.now(), tab, &act);
        self.turn(tab, Input::Command(act.command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back() {
        let mut trace = Trace::off();
        let mut world = World::new(&Scenario::of(0), &mut trace);
        for until_ms in [50, 20] {
            world.run_until(until_ms).unwrap();
            assert_eq!(world.now_us, 50_000);
        }
    }
}
