//! The results of one load test.

use crate::seconds::{PageSample, Second};
use crate::verdict::Verdict;

/// Something that was done to the tabs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incident {
    /// Seconds since the load began.
    pub(crate) at_s: f64,
    pub(crate) what: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    BrokerClosed,
    BrokerCrashed,
    TabReplaced,
}

impl Action {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::BrokerClosed => "the broker's tab was closed",
            Self::BrokerCrashed => "the broker's tab crashed",
            Self::TabReplaced => "a tab was closed",
        }
    }
}

/// Action came of it.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) seconds: Vec<Second>,
    pub(crate) incidents: Vec<Incident>,
    /// All that was counted.
    pub(crate) totals: PageSample,
    pub(crate) verdict: Verdict,
    /// Dropped by the brokers, each receiver counted.
    pub(crate) dropped: u64,
    /// How long the publishers published.
    pub(crate) published_s: f64,
}
