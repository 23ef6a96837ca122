//! The world: tabs in virtual time, and what happens to them.

mod calm;
mod fault;

use std::collections::BTreeMap;

use tab::api::{ClientCommand, Command};
use tab::control::ControlMessage;
use tab::{Input, LockEvent, LockRequest, Output, Tab, TabId, Time};

use crate::locks::{Locks, Misuse, Ticket};
use crate::net::{Net, Posted, Sender};
use crate::oracle::Oracle;
use crate::page::{Act, Page};
use crate::plan::Plan;
use crate::prng::Prng;
use crate::tally::Tally;
use crate::trace::{self, Trace};
use crate::violation::Violation;

/// When the world begins, in Unix milliseconds.
const BEGIN_MS: u64 = 1_790_000_000_000;

/// No run needs as many events; one that does never comes to rest.
const EVENTS_MAX: u64 = 1_000_000;

/// One run.
#[derive(Debug)]
pub(crate) struct World<'t> {
    plan: Plan,
    prng: Prng,
    now_us: u64,
    /// By time, then in the order of scheduling.
    queue: BTreeMap<(u64, u64), Event>,
    scheduled: u64,
    events: u64,
    births: u32,
    tabs: BTreeMap<TabId, Runtime>,
    net: Net,
    locks: Locks,
    oracle: Oracle,
    is_calm: bool,
    trace: &'t mut Trace,
}

/// What a worker is to its tab: the one loop that carries out what it wants.
#[derive(Debug)]
struct Runtime {
    tab: Tab,
    page: Page,
    is_flush_due: bool,
    armed: Option<Time>,
    timers: u64,
}

#[derive(Debug)]
enum Event {
    Control {
        to: TabId,
        from: Sender,
        message: ControlMessage,
    },
    Frame(Posted),
    /// The browser tells a worker that a lock is its own.
    Granted(Ticket),
    Flush(TabId),
    Timer {
        tab: TabId,
        no: u64,
    },
    Page(TabId),
    Birth,
    /// The browser notices the end of a tab.
    EndNoticed(TabId),
    /// One of the faults that come all the time.
    Fault,
    /// A fault at a bad moment.
    Misfortune,
}

/// Runs the world of this seed, first with faults and then in the calm, and checks it all along.
pub(crate) fn run(seed: u64, trace: &mut Trace) -> Result<Tally, Violation> {
    let mut world = World::new(seed, trace);
    world.begin();
    world.run_until(world.plan.chaos_ms)?;
    world.calm()?;
    world.oracle.tally.slow_deliveries = world.net.slow;
    Ok(world.oracle.tally)
}

impl<'t> World<'t> {
    fn new(seed: u64, trace: &'t mut Trace) -> Self {
        let mut prng = Prng::new(seed);
        let plan = Plan::new(&mut prng.fork());
        let net = Net::new(prng.fork(), plan.slow_per_mille);
        trace.note(0, || format!("{plan:?}"));
        let oracle = Oracle::new(plan.delivery_ms);
        Self {
            plan,
            prng,
            now_us: 0,
            queue: BTreeMap::new(),
            scheduled: 0,
            events: 0,
            births: 0,
            tabs: BTreeMap::new(),
            net,
            locks: Locks::default(),
            oracle,
            is_calm: false,
            trace,
        }
    }

    fn begin(&mut self) {
        for _ in 0..self.plan.tabs_at_start {
            let at_us = self.prng.between(0, self.plan.start_ms * 1_000);
            self.schedule(at_us, Event::Birth);
        }
        self.schedule_fault();
    }

    fn now(&self) -> Time {
        Time::from_ms(BEGIN_MS + self.now_us / 1_000)
    }

    // The course of events.

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
                return Err(Violation::NoRest { events });
            }
            self.oracle.check_due(self.now())?;
            self.happen(event)?;
        }
        self.now_us = end_us;
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Control { to, from, message } => {
                if !self.net.has_joined(to) {
                    self.oracle.tally.messages_to_nobody += 1;
                    return Ok(());
                }
                let (Sender::Worker(sender) | Sender::Page(sender)) = from;
                if !self.tabs.contains_key(&sender) {
                    self.oracle.tally.messages_after_the_end += 1;
                }
                self.turn(to, Input::Control(message))
            }
            Event::Frame(posted) => {
                if !self.net.is_open(&posted) {
                    self.oracle.tally.messages_to_nobody += 1;
                    return Ok(());
                }
                self.net.note_arrived(posted.clone());
                self.turn(posted.to, Input::Frame(posted.lane, posted.frame))
            }
            Event::Granted(ticket) => {
                if self.locks.is_held(&ticket) {
                    let granted = LockEvent::Granted(ticket.lock);
                    self.turn(ticket.tab, Input::Lock(granted))?;
                }
                Ok(())
            }
            Event::Flush(tab) => {
                self.flush(tab)?;
                self.arm(tab);
                Ok(())
            }
            Event::Timer { tab, no } => match self.tabs.get_mut(&tab) {
                Some(runtime) if runtime.timers == no => {
                    runtime.armed = None;
                    self.turn(tab, Input::Timeout)
                }
                Some(_) | None => Ok(()),
            },
            Event::Page(tab) => self.on_page(tab),
            Event::Birth => {
                self.birth();
                Ok(())
            }
            Event::EndNoticed(tab) => {
                for ticket in self.locks.gone(tab) {
                    self.grant(ticket);
                }
                Ok(())
            }
            Event::Fault => {
                if !self.is_calm {
                    self.schedule_fault();
                }
                self.on_fault()
            }
            Event::Misfortune => self.on_fault(),
        }
    }

    // Tabs.

    fn birth(&mut self) {
        let id = TabId::from_entropy(self.prng.next());
        let page = Page::new(self.prng.fork(), self.births);
        self.births += 1;
        let tab = Tab::new(id, "sim".to_owned(), self.plan.settings.clone());
        self.trace
            .tab(self.now_us, id, || format!("opens, tab {id}"));
        self.oracle.on_birth(id);
        let runtime = Runtime {
            tab,
            page,
            is_flush_due: false,
            armed: None,
            timers: 0,
        };
        self.tabs.insert(id, runtime);
        self.schedule_in(0, 5_000, Event::Page(id));
    }

    /// The tab ends. A page that closes says goodbye, after it has ended its worker.
    fn death(&mut self, tab: TabId, is_crash: bool) {
        if self.tabs.remove(&tab).is_none() {
            return;
        }
        let how = if is_crash { "crashes" } else { "closes" };
        self.trace.tab(self.now_us, tab, || how.to_owned());
        self.oracle.on_death(self.now(), tab, is_crash);
        let has_joined = self.net.has_joined(tab);
        self.net.gone(tab);
        if has_joined && !is_crash {
            let goodbye = ControlMessage::Goodbye { tab_id: tab };
            self.post_control(Sender::Page(tab), &goodbye);
        }
        self.schedule_in(20_000, 60_000, Event::EndNoticed(tab));
    }

    fn on_page(&mut self, tab: TabId) -> Result<(), Violation> {
        let Some(runtime) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        if self.is_calm {
            let open = runtime.page.open();
            return open.map_or(Ok(()), |open| self.act(tab, open));
        }
        for act in runtime.page.act() {
            self.act(tab, act)?;
        }
        let gap_us = self.plan.act_gap_ms * 1_000;
        self.schedule_in(0, 2 * gap_us, Event::Page(tab));
        Ok(())
    }

    fn act(&mut self, tab: TabId, act: Act) -> Result<(), Violation> {
        // A notice tells not which connection of a client it is about, so that the oracle has to hear the last ones of
        // the one before.
        if let Command::Client(_, ClientCommand::Connect(_)) = &act.command {
            self.flush(tab)?;
        }
        self.oracle.on_act(self.now(), tab, &act);
        self.turn(tab, Input::Command(act.command))
    }

    /// One turn of a worker's loop; the next inputs may still belong to it.
    fn turn(&mut self, tab: TabId, input: Input) -> Result<(), Violation> {
        let now = self.now();
        let Some(runtime) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        self.trace.tab(self.now_us, tab, || trace::input(&input));
        let mut outputs = Vec::new();
        runtime.tab.handle(now, input, &mut outputs);
        let role = runtime.tab.role();
        let term = self.oracle.term();
        self.oracle.on_role(tab, role)?;
        if self.oracle.term() > term && self.prng.chance(self.plan.after_election_per_mille) {
            self.schedule_in(0, 20_000, Event::Misfortune);
        }
        self.carry_out(tab, outputs)?;
        if self.prng.chance(self.plan.batch_per_mille) {
            self.oracle.tally.batched_turns += 1;
            self.flush_soon(tab);
        } else {
            self.flush(tab)?;
        }
        self.arm(tab);
        Ok(())
    }

    fn flush_soon(&mut self, tab: TabId) {
        if let Some(runtime) = self.tabs.get_mut(&tab)
            && !runtime.is_flush_due
        {
            runtime.is_flush_due = true;
            self.schedule_in(0, 4_000, Event::Flush(tab));
        }
    }

    fn flush(&mut self, tab: TabId) -> Result<(), Violation> {
        let now = self.now();
        let Some(runtime) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        runtime.is_flush_due = false;
        let mut outputs = Vec::new();
        runtime.tab.flush(now, &mut outputs);
        self.carry_out(tab, outputs)
    }

    /// Sets the one timer, which may run late.
    fn arm(&mut self, tab: TabId) {
        let late_us = if self.prng.chance(200) { 50_000 } else { 2_000 };
        let Some(runtime) = self.tabs.get_mut(&tab) else {
            return;
        };
        let due = runtime.tab.next_timeout();
        if runtime.armed == due {
            return;
        }
        runtime.armed = due;
        runtime.timers += 1;
        let no = runtime.timers;
        if let Some(due) = due {
            let due_us = due.as_ms().saturating_sub(BEGIN_MS) * 1_000;
            let in_us = due_us.saturating_sub(self.now_us);
            self.schedule_in(in_us, in_us + late_us, Event::Timer { tab, no });
        }
    }

    // What tabs want.

    fn carry_out(&mut self, tab: TabId, outputs: Vec<Output>) -> Result<(), Violation> {
        for output in outputs {
            match output {
                Output::Join(_) => self.net.join(tab),
                Output::Control(message) => {
                    self.trace.tab(self.now_us, tab, || {
                        format!("says {}", trace::control(&message))
                    });
                    self.post_control(Sender::Worker(tab), &message);
                }
                Output::OpenLane(lane) => self.net.open(tab, lane),
                Output::Post(lane, frame) => {
                    self.trace.tab(self.now_us, tab, || {
                        format!("posts on {}: {}", trace::lane(lane), trace::frame(&frame))
                    });
                    if self.net.hold_next {
                        self.trace.tab(self.now_us, tab, || "is held up".to_owned());
                        self.oracle.on_disturbance(self.now(), lane.tab);
                    }
                    let posts = self.net.post_frame(self.now_us, tab, lane, &frame);
                    let posts = posts.ok_or(Violation::PostedOnClosedLane { tab, lane })?;
                    for (at_us, posted) in posts {
                        self.schedule(at_us, Event::Frame(posted));
                    }
                }
                Output::CloseLane(lane) => {
                    if !self.net.close(tab, lane) {
                        return Err(Violation::ClosedClosedLane { tab, lane });
                    }
                }
                Output::Lock(request) => self.on_lock_request(tab, request)?,
                Output::Notify(notices) => {
                    for notice in notices {
                        self.trace.tab(self.now_us, tab, || {
                            format!("tells its page: {}", trace::notice(&notice))
                        });
                        self.oracle.on_notice(self.now(), tab, notice)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn post_control(&mut self, from: Sender, message: &ControlMessage) {
        for (at_us, to) in self.net.post_control(self.now_us, from) {
            let message = message.clone();
            self.schedule(at_us, Event::Control { to, from, message });
        }
    }

    fn on_lock_request(&mut self, tab: TabId, request: LockRequest) -> Result<(), Violation> {
        self.trace
            .tab(self.now_us, tab, || trace::lock_request(request));
        let (LockRequest::Acquire(lock) | LockRequest::Release(lock)) = request;
        let granted = match request {
            LockRequest::Acquire(lock) => self.locks.acquire(tab, lock),
            LockRequest::Release(lock) => self.locks.release(tab, lock),
        };
        let granted = granted.map_err(|misuse| match misuse {
            Misuse::AskedTwice => Violation::LockAskedTwice { tab, lock },
            Misuse::NotAsked => Violation::LockNotAsked { tab, lock },
        })?;
        if let Some(ticket) = granted {
            self.grant(ticket);
        }
        Ok(())
    }

    fn grant(&mut self, ticket: Ticket) {
        self.schedule_in(0, 5_000, Event::Granted(ticket));
    }
}
