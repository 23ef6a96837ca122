//! Election: the lock decides which tab may become the broker, and the highest term decides which tab is the broker.

use broker::Restored;

use super::{Joined, Output, Part, Turn};
use crate::api::{Candidacy, Durability, EventKind, LeadershipTimes, Term};
use crate::election::failure_detector::{StealRight, UnprovenClaims};
use crate::election::leadership::Leadership;
use crate::election::promotion::{self, Beginning, Promotion, Why};
use crate::hosted_broker::{HostedBroker, State};
use crate::lane::uplink::Uplink;
use crate::log::loaded::Damage;
use crate::log::{Log, Trouble};
use crate::protocol::control::{ControlMessage, VALUES_MAX};
use crate::protocol::names::{Lane, Lock, TabId};

/// A tab claims to be the broker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) tab: TabId,
    pub(super) term: Term,
    /// Whether its end of the lane to this tab is open.
    pub(super) has_lane: bool,
    pub(super) leadership: Option<LeadershipTimes>,
}

impl Joined {
    pub(super) fn on_granted(&mut self, lock: Lock, turn: &mut Turn<'_>) {
        match lock {
            Lock::Tab(tab) if tab == self.tab_id => self.on_own_lock_granted(turn),
            Lock::Tab(tab) => self.on_tab_lost(tab, turn),
            Lock::Broker => self.on_elected(turn),
            Lock::Steal => self.on_steal_right(StealRight::Granted, turn),
        }
    }

    /// Announces this tab now that it holds its lock. The broker queues behind that lock to learn of the tab's end.
    pub(super) fn on_own_lock_granted(&mut self, turn: &mut Turn<'_>) {
        if !self.presence.begin(turn.now) {
            return;
        }
        if self.profile.candidacy == Candidacy::Auto {
            turn.acquire(Lock::Broker);
            self.open_database(turn);
        }
        turn.control(ControlMessage::Who {
            tab_id: self.tab_id,
        });
        self.announce(turn);
    }

    /// The lock of a tab is free: the tab is gone, with or without a goodbye.
    fn on_tab_lost(&mut self, tab: TabId, turn: &mut Turn<'_>) {
        match &self.part {
            Part::Broker(leadership) if leadership.watched.contains(&tab) => {
                turn.control(ControlMessage::Goodbye {
                    tab_id: tab,
                    is_lost: true,
                });
                self.forget(tab, EventKind::TabLost(tab), turn);
            }
            Part::Client(uplink) if uplink.broker() == tab => self.on_broker_gone(turn),
            Part::Broker(_) | Part::Promoting(_) | Part::Client(_) | Part::Waiting => {
                turn.release(Lock::Tab(tab));
            }
        }
    }

    fn on_elected(&mut self, turn: &mut Turn<'_>) {
        match &self.part {
            Part::Promoting(_) | Part::Broker(_) => {}
            Part::Client(_) | Part::Waiting => self.begin_promotion(Why::Elected, turn),
        }
    }

    /// Begins to replace the broker, whichever tab it is in.
    pub(super) fn begin_promotion(&mut self, why: Why, turn: &mut Turn<'_>) {
        match &self.part {
            Part::Client(uplink) => turn.leave(uplink),
            Part::Broker(_) => self.end_leadership(turn),
            Part::Waiting | Part::Promoting(_) => {}
        }
        turn.event(EventKind::Promoting);
        self.database.forget_check();
        let was_open = self.database.was_open();
        let mut promotion = Box::new(Promotion::new(
            turn.now,
            self.profile.durability,
            why,
            was_open,
        ));
        let in_memory = match self.profile.durability {
            Durability::Memory => {
                let term = promotion::next_term(turn.now, self.highest_term);
                Some(promotion.in_memory(term, None))
            }
            Durability::Relaxed | Durability::Strict => None,
        };
        self.set_part(Part::Promoting(promotion), turn);
        // Releases the steal lock, which other tabs need if this tab never becomes the broker.
        self.reset_failure_detector(turn);
        self.disconnect_endpoints(turn);
        if let Some(beginning) = in_memory {
            self.begin_leadership(beginning, turn);
        }
    }

    /// Becomes the broker.
    pub(super) fn begin_leadership(&mut self, beginning: Beginning, turn: &mut Turn<'_>) {
        let Part::Promoting(promotion) = &self.part else {
            return;
        };
        let began = promotion.began;
        let took_ms = turn.now.ms_since(began);
        let term = beginning.term;
        let state = State {
            is_durable: beginning.log.is_some(),
            pieces: &beginning.pieces,
            access: self.access.of_broker(),
        };
        let (hosted_broker, restored) =
            HostedBroker::new(turn.now, term, self.tab_id, state, &self.settings);
        let after_ms = self.watch.broker_seen.map(|seen| turn.now.ms_since(seen));
        self.highest_term = Some(term);
        self.watch.unproven = UnprovenClaims::default();
        self.watch.detector.on_leadership(turn.now, &self.settings);
        turn.event(EventKind::Elected { term, after_ms });
        self.report_restored(&beginning, &restored, took_ms, turn);
        let log = beginning.log;
        let log_trouble = log.as_ref().and_then(Log::trouble);
        let awaited = hosted_broker.awaited();
        let times = LeadershipTimes {
            elected: began,
            restored: turn.now,
        };
        self.set_part(
            Part::Broker(Box::new(Leadership::new(hosted_broker, log, times))),
            turn,
        );
        match log_trouble {
            None => self.report_recovery(turn),
            Some(Trouble::Full) => turn.event(EventKind::StorageFull),
            Some(Trouble::Failing) => {}
        }
        if log_trouble.is_some() {
            self.with_broker(turn, |hosted_broker, now, out| {
                hosted_broker.on_full(now, true, out);
            });
        }
        for tab in self.presence.members.ids().into_iter().chain(awaited) {
            if tab != self.tab_id {
                self.watch(tab, turn);
            }
        }
        // Opens the lanes before the announcement, so that tabs connect at once. With `bind`, every tab would send
        // messages to all others at the busiest moment.
        let mut lanes: Vec<TabId> = match &self.part {
            Part::Broker(leadership) => leadership.watched.iter().copied().collect(),
            Part::Waiting | Part::Client(_) | Part::Promoting(_) => Vec::new(),
        };
        lanes.truncate(VALUES_MAX);
        self.with_broker(turn, |hosted_broker, _, out| {
            hosted_broker.open_lanes(&lanes, out);
        });
        self.announce_with(lanes, turn);
        self.connect_endpoints();
    }

    /// Reports what the new broker restored, and what was missing.
    fn report_restored(
        &mut self,
        beginning: &Beginning,
        restored: &Restored,
        took_ms: u64,
        turn: &mut Turn<'_>,
    ) {
        if let Some(why) = &beginning.trouble {
            turn.event(EventKind::InMemory(why.clone()));
        }
        if beginning.was_removed {
            turn.event(EventKind::StorageRemoved);
        }
        if !beginning.pieces.is_empty() {
            turn.event(EventKind::Restored {
                took_ms,
                sessions: restored.sessions,
                retained_messages: restored.retained_messages,
                messages: restored.messages,
            });
        }
        let skipped = restored.skipped + beginning.foreign as u64;
        if skipped > 0 {
            self.stats.records_skipped += skipped;
            let first = restored.errors.first().map(ToString::to_string);
            turn.event(EventKind::RecordsSkipped { skipped, first });
        }
        if beginning.damage != Damage::default() {
            let Damage { rows, snapshot } = beginning.damage;
            turn.event(EventKind::StorageDamaged { rows, snapshot });
        }
        if let Some(identity) = beginning.identity {
            self.on_identity(identity, !beginning.was_removed, turn);
        }
    }

    pub(super) fn on_lock_lost(&mut self, lock: Lock, turn: &mut Turn<'_>) {
        match (lock, &mut self.part) {
            (Lock::Broker, Part::Broker(_) | Part::Promoting(_)) => {
                self.step_down(turn);
                self.request_announcements(turn);
            }
            (Lock::Tab(tab), Part::Broker(leadership)) if tab != self.tab_id => {
                leadership.watched.remove(&tab);
            }
            (Lock::Tab(tab), _) if tab != self.tab_id => {}
            (Lock::Steal, _) => self.on_steal_right(StealRight::Denied, turn),
            (Lock::Broker | Lock::Tab(_), _) => {
                // Waits, because a browser that refuses a lock refuses the next request as well.
                self.retry_lock_later(lock, self.settings.lock_retry_ms, turn);
            }
        }
    }

    /// Requests a lock again after this many milliseconds.
    pub(super) fn retry_lock_later(&mut self, lock: Lock, after_ms: u64, turn: &Turn<'_>) {
        self.lock_retries.insert(lock, turn.now.plus_ms(after_ms));
    }

    pub(super) fn retry_locks(&mut self, turn: &mut Turn<'_>) {
        self.lock_retries.retain(|lock, at| {
            let is_due = *at <= turn.now;
            if is_due {
                turn.acquire(*lock);
            }
            !is_due
        });
    }

    /// Queues, as the broker, behind the lock of another tab to learn of its end.
    pub(super) fn watch(&mut self, tab: TabId, turn: &mut Turn<'_>) {
        if let Part::Broker(leadership) = &mut self.part
            && leadership.watched.len() < self.settings.tabs_max
            && leadership.watched.insert(tab)
        {
            turn.acquire(Lock::Tab(tab));
        }
    }

    /// Handles a claim to be the broker. The claim with the highest term wins.
    pub(super) fn on_claim(&mut self, claim: Claim, turn: &mut Turn<'_>) {
        let Claim {
            tab,
            term,
            leadership,
            ..
        } = claim;
        // With equal terms, the broker that was elected later wins. With equal times, the higher id does.
        let elected = leadership.map(|it| it.elected);
        let rival = (term, elected, tab);
        match &self.part {
            Part::Waiting => self.follow(claim, turn),
            // The log decides: the other broker has written its fence, or will find this tab's fence.
            Part::Promoting(_) => {}
            Part::Client(uplink) if uplink.broker() == tab && uplink.lane().term == term => {
                self.watch.broker_seen = Some(turn.now);
            }
            Part::Client(uplink) => {
                // The last announcement of a tab counts. Its own terms rise, unless another tab forged one.
                if uplink.broker() == tab
                    || rival > (uplink.lane().term, uplink.elected, uplink.broker())
                {
                    self.follow(claim, turn);
                }
            }
            Part::Broker(leadership) => {
                let own = (
                    leadership.hosted_broker.term,
                    Some(leadership.times.elected),
                    self.tab_id,
                );
                if rival > own {
                    turn.release(Lock::Broker);
                    self.step_down(turn);
                    self.follow(claim, turn);
                } else {
                    self.announce_soon();
                    self.announce_if_due(turn);
                }
            }
        }
    }

    /// A tab announces that it is not the broker.
    pub(super) fn on_disclaimer(&mut self, tab: TabId, turn: &mut Turn<'_>) {
        if let Part::Client(uplink) = &self.part
            && uplink.broker() == tab
        {
            self.on_broker_gone(turn);
        }
    }

    /// Stops being the broker, or becoming it, and queues for the lock again.
    pub(super) fn step_down(&mut self, turn: &mut Turn<'_>) {
        match &mut self.part {
            Part::Waiting | Part::Client(_) => return,
            Part::Promoting(promotion) => {
                if let Some(term) = promotion.led_term() {
                    turn.event(EventKind::SteppedDown { term });
                }
            }
            Part::Broker(leadership) => {
                let term = leadership.hosted_broker.term;
                turn.event(EventKind::SteppedDown { term });
                self.end_leadership(turn);
            }
        }
        self.database.abandon();
        turn.acquire(Lock::Broker);
        self.set_part(Part::Waiting, turn);
        self.reset_failure_detector(turn);
        self.disconnect_endpoints(turn);
    }

    /// Another broker has written to the log.
    pub(super) fn fenced(&mut self, turn: &mut Turn<'_>) {
        turn.release(Lock::Broker);
        self.step_down(turn);
        self.request_announcements(turn);
    }

    /// Asks for announcements, because the new broker has announced itself already.
    fn request_announcements(&self, turn: &mut Turn<'_>) {
        turn.control(ControlMessage::Who {
            tab_id: self.tab_id,
        });
    }

    fn end_leadership(&mut self, turn: &mut Turn<'_>) {
        if let Part::Broker(leadership) = &mut self.part {
            turn.out
                .extend(leadership.hosted_broker.lanes().map(Output::CloseLane));
            for tab in leadership.watched.iter() {
                turn.release(Lock::Tab(*tab));
            }
            self.held = leadership.take_own();
        }
    }

    /// Becomes a client of the broker in `broker`.
    fn follow(&mut self, claim: Claim, turn: &mut Turn<'_>) {
        let Claim {
            tab: broker,
            term,
            has_lane,
            leadership,
        } = claim;
        if let Part::Client(uplink) = &self.part {
            turn.leave(uplink);
            self.disconnect_endpoints(turn);
        }
        let lane = Lane {
            tab: self.tab_id,
            broker,
            term,
        };
        let limits = self.settings.to_broker();
        let mut uplink = if has_lane {
            Uplink::bound(lane, turn.now, limits)
        } else {
            Uplink::new(lane, self.next_binding(), turn.now, limits)
        };
        uplink.elected = leadership.map(|it| it.elected);
        // Other tabs learn of the broker's end through the broker's lock. This tab never queues for that lock.
        if self.profile.candidacy == Candidacy::Client {
            uplink.is_watched = true;
            turn.acquire(Lock::Tab(broker));
        }
        turn.out.push(Output::OpenLane(lane));
        self.watch.broker_seen = Some(turn.now);
        let is_believed = self.watch.unproven.follow(turn.now);
        if is_believed {
            self.watch.detector.on_leadership(turn.now, &self.settings);
        }
        turn.event(EventKind::Following {
            broker,
            term,
            leadership,
        });
        self.set_part(Part::Client(Box::new(uplink)), turn);
        if is_believed {
            self.reset_failure_detector(turn);
        }
        if has_lane {
            self.connect_endpoints();
        }
        self.bind_if_due(turn);
    }

    /// The broker's tab is gone.
    pub(super) fn on_broker_gone(&mut self, turn: &mut Turn<'_>) {
        let Part::Client(uplink) = &self.part else {
            return;
        };
        turn.event(EventKind::BrokerLost {
            term: uplink.lane().term,
        });
        turn.leave(uplink);
        self.set_part(Part::Waiting, turn);
        self.disconnect_endpoints(turn);
    }
}
