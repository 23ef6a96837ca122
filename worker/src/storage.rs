//! The database that holds the broker's log.

mod compaction;
mod connection;
mod outcome;
mod stored;

use core::fmt;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tab::api::Durability;
use tab::storage::{
    Checkpoint, PageLimits, PageStart, Row, RowKind, Seq, StorageAnswer, StorageError,
    StorageEvent, StorageOperation, StorageRequest, StorageRequestId,
};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use self::compaction::{Change, Compaction};
use self::connection::{Connection, is_lasting};
use self::outcome::{sentence, written};
use self::stored::{PreparedCheckpoint, PreparedRow, page};
use crate::browser::clock;
use crate::browser::error::describe;
use crate::browser::indexeddb::{Ended, Transaction};

/// Time (ms) for which a failure without a known cause waits for a `close` of the database that explains it.
const CLOSE_MS: i32 = 20;

/// Carries out the storage requests of the tab on the database of one channel. Dropping it closes the database.
pub(crate) struct Storage {
    name: String,
    report: Rc<dyn Fn(StorageEvent)>,
    current: Option<Rc<DatabaseUse>>,
}

/// One use of the database, from the request to open it to its close.
struct DatabaseUse {
    report: Rc<dyn Fn(StorageEvent)>,
    /// Whether the use has ended. It then reports no more events.
    is_over: Cell<bool>,
    connection: RefCell<Option<Connection>>,
    compaction: Option<Compaction>,
}

impl Storage {
    /// The database of this name. It is not open yet.
    pub(crate) fn new(name: String, on_event: impl Fn(StorageEvent) + 'static) -> Self {
        Self {
            name,
            report: Rc::new(on_event),
            current: None,
        }
    }

    /// Begins a request; several may be under way. `on_event` gets the answer later, never before this returns.
    pub(crate) fn handle(&mut self, request: StorageRequest) {
        let StorageRequest { id, operation } = request;
        match operation {
            StorageOperation::Open(durability) => self.open(id, durability),
            StorageOperation::Read(start, limits) => self.read(id, start, limits),
            StorageOperation::Append(seq, row) => self.append(id, seq, &row),
            StorageOperation::Checkpoint(checkpoint) => self.checkpoint(id, &checkpoint),
            StorageOperation::Check(row) => self.check(id, row),
            StorageOperation::Close => self.close(),
        }
    }

    fn open(&mut self, id: StorageRequestId, durability: Durability) {
        self.close();
        let current = Rc::new(DatabaseUse {
            report: Rc::clone(&self.report),
            is_over: Cell::new(false),
            connection: RefCell::new(None),
            compaction: Compaction::of(&self.name),
        });
        self.current = Some(Rc::clone(&current));
        let name = self.name.clone();
        spawn_local(async move {
            match Connection::open(&name, durability, &current).await {
                Ok(connection) => current.opened(id, connection),
                Err(error) => {
                    let answer = StorageAnswer::Unavailable {
                        why: format!("The database cannot be used: {}", describe(&error)),
                        is_lasting: is_lasting(&error),
                    };
                    current.report(StorageEvent::Answer(id, answer));
                }
            }
        });
    }

    fn close(&mut self) {
        if let Some(current) = self.current.take() {
            current.end();
        }
    }

    fn read(&self, id: StorageRequestId, start: Option<PageStart>, limits: PageLimits) {
        self.run(
            id,
            Change::default(),
            |connection| connection.read(start, limits),
            move |ended| match ended {
                Ok(results) => StorageAnswer::Page(page(&results, start, limits)),
                Err(errors) => {
                    StorageAnswer::ReadFailed(sentence("The log cannot be read", &errors))
                }
            },
        );
    }

    fn check(&self, id: StorageRequestId, row: Option<Seq>) {
        let check = |connection: &Connection| connection.check(row);
        self.run(id, Change::default(), check, |ended| match ended {
            Ok(results) => StorageAnswer::Checked {
                is_there: results.get(2) != 0.0,
            },
            Err(errors) => StorageAnswer::CheckFailed(sentence("The database fails", &errors)),
        });
    }

    fn append(&self, id: StorageRequestId, seq: Seq, row: &Row) {
        let prepared = PreparedRow::new(seq, row);
        let is_fence = matches!(row.kind, RowKind::Fence);
        let change = Change {
            rows: 1,
            bytes: match &row.kind {
                RowKind::Segment(bytes) => bytes.len(),
                RowKind::Fence | RowKind::Checkpoint => 0,
            },
        };
        self.run(
            id,
            change,
            |connection| connection.append(prepared?),
            move |ended| match ended {
                Ok(results) if is_fence && results.get(1) != 0.0 => {
                    StorageAnswer::Failed(seq, StorageError::Taken)
                }
                ended => written(seq, ended),
            },
        );
    }

    fn checkpoint(&self, id: StorageRequestId, checkpoint: &Checkpoint) {
        let seq = checkpoint.seq;
        let prepared = PreparedCheckpoint::new(checkpoint);
        let removed = checkpoint.remove.iter();
        let removed = removed.map(|(first, last)| last.0.saturating_sub(first.0) + 1);
        let change = Change {
            rows: removed.sum::<u64>() + 1,
            bytes: 0,
        };
        self.run(
            id,
            change,
            |connection| connection.checkpoint(&prepared?),
            move |ended| written(seq, ended),
        );
    }

    /// Begins a transaction with this change, and reports its outcome as the result of `answer`.
    ///
    /// The browser may stop a worker in the middle of a turn. An uncommitted transaction then blocks every tab until the browser
    /// aborts it, in Chromium after a minute. So `begin` only makes one JavaScript call, and its arguments are prepared before.
    fn run(
        &self,
        id: StorageRequestId,
        change: Change,
        begin: impl FnOnce(&Connection) -> Result<Transaction, JsValue>,
        answer: impl FnOnce(Ended) -> StorageAnswer + 'static,
    ) {
        let current = self
            .current
            .clone()
            .filter(|current| !current.is_over.get());
        let connection = current.as_ref().map(|current| current.connection.borrow());
        let transaction = match connection
            .as_ref()
            .and_then(|connection| connection.as_ref())
        {
            Some(connection) => begin(connection),
            None => Err(JsValue::from_str("the database is not open")),
        };
        drop(connection);
        let report = Rc::clone(&self.report);
        let on_end = move |ended| match current {
            Some(current) => current.ended(id, answer(ended), change),
            None => report(StorageEvent::Answer(id, answer(ended))),
        };
        match transaction {
            Ok(transaction) => transaction.on_end(on_end),
            Err(error) => spawn_local(async move { on_end(Err(vec![error])) }),
        }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, current, .. } = self;
        let is_open = current.as_ref().is_some_and(|it| !it.is_over.get());
        let mut debug = f.debug_struct("Storage");
        debug.field("name", name).field("is_open", &is_open);
        debug.finish_non_exhaustive()
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.close();
    }
}

impl DatabaseUse {
    fn opened(&self, id: StorageRequestId, connection: Connection) {
        // Otherwise the connection is dropped, which closes it.
        if !self.is_over.get() {
            self.connection.replace(Some(connection));
            self.report(StorageEvent::Answer(id, StorageAnswer::Opened));
        }
    }

    /// Reports the outcome of a transaction.
    fn ended(self: Rc<Self>, id: StorageRequestId, answer: StorageAnswer, change: Change) {
        let is_unexplained = matches!(
            answer,
            StorageAnswer::ReadFailed(_)
                | StorageAnswer::CheckFailed(_)
                | StorageAnswer::Failed(_, StorageError::Other(_))
        );
        let event = StorageEvent::Answer(id, answer);
        if !is_unexplained {
            self.report(event);
            return self.compact(change);
        }
        // A browser that closes the database first fails the transactions under way. Only the close is to be reported.
        spawn_local(async move {
            clock::pause(CLOSE_MS).await;
            self.report(event);
        });
    }

    fn compact(&self, change: Change) {
        if let Some(compaction) = &self.compaction
            && !self.is_over.get()
        {
            compaction.count(change);
        }
    }

    /// The browser has closed or deleted the database.
    pub(super) fn lost(&self) {
        self.report(StorageEvent::Closed);
        self.end();
    }

    fn end(&self) {
        self.is_over.set(true);
        self.connection.take();
    }

    fn report(&self, event: StorageEvent) {
        if !self.is_over.get() {
            (self.report)(event);
        }
    }
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests;
