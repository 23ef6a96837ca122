//! Randomness.

use tab::TabId;
use wasm_bindgen::prelude::*;
use web_sys::WorkerGlobalScope;

/// A tab id that no other tab has.
pub(crate) fn tab_id() -> Result<TabId, JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let mut bytes = [0; 8];
    scope
        .crypto()?
        .get_random_values_with_u8_array(&mut bytes)?;
    Ok(TabId::from_entropy(u64::from_le_bytes(bytes)))
}
