//! The database that holds the broker's log.

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
use web_sys::{
    Event, IdbKeyRange, IdbObjectStore, IdbRequest, IdbTransaction, IdbTransactionMode,
    IdbVersionChangeEvent,
};

use crate::error::{describe, is};
use crate::events::Listener;
use crate::indexeddb::{self, Database, Transaction};

/// For ever: see [`tab::ChannelName::database`].
const VERSION: f64 = 1.0;

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
}

struct Connection {
    database: Database,
    /// As transactions are told.
    durability: &'static str,
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
            StorageRequest::Close => self.close(),
        }
    }

    fn open(&mut self, durability: Durability) {
        self.close();
        let session = Rc::new(Session {
            tell: Rc::clone(&self.tell),
            is_over: Cell::new(false),
            connection: RefCell::new(None),
        });
        self.session = Some(Rc::clone(&session));
        let name = self.name.clone();
        spawn_local(async move {
            match Connection::open(&name, durability, &session).await {
                Ok(connection) => session.opened(connection),
                Err(error) => {
                    let why = format!("The database cannot be used: {}", describe(&error));
                    session.tell(StorageEvent::Unavailable(why));
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
        self.ask(
            IdbTransactionMode::Readonly,
            |log, snap| {
                Ok(vec![
                    log.get_all_keys()?,
                    log.get_all()?,
                    snap.get_all_keys()?,
                    snap.get_all()?,
                ])
            },
            |ended| match ended {
                Ok(results) => StorageEvent::Loaded(loaded(results)),
                Err(errors) => {
                    StorageEvent::LoadFailed(sentence("The log cannot be read", &errors))
                }
            },
        );
    }

    fn append(&self, seq: Seq, row: &Row) {
        self.ask(
            IdbTransactionMode::Readwrite,
            |log, _snap| Ok(vec![log.add_with_key(&stored_row(row)?, &number(seq.0)?)?]),
            move |ended| written(seq, ended),
        );
    }

    fn checkpoint(&self, checkpoint: &Checkpoint) {
        let seq = checkpoint.seq;
        self.ask(
            IdbTransactionMode::Readwrite,
            |log, snap| write(checkpoint, log, snap),
            move |ended| written(seq, ended),
        );
    }

    /// Makes a transaction of what `ask` asks of the two object stores, and tells its outcome as `event` words it.
    fn ask(
        &self,
        mode: IdbTransactionMode,
        ask: impl FnOnce(&IdbObjectStore, &IdbObjectStore) -> Result<Vec<IdbRequest>, JsValue>,
        event: impl FnOnce(Result<Vec<JsValue>, Vec<JsValue>>) -> StorageEvent + 'static,
    ) {
        let session = self.session.clone();
        let connection = session.as_ref().map(|session| session.connection.borrow());
        let transaction = match connection
            .as_ref()
            .and_then(|connection| connection.as_ref())
        {
            Some(connection) => connection.transaction(mode, ask),
            None => Err(JsValue::from_str("the database is not open")),
        };
        drop(connection);
        let tell = Rc::clone(&self.tell);
        spawn_local(async move {
            let ended = match transaction {
                Ok(transaction) => transaction.end().await,
                Err(error) => Err(vec![error]),
            };
            match session {
                Some(session) => session.ended(ended, event),
                None => tell(event(ended)),
            }
        });
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

    fn ended(
        &self,
        ended: Result<Vec<JsValue>, Vec<JsValue>>,
        event: impl FnOnce(Result<Vec<JsValue>, Vec<JsValue>>) -> StorageEvent,
    ) {
        match ended {
            // Nobody here aborts transactions. The browser does, when it closes the database.
            Err(errors) if errors.iter().all(|error| is(error, "AbortError")) => self.lost(),
            ended => self.tell(event(ended)),
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
            durability,
        })
    }

    fn transaction(
        &self,
        mode: IdbTransactionMode,
        ask: impl FnOnce(&IdbObjectStore, &IdbObjectStore) -> Result<Vec<IdbRequest>, JsValue>,
    ) -> Result<Transaction, JsValue> {
        let ask = |transaction: &IdbTransaction| {
            ask(
                &transaction.object_store(LOG)?,
                &transaction.object_store(SNAP)?,
            )
        };
        let stores = [LOG, SNAP];
        self.database
            .transaction(&stores, mode, self.durability, ask)
    }
}

fn lost(session: &Weak<Session>) {
    if let Some(session) = session.upgrade() {
        session.lost();
    }
}

fn write(
    checkpoint: &Checkpoint,
    log: &IdbObjectStore,
    snap: &IdbObjectStore,
) -> Result<Vec<IdbRequest>, JsValue> {
    let Checkpoint {
        seq,
        term,
        pieces,
        remove,
    } = checkpoint;
    let row = Row {
        term: *term,
        kind: RowKind::Checkpoint,
    };
    let up_to = number(seq.0)?;
    let of = number(pieces.len() as u64)?;
    let mut requests = vec![log.add_with_key(&stored_row(&row)?, &up_to)?, snap.clear()?];
    for (index, bytes) in (0..).zip(pieces) {
        let piece: StoredPiece = Object::new().unchecked_into();
        piece.set_up_to(&up_to);
        piece.set_of(&of);
        piece.set_bytes(&Uint8Array::from(bytes.as_slice()));
        requests.push(snap.put_with_key(&piece, &number(index)?)?);
    }
    for (first, last) in remove {
        let range = IdbKeyRange::bound(&number(first.0)?, &number(last.0)?)?;
        requests.push(log.delete(&range)?);
    }
    Ok(requests)
}

fn written(seq: Seq, ended: Result<Vec<JsValue>, Vec<JsValue>>) -> StorageEvent {
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
fn loaded(results: Vec<JsValue>) -> Loaded {
    let mut loaded = Loaded::default();
    let mut results = results.iter().map(Array::from);
    let mut store = || {
        let keys = results.next().unwrap_or_default();
        let values = results.next().unwrap_or_default();
        (0..keys.length()).map(move |place| (integer(&keys.get(place)), values.get(place)))
    };
    for (key, value) in store() {
        let seq = key.filter(|key| *key > 0).map(Seq);
        loaded.tail = loaded.tail.max(seq.unwrap_or_default());
        match seq.zip(row(value)) {
            Some(row) => loaded.rows.push(row),
            None => loaded.foreign += 1,
        }
    }
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
    loaded
}
