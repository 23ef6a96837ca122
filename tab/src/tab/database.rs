//! The database: which part of the tab sends requests, and which part gets the answers.

use broker::{BatchId, Time};

use crate::api::{Durability, EventKind};
use crate::election::failure_detector::StealRight;
use crate::election::promotion::{Outcome, Why};
use crate::log::storage::{
    Seq, StorageAnswer, StorageError, StorageEvent, StorageOperation, StorageRequest,
    StorageRequestId,
};
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
    /// Id of the last request.
    last_id: StorageRequestId,
    /// Requests whose answers are expected, in the order of their ids.
    under_way: Vec<UnderWay>,
    /// The last request to open it, until its answer comes. The answer counts even if this tab no longer waits for it.
    opening: Option<StorageRequestId>,
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

/// A request whose answer is expected.
#[derive(Debug)]
struct UnderWay {
    id: StorageRequestId,
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

    /// Forgets the requests under way, so that their answers are ignored. An opening serves every part of the tab and stays.
    pub(super) fn abandon(&mut self) {
        self.under_way.retain(|it| Some(it.id) == self.opening);
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
        self.under_way.iter().map(|it| it.silence_due).min()
    }

    /// Whether an answer is expected.
    fn is_busy(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Since when an answer has been expected.
    fn busy_since(&self) -> Option<Time> {
        self.under_way.first().map(|it| it.since)
    }

    /// Whether a check succeeded a moment ago.
    fn has_proved(&self, now: Time) -> bool {
        self.proved.is_some_and(|at| at.plus_ms(PROOF_MS) > now)
    }

    /// Whether its silence was reported.
    fn is_silent(&self) -> bool {
        self.under_way.iter().any(|it| it.is_reported)
    }

    /// Returns the request that opens it, if necessary, or checks that it works and contains this row.
    fn check(&self, durability: Durability, row: Option<Seq>) -> StorageOperation {
        match self.is_open {
            true => StorageOperation::Check(row),
            false => StorageOperation::Open(durability),
        }
    }

    /// Gives an operation its id. Its silence is reported after `silence_ms` milliseconds.
    fn begin(&mut self, now: Time, silence_ms: u64, operation: StorageOperation) -> StorageRequest {
        let id = StorageRequestId(self.last_id.0 + 1);
        self.last_id = id;
        if let StorageOperation::Open(_) = operation {
            // The requests of an earlier connection get no answer.
            self.under_way.clear();
            self.opening = Some(id);
        }
        self.under_way.push(UnderWay {
            id,
            since: now,
            silence_due: now.plus_ms(silence_ms),
            is_reported: false,
        });
        StorageRequest { id, operation }
    }

    /// Notes an answer. Returns whether it is expected.
    fn on_answer(&mut self, id: StorageRequestId, answer: &StorageAnswer) -> bool {
        let is_opening = self.opening.take_if(|opening| *opening == id).is_some();
        let before = self.under_way.len();
        self.under_way.retain(|it| it.id != id);
        if before == self.under_way.len() && !is_opening {
            return false;
        }
        match answer {
            StorageAnswer::Opened => {
                self.is_open = true;
                self.was_open = true;
                self.unavailable = None;
            }
            StorageAnswer::Unavailable { why, is_lasting } => {
                self.is_open = false;
                self.unavailable = is_lasting.then(|| why.clone());
            }
            // A browser may close a connection silently. All its transactions fail then, and a new connection may work.
            StorageAnswer::ReadFailed(_)
            | StorageAnswer::CheckFailed(_)
            | StorageAnswer::Failed(_, StorageError::Other(_)) => self.is_open = false,
            StorageAnswer::Page(_)
            | StorageAnswer::Checked { .. }
            | StorageAnswer::Committed(_)
            | StorageAnswer::Failed(_, StorageError::Taken | StorageError::Full) => {}
        }
        true
    }

    /// Notes that the browser has closed it: the requests under way get no answers.
    fn on_closed(&mut self) {
        self.is_open = false;
        self.opening = None;
        self.under_way.clear();
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
        let is_under_way = self.database.is_open || self.database.is_busy();
        if self.profile.durability != Durability::Memory && !is_under_way {
            self.ask(StorageOperation::Open(self.profile.durability), turn);
        }
    }

    /// Sends the next request of a promotion, or a check.
    pub(super) fn request_database(&mut self, turn: &mut Turn<'_>) {
        if self.database.is_busy() {
            return;
        }
        let operation = match &mut self.part {
            Part::Promoting(promotion) => {
                promotion.next_request(turn.now, self.database.is_open, &self.settings)
            }
            Part::Waiting | Part::Client(_) if self.database.wants_check => {
                Some(self.database.check(self.profile.durability, None))
            }
            Part::Waiting | Part::Client(_) | Part::Broker(_) => None,
        };
        if let Some(operation) = operation {
            self.ask(operation, turn);
        }
    }

    /// Writes the next row, if there is one.
    pub(super) fn write_log(&mut self, turn: &mut Turn<'_>) {
        if self.database.is_busy() {
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
        let operation = if self.database.wants_check || self.database.is_reopened && !is_pausing {
            self.database.wants_check = true;
            Some(self.database.check(self.profile.durability, last))
        } else if self.database.is_open {
            let is_awaited = leadership.hosted_broker.is_waiting();
            log.next_request(turn.now, is_awaited, || leadership.hosted_broker.snapshot())
        } else {
            self.database.is_reopened = true;
            (!is_pausing).then_some(StorageOperation::Open(self.profile.durability))
        };
        if let Some(operation) = operation {
            self.ask(operation, turn);
        }
    }

    fn ask(&mut self, operation: StorageOperation, turn: &mut Turn<'_>) {
        let silence_ms = self.settings.storage_silence_ms;
        let request = self.database.begin(turn.now, silence_ms, operation);
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
    fn on_checked(&mut self, answer: &StorageAnswer, turn: &mut Turn<'_>) {
        let works = match answer {
            // The log was removed, and this is another one.
            StorageAnswer::Checked { is_there: false } => return self.on_database_closed(turn),
            StorageAnswer::Checked { is_there: true } => true,
            // The connection may be the cause.
            StorageAnswer::CheckFailed(_) if !self.database.is_rechecked => {
                self.database.is_rechecked = true;
                self.database.wants_check = true;
                return;
            }
            StorageAnswer::CheckFailed(why) | StorageAnswer::Unavailable { why, .. } => {
                self.event_seldom("storage", turn, || EventKind::Storage(why.clone()));
                false
            }
            // The database has just been opened, or the answer belongs to an earlier request.
            StorageAnswer::Opened
            | StorageAnswer::Page(_)
            | StorageAnswer::ReadFailed(_)
            | StorageAnswer::Committed(_)
            | StorageAnswer::Failed(..) => {
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
        let mut under_way = self.database.under_way.iter_mut();
        let Some(silent) = under_way.find(|it| it.silence_due <= turn.now) else {
            return;
        };
        // A suspended tab gets its timer first and the answer after that.
        let is_late = silent.silence_due.plus_ms(self.settings.probe_lateness_ms) < turn.now;
        silent.silence_due = turn.now.plus_ms(silence_ms);
        if is_late {
            return;
        }
        silent.is_reported = true;
        let seconds = turn.now.ms_since(silent.since) / 1_000;
        let why = format!("The database has not answered for {seconds} s.");
        if self.watch.detector.is_requesting() {
            self.on_steal_right(StealRight::Denied, turn);
        }
        if !self.database.is_open {
            // The request would open it. It is given up, because another attempt may succeed.
            self.database.under_way.clear();
        }
        if let Part::Promoting(promotion) = &mut self.part
            && !self.database.is_busy()
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
        match event {
            StorageEvent::Closed => {
                self.database.on_closed();
                self.on_database_closed(turn);
            }
            StorageEvent::Answer(id, answer) => {
                if self.database.on_answer(id, &answer) {
                    self.on_answer(answer, turn);
                }
            }
        }
    }

    fn on_answer(&mut self, answer: StorageAnswer, turn: &mut Turn<'_>) {
        if core::mem::take(&mut self.database.wants_check) {
            self.on_checked(&answer, turn);
        }
        match &mut self.part {
            Part::Waiting | Part::Client(_) => match answer {
                StorageAnswer::Opened | StorageAnswer::Unavailable { .. } => self.changed(),
                _ => {}
            },
            Part::Promoting(promotion) => {
                let mut operations = Vec::new();
                let highest_term = self.highest_term;
                let outcome = promotion.on_answer(
                    turn.now,
                    answer,
                    highest_term,
                    &self.settings,
                    &mut operations,
                );
                for operation in operations {
                    self.ask(operation, turn);
                }
                self.on_outcome(outcome, turn);
            }
            Part::Broker(leadership) => {
                let Some(log) = &mut leadership.log else {
                    return;
                };
                match answer {
                    StorageAnswer::Committed(seq) => {
                        let written = log.on_committed(seq);
                        self.on_written(written, turn);
                    }
                    StorageAnswer::Failed(seq, error) => {
                        let written = log.on_failed(turn.now, seq, error);
                        let is_failing = log.trouble() == Some(Trouble::Failing);
                        self.database.wants_check = is_failing;
                        self.database.suspects_row = is_failing;
                        self.on_written(written, turn);
                    }
                    // The failed row waits for another attempt already.
                    StorageAnswer::Unavailable { .. } if log.is_pausing(turn.now) => {}
                    StorageAnswer::Unavailable { why, .. } => {
                        let written = log.put_off(turn.now, why);
                        self.on_written(written, turn);
                    }
                    // It was reopened and still does not work.
                    StorageAnswer::CheckFailed(why)
                        if !self.database.wants_check && !log.is_pausing(turn.now) =>
                    {
                        let written = log.put_off(turn.now, why);
                        self.on_written(written, turn);
                    }
                    StorageAnswer::Opened
                    | StorageAnswer::Page(_)
                    | StorageAnswer::ReadFailed(_)
                    | StorageAnswer::Checked { .. }
                    | StorageAnswer::CheckFailed(_) => {}
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
        match &mut self.part {
            Part::Waiting | Part::Client(_) => {}
            Part::Promoting(promotion) => promotion.on_closed(),
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
                    let since = self.database.busy_since();
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

#[cfg(test)]
mod tests;
