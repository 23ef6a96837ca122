//! One turn of a worker's loop, and the outputs of its tab.

use tab::api::{Notice, Role};
use tab::control::ControlMessage;
use tab::storage::{StorageAnswer, StorageOperation, StorageRequest};
use tab::{Input, Lock, LockRequest, Output, TabId};

use super::stall::Arrival;
use super::{Event, World};
use crate::browser::channels::Sender;
use crate::mutant::Mutant;
use crate::scenario::Fault;
use crate::trace;
use crate::violation::Violation;

impl World<'_> {
    /// Runs one turn of a worker's loop. The next inputs may belong to the same turn.
    pub(super) fn turn(&mut self, tab: TabId, input: Input) -> Result<(), Violation> {
        let now = self.clock(tab);
        let Some(runtime) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        self.trace.tab(self.now_us, tab, || trace::input(&input));
        let mut outputs = Vec::new();
        runtime.tab.handle(now, input, &mut outputs);
        let role = runtime.tab.role();
        let term = self.oracle.term();
        self.oracle.on_role(self.now(), tab, role)?;
        if self.oracle.term() > term && self.prng.chance(self.plan.after_election_per_mille) {
            self.schedule_in(0, 20_000, Event::ExtraFault);
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

    pub(super) fn flush_now(&mut self, tab: TabId) -> Result<(), Violation> {
        let is_due = self.tabs.get(&tab).is_some_and(|it| it.is_flush_due);
        if is_due {
            self.flush(tab)?;
            self.arm(tab);
        }
        Ok(())
    }

    pub(super) fn flush(&mut self, tab: TabId) -> Result<(), Violation> {
        let now = self.clock(tab);
        let Some(runtime) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        runtime.is_flush_due = false;
        let mut outputs = Vec::new();
        runtime.tab.flush(now, &mut outputs);
        self.carry_out(tab, outputs)
    }

    /// Sets the one timer, which may be late.
    fn arm(&mut self, tab: TabId) {
        const THROTTLED_US: u64 = 1_000_000;
        let late_us = if self.prng.chance(200) { 50_000 } else { 2_000 };
        let now = self.clock(tab);
        let Some(runtime) = self.tabs.get_mut(&tab) else {
            return;
        };
        let due = runtime.tab.next_timeout();
        if runtime.armed == due {
            return;
        }
        runtime.armed = due;
        runtime.timers += 1;
        let (no, is_throttled) = (runtime.timers, runtime.is_throttled);
        if let Some(due) = due {
            let mut at_us = self.now_us + due.ms_since(now) * 1_000;
            if is_throttled {
                at_us = at_us.next_multiple_of(THROTTLED_US);
            }
            let at_us = at_us + self.prng.between(0, late_us);
            self.schedule(at_us, Event::Arrival(tab, Arrival::Timer(no)));
        }
    }

    // Outputs.

    fn carry_out(&mut self, tab: TabId, outputs: Vec<Output>) -> Result<(), Violation> {
        for output in outputs {
            match output {
                Output::Join(_) => self.channels.join(tab),
                Output::Control(message) => self.on_control(tab, &message),
                Output::OpenLane(lane) => self.channels.open(tab, lane),
                Output::Post(lane, frame) => {
                    self.note_frame(tab, lane, &frame);
                    if let Some(victim) = self.channels.disrupted_tab(tab, lane) {
                        self.trace
                            .tab(self.now_us, tab, || "the frame is lost or late".to_owned());
                        self.oracle.on_disruption(self.now(), victim);
                    }
                    let posts = self.channels.post_frame(self.now_us, tab, lane, &frame);
                    let posts = posts.ok_or(Violation::PostedOnClosedLane { tab, lane })?;
                    for (at_us, posted) in posts {
                        let arrival = Event::Arrival(posted.to, Arrival::Frame(posted));
                        self.schedule(at_us, arrival);
                    }
                }
                Output::CloseLane(lane) => {
                    if !self.channels.close(tab, lane) {
                        return Err(Violation::LaneClosedTwice { tab, lane });
                    }
                }
                Output::Lock(request) => self.on_lock_request(tab, request)?,
                Output::Storage(request) => self.on_storage_request(tab, request)?,
                Output::LoopbackProbe(has_loopback) => {
                    if let Some(runtime) = self.tabs.get_mut(&tab) {
                        runtime.has_loopback = has_loopback;
                    }
                }
                Output::Port(no, output) => self.deliver_to_port(tab, no, output)?,
                Output::Notify(notices) => {
                    for notice in notices {
                        if let Notice::CreditCheckpoint(checkpoint) = notice {
                            self.oracle.tally.credit_checkpoints += 1;
                            if self.mutant == Some(Mutant::CreditTooEarly) {
                                let early = Event::Arrival(tab, Arrival::EarlyCredit(checkpoint));
                                self.schedule(self.now_us, early);
                            }
                            let late_us = self.plan.page_ms * 1_000;
                            let credit = Event::Arrival(tab, Arrival::Credit(checkpoint));
                            self.schedule_in(0, late_us, credit);
                        }
                        if matches!(notice, Notice::Answer(..))
                            && self.mutant == Some(Mutant::AnswerLost)
                            && self.question_prng.chance(100)
                        {
                            continue;
                        }
                        self.trace.tab(self.now_us, tab, || {
                            format!("notifies its page: {}", trace::notice(&notice))
                        });
                        let ended = self.oracle.on_notice(self.now(), tab, notice)?;
                        if let (Some(no), Some(runtime)) = (ended, self.tabs.get_mut(&tab)) {
                            runtime.page.on_ended(no);
                        }
                    }
                    self.oracle.check_refusals(tab)?;
                    self.oracle.check_port_order(tab)?;
                }
            }
        }
        Ok(())
    }

    fn on_control(&mut self, tab: TabId, message: &ControlMessage) {
        self.trace.tab(self.now_us, tab, || {
            format!("posts {}", trace::control(message))
        });
        self.post_control(Sender::Worker(tab), message);
        let ControlMessage::Probe { tab_id, number } = *message else {
            return;
        };
        self.oracle.tally.probes += 1;
        if self.mutant == Some(Mutant::LoopbackForged) {
            let loopback = Input::Loopback(message.clone());
            let forged = Arrival::Forged(loopback);
            self.schedule_in(100, 4_000, Event::Arrival(tab, forged));
        }
        if self.mutant == Some(Mutant::PongForged)
            && let Some(Role::Client { term, .. }) = self.tabs.get(&tab).map(|it| it.tab.role())
        {
            let pong = Input::Control(ControlMessage::Pong {
                tab_id,
                number,
                term,
                committed: 1,
            });
            let forged = Arrival::Forged(pong);
            self.schedule_in(100, 4_000, Event::Arrival(tab, forged));
        }
    }

    fn on_lock_request(&mut self, tab: TabId, request: LockRequest) -> Result<(), Violation> {
        self.trace
            .tab(self.now_us, tab, || trace::lock_request(request));
        let notices = match request {
            LockRequest::Acquire(lock) => self.locks.acquire(tab, lock),
            LockRequest::AcquireIfFree(lock) => self.locks.acquire_if_free(tab, lock),
            LockRequest::Steal(lock) => {
                let holder = self.locks.first_two(lock).0;
                self.oracle.on_steal(self.now(), tab, holder)?;
                self.locks.steal(tab, lock)
            }
            LockRequest::Release(lock) => self.locks.release(tab, lock),
        };
        self.schedule_lock_notices(notices);
        Ok(())
    }

    // The database.

    fn on_storage_request(&mut self, tab: TabId, request: StorageRequest) -> Result<(), Violation> {
        self.trace
            .tab(self.now_us, tab, || trace::storage_request(&request));
        let has_lock = self.locks.is_held_by(tab, Lock::Broker);
        self.oracle
            .on_storage_request(self.now(), tab, &request.operation, has_lock)?;
        let id = request.id;
        let row = match &request.operation {
            StorageOperation::Append(seq, _) => Some(*seq),
            StorageOperation::Open(_)
            | StorageOperation::Read(..)
            | StorageOperation::Check(_)
            | StorageOperation::Checkpoint(_)
            | StorageOperation::Close => None,
        };
        let is_promised = row.is_some() && self.mutant == Some(Mutant::AckBeforeCommit);
        let is_opening = matches!(request.operation, StorageOperation::Open(_));
        let due = self.disk.request(self.now_us, tab, request);
        let due = due.map_err(|misuse| Violation::StorageMisused { tab, misuse })?;
        self.oracle.tally.openings_unanswered += u64::from(is_opening && due.is_none());
        if let Some((at_us, transaction)) = due {
            self.schedule(at_us, Event::Disk(transaction));
            if row.is_some() && self.prng.chance(self.plan.at_commit_per_mille) {
                // Before it is submitted, while it is written, or before its tab gets the answer.
                self.schedule_in(0, 3_000, Event::MidCommit(tab));
            }
            if let (true, Some(seq), Some(connection)) =
                (is_promised, row, self.disk.connection(tab))
            {
                let answer = Arrival::Stored(connection, id, StorageAnswer::Committed(seq));
                self.schedule_in(100, 500, Event::Arrival(tab, answer));
            }
        }
        Ok(())
    }

    pub(super) fn on_disk(&mut self, transaction: u64) -> Result<(), Violation> {
        let Some(tab) = self.disk.owner_of(transaction) else {
            self.oracle.tally.transactions_lost += 1;
            return Ok(());
        };
        let outcome = self.disk.carry_out(self.now_us, transaction);
        let Some(outcome) = outcome
            .transpose()
            .map_err(|misuse| Violation::StorageMisused { tab, misuse })?
        else {
            return Ok(());
        };
        self.trace
            .tab(self.now_us, tab, || trace::stored(&outcome.answer));
        if !self.tabs.contains_key(&tab) {
            self.oracle.tally.transactions_of_ended_tabs += 1;
        }
        self.oracle.on_answer(self.now(), tab, &outcome.answer);
        let is_row = matches!(
            outcome.answer,
            StorageAnswer::Committed(_) | StorageAnswer::Failed(..)
        );
        if let Some(change) = &outcome.change {
            self.oracle.on_change(tab, change)?;
            let others = self.reading.iter().filter(|(reader, _)| **reader != tab);
            if others.clone().any(|(_, until_us)| *until_us > self.now_us) {
                self.oracle.tally.rows_stored_during_reads += 1;
            }
        }
        let is_promised = is_row
            && self.mutant == Some(Mutant::AckBeforeCommit)
            && !matches!(
                outcome.change,
                Some(crate::browser::disk::Change::Checkpoint(_))
            );
        if !is_promised {
            let answer = Arrival::Stored(outcome.connection, outcome.id, outcome.answer);
            let at_us = self.now_us + self.answer_us(outcome.is_in_files);
            if outcome.is_in_files {
                self.oracle.tally.files_read += 1;
                self.reading.insert(tab, at_us);
            }
            self.schedule(at_us, Event::Arrival(tab, answer));
        }
        Ok(())
    }

    /// Time from a transaction to the arrival of its answer.
    fn answer_us(&mut self, is_in_files: bool) -> u64 {
        let after_us = self.prng.between(50, 1_000);
        if is_in_files && !self.is_recovering {
            return after_us + self.prng.between(0, 500_000);
        }
        after_us
    }

    pub(super) fn on_mid_commit(&mut self, tab: TabId) -> Result<(), Violation> {
        if self.is_recovering || !self.tabs.contains_key(&tab) {
            return Ok(());
        }
        if self.plan.has(Fault::Hang) && self.prng.chance(500) {
            self.oracle.tally.hangs_in_mid_commit += 1;
            let ms = self.prng.one_of([500, 2_500, 6_000]);
            return self.stall(tab, ms);
        }
        self.oracle.tally.crashes_in_mid_commit += 1;
        self.end_tab(tab, true);
        Ok(())
    }
}
