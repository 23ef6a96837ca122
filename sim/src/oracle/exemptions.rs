//! Exemptions: faults that excuse a lost message, a refusal or a disconnection.

use tab::Time;
use tab::api::{DisconnectCause, QoS, Term};

use super::message::{Kind, Moment};
use super::{Oracle, PACKET_IDENTIFIER_IN_USE, QUOTA_EXCEEDED};
use crate::client_key::ClientKey;
use crate::plan::Guarantee;
use crate::scenario::Fault;
use crate::workload::message_id::MessageId;

impl Oracle {
    /// Whether the broker may disconnect a client for good without a request of its page.
    pub(super) fn may_end(&self, now: Moment, key: ClientKey, cause: &DisconnectCause) -> bool {
        const KEEP_ALIVE_TIMEOUT: u8 = 0x8D;
        const SESSION_TAKEN_OVER: u8 = 0x8E;
        let client = self
            .tabs
            .get(&key.tab)
            .and_then(|it| it.clients.get(&key.no));
        let session = client
            .and_then(|client| client.client_id.as_ref())
            .and_then(|id| self.sessions.get(id));
        match cause {
            DisconnectCause::ByBroker(KEEP_ALIVE_TIMEOUT) => {
                self.plan.guarantee != Guarantee::Memory
                    && (!self.plan.is_gentle() || self.plan.slow_per_mille > 0)
            }
            DisconnectCause::ByBroker(SESSION_TAKEN_OVER) => {
                self.plan.has(Fault::Duplicate)
                    || session.is_some_and(|session| session.is_contested(now))
            }
            DisconnectCause::ByBroker(QUOTA_EXCEEDED)
            | DisconnectCause::Refused(QUOTA_EXCEEDED) => self.may_be_full(now),
            DisconnectCause::Requested
            | DisconnectCause::ByBroker(_)
            | DisconnectCause::Refused(_)
            | DisconnectCause::BrokerError(_) => false,
        }
    }

    /// The disk is full. Brokers notice later that there is room again.
    pub(crate) fn on_full(&mut self, now: Time) {
        const NOTICED_MS: u64 = 20_000;
        self.on_detection_delay(now);
        self.full_until = self.full_until.max(now.plus_ms(NOTICED_MS));
    }

    /// The database fails for `ms` milliseconds. A broker refuses what it would have to store, and notices later that
    /// the database works again.
    pub(crate) fn on_disk_down(&mut self, now: Time, ms: u64) {
        self.tally.disks_down += 1;
        self.on_full(now.plus_ms(ms));
        self.on_detection_delay(now);
    }

    /// Whether a request, or a part of it, may be refused with these codes. Filters that readers share are sent in a
    /// packet of their own.
    pub(super) fn may_be_refused(
        &self,
        now: Moment,
        key: ClientKey,
        refusals: impl IntoIterator<Item = u8>,
    ) -> bool {
        let mut refusals = refusals.into_iter().peekable();
        let may_be = |code| match code {
            QUOTA_EXCEEDED => self.may_be_full(now),
            PACKET_IDENTIFIER_IN_USE => self.may_have_left_identifiers(key),
            _ => false,
        };
        // Two packets may be refused for different reasons.
        refusals.peek().is_some() && refusals.all(may_be)
    }

    /// Whether the broker may wait for a PUBREL that the client does not owe. The message may be of another
    /// client of the session, or its release may be in a damaged record. A broker with a disk may also have resumed an
    /// older session.
    fn may_have_left_identifiers(&self, key: ClientKey) -> bool {
        self.was_shared(key)
            || self.damaged_term.is_some()
            || self.plan.disk.unavailable_per_mille > 0
    }

    pub(super) fn may_be_full(&self, now: Moment) -> bool {
        now.at < self.full_until
    }

    /// All stored data is gone. The broker's state in memory goes, too, if the broker ends.
    pub(crate) fn on_clear(&mut self, now: Time) {
        self.on_detection_delay(now);
        self.tally.sites_cleared += 1;
        self.may_hold_stale_state |= self.brokers.values().any(|term| self.is_fenced(*term));
        self.loss_term = self.leaders.last_key_value().map(|(term, _)| *term);
        self.forget_log();
        self.exempt_all();
    }

    /// A bit flipped in the only record of this message.
    pub(crate) fn on_flip_of(&mut self, message: MessageId) {
        self.tally.messages_damaged += 1;
        if let Some(published) = self.messages.get_mut(&message) {
            published.exempt();
        }
        self.durable_obligations
            .retain(|obligation| obligation.message != message);
        self.exempt_at_ports(message);
    }

    /// Whether damage to a message harms nothing else: it has a record of its own, and no packet identifier of an
    /// unfinished exchange depends on it.
    pub(crate) fn is_recorded_alone(&self, message: MessageId) -> bool {
        self.messages.get(&message).is_some_and(|published| {
            published.kind == Kind::Publish && published.publication.qos == QoS::AtLeastOnce
        })
    }

    /// A bit flipped at an unknown place.
    pub(crate) fn on_flip(&mut self) {
        self.tally.bits_flipped += 1;
        self.mark_log_damaged();
        // A tab that is being elected may have read rows that the next one does not find.
        for view in self.tabs.values_mut() {
            view.may_have_read_lost_rows |= view.is_loading_log;
        }
        self.exempt_all();
        for published in self.messages.values_mut() {
            published.is_publisher_unknown = true;
        }
        // The record of an unsubscription may be damaged, too.
        let views = self.tabs.values_mut();
        for client in views.flat_map(|view| view.clients.values_mut()) {
            client.undo_end();
        }
        for subscription in self.ended_subscriptions.values_mut().flatten() {
            subscription.undo_end();
        }
    }

    /// All brokers so far may rely on records that are damaged now.
    pub(super) fn mark_log_damaged(&mut self) {
        self.loss_term = self.leaders.last_key_value().map(|(term, _)| *term);
        self.damaged_term = self.loss_term;
    }

    /// Whether a message published in this term may belong to a session whose record is damaged.
    pub(super) fn may_lose_publisher(&self, term: Option<Term>) -> bool {
        term.is_some() && term <= self.damaged_term
    }

    /// No earlier acknowledgement can be relied on.
    fn exempt_all(&mut self) {
        self.mark_ports_uncertain();
        self.durable_obligations.clear();
        for session in self.sessions.values_mut() {
            session.end();
        }
        for published in self.messages.values_mut() {
            published.exempt();
        }
        for view in self.tabs.values_mut() {
            for client in view.clients.values_mut() {
                client.mark_uncertain();
            }
        }
    }
}
