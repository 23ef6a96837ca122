//! Durability: no acknowledged message is lost where the broker's state is on the disk, whichever tab is the broker.

use tab::api::{ConnectOptions, DisconnectCause, QoS, Subscription, Term};
use tab::{TabId, Time};

use super::client::Subscribed;
use super::message::{Kind, Moment};
use super::session::{Session, SessionRequest};
use super::{Oracle, PACKET_IDENTIFIER_IN_USE, QUOTA_EXCEEDED, Request, RequestKind};
use crate::client_key::ClientKey;
use crate::plan::Guarantee;
use crate::scenario::Fault;
use crate::violation::Violation;
use crate::workload::message_id::MessageId;

/// Time after the end of a tab within which its messages may still arrive.
const LATE_MS: u64 = 70_000;

/// An acknowledged message that must reach a session at some time.
#[derive(Debug)]
pub(super) struct DurableObligation {
    client_id: String,
    generation: u32,
    message: MessageId,
    /// Of a will: client id of the lost client, unless a client has connected with it since.
    lost: Option<String>,
}

impl Oracle {
    // Sessions.

    /// A page connects a client with this id.
    pub(super) fn join_session(
        &mut self,
        now: Moment,
        key: ClientKey,
        client_id: &str,
        options: &ConnectOptions,
    ) {
        if !self.may_outlive_brokers() {
            return;
        }
        self.leave_session(now, key);
        self.durable_obligations
            .retain(|obligation| obligation.lost.as_deref() != Some(client_id));
        let session = self.sessions.entry(client_id.to_owned()).or_default();
        let other_holders = session.holders.clone();
        let is_alone = other_holders.is_empty();
        session.holders.insert(key);
        if options.clean_start || !session.is_lasting || !is_alone {
            session.end();
        }
        // It is lasting again once its CONNACK confirms that.
        session.is_lasting &= options.session_expiry_interval == u32::MAX;
        session.was_shared |= !is_alone;
        // A client whose session was taken over has lost its connection, and may find another session.
        for other in other_holders {
            self.may_publish_wills(other.tab);
            self.mark_subscriptions_uncertain(client_id);
            self.exempt_publications(client_id);
        }
    }

    /// Whether several clients ever had this session in turn.
    pub(super) fn was_shared(&self, key: ClientKey) -> bool {
        let client = self
            .tabs
            .get(&key.tab)
            .and_then(|it| it.clients.get(&key.no));
        let client_id = client.and_then(|client| client.client_id.as_ref());
        let session = client_id.and_then(|id| self.sessions.get(id));
        session.is_some_and(|session| session.was_shared)
    }

    /// Pending publications of clients with this id may be mistaken for others, or be routed again.
    fn exempt_publications(&mut self, client_id: &str) {
        for published in self.messages.values_mut() {
            let ClientKey { tab, no } = published.publisher;
            let client = self.tabs.get(&tab).and_then(|it| it.clients.get(&no));
            let is_of_id = client.is_some_and(|it| it.client_id.as_deref() == Some(client_id));
            if is_of_id && published.is_pending() {
                published.exempt();
            }
        }
    }

    /// Subscriptions of clients with this id may be gone.
    fn mark_subscriptions_uncertain(&mut self, client_id: &str) {
        let clients = self
            .tabs
            .values_mut()
            .flat_map(|it| it.clients.values_mut());
        for client in clients {
            if client.client_id.as_deref() == Some(client_id) {
                client.mark_uncertain();
            }
        }
    }

    /// Whether several clients take over this client's session from each other.
    pub(super) fn has_several_holders(&self, client_id: Option<&str>) -> bool {
        let session = client_id.and_then(|id| self.sessions.get(id));
        session.is_some_and(|session| session.holders.len() > 1)
    }

    /// Whether the broker may drop the client although no fault affects its tab.
    pub(super) fn may_lose_connection(
        &self,
        now: Moment,
        client_id: &str,
        options: &ConnectOptions,
    ) -> bool {
        /// With this keep alive, a client may time out while brokers change or messages are on their way.
        const SHORT_KEEP_ALIVE_S: u16 = 2;
        let session = self.sessions.get(client_id);
        let is_short = (1..=SHORT_KEEP_ALIVE_S).contains(&options.keep_alive);
        self.may_outlive_brokers()
            && (session.is_some_and(|it| it.is_contested(now))
                || is_short && !self.plan.is_gentle())
    }

    /// The client stays disconnected until its page connects it again.
    pub(super) fn leave_session(&mut self, now: Moment, key: ClientKey) {
        let client = self.client(key);
        // Its CONNECT may still be on its way, and take effect. It could end the connection of a later client, for
        // example.
        let connecting = client
            .filter(|client| client.connection.is_none())
            .and_then(|client| client.client_id.clone());
        let mut contested = Vec::new();
        for (client_id, session) in &mut self.sessions {
            if !session.holders.contains(&key) {
                continue;
            }
            let was_contested = session.is_contested(now);
            session.holders.remove(&key);
            if was_contested || !session.is_lasting {
                session.end();
            }
            if was_contested {
                contested.push(client_id.clone());
            }
        }
        for client_id in contested {
            self.mark_subscriptions_uncertain(&client_id);
        }
        if let Some(session) = connecting.and_then(|id| self.sessions.get_mut(&id)) {
            let until = now.at.plus_ms(LATE_MS).as_ms();
            session.late.insert(key, until);
        }
    }

    /// A client sends another CONNECT to the same broker, so its previous connection is over, and so is a session that
    /// ends with it. If the first CONNACK is lost, the next one reports the session of the first CONNECT as present. A
    /// change of broker ends no session.
    pub(super) fn lose_connection(&mut self, key: ClientKey) {
        if self.is_undisrupted(key.tab) {
            return;
        }
        let client = self.client(key).filter(|client| client.expiry == 0);
        let client_id = client.and_then(|client| client.client_id.clone());
        let session = client_id.and_then(|id| self.sessions.get_mut(&id));
        let Some(session) = session else {
            return;
        };
        session.end();
        // The client mistakes the next session for this one, and sends again messages of which that one does not know.
        let pending = self.messages.values_mut();
        for published in pending.filter(|it| it.publisher == key && it.is_pending()) {
            published.restarted();
        }
    }

    /// Whether no fault can cost the clients of this tab their connections.
    fn is_undisrupted(&self, tab: TabId) -> bool {
        let view = self.tabs.get(&tab);
        self.plan.is_gentle()
            && view
                .is_some_and(|it| !it.health.was_impaired && it.disrupted_until == Time::default())
    }

    /// All clients of this tab are gone.
    pub(super) fn leave_sessions(&mut self, now: Moment, tab: TabId) {
        let keys: Vec<ClientKey> = self
            .sessions
            .values()
            .flat_map(|session| &session.holders)
            .filter(|key| key.tab == tab)
            .copied()
            .collect();
        for key in keys {
            self.leave_session(now, key);
            for session in self.sessions.values_mut() {
                // Its CONNECT may still arrive, and no page learns of the outcome.
                if session.late.contains_key(&key) {
                    session.end();
                }
            }
        }
    }

    /// A CONNACK arrived. Returns false if it lacks a session that must be present.
    pub(super) fn check_session(
        &mut self,
        now: Moment,
        key: ClientKey,
        term: Term,
        session_present: bool,
    ) -> bool {
        // A notice from a term in which the log was harmed may have been sent before that.
        let may_be_gone = self
            .harmed_term
            .is_some_and(|harmed_term| term <= harmed_term);
        let is_undisrupted = self.is_undisrupted(key.tab);
        let may_be_full = self.may_be_full(now);
        let Some(client) = self.client(key) else {
            return true;
        };
        // The CONNACK may belong to the connection that the page wanted before.
        let is_connection_uncertain = client.is_connection_uncertain;
        let (is_first, expiry) = (!client.was_connected(), client.expiry);
        let has_moved = client.last_term().is_some();
        let Some(client_id) = client.client_id.clone() else {
            return true;
        };
        let Some(session) = self.sessions.get_mut(&client_id) else {
            return true;
        };
        // Where several clients share a session, the last notice of one need not be about the last event.
        let is_certain =
            session.since.is_some() && !session.is_contested(now) && !session.was_shared;
        // A change of broker is no disconnection. While its tab lives, the session does, whatever its expiry interval
        // is.
        let is_only_moved = has_moved && is_undisrupted;
        let must_be_there = is_certain && (session.is_lasting || !is_first && is_only_moved);
        if !session_present {
            session.end();
        }
        // If the disk is full, a new session is not stored, and a present one may not be stored either.
        if (!session_present || session.since.is_none())
            && !may_be_full
            && !may_be_gone
            && !is_connection_uncertain
        {
            session.since = Some(now);
        }
        session.is_lasting = expiry == u32::MAX;
        session_present || !must_be_there
    }

    // Subscriptions.

    /// Subscriptions of other clients with this id. This client may get messages that match them.
    pub(super) fn inherited(&self, key: ClientKey, client_id: &str) -> Vec<Subscribed> {
        if !self.may_outlive_brokers() {
            return Vec::new();
        }
        let ended_subscriptions = self
            .ended_subscriptions
            .get(client_id)
            .into_iter()
            .flatten()
            .cloned();
        let others = self.tabs.iter().flat_map(|(tab, view)| {
            let tab = *tab;
            view.clients.iter().filter_map(move |(no, client)| {
                let is_other = ClientKey { tab, no: *no } != key;
                (is_other && client.client_id.as_deref() == Some(client_id)).then_some(client)
            })
        });
        ended_subscriptions
            .chain(others.flat_map(|client| client.inheritable()))
            .collect()
    }

    /// Other clients with this id may get messages that match its subscriptions, if they take over its session.
    pub(super) fn share_with_siblings(
        &mut self,
        key: ClientKey,
        now: Moment,
        subscriptions: &[Subscription],
        is_of_reader: bool,
    ) {
        if !self.may_outlive_brokers() {
            return;
        }
        let client_id = self.client(key).and_then(|client| client.client_id.clone());
        let siblings = self.tabs.iter_mut().flat_map(|(tab, view)| {
            let tab = *tab;
            let clients = view.clients.iter_mut();
            clients.filter(move |(no, _)| ClientKey { tab, no: **no } != key)
        });
        for (_, sibling) in siblings.filter(|(_, it)| it.client_id == client_id) {
            sibling.inherit_new(now, subscriptions, is_of_reader);
        }
    }

    /// Records the session that a request is for.
    pub(super) fn ask(
        &mut self,
        key: ClientKey,
        kind: &RequestKind,
        is_accepted: bool,
    ) -> Option<SessionRequest> {
        if !is_accepted || !self.is_durable() {
            return None;
        }
        let client_id = self.client(key)?.client_id.clone()?;
        let session = self.sessions.get_mut(&client_id)?;
        // A will goes to the subscribers at the time of its publication, which is unknown.
        if !matches!(kind, RequestKind::Publish(_)) {
            self.durable_obligations.retain(|obligation| {
                obligation.lost.is_none() || obligation.client_id != client_id
            });
        }
        match kind {
            RequestKind::Publish(_) => return None,
            RequestKind::Subscribe(subscriptions) => {
                session.asked(subscriptions.iter().map(|it| it.topic_filter.as_str()));
            }
            RequestKind::Unsubscribe(filters) => {
                session.asked(filters.iter().map(String::as_str));
            }
        }
        Some(SessionRequest {
            client_id,
            generation: session.generation,
        })
    }

    /// Whether the session of a request still exists, as far as the oracle knows.
    pub(super) fn is_current(&self, asked: &Request) -> bool {
        asked.ask.as_ref().is_none_or(|ask| {
            let session = self.sessions.get(&ask.client_id);
            session.is_some_and(|it| it.generation == ask.generation)
        })
    }

    /// A SUBSCRIBE or UNSUBSCRIBE succeeded.
    pub(super) fn on_answered(&mut self, now: Moment, asked: &Request) {
        let Some(ask) = &asked.ask else {
            return;
        };
        let session = self.sessions.get_mut(&ask.client_id);
        let Some(session) = session.filter(|it| it.generation == ask.generation) else {
            return;
        };
        match &asked.kind {
            RequestKind::Publish(_) => {}
            RequestKind::Subscribe(subscriptions) => {
                for subscription in subscriptions {
                    session.answered(now, &subscription.topic_filter, Some(subscription));
                }
            }
            RequestKind::Unsubscribe(filters) => {
                for filter in filters {
                    session.answered(now, filter, None);
                }
            }
        }
    }

    // Obligations.

    /// A message was acknowledged. It must be stored, and reach every subscribed session.
    pub(super) fn add_durable_obligations(
        &mut self,
        now: Moment,
        id: MessageId,
    ) -> Result<(), Violation> {
        let Some(published) = self.messages.get(&id) else {
            return Ok(());
        };
        if published.is_exempt {
            return Ok(());
        }
        let since = published.since;
        let publisher = published.publisher;
        let client_ids = self.obligated_sessions(now, id, publisher, since);
        if !client_ids.is_empty() && !self.is_stored(id) {
            return Err(Violation::AcknowledgedUnstored {
                client: publisher,
                message: id,
            });
        }
        self.push_durable_obligations(client_ids, id, None);
        Ok(())
    }

    /// A tab is lost. Its clients' wills are published, at the latest when no broker expects the clients any more.
    pub(super) fn add_durable_will_obligations(&mut self, now: Moment, tab: TabId) {
        let Some(view) = self.tabs.get(&tab) else {
            return;
        };
        if now.at <= view.disrupted_until || view.health.was_impaired {
            return;
        }
        let wills: Vec<(MessageId, String)> = view
            .clients
            .values()
            .filter(|client| client.is_wanted && client.connection.is_some())
            .filter(|client| client.is_will_prompt && !client.is_will_unstored)
            .filter_map(|client| client.will.zip(client.client_id.clone()))
            .collect();
        for (will, client_id) in wills {
            let Some(published) = self.messages.get(&will) else {
                continue;
            };
            let is_contested = self
                .sessions
                .get(&client_id)
                .is_none_or(|session| session.is_contested(now));
            if published.publication.qos == QoS::AtMostOnce || is_contested {
                continue;
            }
            self.tally.wills_due += 1;
            let publisher = published.publisher;
            let client_ids = self.obligated_sessions(now, will, publisher, now);
            let client_ids = client_ids.into_iter().filter(|it| {
                // A session that ends with the tab cannot get the wills of that tab.
                let session = self.sessions.get(it);
                session.is_some_and(|it| it.holders.iter().all(|key| key.tab != tab))
            });
            let client_ids: Vec<String> = client_ids.collect();
            self.push_durable_obligations(client_ids, will, Some(client_id));
        }
    }

    /// The sessions that must get a message published after `since`.
    fn obligated_sessions(
        &self,
        now: Moment,
        id: MessageId,
        publisher: ClientKey,
        since: Moment,
    ) -> Vec<String> {
        let Some(published) = self.messages.get(&id) else {
            return Vec::new();
        };
        let publisher = self.tabs.get(&publisher.tab).and_then(|view| {
            let client = view.clients.get(&publisher.no)?;
            client.client_id.as_deref()
        });
        self.sessions
            .iter()
            .filter(|(client_id, session)| {
                session.must_get(now, client_id, publisher, published, since)
            })
            .map(|(client_id, _)| client_id.clone())
            .collect()
    }

    fn push_durable_obligations(
        &mut self,
        client_ids: Vec<String>,
        message: MessageId,
        lost: Option<String>,
    ) {
        for client_id in client_ids {
            let generation = self.sessions.get(&client_id).map_or(0, |it| it.generation);
            self.durable_obligations.push(DurableObligation {
                client_id,
                generation,
                message,
                lost: lost.clone(),
            });
        }
    }

    fn obligated_session(&self, obligation: &DurableObligation) -> Option<&Session> {
        let session = self.sessions.get(&obligation.client_id);
        session.filter(|it| it.generation == obligation.generation)
    }

    /// The sessions that still have to get messages, and whose clients are away.
    pub(crate) fn sessions_away(&self) -> Vec<String> {
        let mut away: Vec<String> = self
            .durable_obligations
            .iter()
            .filter(|obligation| {
                self.obligated_session(obligation).is_some_and(|session| {
                    session.holders.is_empty() && !session.has_got(obligation.message)
                })
            })
            .map(|obligation| obligation.client_id.clone())
            .collect();
        away.sort();
        away.dedup();
        away
    }

    /// Number of messages that sessions still have to get.
    pub(crate) fn durable_obligations_left(&self) -> usize {
        let left = self.durable_obligations.iter().filter(|obligation| {
            self.obligated_session(obligation)
                .is_some_and(|session| !session.has_got(obligation.message))
        });
        left.count()
    }

    /// Each durable obligation is met or void.
    pub(crate) fn check_durable_obligations(&mut self) -> Result<(), Violation> {
        for obligation in core::mem::take(&mut self.durable_obligations) {
            match self.obligated_session(&obligation) {
                None => self.tally.durable_obligations_void += 1,
                Some(session) if session.has_got(obligation.message) => {
                    self.tally.durable_obligations_met += 1
                }
                Some(_) => {
                    return Err(Violation::DurableMessageLost {
                        client_id: obligation.client_id,
                        message: obligation.message,
                    });
                }
            }
        }
        Ok(())
    }

    // Exemptions.

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

    /// Whether the broker may wait for a PUBREL that the client does not owe. The message may be of another client of
    /// the session, its release may be in a damaged record, or a broker with a disk may have resumed an older session.
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
        self.harmed_term = self.leaders.last_key_value().map(|(term, _)| *term);
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
        self.harmed_term = self.leaders.last_key_value().map(|(term, _)| *term);
        self.damaged_term = self.harmed_term;
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
