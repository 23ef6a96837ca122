//! The end of a connection, by its client, by the network or by the broker.

use std::sync::Arc;

use crate::connection::limits::ClientLimits;
use crate::connection::{Connection, ConnectionState};
use crate::packet::disconnect::DisconnectPacket;
use crate::util::sorted::sort_by_key;
use crate::{
    Broker, BrokerEvent, CloseReason, ConnId, DisconnectCause, Output, ReasonCode, SessionId, Time,
};

impl Broker {
    /// Handles DISCONNECT from a client.
    pub(crate) fn on_disconnect(
        &mut self,
        now: Time,
        id: SessionId,
        disconnect: &DisconnectPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let session = &mut self.sessions[id];
        if let Some(interval_s) = disconnect.properties.get_session_expiry_interval() {
            if session.expiry_interval_s == 0 && interval_s > 0 {
                return Err(CloseReason::SessionExpiryFromZero { interval_s });
            }
            session.expiry_interval_s = interval_s.min(self.config.session_expiry_interval_max_s);
        }
        let reason_code = disconnect.reason_code;
        if let Some(connection) = &session.connection {
            out.push(Output::Close(connection.conn, reason_code));
        }
        self.disconnected(now, id, DisconnectCause::Client(reason_code), out);
        Ok(())
    }

    pub(crate) fn on_gone(&mut self, now: Time, conn: ConnId, out: &mut Vec<Output>) {
        match self.connections.get(&conn) {
            None => {}
            Some(ConnectionState::Opened { .. }) => {
                self.forget_unaccepted(conn);
            }
            Some(&ConnectionState::Client(id)) => {
                self.disconnected(now, id, DisconnectCause::ConnectionLost, out);
            }
        }
    }

    /// Closes a client's connection, with a DISCONNECT that states the reason. [MQTT-4.13.1-1]
    pub(crate) fn close(
        &mut self,
        now: Time,
        id: SessionId,
        reason: CloseReason,
        out: &mut Vec<Output>,
    ) {
        let Some(connection) = &self.sessions[id].connection else {
            return;
        };
        if let Some(disconnect) = connection.client.disconnect(&reason) {
            out.push(Output::Send(connection.conn, disconnect));
        }
        out.push(Output::Close(connection.conn, reason.reason_code()));
        self.disconnected(now, id, DisconnectCause::Broker(reason), out);
    }

    /// Closes every connection: first those without a client, because no will can reach them.
    #[expect(
        clippy::disallowed_methods,
        reason = "what has no order is put in one at once"
    )]
    pub(crate) fn on_shutdown(&mut self, now: Time, out: &mut Vec<Output>) {
        let (mut clients, mut opened) = (Vec::new(), Vec::new());
        let mut conns: Vec<ConnId> = self.connections.keys().copied().collect();
        sort_by_key(&mut conns, |conn| *conn);
        for conn in conns {
            let Some(connection) = self.connections.get(&conn) else {
                continue;
            };
            match connection {
                ConnectionState::Client(id) => clients.push(*id),
                ConnectionState::Opened { pending, .. } => {
                    let connect = pending.as_ref().map(|pending| &pending.connect);
                    opened.push((conn, connect.map(|c| ClientLimits::of(c, &self.config))));
                }
            }
        }
        for (conn, limits) in opened {
            match limits {
                // It has sent CONNECT and waits for the answer.
                Some(limits) => self.refuse_connect(conn, limits, CloseReason::ShuttingDown, out),
                None => self.refuse(conn, CloseReason::ShuttingDown, out),
            }
        }
        for id in clients {
            self.close(now, id, CloseReason::ShuttingDown, out);
        }
    }

    /// Handles the end of a client's connection.
    pub(crate) fn disconnected(
        &mut self,
        now: Time,
        id: SessionId,
        cause: DisconnectCause,
        out: &mut Vec<Output>,
    ) {
        let Some(connection) = self.detach_connection(id) else {
            return;
        };
        let session = &mut self.sessions[id];
        // Only a normal disconnection removes the will. [MQTT-3.1.2-10] [MQTT-3.14.4-3]
        if cause == DisconnectCause::Client(ReasonCode::Success) {
            session.will = None;
        }
        out.push(Output::Event(BrokerEvent::Disconnected {
            conn: connection.conn,
            client_id: Arc::clone(&session.client_id),
            cause,
        }));
        self.left(now, id, out);
    }

    /// Takes the connection out of its session.
    pub(crate) fn detach_connection(&mut self, id: SessionId) -> Option<Connection> {
        let connection = self.sessions[id].connection.take()?;
        self.sessions.recount(id);
        self.stats.connections -= 1;
        self.connections.remove(&connection.conn);
        if let Some(at) = connection.keep_alive_check {
            self.idle_timers.remove(at, connection.conn);
        }
        Some(connection)
    }
}
