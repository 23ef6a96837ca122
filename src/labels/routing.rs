//! The broker's sessions, and the receivers of a message.

use super::figures::{count, qos_level};
use tabmq_worker::api::QoS;

pub(crate) const RECEIVERS: &str = "Who would receive a message?";
pub(crate) const RECEIVERS_TABLE: &str = "Table of receivers";
pub(crate) const ENTER_TOPIC: &str = "Enter a topic.";
pub(crate) const NOBODY: &str = "Nobody is subscribed to this topic.";
pub(crate) const SESSIONS: &str = "Broker sessions";
pub(crate) const SESSIONS_TABLE: &str = "Table of sessions";
pub(crate) const OFFLINE: &str = "offline";

pub(crate) const CLIENT: &str = "Client";
pub(crate) const TAB: &str = "Tab";
pub(crate) const MATCHING_FILTER: &str = "Matching filter";
pub(crate) const OPTIONS: &str = "Options";
pub(crate) const SUBSCRIPTIONS: &str = "Subscriptions";
pub(crate) const QUEUED: &str = "Queued";
pub(crate) const IN_FLIGHT: &str = "In flight";
pub(crate) const SESSION_ENDS: &str = "Session ends";

/// A receiver by a shared subscription.
pub(crate) fn member_of(group: &str) -> String {
    format!("one member of group {group}")
}

pub(crate) fn qos(qos: QoS) -> String {
    format!("QoS {}", qos_level(qos))
}

pub(crate) fn identifier(identifier: u32) -> String {
    format!("id {identifier}")
}

pub(crate) fn more(left_out: u32) -> String {
    format!("{} more not shown.", count(left_out.into()))
}
