//! Files of JSON Lines for download: messages and events, one object on each line.

use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use std::rc::Rc;
use tabmq_worker::api::Message;

use crate::browser::{files, time};
use crate::labels;
use crate::state::events::EventLog;

/// Messages that are written before the page can draw again.
const STEP: usize = 2_000;

/// Writes messages into a file, and reports the progress in percent to `done`.
pub(crate) async fn messages(messages: &[Rc<Message>], done: impl Fn(usize)) {
    let mut parts = Vec::new();
    for (step, chunk) in messages.chunks(STEP).enumerate() {
        let lines: String = chunk
            .iter()
            .map(|it| message(it).to_string() + "\n")
            .collect();
        parts.push(lines);
        done((step + 1) * STEP * 100 / (messages.len() + STEP));
        time::next_task().await;
    }
    files::save("messages.jsonl", "application/jsonl", &parts);
}

/// Writes the events into a file.
pub(crate) fn events(log: &EventLog) {
    let lines = log.oldest_first().map(|logged| {
        let event = json!({
            "at": time::iso_time(logged.event.at.as_ms()),
            "event": logged.sentence(),
        });
        event.to_string() + "\n"
    });
    files::save("events.jsonl", "application/jsonl", &[lines.collect()]);
}

/// A message as an object: its payload as text if it is UTF-8, else as `payload_base64`.
pub(super) fn message(message: &Message) -> Value {
    let mut object = Map::new();
    let mut add = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    add("received_at", message.received_at.as_ms().into());
    add("topic", message.topic.as_str().into());
    match std::str::from_utf8(&message.payload) {
        Ok(text) => add("payload", text.into()),
        Err(_) => add("payload_base64", BASE64.encode(&message.payload).into()),
    }
    add("qos", labels::qos_level(message.qos).into());
    add("retain", message.retain.into());
    add("dup", message.dup.into());
    let properties = &message.properties;
    let optional = [
        (
            "content_type",
            properties.content_type.as_deref().map(Value::from),
        ),
        (
            "response_topic",
            properties.response_topic.as_deref().map(Value::from),
        ),
        (
            "correlation_data_base64",
            properties
                .correlation_data
                .as_ref()
                .map(|it| BASE64.encode(it).into()),
        ),
        (
            "message_expiry_interval",
            properties.message_expiry_interval.map(Value::from),
        ),
        (
            "payload_is_utf8",
            properties.payload_is_utf8.map(Value::from),
        ),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            add(name, value);
        }
    }
    if !properties.user_properties.is_empty() {
        add("user_properties", json!(properties.user_properties));
    }
    if !message.subscription_identifiers.is_empty() {
        add(
            "subscription_identifiers",
            json!(message.subscription_identifiers),
        );
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::messages::tests::message as received;

    #[test]
    fn a_payload_is_text_if_it_can_be_and_base64_if_not() {
        let text = message(&received("a", "ü".as_bytes()));
        assert_eq!(
            (&text["topic"], &text["payload"]),
            (&json!("a"), &json!("ü"))
        );
        let bytes = message(&received("a", &[255]));
        assert_eq!(
            (bytes.get("payload"), &bytes["payload_base64"]),
            (None, &json!("/w=="))
        );
    }
}
