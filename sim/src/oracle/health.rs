//! Faults that affect a tab, as far as they excuse its behavior.

use tab::{TabId, Time};

use super::{Oracle, RequestKind};
use crate::violation::Violation;

/// Time that a tab needs after a stall to notice all changes.
const RECOVERY_MS: u64 = 5_000;

/// The faults that affect one tab.
#[derive(Debug, Default)]
pub(super) struct Health {
    is_stalled: bool,
    deaf_since: Option<Time>,
    is_throttled: bool,
    /// When its last impairment ended.
    recovered: Time,
    /// Whether its lock was stolen, and it has not become the broker again since.
    pub(super) is_lock_stolen: bool,
    /// Whether a fault affected it since its last connection.
    pub(super) was_impaired: bool,
}

impl Health {
    pub(super) fn is_impaired(&self) -> bool {
        self.is_stalled || self.deaf_since.is_some()
    }

    /// Whether it may consider itself the broker although another tab is.
    pub(super) fn is_excused(&self, now: Time) -> bool {
        self.is_impaired() || self.is_lock_stolen || now < self.recovered.plus_ms(RECOVERY_MS)
    }

    /// Whether it is unimpaired, and has been for `ms` milliseconds.
    fn is_unimpaired_for(&self, now: Time, ms: u64) -> bool {
        !self.is_impaired() && !self.is_throttled && self.recovered.plus_ms(ms) <= now
    }
}

impl Oracle {
    pub(crate) fn on_stall(&mut self, now: Time, tab: TabId, ms: u64) {
        /// Below half of the shortest keep alive.
        const HARMLESS_MS: u64 = 900;
        self.tally.tabs_stalled += 1;
        self.extend_answer_deadlines(tab, ms);
        self.on_disruption(now.plus_ms(ms), tab);
        if ms > HARMLESS_MS && self.broker() == Some(tab) {
            self.disrupt_all(now.plus_ms(ms));
        }
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.health.is_stalled = true;
            view.health.was_impaired = true;
        }
    }

    /// A stall ends. If the broker stalled for long and did not answer a waiting tab, that tab must have replaced it.
    pub(crate) fn on_wake(&mut self, now: Time, tab: TabId, ms: u64) -> Result<(), Violation> {
        self.check_replaced(now, tab, ms)?;
        let is_stale = self.brokers.contains_key(&tab) && self.broker() != Some(tab);
        self.tally.stalled_brokers_replaced += u64::from(is_stale);
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.health.is_stalled = false;
            view.health.recovered = now;
        }
        Ok(())
    }

    fn check_replaced(&mut self, now: Time, tab: TabId, ms: u64) -> Result<(), Violation> {
        /// By then a waiting tab has become the broker, whatever delayed it.
        const REPLACED_MS: u64 = 4_000;
        // Maximum effect of a fault that delays failure detection, or the start of the next broker.
        const DETECTION_DELAY_MS: u64 = 5_000;
        let is_detection_delayed = self.plan.disk.stuck_per_mille > 0
            || self
                .detection_delayed_at
                .is_some_and(|at| now < at.plus_ms(ms + DETECTION_DELAY_MS));
        if ms < REPLACED_MS || self.broker() != Some(tab) || is_detection_delayed {
            return Ok(());
        }
        for (other, view) in &self.tabs {
            let asked = view
                .requests
                .values()
                .filter(|it| it.is_valid && matches!(it.kind, RequestKind::Publish(Some(_))));
            let first = asked.map(|it| it.asked.at).min();
            let waits_ms = first.map_or(0, |first| now.ms_since(first));
            if *other != tab && view.health.is_unimpaired_for(now, ms) && waits_ms >= REPLACED_MS {
                return Err(Violation::StalledBrokerNotReplaced {
                    broker: tab,
                    waiting: *other,
                    ms,
                });
            }
        }
        Ok(())
    }

    pub(crate) fn on_deaf(&mut self, now: Time, tab: TabId, is_deaf: bool) {
        self.tally.tabs_deafened += u64::from(is_deaf);
        self.on_disruption(now, tab);
        if self.broker() == Some(tab) {
            self.disrupt_all(now);
        }
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.health.deaf_since = is_deaf.then_some(now);
            view.health.recovered = now;
            view.health.was_impaired = true;
        }
    }

    pub(crate) fn on_throttled(&mut self, tab: TabId, is_throttled: bool) {
        self.tally.tabs_throttled += u64::from(is_throttled);
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.health.is_throttled = is_throttled;
        }
    }

    /// Timers, channels or the disk are impaired.
    pub(crate) fn on_detection_delay(&mut self, now: Time) {
        self.detection_delayed_at = Some(now);
    }

    /// Each message to this tab takes long.
    pub(crate) fn on_delayed(&mut self, now: Time, tab: TabId) {
        self.on_detection_delay(now);
        self.disrupt_all(now);
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.health.recovered = now;
        }
    }

    /// Any lane may break.
    fn disrupt_all(&mut self, now: Time) {
        let tabs: Vec<TabId> = self.tabs.keys().copied().collect();
        for tab in tabs {
            self.on_disruption(now, tab);
        }
    }

    /// A tab steals the broker's lock from its holder.
    pub(crate) fn on_steal(
        &mut self,
        now: Time,
        tab: TabId,
        holder: Option<TabId>,
    ) -> Result<(), Violation> {
        self.check_not_deaf(now, tab)?;
        self.tally.locks_stolen += 1;
        if let Some(view) = holder.and_then(|holder| self.tabs.get_mut(&holder)) {
            view.health.is_lock_stolen = true;
        }
        Ok(())
    }

    /// A deaf tab cannot know whether the broker is alive.
    pub(super) fn check_not_deaf(&self, now: Time, tab: TabId) -> Result<(), Violation> {
        /// Maximum time from a loopback probe before the tab became deaf to its decision.
        const DECISION_MS: u64 = 2_000;
        let view = self.tabs.get(&tab);
        let since = view.and_then(|view| view.health.deaf_since);
        if since.is_some_and(|since| since.plus_ms(DECISION_MS) <= now) {
            return Err(Violation::StealByDeafTab { tab });
        }
        Ok(())
    }
}
