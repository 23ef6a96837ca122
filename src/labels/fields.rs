//! Fields that several forms have.

use tabmq_worker::api::QoS;

use super::figures::qos_level;

pub(crate) const QOS: &str = "QoS";
pub(crate) const TOPIC: &str = "Topic";
pub(crate) const PAYLOAD: &str = "Payload";
pub(crate) const RETAIN: &str = "Retain";

/// A QoS to choose.
pub(crate) fn qos(qos: QoS) -> String {
    let promise = match qos {
        QoS::AtMostOnce => "at most once",
        QoS::AtLeastOnce => "at least once",
        QoS::ExactlyOnce => "exactly once",
    };
    format!("{} – {promise}", qos_level(qos))
}
