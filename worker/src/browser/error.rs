//! Errors of the browser.

use wasm_bindgen::prelude::*;
use web_sys::DomException;

/// The text of an error.
pub(crate) fn describe(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => error.to_string().into(),
        None => error.as_string().unwrap_or_else(|| format!("{error:?}")),
    }
}

/// Whether it is the DOMException of this name.
pub(crate) fn is(error: &JsValue, name: &str) -> bool {
    let exception = error.dyn_ref::<DomException>();
    exception.is_some_and(|exception| exception.name() == name)
}
