//! Sessions: the state of a client, which may outlive its connection.

pub(crate) mod acknowledge;
pub(crate) mod filters;
pub(crate) mod outbound;
pub(crate) mod reconnect_grace;
pub(crate) mod send;
pub(crate) mod sessions;
pub(crate) mod will;

use std::sync::Arc;

use crate::access::Client;
use crate::codec::ProtocolVersion;
use crate::connection::Connection;
use crate::persistence::record::Record;
use crate::routing::catch_up::CatchUps;
use crate::session::filters::Filters;
use crate::session::outbound::Outbound;
use crate::session::will::Will;
use crate::util::hash::SeededState;
use crate::util::sorted::Set;
use crate::{BatchId, Broker, BrokerEvent, CloseReason, Origin, Output, Packet, SessionId, Time};

/// The state of one client. [MQTT-4.1.0-1]
#[derive(Debug)]
pub(crate) struct Session {
    /// Its number in the log, which is never reused.
    pub(crate) number: u64,
    pub(crate) client_id: Arc<str>,
    /// The batch with its beginning. If this broker ends before that is stored, the next one does not have the
    /// session.
    pub(crate) begun: BatchId,
    /// The origin of its connection, or of the last one, if known.
    pub(crate) origin: Option<Origin>,
    /// The user name that the client stated or proved.
    pub(crate) username: Option<String>,
    pub(crate) expiry_interval_s: u32,
    /// The connection, if there is one.
    pub(crate) connection: Option<Connection>,
    /// The topic filters of its subscriptions. [`Subscriptions`](crate::routing::subscriptions::Subscriptions) has the
    /// options.
    pub(crate) filters: Filters,
    /// Packet identifiers of QoS 2 messages from the client that it has not released.
    pub(crate) inbound: Set<u16>,
    /// The batch with the last release. If this broker ends before that is stored, the next one still has the
    /// identifier.
    pub(crate) last_release: BatchId,
    pub(crate) outbound: Outbound,
    pub(crate) catch_ups: CatchUps,
    pub(crate) will: Option<Will>,
    /// When the will is due, if its Will Delay Interval runs.
    pub(crate) will_due: Option<Time>,
    /// When the session expires, if its client is disconnected.
    pub(crate) expires: Option<Time>,
    /// Its bytes, as they were counted last.
    counted: usize,
}

/// A deadline of a session whose client is disconnected. At the same time, the will comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    Will(SessionId),
    SessionExpiry(SessionId),
}

/// The Session Expiry Interval that never expires. [MQTT-3.1.2-23]
const NEVER_EXPIRES: u32 = u32::MAX;

impl Session {
    fn new(number: u64, client_id: Arc<str>, state: SeededState) -> Self {
        Self {
            number,
            client_id,
            begun: BatchId(0),
            origin: None,
            username: None,
            expiry_interval_s: 0,
            connection: None,
            filters: Filters::new(state),
            inbound: Set::new(),
            last_release: BatchId(0),
            outbound: Outbound::default(),
            catch_ups: CatchUps::default(),
            will: None,
            will_due: None,
            expires: None,
            counted: 0,
        }
    }

    /// The bytes that it holds, by their variable parts.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes_without_messages() + self.outbound.bytes()
    }

    /// The bytes that it holds, without the messages for its client.
    pub(crate) fn bytes_without_messages(&self) -> usize {
        let connection = self.connection.as_ref();
        let aliases = connection.map_or(0, |connection| connection.inbound_alias_bytes);
        self.connect_bytes() + self.filters.bytes() + aliases
    }

    /// The bytes of what CONNECT states: the names and the will.
    pub(crate) fn connect_bytes(&self) -> usize {
        let username = self.username.as_ref().map_or(0, String::len);
        let will = self.will.as_ref().map_or(0, |will| will.message.bytes());
        self.client_id.len() + username + will
    }

    /// The client, as access control sees it.
    pub(crate) fn client(&self) -> Client<'_> {
        Client {
            client_id: &self.client_id,
            username: self.username.as_deref(),
        }
    }

    /// Whether the client understands reason codes.
    pub(crate) fn speaks_v5(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_none_or(|connection| connection.client.version() == ProtocolVersion::V5)
    }

    /// Sends the answer to a request. An answer larger than the client accepts ends the connection, because the client
    /// would wait for it for ever. [MQTT-3.1.2-24]
    pub(crate) fn answer(&self, packet: Packet, out: &mut Vec<Output>) -> Result<(), CloseReason> {
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        connection.client.check(&packet)?;
        out.push(Output::Send(connection.conn, packet));
        Ok(())
    }

    /// Sends an answer with a Reason String if the client wants one and it fits, else the plain one. [MQTT-3.1.2-29]
    pub(crate) fn answer_explained(
        &self,
        explained: Packet,
        plain: Packet,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let client = self
            .connection
            .as_ref()
            .map(|connection| &connection.client);
        let explains = client
            .is_some_and(|client| client.problem_information && client.has_room_for(&explained));
        self.answer(if explains { explained } else { plain }, out)
    }
}

impl Broker {
    /// Starts a session. [MQTT-3.1.2-6]
    pub(crate) fn new_session(&mut self, client_id: Arc<str>) -> SessionId {
        let number = self.persistence.journal.number_session();
        self.persistence.journal.record(|| Record::SessionBegun {
            session: number,
            client_id: &client_id,
        });
        let id = self.add_session(number, client_id);
        self.sessions[id].begun = self.persistence.journal.next_batch();
        id
    }

    pub(crate) fn add_session(&mut self, number: u64, client_id: Arc<str>) -> SessionId {
        let state = SeededState::new(&self.config.seed);
        self.sessions.insert(Session::new(number, client_id, state))
    }

    /// Ends a session with its subscriptions and messages. A delayed will is published now. [MQTT-3.1.2-8]
    /// [MQTT-4.1.0-2]
    pub(crate) fn end_session(&mut self, now: Time, id: SessionId, out: &mut Vec<Output>) {
        let mut session = self.remove_session(id);
        let left = session.outbound.take_shared();
        self.orphan_deliveries(now, session.number, left, out);
        self.persistence
            .session_ended(session.number, &session.client_id);
        if let Some(will) = session.will {
            self.publish_will(now, will, out);
        }
    }

    /// Removes a session from all tables.
    pub(crate) fn remove_session(&mut self, id: SessionId) -> Session {
        self.clear_deadlines(id);
        self.end_reconnect_grace(id);
        let session = self.sessions.remove(id);
        for filter in session.filters.sorted() {
            self.subscriptions.remove(filter, id, session.number);
        }
        session
    }

    /// Keeps or ends the session of a client that has disconnected, and executes its will.
    pub(crate) fn left(&mut self, now: Time, id: SessionId, out: &mut Vec<Output>) {
        let session = &mut self.sessions[id];
        let expiry_interval_s = session.expiry_interval_s;
        if expiry_interval_s == 0 {
            self.end_session(now, id, out);
            return;
        }
        if expiry_interval_s != NEVER_EXPIRES {
            let expires = now.plus_secs(expiry_interval_s.into());
            session.expires = Some(expires);
            self.deadlines.insert(expires, Deadline::SessionExpiry(id));
        }
        self.reassign_from(now, id, out);
        self.execute_will(now, id, out);
        self.sessions.recount(id);
        let session = &self.sessions[id];
        self.persistence.journal.record(|| session.away());
    }

    /// Ends the sessions and publishes the wills that are due.
    pub(crate) fn run_deadlines(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some(deadline) = self.deadlines.pop_due(now) {
            match deadline {
                Deadline::Will(id) => {
                    let session = &mut self.sessions[id];
                    session.will_due = None;
                    let will = session.will.take();
                    self.persistence.journal.record(|| Record::WillOver {
                        session: session.number,
                    });
                    self.sessions.recount(id);
                    if let Some(will) = will {
                        self.publish_will(now, will, out);
                    }
                }
                Deadline::SessionExpiry(id) => {
                    let client_id = Arc::clone(&self.sessions[id].client_id);
                    out.push(Output::Event(BrokerEvent::SessionExpired { client_id }));
                    self.end_session(now, id, out);
                }
            }
        }
    }

    /// Cancels the deadlines of a session.
    pub(crate) fn clear_deadlines(&mut self, id: SessionId) {
        let session = &mut self.sessions[id];
        if let Some(at) = session.will_due.take() {
            self.deadlines.remove(at, Deadline::Will(id));
        }
        if let Some(at) = session.expires.take() {
            self.deadlines.remove(at, Deadline::SessionExpiry(id));
        }
    }
}
