//! Takeover: how an elected tab comes to reign. What the log holds is read, and a fence written behind it.

use broker::Time;

use crate::api::{Durability, Term};
use crate::control::SAFE_INTEGER_MAX;
use crate::log::Log;
use crate::settings::Settings;
use crate::storage::{
    Loaded, Row, RowKind, Seq, StorageError, StorageEvent, StorageRequest, segment,
};

/// The way from the lock to the reign.
#[derive(Debug)]
pub(crate) struct Takeover {
    pub(crate) began: Time,
    durability: Durability,
    why: Why,
    step: Step,
    /// A fence that took so long to be stored that somebody may have written behind it.
    late: Option<(Seq, Term)>,
    failures: u32,
}

/// What led to it.
#[derive(Debug)]
pub(crate) enum Why {
    /// This tab was elected.
    Elected,
    /// This tab reigned, and there was no room for what it had to store: it goes on from what is stored.
    Full,
    /// This tab reigned, and the browser removed what was stored: it goes on from what it knows.
    Removed(Vec<Vec<u8>>),
}

#[derive(Debug)]
enum Step {
    Begin,
    Opening,
    Loading,
    /// Since this time.
    Fencing(Loaded, Term, Time),
    /// Begins again at this time.
    Pausing(Time),
}

/// What the new broker begins with.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) term: Term,
    /// `None`: it keeps its state in memory.
    pub(crate) log: Option<Log>,
    /// For [`broker::Broker::restore`].
    pub(crate) pieces: Vec<Vec<u8>>,
    /// Rows that no build of this major version can have written.
    pub(crate) foreign: usize,
    /// Why there is no log although one is wanted; a sentence.
    pub(crate) trouble: Option<String>,
    /// Whether what was stored has been removed by the browser.
    pub(crate) was_removed: bool,
}

impl Takeover {
    pub(crate) fn new(now: Time, durability: Durability, why: Why) -> Self {
        Self {
            began: now,
            durability,
            why,
            step: Step::Begin,
            late: None,
            failures: 0,
        }
    }

    /// What is wanted of the database next; nothing else is under way there.
    pub(crate) fn next_request(&mut self, now: Time, is_open: bool) -> Option<StorageRequest> {
        match &self.step {
            Step::Pausing(until) if *until > now => None,
            Step::Begin | Step::Pausing(_) if is_open => {
                self.step = Step::Loading;
                Some(StorageRequest::Load)
            }
            Step::Begin | Step::Pausing(_) => {
                self.step = Step::Opening;
                Some(StorageRequest::Open(self.durability))
            }
            // A request that was given out before this takeover is answered now.
            Step::Opening | Step::Loading | Step::Fencing(..) => None,
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        match self.step {
            Step::Pausing(until) => Some(until),
            Step::Begin | Step::Opening | Step::Loading | Step::Fencing(..) => None,
        }
    }

    /// A reign that begins at once, with nothing but what is in memory.
    pub(crate) fn in_memory(&mut self, term: Term, trouble: Option<String>) -> Beginning {
        let (pieces, was_removed) = match &mut self.why {
            Why::Elected | Why::Full => (Vec::new(), false),
            Why::Removed(pieces) => (core::mem::take(pieces), true),
        };
        Beginning {
            term,
            log: None,
            pieces,
            foreign: 0,
            trouble,
            was_removed,
        }
    }

    /// The database has answered. `heard`: the highest term that was heard of.
    pub(crate) fn on_event(
        &mut self,
        now: Time,
        event: StorageEvent,
        heard: Option<Term>,
        settings: &Settings,
        out: &mut Vec<StorageRequest>,
    ) -> Option<Beginning> {
        match (core::mem::replace(&mut self.step, Step::Begin), event) {
            (Step::Opening, StorageEvent::Opened) => None,
            // There was one a moment ago, and the browser is still about to remove it.
            (Step::Opening, StorageEvent::Unavailable(why))
                if matches!(self.why, Why::Removed(_)) =>
            {
                self.pause(now, heard, why, settings)
            }
            (Step::Opening, StorageEvent::Unavailable(why)) => {
                Some(self.in_memory(next_term(now, heard), Some(why)))
            }
            (Step::Loading, StorageEvent::Loaded(loaded)) => {
                let newest = loaded.rows.last().map(|(seq, row)| (*seq, row.term));
                if let Some((fence, term)) = self.late.take()
                    && newest == Some((fence, term))
                {
                    return Some(self.begin(now, loaded, term, Some(fence), settings));
                }
                let last = loaded.rows.last().map(|(_, row)| row.term);
                let term = next_term(now, heard.max(last));
                let kind = RowKind::Fence;
                let fence = StorageRequest::Append(loaded.tail.next(), Row { term, kind });
                out.push(fence);
                self.step = Step::Fencing(loaded, term, now);
                None
            }
            // This tab, or the database, stood still for long enough to be ousted: only the log knows whether it was.
            (Step::Fencing(_, term, since), StorageEvent::Committed(seq))
                if now.ms_since(since) > settings.suspect_ms =>
            {
                self.late = Some((seq, term));
                None
            }
            (Step::Fencing(loaded, term, _), StorageEvent::Committed(seq)) => {
                Some(self.begin(now, loaded, term, Some(seq), settings))
            }
            // Somebody wrote between the two: what that was must be read.
            (Step::Fencing(..), StorageEvent::Failed(_, StorageError::Taken)) => None,
            (Step::Fencing(loaded, term, _), StorageEvent::Failed(_, StorageError::Full)) => {
                Some(self.begin(now, loaded, term, None, settings))
            }
            (
                Step::Loading | Step::Fencing(..),
                StorageEvent::LoadFailed(why) | StorageEvent::Failed(_, StorageError::Other(why)),
            ) => self.pause(now, heard, why, settings),
            // From the beginning.
            (_, StorageEvent::Closed) => None,
            // The answer to nothing that was asked.
            (step, _) => {
                self.step = step;
                None
            }
        }
    }

    /// Begins again after a pause, unless that was done often enough.
    fn pause(
        &mut self,
        now: Time,
        heard: Option<Term>,
        why: String,
        settings: &Settings,
    ) -> Option<Beginning> {
        self.failures += 1;
        if self.failures >= settings.storage_failures_max {
            return Some(self.in_memory(next_term(now, heard), Some(why)));
        }
        let pause_ms = settings.storage_retry_ms << self.failures.min(16);
        let until = now.plus_ms(pause_ms.min(settings.storage_retry_ms_max));
        self.step = Step::Pausing(until);
        None
    }

    fn begin(
        &mut self,
        now: Time,
        loaded: Loaded,
        term: Term,
        fence: Option<Seq>,
        settings: &Settings,
    ) -> Beginning {
        let mut log = match fence {
            Some(fence) => Log::new(term, fence, &loaded, settings),
            None => Log::without_room(term, &loaded, settings, now),
        };
        let foreign = loaded.foreign;
        let mut was_removed = false;
        let pieces = match &mut self.why {
            Why::Elected => into_pieces(loaded),
            Why::Full => {
                log.expect_no_room(now);
                into_pieces(loaded)
            }
            Why::Removed(pieces) => {
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

/// Higher than every term that is known. The clock keeps terms rising also for a tab that knows of none.
pub(crate) fn next_term(now: Time, known: Option<Term>) -> Term {
    let floor = now.as_ms();
    let next = known.map_or(floor, |Term(term)| term + 1);
    // Whoever claimed the highest term there is shall not keep later ones from being believed.
    Term(next.max(floor).min(SAFE_INTEGER_MAX))
}
