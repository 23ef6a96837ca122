//! The outcome of a transaction as an answer for the tab.

use tab::storage::{Seq, StorageAnswer, StorageError};
use wasm_bindgen::prelude::*;

use crate::browser::error::{describe, is};
use crate::browser::indexeddb::Ended;

pub(super) fn written(seq: Seq, ended: Ended) -> StorageAnswer {
    let Err(errors) = ended else {
        return StorageAnswer::Committed(seq);
    };
    let any = |name| errors.iter().any(|error| is(error, name));
    let error = if any("ConstraintError") {
        StorageError::Taken
    } else if any("QuotaExceededError") {
        StorageError::Full
    } else {
        StorageError::Other(sentence("The log cannot be written", &errors))
    };
    StorageAnswer::Failed(seq, error)
}

/// A sentence with the failure and the first of its errors.
pub(super) fn sentence(what: &str, errors: &[JsValue]) -> String {
    let why = errors.first().map(describe).unwrap_or_default();
    format!("{what}: {why}")
}
