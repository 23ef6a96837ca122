//! Failure detector: decides by probes that the broker, or the holder of its lock, is dead, and replaces it.

use broker::Time;

use crate::settings::Settings;

/// Probes the broker only while it owes an answer.
///
/// A tab steals the broker's lock only if it received its own probes, its timers were punctual, and two probes got no
/// answer. The steal lock admits one tab at a time.
#[derive(Debug, Default)]
pub(crate) struct FailureDetector {
    state: State,
    /// Number of the last probe.
    number: u32,
    /// Consecutive detections without a result. Determines the pause before the next.
    fruitless: u32,
    /// Consecutive timers that were too late for a conclusion.
    late: u32,
    /// Consecutive pongs of a broker that owed an answer.
    pongs: u32,
    /// Start of the latest known leadership.
    leadership_began: Option<Time>,
    /// Number of short leaderships. A longer one halves it.
    short_leaderships: u32,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Calm,
    Probing(Probing),
    /// Requests the steal lock.
    Requesting,
    /// Replaces the broker, and holds the steal lock if there is one.
    Promoting,
    /// Pauses until this time.
    Resting(Time),
}

#[derive(Debug, Default)]
struct Probing {
    /// Probes of this detection.
    probes: Vec<u32>,
    /// Number of probes that this tab was able to hear an answer to, without an answer.
    silent: usize,
    /// Whether this tab received its own last probe.
    is_received: bool,
    /// When the wait for an answer to the last probe ends.
    due: Time,
}

/// An effect of the failure detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Start or stop the loopback probe.
    LoopbackProbe(bool),
    /// Send a probe.
    Probe(u32),
    /// The broker is silent: request the steal lock.
    RequestSteal,
    /// Steal the broker's lock.
    Steal,
    /// Replace the broker without a lock.
    Replace,
    /// Release the steal lock.
    ReleaseSteal,
    /// The broker lives but does not answer: bind the lane again.
    Rebind,
    /// This tab does not receive its own messages.
    Deaf,
}

/// The result of [`Step::RequestSteal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StealRight {
    Granted,
    /// Another tab has it.
    Denied,
    /// This browser has no locks.
    NoLocks,
}

/// Number of unanswered probes after which the broker is replaced.
const PROBES: usize = 2;

/// Number of short leaderships that lengthen the timeout, at most.
const SHORT_LEADERSHIPS_MAX: u32 = 4;

/// Number of pongs after which the lane is bound again.
const PONGS: u32 = 2;

/// Counts followed brokers that only claimed to lead and gave no proof.
///
/// A new broker gets time before it is probed. If every claim got time, repeated claims could keep a dead broker in its
/// place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UnprovenClaims {
    claims: u32,
    since: Option<Time>,
}

/// Number of consecutive claims without a proof that get time.
const UNPROVEN_MAX: u32 = 2;

impl UnprovenClaims {
    /// Counts one more claim. Returns whether its broker gets time.
    pub(crate) fn follow(&mut self, now: Time) -> bool {
        self.since.get_or_insert(now);
        self.claims += 1;
        self.claims <= UNPROVEN_MAX
    }

    /// Since when a proof has been owed, if too many claims lack one.
    pub(crate) fn owed_since(self) -> Option<Time> {
        self.since.filter(|_| self.claims > UNPROVEN_MAX)
    }
}

impl FailureDetector {
    /// Runs the detector. `owed_since`: since when the broker has owed an answer, or has been missing.
    pub(crate) fn update(
        &mut self,
        now: Time,
        owed_since: Option<Time>,
        settings: &Settings,
        out: &mut Vec<Step>,
    ) {
        let is_owed = owed_since.is_some_and(|since| since.plus_ms(settings.suspect_ms) <= now);
        match &mut self.state {
            State::Calm => {
                if is_owed {
                    out.push(Step::LoopbackProbe(true));
                    self.state = State::Probing(Probing::default());
                    self.probe(now, settings, out);
                }
            }
            State::Probing(_) | State::Requesting if !is_owed => self.calm(out),
            State::Resting(_) if !is_owed => *self = self.reset(),
            State::Probing(probing) if probing.due <= now => {
                let tolerance_ms = settings.probe_lateness_ms << self.late.min(4);
                if probing.due.plus_ms(tolerance_ms) < now {
                    // This tab was suspended and has not received the messages of that time yet. The silence after this
                    // probe proves nothing. The silence after the one before it still does.
                    self.late += 1;
                    self.probe(now, settings, out);
                } else if !probing.is_received {
                    out.push(Step::Deaf);
                    self.rest(now, settings, out);
                } else if probing.silent + 1 < PROBES {
                    probing.silent += 1;
                    self.probe(now, settings, out);
                } else {
                    self.state = State::Requesting;
                    out.push(Step::RequestSteal);
                }
            }
            State::Resting(until) if *until <= now => {
                self.state = State::Calm;
                self.update(now, owed_since, settings, out);
            }
            State::Probing(_) | State::Requesting | State::Promoting | State::Resting(_) => {}
        }
    }

    /// When [`FailureDetector::update`] is due.
    pub(crate) fn next_timeout(
        &self,
        owed_since: Option<Time>,
        settings: &Settings,
    ) -> Option<Time> {
        match &self.state {
            State::Calm => owed_since.map(|since| since.plus_ms(settings.suspect_ms)),
            State::Probing(probing) => Some(probing.due),
            State::Resting(until) => Some(*until),
            State::Requesting | State::Promoting => None,
        }
    }

    /// Whether the last detection had no result, and no answer has come since.
    pub(crate) fn has_failed_before(&self) -> bool {
        self.fruitless > 0
    }

    /// This tab received its own probe.
    pub(crate) fn on_loopback(&mut self, number: u32) {
        if let State::Probing(probing) = &mut self.state
            && self.number == number
        {
            probing.is_received = true;
        }
    }

    /// The broker answered a probe.
    pub(crate) fn on_pong(
        &mut self,
        now: Time,
        number: u32,
        settings: &Settings,
        out: &mut Vec<Step>,
    ) {
        let is_meant = match &self.state {
            State::Probing(probing) => probing.probes.contains(&number),
            State::Requesting => self.number == number || self.number == number + 1,
            State::Calm | State::Promoting | State::Resting(_) => false,
        };
        if !is_meant {
            return;
        }
        self.fruitless = 0;
        self.pongs += 1;
        self.rest(now, settings, out);
        if self.pongs >= PONGS {
            self.pongs = 0;
            out.push(Step::Rebind);
        }
    }

    /// Handles the result of the request for the steal lock.
    pub(crate) fn on_steal_right(
        &mut self,
        now: Time,
        right: StealRight,
        settings: &Settings,
        out: &mut Vec<Step>,
    ) {
        match (&self.state, right) {
            (State::Requesting, StealRight::Granted) => {
                self.state = State::Promoting;
                out.push(Step::Steal);
            }
            (State::Requesting, StealRight::NoLocks) => {
                self.state = State::Promoting;
                out.push(Step::Replace);
            }
            (State::Requesting, StealRight::Denied) => self.rest(now, settings, out),
            // The broker has answered meanwhile.
            (_, StealRight::Granted) => out.push(Step::ReleaseSteal),
            (_, StealRight::Denied | StealRight::NoLocks) => {}
        }
    }

    /// Whether [`Step::RequestSteal`] still waits for [`FailureDetector::on_steal_right`].
    pub(crate) fn is_requesting(&self) -> bool {
        matches!(self.state, State::Requesting)
    }

    /// Starts again, because [`Step::RequestSteal`] is too old.
    pub(crate) fn renew(&mut self, out: &mut Vec<Step>) {
        if self.is_requesting() {
            self.state = State::Calm;
            out.push(Step::LoopbackProbe(false));
        }
    }

    /// Ends the detection: there is a broker, or this tab's promotion has ended.
    pub(crate) fn calm(&mut self, out: &mut Vec<Step>) {
        match self.state {
            State::Calm | State::Resting(_) => {}
            State::Probing(_) | State::Requesting => out.push(Step::LoopbackProbe(false)),
            State::Promoting => out.extend([Step::LoopbackProbe(false), Step::ReleaseSteal]),
        }
        *self = self.reset();
    }

    fn reset(&self) -> Self {
        Self {
            number: self.number,
            leadership_began: self.leadership_began,
            short_leaderships: self.short_leaderships,
            ..Self::default()
        }
    }

    /// Counts a new leadership. Leaderships in quick succession show a slow machine, not dead brokers. Without longer
    /// timeouts each new broker would be replaced during its promotion.
    pub(crate) fn on_leadership(&mut self, now: Time, settings: &Settings) {
        let is_soon = |began: Time| began.plus_ms(settings.short_leadership_ms) > now;
        self.short_leaderships = if self.leadership_began.is_some_and(is_soon) {
            SHORT_LEADERSHIPS_MAX.min(self.short_leaderships + 1)
        } else {
            self.short_leaderships / 2
        };
        self.leadership_began = Some(now);
    }

    fn probe(&mut self, now: Time, settings: &Settings, out: &mut Vec<Step>) {
        let State::Probing(probing) = &mut self.state else {
            return;
        };
        self.number += 1;
        probing.probes.push(self.number);
        probing.is_received = false;
        probing.due = now.plus_ms(settings.probe_ms << self.short_leaderships);
        out.push(Step::Probe(self.number));
    }

    fn rest(&mut self, now: Time, settings: &Settings, out: &mut Vec<Step>) {
        let pause_ms = settings.failure_detector_pause_ms << self.fruitless.min(4);
        self.fruitless += 1;
        self.late = 0;
        self.state = State::Resting(now.plus_ms(pause_ms));
        out.push(Step::LoopbackProbe(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        failure_detector: FailureDetector,
        settings: Settings,
        owed_since: Option<Time>,
    }

    fn at(ms: u64) -> Time {
        Time::from_ms(ms)
    }

    impl Case {
        fn new() -> Self {
            Self {
                failure_detector: FailureDetector::default(),
                settings: Settings::default(),
                owed_since: Some(at(0)),
            }
        }

        fn update(&mut self, ms: u64) -> Vec<Step> {
            let mut out = Vec::new();
            let Self {
                failure_detector,
                settings,
                owed_since,
            } = self;
            failure_detector.update(at(ms), *owed_since, settings, &mut out);
            out
        }

        fn right(&mut self, ms: u64, right: StealRight) -> Vec<Step> {
            let mut out = Vec::new();
            self.failure_detector
                .on_steal_right(at(ms), right, &self.settings, &mut out);
            out
        }

        fn pong(&mut self, ms: u64, number: u32) -> Vec<Step> {
            let mut out = Vec::new();
            self.failure_detector
                .on_pong(at(ms), number, &self.settings, &mut out);
            out
        }

        /// Runs until two probes were received and not answered.
        fn silent(&mut self) {
            assert_eq!(self.update(299), []);
            assert_eq!(
                self.update(300),
                [Step::LoopbackProbe(true), Step::Probe(1)]
            );
            self.failure_detector.on_loopback(1);
            assert_eq!(self.update(499), []);
            assert_eq!(self.update(500), [Step::Probe(2)]);
            self.failure_detector.on_loopback(2);
            assert_eq!(self.update(700), [Step::RequestSteal]);
        }
    }

    #[test]
    fn two_unanswered_probes_lead_to_stealing_the_lock() {
        let mut case = Case::new();
        case.silent();
        assert_eq!(case.right(701, StealRight::Granted), [Step::Steal]);
        let mut out = Vec::new();
        case.failure_detector.calm(&mut out);
        assert_eq!(out, [Step::LoopbackProbe(false), Step::ReleaseSteal]);
    }

    #[test]
    fn short_leaderships_lengthen_the_probe_timeout_and_a_long_one_shortens_it() {
        let mut case = Case::new();
        let mut on_leadership = |ms| {
            case.failure_detector.on_leadership(at(ms), &case.settings);
            case.failure_detector.short_leaderships
        };
        assert_eq!([0, 1_000, 2_000].map(&mut on_leadership), [0, 1, 2]);
        assert_eq!(on_leadership(7_000), 1);
        case.owed_since = Some(at(7_000));
        assert_eq!(
            case.update(7_300),
            [Step::LoopbackProbe(true), Step::Probe(1)]
        );
        case.failure_detector.on_loopback(1);
        assert_eq!(case.update(7_699), []);
        assert_eq!(case.update(7_700), [Step::Probe(2)]);
    }

    #[test]
    fn without_locks_the_broker_is_replaced_directly() {
        let mut case = Case::new();
        case.silent();
        assert_eq!(case.right(701, StealRight::NoLocks), [Step::Replace]);
    }

    #[test]
    fn one_tab_at_a_time_steals_the_lock_and_the_others_pause() {
        let mut case = Case::new();
        case.silent();
        assert_eq!(
            case.right(701, StealRight::Denied),
            [Step::LoopbackProbe(false)]
        );
        assert_eq!(case.update(702), []);
        assert_eq!(
            case.update(1_701),
            [Step::LoopbackProbe(true), Step::Probe(3)]
        );
    }

    #[test]
    fn a_tab_that_misses_its_own_probes_steals_no_lock() {
        let mut case = Case::new();
        case.update(300);
        assert_eq!(case.update(500), [Step::Deaf, Step::LoopbackProbe(false)]);
    }

    #[test]
    fn a_suspended_tab_probes_once_more() {
        let mut case = Case::new();
        case.update(300);
        case.failure_detector.on_loopback(1);
        assert_eq!(case.update(5_000), [Step::Probe(2)]);
        case.failure_detector.on_loopback(2);
        assert_eq!(case.update(5_200), [Step::Probe(3)]);
        case.failure_detector.on_loopback(3);
        assert_eq!(case.update(6_000), [Step::Probe(4)]);
        case.failure_detector.on_loopback(4);
        assert_eq!(case.update(6_200), [Step::RequestSteal]);
    }

    #[test]
    fn a_pong_for_a_probe_before_a_suspension_counts() {
        let mut case = Case::new();
        case.update(300);
        case.failure_detector.on_loopback(1);
        assert_eq!(case.update(5_000), [Step::Probe(2)]);
        assert_eq!(case.pong(5_001, 1), [Step::LoopbackProbe(false)]);
    }

    #[test]
    fn a_tab_that_receives_only_an_earlier_probe_is_deaf() {
        let mut case = Case::new();
        case.update(300);
        case.failure_detector.on_loopback(1);
        assert_eq!(case.update(500), [Step::Probe(2)]);
        case.failure_detector.on_loopback(1);
        assert_eq!(case.update(700), [Step::Deaf, Step::LoopbackProbe(false)]);
    }

    #[test]
    fn a_pong_during_the_request_for_the_steal_lock_ends_it() {
        let mut case = Case::new();
        case.silent();
        assert_eq!(case.pong(701, 2), [Step::LoopbackProbe(false)]);
        assert_eq!(case.right(702, StealRight::Granted), [Step::ReleaseSteal]);
    }

    #[test]
    fn a_broker_that_lives_and_owes_an_answer_has_a_broken_lane() {
        let mut case = Case::new();
        case.update(300);
        assert_eq!(case.pong(310, 1), [Step::LoopbackProbe(false)]);
        assert_eq!(
            case.update(1_310),
            [Step::LoopbackProbe(true), Step::Probe(2)]
        );
        assert_eq!(case.pong(1_320, 1), []);
        assert_eq!(
            case.pong(1_320, 2),
            [Step::LoopbackProbe(false), Step::Rebind]
        );
    }

    #[test]
    fn an_answered_tab_does_not_probe() {
        let mut case = Case::new();
        case.update(300);
        case.owed_since = None;
        assert_eq!(case.update(301), [Step::LoopbackProbe(false)]);
        assert_eq!(case.update(10_000), []);
    }
}
