//! An open database with the stores of the log and the snapshot, and the transactions on them.

use std::rc::{Rc, Weak};

use tab::api::Durability;
use tab::storage::Seq;
use wasm_bindgen::prelude::*;
use web_sys::{Event, IdbVersionChangeEvent};

use super::DatabaseUse;
use super::stored::{PreparedCheckpoint, PreparedRow, number};
use crate::browser::error::is;
use crate::browser::events::Listener;
use crate::browser::indexeddb::{self, Database, Scope, Transaction};

/// For ever: see [`tab::ChannelName::database`].
const VERSION: f64 = 1.0;

/// Rows by number.
pub(super) const LOG: &str = "log";
/// Pieces of the snapshot by index.
pub(super) const SNAP: &str = "snap";

pub(super) struct Connection {
    pub(super) database: Database,
    /// Of transactions that add a row, which then wait for nothing else.
    log: Scope,
    /// Of those that leave the log alone.
    snap: Scope,
    snap_and_log: Scope,
    /// Of all others.
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

    pub(super) fn read(&self) -> Result<Transaction, JsValue> {
        self.database.read(&self.both)
    }

    /// Leaves the log alone, so that nobody waits for it who writes there, unless a row of it is asked for.
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

/// Whether a database that cannot be opened now cannot be opened later either: errors that say that there is none to be had here.
/// One without a name is our own.
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
