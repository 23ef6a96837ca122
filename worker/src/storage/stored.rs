//! Rows and snapshot pieces as the JavaScript objects that the database stores.

use js_sys::{Array, Object, Uint8Array};
use tab::api::Term;
use tab::control::SAFE_INTEGER_MAX;
use tab::storage::{Checkpoint, Loaded, Row, RowKind, Seq, Snapshot};
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

/// A piece of a snapshot.
struct Piece {
    /// The snapshot of the piece, and its number of pieces.
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

/// The log and the snapshot, from the results of [`Connection::read`](super::connection::Connection::read).
pub(super) fn loaded(results: &Array) -> Loaded {
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
        // Missing pieces count as well. A damaged piece counts once.
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
