//! Leadership: which tab considers itself the broker, and whose rows are stored.

use std::collections::{BTreeMap, BTreeSet};

use tab::api::{Role, Term};
use tab::storage::{RowKind, StorageAnswer, StorageError, StorageOperation};
use tab::{TabId, Time};

use super::Oracle;
use crate::browser::disk::Change;
use crate::plan::Guarantee;
use crate::violation::Violation;
use crate::workload::message_id::MessageId;

/// Terms and messages that the disk has stored.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The highest term with a fence.
    fence: Option<Term>,
    /// The tab of each fence that was ever stored.
    fences: BTreeMap<Term, TabId>,
    /// All messages that were ever stored.
    stored: BTreeSet<MessageId>,
}

impl Oracle {
    /// At most one tab is the broker, and terms rise.
    pub(crate) fn on_role(&mut self, now: Time, tab: TabId, role: Role) -> Result<(), Violation> {
        let Some(view) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        if core::mem::replace(&mut view.role, role) == role {
            return Ok(());
        }
        match role {
            Role::Broker { .. } => view.claims_leadership = true,
            Role::Client { .. } => view.claims_leadership = false,
            Role::Waiting => {}
        }
        view.health.is_lock_stolen &= matches!(role, Role::Broker { .. });
        self.end_leadership(tab);
        let Role::Broker { term } = role else {
            return Ok(());
        };
        for first in self.brokers.keys() {
            let health = self.tabs.get(first).map(|view| &view.health);
            let is_excused =
                !self.plan.has_web_locks || health.is_none_or(|health| health.is_excused(now));
            if !is_excused {
                let (first, second) = (*first, tab);
                return Err(Violation::TwoBrokers { first, second });
            }
            self.tally.stale_brokers += 1;
        }
        self.check_term(tab, term)?;
        self.tally.elections += 1;
        self.leaders.insert(term, tab);
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.is_loading_log = false;
            if core::mem::take(&mut view.may_have_read_lost_rows) {
                self.mark_log_damaged();
            }
        }
        self.brokers.insert(tab, term);
        if self.broker.is_none_or(|(_, highest)| highest <= term) {
            self.broker = Some((tab, term));
        }
        Ok(())
    }

    /// The tab does not consider itself the broker any more. Returns whether it did.
    pub(super) fn end_leadership(&mut self, tab: TabId) -> bool {
        let has_ended = self.brokers.remove(&tab).is_some();
        let was_latest = self.broker.take_if(|(broker, _)| *broker == tab).is_some();
        if was_latest {
            // A fence stops the brokers of lower terms. A later broker without a log or without room stored no fence,
            // and so it stops no earlier broker that does not know of it.
            let fence = match self.plan.guarantee {
                Guarantee::Durable => self.log.fence,
                Guarantee::Memory | Guarantee::Recovery => None,
            };
            let left = self.brokers.iter().map(|(tab, term)| (*tab, *term));
            let left = left.filter(|(_, term)| Some(*term) >= fence);
            self.broker = left.max_by_key(|(_, term)| *term);
        }
        has_ended
    }

    fn check_term(&self, tab: TabId, term: Term) -> Result<(), Violation> {
        let before = match self.plan.guarantee {
            Guarantee::Memory => self.leaders.last_key_value().map(|(before, _)| *before),
            // The order of the fences counts: the tab with the first one may learn last that it was stored. A broker
            // whose fence could not be stored promises nothing, and may have the term of another one.
            Guarantee::Durable => {
                let view = self.tabs.get(&tab).filter(|view| !view.has_failed_write);
                view.and_then(|_| self.fence_of_another(tab, term))
            }
            // A broker that was denied the database reads no terms there, and may not know of one that ended at once.
            // Of two brokers with one term, the one elected later counts.
            Guarantee::Recovery => {
                let view = self.tabs.get(&tab).filter(|view| view.has_database);
                view.and_then(|_| self.fence_of_another(tab, term))
            }
        };
        match before {
            Some(before) if before >= term => Err(Violation::TermNotRising { tab, term, before }),
            Some(_) | None => Ok(()),
        }
    }

    fn fence_of_another(&self, tab: TabId, term: Term) -> Option<Term> {
        let other = self.log.fences.get(&term).filter(|other| **other != tab);
        other.map(|_| term)
    }

    /// The term of the broker, if there is one.
    pub(crate) fn term(&self) -> Option<Term> {
        self.broker.map(|(_, term)| term)
    }

    pub(crate) fn broker(&self) -> Option<TabId> {
        self.broker.map(|(tab, _)| tab)
    }

    // The disk.

    pub(crate) fn on_storage_request(
        &mut self,
        now: Time,
        tab: TabId,
        operation: &StorageOperation,
        has_lock: bool,
    ) -> Result<(), Violation> {
        if let Some(view) = self.tabs.get_mut(&tab) {
            match operation {
                StorageOperation::Read(Some(_), _) => self.tally.later_pages_read += 1,
                StorageOperation::Read(None, _) => {
                    view.is_loading_log = true;
                    view.may_have_read_lost_rows = false;
                    view.has_more_pages = false;
                    let is_replaced = core::mem::take(&mut view.is_page_replaced);
                    self.tally.readings_begun_anew += u64::from(is_replaced);
                }
                _ => view.has_more_pages = false,
            }
        }
        if let StorageOperation::Append(_, row) = operation
            && row.kind == RowKind::Fence
            && !has_lock
            && self
                .tabs
                .get(&tab)
                .is_some_and(|it| !it.claims_leadership && !it.health.is_lock_stolen)
        {
            // The tab takes the leadership without the lock. A broker that resumes, because its fence found no room or
            // the log was removed, needs no lock: a later broker's fence makes its own fail. A tab that was elected,
            // and whose lock was stolen before it led, learns of that last if it was stalled. Its fence tells it the
            // same.
            self.check_not_deaf(now, tab)?;
            self.tally.fences_without_lock += 1;
        }
        Ok(())
    }

    pub(crate) fn on_answer(&mut self, now: Time, tab: TabId, answer: &StorageAnswer) {
        match answer {
            StorageAnswer::Opened => self.has_database(tab, true),
            StorageAnswer::Page(page) => {
                if let Some(view) = self.tabs.get_mut(&tab) {
                    view.has_more_pages = page.next.is_some();
                }
            }
            StorageAnswer::Committed(_) => self.on_write_stored(tab),
            StorageAnswer::Checked { .. } => self.tally.checks_passed += 1,
            StorageAnswer::CheckFailed(_) => {
                self.tally.checks_failed += 1;
                self.on_detection_delay(now);
                self.on_storage_failure(now, tab);
            }
            StorageAnswer::Unavailable { is_lasting, .. } => {
                self.has_database(tab, false);
                self.tally.databases_unavailable += u64::from(*is_lasting);
                self.on_detection_delay(now);
                self.on_storage_failure(now, tab);
            }
            StorageAnswer::ReadFailed(_) => {
                self.tally.reads_failed += 1;
                self.on_detection_delay(now);
                self.on_storage_failure(now, tab);
            }
            StorageAnswer::Failed(_, StorageError::Taken) => self.tally.rows_fenced_off += 1,
            StorageAnswer::Failed(_, StorageError::Full) => {
                self.on_write_failed(tab);
                self.tally.rows_without_room += 1;
                self.on_full(now);
            }
            StorageAnswer::Failed(_, StorageError::Other(_)) => {
                self.on_write_failed(tab);
                self.tally.writes_aborted += 1;
                self.on_storage_failure(now, tab);
            }
        }
    }

    fn on_write_stored(&mut self, tab: TabId) {
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.has_failed_write = false;
            view.storage_failures = 0;
        }
    }

    fn on_write_failed(&mut self, tab: TabId) {
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.has_failed_write = true;
        }
    }

    /// A broker whose database fails several times in a row refuses what it would have to store, even if the failures
    /// are unrelated.
    fn on_storage_failure(&mut self, now: Time, tab: TabId) {
        let failures_max = self.plan.settings.storage_failures_max;
        let Some(view) = self.tabs.get_mut(&tab) else {
            return;
        };
        view.storage_failures += 1;
        if view.storage_failures >= failures_max {
            self.on_full(now);
        }
    }

    fn has_database(&mut self, tab: TabId, has_database: bool) {
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.has_database = has_database;
        }
    }

    /// Only the leader of the last fence stores rows after it.
    pub(crate) fn on_change(&mut self, tab: TabId, change: &Change) -> Result<(), Violation> {
        let term = match change {
            Change::Row(row) => row.term,
            Change::Checkpoint(checkpoint) => checkpoint.term,
        };
        let fence = self.log.fence;
        match change {
            Change::Row(row) if row.kind == RowKind::Fence => {
                if let Some(before) = fence.filter(|before| *before >= term) {
                    return Err(Violation::TermNotRising { tab, term, before });
                }
                self.tally.fences += 1;
                self.log.fence = Some(term);
                self.log.fences.insert(term, tab);
            }
            Change::Row(..) | Change::Checkpoint(_) if fence != Some(term) => {
                return Err(Violation::StaleCommit { tab, term, fence });
            }
            Change::Row(row) => {
                self.tally.segments += 1;
                if let RowKind::Segment(bytes) = &row.kind {
                    self.log.stored.extend(MessageId::all_in(bytes));
                }
            }
            Change::Checkpoint(checkpoint) => {
                self.tally.checkpoints += 1;
                for (reader, view) in &mut self.tabs {
                    view.is_page_replaced |= view.has_more_pages && *reader != tab;
                }
                for piece in &checkpoint.pieces {
                    self.log.stored.extend(MessageId::all_in(piece));
                }
            }
        }
        Ok(())
    }

    /// Whether a later broker has stored its fence.
    pub(super) fn is_fenced(&self, term: Term) -> bool {
        self.log.fence > Some(term)
    }

    pub(super) fn is_stored(&self, message: MessageId) -> bool {
        self.log.stored.contains(&message)
    }

    /// The log is empty, and nothing records the highest term.
    pub(super) fn forget_log(&mut self) {
        self.log.fence = None;
        self.log.fences.clear();
    }
}
