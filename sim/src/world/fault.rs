//! Fault injection: tabs, channels and the disk.

use tab::api::Term;
use tab::control::{ControlMessage, SAFE_INTEGER_MAX};
use tab::{Input, Lane, Lock, TabId};

use super::garbage;
use super::stall::Arrival;
use super::{Event, World};
use crate::browser::channels::Sender;
use crate::scenario::Fault;
use crate::trace;
use crate::violation::Violation;

/// Maximum advance of the wall clock in one world, which message expiry and grace periods tolerate.
const CLOCK_AHEAD_MS_MAX: i64 = 60_000;

impl World<'_> {
    pub(super) fn on_fault(&mut self) -> Result<(), Violation> {
        if self.is_recovering {
            return Ok(());
        }
        let all: u64 = self.plan.faults.iter().map(|(_, weight)| weight).sum();
        if all == 0 {
            return Ok(());
        }
        let mut drawn = self.prng.between(1, all);
        for (fault, weight) in self.plan.faults.clone() {
            if drawn <= weight {
                return self.inject(fault);
            }
            drawn -= weight;
        }
        Ok(())
    }

    fn inject(&mut self, fault: Fault) -> Result<(), Violation> {
        let ids = self.tab_ids();
        let Some(victim) = self.prng.pick(&ids).copied() else {
            return self.open_some_tab();
        };
        match fault {
            Fault::Open => return self.open(),
            Fault::Close => {
                let victim = self.prefer_broker(victim);
                self.end_tab(victim, false);
            }
            Fault::Crash => {
                let victim = self.prefer_broker(victim);
                self.end_tab(victim, true);
            }
            Fault::Cache => {
                let victim = self.prefer_broker(victim);
                self.cache(victim);
            }
            Fault::Restart => self.restart(),
            Fault::Duplicate => return self.duplicate(victim),
            Fault::Freeze => return self.freeze(victim),
            Fault::Hang => return self.hang(victim),
            Fault::Deaf => {
                let victim = self.prefer_broker(victim);
                self.deafen(victim);
            }
            Fault::Throttle => self.throttle(victim),
            Fault::Clock => self.set_clock(),
            Fault::Garbage => return self.garbage(victim),
            Fault::Replay => self.replay(),
            Fault::Overtake => {
                self.oracle.tally.frames_overtaken += 1;
                self.channels.hold_next = true;
            }
            Fault::Lose => {
                self.oracle.tally.frames_lost += 1;
                self.channels.lose_next = true;
            }
            Fault::Delay => self.delay(victim),
            Fault::ForgedReport => {
                let victim = self.prefer_broker(victim);
                self.forge_report(victim);
            }
            Fault::NeedlessTimeout => {
                self.oracle.tally.needless_timeouts += 1;
                let stalled = self.tabs.get(&victim).is_some_and(|it| it.stall.is_some());
                if !stalled {
                    return self.turn(victim, Input::Timeout);
                }
            }
            Fault::Full => self.fill_up(),
            Fault::Clear => self.clear(),
            Fault::Flip => self.flip(),
            Fault::ForeignRow => self.foreign_row(),
            Fault::DeadHandle => self.kill_handle(victim),
            Fault::DiskDown => self.take_disk_down(&ids),
            Fault::SilentOpen => self.silence_opening(),
            Fault::FalseGoodbye => {
                self.oracle.tally.false_goodbyes += 1;
                let victim = self.prefer_broker(victim);
                self.post_as_unknown_tab(&ControlMessage::Goodbye {
                    tab_id: victim,
                    is_lost: false,
                });
            }
            Fault::FalseClaim => self.false_claim(),
            Fault::FarRow => {
                let seq = self.disk.add_far();
                self.trace.note(self.now_us, || {
                    format!("row {seq} is far above the last number")
                });
                self.oracle.tally.far_rows += 1;
            }
            Fault::FarTerm => {
                let seq = self.disk.add_row_of(Term(SAFE_INTEGER_MAX));
                self.trace
                    .note(self.now_us, || format!("row {seq} has the highest term"));
                self.oracle.tally.far_terms += 1;
            }
            // These faults are properties of the world, not events.
            Fault::SlowNet
            | Fault::Batch
            | Fault::SlowDisk
            | Fault::StuckDisk
            | Fault::Abort
            | Fault::Large
            | Fault::AtCommit
            | Fault::AfterElection
            | Fault::TwoBuilds
            | Fault::Narrow
            | Fault::Ports
            | Fault::Questions
            | Fault::Readers => {}
        }
        Ok(())
    }

    fn prefer_broker(&mut self, other: TabId) -> TabId {
        let broker = self.oracle.broker().filter(|_| self.prng.chance(600));
        let broker = broker.filter(|broker| self.tabs.contains_key(broker));
        broker.unwrap_or(other)
    }

    fn open(&mut self) -> Result<(), Violation> {
        if self.tabs.len() < self.plan.tabs_alive_max {
            return self.open_some_tab();
        }
        Ok(())
    }

    /// Opens a tab with the client ids of another.
    fn duplicate(&mut self, victim: TabId) -> Result<(), Violation> {
        let user = self.tabs.get(&victim).map(|it| it.page.user());
        if self.tabs.len() < self.plan.tabs_alive_max {
            self.oracle.tally.tabs_duplicated += 1;
            return self.open_tab(user);
        }
        Ok(())
    }

    /// Often freezes the broker, or the next tab in the queue.
    fn freeze(&mut self, victim: TabId) -> Result<(), Violation> {
        let (holder, waiter) = self.locks.first_two(Lock::Broker);
        let victim = match self.prng.between(0, 3) {
            0 => waiter.unwrap_or(victim),
            1 => victim,
            _ => holder.unwrap_or(victim),
        };
        self.oracle.tally.tabs_frozen += 1;
        let ms = self.prng.one_of([900, 3_000, 10_000, 60_000]);
        self.stall(victim, ms)
    }

    fn hang(&mut self, victim: TabId) -> Result<(), Violation> {
        let victim = self.prefer_broker(victim);
        self.oracle.tally.workers_hung += 1;
        let ms = self.prng.one_of([500, 1_500, 2_500, 60_000]);
        self.stall(victim, ms)
    }

    fn set_clock(&mut self) {
        let by_ms = self.prng.one_of([-20_000, -300, 300, 5_000, 20_000]);
        if self.clock_ms + by_ms > CLOCK_AHEAD_MS_MAX {
            return;
        }
        self.clock_ms += by_ms;
        self.trace
            .note(self.now_us, || format!("the clock changes by {by_ms} ms"));
        self.oracle.tally.clock_jumps += 1;
        self.oracle.on_detection_delay(self.now());
    }

    fn delay(&mut self, victim: TabId) {
        let victim = self.prefer_broker(victim);
        let ms = self.prng.between(500, 5_000);
        self.trace.tab(self.now_us, victim, || {
            format!("gets each message late for {ms} ms")
        });
        self.oracle.tally.channels_delayed += 1;
        self.oracle.on_delayed(self.now(), victim);
        self.channels.delay(victim);
        self.schedule(self.now_us + ms * 1_000, Event::ImpairmentEnds(victim));
    }

    // The channels.

    fn garbage(&mut self, victim: TabId) -> Result<(), Violation> {
        if self.prng.chance(300) {
            self.oracle.tally.messages_of_unknown_tabs += 1;
            let broker = self.oracle.broker().unwrap_or(victim);
            let term = self.oracle.term().unwrap_or_default();
            let now_ms = self.wall_ms();
            let message = garbage::from_unknown_tab(&mut self.prng, now_ms, (broker, term));
            self.post_as_unknown_tab(&message);
            return Ok(());
        }
        let frame = self.channels.recent_frame().map(|posted| posted.frame);
        let input = garbage::garbage(&mut self.prng, victim, frame);
        let stalled = self.tabs.get(&victim).is_some_and(|it| it.stall.is_some());
        if self.channels.has_joined(victim) && !stalled {
            self.oracle.on_garbage(victim);
            self.turn(victim, input)?;
        }
        Ok(())
    }

    /// Delivers a frame a second time. It must have no effect.
    fn replay(&mut self) {
        if let Some(posted) = self.channels.recent_frame()
            && self.channels.is_open(&posted)
        {
            self.trace.tab(self.now_us, posted.to, || {
                let frame = trace::frame(&posted.frame);
                format!(
                    "gets a frame again on {}: {frame}",
                    trace::lane(posted.lane)
                )
            });
            self.oracle.tally.frames_replayed += 1;
            let again = Event::Arrival(posted.to, Arrival::Frame(posted));
            self.schedule_in(0, 5_000, again);
        }
    }

    /// Another script claims that the broker is none, or that a tab's lane is closed. The tabs must recover.
    fn forge_report(&mut self, victim: TabId) {
        let (Some(broker), Some(term)) = (self.oracle.broker(), self.oracle.term()) else {
            return;
        };
        self.oracle.tally.forged_reports += 1;
        for tab in self.tab_ids() {
            self.oracle.on_disruption(self.now(), tab);
        }
        let message = if broker == victim {
            let now_ms = self.wall_ms();
            garbage::announcement(victim, now_ms, None)
        } else {
            ControlMessage::Unbind {
                lane: Lane {
                    tab: victim,
                    broker,
                    term,
                },
                binding: self.prng.one_of([1, 2, 3]),
            }
        };
        self.post_as_unknown_tab(&message);
    }

    /// Another script claims a higher term in the broker's name, with or without lanes to the others.
    fn false_claim(&mut self) {
        let (Some(broker), Some(Term(term))) = (self.oracle.broker(), self.oracle.term()) else {
            return;
        };
        self.oracle.tally.false_claims += 1;
        // Tabs may follow the claim for a moment, twice at most, and suspect the broker that much later.
        self.oracle.on_detection_delay(self.now());
        let tabs = self.tab_ids();
        for tab in &tabs {
            self.oracle.on_disruption(self.now(), *tab);
        }
        let term = Term(term + self.prng.between(1, 50));
        let now_ms = self.wall_ms();
        let lanes = if self.prng.chance(500) {
            tabs
        } else {
            Vec::new()
        };
        let claim = garbage::announcement(broker, now_ms, Some((term, lanes)));
        self.post_as_unknown_tab(&claim);
    }

    fn post_as_unknown_tab(&mut self, message: &ControlMessage) {
        let sender = TabId::from_entropy(self.prng.next());
        self.trace.tab(self.now_us, sender, || {
            format!("unknown tab, posts {}", trace::control(message))
        });
        self.post_control(Sender::Page(sender), message);
    }

    // The disk.

    fn fill_up(&mut self) {
        let ms = self.prng.one_of([100, 1_000, 5_000]);
        self.trace
            .note(self.now_us, || format!("the disk is full for {ms} ms"));
        self.disk.fill_up(self.now_us + ms * 1_000);
        self.oracle.on_full(self.now());
    }

    fn kill_handle(&mut self, victim: TabId) {
        let victim = self.prefer_broker(victim);
        if self.disk.kill_handle(victim) {
            self.oracle.tally.handles_killed += 1;
            self.trace.tab(self.now_us, victim, || {
                "has a broken database connection".to_owned()
            });
            self.oracle.on_detection_delay(self.now());
        }
    }

    /// Affects all tabs, or all but one.
    fn take_disk_down(&mut self, ids: &[TabId]) {
        let ms = self.prng.one_of([100, 1_000, 3_000, 6_000]);
        let exempt_tab = self.prng.chance(500).then(|| self.prng.pick(ids).copied());
        let exempt_tab = exempt_tab.flatten();
        self.trace.note(self.now_us, || {
            let exempt_tab = exempt_tab.map(|tab| format!(" for all but tab {}", tab.short()));
            let exempt_tab = exempt_tab.unwrap_or_default();
            format!("the database fails for {ms} ms{exempt_tab}")
        });
        self.disk.take_down(self.now_us + ms * 1_000, exempt_tab);
        self.oracle.on_disk_down(self.now(), ms);
    }

    fn silence_opening(&mut self) {
        let ms = self.prng.one_of([1_000, 5_000, 10_000]);
        self.trace.note(self.now_us, || {
            format!("openings of the database get no answer for {ms} ms")
        });
        self.disk.silence_opening(self.now_us + ms * 1_000);
        self.oracle.on_detection_delay(self.now());
    }

    fn clear(&mut self) {
        self.trace
            .note(self.now_us, || "the site's data is removed".to_owned());
        for tab in self.disk.clear() {
            self.schedule_in(0, 5_000, Event::Arrival(tab, Arrival::Closed));
        }
        self.oracle.on_clear(self.now());
    }

    /// In half of the cases the damaged message is known, and nothing else may be lost.
    fn flip(&mut self) {
        if self.prng.chance(500) {
            let oracle = &self.oracle;
            let hit = self
                .disk
                .damage(|message| oracle.is_recorded_alone(message));
            let Some(message) = hit else {
                return;
            };
            self.trace
                .note(self.now_us, || format!("a bit of message {message} flips"));
            self.oracle.on_flip_of(message);
        } else if self.disk.flip_a_bit() {
            self.trace
                .note(self.now_us, || "a bit on the disk flips".to_owned());
            self.oracle.on_flip();
        }
    }

    fn foreign_row(&mut self) {
        let seq = self.disk.add_foreign();
        self.trace
            .note(self.now_us, || format!("row {seq} is foreign"));
        self.oracle.tally.foreign_rows += 1;
    }
}
