//! Failure detection: its inputs from this tab, and its effects.

use broker::Time;

use super::{Joined, LockRequest, Output, Part, Turn};
use crate::api::{Candidacy, EventKind, Term};
use crate::election::failure_detector::{FailureDetector, StealRight, Step, UnprovenClaims};
use crate::election::promotion::Why;
use crate::endpoint::Endpoint;
use crate::protocol::control::ControlMessage;
use crate::protocol::names::{Lock, TabId};

/// Signs of life of the broker.
#[derive(Debug)]
pub(super) struct BrokerWatch {
    pub(super) detector: FailureDetector,
    pub(super) unproven: UnprovenClaims,
    /// When the last sign of a broker came.
    pub(super) broker_seen: Option<Time>,
    /// Since when no broker is known, if none is.
    pub(super) waiting_since: Time,
}

impl BrokerWatch {
    pub(super) fn new(now: Time) -> Self {
        Self {
            detector: FailureDetector::default(),
            unproven: UnprovenClaims::default(),
            broker_seen: None,
            waiting_since: now,
        }
    }

    /// The broker has proved that it lives, by more than an announcement.
    pub(super) fn broker_lives(&mut self, now: Time) {
        self.broker_seen = Some(now);
        self.unproven = UnprovenClaims::default();
    }
}

impl Joined {
    /// Since when the broker has owed an answer, or since when there has been none.
    pub(super) fn owed_since(&self) -> Option<Time> {
        let settings = &self.settings;
        let sooner = |at: Time, than_ms: u64| {
            // The failure detector adds `suspect_ms` itself.
            at.plus_ms(than_ms.saturating_sub(settings.suspect_ms))
        };
        let unproven = self.watch.unproven.owed_since();
        match &self.part {
            Part::Waiting if self.presence.announcing.is_some() => {
                let waiting = sooner(
                    self.watch.waiting_since,
                    match self.watch.broker_seen {
                        Some(_) => settings.next_broker_ms,
                        None => settings.no_broker_ms,
                    },
                );
                unproven.into_iter().chain([waiting]).min()
            }
            Part::Waiting | Part::Promoting(_) | Part::Broker(_) => None,
            Part::Client(uplink) => {
                let clients = self.endpoints.iter();
                let clients = clients.filter_map(Endpoint::unanswered_since);
                let bind = uplink.unanswered_since();
                let silence = self
                    .watch
                    .broker_seen
                    .map(|seen| sooner(seen, settings.broker_silence_ms));
                let others = [bind, silence, unproven];
                clients.chain(others.into_iter().flatten()).min()
            }
        }
    }

    /// Runs the failure detector.
    pub(super) fn check_broker(&mut self, turn: &mut Turn<'_>) {
        let owed_since = self.owed_since();
        let mut steps = Vec::new();
        self.watch
            .detector
            .update(turn.now, owed_since, &self.settings, &mut steps);
        self.carry_out(steps, turn);
    }

    /// Runs the failure detector from the beginning.
    pub(super) fn restart_probing(&mut self, turn: &mut Turn<'_>) {
        let mut steps = Vec::new();
        self.watch.detector.renew(&mut steps);
        self.carry_out(steps, turn);
    }

    /// Ends the failure detection: there is a broker, or this tab's promotion has ended.
    pub(super) fn reset_failure_detector(&mut self, turn: &mut Turn<'_>) {
        let mut steps = Vec::new();
        self.watch.detector.calm(&mut steps);
        self.carry_out(steps, turn);
    }

    /// This tab received its own message.
    pub(super) fn on_loopback(&mut self, message: &ControlMessage) {
        if let ControlMessage::Probe { tab_id, number } = message
            && *tab_id == self.tab_id
        {
            self.watch.detector.on_loopback(*number);
        }
    }

    /// The broker has answered a probe.
    pub(super) fn on_pong(&mut self, tab: TabId, number: u32, term: Term, turn: &mut Turn<'_>) {
        let is_current = match &self.part {
            // A pong of an earlier term is ignored.
            Part::Client(uplink) => term >= uplink.lane().term,
            Part::Waiting => true,
            Part::Promoting(_) | Part::Broker(_) => false,
        };
        if tab != self.tab_id || !is_current {
            return;
        }
        self.watch.broker_lives(turn.now);
        let mut steps = Vec::new();
        self.watch
            .detector
            .on_pong(turn.now, number, &self.settings, &mut steps);
        self.carry_out(steps, turn);
    }

    pub(super) fn on_lock_not_free(&mut self, lock: Lock, turn: &mut Turn<'_>) {
        match lock {
            Lock::Steal => {
                // A tab of ours that replaces the broker holds it for a moment.
                if self.watch.detector.has_failed_before() {
                    let name = self.profile.channel.lock(lock);
                    self.event_seldom("lock", turn, || EventKind::LockHeld(name));
                }
                self.on_steal_right(StealRight::Denied, turn);
            }
            // These locks are always queued for.
            Lock::Broker | Lock::Tab(_) => {}
        }
    }

    pub(super) fn on_lock_not_supported(&mut self, lock: Lock, turn: &mut Turn<'_>) {
        let later_ms = self.settings.announce_interval_ms;
        match lock {
            Lock::Steal => {}
            // The lock may be available later. A queued request stays queued.
            Lock::Broker => self.retry_lock_later(lock, later_ms, turn),
            // Without locks, no tab waits for this one.
            Lock::Tab(tab) if tab == self.tab_id => {
                self.retry_lock_later(lock, later_ms, turn);
                return self.on_own_lock_granted(turn);
            }
            // A tab without locks is noticed by its silence. For a broker that said goodbye there is no other sign.
            Lock::Tab(tab) => {
                if let Part::Client(uplink) = &self.part
                    && uplink.broker() == tab
                    && uplink.is_watched
                {
                    self.on_broker_gone(turn);
                }
                return;
            }
        }
        self.on_steal_right(StealRight::NoLocks, turn);
    }

    pub(super) fn on_steal_right(&mut self, right: StealRight, turn: &mut Turn<'_>) {
        let mut steps = Vec::new();
        self.watch
            .detector
            .on_steal_right(turn.now, right, &self.settings, &mut steps);
        self.carry_out(steps, turn);
    }

    fn carry_out(&mut self, steps: Vec<Step>, turn: &mut Turn<'_>) {
        for step in steps {
            match step {
                Step::LoopbackProbe(is_wanted) => {
                    turn.out.push(Output::LoopbackProbe(is_wanted));
                    if is_wanted {
                        self.event_seldom("suspected", turn, || EventKind::Suspected);
                    }
                }
                Step::Probe(number) => turn.control(ControlMessage::Probe {
                    tab_id: self.tab_id,
                    number,
                }),
                Step::RequestSteal => match self.profile.candidacy {
                    Candidacy::Auto => self.request_steal(turn),
                    // Only other tabs may replace the broker.
                    Candidacy::Client => self.on_steal_right(StealRight::Denied, turn),
                },
                Step::Steal => {
                    turn.event(EventKind::ReplacingBroker);
                    turn.lock(LockRequest::Steal(Lock::Broker));
                }
                Step::Replace => {
                    turn.event(EventKind::ReplacingBroker);
                    self.begin_promotion(Why::Suspected, turn);
                }
                Step::ReleaseSteal => turn.release(Lock::Steal),
                Step::Rebind => self.rebind(turn.now, turn),
                Step::Deaf => self.event_seldom("deaf", turn, || EventKind::Deaf),
            }
        }
    }
}
