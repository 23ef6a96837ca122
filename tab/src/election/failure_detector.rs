//! Suspicion: whether the broker, or whoever holds its lock, is still alive; and if not, how its place is taken.

use broker::Time;

use crate::settings::Settings;

/// Suspects on demand: as long as everybody is answered, nothing is asked.
///
/// A silent broker's lock is taken only by a tab that heard its own questions, whose timers were punctual, and which got
/// no answer to two of them; and by one tab at a time.
#[derive(Debug, Default)]
pub(crate) struct Suspicion {
    state: State,
    /// The last probe's.
    number: u32,
    /// How often in a row it came to nothing, for the pause before the next.
    in_vain: u32,
    /// How often in a row a timer came too late to conclude anything from silence.
    late: u32,
    /// How often in a row the broker said that it lives although it owes an answer.
    pongs: u32,
    /// When the reign began that is the latest known.
    reign_began: Option<Time>,
    /// How many reigns were short; one that was not halves it.
    short_reigns: u32,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Calm,
    Probing(Probing),
    /// Asks for the right to take the lock.
    Asking,
    /// Takes the broker's place, and holds that right if there is one.
    Taking,
    /// Suspects nothing before this time.
    Resting(Time),
}

#[derive(Debug, Default)]
struct Probing {
    /// Those of this suspicion.
    probes: Vec<u32>,
    /// After how many of them this tab was there to hear an answer, and heard none.
    silent: usize,
    /// Whether this tab heard the last one itself.
    is_heard: bool,
    /// Until when an answer to the last one is awaited.
    due: Time,
}

/// What suspicion leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Hear oneself, or no longer.
    Ear(bool),
    /// Ask whether the broker lives.
    Probe(u32),
    /// It is silent: ask for the right to take its place.
    Ask,
    /// Take the broker's lock.
    Steal,
    /// Take the broker's place without a lock.
    TakeOver,
    /// Let the right go.
    LetGo,
    /// The broker lives and does not answer: the lane to it is broken.
    Rebind,
    /// This tab does not hear itself.
    Deaf,
}

/// What became of [`Step::Ask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    Given,
    /// Another tab has it.
    NotGiven,
    /// There are no locks in this browser.
    NoLocks,
}

/// After how many probes without an answer the broker's place is taken.
const PROBES: usize = 2;

/// How many short reigns make a tab more patient, at most.
const SHORT_REIGNS_MAX: u32 = 4;

/// After how many answers to probes the lane is bound anew.
const PONGS: u32 = 2;

/// Brokers that this tab followed because they said that they are it, while none of them gave a proof.
///
/// A new broker is given time before it is suspected. If each claim did that, somebody who claims the reign again and again
/// could keep a dead broker in its place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unproven {
    claims: u32,
    since: Option<Time>,
}

/// So many brokers may follow one after the other before one of them gives a proof.
const UNPROVEN_MAX: u32 = 2;

impl Unproven {
    /// This tab follows one more; whether that is given time.
    pub(crate) fn follow(&mut self, now: Time) -> bool {
        self.since.get_or_insert(now);
        self.claims += 1;
        self.claims <= UNPROVEN_MAX
    }

    /// Since when a proof has been owed, if too many have owed it.
    pub(crate) fn owed_since(self) -> Option<Time> {
        self.since.filter(|_| self.claims > UNPROVEN_MAX)
    }
}

impl Suspicion {
    /// Goes on. `owed_since`: since when the broker has owed an answer, or has been missing.
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
                    out.push(Step::Ear(true));
                    self.state = State::Probing(Probing::default());
                    self.probe(now, settings, out);
                }
            }
            State::Probing(_) | State::Asking if !is_owed => self.calm(out),
            State::Resting(_) if !is_owed => *self = self.calmed(),
            State::Probing(probing) if probing.due <= now => {
                let tolerance_ms = settings.probe_lateness_ms << self.late.min(4);
                if probing.due.plus_ms(tolerance_ms) < now {
                    // This tab stood still, and what came meanwhile has not been heard yet: the silence after this probe
                    // tells nothing. That after the one before it still does.
                    self.late += 1;
                    self.probe(now, settings, out);
                } else if !probing.is_heard {
                    out.push(Step::Deaf);
                    self.rest(now, settings, out);
                } else if probing.silent + 1 < PROBES {
                    probing.silent += 1;
                    self.probe(now, settings, out);
                } else {
                    self.state = State::Asking;
                    out.push(Step::Ask);
                }
            }
            State::Resting(until) if *until <= now => {
                self.state = State::Calm;
                self.update(now, owed_since, settings, out);
            }
            State::Probing(_) | State::Asking | State::Taking | State::Resting(_) => {}
        }
    }

    /// When [`Suspicion::update`] has something to do, if nothing comes before.
    pub(crate) fn next_timeout(
        &self,
        owed_since: Option<Time>,
        settings: &Settings,
    ) -> Option<Time> {
        match &self.state {
            State::Calm => owed_since.map(|since| since.plus_ms(settings.suspect_ms)),
            State::Probing(probing) => Some(probing.due),
            State::Resting(until) => Some(*until),
            State::Asking | State::Taking => None,
        }
    }

    /// Whether it has come to nothing before, and nobody has answered since.
    pub(crate) fn is_in_vain(&self) -> bool {
        self.in_vain > 0
    }

    /// This tab hears its own probe.
    pub(crate) fn on_heard(&mut self, number: u32) {
        if let State::Probing(probing) = &mut self.state
            && self.number == number
        {
            probing.is_heard = true;
        }
    }

    /// The broker answers.
    pub(crate) fn on_pong(
        &mut self,
        now: Time,
        number: u32,
        settings: &Settings,
        out: &mut Vec<Step>,
    ) {
        let is_meant = match &self.state {
            State::Probing(probing) => probing.probes.contains(&number),
            State::Asking => self.number == number || self.number == number + 1,
            State::Calm | State::Taking | State::Resting(_) => false,
        };
        if !is_meant {
            return;
        }
        self.in_vain = 0;
        self.pongs += 1;
        self.rest(now, settings, out);
        if self.pongs >= PONGS {
            self.pongs = 0;
            out.push(Step::Rebind);
        }
    }

    /// Whether this tab may take the broker's place.
    pub(crate) fn on_right(
        &mut self,
        now: Time,
        right: Right,
        settings: &Settings,
        out: &mut Vec<Step>,
    ) {
        match (&self.state, right) {
            (State::Asking, Right::Given) => {
                self.state = State::Taking;
                out.push(Step::Steal);
            }
            (State::Asking, Right::NoLocks) => {
                self.state = State::Taking;
                out.push(Step::TakeOver);
            }
            (State::Asking, Right::NotGiven) => self.rest(now, settings, out),
            // It has been answered meanwhile.
            (_, Right::Given) => out.push(Step::LetGo),
            (_, Right::NotGiven | Right::NoLocks) => {}
        }
    }

    /// Whether [`Step::Ask`] has not been answered by [`Suspicion::on_right`].
    pub(crate) fn is_asking(&self) -> bool {
        matches!(self.state, State::Asking)
    }

    /// What led to [`Step::Ask`] is too long ago: the broker is asked once more.
    pub(crate) fn renew(&mut self, out: &mut Vec<Step>) {
        if self.is_asking() {
            self.state = State::Calm;
            out.push(Step::Ear(false));
        }
    }

    /// There is a broker, or this tab's attempt to become it has ended.
    pub(crate) fn calm(&mut self, out: &mut Vec<Step>) {
        match self.state {
            State::Calm | State::Resting(_) => {}
            State::Probing(_) | State::Asking => out.push(Step::Ear(false)),
            State::Taking => out.extend([Step::Ear(false), Step::LetGo]),
        }
        *self = self.calmed();
    }

    fn calmed(&self) -> Self {
        Self {
            number: self.number,
            reign_began: self.reign_began,
            short_reigns: self.short_reigns,
            ..Self::default()
        }
    }

    /// Another reign begins. One that follows soon after another shows that the machine is slow, not that the brokers are
    /// dead: if nobody became more patient then, each new broker would be ousted while it takes over.
    pub(crate) fn on_reign(&mut self, now: Time, settings: &Settings) {
        let is_soon = |began: Time| began.plus_ms(settings.short_reign_ms) > now;
        self.short_reigns = if self.reign_began.is_some_and(is_soon) {
            SHORT_REIGNS_MAX.min(self.short_reigns + 1)
        } else {
            self.short_reigns / 2
        };
        self.reign_began = Some(now);
    }

    fn probe(&mut self, now: Time, settings: &Settings, out: &mut Vec<Step>) {
        let State::Probing(probing) = &mut self.state else {
            return;
        };
        self.number += 1;
        probing.probes.push(self.number);
        probing.is_heard = false;
        probing.due = now.plus_ms(settings.probe_ms << self.short_reigns);
        out.push(Step::Probe(self.number));
    }

    fn rest(&mut self, now: Time, settings: &Settings, out: &mut Vec<Step>) {
        let pause_ms = settings.suspicion_pause_ms << self.in_vain.min(4);
        self.in_vain += 1;
        self.late = 0;
        self.state = State::Resting(now.plus_ms(pause_ms));
        out.push(Step::Ear(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        suspicion: Suspicion,
        settings: Settings,
        owed_since: Option<Time>,
    }

    fn at(ms: u64) -> Time {
        Time::from_ms(ms)
    }

    impl Case {
        fn new() -> Self {
            Self {
                suspicion: Suspicion::default(),
                settings: Settings::default(),
                owed_since: Some(at(0)),
            }
        }

        fn update(&mut self, ms: u64) -> Vec<Step> {
            let mut out = Vec::new();
            let Self {
                suspicion,
                settings,
                owed_since,
            } = self;
            suspicion.update(at(ms), *owed_since, settings, &mut out);
            out
        }

        fn right(&mut self, ms: u64, right: Right) -> Vec<Step> {
            let mut out = Vec::new();
            self.suspicion
                .on_right(at(ms), right, &self.settings, &mut out);
            out
        }

        fn pong(&mut self, ms: u64, number: u32) -> Vec<Step> {
            let mut out = Vec::new();
            self.suspicion
                .on_pong(at(ms), number, &self.settings, &mut out);
            out
        }

        /// Up to two probes that were heard and not answered.
        fn silent(&mut self) {
            assert_eq!(self.update(299), []);
            assert_eq!(self.update(300), [Step::Ear(true), Step::Probe(1)]);
            self.suspicion.on_heard(1);
            assert_eq!(self.update(499), []);
            assert_eq!(self.update(500), [Step::Probe(2)]);
            self.suspicion.on_heard(2);
            assert_eq!(self.update(700), [Step::Ask]);
        }
    }

    #[test]
    fn two_probes_without_an_answer_lead_to_the_theft_of_the_lock() {
        let mut case = Case::new();
        case.silent();
        assert_eq!(case.right(701, Right::Given), [Step::Steal]);
        let mut out = Vec::new();
        case.suspicion.calm(&mut out);
        assert_eq!(out, [Step::Ear(false), Step::LetGo]);
    }

    #[test]
    fn reigns_that_end_soon_make_patient_and_one_that_lasts_makes_less_so() {
        let mut case = Case::new();
        let mut on_reign = |ms| {
            case.suspicion.on_reign(at(ms), &case.settings);
            case.suspicion.short_reigns
        };
        assert_eq!([0, 1_000, 2_000].map(&mut on_reign), [0, 1, 2]);
        assert_eq!(on_reign(7_000), 1);
        case.owed_since = Some(at(7_000));
        assert_eq!(case.update(7_300), [Step::Ear(true), Step::Probe(1)]);
        case.suspicion.on_heard(1);
        assert_eq!(case.update(7_699), []);
        assert_eq!(case.update(7_700), [Step::Probe(2)]);
    }

    #[test]
    fn without_locks_the_place_is_taken_as_it_is() {
        let mut case = Case::new();
        case.silent();
        assert_eq!(case.right(701, Right::NoLocks), [Step::TakeOver]);
    }

    #[test]
    fn one_tab_at_a_time_takes_the_lock_and_the_others_pause() {
        let mut case = Case::new();
        case.silent();
        assert_eq!(case.right(701, Right::NotGiven), [Step::Ear(false)]);
        assert_eq!(case.update(702), []);
        assert_eq!(case.update(1_701), [Step::Ear(true), Step::Probe(3)]);
    }

    #[test]
    fn a_tab_that_does_not_hear_itself_takes_nothing() {
        let mut case = Case::new();
        case.update(300);
        assert_eq!(case.update(500), [Step::Deaf, Step::Ear(false)]);
    }

    #[test]
    fn a_tab_that_stood_still_asks_once_more() {
        let mut case = Case::new();
        case.update(300);
        case.suspicion.on_heard(1);
        assert_eq!(case.update(5_000), [Step::Probe(2)]);
        case.suspicion.on_heard(2);
        assert_eq!(case.update(5_200), [Step::Probe(3)]);
        case.suspicion.on_heard(3);
        assert_eq!(case.update(6_000), [Step::Probe(4)]);
        case.suspicion.on_heard(4);
        assert_eq!(case.update(6_200), [Step::Ask]);
    }

    #[test]
    fn an_answer_to_a_probe_before_a_standstill_counts() {
        let mut case = Case::new();
        case.update(300);
        case.suspicion.on_heard(1);
        assert_eq!(case.update(5_000), [Step::Probe(2)]);
        assert_eq!(case.pong(5_001, 1), [Step::Ear(false)]);
    }

    #[test]
    fn a_tab_that_hears_only_what_it_said_before_is_deaf() {
        let mut case = Case::new();
        case.update(300);
        case.suspicion.on_heard(1);
        assert_eq!(case.update(500), [Step::Probe(2)]);
        case.suspicion.on_heard(1);
        assert_eq!(case.update(700), [Step::Deaf, Step::Ear(false)]);
    }

    #[test]
    fn an_answer_that_comes_while_the_right_is_asked_for_ends_it() {
        let mut case = Case::new();
        case.silent();
        assert_eq!(case.pong(701, 2), [Step::Ear(false)]);
        assert_eq!(case.right(702, Right::Given), [Step::LetGo]);
    }

    #[test]
    fn a_broker_that_lives_and_owes_an_answer_has_a_broken_lane() {
        let mut case = Case::new();
        case.update(300);
        assert_eq!(case.pong(310, 1), [Step::Ear(false)]);
        assert_eq!(case.update(1_310), [Step::Ear(true), Step::Probe(2)]);
        assert_eq!(case.pong(1_320, 1), []);
        assert_eq!(case.pong(1_320, 2), [Step::Ear(false), Step::Rebind]);
    }

    #[test]
    fn whoever_is_answered_suspects_nobody() {
        let mut case = Case::new();
        case.update(300);
        case.owed_since = None;
        assert_eq!(case.update(301), [Step::Ear(false)]);
        assert_eq!(case.update(10_000), []);
    }
}
