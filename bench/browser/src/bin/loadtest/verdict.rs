//! Compares the acknowledged messages with those that the subscribers received.

use std::collections::BTreeMap;

use crate::tabs::{Outcome, Ranges};

/// Counts of acknowledged and received messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) acknowledged: u64,
    /// Messages that should have arrived, summed over subscribers.
    pub(crate) owed: u64,
    /// Those of them that did not arrive.
    pub(crate) lost: u64,
}

impl Verdict {
    pub(crate) fn of(acknowledged: &BTreeMap<String, Ranges>, received: &[Outcome]) -> Self {
        let mut verdict = Self::default();
        for (name, ranges) in acknowledged {
            let count = count(ranges);
            verdict.acknowledged += count;
            for outcome in received {
                let arrived = outcome.received.get(name);
                let missing = count - arrived.map_or(0, |arrived| common(ranges, arrived));
                verdict.owed += count;
                verdict.lost += missing;
            }
        }
        verdict
    }
}

fn count(ranges: &Ranges) -> u64 {
    ranges.iter().map(|(from, to)| to - from).sum()
}

/// The number of common numbers.
fn common(a: &Ranges, b: &Ranges) -> u64 {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while let (Some((a_from, a_to)), Some((b_from, b_to))) = (a.get(i), b.get(j)) {
        count += (*a_to.min(b_to)).saturating_sub(*a_from.max(b_from));
        match a_to <= b_to {
            true => i += 1,
            false => j += 1,
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(ranges: &[(u64, u64)]) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.received.insert("p1".to_owned(), ranges.to_vec());
        outcome
    }

    #[test]
    fn an_acknowledged_message_that_did_not_arrive_is_lost() {
        let acknowledged = [("p1".to_owned(), vec![(0, 10), (20, 30)])].into();
        let all = [
            received(&[(0, 30)]),
            received(&[(0, 5), (6, 25)]),
            Outcome::default(),
        ];
        let verdict = Verdict::of(&acknowledged, &all);
        assert_eq!((verdict.acknowledged, verdict.owed), (20, 60));
        assert_eq!(verdict.lost, 1 + 5 + 20);
    }
}
