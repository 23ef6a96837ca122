//! The database that holds the broker's log.

mod compaction;

use core::fmt;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use js_sys::{Array, Object, Uint8Array};
use tab::api::{Durability, Term};
use tab::control::SAFE_INTEGER_MAX;
use tab::storage::{
    Checkpoint, Loaded, Row, RowKind, Seq, Snapshot, StorageError, StorageEvent, StorageRequest,
};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Event, IdbKeyRange, IdbVersionChangeEvent};

use crate::browser::clock;
use crate::browser::error::{describe, is};
use crate::browser::events::Listener;
use crate::browser::indexeddb::{self, Database, Ended, Scope, Transaction};
use compaction::{Change, Compaction};

/// For ever: see [`tab::ChannelName::database`].
const VERSION: f64 = 1.0;

/// How long a failure without a known cause may have to wait for a `close` of the database that explains it.
const CLOSE_MS: i32 = 20;

/// Rows by number.
const LOG: &str = "log";
/// Pieces of the snapshot by index.
const SNAP: &str = "snap";

#[wasm_bindgen]
extern "C" {
    /// A row as it is stored.
    #[wasm_bindgen(extends = Object)]
    type StoredRow;
    #[wasm_bindgen(method, getter)]
    fn term(this: &StoredRow) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_term(this: &StoredRow, term: &JsValue);
    #[wasm_bindgen(method, getter)]
    fn kind(this: &StoredRow) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_kind(this: &StoredRow, kind: &str);
    #[wasm_bindgen(method, getter)]
    fn bytes(this: &StoredRow) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_bytes(this: &StoredRow, bytes: &Uint8Array);

    /// A piece of the snapshot as it is stored.
    #[wasm_bindgen(extends = Object)]
    type StoredPiece;
    #[wasm_bindgen(method, getter, js_name = upTo)]
    fn up_to(this: &StoredPiece) -> JsValue;
    #[wasm_bindgen(method, setter, js_name = upTo)]
    fn set_up_to(this: &StoredPiece, up_to: &JsValue);
    #[wasm_bindgen(method, getter)]
    fn of(this: &StoredPiece) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_of(this: &StoredPiece, of: &JsValue);
    #[wasm_bindgen(method, getter)]
    fn bytes(this: &StoredPiece) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_bytes(this: &StoredPiece, bytes: &Uint8Array);
}

/// Carries out what the tab wants of the database of one channel. Closed when it is dropped.
pub(crate) struct Storage {
    name: String,
    tell: Rc<dyn Fn(StorageEvent)>,
    session: Option<Rc<Session>>,
}

/// From the request to open the database to its end.
struct Session {
    tell: Rc<dyn Fn(StorageEvent)>,
    /// Nothing is told any more.
    is_over: Cell<bool>,
    connection: RefCell<Option<Connection>>,
    compaction: Option<Compaction>,
}

struct Connection {
    database: Database,
    /// Of transactions that add a row, which then wait for nothing else.
    log: Scope,
    /// Of those that leave the log alone.
    snap: Scope,
    snap_and_log: Scope,
    /// Of all others.
    both: Scope,
    _close: Listener,
    _version_change: Listener,
}

impl Storage {
    /// The database of this name, which is not open yet.
    pub(crate) fn new(name: String, on_event: impl Fn(StorageEvent) + 'static) -> Self {
        Self {
            name,
            tell: Rc::new(on_event),
            session: None,
        }
    }

    /// Begins to carry out a request. The answer comes later, never before this returns.
    pub(crate) fn handle(&mut self, request: StorageRequest) {
        match request {
            StorageRequest::Open(durability) => self.open(durability),
            StorageRequest::Load => self.load(),
            StorageRequest::Append(seq, row) => self.append(seq, &row),
            StorageRequest::Checkpoint(checkpoint) => self.checkpoint(&checkpoint),
            StorageRequest::Check(row) => self.check(row),
            StorageRequest::Close => self.close(),
        }
    }

    fn open(&mut self, durability: Durability) {
        self.close();
        let session = Rc::new(Session {
            tell: Rc::clone(&self.tell),
            is_over: Cell::new(false),
            connection: RefCell::new(None),
            compaction: Compaction::of(&self.name),
        });
        self.session = Some(Rc::clone(&session));
        let name = self.name.clone();
        spawn_local(async move {
            match Connection::open(&name, durability, &session).await {
                Ok(connection) => session.opened(connection),
                Err(error) => {
                    session.tell(StorageEvent::Unavailable {
                        why: format!("The database cannot be used: {}", describe(&error)),
                        is_lasting: is_lasting(&error),
                    });
                }
            }
        });
    }

    fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.end();
        }
    }

    fn load(&self) {
        self.run(Change::default(), Connection::read, |ended| match ended {
            Ok(results) => StorageEvent::Loaded(loaded(&results)),
            Err(errors) => StorageEvent::LoadFailed(sentence("The log cannot be read", &errors)),
        });
    }

    fn check(&self, row: Option<Seq>) {
        let check = |connection: &Connection| connection.check(row);
        self.run(Change::default(), check, |ended| match ended {
            Ok(results) => StorageEvent::Checked {
                is_there: results.get(2) != 0.0,
            },
            Err(errors) => StorageEvent::CheckFailed(sentence("The database fails", &errors)),
        });
    }

    fn append(&self, seq: Seq, row: &Row) {
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
            change,
            |connection| connection.append(prepared?),
            move |ended| match ended {
                Ok(results) if is_fence && results.get(1) != 0.0 => {
                    StorageEvent::Failed(seq, StorageError::Taken)
                }
                ended => written(seq, ended),
            },
        );
    }

    fn checkpoint(&self, checkpoint: &Checkpoint) {
        let seq = checkpoint.seq;
        let prepared = PreparedCheckpoint::new(checkpoint);
        let removed = checkpoint.remove.iter();
        let removed = removed.map(|(first, last)| last.0.saturating_sub(first.0) + 1);
        let change = Change {
            rows: removed.sum::<u64>() + 1,
            bytes: 0,
        };
        self.run(
            change,
            |connection| connection.checkpoint(&prepared?),
            move |ended| written(seq, ended),
        );
    }

    /// Begins a transaction that makes this change, and tells its outcome as `event` words it.
    ///
    /// A worker may be stopped in the middle of a turn, and a transaction that is not committed by then holds up every tab
    /// until the browser gives it up, which takes Chromium a minute: so `begin` does nothing but ask, at one stroke, and what
    /// that takes is made before.
    fn run(
        &self,
        change: Change,
        begin: impl FnOnce(&Connection) -> Result<Transaction, JsValue>,
        event: impl FnOnce(Ended) -> StorageEvent + 'static,
    ) {
        let session = self
            .session
            .clone()
            .filter(|session| !session.is_over.get());
        let connection = session.as_ref().map(|session| session.connection.borrow());
        let transaction = match connection
            .as_ref()
            .and_then(|connection| connection.as_ref())
        {
            Some(connection) => begin(connection),
            None => Err(JsValue::from_str("the database is not open")),
        };
        drop(connection);
        let tell = Rc::clone(&self.tell);
        let told = move |ended| match session {
            Some(session) => session.ended(event(ended), change),
            None => tell(event(ended)),
        };
        match transaction {
            Ok(transaction) => transaction.on_end(told),
            Err(error) => spawn_local(async move { told(Err(vec![error])) }),
        }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, session, .. } = self;
        let is_open = session.as_ref().is_some_and(|it| !it.is_over.get());
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

impl Session {
    fn opened(&self, connection: Connection) {
        // Else it is dropped, and so closed: nobody wants it any more.
        if !self.is_over.get() {
            self.connection.replace(Some(connection));
            self.tell(StorageEvent::Opened);
        }
    }

    /// A transaction has ended, as `event` tells.
    fn ended(self: Rc<Self>, event: StorageEvent, change: Change) {
        let is_unexplained = matches!(
            event,
            StorageEvent::LoadFailed(_)
                | StorageEvent::CheckFailed(_)
                | StorageEvent::Failed(_, StorageError::Other(_))
        );
        if !is_unexplained {
            self.tell(event);
            return self.compact(change);
        }
        // A browser that closes the database fails first what is under way, and of the two only that it is closed is to be
        // told.
        spawn_local(async move {
            clock::pause(CLOSE_MS).await;
            self.tell(event);
        });
    }

    fn compact(&self, change: Change) {
        if let Some(compaction) = &self.compaction
            && !self.is_over.get()
        {
            compaction.count(change);
        }
    }

    /// The database is no longer ours, or no longer there.
    fn lost(&self) {
        self.tell(StorageEvent::Closed);
        self.end();
    }

    fn end(&self) {
        self.is_over.set(true);
        self.connection.take();
    }

    fn tell(&self, event: StorageEvent) {
        if !self.is_over.get() {
            (self.tell)(event);
        }
    }
}

impl Connection {
    async fn open(
        name: &str,
        durability: Durability,
        session: &Rc<Session>,
    ) -> Result<Self, JsValue> {
        let durability = match durability {
            Durability::Relaxed => "relaxed",
            Durability::Strict => "strict",
            Durability::Memory => return Err(JsValue::from_str("it is not wanted")),
        };
        let opened = indexeddb::open(name, Some(VERSION), |database| {
            database.create_object_store(LOG)?;
            database.create_object_store(SNAP).map(drop)
        });
        let database = opened.await?.database;
        let stores = database.object_store_names();
        if ![LOG, SNAP].iter().all(|store| stores.contains(store)) {
            let why = format!("{name} is not of TabMQ's making");
            return Err(JsValue::from_str(&why));
        }
        let closed = Rc::downgrade(session);
        let close = move |_: Event| lost(&closed);
        let deleted = Rc::downgrade(session);
        let version_change = move |event: Event| {
            let event: IdbVersionChangeEvent = event.unchecked_into();
            // Whoever deletes it waits until it is closed here. There is no other version than this one.
            if event.new_version().is_none() {
                lost(&deleted);
            }
        };
        Ok(Self {
            _close: Listener::new(&database, "close", close)?,
            _version_change: Listener::new(&database, "versionchange", version_change)?,
            database,
            log: Scope::new(&[LOG], durability),
            snap: Scope::new(&[SNAP], durability),
            snap_and_log: Scope::new(&[SNAP, LOG], durability),
            both: Scope::new(&[LOG, SNAP], durability),
        })
    }

    fn read(&self) -> Result<Transaction, JsValue> {
        self.database.read(&self.both)
    }

    /// Leaves the log alone, so that nobody waits for it who writes there, unless a row of it is asked for.
    fn check(&self, row: Option<Seq>) -> Result<Transaction, JsValue> {
        match row {
            None => self.database.check(&self.snap, &JsValue::UNDEFINED),
            Some(seq) => self.database.check(&self.snap_and_log, &number(seq.0)?),
        }
    }

    fn checkpoint(&self, checkpoint: &PreparedCheckpoint) -> Result<Transaction, JsValue> {
        let PreparedCheckpoint {
            seq,
            row,
            pieces,
            remove,
        } = checkpoint;
        self.database.replace(&self.both, row, seq, remove, pieces)
    }

    fn append(&self, row: PreparedRow) -> Result<Transaction, JsValue> {
        let PreparedRow { key, row, later } = row;
        self.database
            .add(&self.log, LOG, &row, &key, later.as_ref())
    }
}

/// Whether a database that cannot be opened now cannot be opened later either: errors that say that there is none to be had here.
/// One without a name is our own.
fn is_lasting(error: &JsValue) -> bool {
    let names = [
        "SecurityError",
        "NotSupportedError",
        "InvalidStateError",
        "VersionError",
    ];
    error.is_string() || names.iter().any(|name| is(error, name))
}

fn lost(session: &Weak<Session>) {
    if let Some(session) = session.upgrade() {
        session.lost();
    }
}

/// A row as it will be stored.
struct PreparedRow {
    key: JsValue,
    row: JsValue,
    /// Where there must be nothing, if this is a fence.
    later: Option<IdbKeyRange>,
}

/// A checkpoint as it will be stored.
struct PreparedCheckpoint {
    seq: JsValue,
    row: JsValue,
    /// By index.
    pieces: Array,
    remove: Array,
}

impl PreparedRow {
    fn new(seq: Seq, row: &Row) -> Result<Self, JsValue> {
        let key = number(seq.0)?;
        let later = match row.kind {
            RowKind::Fence => Some(later(seq, &key)?),
            _ => None,
        };
        Ok(Self {
            row: stored_row(row)?,
            key,
            later,
        })
    }
}

/// Where rows are that come after this one, if any do: what is further off is not of the log.
fn later(seq: Seq, key: &JsValue) -> Result<IdbKeyRange, JsValue> {
    let reach = Seq(seq.0.saturating_sub(1)).reach();
    #[allow(clippy::cast_precision_loss, reason = "it need not be exact")]
    let reach = JsValue::from_f64(reach.0 as f64);
    IdbKeyRange::bound_with_lower_open(key, &reach, true)
}

impl PreparedCheckpoint {
    fn new(checkpoint: &Checkpoint) -> Result<Self, JsValue> {
        let Checkpoint {
            seq,
            term,
            pieces,
            remove,
        } = checkpoint;
        let seq = number(seq.0)?;
        let of = number(pieces.len() as u64)?;
        let piece = |bytes: &Vec<u8>| {
            let piece: StoredPiece = Object::new().unchecked_into();
            piece.set_up_to(&seq);
            piece.set_of(&of);
            piece.set_bytes(&Uint8Array::from(bytes.as_slice()));
            piece
        };
        let range =
            |(first, last): &(Seq, Seq)| IdbKeyRange::bound(&number(first.0)?, &number(last.0)?);
        Ok(Self {
            row: stored_row(&Row {
                term: *term,
                kind: RowKind::Checkpoint,
            })?,
            pieces: pieces.iter().map(piece).collect(),
            remove: remove.iter().map(range).collect::<Result<_, JsValue>>()?,
            seq,
        })
    }
}

fn written(seq: Seq, ended: Ended) -> StorageEvent {
    let Err(errors) = ended else {
        return StorageEvent::Committed(seq);
    };
    let any = |name| errors.iter().any(|error| is(error, name));
    let error = if any("ConstraintError") {
        StorageError::Taken
    } else if any("QuotaExceededError") {
        StorageError::Full
    } else {
        StorageError::Other(sentence("The log cannot be written", &errors))
    };
    StorageEvent::Failed(seq, error)
}

/// What happened, and the first of the errors that led to it.
fn sentence(what: &str, errors: &[JsValue]) -> String {
    let why = errors.first().map(describe).unwrap_or_default();
    format!("{what}: {why}")
}

/// A number as JavaScript has it, if that can tell it from the next.
fn number(number: u64) -> Result<JsValue, JsValue> {
    if number > SAFE_INTEGER_MAX {
        return Err(JsValue::from_str("there are no numbers left"));
    }
    #[allow(clippy::cast_precision_loss, reason = "it was just looked at")]
    Ok(JsValue::from_f64(number as f64))
}

/// What [`number`] made.
fn integer(value: &JsValue) -> Option<u64> {
    #[allow(clippy::cast_precision_loss, reason = "the greatest that is exact")]
    let range = 0.0..=SAFE_INTEGER_MAX as f64;
    let number = value.as_f64()?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole and in range"
    )]
    (number.fract() == 0.0 && range.contains(&number)).then_some(number as u64)
}

fn bytes(value: &JsValue) -> Option<Vec<u8>> {
    value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec)
}

fn stored_row(row: &Row) -> Result<JsValue, JsValue> {
    let stored: StoredRow = Object::new().unchecked_into();
    stored.set_term(&number(row.term.0)?);
    stored.set_kind(match &row.kind {
        RowKind::Fence => "fence",
        RowKind::Segment(bytes) => {
            stored.set_bytes(&Uint8Array::from(bytes.as_slice()));
            "segment"
        }
        RowKind::Checkpoint => "checkpoint",
    });
    Ok(stored.into())
}

fn row(value: JsValue) -> Option<Row> {
    // What comes out of a database has no getters that could throw, if it is an object at all.
    let stored: StoredRow = value.is_object().then(|| value.unchecked_into())?;
    Some(Row {
        term: Term(integer(&stored.term())?),
        kind: match stored.kind().as_string()?.as_str() {
            "fence" => RowKind::Fence,
            "segment" => RowKind::Segment(bytes(&stored.bytes())?),
            "checkpoint" => RowKind::Checkpoint,
            _ => return None,
        },
    })
}

/// A piece of a snapshot.
struct Piece {
    /// Which snapshot it is of, and how many there are of it.
    snapshot: (Seq, u64),
    bytes: Vec<u8>,
}

fn piece(index: Option<u64>, value: JsValue) -> Option<Piece> {
    let stored: StoredPiece = value.is_object().then(|| value.unchecked_into())?;
    let of = integer(&stored.of())?;
    index.filter(|index| *index < of)?;
    Some(Piece {
        snapshot: (Seq(integer(&stored.up_to())?), of),
        bytes: bytes(&stored.bytes())?,
    })
}

/// What [`Storage::load`] asked for.
fn loaded(results: &Array) -> Loaded {
    let mut loaded = Loaded::default();
    let mut results = results.iter().map(|result| Array::from(&result));
    let mut store = || {
        let keys = results.next().unwrap_or_default();
        let values = results.next().unwrap_or_default();
        (0..keys.length()).map(move |place| (integer(&keys.get(place)), values.get(place)))
    };
    let rows = store();
    let stored: Vec<_> = store().collect();
    let in_snap = stored.len();
    let stored = stored.into_iter();
    let mut pieces: Vec<_> = stored
        .filter_map(|(key, value)| piece(key, value))
        .collect();
    if let Some(newest) = pieces.iter().map(|piece| piece.snapshot).max() {
        pieces.retain(|piece| piece.snapshot == newest);
        // What is missing counts as well, but not twice what is there and damaged.
        let usable = pieces.len();
        let of = usize::try_from(newest.1).unwrap_or(usize::MAX);
        loaded.foreign += (in_snap - usable).max(of - usable);
        loaded.snapshot = Some(Snapshot {
            up_to: newest.0,
            pieces: pieces.into_iter().map(|piece| piece.bytes).collect(),
        });
    } else {
        loaded.foreign += in_snap;
    }
    for (key, value) in rows {
        match key.filter(|key| *key > 0) {
            Some(key) => loaded.add(Seq(key), row(value)),
            None => loaded.foreign += 1,
        }
    }
    loaded
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use core::ops::Deref as _;

    use js_sys::Reflect;
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::{DomException, EventTarget};

    use super::*;
    use crate::browser::testing::{Told, held_open};

    fn named(test: &str) -> (Storage, Told<StorageEvent>) {
        let told = Told::new();
        let storage = Storage::new(format!("tabmq/test/storage/{test}"), told.tell());
        (storage, told)
    }

    async fn open(test: &str) -> (Storage, Told<StorageEvent>) {
        let (mut storage, told) = named(test);
        storage.handle(StorageRequest::Open(Durability::Relaxed));
        assert_eq!(told.next().await, StorageEvent::Opened);
        (storage, told)
    }

    async fn append(
        (storage, told): &mut (Storage, Told<StorageEvent>),
        seq: u64,
        row: Row,
    ) -> StorageEvent {
        storage.handle(StorageRequest::Append(Seq(seq), row));
        told.next().await
    }

    async fn write(
        (storage, told): &mut (Storage, Told<StorageEvent>),
        checkpoint: Checkpoint,
    ) -> StorageEvent {
        storage.handle(StorageRequest::Checkpoint(checkpoint));
        told.next().await
    }

    async fn load((storage, told): &mut (Storage, Told<StorageEvent>)) -> Loaded {
        storage.handle(StorageRequest::Load);
        match told.next().await {
            StorageEvent::Loaded(loaded) => loaded,
            other => panic!("{other:?}"),
        }
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

    /// Puts something into a store that is open already.
    async fn put(storage: &Storage, store: &str, key: JsValue, value: JsValue) {
        let session = storage.session.clone().unwrap();
        let transaction = {
            let connection = session.connection.borrow();
            let Connection { database, both, .. } = connection.as_ref().unwrap();
            database.write(both, |transaction| {
                let store = transaction.object_store(store)?;
                Ok(vec![store.put_with_key(&value, &key)?])
            })
        };
        let told = Told::new();
        transaction.unwrap().on_end(told.tell());
        told.next().await.unwrap();
    }

    #[wasm_bindgen_test]
    async fn what_is_appended_is_loaded_in_order_by_whoever_reads_next() {
        let mut writer = open("order").await;
        assert_eq!(load(&mut writer).await, Loaded::default());
        let rows = [
            fence(7),
            segment(7, &[1, 0, 255]),
            segment(7, &[]),
            fence(8),
        ];
        for (seq, row) in (1..).zip(&rows) {
            let committed = StorageEvent::Committed(Seq(seq));
            assert_eq!(append(&mut writer, seq, row.clone()).await, committed);
        }
        let loaded = load(&mut open("order").await).await;
        let expected = Loaded {
            snapshot: None,
            rows: (1..).map(Seq).zip(rows).collect(),
            foreign: 0,
            tail: Seq(4),
        };
        assert_eq!(loaded, expected);
    }

    #[wasm_bindgen_test]
    async fn the_browser_is_made_to_compact_now_and_then() {
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
            storage.0.handle(StorageRequest::Check(row));
            assert_eq!(storage.1.next().await, StorageEvent::Checked { is_there });
        }
        let session = storage.0.session.clone().unwrap();
        {
            let connection = session.connection.borrow();
            connection.as_ref().unwrap().database.close();
        }
        storage.0.handle(StorageRequest::Check(None));
        match storage.1.next().await {
            StorageEvent::CheckFailed(why) => assert!(why.contains("InvalidStateError"), "{why}"),
            other => panic!("{other:?}"),
        }
        // A new connection works.
        storage.0.handle(StorageRequest::Open(Durability::Relaxed));
        assert_eq!(storage.1.next().await, StorageEvent::Opened);
        let loaded = load(&mut storage).await;
        assert_eq!((seqs(&loaded), loaded.foreign), (vec![1], 0));
    }

    #[wasm_bindgen_test]
    async fn a_number_is_taken_once() {
        let mut old = open("taken").await;
        let mut new = open("taken").await;
        assert_eq!(
            append(&mut old, 1, fence(1)).await,
            StorageEvent::Committed(Seq(1))
        );
        assert_eq!(
            append(&mut new, 2, fence(2)).await,
            StorageEvent::Committed(Seq(2))
        );
        let taken = StorageEvent::Failed(Seq(2), StorageError::Taken);
        assert_eq!(append(&mut old, 2, segment(1, b"late")).await, taken);
        let taken = StorageEvent::Failed(Seq(2), StorageError::Taken);
        assert_eq!(
            write(&mut old, checkpoint(2, &[b"late"], &[(1, 1)])).await,
            taken
        );
        let loaded = load(&mut new).await;
        let rows = vec![(Seq(1), fence(1)), (Seq(2), fence(2))];
        assert_eq!((loaded.rows, loaded.snapshot), (rows, None));
        // The connection of the one that failed is as good as before.
        assert_eq!(
            append(&mut old, 3, fence(3)).await,
            StorageEvent::Committed(Seq(3))
        );
    }

    #[wasm_bindgen_test]
    async fn a_checkpoint_takes_the_place_of_the_snapshot_and_of_the_rows_it_removes() {
        let mut storage = open("checkpoint").await;
        for seq in 1..=6 {
            let row = if seq == 3 { fence(1) } else { segment(1, &[1]) };
            append(&mut storage, seq, row).await;
        }
        let large = vec![7; 300_000];
        let first = checkpoint(7, &[b"a", &large, b"c"], &[(1, 2), (4, 6)]);
        assert_eq!(
            write(&mut storage, first).await,
            StorageEvent::Committed(Seq(7))
        );
        let loaded = load(&mut storage).await;
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
            StorageEvent::Committed(Seq(8))
        );
        let loaded = load(&mut storage).await;
        assert_eq!(seqs(&loaded), [3, 8]);
        let snapshot = Snapshot {
            up_to: Seq(8),
            pieces: vec![b"d".to_vec()],
        };
        assert_eq!((loaded.snapshot, loaded.foreign), (Some(snapshot), 0));
    }

    #[wasm_bindgen_test]
    async fn a_fence_in_the_place_of_a_removed_row_comes_too_late() {
        let mut old = open("late").await;
        append(&mut old, 1, fence(1)).await;
        append(&mut old, 2, segment(1, &[1])).await;
        write(&mut old, checkpoint(3, &[b"a"], &[(2, 2)])).await;
        // Of a tab that has read the log before the second row came.
        let mut new = open("late").await;
        let taken = StorageEvent::Failed(Seq(2), StorageError::Taken);
        assert_eq!(append(&mut new, 2, fence(2)).await, taken);
        assert_eq!(load(&mut new).await.tail, Seq(3));
    }

    #[wasm_bindgen_test]
    async fn a_checkpoint_is_stored_as_a_whole_or_not_at_all() {
        let mut storage = open("whole").await;
        append(&mut storage, 1, segment(1, &[1])).await;
        write(&mut storage, checkpoint(2, &[b"a", b"b"], &[])).await;
        let before = load(&mut storage).await;

        let taken = StorageEvent::Failed(Seq(1), StorageError::Taken);
        assert_eq!(
            write(&mut storage, checkpoint(1, &[b"x"], &[(2, 2)])).await,
            taken
        );
        assert_eq!(load(&mut storage).await, before);

        // A range that ends before it begins is refused when everything before it has been asked for.
        match write(&mut storage, checkpoint(3, &[b"x"], &[(1, 1), (2, 1)])).await {
            StorageEvent::Failed(Seq(3), StorageError::Other(why)) => {
                assert!(why.contains("DataError"), "{why}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(load(&mut storage).await, before);
    }

    #[wasm_bindgen_test]
    async fn what_is_foreign_is_counted_and_hides_nothing_else() {
        let mut storage = open("foreign").await;
        append(&mut storage, 1, fence(1)).await;
        let term = || ("term", JsValue::from_f64(1.0));
        let kind = |kind: &str| ("kind", JsValue::from_str(kind));
        let foreign = [
            (JsValue::from_str("text"), object(&[term(), kind("fence")])),
            (JsValue::from_f64(-1.0), object(&[term(), kind("fence")])),
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
            put(&storage.0, LOG, key, value).await;
        }
        assert_eq!(
            append(&mut storage, 10, segment(1, &[1])).await,
            StorageEvent::Committed(Seq(10))
        );
        put(&storage.0, LOG, JsValue::from_f64(11.0), JsValue::NULL).await;
        let loaded = load(&mut storage).await;
        assert_eq!(seqs(&loaded), [1, 10]);
        assert_eq!((loaded.foreign, loaded.tail), (count + 1, Seq(11)));
        let taken = StorageEvent::Failed(Seq(11), StorageError::Taken);
        assert_eq!(append(&mut storage, 11, fence(2)).await, taken);
    }

    #[wasm_bindgen_test]
    async fn pieces_that_are_damaged_or_missing_are_counted_and_the_others_kept() {
        let mut storage = open("pieces").await;
        write(&mut storage, checkpoint(5, &[b"a", b"b", b"c", b"d"], &[])).await;
        let damaged = object(&[("upTo", 5.into()), ("of", 4.into())]);
        put(&storage.0, SNAP, 1.into(), damaged).await;
        let loaded = load(&mut storage).await;
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
        put(&storage.0, SNAP, 1.into(), fields(4, 4.0)).await;
        put(&storage.0, SNAP, 4.into(), fields(9, 4.0)).await;
        put(&storage.0, SNAP, "x".into(), fields(9, 4.0)).await;
        let loaded = load(&mut storage).await;
        assert_eq!(loaded.snapshot, Some(kept(&[b"a", b"c", b"d"])));
        assert_eq!(loaded.foreign, 3);

        // Claims that most of it is missing.
        put(&storage.0, SNAP, 5.into(), fields(9, 9e15)).await;
        let loaded = load(&mut storage).await;
        assert_eq!(loaded.foreign, usize::MAX - 1);
    }

    #[wasm_bindgen_test]
    async fn a_deleted_database_is_closed_and_may_be_opened_anew() {
        let mut storage = open("deleted").await;
        append(&mut storage, 1, fence(1)).await;
        storage.0.handle(StorageRequest::Append(Seq(2), fence(1)));
        indexeddb::delete("tabmq/test/storage/deleted")
            .await
            .unwrap();
        let mut event = storage.1.next().await;
        if event == StorageEvent::Committed(Seq(2)) {
            event = storage.1.next().await;
        }
        assert_eq!(event, StorageEvent::Closed);
        storage.1.nothing().await;

        match append(&mut storage, 3, fence(1)).await {
            StorageEvent::Failed(Seq(3), StorageError::Other(_)) => {}
            other => panic!("{other:?}"),
        }
        storage.0.handle(StorageRequest::Open(Durability::Strict));
        assert_eq!(storage.1.next().await, StorageEvent::Opened);
        assert_eq!(load(&mut storage).await, Loaded::default());
    }

    #[wasm_bindgen_test]
    async fn what_fails_with_the_end_of_the_database_is_not_told_of_by_itself() {
        let (mut storage, told) = open("closed").await;
        storage.handle(StorageRequest::Append(Seq(u64::MAX), fence(1)));
        told.nothing_for(CLOSE_MS / 2).await;
        let session = storage.session.clone().unwrap();
        let database: Option<EventTarget> = {
            let connection = session.connection.borrow();
            connection
                .as_ref()
                .map(|it| it.database.deref().clone().into())
        };
        let close = Event::new("close").unwrap();
        database.unwrap().dispatch_event(&close).unwrap();
        assert_eq!(told.next().await, StorageEvent::Closed);
        told.nothing().await;
    }

    #[wasm_bindgen_test]
    async fn whoever_wants_another_version_waits() {
        let mut storage = open("version").await;
        let opened = Told::new();
        let tell = opened.tell();
        spawn_local(async move {
            let opened = indexeddb::open("tabmq/test/storage/version", Some(2.0), |_| Ok(())).await;
            tell(opened.unwrap().database.version());
        });
        opened.nothing().await;
        assert_eq!(
            append(&mut storage, 1, fence(1)).await,
            StorageEvent::Committed(Seq(1))
        );
        storage.0.handle(StorageRequest::Close);
        assert_eq!(opened.next().await, 2.0);
        storage.1.nothing().await;

        storage.0.handle(StorageRequest::Open(Durability::Relaxed));
        match storage.1.next().await {
            StorageEvent::Unavailable {
                why,
                is_lasting: true,
            } => assert!(why.contains("VersionError"), "{why}"),
            other => panic!("{other:?}"),
        }
    }

    #[wasm_bindgen_test]
    async fn after_close_nothing_is_told_of_what_was_under_way() {
        let (mut storage, told) = named("close");
        storage.handle(StorageRequest::Open(Durability::Relaxed));
        storage.handle(StorageRequest::Close);
        told.nothing().await;
        storage.handle(StorageRequest::Open(Durability::Relaxed));
        assert_eq!(told.next().await, StorageEvent::Opened);
        storage.handle(StorageRequest::Append(Seq(1), fence(1)));
        storage.handle(StorageRequest::Load);
        storage.handle(StorageRequest::Close);
        told.nothing().await;
        // What was asked for was done all the same.
        assert_eq!(seqs(&load(&mut open("close").await).await), [1]);
        // Both connections are closed: nobody is in the way.
        drop(storage);
        indexeddb::delete("tabmq/test/storage/close").await.unwrap();
    }

    #[wasm_bindgen_test]
    async fn a_database_of_others_is_none_of_ours() {
        let others = indexeddb::open("tabmq/test/storage/others", Some(1.0), |_| Ok(()));
        drop(others.await.unwrap());
        let (mut storage, told) = named("others");
        storage.handle(StorageRequest::Open(Durability::Relaxed));
        match told.next().await {
            StorageEvent::Unavailable {
                why,
                is_lasting: true,
            } => assert!(why.contains("not of TabMQ's making"), "{why}"),
            other => panic!("{other:?}"),
        }
    }

    #[wasm_bindgen_test]
    async fn numbers_that_javascript_cannot_tell_apart_are_not_written() {
        let mut storage = open("numbers").await;
        let last = SAFE_INTEGER_MAX;
        assert_eq!(
            append(&mut storage, last, fence(last)).await,
            StorageEvent::Committed(Seq(last))
        );
        for (seq, term) in [(last + 1, 1), (1, last + 1)] {
            match append(&mut storage, seq, fence(term)).await {
                StorageEvent::Failed(failed, StorageError::Other(_)) => assert_eq!(failed.0, seq),
                other => panic!("{other:?}"),
            }
        }
    }

    #[wasm_bindgen_test]
    async fn what_is_far_behind_the_last_row_is_not_of_the_log_and_stays_where_it_is() {
        let mut storage = open("far").await;
        append(&mut storage, 1, fence(1)).await;
        let far = Seq(1).reach().next();
        for seq in [far, Seq(SAFE_INTEGER_MAX)] {
            append(&mut storage, seq.0, segment(1, &[1])).await;
        }
        let loaded = load(&mut storage).await;
        assert_eq!((seqs(&loaded), loaded.foreign), (vec![1], 2));
        assert_eq!(loaded.tail, Seq(1));
        // They stop no fence, not even one that comes just before.
        let committed = StorageEvent::Committed(Seq(2));
        assert_eq!(append(&mut storage, 2, fence(2)).await, committed);
        let taken = StorageEvent::Failed(far, StorageError::Taken);
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
    fn the_error_that_counts_is_found_among_those_it_led_to() {
        let errors = |names: &[&str]| {
            let error = |name: &&str| DomException::new_with_message_and_name("", name);
            Err(names
                .iter()
                .map(|name| error(name).unwrap().into())
                .collect())
        };
        let error = |names| match written(Seq(1), errors(names)) {
            StorageEvent::Failed(Seq(1), error) => error,
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
}
