//! Sessions: what is kept for a client while it is connected, and for some time after.

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
    /// Its name in the log, which no other session ever has.
    pub(crate) number: u64,
    pub(crate) client_id: Arc<str>,
    /// The batch that says that it began: should this broker end before it is stored, the next one does not have it.
    pub(crate) begun: BatchId,
    /// Who stands behind its connection, or the last one, if that is known.
    pub(crate) origin: Option<Origin>,
    /// Who the client is, as far as it said or proved.
    pub(crate) username: Option<String>,
    pub(crate) expiry_interval_s: u32,
    /// The connection, while there is one.
    pub(crate) connection: Option<Connection>,
    /// What it subscribed to; how, say the routes.
    pub(crate) filters: Filters,
    /// QoS 2 messages that came from the client and are not released yet.
    pub(crate) inbound: Set<u16>,
    /// The batch that says which of them was released last: should this broker end before it is stored, the next one still
    /// has it among those that are not.
    pub(crate) last_release: BatchId,
    pub(crate) outbound: Outbound,
    pub(crate) catch_ups: CatchUps,
    pub(crate) will: Option<Will>,
    /// When the will is published, if that is waited for.
    pub(crate) will_due: Option<Time>,
    /// When the session ends, if that is waited for.
    pub(crate) expires: Option<Time>,
}

/// What happens to a session whose client is away. Of two at the same moment, the will comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    Will(SessionId),
    SessionExpiry(SessionId),
}

/// The interval that means: never. [MQTT-3.1.2-23]
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
        }
    }

    /// The client, for those who decide what it may do.
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

    /// Sends what answers a request. An answer that the client does not accept ends the connection, because the client
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

    /// Ends a session: it is forgotten with its subscriptions and messages. A will that waits is due now, at the latest.
    /// [MQTT-3.1.2-8] [MQTT-4.1.0-2]
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

    /// Takes a session out of everything that knows it.
    pub(crate) fn remove_session(&mut self, id: SessionId) -> Session {
        self.clear_deadlines(id);
        self.end_reconnect_grace(id);
        let session = self.sessions.remove(id);
        for filter in session.filters.sorted() {
            self.subscriptions.remove(filter, id);
        }
        session
    }

    /// Keeps or ends the session of a client that is connected no more, and executes its will.
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
        let session = &self.sessions[id];
        self.persistence.journal.record(|| session.away());
    }

    /// Ends the sessions and publishes the wills that are due, whichever packet or timer comes first after that moment.
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

    /// Neither the will of a session nor its end is waited for any more.
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
