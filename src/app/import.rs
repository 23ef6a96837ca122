//! Reads a file of JSON Lines that the log has written.

use std::rc::Rc;

use data_encoding::BASE64;
use serde_json::{Map, Value};
use tabmq_worker::Time;
use tabmq_worker::api::{Message, MessageProperties, QoS};

use crate::browser::{files, time};
use crate::state::Action;
use crate::state::messages::MessageLog;
use crate::state::opened_file::{Broken, OpenedFile, Skipped};

/// Milliseconds for reading lines before the page can draw again.
const STEP_MS: f64 = 8.0;

/// Reads a file that the person has chosen. The action shows its messages, or says why there are none.
pub(crate) async fn read(file: web_sys::File) -> Action {
    let name = file.name();
    let Some(text) = files::text(&file).await else {
        return Action::FileRefused(name, None);
    };
    let mut log = MessageLog::default();
    let mut skipped = None::<Skipped>;
    let mut until = time::now_ms() + STEP_MS;
    for (place, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        match message(line) {
            Ok(message) => log.push(Rc::new(message), Vec::new()),
            Err(why) => {
                let first = Skipped {
                    lines: 0,
                    place,
                    why,
                };
                skipped.get_or_insert(first).lines += 1;
            }
        }
        if time::now_ms() > until {
            time::next_task().await;
            until = time::now_ms() + STEP_MS;
        }
    }
    if log.received() == 0 {
        return Action::FileRefused(name, skipped);
    }
    Action::OpenFile(OpenedFile {
        name,
        log: Rc::new(log),
        skipped,
    })
}

/// The message of one line: the inverse of what [`super::export`] writes.
fn message(line: &str) -> Result<Message, Broken> {
    let object: Map<String, Value> = serde_json::from_str(line).map_err(|_| Broken::NoObject)?;
    let fields = Fields(&object);
    let payload = match (fields.text("payload")?, fields.bytes("payload_base64")?) {
        (Some(text), _) => text.into_bytes(),
        (None, Some(bytes)) => bytes,
        (None, None) => return Err(Broken::Field("payload")),
    };
    let qos = match fields.number("qos")? {
        None | Some(0) => QoS::AtMostOnce,
        Some(1) => QoS::AtLeastOnce,
        Some(2) => QoS::ExactlyOnce,
        Some(_) => return Err(Broken::Field("qos")),
    };
    let expiry = fields.number("message_expiry_interval")?.map(u32::try_from);
    let identifiers = fields.field("subscription_identifiers", |it| {
        let all = it.as_array()?.iter();
        all.map(|it| u32::try_from(it.as_u64()?).ok()).collect()
    })?;
    Ok(Message {
        topic: fields.text("topic")?.ok_or(Broken::Field("topic"))?,
        payload,
        qos,
        retain: fields.flag("retain")?.unwrap_or_default(),
        dup: fields.flag("dup")?.unwrap_or_default(),
        properties: MessageProperties {
            payload_is_utf8: fields.flag("payload_is_utf8")?,
            message_expiry_interval: expiry
                .transpose()
                .map_err(|_| Broken::Field("message_expiry_interval"))?,
            content_type: fields.text("content_type")?,
            response_topic: fields.text("response_topic")?,
            correlation_data: fields.bytes("correlation_data_base64")?,
            user_properties: fields.field("user_properties", pairs)?.unwrap_or_default(),
        },
        subscription_identifiers: identifiers.unwrap_or_default(),
        received_at: Time::from_ms(
            fields
                .number("received_at")?
                .ok_or(Broken::Field("received_at"))?,
        ),
    })
}

fn pairs(value: &Value) -> Option<Vec<(String, String)>> {
    let pair = |it: &Value| match it.as_array()?.as_slice() {
        [Value::String(name), Value::String(value)] => Some((name.clone(), value.clone())),
        _ => None,
    };
    value.as_array()?.iter().map(pair).collect()
}

/// The fields of an object. Each is missing, valid, or wrong.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn field<T>(
        &self,
        name: &'static str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, Broken> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or(Broken::Field(name)),
        }
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, Broken> {
        self.field(name, |it| it.as_str().map(str::to_owned))
    }

    fn number(&self, name: &'static str) -> Result<Option<u64>, Broken> {
        self.field(name, Value::as_u64)
    }

    fn flag(&self, name: &'static str) -> Result<Option<bool>, Broken> {
        self.field(name, Value::as_bool)
    }

    fn bytes(&self, name: &'static str) -> Result<Option<Vec<u8>>, Broken> {
        self.field(name, |it| BASE64.decode(it.as_str()?.as_bytes()).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::export;
    use crate::state::messages::tests::message as received;

    #[test]
    fn a_line_that_the_log_has_written_is_the_same_message() {
        let plain = (*received("a/b", "ü\r\n\u{0}".as_bytes())).clone();
        let mut full = (*received("a", &[0, 255])).clone();
        full.qos = QoS::ExactlyOnce;
        (full.retain, full.dup) = (true, true);
        full.received_at = Time::from_ms(1_764_000_000_123);
        full.subscription_identifiers = vec![1, 268_435_455];
        full.properties = MessageProperties {
            payload_is_utf8: Some(false),
            message_expiry_interval: Some(u32::MAX),
            content_type: Some("text/plain".to_owned()),
            response_topic: Some("r".to_owned()),
            correlation_data: Some(vec![1, 2, 255]),
            user_properties: ["", "b", "a", "__proto__", "a", ""]
                .into_iter()
                .map(|name| (name.to_owned(), "v".to_owned()))
                .collect(),
        };
        for written in [plain, full] {
            assert_eq!(message(&export::message(&written).to_string()), Ok(written));
        }
    }

    #[test]
    fn a_broken_line_names_its_wrong_field() {
        let event = r#"{"at": "2026-11-26T14:03:07.250Z", "event": "Joined."}"#;
        for (line, why) in [
            ("no json", Broken::NoObject),
            ("[1]", Broken::NoObject),
            (event, Broken::Field("payload")),
            (
                r#"{"payload_base64": "?"}"#,
                Broken::Field("payload_base64"),
            ),
            (r#"{"payload": "", "qos": 3}"#, Broken::Field("qos")),
            (r#"{"payload": ""}"#, Broken::Field("topic")),
            (
                r#"{"payload": "", "topic": "a", "user_properties": [["a"]]}"#,
                Broken::Field("user_properties"),
            ),
            (
                r#"{"payload": "", "topic": "a"}"#,
                Broken::Field("received_at"),
            ),
        ] {
            assert_eq!(message(line), Err(why), "{line}");
        }
    }
}
