use core::ops::Deref as _;

use js_sys::{Array, Date, Object, Reflect, Uint8Array};
use tab::Settings;
use tab::api::Term;
use tab::control::SAFE_INTEGER_MAX;
use tab::loaded::{Loaded, Progress, Reading, Snapshot};
use tab::storage::Page;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{DomException, Event, EventTarget};

use super::connection::{LOG, SNAP};
use super::*;
use crate::browser::indexeddb;
use crate::browser::testing::{Received, held_open};

/// A database, its events, and the id of its last request.
struct Opened {
    storage: Storage,
    received: Received<StorageEvent>,
    last_id: u64,
}

impl Opened {
    /// Makes a request and returns its id.
    fn ask(&mut self, operation: StorageOperation) -> StorageRequestId {
        self.last_id += 1;
        let id = StorageRequestId(self.last_id);
        self.storage.handle(StorageRequest { id, operation });
        id
    }

    /// Waits for the answer to the last request.
    async fn answer(&self) -> StorageAnswer {
        match self.received.next().await {
            StorageEvent::Answer(id, answer) if id.0 == self.last_id => answer,
            other => panic!("{other:?}"),
        }
    }

    async fn answer_to(&mut self, operation: StorageOperation) -> StorageAnswer {
        self.ask(operation);
        self.answer().await
    }
}

fn named(test: &str) -> Opened {
    let received = Received::new();
    let storage = Storage::new(format!("tabmq/test/storage/{test}"), received.sink());
    Opened {
        storage,
        received,
        last_id: 0,
    }
}

async fn open(test: &str) -> Opened {
    let mut storage = named(test);
    reopen(&mut storage).await;
    storage
}

async fn reopen(storage: &mut Opened) {
    let open = StorageOperation::Open(Durability::Relaxed);
    assert_eq!(storage.answer_to(open).await, StorageAnswer::Opened);
}

async fn append(storage: &mut Opened, seq: u64, row: Row) -> StorageAnswer {
    let append = StorageOperation::Append(Seq(seq), row);
    storage.answer_to(append).await
}

async fn write(storage: &mut Opened, checkpoint: Checkpoint) -> StorageAnswer {
    let write = StorageOperation::Checkpoint(checkpoint);
    storage.answer_to(write).await
}

async fn load(storage: &mut Opened) -> Loaded {
    let limits = Settings::default().page;
    let (loaded, pages) = load_pages(storage, limits).await;
    assert_eq!(pages, 1);
    loaded
}

/// Reads all pages. Returns the content and the number of pages.
async fn load_pages(storage: &mut Opened, limits: PageLimits) -> (Loaded, usize) {
    let mut reading = Reading::default();
    let mut start = None;
    for pages in 1..100 {
        match reading.add(read(storage, start, limits).await) {
            Progress::Continues(next) => start = Some(next),
            Progress::Complete(loaded) => return (loaded, pages),
            Progress::Replaced => panic!("another snapshot on page {pages}"),
        }
    }
    panic!("the pages have no end");
}

async fn read(storage: &mut Opened, start: Option<PageStart>, limits: PageLimits) -> Page {
    let read = StorageOperation::Read(start, limits);
    match storage.answer_to(read).await {
        StorageAnswer::Page(page) => page,
        other => panic!("{other:?}"),
    }
}

/// Asserts that pages of other sizes have the same content, and returns it.
async fn load_in_any_pages(storage: &mut Opened) -> Loaded {
    let loaded = load(storage).await;
    for (rows, pieces) in [(1, 2), (1, 100), (2, 2), (3, 4), (100, 2), (100, 3)] {
        let limits = PageLimits { rows, pieces };
        let (paged, _) = load_pages(storage, limits).await;
        assert_eq!(paged, loaded, "{limits:?}");
    }
    loaded
}

fn fence(term: u64) -> Row {
    Row {
        term: Term(term),
        kind: RowKind::Fence,
    }
}

fn segment(term: u64, bytes: &[u8]) -> Row {
    Row {
        term: Term(term),
        kind: RowKind::Segment(bytes.to_vec()),
    }
}

fn checkpoint(seq: u64, pieces: &[&[u8]], remove: &[(u64, u64)]) -> Checkpoint {
    Checkpoint {
        seq: Seq(seq),
        term: Term(1),
        pieces: pieces.iter().map(|piece| piece.to_vec()).collect(),
        remove: remove.iter().map(|it| (Seq(it.0), Seq(it.1))).collect(),
    }
}

fn seqs(loaded: &Loaded) -> Vec<u64> {
    loaded.rows.iter().map(|(seq, _)| seq.0).collect()
}

/// An object with these fields.
fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        Reflect::set(&object, &JsValue::from_str(name), value).unwrap();
    }
    object.into()
}

fn raw_bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// Puts a value into a store of the open database.
async fn put(storage: &Storage, store: &str, key: JsValue, value: JsValue) {
    let current = storage.current.clone().unwrap();
    let transaction = {
        let connection = current.connection.borrow();
        let Connection { database, both, .. } = connection.as_ref().unwrap();
        database.write(both, |transaction| {
            let store = transaction.object_store(store)?;
            Ok(vec![store.put_with_key(&value, &key)?])
        })
    };
    let received = Received::new();
    transaction.unwrap().on_end(received.sink());
    received.next().await.unwrap();
}

#[wasm_bindgen_test]
async fn appended_rows_are_loaded_in_order_by_the_next_reader() {
    let mut writer = open("order").await;
    assert_eq!(load_in_any_pages(&mut writer).await, Loaded::default());
    let rows = [
        fence(7),
        segment(7, &[1, 0, 255]),
        segment(7, &[]),
        fence(8),
    ];
    for (seq, row) in (1..).zip(&rows) {
        let committed = StorageAnswer::Committed(Seq(seq));
        assert_eq!(append(&mut writer, seq, row.clone()).await, committed);
    }
    let loaded = load_in_any_pages(&mut open("order").await).await;
    let expected = Loaded {
        snapshot: None,
        rows: (1..).map(Seq).zip(rows).collect(),
        foreign: 0,
        tail: Seq(4),
    };
    assert_eq!(loaded, expected);
}

#[wasm_bindgen_test]
async fn several_requests_are_under_way_and_each_answer_names_its_request() {
    let mut storage = open("several").await;
    append(&mut storage, 1, fence(1)).await;
    let taken = storage.ask(StorageOperation::Append(Seq(1), fence(2)));
    let stored = storage.ask(StorageOperation::Append(Seq(2), segment(1, &[1])));
    let limits = Settings::default().page;
    let read = storage.ask(StorageOperation::Read(None, limits));
    let checked = storage.ask(StorageOperation::Check(Some(Seq(2))));
    let mut answers = Vec::new();
    for _ in 0..4 {
        match storage.received.next().await {
            StorageEvent::Answer(id, answer) => answers.push((id, answer)),
            other => panic!("{other:?}"),
        }
    }
    storage.received.nothing().await;
    answers.sort_by_key(|(id, _)| *id);
    let rows = [(1, fence(1)), (2, segment(1, &[1]))];
    let page = Page {
        rows: rows.map(|(seq, row)| (Some(Seq(seq)), Some(row))).into(),
        ..Page::default()
    };
    let failed = StorageAnswer::Failed(Seq(1), StorageError::Taken);
    let expected = [
        (taken, failed),
        (stored, StorageAnswer::Committed(Seq(2))),
        (read, StorageAnswer::Page(page)),
        (checked, StorageAnswer::Checked { is_there: true }),
    ];
    assert_eq!(answers, expected);
}

#[wasm_bindgen_test]
async fn the_browser_compacts_after_some_transactions() {
    let scratch = "tabmq/test/storage/compact/compaction";
    let (_database, deleted, _listener) = held_open(scratch).await;
    let mut storage = open("compact").await;
    append(&mut storage, 1, fence(1)).await;
    assert!(!deleted.has_more());
    let mut seq = 1;
    while !deleted.has_more() && seq < 1_000 {
        seq += 1;
        append(&mut storage, seq, segment(1, &[1])).await;
    }
    deleted.next().await;
    assert!(seq > 50, "after {seq} transactions");
}

#[wasm_bindgen_test]
async fn a_check_leaves_nothing_behind_and_fails_on_a_closed_connection() {
    let mut storage = open("check").await;
    append(&mut storage, 1, fence(1)).await;
    for (row, is_there) in [(None, true), (Some(Seq(1)), true), (Some(Seq(2)), false)] {
        storage.ask(StorageOperation::Check(row));
        assert_eq!(storage.answer().await, StorageAnswer::Checked { is_there });
    }
    let current = storage.storage.current.clone().unwrap();
    {
        let connection = current.connection.borrow();
        connection.as_ref().unwrap().database.close();
    }
    storage.ask(StorageOperation::Check(None));
    match storage.answer().await {
        StorageAnswer::CheckFailed(why) => assert!(why.contains("InvalidStateError"), "{why}"),
        other => panic!("{other:?}"),
    }
    // A new connection works.
    reopen(&mut storage).await;
    let loaded = load(&mut storage).await;
    assert_eq!((seqs(&loaded), loaded.foreign), (vec![1], 0));
}

#[wasm_bindgen_test]
async fn a_row_number_is_written_once() {
    let mut old = open("taken").await;
    let mut new = open("taken").await;
    assert_eq!(
        append(&mut old, 1, fence(1)).await,
        StorageAnswer::Committed(Seq(1))
    );
    assert_eq!(
        append(&mut new, 2, fence(2)).await,
        StorageAnswer::Committed(Seq(2))
    );
    let taken = StorageAnswer::Failed(Seq(2), StorageError::Taken);
    assert_eq!(append(&mut old, 2, segment(1, b"late")).await, taken);
    let taken = StorageAnswer::Failed(Seq(2), StorageError::Taken);
    assert_eq!(
        write(&mut old, checkpoint(2, &[b"late"], &[(1, 1)])).await,
        taken
    );
    let loaded = load(&mut new).await;
    let rows = vec![(Seq(1), fence(1)), (Seq(2), fence(2))];
    assert_eq!((loaded.rows, loaded.snapshot), (rows, None));
    // The connection still works after a failure.
    assert_eq!(
        append(&mut old, 3, fence(3)).await,
        StorageAnswer::Committed(Seq(3))
    );
}

#[wasm_bindgen_test]
async fn a_checkpoint_replaces_the_snapshot_and_the_rows_it_removes() {
    let mut storage = open("checkpoint").await;
    for seq in 1..=6 {
        let row = if seq == 3 { fence(1) } else { segment(1, &[1]) };
        append(&mut storage, seq, row).await;
    }
    let large = vec![7; 300_000];
    let first = checkpoint(7, &[b"a", &large, b"c"], &[(1, 2), (4, 6)]);
    assert_eq!(
        write(&mut storage, first).await,
        StorageAnswer::Committed(Seq(7))
    );
    let loaded = load_in_any_pages(&mut storage).await;
    assert_eq!(seqs(&loaded), [3, 7]);
    assert_eq!(loaded.rows[1].1.kind, RowKind::Checkpoint);
    let snapshot = Snapshot {
        up_to: Seq(7),
        pieces: vec![b"a".to_vec(), large, b"c".to_vec()],
    };
    assert_eq!(loaded.snapshot, Some(snapshot));

    let second = checkpoint(8, &[b"d"], &[(7, 7)]);
    assert_eq!(
        write(&mut storage, second).await,
        StorageAnswer::Committed(Seq(8))
    );
    let loaded = load_in_any_pages(&mut storage).await;
    assert_eq!(seqs(&loaded), [3, 8]);
    let snapshot = Snapshot {
        up_to: Seq(8),
        pieces: vec![b"d".to_vec()],
    };
    assert_eq!((loaded.snapshot, loaded.foreign), (Some(snapshot), 0));
}

#[wasm_bindgen_test]
async fn a_long_log_is_read_in_pages_and_a_checkpoint_between_them_is_noticed() {
    let mut storage = open("pages").await;
    append(&mut storage, 1, fence(1)).await;
    let pieces: [&[u8]; 5] = [b"a", b"b", b"c", b"d", b"e"];
    write(&mut storage, checkpoint(2, &pieces, &[])).await;
    for seq in 3..=6 {
        append(&mut storage, seq, segment(1, &[1])).await;
    }
    let limits = PageLimits { rows: 4, pieces: 4 };
    let whole = load(&mut storage).await;
    assert_eq!(load_pages(&mut storage, limits).await, (whole, 2));

    let first = read(&mut storage, None, limits).await;
    assert_eq!((first.rows.len(), first.pieces.len()), (4, 4));
    let start = first.next;
    let mut reading = Reading::default();
    assert_eq!(reading.add(first), Progress::Continues(start.unwrap()));
    write(&mut storage, checkpoint(7, &pieces, &[(2, 6)])).await;
    let second = read(&mut storage, start, limits).await;
    assert_eq!(reading.add(second), Progress::Replaced);
    let whole = load(&mut storage).await;
    assert_eq!(seqs(&whole), [1, 7]);
    assert_eq!(load_pages(&mut storage, limits).await, (whole, 2));
}

#[wasm_bindgen_test]
async fn a_fence_with_the_number_of_a_removed_row_fails() {
    let mut old = open("late").await;
    append(&mut old, 1, fence(1)).await;
    append(&mut old, 2, segment(1, &[1])).await;
    write(&mut old, checkpoint(3, &[b"a"], &[(2, 2)])).await;
    // This tab read the log before the second row was written.
    let mut new = open("late").await;
    let taken = StorageAnswer::Failed(Seq(2), StorageError::Taken);
    assert_eq!(append(&mut new, 2, fence(2)).await, taken);
    assert_eq!(load(&mut new).await.tail, Seq(3));
}

#[wasm_bindgen_test]
async fn a_checkpoint_is_stored_as_a_whole_or_not_at_all() {
    let mut storage = open("whole").await;
    append(&mut storage, 1, segment(1, &[1])).await;
    write(&mut storage, checkpoint(2, &[b"a", b"b"], &[])).await;
    let before = load(&mut storage).await;

    let taken = StorageAnswer::Failed(Seq(1), StorageError::Taken);
    assert_eq!(
        write(&mut storage, checkpoint(1, &[b"x"], &[(2, 2)])).await,
        taken
    );
    assert_eq!(load(&mut storage).await, before);

    // An inverted range is refused after the earlier requests of the transaction.
    match write(&mut storage, checkpoint(3, &[b"x"], &[(1, 1), (2, 1)])).await {
        StorageAnswer::Failed(Seq(3), StorageError::Other(why)) => {
            assert!(why.contains("DataError"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(load(&mut storage).await, before);
}

#[wasm_bindgen_test]
async fn foreign_values_are_counted_and_hide_no_rows() {
    let mut storage = open("foreign").await;
    append(&mut storage, 1, fence(1)).await;
    let term = || ("term", JsValue::from_f64(1.0));
    let kind = |kind: &str| ("kind", JsValue::from_str(kind));
    let foreign = [
        (JsValue::from_str("text"), object(&[term(), kind("fence")])),
        (JsValue::from_f64(-1.0), object(&[term(), kind("fence")])),
        (f64::NEG_INFINITY.into(), object(&[term(), kind("fence")])),
        (f64::INFINITY.into(), object(&[term(), kind("fence")])),
        (Date::new_0().into(), object(&[term(), kind("fence")])),
        (raw_bytes(b"key"), object(&[term(), kind("fence")])),
        (
            Array::of1(&1.into()).into(),
            object(&[term(), kind("fence")]),
        ),
        (JsValue::from_f64(1.5), object(&[term(), kind("fence")])),
        (JsValue::from_f64(1e300), object(&[term(), kind("fence")])),
        (JsValue::from_f64(0.0), object(&[term(), kind("fence")])),
        (JsValue::from_f64(2.0), JsValue::NULL),
        (JsValue::from_f64(3.0), JsValue::from_str("fence")),
        (JsValue::from_f64(4.0), object(&[kind("fence")])),
        (
            JsValue::from_f64(5.0),
            object(&[("term", "1".into()), kind("fence")]),
        ),
        (JsValue::from_f64(6.0), object(&[term(), kind("later")])),
        (JsValue::from_f64(7.0), object(&[term(), kind("segment")])),
        (
            JsValue::from_f64(8.0),
            object(&[term(), kind("segment"), ("bytes", "x".into())]),
        ),
        (JsValue::from_f64(9.0), object(&[term()])),
    ];
    let count = foreign.len();
    for (key, value) in foreign {
        put(&storage.storage, LOG, key, value).await;
    }
    assert_eq!(
        append(&mut storage, 10, segment(1, &[1])).await,
        StorageAnswer::Committed(Seq(10))
    );
    put(
        &storage.storage,
        LOG,
        JsValue::from_f64(11.0),
        JsValue::NULL,
    )
    .await;
    let loaded = load_in_any_pages(&mut storage).await;
    assert_eq!(seqs(&loaded), [1, 10]);
    assert_eq!((loaded.foreign, loaded.tail), (count + 1, Seq(11)));
    let taken = StorageAnswer::Failed(Seq(11), StorageError::Taken);
    assert_eq!(append(&mut storage, 11, fence(2)).await, taken);
}

#[wasm_bindgen_test]
async fn damaged_and_missing_pieces_are_counted_and_the_others_kept() {
    let mut storage = open("pieces").await;
    write(&mut storage, checkpoint(5, &[b"a", b"b", b"c", b"d"], &[])).await;
    let damaged = object(&[("upTo", 5.into()), ("of", 4.into())]);
    put(&storage.storage, SNAP, 1.into(), damaged).await;
    let loaded = load_in_any_pages(&mut storage).await;
    let kept = |pieces: &[&[u8]]| Snapshot {
        up_to: Seq(5),
        pieces: pieces.iter().map(|piece| piece.to_vec()).collect(),
    };
    assert_eq!(loaded.snapshot, Some(kept(&[b"a", b"c", b"d"])));
    assert_eq!(loaded.foreign, 1);

    let fields = |up_to: u32, of: f64| {
        object(&[
            ("upTo", up_to.into()),
            ("of", of.into()),
            ("bytes", raw_bytes(b"old")),
        ])
    };
    put(&storage.storage, SNAP, 1.into(), fields(4, 4.0)).await;
    put(&storage.storage, SNAP, 4.into(), fields(9, 4.0)).await;
    put(&storage.storage, SNAP, "x".into(), fields(9, 4.0)).await;
    let loaded = load_in_any_pages(&mut storage).await;
    assert_eq!(loaded.snapshot, Some(kept(&[b"a", b"c", b"d"])));
    assert_eq!(loaded.foreign, 3);

    for key in ["y", "z"] {
        put(&storage.storage, SNAP, key.into(), JsValue::NULL).await;
    }
    put(&storage.storage, SNAP, f64::INFINITY.into(), JsValue::NULL).await;
    put(&storage.storage, SNAP, (-0.5).into(), JsValue::NULL).await;
    let loaded = load_in_any_pages(&mut storage).await;
    assert_eq!(loaded.snapshot, Some(kept(&[b"a", b"c", b"d"])));
    assert_eq!(loaded.foreign, 7);

    // This piece claims that most of the snapshot is missing.
    put(&storage.storage, SNAP, 5.into(), fields(9, 9e15)).await;
    let loaded = load_in_any_pages(&mut storage).await;
    assert_eq!(loaded.foreign, usize::MAX - 1);
}

#[wasm_bindgen_test]
async fn a_deleted_database_is_closed_and_may_be_opened_anew() {
    let mut storage = open("deleted").await;
    append(&mut storage, 1, fence(1)).await;
    storage.ask(StorageOperation::Append(Seq(2), fence(1)));
    indexeddb::delete("tabmq/test/storage/deleted")
        .await
        .unwrap();
    let mut event = storage.received.next().await;
    if matches!(event, StorageEvent::Answer(..)) {
        event = storage.received.next().await;
    }
    assert_eq!(event, StorageEvent::Closed);
    storage.received.nothing().await;

    match append(&mut storage, 3, fence(1)).await {
        StorageAnswer::Failed(Seq(3), StorageError::Other(_)) => {}
        other => panic!("{other:?}"),
    }
    storage.ask(StorageOperation::Open(Durability::Strict));
    assert_eq!(storage.answer().await, StorageAnswer::Opened);
    assert_eq!(load(&mut storage).await, Loaded::default());
}

#[wasm_bindgen_test]
async fn a_failure_caused_by_the_close_of_the_database_is_not_reported() {
    let mut storage = open("closed").await;
    storage.ask(StorageOperation::Append(Seq(u64::MAX), fence(1)));
    storage.received.nothing_for(CLOSE_MS / 2).await;
    let current = storage.storage.current.clone().unwrap();
    let database: Option<EventTarget> = {
        let connection = current.connection.borrow();
        connection
            .as_ref()
            .map(|it| it.database.deref().clone().into())
    };
    let close = Event::new("close").unwrap();
    database.unwrap().dispatch_event(&close).unwrap();
    assert_eq!(storage.received.next().await, StorageEvent::Closed);
    storage.received.nothing().await;
}

#[wasm_bindgen_test]
async fn a_request_for_another_version_waits() {
    let mut storage = open("version").await;
    let opened = Received::new();
    let report = opened.sink();
    spawn_local(async move {
        let opened = indexeddb::open("tabmq/test/storage/version", Some(2.0), |_| Ok(())).await;
        report(opened.unwrap().database.version());
    });
    opened.nothing().await;
    assert_eq!(
        append(&mut storage, 1, fence(1)).await,
        StorageAnswer::Committed(Seq(1))
    );
    storage.ask(StorageOperation::Close);
    assert_eq!(opened.next().await, 2.0);
    storage.received.nothing().await;

    storage.ask(StorageOperation::Open(Durability::Relaxed));
    match storage.answer().await {
        StorageAnswer::Unavailable {
            why,
            is_lasting: true,
        } => assert!(why.contains("VersionError"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[wasm_bindgen_test]
async fn after_close_no_outcome_of_earlier_requests_is_reported() {
    let mut storage = named("close");
    storage.ask(StorageOperation::Open(Durability::Relaxed));
    storage.ask(StorageOperation::Close);
    storage.received.nothing().await;
    reopen(&mut storage).await;
    storage.ask(StorageOperation::Append(Seq(1), fence(1)));
    let limits = Settings::default().page;
    storage.ask(StorageOperation::Read(None, limits));
    storage.ask(StorageOperation::Close);
    storage.received.nothing().await;
    // The requests are carried out all the same.
    assert_eq!(seqs(&load(&mut open("close").await).await), [1]);
    // Both connections are closed, so the deletion does not wait.
    drop(storage);
    indexeddb::delete("tabmq/test/storage/close").await.unwrap();
}

#[wasm_bindgen_test]
async fn a_database_without_our_stores_is_refused() {
    let others = indexeddb::open("tabmq/test/storage/others", Some(1.0), |_| Ok(()));
    drop(others.await.unwrap());
    let mut storage = named("others");
    storage.ask(StorageOperation::Open(Durability::Relaxed));
    match storage.answer().await {
        StorageAnswer::Unavailable {
            why,
            is_lasting: true,
        } => assert!(why.contains("not of TabMQ's making"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[wasm_bindgen_test]
async fn numbers_beyond_the_safe_integers_are_not_written() {
    let mut storage = open("numbers").await;
    let last = SAFE_INTEGER_MAX;
    assert_eq!(
        append(&mut storage, last, fence(last)).await,
        StorageAnswer::Committed(Seq(last))
    );
    for (seq, term) in [(last + 1, 1), (1, last + 1)] {
        match append(&mut storage, seq, fence(term)).await {
            StorageAnswer::Failed(failed, StorageError::Other(_)) => assert_eq!(failed.0, seq),
            other => panic!("{other:?}"),
        }
    }
}

#[wasm_bindgen_test]
async fn rows_far_beyond_the_last_row_are_foreign_and_stay() {
    let mut storage = open("far").await;
    append(&mut storage, 1, fence(1)).await;
    let far = Seq(1).reach().next();
    for seq in [far, Seq(SAFE_INTEGER_MAX)] {
        append(&mut storage, seq.0, segment(1, &[1])).await;
    }
    let loaded = load_in_any_pages(&mut storage).await;
    assert_eq!((seqs(&loaded), loaded.foreign), (vec![1], 2));
    assert_eq!(loaded.tail, Seq(1));
    // They block no fence, not even one just before them.
    let committed = StorageAnswer::Committed(Seq(2));
    assert_eq!(append(&mut storage, 2, fence(2)).await, committed);
    let taken = StorageAnswer::Failed(far, StorageError::Taken);
    assert_eq!(append(&mut storage, far.0, fence(3)).await, taken);
}

#[wasm_bindgen_test]
async fn a_checkpoint_may_have_removed_any_number_of_rows() {
    let mut storage = open("long").await;
    append(&mut storage, 1, fence(1)).await;
    for seq in [4_000_000, 8_000_000] {
        append(&mut storage, seq, fence(2)).await;
        write(&mut storage, checkpoint(seq + 1, &[b"a"], &[])).await;
    }
    append(&mut storage, 8_000_002, segment(2, &[1])).await;
    let loaded = load(&mut storage).await;
    assert_eq!(seqs(&loaded).len(), 6);
    assert_eq!((loaded.foreign, loaded.tail), (0, Seq(8_000_002)));
}

#[wasm_bindgen_test]
fn the_cause_is_found_among_the_errors_that_it_led_to() {
    let errors = |names: &[&str]| {
        let error = |name: &&str| DomException::new_with_message_and_name("", name);
        Err(names
            .iter()
            .map(|name| error(name).unwrap().into())
            .collect())
    };
    let error = |names| match written(Seq(1), errors(names)) {
        StorageAnswer::Failed(Seq(1), error) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(error(&["QuotaExceededError"]), StorageError::Full);
    assert_eq!(
        error(&["AbortError", "QuotaExceededError"]),
        StorageError::Full
    );
    assert_eq!(
        error(&["AbortError", "ConstraintError"]),
        StorageError::Taken
    );
    assert!(matches!(error(&["UnknownError"]), StorageError::Other(_)));
}
