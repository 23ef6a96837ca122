//! The database: which part of the tab sends requests, and which part gets the answers.

use broker::{BatchId, Time};

use crate::api::{Durability, EventKind};
use crate::election::failure_detector::StealRight;
use crate::election::promotion::{Outcome, Why};
use crate::log::storage::{Seq, StorageError, StorageEvent, StorageRequest};
use crate::log::{Log, Probe, Trouble, Written};
use crate::protocol::control::ControlMessage;
use crate::protocol::names::{Lock, TabId};

use super::{Joined, LockRequest, Part, Turn};

/// How long the result of a successful check is valid, in ms.
const PROOF_MS: u64 = 2_000;

/// Maximum age (ms) of a request to replace the broker. After that, the broker has to be probed again.
const LATE_MS: u64 = 500;

/// State of the database.
#[derive(Debug, Default)]
pub(super) struct Database {
    is_open: bool,
    /// Whether this tab has ever opened it.
    was_open: bool,
    /// Why this browser offers no database. `None` if it does or may.
    unavailable: Option<String>,
    asked: Option<Asked>,
    /// Whether the answer to the pending request is ignored.
    is_abandoned: bool,
    /// Whether a check is to be made.
    wants_check: bool,
    /// Whether a check failed and is repeated on a new connection.
    is_rechecked: bool,
    /// When a check last succeeded.
    proved: Option<Time>,
    /// When this tab last requested to replace the broker.
    right_wanted: Time,
    /// Whether a row failed so often that the row itself may be the cause.
    suspects_row: bool,
    /// Whether this broker has reopened it. It may contain another log than before.
    is_reopened: bool,
    /// Whether repeated failure was reported, and recovery was not.
    is_failing: bool,
    /// Identity of the log, as far as it is known.
    pub(super) log_identity: Option<u64>,
}

/// The pending request.
#[derive(Debug)]
struct Asked {
    since: Time,
    /// When to report that the database is silent, first or again.
    silence_due: Time,
    is_reported: bool,
}

impl Database {
    /// `log_identity`: the last one that a page of this channel has learned.
    pub(super) fn new(log_identity: Option<u64>) -> Self {
        Self {
            log_identity,
            ..Self::default()
        }
    }

    /// Ignores the answer to the pending request.
    pub(super) fn abandon(&mut self) {
        self.is_abandoned = self.asked.is_some();
    }

    /// Cancels the check: the requests of a promotion show whether the database works.
    pub(super) fn forget_check(&mut self) {
        self.wants_check = false;
        self.suspects_row = false;
        self.is_reopened = false;
    }

    /// Whether this tab has ever opened it.
    pub(super) fn was_open(&self) -> bool {
        self.was_open
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.asked.as_ref().map(|asked| asked.silence_due)
    }

    /// Whether a check succeeded a moment ago.
    fn has_proved(&self, now: Time) -> bool {
        self.proved.is_some_and(|at| at.plus_ms(PROOF_MS) > now)
    }

    /// Whether its silence was reported.
    fn is_silent(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.is_reported)
    }

    /// Returns the request that opens it, if necessary, or checks that it works and contains this row.
    fn check(&self, durability: Durability, row: Option<Seq>) -> StorageRequest {
        match self.is_open {
            true => StorageRequest::Check(row),
            false => StorageRequest::Open(durability),
        }
    }

    /// Notes an answer. Returns whether the answer is expected.
    fn on_event(&mut self, event: &StorageEvent) -> bool {
        match event {
            StorageEvent::Opened => {
                self.is_open = true;
                self.was_open = true;
                self.unavailable = None;
            }
            StorageEvent::Unavailable { why, is_lasting } => {
                self.is_open = false;
                self.unavailable = is_lasting.then(|| why.clone());
            }
            // A browser may close a connection silently. All its transactions fail then, and a new connection may work.
            StorageEvent::Closed
            | StorageEvent::LoadFailed(_)
            | StorageEvent::CheckFailed(_)
            | StorageEvent::Failed(_, StorageError::Other(_)) => self.is_open = false,
            StorageEvent::Loaded(_)
            | StorageEvent::Checked { .. }
            | StorageEvent::Committed(_)
            | StorageEvent::Failed(_, StorageError::Taken | StorageError::Full) => {}
        }
        self.asked = None;
        !core::mem::take(&mut self.is_abandoned)
    }
}

impl Joined {
    /// The durability of this tab's broker, now or if it were elected.
    pub(super) fn durability_now(&self) -> Durability {
        let has_log = match &self.part {
            Part::Broker(leadership) => leadership.log.is_some(),
            Part::Waiting | Part::Client(_) | Part::Promoting(_) => {
                self.database.unavailable.is_none()
            }
        };
        if has_log {
            self.profile.durability
        } else {
            Durability::Memory
        }
    }

    /// Opens the database early, because opening takes time.
    pub(super) fn open_database(&mut self, turn: &mut Turn<'_>) {
        // A page that becomes visible has it checked, and opened for that, perhaps before the tab holds its lock.
        let is_under_way = self.database.is_open || self.database.asked.is_some();
        if self.profile.durability != Durability::Memory && !is_under_way {
            self.ask(StorageRequest::Open(self.profile.durability), turn);
        }
    }

    /// Sends the next request of a promotion, or a check.
    pub(super) fn request_database(&mut self, turn: &mut Turn<'_>) {
        if self.database.asked.is_some() {
            return;
        }
        let request = match &mut self.part {
            Part::Promoting(promotion) => promotion.next_request(turn.now, self.database.is_open),
            Part::Waiting | Part::Client(_) if self.database.wants_check => {
                Some(self.database.check(self.profile.durability, None))
            }
            Part::Waiting | Part::Client(_) | Part::Broker(_) => None,
        };
        if let Some(request) = request {
            self.ask(request, turn);
        }
    }

    /// Writes the next row, if there is one.
    pub(super) fn write_log(&mut self, turn: &mut Turn<'_>) {
        if self.database.asked.is_some() {
            return;
        }
        let Part::Broker(leadership) = &mut self.part else {
            return;
        };
        let Some(log) = &mut leadership.log else {
            return;
        };
        let last = Some(log.committed()).filter(|last| *last > Seq::default());
        let is_pausing = log.is_pausing(turn.now);
        let request = if self.database.wants_check || self.database.is_reopened && !is_pausing {
            self.database.wants_check = true;
            Some(self.database.check(self.profile.durability, last))
        } else if self.database.is_open {
            let is_awaited = leadership.hosted_broker.is_waiting();
            log.next_request(turn.now, is_awaited, || leadership.hosted_broker.snapshot())
        } else {
            self.database.is_reopened = true;
            (!is_pausing).then_some(StorageRequest::Open(self.profile.durability))
        };
        if let Some(request) = request {
            self.ask(request, turn);
        }
    }

    fn ask(&mut self, request: StorageRequest, turn: &mut Turn<'_>) {
        self.database.asked = Some(Asked {
            since: turn.now,
            silence_due: turn.now.plus_ms(self.settings.storage_silence_ms),
            is_reported: false,
        });
        turn.storage(request);
    }

    // Checks.

    /// Requests a check of the database, if this tab uses one.
    pub(super) fn check_database(&mut self) {
        if self.profile.durability == Durability::Memory || self.database.unavailable.is_some() {
            return;
        }
        match &mut self.part {
            Part::Waiting | Part::Client(_) => self.database.wants_check = true,
            // The requests of a promotion show whether it works.
            Part::Promoting(_) => {}
            Part::Broker(leadership) => {
                if let Some(log) = &mut leadership.log {
                    log.verify();
                }
            }
        }
    }

    /// Requests the steal lock once this tab's own database works. If the databases of two tabs fail, neither should
    /// replace the other.
    pub(super) fn request_steal(&mut self, turn: &mut Turn<'_>) {
        if self.profile.durability == Durability::Memory || self.database.unavailable.is_some() {
            return turn.lock(LockRequest::AcquireIfFree(Lock::Steal));
        }
        if self.database.has_proved(turn.now) {
            return turn.lock(LockRequest::AcquireIfFree(Lock::Steal));
        }
        self.database.wants_check = true;
        self.database.right_wanted = turn.now;
        if self.database.is_silent() {
            self.on_steal_right(StealRight::Denied, turn);
        }
    }

    /// Handles the answer to one step of a check. The check may need another step.
    fn on_checked(&mut self, event: &StorageEvent, turn: &mut Turn<'_>) {
        let works = match event {
            // The log was removed, and this is another one.
            StorageEvent::Checked { is_there: false } => return self.on_database_closed(turn),
            StorageEvent::Checked { is_there: true } => true,
            // The connection may be the cause.
            StorageEvent::CheckFailed(_) if !self.database.is_rechecked => {
                self.database.is_rechecked = true;
                self.database.wants_check = true;
                return;
            }
            StorageEvent::CheckFailed(why) | StorageEvent::Unavailable { why, .. } => {
                self.event_seldom("storage", turn, || EventKind::Storage(why.clone()));
                false
            }
            // The database has just been opened, or the answer belongs to an earlier request.
            StorageEvent::Opened
            | StorageEvent::Loaded(_)
            | StorageEvent::LoadFailed(_)
            | StorageEvent::Committed(_)
            | StorageEvent::Failed(..)
            | StorageEvent::Closed => {
                self.database.wants_check = true;
                return;
            }
        };
        self.database.is_rechecked = false;
        self.database.is_reopened &= !works;
        let suspects_row = core::mem::take(&mut self.database.suspects_row);
        self.database.proved = works.then_some(turn.now);
        let is_late = self.database.right_wanted.plus_ms(LATE_MS) < turn.now;
        match &self.part {
            Part::Waiting | Part::Client(_) if self.watch.detector.is_requesting() => match works {
                // The broker may have answered meanwhile, and this tab may have stopped receiving messages.
                true if is_late => self.restart_probing(turn),
                true => turn.lock(LockRequest::AcquireIfFree(Lock::Steal)),
                false => self.on_steal_right(StealRight::Denied, turn),
            },
            Part::Waiting | Part::Client(_) | Part::Promoting(_) => {}
            // The database works but does not accept the broker's row. The broker handles this like missing room.
            Part::Broker(leadership) if works && suspects_row => {
                let why = Why::Full(leadership.hosted_broker.term);
                self.database.is_failing = false;
                self.begin_promotion(why, turn);
            }
            Part::Broker(_) => {}
        }
    }

    /// Reports that the database does not answer, if that is so.
    pub(super) fn check_database_silence(&mut self, turn: &mut Turn<'_>) {
        let silence_ms = self.settings.storage_silence_ms;
        let Some(asked) = &mut self.database.asked else {
            return;
        };
        if asked.silence_due > turn.now {
            return;
        }
        // A suspended tab gets its timer first and the answer after that.
        let is_late = asked.silence_due.plus_ms(self.settings.probe_lateness_ms) < turn.now;
        asked.silence_due = turn.now.plus_ms(silence_ms);
        if is_late {
            return;
        }
        asked.is_reported = true;
        let seconds = turn.now.ms_since(asked.since) / 1_000;
        let why = format!("The database has not answered for {seconds} s.");
        if self.watch.detector.is_requesting() {
            self.on_steal_right(StealRight::Denied, turn);
        }
        if !self.database.is_open {
            // The pending request would open it. It is given up, because another attempt may succeed.
            self.database.asked = None;
            self.database.is_abandoned = false;
        }
        if let Part::Promoting(promotion) = &mut self.part
            && self.database.asked.is_none()
        {
            let highest_term = self.highest_term;
            let outcome = promotion.on_silence(turn.now, highest_term, why, &self.settings);
            return self.on_outcome(outcome, turn);
        }
        self.event_seldom("storage", turn, || EventKind::Storage(why));
    }

    fn report_failure(&mut self, why: String, turn: &mut Turn<'_>) {
        if !core::mem::replace(&mut self.database.is_failing, true) {
            turn.event(EventKind::StorageFailing(why));
        }
    }

    /// Reports that the database works, if a failure was reported.
    pub(super) fn report_recovery(&mut self, turn: &mut Turn<'_>) {
        if core::mem::take(&mut self.database.is_failing) {
            turn.event(EventKind::StorageWorks);
        }
    }

    pub(super) fn persist(&mut self, batch: BatchId, bytes: &[u8]) {
        if let Part::Broker(leadership) = &mut self.part
            && let Some(log) = &mut leadership.log
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
        if core::mem::take(&mut self.database.wants_check) {
            self.on_checked(&event, turn);
        }
        match &mut self.part {
            Part::Waiting | Part::Client(_) => match event {
                StorageEvent::Opened | StorageEvent::Unavailable { .. } => self.changed(),
                _ => {}
            },
            Part::Promoting(promotion) => {
                let mut requests = Vec::new();
                let highest_term = self.highest_term;
                let outcome = promotion.on_event(
                    turn.now,
                    event,
                    highest_term,
                    &self.settings,
                    &mut requests,
                );
                for request in requests {
                    self.ask(request, turn);
                }
                self.on_outcome(outcome, turn);
            }
            Part::Broker(leadership) => {
                let Some(log) = &mut leadership.log else {
                    return;
                };
                match event {
                    StorageEvent::Committed(seq) => {
                        let written = log.on_committed(seq);
                        self.on_written(written, turn);
                    }
                    StorageEvent::Failed(seq, error) => {
                        let written = log.on_failed(turn.now, seq, error);
                        let is_failing = log.trouble() == Some(Trouble::Failing);
                        self.database.wants_check = is_failing;
                        self.database.suspects_row = is_failing;
                        self.on_written(written, turn);
                    }
                    // The failed row waits for another attempt already.
                    StorageEvent::Unavailable { .. } if log.is_pausing(turn.now) => {}
                    StorageEvent::Unavailable { why, .. } => {
                        let written = log.put_off(turn.now, why);
                        self.on_written(written, turn);
                    }
                    // It was reopened and still does not work.
                    StorageEvent::CheckFailed(why)
                        if !self.database.wants_check && !log.is_pausing(turn.now) =>
                    {
                        let written = log.put_off(turn.now, why);
                        self.on_written(written, turn);
                    }
                    StorageEvent::Opened
                    | StorageEvent::Loaded(_)
                    | StorageEvent::LoadFailed(_)
                    | StorageEvent::Closed
                    | StorageEvent::Checked { .. }
                    | StorageEvent::CheckFailed(_) => {}
                }
            }
        }
    }

    /// Handles the result of a promotion step, and reports failures on the way.
    fn on_outcome(&mut self, outcome: Option<Outcome>, turn: &mut Turn<'_>) {
        if let Part::Promoting(promotion) = &mut self.part
            && let Some(why) = promotion.take_unreported()
        {
            let is_lasting = promotion.has_failed_often(&self.settings);
            if is_lasting {
                self.report_failure(why, turn);
            } else {
                self.event_seldom("storage", turn, || EventKind::Storage(why));
            }
        }
        match outcome {
            Some(Outcome::Leadership(beginning)) => self.begin_leadership(*beginning, turn),
            Some(Outcome::Superseded) => self.fenced(turn),
            None => {}
        }
    }

    fn on_written(&mut self, written: Written, turn: &mut Turn<'_>) {
        match written {
            Written::Stored {
                batch,
                probes,
                ended,
                is_proof,
            } => {
                match ended {
                    Some(Trouble::Full) => turn.event(EventKind::StorageHasRoom),
                    Some(Trouble::Failing) => self.report_recovery(turn),
                    None => {}
                }
                if ended.is_some() {
                    self.with_broker(turn, |hosted_broker, now, out| {
                        hosted_broker.on_full(now, false, out);
                    });
                }
                if let Some(batch) = batch {
                    self.with_broker(turn, |hosted_broker, now, out| {
                        hosted_broker.on_committed(now, batch, out);
                    });
                }
                for probe in probes {
                    self.pong(probe, turn);
                }
                if is_proof {
                    self.resume_after_proof(turn);
                }
            }
            Written::Fenced => self.fenced(turn),
            Written::Full => {
                if let Part::Broker(leadership) = &self.part {
                    let why = Why::Full(leadership.hosted_broker.term);
                    self.begin_promotion(why, turn);
                }
            }
            Written::Later(why) => self.event_seldom("storage", turn, || EventKind::Storage(why)),
            Written::Failing(why) => {
                self.report_failure(why, turn);
                self.with_broker(turn, |hosted_broker, now, out| {
                    hosted_broker.on_full(now, true, out);
                });
            }
            Written::Nothing => {}
        }
    }

    /// The browser has closed the database, and has probably removed it.
    fn on_database_closed(&mut self, turn: &mut Turn<'_>) {
        let (closed, settings) = (StorageEvent::Closed, &self.settings);
        match &mut self.part {
            Part::Waiting | Part::Client(_) => {}
            Part::Promoting(promotion) => {
                promotion.on_event(turn.now, closed, None, settings, &mut Vec::new());
            }
            Part::Broker(leadership) if leadership.log.is_some() => {
                let why = Why::Removed(
                    leadership.hosted_broker.term,
                    leadership.hosted_broker.snapshot(),
                );
                self.begin_promotion(why, turn);
            }
            Part::Broker(_) => {}
        }
    }

    /// Another tab asks whether this broker lives.
    pub(super) fn on_probe(&mut self, tab: TabId, number: u32, turn: &mut Turn<'_>) {
        let probe = Probe { tab, number };
        match &mut self.part {
            Part::Waiting | Part::Client(_) => {}
            // Reading a long log takes time, but it must end. A tab whose database works should replace one whose
            // database fails.
            Part::Promoting(promotion) => {
                let is_late = promotion.began.plus_ms(self.settings.promotion_ms) <= turn.now;
                if !is_late && !promotion.is_failing() && !self.database.is_silent() {
                    self.pong(probe, turn);
                }
            }
            Part::Broker(leadership) => match &mut leadership.log {
                None => self.pong(probe, turn),
                // No other tab would have more room.
                Some(log) if log.trouble() == Some(Trouble::Full) => self.pong(probe, turn),
                Some(log) => {
                    let since = self.database.asked.as_ref().map(|asked| asked.since);
                    if since.is_some_and(|since| log.is_busy(since, turn.now)) {
                        self.pong(probe, turn);
                    } else {
                        log.probe(probe);
                    }
                }
            },
        }
    }

    fn pong(&self, probe: Probe, turn: &mut Turn<'_>) {
        let (term, committed) = match &self.part {
            Part::Broker(leadership) => {
                let committed = leadership.log.as_ref().map(Log::committed);
                (Some(leadership.hosted_broker.term), committed)
            }
            Part::Waiting | Part::Client(_) | Part::Promoting(_) => (self.highest_term, None),
        };
        turn.control(ControlMessage::Pong {
            tab_id: probe.tab,
            number: probe.number,
            term: term.unwrap_or_default(),
            committed: committed.unwrap_or_default().0,
        });
    }
}
