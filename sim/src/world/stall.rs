//! Arrivals at a tab, and stalls, during which a tab handles none.

use tab::api::Command;
use tab::control::ControlMessage;
use tab::storage::{StorageAnswer, StorageEvent, StorageRequestId};
use tab::{Input, PortInput, PortNo, TabId};

use super::{Event, World};
use crate::browser::channels::{Posted, Sender};
use crate::browser::disk::ConnectionNo;
use crate::browser::locks::LockNotice;
use crate::trace;
use crate::violation::Violation;

/// An input on its way to a tab.
#[derive(Debug)]
pub(super) enum Arrival {
    Control(Sender, ControlMessage),
    /// The tab's own message, as its loopback channel receives it.
    Loopback(ControlMessage),
    Frame(Posted),
    /// The one timer, unless it was set anew.
    Timer(u64),
    Stored(ConnectionNo, StorageRequestId, StorageAnswer),
    /// The browser has closed the database.
    Closed,
    Lock(LockNotice),
    /// The page has processed the notices up to this checkpoint.
    Credit(u64),
    /// Comes from a [`crate::mutant::Mutant`] only: the page has not processed these notices.
    EarlyCredit(u64),
    /// From a page's port.
    Port(PortNo, PortInput),
    /// Comes from a [`crate::mutant::Mutant`] only.
    Forged(Input),
}

impl Arrival {
    /// A tab that wakes handles channel messages first, then its timer, then all else.
    fn rank(&self) -> u8 {
        match self {
            Self::Control(..) | Self::Loopback(_) | Self::Frame(_) | Self::Forged(_) => 0,
            Self::Timer(_) => 1,
            Self::Stored(..)
            | Self::Closed
            | Self::Lock(_)
            | Self::Credit(_)
            | Self::EarlyCredit(_)
            | Self::Port(..) => 2,
        }
    }
}

/// A stall: the tab is frozen, or its worker is busy. Its inputs wait.
#[derive(Debug, Default)]
pub(super) struct Stall {
    since_us: u64,
    inbox: Vec<Arrival>,
}

impl World<'_> {
    pub(super) fn arrive(&mut self, tab: TabId, arrival: Arrival) -> Result<(), Violation> {
        let is_reachable = match &arrival {
            Arrival::Control(..) | Arrival::Loopback(_) => {
                self.channels.has_joined(tab) && !self.channels.is_deaf(tab)
            }
            Arrival::Frame(posted) => self.channels.is_open(posted) && !self.channels.is_deaf(tab),
            Arrival::Timer(_)
            | Arrival::Stored(..)
            | Arrival::Closed
            | Arrival::Lock(_)
            | Arrival::Credit(_)
            | Arrival::EarlyCredit(_)
            | Arrival::Port(..)
            | Arrival::Forged(_) => true,
        };
        if !is_reachable {
            self.oracle.tally.messages_undeliverable += 1;
            return Ok(());
        }
        let stalled = self.tabs.get_mut(&tab).and_then(|it| it.stall.as_mut());
        if let Some(stall) = stalled {
            stall.inbox.push(arrival);
            return Ok(());
        }
        self.deliver(tab, arrival)
    }

    /// The tab handles the input now.
    fn deliver(&mut self, tab: TabId, arrival: Arrival) -> Result<(), Violation> {
        match arrival {
            Arrival::Control(from, message) => {
                let (Sender::Worker(sender) | Sender::Page(sender)) = from;
                if !self.tabs.contains_key(&sender) {
                    self.oracle.tally.messages_from_ended_tabs += 1;
                }
                // Only another script sends messages in the name of their receiver.
                if matches!(&message, ControlMessage::Announce(it) if it.tab_id == tab) {
                    self.oracle.on_garbage(tab);
                }
                self.turn(tab, Input::Control(message))
            }
            Arrival::Loopback(message) => {
                self.oracle.tally.loopback_messages += 1;
                self.turn(tab, Input::Loopback(message))
            }
            Arrival::Frame(posted) => {
                if !self.channels.is_open(&posted) {
                    return Ok(());
                }
                self.channels.note_arrived(posted.clone());
                self.turn(tab, Input::Frame(posted.lane, posted.frame))
            }
            Arrival::Timer(no) => match self.tabs.get_mut(&tab) {
                Some(runtime) if runtime.timers == no => {
                    runtime.armed = None;
                    self.turn(tab, Input::Timeout)
                }
                Some(_) | None => Ok(()),
            },
            Arrival::Stored(connection, id, answer) => {
                if self.disk.accept_answer(tab, connection, &answer) {
                    self.turn(tab, Input::Storage(StorageEvent::Answer(id, answer)))?;
                }
                Ok(())
            }
            Arrival::Closed => {
                if self.disk.accept_closed(tab) {
                    self.turn(tab, Input::Storage(StorageEvent::Closed))?;
                }
                Ok(())
            }
            Arrival::EarlyCredit(checkpoint) => {
                self.turn(tab, Input::Command(Command::Acknowledge(checkpoint)))
            }
            Arrival::Credit(checkpoint) => {
                self.oracle.on_credit(tab, checkpoint);
                self.turn(tab, Input::Command(Command::Acknowledge(checkpoint)))
            }
            Arrival::Port(no, input) => {
                if input == PortInput::Closed {
                    self.oracle.on_port_closed_by_page(self.now(), tab, no);
                }
                self.turn(tab, Input::Port(no, input))
            }
            Arrival::Forged(input) => self.turn(tab, input),
            Arrival::Lock(notice) => {
                if self.locks.is_current(&notice) {
                    self.turn(tab, Input::Lock(notice.event))?;
                }
                Ok(())
            }
        }
    }

    // Stalls.

    /// Stalls the tab for `ms` milliseconds.
    pub(super) fn stall(&mut self, tab: TabId, ms: u64) -> Result<(), Violation> {
        // The current turn ends first: a stall never interrupts one.
        self.flush(tab)?;
        let since_us = self.now_us;
        let Some(runtime) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        if runtime.stall.is_some() {
            return Ok(());
        }
        runtime.stalls += 1;
        let no = runtime.stalls;
        runtime.stall = Some(Stall {
            since_us,
            inbox: Vec::new(),
        });
        self.trace
            .tab(self.now_us, tab, || format!("stalls for {ms} ms"));
        self.oracle.on_stall(self.now(), tab, ms);
        self.schedule(self.now_us + ms * 1_000, Event::Wake(tab, no));
        Ok(())
    }

    /// Ends this stall of the tab, unless it has ended already.
    pub(super) fn wake(&mut self, tab: TabId, no: u64) -> Result<(), Violation> {
        let runtime = self.tabs.get_mut(&tab).filter(|it| it.stalls == no);
        let Some(stall) = runtime.and_then(|it| it.stall.take()) else {
            return Ok(());
        };
        let ms = (self.now_us - stall.since_us) / 1_000;
        self.trace
            .tab(self.now_us, tab, || format!("wakes after {ms} ms"));
        self.oracle.on_wake(self.now(), tab, ms)?;
        let mut inbox = stall.inbox;
        inbox.sort_by_key(Arrival::rank);
        for arrival in inbox {
            self.deliver(tab, arrival)?;
        }
        Ok(())
    }

    /// Ends all stalls.
    pub(super) fn wake_all(&mut self) -> Result<(), Violation> {
        for tab in self.tab_ids() {
            let no = self.tabs.get(&tab).map_or(0, |it| it.stalls);
            self.wake(tab, no)?;
        }
        Ok(())
    }

    // Deafness and delays.

    pub(super) fn deafen(&mut self, tab: TabId) {
        let is_mute = self.prng.chance(500);
        let ms = self.prng.between(500, 15_000);
        self.trace.tab(self.now_us, tab, || {
            let mute = if is_mute { " and mute" } else { "" };
            format!("is deaf{mute} for {ms} ms")
        });
        self.channels.deafen(tab, is_mute);
        self.oracle.on_deaf(self.now(), tab, true);
        self.schedule(self.now_us + ms * 1_000, Event::ImpairmentEnds(tab));
    }

    pub(super) fn throttle(&mut self, tab: TabId) {
        let ms = self.prng.between(1_000, 20_000);
        self.trace
            .tab(self.now_us, tab, || "has throttled timers".to_owned());
        if let Some(runtime) = self.tabs.get_mut(&tab) {
            runtime.is_throttled = true;
        }
        self.oracle.on_throttled(tab, true);
        self.schedule(self.now_us + ms * 1_000, Event::ImpairmentEnds(tab));
    }

    pub(super) fn end_impairments(&mut self, tab: TabId) -> Result<(), Violation> {
        self.trace.tab(self.now_us, tab, || {
            "has no impairments any more".to_owned()
        });
        if self.channels.undeafen(tab) {
            self.oracle.on_deaf(self.now(), tab, false);
        }
        self.channels.end_delay(tab);
        if let Some(runtime) = self.tabs.get_mut(&tab) {
            runtime.is_throttled = false;
        }
        self.oracle.on_throttled(tab, false);
        Ok(())
    }

    /// Schedules events of locks for their tabs.
    pub(super) fn schedule_lock_notices(&mut self, notices: Vec<LockNotice>) {
        for notice in notices {
            let tab = notice.ticket.tab;
            self.schedule_in(0, 5_000, Event::Arrival(tab, Arrival::Lock(notice)));
        }
    }

    pub(super) fn post_control(&mut self, from: Sender, message: &ControlMessage) {
        for (at_us, to) in self.channels.post_control(self.now_us, from) {
            let arrival = Arrival::Control(from, message.clone());
            self.schedule(at_us, Event::Arrival(to, arrival));
        }
        if let Sender::Worker(own) = from
            && self.tabs.get(&own).is_some_and(|it| it.has_loopback)
        {
            let loopback = Event::Arrival(own, Arrival::Loopback(message.clone()));
            self.schedule_in(100, 4_000, loopback);
        }
    }

    pub(super) fn note_frame(&mut self, tab: TabId, lane: tab::Lane, frame: &[u8]) {
        self.trace.tab(self.now_us, tab, || {
            format!("posts on {}: {}", trace::lane(lane), trace::frame(frame))
        });
    }
}
