//! The database: who asks it what, and where its answers go.

use broker::{BatchId, Time};

use super::{Input, Joined, Part, Turn};
use crate::api::{Durability, EventKind};
use crate::control::ControlMessage;
use crate::log::{Log, Probe, Written};
use crate::names::TabId;
use crate::storage::{Seq, StorageEvent, StorageRequest};
use crate::takeover::{Outcome, Why};

/// What is known of the database.
#[derive(Debug, Default)]
pub(super) struct Database {
    is_open: bool,
    /// Why there is none.
    unavailable: Option<String>,
    is_asked: bool,
    /// Whether nobody waits for the answer any more.
    is_abandoned: bool,
}

impl Database {
    /// Nobody waits for the answer to what is under way.
    pub(super) fn abandon(&mut self) {
        self.is_abandoned = self.is_asked;
    }

    /// Notes an answer; whether somebody waits for it.
    fn on_event(&mut self, event: &StorageEvent) -> bool {
        match event {
            StorageEvent::Opened => {
                self.is_open = true;
                self.unavailable = None;
            }
            StorageEvent::Unavailable(why) => self.unavailable = Some(why.clone()),
            StorageEvent::Closed => self.is_open = false,
            StorageEvent::Loaded(_)
            | StorageEvent::LoadFailed(_)
            | StorageEvent::Committed(_)
            | StorageEvent::Failed(..) => {}
        }
        self.is_asked = false;
        !core::mem::take(&mut self.is_abandoned)
    }
}

impl Joined {
    /// How this tab keeps what it acknowledges as the broker.
    pub(super) fn durability_now(&self) -> Durability {
        let has_log = match &self.part {
            Part::Broker(reign) => reign.log.is_some(),
            Part::Waiting | Part::Client(_) | Part::Taking(_) => {
                self.database.unavailable.is_none()
            }
        };
        if has_log {
            self.durability
        } else {
            Durability::Memory
        }
    }

    /// Opens the database before it is needed, because that takes time.
    pub(super) fn open_database(&mut self, turn: &mut Turn<'_>) {
        if self.durability != Durability::Memory {
            self.ask(StorageRequest::Open(self.durability), turn);
        }
    }

    /// Asks what a takeover wants next.
    pub(super) fn ask_database(&mut self, turn: &mut Turn<'_>) {
        if self.database.is_asked {
            return;
        }
        if let Part::Taking(takeover) = &mut self.part
            && let Some(request) = takeover.next_request(turn.now, self.database.is_open)
        {
            self.ask(request, turn);
        }
    }

    /// Writes the next row, if there is something to write.
    pub(super) fn write_log(&mut self, turn: &mut Turn<'_>) {
        if self.database.is_asked {
            return;
        }
        let Part::Broker(reign) = &mut self.part else {
            return;
        };
        let Some(log) = &mut reign.log else {
            return;
        };
        let is_awaited = reign.host.is_waiting();
        if let Some(request) = log.next_request(turn.now, is_awaited, || reign.host.snapshot()) {
            self.ask(request, turn);
        }
    }

    fn ask(&mut self, request: StorageRequest, turn: &mut Turn<'_>) {
        self.database.is_asked = true;
        turn.storage(request);
    }

    pub(super) fn persist(&mut self, batch: BatchId, bytes: &[u8]) {
        if let Part::Broker(reign) = &mut self.part
            && let Some(log) = &mut reign.log
        {
            log.push(batch, bytes);
        }
    }

    pub(super) fn on_storage(&mut self, event: StorageEvent, turn: &mut Turn<'_>) {
        let is_awaited = self.database.on_event(&event);
        if event == StorageEvent::Closed {
            return self.on_database_closed(turn);
        }
        if !is_awaited {
            return;
        }
        match &mut self.part {
            Part::Waiting | Part::Client(_) => self.changed(),
            Part::Taking(takeover) => {
                let mut requests = Vec::new();
                let heard = self.highest_term;
                let outcome =
                    takeover.on_event(turn.now, event, heard, &self.settings, &mut requests);
                for request in requests {
                    self.ask(request, turn);
                }
                match outcome {
                    Some(Outcome::Reign(beginning)) => self.begin_reign(*beginning, turn),
                    Some(Outcome::Ousted) => self.fenced(turn),
                    None => {}
                }
            }
            Part::Broker(reign) => {
                let Some(log) = &mut reign.log else {
                    return;
                };
                match event {
                    StorageEvent::Committed(seq) => {
                        let written = log.on_committed(seq);
                        self.on_written(seq, written, turn);
                    }
                    StorageEvent::Failed(seq, error) => {
                        let written = log.on_failed(turn.now, seq, error);
                        self.on_written(seq, written, turn);
                    }
                    StorageEvent::Opened
                    | StorageEvent::Unavailable(_)
                    | StorageEvent::Loaded(_)
                    | StorageEvent::LoadFailed(_)
                    | StorageEvent::Closed => {}
                }
            }
        }
    }

    fn on_written(&mut self, seq: Seq, written: Written, turn: &mut Turn<'_>) {
        match written {
            Written::Stored {
                batch,
                probes,
                has_room_again,
            } => {
                if has_room_again {
                    turn.event(EventKind::StorageHasRoom);
                    self.with_host(turn, |host, now, out| host.on_full(now, false, out));
                }
                if let Some(batch) = batch {
                    self.with_host(turn, |host, now, out| host.on_committed(now, batch, out));
                }
                for probe in probes {
                    self.pong(probe, turn);
                }
                self.go_on(seq, turn);
            }
            Written::Fenced => self.fenced(turn),
            Written::Full => {
                if let Part::Broker(reign) = &self.part {
                    let why = Why::Full(reign.host.term);
                    self.take_over(why, turn);
                }
            }
            Written::Later(why) => self.event_seldom("storage", turn, || EventKind::Storage(why)),
            // Another tab may fare better.
            Written::Broken(why) => {
                turn.event(EventKind::Storage(why));
                self.fenced(turn);
            }
            Written::Nothing => {}
        }
    }

    /// The browser has closed the database, and most likely removed it.
    fn on_database_closed(&mut self, turn: &mut Turn<'_>) {
        let (closed, settings) = (StorageEvent::Closed, &self.settings);
        match &mut self.part {
            Part::Waiting | Part::Client(_) => {}
            Part::Taking(takeover) => {
                takeover.on_event(turn.now, closed, None, settings, &mut Vec::new());
            }
            Part::Broker(reign) if reign.log.is_some() => {
                let why = Why::Removed(reign.host.term, reign.host.snapshot());
                self.take_over(why, turn);
            }
            Part::Broker(_) => {}
        }
    }

    /// Whether this broker lives, somebody asks.
    pub(super) fn on_probe(&mut self, tab: TabId, number: u32, turn: &mut Turn<'_>) {
        let probe = Probe { tab, number };
        match &mut self.part {
            Part::Waiting | Part::Client(_) => {}
            // It takes time to read a long log; for ever it must not.
            Part::Taking(takeover) => {
                if takeover.began.plus_ms(self.settings.takeover_ms) > turn.now {
                    self.pong(probe, turn);
                }
            }
            Part::Broker(reign) => match reign.log.as_mut().filter(|log| !log.is_full()) {
                Some(log) => log.probe(probe),
                // Storage without room cures no other tab.
                None => self.pong(probe, turn),
            },
        }
    }

    fn pong(&self, probe: Probe, turn: &mut Turn<'_>) {
        let (term, committed) = match &self.part {
            Part::Broker(reign) => {
                let committed = reign.log.as_ref().map(Log::committed);
                (Some(reign.host.term), committed)
            }
            Part::Waiting | Part::Client(_) | Part::Taking(_) => (self.highest_term, None),
        };
        turn.control(ControlMessage::Pong {
            tab_id: probe.tab,
            number: probe.number,
            term: term.unwrap_or_default(),
            committed: committed.unwrap_or_default().0,
        });
    }

    // Standing still.

    /// A broker whose loop stood still must make sure that it still is the broker before it says anything.
    pub(super) fn check_standstill(&mut self, turn: &mut Turn<'_>) {
        let ms = turn.now.ms_since(self.last_turn);
        if let Part::Broker(reign) = &mut self.part
            && ms > 2 * self.settings.heartbeat_ms
        {
            let was_in_doubt = reign.is_in_doubt();
            reign.stood_still(ms);
            if !reign.is_in_doubt() {
                self.blame_nobody(turn);
            } else if !was_in_doubt {
                turn.event(EventKind::StoodStill { ms });
            }
        }
    }

    /// While this tab stood still nothing was heard of its clients, whatever they said.
    fn blame_nobody(&mut self, turn: &mut Turn<'_>) {
        if let Part::Broker(reign) = &mut self.part {
            let ms = reign.take_missed_ms();
            self.with_host(turn, |host, now, out| host.on_stood_still(now, ms, out));
        }
    }

    pub(super) fn hold_back(&mut self, input: Input, now: Time) -> Option<Input> {
        // What no tab of ours said is counted, whoever reigns.
        if let Input::Control(message) = &input
            && !self.is_plausible(message, now)
        {
            return Some(input);
        }
        match &mut self.part {
            Part::Broker(reign) => reign.hold_back(input),
            Part::Waiting | Part::Client(_) | Part::Taking(_) => Some(input),
        }
    }

    /// It is certain that this tab reigns: what waited for that goes on.
    fn go_on(&mut self, stored: Seq, turn: &mut Turn<'_>) {
        let Part::Broker(reign) = &mut self.part else {
            return;
        };
        let Some(held) = reign.proved(stored) else {
            return;
        };
        self.blame_nobody(turn);
        for input in held {
            self.take(input, turn);
            self.run_steps(turn);
        }
    }
}
