//! CONNECT: a client gets its session, or is refused.

use std::sync::Arc;

use crate::access::{Client, Login};
use crate::codec::{DecodeError, ProtocolVersion, V5_LEVEL, V31_LEVEL, V311_LEVEL, Violation};
use crate::connection::authentication::Identity;
use crate::connection::connack::Granted;
use crate::connection::connack::refusal;
use crate::connection::limits::ClientLimits;
use crate::connection::{Connection, ConnectionState};
use crate::packet::connect::ConnectPacket;
use crate::persistence::record::Record;
use crate::routing::message::is_as_announced;
use crate::session::Session;
use crate::session::will::Will;
use crate::{
    Broker, BrokerEvent, CloseReason, ConnId, Origin, Output, Packet, Properties, ReasonCode,
    SessionId, Time,
};

/// The User Property of a CONNECT by which a client resumes its session although it has no state of it, for example
/// after a page was reloaded. MQTT would have it close the connection [MQTT-3.2.2-4], and then lose its queued
/// messages.
pub const NO_SESSION_STATE: (&str, &str) = ("session-state", "none");

/// The session that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// The existing one or none, because the connection [resumes](crate::Input::Resume). Its CONNECT was obeyed
    /// before.
    Resume,
    /// A new one: Clean Start.
    Clean,
    /// The existing one, of which the client has the state.
    WithState,
    /// The existing one, with [`NO_SESSION_STATE`].
    WithoutState,
}

/// Whether the client has state of its session, which it has by default. See [`NO_SESSION_STATE`].
fn has_session_state(connect: &ConnectPacket) -> bool {
    let (name, value) = NO_SESSION_STATE;
    connect.properties.get_user_property_value(name) != Some(value)
}

impl Broker {
    /// Registers a new connection, and waits for its CONNECT.
    pub(crate) fn on_opened(
        &mut self,
        now: Time,
        conn: ConnId,
        origin: Option<Origin>,
        resumes: bool,
    ) {
        if self.connections.contains_key(&conn) {
            return;
        }
        let until = now.plus_ms(self.config.connect_timeout_ms);
        let opened = ConnectionState::Opened {
            until,
            pending: None,
            origin,
            resumes,
        };
        self.connections.insert(conn, opened);
        self.idle_timers.insert(until, conn);
    }

    /// Accepts a client, or closes its connection. A decoded CONNECT is answered with the reason. [MQTT-3.1.0-1]
    /// [MQTT-3.1.4-2] [MQTT-3.2.2-7]
    pub(crate) fn on_first_packet(
        &mut self,
        now: Time,
        conn: ConnId,
        packet: Packet,
        out: &mut Vec<Output>,
    ) {
        let Packet::Connect(connect) = packet else {
            let packet = packet.packet_type_name();
            return self.refuse(conn, CloseReason::NoConnect { packet }, out);
        };
        let limits = ClientLimits::of(&connect, &self.config);
        if let Err(reason) = self.accept_connect(now, conn, *connect, out) {
            self.refuse_connect(conn, limits, reason, out);
        }
    }

    /// Closes a connection whose first packet could not be decoded. It gets a CONNACK if the packet is known to be a
    /// CONNECT of a known version. [MQTT-3.1.2-2] [MQTT-3.1.4-1]
    pub(crate) fn on_malformed_first_packet(
        &mut self,
        conn: ConnId,
        error: DecodeError,
        out: &mut Vec<Output>,
    ) {
        let level = match error {
            DecodeError::Violation(Violation::UnsupportedProtocolVersion { level }) => Some(level),
            DecodeError::InConnect(_) => Some(V5_LEVEL),
            _ => None,
        };
        let reason = CloseReason::Malformed(error);
        let connack = level.and_then(|level| refusal(level, &reason));
        out.extend(connack.map(|connack| Output::Send(conn, Packet::ConnAck(connack))));
        self.refuse(conn, reason, out);
    }

    /// Closes a connection with a CONNACK, and a Reason String if the client wants one and it fits. [MQTT-3.1.4-2]
    /// [MQTT-3.2.2-7] [MQTT-3.2.2-19]
    pub(crate) fn refuse_connect(
        &mut self,
        conn: ConnId,
        limits: ClientLimits,
        reason: CloseReason,
        out: &mut Vec<Output>,
    ) {
        if let Some(connack) = refusal(limits.level, &reason) {
            let mut explained = connack.clone();
            explained.properties.set_reason_string(reason.to_string());
            let explained = Packet::ConnAck(explained);
            let explains = limits.problem_information && limits.version() == ProtocolVersion::V5;
            let connack = match explains && limits.has_room_for(&explained) {
                true => explained,
                false => Packet::ConnAck(connack),
            };
            if limits.fits(&connack) {
                out.push(Output::Send(conn, connack));
            }
        }
        self.refuse(conn, reason, out);
    }

    /// Closes a connection that has no client yet. There is no DISCONNECT before CONNACK. [MQTT-3.14.0-1]
    pub(crate) fn refuse(&mut self, conn: ConnId, reason: CloseReason, out: &mut Vec<Output>) {
        self.forget_unaccepted(conn);
        out.push(Output::Close(conn, reason.reason_code()));
        out.push(Output::Event(BrokerEvent::Refused { conn, reason }));
    }

    /// Forgets a connection without a client, and returns its origin.
    pub(crate) fn forget_unaccepted(&mut self, conn: ConnId) -> Option<Origin> {
        let Some(ConnectionState::Opened { until, origin, .. }) = self.connections.remove(&conn)
        else {
            return None;
        };
        self.idle_timers.remove(until, conn);
        origin
    }

    /// Accepts the client by its CONNECT alone, or begins an authentication exchange.
    fn accept_connect(
        &mut self,
        now: Time,
        conn: ConnId,
        mut connect: ConnectPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let level = connect.protocol_version;
        if ![V31_LEVEL, V311_LEVEL, V5_LEVEL].contains(&level) {
            return Err(DecodeError::from(Violation::UnsupportedProtocolVersion { level }).into());
        }
        if let Some(method) = connect.properties.get_authentication_method().cloned() {
            return self.begin_authentication(now, conn, &method, connect, out);
        }
        let identity = Identity {
            username: connect.username.take(),
            authentication: None,
            properties: Properties::new(),
        };
        self.connect(now, conn, &connect, identity, out)
    }

    /// Gives the client its session, and the session its connection. All checks come before the first change.
    pub(crate) fn connect(
        &mut self,
        now: Time,
        conn: ConnId,
        connect: &ConnectPacket,
        identity: Identity,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let client = ClientLimits::of(connect, &self.config);
        check_client_id(connect, client.version())?;
        let assigned_id = connect.client_id.is_empty().then(|| self.assign_id());
        let client_id: Arc<str> =
            Arc::from(assigned_id.as_ref().unwrap_or(&connect.client_id).as_str());
        if identity.authentication.is_none() {
            let login = Login {
                client_id: &client_id,
                username: identity.username.as_deref(),
                password: connect.password.as_deref(),
            };
            accepted(self.access.login(&login))?;
        }
        let will = Will::of(connect, &client_id, now)?;
        let username = identity.username.as_deref();
        self.check_will(connect, &client_id, username, will.as_ref())?;
        self.check_room(&client_id, username, will.as_ref())?;
        let Granted {
            expiry_interval_s,
            keep_alive_s,
            server,
            mut connack,
        } = Granted::new(
            &self.config,
            connect,
            &client_id,
            assigned_id.is_some(),
            identity.properties,
            client,
        )?;

        let resumes = matches!(
            self.connections.get(&conn),
            Some(ConnectionState::Opened { resumes: true, .. })
        );
        let start = match connect.clean_start {
            _ if resumes => Start::Resume,
            true => Start::Clean,
            false if has_session_state(connect) => Start::WithState,
            false => Start::WithoutState,
        };
        let needs_storage = expiry_interval_s > 0 || will.is_some();
        self.check_storage(&client_id, start, needs_storage)?;
        if self.persistence.is_full() && !needs_storage {
            self.persistence.commit_gate.promise_nothing_to(conn);
        }

        let (id, session_present) = self.claim_session(now, conn, client_id, start, out)?;
        let origin = self.forget_unaccepted(conn);
        let session = &mut self.sessions[id];
        session.expiry_interval_s = expiry_interval_s;
        session.will = will;
        session.username = identity.username;
        let authentication = identity.authentication;
        session.connection = Some(Connection::new(
            conn,
            client,
            server,
            keep_alive_s,
            authentication,
            now,
        ));
        session.origin = origin;
        self.persistence.journal.record(|| session.connected());
        if assigned_id.is_some() {
            self.persistence.journal.ids_assigned = self.ids_assigned;
            self.persistence.journal.record_numbers();
        }
        let client_id = Arc::clone(&session.client_id);
        self.connections.insert(conn, ConnectionState::Client(id));
        self.stats.connections += 1;
        self.schedule_keep_alive_check(id);

        connack.session_present = session_present;
        out.push(Output::Send(conn, Packet::ConnAck(connack)));
        out.push(Output::Event(BrokerEvent::Connected {
            conn,
            client_id,
            session_present,
        }));
        self.redeliver(now, id, out);
        self.sessions.recount(id);
        Ok(())
    }

    /// Checks that the will may be published, while CONNACK can still refuse it. [MQTT-3.2.2-12]
    fn check_will(
        &mut self,
        connect: &ConnectPacket,
        client_id: &str,
        username: Option<&str>,
        will: Option<&Will>,
    ) -> Result<(), CloseReason> {
        let Some(Will { message, .. }) = will else {
            return Ok(());
        };
        let maximum = self.config.maximum_qos;
        let version = ProtocolVersion::of_level(connect.protocol_version);
        if version == ProtocolVersion::V5 && u8::from(message.qos) > u8::from(maximum) {
            return Err(CloseReason::QoSNotSupported { maximum });
        }
        accepted(self.config.topic_code(&message.topic))?;
        if self.config.payload_format_checked
            && !is_as_announced(&message.payload, &connect.will_properties)
        {
            return accepted(ReasonCode::PayloadFormatInvalid);
        }
        let client = Client {
            client_id,
            username,
        };
        accepted(self.may_publish(&client, &message.topic))
    }

    /// Checks that there is room for one more client and its session.
    fn check_room(
        &self,
        client_id: &str,
        username: Option<&str>,
        will: Option<&Will>,
    ) -> Result<(), CloseReason> {
        let id = self.sessions.id_of(client_id);
        let session = id.map(|id| &self.sessions[id]);
        // A client may always come back for its messages, however many there are.
        let held = session.map_or(0, Session::bytes_without_messages);
        let will = will.map_or(0, |will| will.message.bytes());
        let stated = client_id.len() + username.map_or(0, str::len) + will;
        let more = stated.saturating_sub(session.map_or(0, Session::connect_bytes));
        let max = self.config.sessions_bytes_max;
        if more > 0 && !self.sessions.has_room(held, more, max) {
            let limit = "sessions_bytes_max";
            return Err(CloseReason::QuotaExceeded { limit });
        }
        if session.is_none() && self.sessions.len() >= self.config.sessions_max {
            let limit = "sessions_max";
            return Err(CloseReason::QuotaExceeded { limit });
        }
        let takes_over = session.is_some_and(|session| session.connection.is_some());
        if !takes_over && self.stats.connections >= self.config.clients_max {
            let limit = "clients_max";
            return Err(CloseReason::QuotaExceeded { limit });
        }
        Ok(())
    }

    /// Checks that everything that the client needs can be stored. A stored session needs no room, unless part of it
    /// must be forgotten. A new session needs none if it ends with its connection and has no will.
    fn check_storage(
        &self,
        client_id: &str,
        start: Start,
        needs_storage: bool,
    ) -> Result<(), CloseReason> {
        let session = self.sessions.id_of(client_id);
        let session = session.map(|id| &self.sessions[id]);
        let is_kept = match (session, start) {
            (Some(_), Start::Clean) => false,
            (Some(session), _) if self.persistence.commit_gate.is_stored(session.begun) => {
                start != Start::WithoutState
                    || session.inbound.is_empty()
                        && self.persistence.commit_gate.is_stored(session.last_release)
            }
            // The next broker knows neither it nor another session of this client.
            _ => !needs_storage && !self.persistence.has_unstored_end(client_id),
        };
        if self.persistence.is_full() && !is_kept {
            return Err(CloseReason::StorageFull);
        }
        Ok(())
    }

    /// Returns the client's session, and whether it existed. Clean Start ends the existing one, and so does a takeover
    /// if the session expires with its connection. [MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.1.4-3]
    ///
    /// A resumed connection begins no session. If its CONNACK got lost, the next connection would resume the empty
    /// session.
    fn claim_session(
        &mut self,
        now: Time,
        conn: ConnId,
        client_id: Arc<str>,
        start: Start,
        out: &mut Vec<Output>,
    ) -> Result<(SessionId, bool), CloseReason> {
        if let Some(id) = self.sessions.id_of(&client_id) {
            self.close(now, id, CloseReason::TakenOver { by: conn }, out);
        }
        match self.sessions.id_of(&client_id) {
            Some(id) if start != Start::Clean => {
                // The will of this CONNECT replaces the delayed one. [MQTT-3.1.3-9]
                self.clear_deadlines(id);
                self.end_reconnect_grace(id);
                if start == Start::WithoutState {
                    self.forget_inbound(id);
                }
                Ok((id, true))
            }
            Some(id) => {
                self.end_session(now, id, out);
                Ok((self.new_session(client_id), false))
            }
            None if start == Start::Resume => Err(CloseReason::SessionGone),
            None => Ok((self.new_session(client_id), false)),
        }
    }

    /// Forgets the packet identifiers of QoS 2 messages that a client without state will not release. Otherwise it
    /// would reuse them, and the broker would acknowledge new messages as repetitions and lose them.
    fn forget_inbound(&mut self, id: SessionId) {
        let session = &mut self.sessions[id];
        let number = session.number;
        for packet_id in core::mem::take(&mut session.inbound) {
            self.persistence.journal.record(|| Record::Forgotten {
                session: number,
                packet_id,
            });
        }
    }

    /// Assigns a client identifier that no client has. [MQTT-3.1.3-6] [MQTT-3.2.2-16]
    fn assign_id(&mut self) -> String {
        loop {
            self.ids_assigned += 1;
            let client_id = format!("{}{}", self.config.assigned_id_prefix, self.ids_assigned);
            if self.sessions.id_of(&client_id).is_none() {
                return client_id;
            }
        }
    }
}

/// Checks the client identifier, which may be empty. MQTT 3.1 requires 1 to 23 characters. [MQTT-3.1.3-8]
fn check_client_id(connect: &ConnectPacket, version: ProtocolVersion) -> Result<(), CloseReason> {
    let client_id = &connect.client_id;
    match version {
        ProtocolVersion::V31 => match client_id.chars().count() {
            1..=23 => Ok(()),
            characters => Err(CloseReason::ClientIdLength { characters }),
        },
        ProtocolVersion::V311 if client_id.is_empty() && !connect.clean_start => {
            Err(CloseReason::ClientIdMissing)
        }
        ProtocolVersion::V311 | ProtocolVersion::V5 => Ok(()),
    }
}

fn accepted(code: ReasonCode) -> Result<(), CloseReason> {
    match code {
        ReasonCode::Success => Ok(()),
        code => Err(CloseReason::Refused { code }),
    }
}
