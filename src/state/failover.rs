//! Changes of broker: their causes, steps and costs.

use std::collections::VecDeque;

use tabmq_worker::api::EventKind;
use tabmq_worker::{TabId, Time};

/// Changes of broker that are kept.
const KEPT_MAX: usize = 50;

/// The changes of broker that this page has seen, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Failovers {
    kept: VecDeque<Failover>,
    seen: u64,
    /// The tab that is the broker.
    broker: Option<TabId>,
    /// Packets that this tab has sent again, in total.
    resent: u64,
    /// The tabs that ended last, and how.
    ends: VecDeque<(TabId, Cause)>,
    /// When this tab last suspected that its broker is frozen.
    suspected: Option<f64>,
    /// When this tab was last frozen as the broker, and for how many milliseconds.
    stood_still: Option<(f64, u64)>,
}

/// How long a suspicion or a freeze can precede the loss that it explains, in milliseconds. No event reports that it had no
/// consequence.
const REASON_MS: f64 = 3_000.0;

/// Ends of tabs that are remembered: a tab's end can be reported before the loss of its broker.
const ENDS_MAX: usize = 8;

/// One change of broker. Times are in Unix milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failover {
    pub(crate) number: u64,
    /// The tab that was the broker.
    pub(crate) from: Option<TabId>,
    /// The tab that became the broker.
    pub(crate) to: Option<TabId>,
    pub(crate) cause: Cause,
    /// When this tab noticed the loss of the broker; if the broker froze, when it gave its last sign of life.
    pub(crate) lost: f64,
    /// How long this tab itself was frozen, in milliseconds, if it was the broker.
    pub(crate) frozen_ms: Option<u64>,
    /// When the new broker was elected.
    pub(crate) elected: Option<f64>,
    /// When the new broker had restored the stored state.
    pub(crate) restored: Option<f64>,
    /// When this page's client was connected again.
    pub(crate) resumed: Option<f64>,
    /// Packets that this tab sent again.
    pub(crate) resent: Option<u64>,
    /// Results of a stream of numbered messages, if one was running.
    pub(crate) stream: Option<StreamFigures>,
}

/// How this tab noticed the loss of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its lock was free. The reason is not known yet.
    Gone,
    /// It said goodbye.
    Closed,
    /// It ended without a goodbye.
    Crashed,
    /// It did not answer.
    Froze,
    /// This tab was the broker and was replaced.
    Deposed,
}

/// Results of a stream of numbered messages.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct StreamFigures {
    pub(crate) acknowledged: u64,
    /// Acknowledged, but not arrived.
    pub(crate) lost: u64,
    /// Arrived more than once.
    pub(crate) duplicates: u64,
    /// The longest time between two acknowledgements, in milliseconds.
    pub(crate) gap_ms: f64,
}

/// An observation from which a change of broker is reconstructed.
#[derive(Clone, Debug)]
pub(crate) enum Observation<'a> {
    /// An event, and this tab.
    Event(&'a EventKind, Option<TabId>),
    /// The page's client is connected.
    Connected,
    /// Number of packets sent again since the page was opened.
    Resent(u64),
}

impl Failovers {
    /// Records an observation made at this time.
    pub(crate) fn observe(&mut self, at: f64, observation: &Observation<'_>) {
        match observation {
            Observation::Event(event, own) => self.hear_event(at, event, *own),
            Observation::Connected => {
                if let Some(open) = self.open() {
                    open.resumed = Some(at);
                }
            }
            Observation::Resent(total) => self.resent(*total),
        }
    }

    fn hear_event(&mut self, at: f64, event: &EventKind, own: Option<TabId>) {
        match event {
            EventKind::BrokerLost { .. } => self.lost(at, Cause::Gone),
            EventKind::ReplacingBroker => {
                self.lost(at, Cause::Froze);
                if let Some(open) = self.open() {
                    open.cause = Cause::Froze;
                }
            }
            EventKind::Suspected => self.suspected = Some(at),
            EventKind::Suspended { ms } => self.stood_still = Some((at, *ms)),
            EventKind::SteppedDown { .. } => self.lost(at, Cause::Deposed),
            EventKind::TabLeft(tab) => self.ended(*tab, Cause::Closed),
            EventKind::TabLost(tab) => self.ended(*tab, Cause::Crashed),
            EventKind::Promoting => {
                // The lock can be granted before the goodbye arrives. A broker that is elected again has lost no broker.
                if self.broker.is_some() && self.broker != own {
                    self.lost(at, Cause::Gone);
                }
                if let Some(open) = self.open() {
                    open.elected = Some(at);
                }
            }
            EventKind::Restored { .. } => {
                if let Some(open) = self.open() {
                    open.restored = Some(at);
                }
            }
            EventKind::Elected { after_ms, .. } => {
                self.follows(own);
                if let Some(open) = self.open() {
                    // A frozen broker is noticed a second after its last sign of life.
                    let seen = after_ms.map(|ms| at - ms as f64);
                    if let Some(seen) = seen.filter(|_| open.cause == Cause::Froze) {
                        open.lost = open.lost.min(seen);
                    }
                    // Without stored state there is no event for its restoration.
                    open.restored.get_or_insert(at);
                }
            }
            EventKind::Following {
                broker, leadership, ..
            } => {
                // The new broker's announcement can arrive before the loss is noticed. The loss was the reason for the election.
                if self.broker.is_some_and(|before| before != *broker) {
                    let elected = leadership.map_or(at, |it| it.elected.as_ms() as f64);
                    self.lost(elected.min(at), Cause::Gone);
                }
                self.follows(Some(*broker));
                if let (Some(open), Some(leadership)) = (self.open(), leadership) {
                    // The promotion can begin before this tab notices the loss.
                    let since_lost = |time: Time| Some((time.as_ms() as f64).max(open.lost));
                    (open.elected, open.restored) = (
                        since_lost(leadership.elected),
                        since_lost(leadership.restored),
                    );
                }
            }
            _ => {}
        }
    }

    fn lost(&mut self, at: f64, cause: Cause) {
        if self.open().is_some() {
            return;
        }
        self.seen += 1;
        self.kept.truncate(KEPT_MAX - 1);
        let from = self.broker.take();
        let end = self.ends.iter().find(|(tab, _)| Some(*tab) == from);
        let suspected = self.suspected.take();
        let suspected = suspected.filter(|since| at - since <= REASON_MS);
        let stood_still = self.stood_still.take();
        let stood_still = stood_still.filter(|(since, _)| at - since <= REASON_MS);
        self.kept.push_front(Failover {
            number: self.seen,
            from,
            to: None,
            cause: match (cause, end) {
                (Cause::Gone, Some((_, end))) => *end,
                (cause, _) => cause,
            },
            lost: suspected.map_or(at, |since| since.min(at)),
            frozen_ms: stood_still
                .map(|(_, ms)| ms)
                .filter(|_| cause == Cause::Deposed),
            elected: None,
            restored: None,
            resumed: None,
            resent: None,
            stream: None,
        });
    }

    /// Records how a tab ended.
    fn ended(&mut self, tab: TabId, how: Cause) {
        self.ends.truncate(ENDS_MAX - 1);
        self.ends.push_front((tab, how));
        let mut newest = self.kept.iter_mut();
        if let Some(failover) = newest.find(|it| it.from == Some(tab) && it.cause == Cause::Gone) {
            failover.cause = how;
        }
    }

    fn follows(&mut self, broker: Option<TabId>) {
        self.broker = broker;
        if let Some(open) = self.open() {
            open.to = broker;
        }
    }

    /// The change in progress.
    fn open(&mut self) -> Option<&mut Failover> {
        self.kept.front_mut().filter(|it| it.resumed.is_none())
    }

    fn resent(&mut self, total: u64) {
        let more = total.saturating_sub(self.resent);
        self.resent = total;
        if let Some(last) = self.kept.front_mut() {
            last.resent = Some(last.resent.unwrap_or_default() + more);
        }
    }

    /// Adds the results of a stream that has run since this time to the last change of broker, if it happened meanwhile.
    pub(crate) fn streamed(&mut self, since: f64, figures: StreamFigures) {
        if let Some(last) = self.kept.front_mut()
            && last.lost >= since
        {
            last.stream = Some(figures);
        }
    }

    pub(crate) fn newest_first(&self) -> impl ExactSizeIterator<Item = &Failover> {
        self.kept.iter()
    }

    /// Number of discarded changes.
    pub(crate) fn forgotten(&self) -> u64 {
        self.seen - self.kept.len() as u64
    }

    /// Number of the newest change; 0 before the first.
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }
}

impl Failover {
    /// The completed steps in order, each with its milliseconds since the loss.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        let steps = [
            ("elected", self.elected),
            ("restored", self.restored),
            ("resumed", self.resumed),
        ];
        let lost = self.lost;
        let taken = steps.into_iter();
        taken.filter_map(move |(name, at)| Some((name, at? - lost)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tabmq_worker::api::{LeadershipTimes, Term};

    const TERM: Term = Term(1);

    fn tab(bits: u64) -> TabId {
        TabId::from_entropy(bits)
    }

    fn observed(observations: &[(f64, EventKind)]) -> Failovers {
        let mut failovers = Failovers::default();
        for (at, event) in observations {
            failovers.observe(*at, &Observation::Event(event, Some(tab(1))));
        }
        failovers
    }

    fn following(bits: u64, times: Option<(u64, u64)>) -> EventKind {
        EventKind::Following {
            broker: tab(bits),
            term: TERM,
            leadership: times.map(|(elected, restored)| LeadershipTimes {
                elected: Time::from_ms(elected),
                restored: Time::from_ms(restored),
            }),
        }
    }

    #[test]
    fn a_tab_that_follows_learns_the_steps_from_the_new_broker() {
        let mut failovers = observed(&[
            (10.0, following(2, None)),
            (100.0, EventKind::BrokerLost { term: TERM }),
            (150.0, following(3, Some((99, 140)))),
        ]);
        failovers.observe(160.0, &Observation::Connected);
        failovers.observe(161.0, &Observation::Resent(7));
        let last = failovers.newest_first().next().unwrap();
        assert_eq!((last.from, last.to), (Some(tab(2)), Some(tab(3))));
        let steps: Vec<_> = last.steps().collect();
        assert_eq!(
            steps,
            [("elected", 0.0), ("restored", 40.0), ("resumed", 60.0)]
        );
        assert_eq!((last.cause, last.resent), (Cause::Gone, Some(7)));
    }

    #[test]
    fn a_tab_that_replaces_a_silent_broker_takes_the_steps_itself() {
        let restored = EventKind::Restored {
            took_ms: 5,
            sessions: 0,
            retained_messages: 0,
            messages: 0,
        };
        let elected = EventKind::Elected {
            term: TERM,
            after_ms: None,
        };
        let failovers = observed(&[
            (10.0, following(2, None)),
            (100.0, EventKind::ReplacingBroker),
            (101.0, EventKind::Promoting),
            (102.0, EventKind::BrokerLost { term: TERM }),
            (106.0, elected),
            (106.0, restored),
        ]);
        let last = failovers.newest_first().next().unwrap();
        assert_eq!((last.cause, last.to), (Cause::Froze, Some(tab(1))));
        assert_eq!(last.steps().last(), Some(("restored", 6.0)));
        assert_eq!(failovers.newest_first().len(), 1);
    }

    #[test]
    fn a_failover_from_a_frozen_broker_begins_with_its_last_sign_of_life() {
        let elected = EventKind::Elected {
            term: TERM,
            after_ms: Some(1_200),
        };
        let mut failovers = observed(&[
            (10.0, following(2, None)),
            (3_500.0, EventKind::Suspected),
            (4_000.0, EventKind::ReplacingBroker),
            (4_001.0, EventKind::Promoting),
            (4_100.0, elected),
        ]);
        failovers.observe(4_150.0, &Observation::Connected);
        let last = failovers.newest_first().next().unwrap();
        assert_eq!((last.cause, last.lost), (Cause::Froze, 2_900.0));
        assert_eq!(last.steps().last(), Some(("resumed", 1_250.0)));
        // A tab that does not take over knows when it suspected the broker.
        let failovers = observed(&[
            (10.0, following(2, None)),
            (3_500.0, EventKind::Suspected),
            (4_200.0, following(3, Some((4_100, 4_150)))),
        ]);
        let last = failovers.newest_first().next().unwrap();
        assert_eq!(last.lost, 3_500.0);
        // An old suspicion was wrong.
        let failovers = observed(&[
            (10.0, following(2, None)),
            (20.0, EventKind::Suspected),
            (9_000.0, EventKind::BrokerLost { term: TERM }),
        ]);
        assert_eq!(failovers.newest_first().next().unwrap().lost, 9_000.0);
    }

    #[test]
    fn a_tab_that_was_frozen_knows_for_how_long() {
        let mut failovers = observed(&[
            (10.0, following(1, None)),
            (9_999.0, EventKind::Suspended { ms: 9_980 }),
            (10_000.0, EventKind::SteppedDown { term: TERM }),
            (10_010.0, following(2, Some((1_000, 1_010)))),
        ]);
        failovers.observe(10_020.0, &Observation::Connected);
        let last = failovers.newest_first().next().unwrap();
        assert_eq!(last.cause, Cause::Deposed);
        assert_eq!((last.frozen_ms, last.to), (Some(9_980), Some(tab(2))));
    }

    #[test]
    fn an_announcement_of_a_new_broker_implies_the_loss() {
        let observations = [
            (10.0, following(2, None)),
            (150.0, following(3, Some((99, 140)))),
        ];
        let failovers = observed(&observations);
        let last = failovers.newest_first().next().unwrap();
        assert_eq!((last.from, last.to), (Some(tab(2)), Some(tab(3))));
        let steps: Vec<_> = last.steps().collect();
        assert_eq!(steps, [("elected", 0.0), ("restored", 41.0)]);
    }

    #[test]
    fn an_own_election_implies_the_loss() {
        let elected = EventKind::Elected {
            term: TERM,
            after_ms: None,
        };
        let observations = [
            (10.0, following(2, None)),
            (100.0, EventKind::Promoting),
            (101.0, EventKind::TabLeft(tab(2))),
            (105.0, elected.clone()),
            // Because the storage was full.
            (200.0, EventKind::Promoting),
            (201.0, elected),
        ];
        let mut failovers = observed(&observations[..4]);
        failovers.observe(106.0, &Observation::Connected);
        for (at, event) in &observations[4..] {
            failovers.observe(*at, &Observation::Event(event, Some(tab(1))));
        }
        assert_eq!(failovers.newest_first().len(), 1);
        let last = failovers.newest_first().next().unwrap();
        assert_eq!((last.from, last.to), (Some(tab(2)), Some(tab(1))));
        assert_eq!(last.steps().next(), Some(("elected", 0.0)));
    }

    #[test]
    fn the_cause_is_known_in_any_order_of_observations() {
        let lost = EventKind::BrokerLost { term: TERM };
        for (end, cause) in [
            (EventKind::TabLeft(tab(2)), Cause::Closed),
            (EventKind::TabLost(tab(2)), Cause::Crashed),
            (EventKind::TabLost(tab(3)), Cause::Gone),
        ] {
            let first = (10.0, following(2, None));
            let (lost, end) = ((100.0, lost.clone()), (100.0, end));
            for observations in [
                [first.clone(), lost.clone(), end.clone()],
                [first, end, lost],
            ] {
                let failovers = observed(&observations);
                assert_eq!(failovers.newest_first().next().unwrap().cause, cause);
            }
        }
    }

    #[test]
    fn the_first_broker_of_a_channel_is_no_failover() {
        let mut failovers = observed(&[(1.0, EventKind::Promoting), (2.0, following(2, None))]);
        failovers.observe(3.0, &Observation::Connected);
        assert_eq!(failovers.newest_first().len(), 0);
    }

    #[test]
    fn a_stream_belongs_to_the_change_during_it() {
        let mut failovers = observed(&[(100.0, EventKind::BrokerLost { term: TERM })]);
        let figures = StreamFigures {
            acknowledged: 5,
            ..StreamFigures::default()
        };
        failovers.streamed(150.0, figures);
        assert_eq!(failovers.newest_first().next().unwrap().stream, None);
        failovers.streamed(90.0, figures);
        assert_eq!(
            failovers.newest_first().next().unwrap().stream,
            Some(figures)
        );
    }
}
