//! Makes the browser compact its files behind the transactions of a broker.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::Reflect;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::WorkerGlobalScope;

use crate::browser::indexeddb;

/// Number of added or removed rows between compactions. Each compaction costs three `fdatasync` and a few milliseconds of the
/// browser; see `bench/NOTES.md`.
const ROWS: u64 = 128;

/// With this many bytes in rows, LevelDB merges its files often enough by itself. More compactions would slow down a fast
/// publisher.
const BYTES: usize = 1 << 20;

/// The effect of a transaction on a database.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change {
    /// Rows added or removed.
    pub(crate) rows: u64,
    /// Bytes of the added rows, without a snapshot. Chromium keeps values as large as its pieces in files beside LevelDB.
    pub(crate) bytes: usize,
}

/// Counts the changes of transactions, and makes the browser compact its files after [`ROWS`] of them.
///
/// After each commit, Chromium deletes the undo data of the transaction, and walks over all earlier deletions: 0.04 ms of
/// processor time at first, 0.9 ms some thousand rows later. It does so in a thread of its own, which shares the processors
/// with the next publisher. The walk is short again once LevelDB, beneath, has merged its files. Chromium makes LevelDB do
/// that when a database is deleted. So a compaction creates an empty database and deletes it.
#[derive(Debug)]
pub(crate) struct Compaction {
    /// Name of the empty database.
    scratch: String,
    since: Cell<Change>,
    is_under_way: Rc<Cell<bool>>,
}

impl Compaction {
    /// For the transactions of this database; `None` in browsers that do not benefit.
    pub(crate) fn of(database: &str) -> Option<Self> {
        is_chromium().then(|| Self {
            scratch: format!("{database}/compaction"),
            since: Cell::default(),
            is_under_way: Rc::default(),
        })
    }

    /// Counts the change of a transaction.
    pub(crate) fn count(&self, change: Change) {
        let mut since = self.since.get();
        since.rows = since.rows.saturating_add(change.rows);
        since.bytes = since.bytes.saturating_add(change.bytes);
        if since.bytes >= BYTES {
            since = Change::default();
        }
        self.since.set(since);
        // A frozen tab with the scratch database open delays its deletion, and would delay a second one too.
        if since.rows < ROWS || self.is_under_way.replace(true) {
            return;
        }
        self.since.take();
        let (scratch, is_under_way) = (self.scratch.clone(), Rc::clone(&self.is_under_way));
        spawn_local(async move {
            // A failure costs only the speed-up.
            let _ = compact(&scratch).await;
            is_under_way.set(false);
        });
    }
}

async fn compact(scratch: &str) -> Result<(), JsValue> {
    // Deleting a missing database would do nothing.
    drop(indexeddb::open(scratch, Some(1.0), |_| Ok(())).await?);
    indexeddb::delete(scratch).await
}

/// Only Chromium offers `userAgentData`, and only Chromium keeps its databases in LevelDB. Its future databases in SQLite need no
/// compaction. A page cannot detect them, and it costs them little.
fn is_chromium() -> bool {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let data = Reflect::get(&scope.navigator(), &JsValue::from_str("userAgentData"));
    data.is_ok_and(|data| data.is_object())
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use crate::browser::clock::pause;
    use crate::browser::testing::{Lacking, held_open};

    #[wasm_bindgen_test]
    async fn a_database_is_created_and_deleted_after_enough_rows_and_never_two_at_once() {
        let compaction = Compaction::of("tabmq/test").unwrap();
        let scratch = "tabmq/test/compaction";
        let (database, told, _listener) = held_open(scratch).await;
        let count = |rows, bytes| compaction.count(Change { rows, bytes });
        count(ROWS - 1, BYTES - 1);
        count(1, 1);
        count(ROWS - 1, 0);
        told.nothing().await;
        count(1, 0);
        told.next().await;
        count(ROWS, 0);
        told.nothing().await;
        drop(database);
        while compaction.is_under_way.get() {
            pause(1).await;
        }
        assert!(!indexeddb::names().await.unwrap().contains(&scratch.into()));
        // Rows counted meanwhile count for the next compaction.
        let (_database, told, _listener) = held_open(scratch).await;
        count(1, 0);
        told.next().await;
    }

    #[wasm_bindgen_test]
    fn other_browsers_get_no_compaction() {
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        let _lacking = Lacking::new(scope.navigator(), "userAgentData");
        assert!(Compaction::of("tabmq/test/other").is_none());
    }
}
