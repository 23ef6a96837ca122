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

/// The end of one store's entries in a page.
struct End {
    /// The last numeric key.
    last: EntryKey,
    /// Whether others may follow.
    is_open: bool,
    /// Number of entries with other keys, unless numeric ones may follow.
    others: usize,
}

/// Calls `each` with the numeric keys and their values, in order. `at`: the place of the keys among the `results`. `limit`: the
/// maximum number of entries. `from`: the key from which they were read.
fn entries(
    results: &Array,
    at: u32,
    limit: u32,
    from: Option<EntryKey>,
    each: &mut dyn FnMut(f64, JsValue),
) -> End {
    let keys: Array = results.get(at).unchecked_into();
    let values: Array = results.get(at + 1).unchecked_into();
    let length = keys.length();
    let mut last = from.unwrap_or(EntryKey(f64::NEG_INFINITY.to_bits()));
    let mut others = length;
    for place in 0..length {
        // Numbers come before all other keys. Infinity counts as one of those, because it ends the ranges of later pages.
        let Some(key) = keys.get(place).as_f64().filter(|key| *key < f64::INFINITY) else {
            break;
        };
        last = EntryKey(key.to_bits());
        others -= 1;
        each(key, values.get(place));
    }
    let counted = integer(&results.get(4 + at / 2)).unwrap_or_default();
    End {
        last,
        is_open: length >= limit,
        others: usize::try_from(counted + u64::from(others)).unwrap_or(usize::MAX),
    }
}

/// A page of the content, from the results of [`Connection::read`](super::connection::Connection::read).
pub(super) fn page(results: &Array, start: Option<PageStart>, limits: PageLimits) -> Page {
    let mut page = Page::default();
    let from = start.map(|start| start.log_after);
    let log = entries(results, 0, limits.rows, from, &mut |key, value| {
        let seq = whole(key).filter(|key| *key > 0).map(Seq);
        page.rows.push((seq, row(value)));
    });
    let from = start.map(|start| start.snapshot_from);
    let snapshot = entries(results, 2, limits.pieces, from, &mut |key, value| {
        let piece = piece(whole(key), value);
        page.pieces.push((EntryKey(key.to_bits()), piece));
    });
    page.foreign_rows = log.others;
    page.foreign_pieces = snapshot.others;
    if log.is_open || snapshot.is_open {
        page.next = Some(PageStart {
            log_after: log.last,
            snapshot_from: snapshot.last,
        });
    }
    page
}
