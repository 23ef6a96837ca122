//! Has the browser tidy up behind the transactions of a broker.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::Reflect;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::WorkerGlobalScope;

use crate::browser::indexeddb;

/// After so many rows that were added or removed. Each time costs three `fdatasync` and a few milliseconds of the browser; see
/// `bench/NOTES.md`.
const ROWS: u64 = 128;

/// If rows are so large together, LevelDB merges its files often enough by itself, and to have it do more would slow down whoever
/// publishes as fast as possible.
const BYTES: usize = 1 << 20;

/// What a transaction does to a database.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change {
    /// Rows added or removed.
    pub(crate) rows: u64,
    /// Of the rows added. A snapshot does not count: Chromium keeps values as large as its pieces in files beside LevelDB.
    pub(crate) bytes: usize,
}

/// Counts what transactions do to a database, and now and then has the browser compact what they leave behind.
///
/// Chromium deletes what would have undone a transaction once that is committed, and walks over all that it deleted before:
/// 0.04 ms of processor time at first, 0.9 ms some thousand rows later. It does so in a thread of its own, but whoever
/// publishes next shares the processors with that. The walk is short again when LevelDB, beneath, has merged its files, and
/// that is what Chromium has it do when a database is deleted. So one is made, with nothing in it, and deleted.
#[derive(Debug)]
pub(crate) struct Compaction {
    /// Name of the database that is made and deleted.
    scratch: String,
    since: Cell<Change>,
    is_under_way: Rc<Cell<bool>>,
}

impl Compaction {
    /// For the transactions of the database of this name; `None` in browsers where it would be of no use.
    pub(crate) fn of(database: &str) -> Option<Self> {
        is_chromium().then(|| Self {
            scratch: format!("{database}/compaction"),
            since: Cell::default(),
            is_under_way: Rc::default(),
        })
    }

    /// A transaction has done this.
    pub(crate) fn count(&self, change: Change) {
        let mut since = self.since.get();
        since.rows = since.rows.saturating_add(change.rows);
        since.bytes = since.bytes.saturating_add(change.bytes);
        if since.bytes >= BYTES {
            since = Change::default();
        }
        self.since.set(since);
        // A frozen tab that has the database open keeps it from its end, and another one would wait as well.
        if since.rows < ROWS || self.is_under_way.replace(true) {
            return;
        }
        self.since.take();
        let (scratch, is_under_way) = (self.scratch.clone(), Rc::clone(&self.is_under_way));
        spawn_local(async move {
            // If it fails, everything is as slow as it would be without.
            let _ = compact(&scratch).await;
            is_under_way.set(false);
        });
    }
}

async fn compact(scratch: &str) -> Result<(), JsValue> {
    // To delete one that is not there would do nothing.
    drop(indexeddb::open(scratch, Some(1.0), |_| Ok(())).await?);
    indexeddb::delete(scratch).await
}

/// No other browser offers this, and none keeps its databases in LevelDB. Those that Chromium makes in SQLite, as it is about to do,
/// have no use for compaction; it costs them little, and a page cannot tell.
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
    async fn a_database_is_made_and_deleted_now_and_then_and_never_two_at_once() {
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
        // What was counted meanwhile counts.
        let (_database, told, _listener) = held_open(scratch).await;
        count(1, 0);
        told.next().await;
    }

    #[wasm_bindgen_test]
    fn other_browsers_are_left_alone() {
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        let _lacking = Lacking::new(scope.navigator(), "userAgentData");
        assert!(Compaction::of("tabmq/test/other").is_none());
    }
}
