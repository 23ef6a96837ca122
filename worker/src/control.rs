//! Control messages as the plain objects that cross the control channel.

use js_sys::{Array, Object, Reflect};
use serde::Serialize as _;
use serde_wasm_bindgen::Serializer;
use tab::control::{ControlMessage, FIELDS};
use wasm_bindgen::prelude::*;

/// A plain object with string field names.
pub(crate) fn to_js(message: &ControlMessage) -> Result<JsValue, JsValue> {
    Ok(message.serialize(&Serializer::json_compatible())?)
}

/// `None` for what no tab of ours can have sent.
pub(crate) fn from_js(value: &JsValue) -> Option<ControlMessage> {
    if !value.is_object() {
        return None;
    }
    // Only known fields with plain values are looked at: a foreign object may be cyclic or as deep as the stack.
    let known = Object::new();
    for field in FIELDS {
        let field = JsValue::from_str(field);
        let value = Reflect::get(value, &field).ok()?;
        if value.is_undefined() || value.is_null() {
            continue;
        }
        if !is_plain(&value) {
            return None;
        }
        Reflect::set(&known, &field, &value).ok()?;
    }
    serde_wasm_bindgen::from_value(known.into()).ok()
}

/// A value without parts, or a pair of such values.
fn is_plain(value: &JsValue) -> bool {
    let is_scalar = |value: &JsValue| {
        value.as_f64().is_some() || value.as_bool().is_some() || value.is_string()
    };
    if let Some(array) = value.dyn_ref::<Array>() {
        return array.length() == 2 && array.iter().all(|part| is_scalar(&part));
    }
    is_scalar(value)
}
