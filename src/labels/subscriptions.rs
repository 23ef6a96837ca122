//! Subscriptions.

use tabmq_worker::api::QoS;

use super::figures::{folded, qos_level};

pub(crate) const TITLE: &str = "Subscriptions";
pub(crate) const NO_LOCAL: &str = "No Local";
pub(crate) const AS_PUBLISHED: &str = "Retain As Published";
pub(crate) const HANDLING: &str = "Retain Handling";
pub(crate) const FILTER: &str = "Topic filter";
pub(crate) const FILTER_EXAMPLE: &str = "home/+/lamp";
pub(crate) const SUBSCRIBE: &str = "Subscribe";
pub(crate) const UNSUBSCRIBE: &str = "Unsubscribe";
pub(crate) const COUNT: &str = "Messages that matched";
pub(crate) const NONE: &str = "No subscriptions. The topic filter # matches every topic.";
pub(crate) const IDENTIFIER: &str = "Subscription identifier";
/// By MQTT's number.
pub(crate) const RETAIN_HANDLING: [&str; 3] = [
    "0 – on every subscribe",
    "1 – for new subscriptions",
    "2 – never",
];

pub(crate) fn unsubscribe(topic_filter: &str) -> String {
    format!("Unsubscribe from {topic_filter}")
}

/// The summary of the folded options: the QoS, and the number of other options that differ from the default.
pub(crate) fn options(qos: QoS, chosen: usize) -> String {
    let options = folded("Options", chosen);
    format!("QoS {} · {options}", qos_level(qos))
}

pub(crate) fn identifier(identifier: impl std::fmt::Display) -> String {
    format!("Identifier {identifier}")
}

/// The Retain Handling by MQTT's number.
pub(crate) fn handling(number: u8) -> String {
    format!("{HANDLING} {number}")
}
