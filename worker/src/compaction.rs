//! Has the browser tidy up behind the transactions of a broker.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::Reflect;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::WorkerGlobalScope;

use crate::indexeddb;

/// After so many transactions. Each time costs three `fdatasync` and a few milliseconds of the browser; see `bench/NOTES.md`.
const TRANSACTIONS: u32 = 128;

/// Counts the transactions of a database, and now and then has the browser compact what they leave behind.
///
/// Chromium deletes what would have undone a transaction once that is committed, and walks over all that it deleted before:
/// 0.04 ms of processor time at first, 0.9 ms some thousand transactions later. It does so in a thread of its own, but whoever
/// publishes next shares the processors with that. The walk is short again when LevelDB, beneath, has merged its files, and
/// that is what Chromium has it do when a database is deleted. So one is made, with nothing in it, and deleted.
#[derive(Debug)]
pub(crate) struct Compaction {
    /// Name of the database that is made and deleted.
    scratch: String,
    transactions: Cell<u32>,
    is_under_way: Rc<Cell<bool>>,
}

impl Compaction {
    /// For the transactions of the database of this name; `None` in browsers where it would be of no use.
    pub(crate) fn of(database: &str) -> Option<Self> {
        is_chromium().then(|| Self {
            scratch: format!("{database}/compaction"),
            transactions: Cell::new(0),
            is_under_way: Rc::default(),
        })
    }

    /// One more transaction has ended.
    pub(crate) fn count(&self) {
        let transactions = self.transactions.get() + 1;
        self.transactions.set(transactions % TRANSACTIONS);
        // A frozen tab that has the database open keeps it from its end; another one would wait, too.
        if transactions < TRANSACTIONS || self.is_under_way.replace(true) {
            return;
        }
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

/// No other browser offers this, and none keeps its databases in LevelDB.
fn is_chromium() -> bool {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let data = Reflect::get(&scope.navigator(), &JsValue::from_str("userAgentData"));
    data.is_ok_and(|data| data.is_object())
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::Event;

    use super::*;
    use crate::clock::pause;
    use crate::events::Listener;
    use crate::testing::{Lacking, Told};

    fn count(compaction: &Compaction, transactions: u32) {
        for _ in 0..transactions {
            compaction.count();
        }
    }

    #[wasm_bindgen_test]
    async fn a_database_is_made_and_deleted_now_and_then_and_never_two_at_once() {
        let database = "tabmq/test/compaction";
        let scratch = "tabmq/test/compaction/compaction";
        let compaction = Compaction::of(database).unwrap();
        for _ in 0..2 {
            // Whoever has it open is told that it is to be deleted.
            let opened = indexeddb::open(scratch, Some(1.0), |_| Ok(())).await;
            let opened = opened.unwrap().database;
            let (told, deleted) = (Told::new(), Told::new());
            let tell = told.tell();
            let on_change = move |_: Event| tell(());
            let listener = Listener::new(&opened, "versionchange", on_change).unwrap();
            count(&compaction, TRANSACTIONS - 1);
            told.nothing().await;
            count(&compaction, 1);
            told.next().await;
            count(&compaction, 3 * TRANSACTIONS);
            told.nothing().await;
            drop((listener, opened));
            let tell = deleted.tell();
            let is_under_way = Rc::clone(&compaction.is_under_way);
            spawn_local(async move {
                while is_under_way.get() {
                    pause(1).await;
                }
                tell(());
            });
            deleted.next().await;
            assert!(!indexeddb::names().await.unwrap().contains(&scratch.into()));
        }
    }

    #[wasm_bindgen_test]
    fn other_browsers_are_left_alone() {
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        let _lacking = Lacking::new(scope.navigator(), "userAgentData");
        assert!(Compaction::of("tabmq/test/other").is_none());
    }
}
