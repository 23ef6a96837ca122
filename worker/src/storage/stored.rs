//! Rows and snapshot pieces as the JavaScript objects that the database stores.

use js_sys::{Array, Object, Uint8Array};
use tab::api::Term;
use tab::control::SAFE_INTEGER_MAX;
use tab::storage::{Checkpoint, EntryKey, Page, PageLimits, PageStart, Piece, Row, RowKind, Seq};
use wasm_bindgen::prelude::*;
use web_sys::IdbKeyRange;

#[wasm_bindgen]
extern "C" {
    /// A stored row.
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

    /// A stored piece of the snapshot.
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

/// A row, ready to be stored.
pub(super) struct PreparedRow {
    pub(super) key: JsValue,
    pub(super) row: JsValue,
    /// For a fence: the range of later rows, which must be empty.
    pub(super) later: Option<IdbKeyRange>,
}

/// A checkpoint, ready to be stored.
pub(super) struct PreparedCheckpoint {
    pub(super) seq: JsValue,
    pub(super) row: JsValue,
    /// Ordered by index.
    pub(super) pieces: Array,
    pub(super) remove: Array,
}

/// A page, ready to be read.
pub(super) struct PreparedPage {
    /// The ranges of the log, of the snapshot, and of all keys that are no numbers. The first page needs none.
    pub(super) ranges: Array,
    pub(super) limits: PageLimits,
}

/// Where the first page begins.
const FIRST: PageStart = PageStart {
    log_after: EntryKey(f64::NEG_INFINITY.to_bits()),
    snapshot_from: EntryKey(f64::NEG_INFINITY.to_bits()),
};

impl PreparedPage {
    pub(super) fn new(start: Option<PageStart>, limits: PageLimits) -> Result<Self, JsValue> {
        let ranges = match start {
            None => Array::new(),
            Some(start) => {
                let end = JsValue::from_f64(f64::INFINITY);
                let from = |key: EntryKey, is_open| {
                    let key = JsValue::from_f64(f64::from_bits(key.0));
                    IdbKeyRange::bound_with_lower_open_and_upper_open(&key, &end, is_open, true)
                };
                let log = from(start.log_after, true)?;
                let snapshot = from(start.snapshot_from, false)?;
                let others = IdbKeyRange::lower_bound(&end)?;
                Array::of3(&log, &snapshot, &others)
            }
        };
        Ok(Self { ranges, limits })
    }
}

impl PreparedRow {
    pub(super) fn new(seq: Seq, row: &Row) -> Result<Self, JsValue> {
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

/// The range of rows after this one. Rows beyond its end do not belong to the log.
fn later(seq: Seq, key: &JsValue) -> Result<IdbKeyRange, JsValue> {
    let reach = Seq(seq.0.saturating_sub(1)).reach();
    #[allow(clippy::cast_precision_loss, reason = "it need not be exact")]
    let reach = JsValue::from_f64(reach.0 as f64);
    IdbKeyRange::bound_with_lower_open(key, &reach, true)
}

impl PreparedCheckpoint {
    pub(super) fn new(checkpoint: &Checkpoint) -> Result<Self, JsValue> {
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

/// A number of JavaScript. Fails if JavaScript cannot represent it exactly.
pub(super) fn number(number: u64) -> Result<JsValue, JsValue> {
    if number > SAFE_INTEGER_MAX {
        return Err(JsValue::from_str("there are no numbers left"));
    }
    #[allow(clippy::cast_precision_loss, reason = "the range is checked above")]
    Ok(JsValue::from_f64(number as f64))
}

/// The inverse of [`number`]. `None` for any other value.
fn integer(value: &JsValue) -> Option<u64> {
    whole(value.as_f64()?)
}

/// The number as an integer, if JavaScript represents it and its neighbours exactly.
fn whole(number: f64) -> Option<u64> {
    #[allow(clippy::cast_precision_loss, reason = "the greatest that is exact")]
    let range = 0.0..=SAFE_INTEGER_MAX as f64;
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
    // An object from a database has no getters that could throw.
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

fn piece(index: Option<u64>, value: JsValue) -> Option<Piece> {
    let stored: StoredPiece = value.is_object().then(|| value.unchecked_into())?;
    let of = integer(&stored.of())?;
    index.filter(|index| *index < of)?;
    Some(Piece {
        snapshot: (Seq(integer(&stored.up_to())?), of),
        bytes: bytes(&stored.bytes())?,
    })
}

/// The entries of one store in a page.
struct Entries {
    /// Those with numeric keys, in order.
    numbered: Vec<(f64, JsValue)>,
    /// Whether others may follow.
    is_full: bool,
    /// Number of entries with other keys, unless numeric ones may follow.
    others: usize,
}

impl Entries {
    /// `at`: the place of the keys among the `results`. `limit`: the maximum number of entries.
    fn new(results: &Array, at: u32, limit: u32) -> Self {
        let keys = Array::from(&results.get(at));
        let values = Array::from(&results.get(at + 1));
        // Numbers come before all other keys. Infinity counts as one of those, because it ends the ranges of later pages.
        let numbers = keys.iter().map_while(|key| key.as_f64());
        let numbers = numbers.take_while(|number| *number < f64::INFINITY);
        let numbered: Vec<_> = numbers.zip(values.iter()).collect();
        let counted = integer(&results.get(4 + at / 2)).unwrap_or_default();
        let counted = usize::try_from(counted).unwrap_or(usize::MAX);
        let others = keys.length() as usize - numbered.len();
        Self {
            is_full: keys.length() >= limit,
            others: others.saturating_add(counted),
            numbered,
        }
    }

    /// The last numeric key, or this one.
    fn end(&self, start: EntryKey) -> EntryKey {
        self.numbered
            .last()
            .map_or(start, |(key, _)| entry_key(*key))
    }
}

fn entry_key(key: f64) -> EntryKey {
    EntryKey(key.to_bits())
}

/// A page of the content, from the results of [`Connection::read`](super::connection::Connection::read).
pub(super) fn page(results: &Array, start: Option<PageStart>, limits: PageLimits) -> Page {
    let log = Entries::new(results, 0, limits.rows);
    let snapshot = Entries::new(results, 2, limits.pieces);
    let start = start.unwrap_or(FIRST);
    let next = PageStart {
        log_after: log.end(start.log_after),
        snapshot_from: snapshot.end(start.snapshot_from),
    };
    let seq = |key| whole(key).filter(|key| *key > 0).map(Seq);
    let rows = log.numbered.into_iter();
    let pieces = snapshot.numbered.into_iter();
    Page {
        rows: rows.map(|(key, value)| (seq(key), row(value))).collect(),
        pieces: pieces
            .map(|(key, value)| (entry_key(key), piece(whole(key), value)))
            .collect(),
        foreign_rows: log.others,
        foreign_pieces: snapshot.others,
        next: (log.is_full || snapshot.is_full).then_some(next),
    }
}
