//! Keep Alive and connect timeouts: the broker closes connections from which nothing arrives.

use crate::connection::ConnectionState;
use crate::{Broker, CloseReason, Output, SessionId, Time};

impl Broker {
    /// Closes the connections from which no packet has arrived in time. [MQTT-3.1.2-22]
    pub(crate) fn close_idle_connections(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some(conn) = self.idle_timers.pop_due(now) {
            match self.connections.get(&conn) {
                Some(&ConnectionState::Client(id)) => self.check_keep_alive(now, id, out),
                Some(ConnectionState::Opened { .. }) => {
                    let after_ms = self.config.connect_timeout_ms;
                    self.refuse(conn, CloseReason::ConnectTimeout { after_ms }, out);
                }
                None => {}
            }
        }
    }

    /// Extends all timeouts by the time in which the caller could receive nothing (ms).
    pub(crate) fn on_suspended(&mut self, ms: u64) {
        for (conn, connection) in &mut self.connections {
            match connection {
                // The scheduled check stays. It then finds that there is time left.
                ConnectionState::Client(id) => {
                    if let Some(connection) = &mut self.sessions[*id].connection {
                        connection.last_packet_at = connection.last_packet_at.plus_ms(ms);
                    }
                }
                ConnectionState::Opened { until, .. } => {
                    self.idle_timers.remove(*until, *conn);
                    *until = until.plus_ms(ms);
                    self.idle_timers.insert(*until, *conn);
                }
            }
        }
        self.reconnect_grace.postpone(ms);
    }

    fn check_keep_alive(&mut self, now: Time, id: SessionId, out: &mut Vec<Output>) {
        let Some(connection) = &mut self.sessions[id].connection else {
            return;
        };
        connection.keep_alive_check = None;
        match connection.idle_at() {
            Some(at) if at <= now => {
                let keep_alive_s = connection.keep_alive_s;
                self.close(now, id, CloseReason::KeepAliveTimeout { keep_alive_s }, out);
            }
            Some(_) => self.schedule_keep_alive_check(id),
            None => {}
        }
    }

    /// Schedules the next keep-alive check of a client.
    pub(crate) fn schedule_keep_alive_check(&mut self, id: SessionId) {
        let Some(connection) = &mut self.sessions[id].connection else {
            return;
        };
        connection.keep_alive_check = connection.idle_at();
        if let Some(at) = connection.keep_alive_check {
            self.idle_timers.insert(at, connection.conn);
        }
    }
}
