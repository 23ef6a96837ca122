//! What became of the messages this page published.

use std::collections::BTreeSet;

use tabmq_worker::Reason;

/// The publishes of this page. Each has a number, so that two with the same outcome can be told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Publishing {
    begun: u64,
    pending: BTreeSet<u64>,
    acknowledged: u64,
    last: Option<(u64, Outcome)>,
}

/// How a publish ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// QoS 0: on its way.
    Sent,
    /// QoS 1 and 2: this was the broker's answer.
    Answered(Reason),
    /// It could not be sent, in words.
    Refused(String),
    /// The connection ended first; whether the message arrived is unknown.
    Lost,
}

impl Publishing {
    /// The number of a new publish.
    pub(crate) fn begin(&mut self) -> u64 {
        self.begun += 1;
        self.pending.insert(self.begun);
        self.begun
    }

    pub(crate) fn end(&mut self, number: u64, outcome: Outcome) {
        self.pending.remove(&number);
        match outcome {
            Outcome::Sent => self.acknowledged += 1,
            Outcome::Answered(reason) if !reason.is_failure() => self.acknowledged += 1,
            Outcome::Answered(_) | Outcome::Refused(_) | Outcome::Lost => {}
        }
        self.last = Some((number, outcome));
    }

    pub(crate) fn lose_pending(&mut self) {
        if let Some(number) = self.pending.pop_last() {
            self.pending.clear();
            self.last = Some((number, Outcome::Lost));
        }
    }

    /// How many were answered with success, or sent with QoS 0.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many have no answer yet.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The publish that ended last, and how.
    pub(crate) fn last(&self) -> Option<&(u64, Outcome)> {
        self.last.as_ref()
    }
}
