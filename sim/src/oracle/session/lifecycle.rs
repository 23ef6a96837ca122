//! Follows the sessions of clients: when they begin, resume and end, and their subscriptions.

use tab::api::{ConnectOptions, Subscription, Term};
use tab::{TabId, Time};

use super::SessionRequest;
use crate::client_key::ClientKey;
use crate::oracle::client::Subscribed;
use crate::oracle::message::Moment;
use crate::oracle::{Oracle, Request, RequestKind};

/// Time after the end of a tab within which its messages may still arrive.
const LATE_MS: u64 = 70_000;

impl Oracle {
    // Sessions.

    /// A page connects a client with this id.
    pub(in crate::oracle) fn join_session(
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
    pub(in crate::oracle) fn was_shared(&self, key: ClientKey) -> bool {
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
    pub(in crate::oracle) fn has_several_holders(&self, client_id: Option<&str>) -> bool {
        let session = client_id.and_then(|id| self.sessions.get(id));
        session.is_some_and(|session| session.holders.len() > 1)
    }

    /// Whether the broker may drop the client although no fault affects its tab.
    pub(in crate::oracle) fn may_lose_connection(
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
    pub(in crate::oracle) fn leave_session(&mut self, now: Moment, key: ClientKey) {
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
    pub(in crate::oracle) fn lose_connection(&mut self, key: ClientKey) {
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
    pub(in crate::oracle) fn leave_sessions(&mut self, now: Moment, tab: TabId) {
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
    pub(in crate::oracle) fn check_session(
        &mut self,
        now: Moment,
        key: ClientKey,
        term: Term,
        session_present: bool,
    ) -> bool {
        // A notice from a term in which the log was damaged or removed may have been sent before that.
        let may_be_gone = self.loss_term.is_some_and(|loss_term| term <= loss_term);
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
    pub(in crate::oracle) fn inherited(&self, key: ClientKey, client_id: &str) -> Vec<Subscribed> {
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
    pub(in crate::oracle) fn share_with_siblings(
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
    pub(in crate::oracle) fn ask(
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
    pub(in crate::oracle) fn is_current(&self, asked: &Request) -> bool {
        asked.ask.as_ref().is_none_or(|ask| {
            let session = self.sessions.get(&ask.client_id);
            session.is_some_and(|it| it.generation == ask.generation)
        })
    }

    /// A SUBSCRIBE or UNSUBSCRIBE succeeded.
    pub(in crate::oracle) fn on_answered(&mut self, now: Moment, asked: &Request) {
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
}
