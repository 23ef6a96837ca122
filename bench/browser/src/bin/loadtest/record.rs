//! The results of one load test.

use crate::seconds::{PageSample, Second};
use crate::verdict::Verdict;

/// An action of the test on a tab.
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
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::BrokerClosed => "the broker's tab was closed",
            Self::BrokerCrashed => "the broker's tab crashed",
            Self::TabReplaced => "a tab was closed",
        }
    }
}

/// The results.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) seconds: Vec<Second>,
    pub(crate) incidents: Vec<Incident>,
    /// The sums of all counts.
    pub(crate) totals: PageSample,
    pub(crate) verdict: Verdict,
    /// Messages that the brokers dropped, summed over receivers.
    pub(crate) dropped: u64,
    /// Duration (s) of publishing.
    pub(crate) published_s: f64,
}
