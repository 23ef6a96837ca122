//! Promotion: an elected tab becomes the broker. It reads the log and writes a fence behind it.

use broker::Time;

use crate::api::{Durability, Term};
use crate::log::loaded::{Damage, Loaded, Progress, Reading};
use crate::log::storage::{Row, RowKind, Seq, StorageAnswer, StorageError, StorageOperation};
use crate::log::{Log, Trouble, segment};
use crate::protocol::control::SAFE_INTEGER_MAX;
use crate::protocol::term;
use crate::settings::Settings;

/// Maximum delay (ms) of the notification that another tab stole the lock.
const HESITATION_MS: u64 = 50;

/// Number of checkpoints between pages after which this tab leaves the leadership to their writer. Before a checkpoint, a broker
/// writes 1,024 rows, or at least as many bytes as its snapshot has, and then that snapshot. Reading is faster, so another
/// broker that is about to end delays it once or twice.
const REPLACEMENTS_MAX: u32 = 4;

/// The steps from the lock to the leadership.
#[derive(Debug)]
pub(crate) struct Promotion {
    pub(crate) began: Time,
    durability: Durability,
    why: Why,
    step: Step,
    /// A fence that was stored so late that another broker may have written behind it.
    late: Option<(Seq, Term)>,
    /// Whether it has waited for a moment because an answer took long.
    has_hesitated: bool,
    /// The last row that was read before that wait.
    read_before: Option<Seq>,
    /// Number of times that another broker's checkpoint came between two pages.
    replacements: u32,
    /// Whether this tab has ever opened the database. If not, there may be none.
    has_had_database: bool,
    /// Consecutive failures of the database.
    failures: u32,
    /// Duration of the attempts in milliseconds. It does not follow the clock, which can be set.
    tried_ms: u64,
    /// The last failure, until it is reported.
    unreported: Option<String>,
}

/// The reason for a promotion.
#[derive(Debug)]
pub(crate) enum Why {
    /// This tab has the broker's lock.
    Elected,
    /// There are no locks, and the broker gave no sign of life.
    Suspected,
    /// This tab led with this term and had no room for its changes. It continues from the stored state.
    Full(Term),
    /// This tab led with this term, and the browser removed the stored state. It continues from the state in memory.
    Removed(Term, Vec<Vec<u8>>),
}

#[derive(Debug)]
enum Step {
    Begin,
    Opening,
    /// Since this time.
    Reading(Time, Reading),
    /// Since this time.
    Fencing(Loaded, Term, Time),
    /// Starts again at this time.
    Pausing(Time),
}

/// The result of a promotion.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// This tab is the broker.
    Leadership(Box<Beginning>),
    /// Another tab is the broker.
    Superseded,
}

/// The start state of the new broker.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) term: Term,
    /// `None`: the state is in memory only.
    pub(crate) log: Option<Log>,
    /// Input of [`broker::Broker::restore`].
    pub(crate) pieces: Vec<Vec<u8>>,
    /// Rows that no build of this major version can have written.
    pub(crate) foreign: usize,
    /// Why a wanted log is missing, as a sentence.
    pub(crate) trouble: Option<String>,
    /// Whether the browser has removed the stored state.
    pub(crate) was_removed: bool,
    /// Missing parts of the log.
    pub(crate) damage: Damage,
    /// Identity of the log. A log that was created anew has none yet.
    pub(crate) identity: Option<u64>,
}

impl Promotion {
    pub(crate) fn new(now: Time, durability: Durability, why: Why, has_had_database: bool) -> Self {
        Self {
            began: now,
            durability,
            why,
            step: Step::Begin,
            late: None,
            has_hesitated: false,
            read_before: None,
            replacements: 0,
            has_had_database,
            failures: 0,
            tried_ms: 0,
            unreported: None,
        }
    }

    /// Whether the database fails. Another tab's database may work.
    pub(crate) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Whether it has failed so often that people should know.
    pub(crate) fn has_failed_often(&self, settings: &Settings) -> bool {
        self.failures >= settings.storage_failures_max
    }

    /// Returns the last failure once, as a sentence.
    pub(crate) fn take_unreported(&mut self) -> Option<String> {
        self.unreported.take()
    }

    /// The database did not answer a request to open it. Another attempt may succeed.
    pub(crate) fn on_silence(
        &mut self,
        now: Time,
        highest_term: Option<Term>,
        why: String,
        settings: &Settings,
    ) -> Option<Outcome> {
        self.tried_ms += settings.storage_silence_ms;
        let beginning = self.pause(now, highest_term, why, settings);
        beginning.map(|beginning| Outcome::Leadership(Box::new(beginning)))
    }

    /// The term of this tab's last leadership, if it continues that state.
    pub(crate) fn led_term(&self) -> Option<Term> {
        match self.why {
            Why::Elected | Why::Suspected => None,
            Why::Full(term) | Why::Removed(term, _) => Some(term),
        }
    }

    /// The next request for the database. No other request is pending.
    pub(crate) fn next_request(
        &mut self,
        now: Time,
        is_open: bool,
        settings: &Settings,
    ) -> Option<StorageOperation> {
        match &self.step {
            Step::Pausing(until) if *until > now => None,
            Step::Begin | Step::Pausing(_) if is_open => {
                self.step = Step::Reading(now, Reading::default());
                Some(StorageOperation::Read(None, settings.page))
            }
            Step::Begin | Step::Pausing(_) => {
                self.step = Step::Opening;
                Some(StorageOperation::Open(self.durability))
            }
            // The answer to an earlier request is still pending.
            Step::Opening | Step::Reading(..) | Step::Fencing(..) => None,
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        match self.step {
            Step::Pausing(until) => Some(until),
            Step::Begin | Step::Opening | Step::Reading(..) | Step::Fencing(..) => None,
        }
    }

    /// Begins the leadership at once, with only the state in memory.
    pub(crate) fn in_memory(&mut self, term: Term, trouble: Option<String>) -> Beginning {
        let (pieces, was_removed) = match &mut self.why {
            Why::Elected | Why::Suspected | Why::Full(_) => (Vec::new(), false),
            Why::Removed(_, pieces) => (core::mem::take(pieces), true),
        };
        Beginning {
            term,
            log: None,
            pieces,
            foreign: 0,
            trouble,
            was_removed,
            damage: Damage::default(),
            identity: None,
        }
    }

    /// Handles an answer of the database. `highest_term`: the highest known term.
    pub(crate) fn on_answer(
        &mut self,
        now: Time,
        answer: StorageAnswer,
        highest_term: Option<Term>,
        settings: &Settings,
        out: &mut Vec<StorageOperation>,
    ) -> Option<Outcome> {
        let beginning = match (core::mem::replace(&mut self.step, Step::Begin), answer) {
            (Step::Opening, StorageAnswer::Opened) => {
                self.has_had_database = true;
                None
            }
            (Step::Opening, StorageAnswer::Unavailable { .. })
                if self.hesitates(self.began, now, settings) =>
            {
                None
            }
            (Step::Opening, StorageAnswer::Unavailable { why, is_lasting }) => {
                // The state of a removed database is in memory. The browser may still be about to remove it.
                let is_over = match self.why {
                    Why::Removed(..) => self.failures >= settings.storage_failures_max,
                    Why::Elected | Why::Suspected | Why::Full(_) => !self.has_had_database,
                };
                if is_lasting && is_over {
                    Some(self.in_memory(next_term(now, highest_term), Some(why)))
                } else {
                    self.pause(now, highest_term, why, settings)
                }
            }
            (Step::Reading(since, mut reading), StorageAnswer::Page(page)) => {
                match reading.add(page) {
                    Progress::Continues(start) => {
                        out.push(StorageOperation::Read(Some(start), settings.page));
                        self.step = Step::Reading(since, reading);
                    }
                    Progress::Replaced if self.on_replaced() => return Some(Outcome::Superseded),
                    // It reads from the first page again.
                    Progress::Replaced => {}
                    Progress::Complete(loaded) if self.hesitates(since, now, settings) => {
                        self.read_before = Some(loaded.tail);
                    }
                    Progress::Complete(loaded) => {
                        return self.on_loaded(loaded, now, highest_term, settings, out);
                    }
                }
                None
            }
            // This tab or the database was suspended long enough to be replaced, or another tab claims to lead. Only
            // the log decides.
            (Step::Fencing(_, term, since), StorageAnswer::Committed(seq))
                if now.ms_since(since) > settings.suspect_ms || highest_term > Some(term) =>
            {
                self.late = Some((seq, term));
                None
            }
            (Step::Fencing(loaded, term, _), StorageAnswer::Committed(seq)) => {
                let log = Log::new(term, seq, &loaded, settings);
                Some(self.begin(now, loaded, term, log))
            }
            // Another broker wrote in between. Its row must be read.
            (Step::Fencing(..), StorageAnswer::Failed(_, StorageError::Taken)) => None,
            (Step::Fencing(_, term, since), StorageAnswer::Failed(_, StorageError::Full))
                if highest_term > Some(term) && self.hesitate(now)
                    || self.hesitates(since, now, settings) =>
            {
                None
            }
            (Step::Fencing(loaded, term, _), StorageAnswer::Failed(_, StorageError::Full)) => {
                let log = Log::without_fence(Trouble::Full, term, &loaded, settings, now);
                Some(self.begin(now, loaded, term, log))
            }
            // The stored state is readable. The broker continues without new changes to store.
            (
                Step::Fencing(loaded, term, since),
                StorageAnswer::Failed(_, StorageError::Other(why)),
            ) if self.failures + 1 >= settings.storage_failures_max
                && !(highest_term > Some(term) && self.hesitate(now))
                && !self.hesitates(since, now, settings) =>
            {
                self.unreported = Some(why);
                let log = Log::without_fence(Trouble::Failing, term, &loaded, settings, now);
                Some(self.begin(now, loaded, term, log))
            }
            (
                Step::Reading(..) | Step::Fencing(..),
                StorageAnswer::ReadFailed(why) | StorageAnswer::Failed(_, StorageError::Other(why)),
            ) => self.pause(now, highest_term, why, settings),
            // The answer belongs to no request.
            (step, _) => {
                self.step = step;
                None
            }
        };
        beginning.map(|beginning| Outcome::Leadership(Box::new(beginning)))
    }

    /// Another broker's checkpoint came between two pages. Returns whether that broker counts as leading.
    fn on_replaced(&mut self) -> bool {
        self.replacements += 1;
        // The checkpoint is a sign of life.
        matches!(self.why, Why::Suspected) || self.replacements >= REPLACEMENTS_MAX
    }

    /// Writes the fence behind the content of the database, unless another broker leads.
    fn on_loaded(
        &mut self,
        loaded: Loaded,
        now: Time,
        highest_term: Option<Term>,
        settings: &Settings,
        out: &mut Vec<StorageOperation>,
    ) -> Option<Outcome> {
        let newest = loaded.rows.last().map(|(seq, row)| (*seq, row.term));
        if let Some((fence, term)) = self.late.take() {
            if newest != Some((fence, term)) {
                return Some(Outcome::Superseded);
            }
            let log = Log::new(term, fence, &loaded, settings);
            let beginning = self.begin(now, loaded, term, log);
            return Some(Outcome::Leadership(Box::new(beginning)));
        }
        // A row with an implausible term keeps its place in the log, and its content may have been acknowledged.
        let terms = loaded.rows.iter().map(|(_, row)| row.term);
        let last = term::highest(terms, now, highest_term);
        // Another broker has written meanwhile, which is a sign of life.
        let is_stale = self.read_before.is_some_and(|tail| tail < loaded.tail);
        if is_stale && matches!(self.why, Why::Suspected) {
            return Some(Outcome::Superseded);
        }
        let led_term = self.led_term();
        if led_term.is_some() && last > led_term {
            return Some(Outcome::Superseded);
        }
        let term = next_term(now, highest_term.max(last));
        let kind = RowKind::Fence;
        let fence = StorageOperation::Append(loaded.tail.next(), Row { term, kind });
        out.push(fence);
        self.step = Step::Fencing(loaded, term, now);
        None
    }

    /// The browser has closed the database. The promotion starts from the beginning.
    pub(crate) fn on_closed(&mut self) {
        self.step = Step::Begin;
    }

    /// Waits for a moment, once, if an answer took long. This tab may have been suspended and have lost its lock. The
    /// browser reports the loss after all other events.
    fn hesitates(&mut self, since: Time, now: Time, settings: &Settings) -> bool {
        now.ms_since(since) > settings.suspect_ms && self.hesitate(now)
    }

    fn hesitate(&mut self, now: Time) -> bool {
        if self.has_hesitated {
            return false;
        }
        self.has_hesitated = true;
        self.step = Step::Pausing(now.plus_ms(HESITATION_MS));
        true
    }

    /// Starts again after a pause, unless there was never a database and most likely will be none. Stored state is not
    /// given up early: a broker without it would forget what it acknowledged.
    fn pause(
        &mut self,
        now: Time,
        highest_term: Option<Term>,
        why: String,
        settings: &Settings,
    ) -> Option<Beginning> {
        self.failures = self.failures.saturating_add(1);
        if self.tried_ms >= settings.storage_open_ms && !self.has_had_database {
            return Some(self.in_memory(next_term(now, highest_term), Some(why)));
        }
        self.unreported = Some(why);
        let pause_ms = settings.storage_retry_ms << self.failures.min(16);
        let pause_ms = pause_ms.min(settings.storage_retry_ms_max);
        self.tried_ms += pause_ms;
        self.step = Step::Pausing(now.plus_ms(pause_ms));
        None
    }

    fn begin(&mut self, now: Time, loaded: Loaded, term: Term, mut log: Log) -> Beginning {
        let foreign = loaded.foreign;
        let damage = loaded.damage();
        let identity = loaded.identity().unwrap_or(term);
        let mut was_removed = false;
        let pieces = match &mut self.why {
            Why::Elected | Why::Suspected => into_pieces(loaded),
            Why::Full(_) => {
                log.expect_no_room(now);
                into_pieces(loaded)
            }
            Why::Removed(_, pieces) => {
                log.rewrite();
                was_removed = true;
                core::mem::take(pieces)
            }
        };
        Beginning {
            term,
            log: Some(log),
            pieces,
            foreign,
            trouble: None,
            was_removed,
            damage,
            identity: Some(identity.0),
        }
    }
}

fn into_pieces(loaded: Loaded) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut up_to = Seq::default();
    if let Some(snapshot) = loaded.snapshot {
        up_to = snapshot.up_to;
        pieces = snapshot.pieces;
    }
    for (seq, row) in loaded.rows {
        if let RowKind::Segment(bytes) = row.kind
            && seq > up_to
        {
            pieces.extend(segment::pieces(&bytes).map(<[u8]>::to_vec));
        }
    }
    pieces
}

/// A term above every known one. The clock keeps terms rising for a tab that knows none.
pub(crate) fn next_term(now: Time, known: Option<Term>) -> Term {
    let floor = now.as_ms();
    let next = known.map_or(floor, |Term(term)| term + 1);
    // A claim of the highest possible term must not invalidate later ones.
    Term(next.max(floor).min(SAFE_INTEGER_MAX))
}
