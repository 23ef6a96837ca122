//! Control messages as plain objects, which cross the control channel.

use js_sys::{Array, Object, Reflect};
use tab::control::{ControlMessage, Field, SAFE_INTEGER_MAX, VALUES_MAX, Value};
use wasm_bindgen::prelude::*;

/// Converts a control message into a plain object.
pub(crate) fn to_js(message: &ControlMessage) -> Result<JsValue, JsValue> {
    let object = Object::new();
    for (name, value) in message.fields() {
        Reflect::set(&object, &JsValue::from_str(name), &value_to_js(&value))?;
    }
    Ok(object.into())
}

fn value_to_js(value: &Value) -> JsValue {
    match value {
        Value::Text(text) => JsValue::from_str(text),
        #[allow(
            clippy::cast_precision_loss,
            reason = "terms and times are far smaller"
        )]
        Value::Number(number) => JsValue::from_f64(*number as f64),
        Value::Truth(truth) => JsValue::from_bool(*truth),
        Value::List(values) => values.iter().map(value_to_js).collect::<Array>().into(),
    }
}

/// Reads a control message. `None` for a message that no tab of ours can have sent. It reads only known fields with plain values,
/// because a foreign object may be cyclic or very deep.
pub(crate) fn from_js(object: &JsValue) -> Option<ControlMessage> {
    if !object.is_object() {
        return None;
    }
    ControlMessage::from_fields(
        &|name| match Reflect::get(object, &JsValue::from_str(name)) {
            Ok(value) if value.is_undefined() || value.is_null() => Field::Missing,
            Ok(value) => match value.dyn_ref::<Array>() {
                Some(array) if array.length() as usize <= VALUES_MAX => {
                    let values = array
                        .iter()
                        .map(|part| scalar(&part))
                        .collect::<Option<_>>();
                    values.map_or(Field::Foreign, |values| Field::Value(Value::List(values)))
                }
                Some(_) => Field::Foreign,
                None => scalar(&value).map_or(Field::Foreign, Field::Value),
            },
            Err(_) => Field::Foreign,
        },
    )
}

/// A value without parts.
fn scalar(value: &JsValue) -> Option<Value> {
    if let Some(text) = value.as_string() {
        return Some(Value::Text(text));
    }
    if let Some(truth) = value.as_bool() {
        return Some(Value::Truth(truth));
    }
    let number = value.as_f64()?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "only whole numbers in the range pass"
    )]
    let is_whole = number >= 0.0 && number <= SAFE_INTEGER_MAX as f64 && number.trunc() == number;
    is_whole.then_some(Value::Number(number as u64))
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use tab::api::{Durability, Term, Visibility};
    use tab::control::Announcement;
    use tab::{Lane, TabId};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn every_message_is_read_as_it_was_written() {
        let tab_id = TabId::from_entropy(7);
        let (term, binding, number) = (Term(3), 2, 5);
        let lane = Lane {
            tab: tab_id,
            broker: TabId::from_entropy(8),
            term,
        };
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
                leadership: Some(tab::api::LeadershipTimes {
                    elected: tab::Time::from_ms(3),
                    restored: tab::Time::from_ms(1 << 40),
                }),
                log: Some(6),
                storage: tab::api::StorageState::Full,
            }),
            ControlMessage::Goodbye {
                tab_id,
                is_lost: false,
            },
            ControlMessage::Bind { lane, binding },
            ControlMessage::Probe { tab_id, number },
            ControlMessage::Pong {
                tab_id,
                number,
                term,
                committed: 9,
            },
            ControlMessage::Unbind { lane, binding },
        ];
        for message in messages {
            assert_eq!(from_js(&to_js(&message).unwrap()), Some(message));
        }
    }
}
