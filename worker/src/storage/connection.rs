//! An open database with the stores of the log and the snapshot, and the transactions on them.

use std::rc::{Rc, Weak};

use tab::api::Durability;
use tab::storage::{EntryKey, PageLimits, PageStart, Seq};
use wasm_bindgen::prelude::*;
use web_sys::{Event, IdbVersionChangeEvent};

use super::DatabaseUse;
use super::stored::{PreparedCheckpoint, PreparedRow, number};
use crate::browser::error::is;
use crate::browser::events::Listener;
use crate::browser::indexeddb::{self, Database, Scope, Transaction};

/// Never changes: see [`tab::ChannelName::database`].
const VERSION: f64 = 1.0;

/// Rows by number.
pub(super) const LOG: &str = "log";
/// Pieces of the snapshot by index.
pub(super) const SNAP: &str = "snap";

pub(super) struct Connection {
    pub(super) database: Database,
    /// For transactions that add a row. They wait for no other transactions.
    log: Scope,
    /// For transactions that do not use the log.
    snap: Scope,
    snap_and_log: Scope,
    /// For all others.
    pub(super) both: Scope,
    _close: Listener,
    _version_change: Listener,
}

impl Connection {
    pub(super) async fn open(
        name: &str,
        durability: Durability,
        current: &Rc<DatabaseUse>,
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
        let closed = Rc::downgrade(current);
        let close = move |_: Event| lost(&closed);
        let deleted = Rc::downgrade(current);
        let version_change = move |event: Event| {
            let event: IdbVersionChangeEvent = event.unchecked_into();
            // A deletion waits until this connection closes. A change to another version does not happen.
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

    pub(super) fn read(
        &self,
        start: Option<PageStart>,
        limits: PageLimits,
    ) -> Result<Transaction, JsValue> {
        let key = |key: EntryKey| f64::from_bits(key.0);
        let from = start.map(|start| (key(start.log_after), key(start.snapshot_from)));
        self.database
            .read(&self.both, from, (limits.rows, limits.pieces))
    }

    /// Uses the log only if a row is given, so that writers of the log do not wait.
    pub(super) fn check(&self, row: Option<Seq>) -> Result<Transaction, JsValue> {
        match row {
            None => self.database.check(&self.snap, &JsValue::UNDEFINED),
            Some(seq) => self.database.check(&self.snap_and_log, &number(seq.0)?),
        }
    }

    pub(super) fn checkpoint(
        &self,
        checkpoint: &PreparedCheckpoint,
    ) -> Result<Transaction, JsValue> {
        let PreparedCheckpoint {
            seq,
            row,
            pieces,
            remove,
        } = checkpoint;
        self.database.replace(&self.both, row, seq, remove, pieces)
    }

    pub(super) fn append(&self, row: PreparedRow) -> Result<Transaction, JsValue> {
        let PreparedRow { key, row, later } = row;
        self.database
            .add(&self.log, LOG, &row, &key, later.as_ref())
    }
}

/// Whether the error of an open is permanent, because the browser offers no usable database here. Errors of this file, which are
/// strings, are permanent too.
pub(super) fn is_lasting(error: &JsValue) -> bool {
    let names = [
        "SecurityError",
        "NotSupportedError",
        "InvalidStateError",
        "VersionError",
    ];
    error.is_string() || names.iter().any(|name| is(error, name))
}

fn lost(current: &Weak<DatabaseUse>) {
    if let Some(current) = current.upgrade() {
        current.lost();
    }
}
