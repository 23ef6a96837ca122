//! The browser's session storage: texts of this tab that outlive a reload.

use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// The text under this key.
pub(crate) fn read(key: &str) -> Option<String> {
    Reflect::get(&storage()?, &key.into()).ok()?.as_string()
}

/// Keeps a text under this key. Without storage, or without room in it, nothing is kept.
pub(crate) fn write(key: &str, text: &str) {
    if let Some(storage) = storage() {
        let _ = Reflect::set(&storage, &key.into(), &text.into());
    }
}

/// `None`: the browser denies it to this page.
fn storage() -> Option<JsValue> {
    let storage = Reflect::get(&js_sys::global(), &"sessionStorage".into()).ok()?;
    storage.is_object().then_some(storage)
}
