//! Properties of a received message, by their names in the specification.

pub(crate) const QOS: &str = "QoS";
pub(crate) const RETAIN: &str = "Retain";
pub(crate) const SIZE: &str = "Size";
pub(crate) const RECEIVED: &str = "Received";
pub(crate) const CONTENT_TYPE: &str = "Content Type";
pub(crate) const RESPONSE_TOPIC: &str = "Response Topic";
pub(crate) const CORRELATION_DATA: &str = "Correlation Data";
pub(crate) const MESSAGE_EXPIRY: &str = "Message Expiry";
pub(crate) const PAYLOAD_FORMAT: &str = "Payload Format";
pub(crate) const SUBSCRIPTION_IDENTIFIER: &str = "Subscription Identifier";

pub(crate) fn payload_format(is_utf8: bool) -> &'static str {
    if is_utf8 { "UTF-8" } else { "bytes" }
}

pub(crate) fn seconds(seconds: u32) -> String {
    format!("{seconds} s")
}
