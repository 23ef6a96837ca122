//! CONNECT and DISCONNECT: how clients come and go.

use std::sync::Arc;

use crate::codec::{DecodeError, Violation};
use crate::link::{ClientLimits, Connection, Link, ServerLimits};
use crate::packet::connack::ConnAckPacket;
use crate::packet::connect::ConnectPacket;
use crate::packet::disconnect::DisconnectPacket;
use crate::session::SessionId;
use crate::will::Will;
use crate::{
    Broker, BrokerEvent, CloseReason, Config, ConnId, DisconnectCause, Output, Packet, ReasonCode,
    Time,
};

impl Broker {
    /// Waits for the CONNECT of a new connection.
    pub(crate) fn on_opened(&mut self, now: Time, conn: ConnId) {
        if self.connections.contains_key(&conn) {
            return;
        }
        let until = now.plus_ms(self.config.connect_timeout_ms);
        self.connections.insert(conn, Connection::Opened { until });
        self.silences.insert(until, conn);
    }

    /// Accepts a client, or closes its connection; a CONNECT that was understood is told why. [MQTT-3.1.0-1]
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
        if let Err(reason) = self.connect(now, conn, &connect, out) {
            let connack = refusal(&reason);
            if ClientLimits::of(&connect).fits(&connack) {
                out.push(Output::Send(conn, connack));
            }
            self.refuse(conn, reason, out);
        }
    }

    /// Closes a connection whose first packet could not be decoded. [MQTT-3.1.2-2] [MQTT-3.1.4-1]
    pub(crate) fn on_malformed_first_packet(
        &mut self,
        conn: ConnId,
        error: DecodeError,
        out: &mut Vec<Output>,
    ) {
        let reason = CloseReason::Malformed(error);
        // Of other errors it is not known whether they are in a CONNECT, and only that is answered with CONNACK.
        if reason.reason_code() == ReasonCode::UnsupportedProtocolVersion {
            out.push(Output::Send(conn, refusal(&reason)));
        }
        self.refuse(conn, reason, out);
    }

    /// Closes a connection that has no client yet. There is no DISCONNECT before CONNACK. [MQTT-3.14.0-1]
    pub(crate) fn refuse(&mut self, conn: ConnId, reason: CloseReason, out: &mut Vec<Output>) {
        self.forget_opened(conn);
        out.push(Output::Close(conn, reason.reason_code()));
        out.push(Output::Event(BrokerEvent::Refused { conn, reason }));
    }

    /// Ends the wait for the CONNECT of a connection.
    pub(crate) fn forget_opened(&mut self, conn: ConnId) {
        if let Some(Connection::Opened { until }) = self.connections.remove(&conn) {
            self.silences.remove(until, conn);
        }
    }

    /// Ends the connection as the client wishes.
    pub(crate) fn on_disconnect(
        &mut self,
        now: Time,
        id: SessionId,
        disconnect: &DisconnectPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let session = &mut self.sessions[id.0];
        if let Some(interval_s) = disconnect.properties.get_session_expiry_interval() {
            if session.expiry_interval_s == 0 && interval_s > 0 {
                return Err(CloseReason::SessionExpiryFromZero { interval_s });
            }
            session.expiry_interval_s = interval_s.min(self.config.session_expiry_interval_max_s);
        }
        let reason_code = disconnect.reason_code;
        if let Some(link) = &session.link {
            out.push(Output::Close(link.conn, reason_code));
        }
        self.disconnected(now, id, DisconnectCause::Client(reason_code), out);
        Ok(())
    }

    /// Gives the client its session, and the session its connection. What can refuse the client comes before anything
    /// changes.
    fn connect(
        &mut self,
        now: Time,
        conn: ConnId,
        connect: &ConnectPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let level = connect.protocol_version;
        if level != PROTOCOL_VERSION {
            return Err(DecodeError::from(Violation::UnsupportedProtocolVersion { level }).into());
        }
        if let Some(method) = connect.properties.get_authentication_method() {
            let method = method.clone();
            return Err(CloseReason::AuthenticationMethodUnknown { method });
        }
        let assigned_id = connect.client_id.is_empty().then(|| self.assign_id());
        let client_id = Arc::from(assigned_id.as_ref().unwrap_or(&connect.client_id).as_str());
        let will = Will::of(connect, &client_id, now)?;
        let client = ClientLimits::of(connect);
        let Granted {
            expiry_interval_s,
            server,
            mut connack,
        } = Granted::new(&self.config, connect, assigned_id, client)?;

        let (id, session_present) = self.claim_session(now, conn, client_id, connect, out);
        let session = &mut self.sessions[id.0];
        session.expiry_interval_s = expiry_interval_s;
        session.will = will;
        session.link = Some(Link::new(conn, client, server, connect.keep_alive, now));
        let client_id = Arc::clone(&session.client_id);
        self.forget_opened(conn);
        self.connections.insert(conn, Connection::Client(id));
        self.stats.connections += 1;
        self.watch(id);

        connack.session_present = session_present;
        out.push(Output::Send(conn, Packet::ConnAck(connack)));
        out.push(Output::Event(BrokerEvent::Connected {
            conn,
            client_id,
            session_present,
        }));
        self.redeliver(now, id, out);
        Ok(())
    }

    /// The client's session, and whether it had one: it loses that to Clean Start, and with a connection that is taken
    /// over if it was to last no longer. [MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.1.4-3]
    fn claim_session(
        &mut self,
        now: Time,
        conn: ConnId,
        client_id: Arc<str>,
        connect: &ConnectPacket,
        out: &mut Vec<Output>,
    ) -> (SessionId, bool) {
        if let Some(&id) = self.session_ids.get(&client_id) {
            self.close(now, id, CloseReason::TakenOver { by: conn }, out);
        }
        match self.session_ids.get(&client_id) {
            Some(&id) if !connect.clean_start => {
                // The will of this CONNECT takes the place of the one that waited. [MQTT-3.1.3-9]
                self.clear_deadlines(id);
                (id, true)
            }
            Some(&id) => {
                self.end_session(now, id, out);
                (self.new_session(client_id), false)
            }
            None => (self.new_session(client_id), false),
        }
    }

    /// An identifier that no client has. [MQTT-3.1.3-6] [MQTT-3.2.2-16]
    fn assign_id(&mut self) -> String {
        loop {
            self.ids_assigned += 1;
            let client_id = format!("{}{}", self.config.assigned_id_prefix, self.ids_assigned);
            if !self.session_ids.contains_key(client_id.as_str()) {
                return client_id;
            }
        }
    }
}

/// What a client is told in CONNACK.
struct Granted {
    expiry_interval_s: u32,
    server: ServerLimits,
    connack: ConnAckPacket,
}

impl Granted {
    fn new(
        config: &Config,
        connect: &ConnectPacket,
        assigned_id: Option<String>,
        client: ClientLimits,
    ) -> Result<Self, CloseReason> {
        let requested_s = connect
            .properties
            .get_session_expiry_interval()
            .unwrap_or(0);
        let expiry_interval_s = requested_s.min(config.session_expiry_interval_max_s);
        let mut connack = ConnAckPacket::new(false, ReasonCode::Success);
        if let Some(client_id) = assigned_id {
            connack = connack.with_assigned_client_id(client_id);
        }
        if expiry_interval_s != requested_s {
            connack = connack.with_session_expiry_interval(expiry_interval_s);
        }
        let full = with_limits(connack.clone(), config);
        if client.fits(&Packet::ConnAck(full.clone())) {
            let server = ServerLimits {
                receive_maximum: config.receive_maximum,
                topic_alias_maximum: config.topic_alias_maximum,
            };
            return Ok(Self {
                expiry_interval_s,
                server,
                connack: full,
            });
        }
        // A limit that the client cannot be told is not held against it; the packet size is, where packets are decoded.
        let server = ServerLimits {
            receive_maximum: u16::MAX,
            topic_alias_maximum: 0,
        };
        match client.maximum_packet_size {
            Some(maximum) if !client.fits(&Packet::ConnAck(connack.clone())) => {
                Err(CloseReason::AnswerTooLarge {
                    packet: "CONNACK",
                    maximum,
                })
            }
            _ => Ok(Self {
                expiry_interval_s,
                server,
                connack,
            }),
        }
    }
}

/// Adds every limit that differs from what a client assumes anyway.
fn with_limits(mut connack: ConnAckPacket, config: &Config) -> ConnAckPacket {
    connack = connack.with_shared_subscription_available(false);
    if config.receive_maximum < u16::MAX {
        connack = connack.with_receive_maximum(config.receive_maximum);
    }
    if config.topic_alias_maximum > 0 {
        connack = connack.with_topic_alias_maximum(config.topic_alias_maximum);
    }
    if config.maximum_packet_size < Config::PACKET_SIZE_LIMIT {
        connack = connack.with_maximum_packet_size(config.maximum_packet_size);
    }
    connack
}

/// The protocol version of MQTT 5.0, as CONNECT states it.
const PROTOCOL_VERSION: u8 = 5;

/// [MQTT-3.2.2-6]
fn refusal(reason: &CloseReason) -> Packet {
    Packet::ConnAck(ConnAckPacket::new(false, reason.reason_code()))
}
