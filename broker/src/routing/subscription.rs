//! The options of a subscription.

use crate::QoS;

/// A subscription, without its topic filter and its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) id: Option<u32>,
    /// The number of its catch-up; 0 if it has none.
    pub(crate) catch_up: u32,
}
