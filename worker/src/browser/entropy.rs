//! Random numbers.

use tab::TabId;
use wasm_bindgen::prelude::*;
use web_sys::WorkerGlobalScope;

/// Random numbers of a tab, drawn at its start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entropy {
    /// Makes the tab id unique.
    id: [u8; 8],
    /// A secret seed for the tab's hashes and ids.
    pub(crate) seed: [u8; 32],
}

impl Entropy {
    pub(crate) fn draw() -> Result<Self, JsValue> {
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        let crypto = scope.crypto()?;
        let mut drawn = Self::default();
        crypto.get_random_values_with_u8_array(&mut drawn.id)?;
        crypto.get_random_values_with_u8_array(&mut drawn.seed)?;
        Ok(drawn)
    }

    pub(crate) fn tab_id(&self) -> TabId {
        TabId::from_entropy(u64::from_le_bytes(self.id))
    }
}
