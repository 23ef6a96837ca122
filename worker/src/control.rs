//! Control messages as the plain objects that cross the control channel.

use js_sys::{Array, Object, Reflect};
use serde::Serialize as _;
use serde_wasm_bindgen::Serializer;
use tab::control::{ControlMessage, FIELDS, VALUES_MAX};
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

/// A value without parts, or a few such values.
fn is_plain(value: &JsValue) -> bool {
    let is_scalar = |value: &JsValue| {
        value.as_f64().is_some() || value.as_bool().is_some() || value.is_string()
    };
    if let Some(array) = value.dyn_ref::<Array>() {
        return array.length() as usize <= VALUES_MAX && array.iter().all(|part| is_scalar(&part));
    }
    is_scalar(value)
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use tab::TabId;
    use tab::api::{Durability, Term, Visibility};
    use tab::control::Announcement;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn every_message_is_read_as_it_was_written() {
        let tab_id = TabId::from_entropy(7);
        let (term, binding, number) = (Term(3), 2, 5);
        let messages = [
            ControlMessage::Who { tab_id },
            ControlMessage::Announce(Announcement {
                tab_id,
                is_broker: true,
                timestamp: 1 << 40,
                term: Some(term),
                since: 2,
                build: "build".to_owned(),
                protocol: (1, 2),
                clients: 4,
                visibility: Visibility::Hidden,
                durability: Durability::Memory,
                lanes: vec![TabId::from_entropy(8), TabId::from_entropy(9)],
            }),
            ControlMessage::Goodbye { tab_id },
            ControlMessage::Bind {
                tab_id,
                term,
                binding,
            },
            ControlMessage::Probe { tab_id, number },
            ControlMessage::Pong {
                tab_id,
                number,
                term,
                committed: 9,
            },
            ControlMessage::Unbind {
                tab_id,
                term,
                binding,
            },
        ];
        for message in messages {
            assert_eq!(from_js(&to_js(&message).unwrap()), Some(message));
        }
    }
}
