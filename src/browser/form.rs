//! Reads the fields of a submitted form. Until then the fields keep their own text, so typing redraws nothing.

use std::str::FromStr;

use tabmq_worker::api::{
    ConnectOptions, MessageProperties, Publication, QoS, RetainHandling, Subscription, Will,
};
use web_sys::{FormData, HtmlFormElement};

use crate::labels;
use crate::payload::Format;
use crate::state::share_url::Draft;

/// The fields of a form by name.
pub(crate) struct Form(FormData);

impl Form {
    pub(crate) fn of(form: &HtmlFormElement) -> Option<Self> {
        FormData::new_with_form(form).ok().map(Self)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.0.get(name).as_string().unwrap_or_default()
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.0.has(name)
    }

    pub(crate) fn connect_options(&self) -> ConnectOptions {
        let default = ConnectOptions::default();
        ConnectOptions {
            client_id: self.text("client-id"),
            clean_start: self.is_on("clean-start"),
            session_expiry_interval: match self.is_on("session-never-expires") {
                true => u32::MAX,
                false => self
                    .number("session-expiry-interval")
                    .unwrap_or(default.session_expiry_interval),
            },
            keep_alive: self.number("keep-alive").unwrap_or(default.keep_alive),
            username: self.optional("username"),
            password: self.optional("password").map(String::into_bytes),
            will: self.optional("will-topic").map(|topic| Will {
                publication: Publication {
                    topic,
                    payload: self.text("will-payload").into_bytes(),
                    qos: self.qos("will-qos"),
                    retain: self.is_on("will-retain"),
                    properties: MessageProperties::default(),
                },
                delay_interval: self.number("will-delay-interval").unwrap_or_default(),
            }),
        }
    }

    pub(crate) fn subscription(&self) -> Subscription {
        Subscription {
            topic_filter: self.text("topic-filter"),
            qos: self.qos("qos"),
            no_local: self.is_on("no-local"),
            retain_as_published: self.is_on("retain-as-published"),
            retain_handling: match self.text("retain-handling").as_str() {
                "1" => RetainHandling::SendIfNew,
                "2" => RetainHandling::DoNotSend,
                _ => RetainHandling::SendAtSubscribe,
            },
            identifier: self.number("identifier"),
        }
    }

    /// The message to publish, or a sentence about an error in its topic or payload.
    pub(crate) fn publication(&self) -> Result<Publication, String> {
        let topic = self.text("topic");
        if let Some(place) = topic.chars().position(|it| matches!(it, '+' | '#')) {
            return Err(labels::publish::wildcard(place));
        }
        Ok(Publication {
            topic,
            payload: self.payload_format().parse(&self.text("payload"))?,
            qos: self.qos("qos"),
            retain: self.is_on("retain"),
            properties: self.properties()?,
        })
    }

    /// The properties of the message, or a sentence about an error in them.
    pub(crate) fn properties(&self) -> Result<MessageProperties, String> {
        let names = self.all("user-property-name").into_iter();
        let user_properties = names.zip(self.all("user-property-value"));
        let is_given = |pair: &(String, String)| !(pair.0.is_empty() && pair.1.is_empty());
        let correlation_data = self.optional("correlation-data");
        Ok(MessageProperties {
            payload_is_utf8: self.is_on("payload-is-utf8").then_some(true),
            message_expiry_interval: self.number("message-expiry-interval"),
            content_type: self.optional("content-type"),
            response_topic: self.optional("response-topic"),
            correlation_data: match correlation_data {
                Some(typed) => {
                    let data = Format::Hex.parse(&typed);
                    Some(data.map_err(|why| labels::publish::correlation_data(&why))?)
                }
                None => None,
            },
            user_properties: user_properties.filter(is_given).collect(),
        })
    }

    /// The message as it is typed, without its properties.
    pub(crate) fn draft(&self) -> Draft {
        Draft {
            topic: self.text("topic"),
            payload: self.text("payload"),
            format: self.payload_format(),
            qos: self.qos("qos"),
            retain: self.is_on("retain"),
        }
    }

    /// Number of properties of the message. A user property counts once it has a name or a value.
    pub(crate) fn properties_count(&self) -> usize {
        let single = [
            "message-expiry-interval",
            "content-type",
            "response-topic",
            "correlation-data",
        ];
        let single = single
            .into_iter()
            .filter(|it| !self.text(it).is_empty())
            .count();
        let names = self.all("user-property-name").into_iter();
        let pairs = names.zip(self.all("user-property-value"));
        let user = pairs
            .filter(|(name, value)| !(name.is_empty() && value.is_empty()))
            .count();
        single + user + usize::from(self.is_on("payload-is-utf8"))
    }

    pub(crate) fn payload_format(&self) -> Format {
        Format::named(&self.text("payload-format")).unwrap_or_default()
    }

    pub(crate) fn repeat_rate(&self) -> u32 {
        self.number("repeat-rate").unwrap_or(1)
    }

    fn optional(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).parse().ok()
    }

    pub(crate) fn qos(&self, name: &str) -> QoS {
        match self.text(name).as_str() {
            "1" => QoS::AtLeastOnce,
            "2" => QoS::ExactlyOnce,
            _ => QoS::AtMostOnce,
        }
    }

    fn all(&self, name: &str) -> Vec<String> {
        let values = self.0.get_all(name);
        values
            .iter()
            .filter_map(|value| value.as_string())
            .collect()
    }
}
