//! Reconnect grace: sessions whose clients have not reconnected since the broker changed. A change of broker is no
//! disconnection.

use std::sync::Arc;

use crate::connection::ConnectionState;
use crate::util::sorted::{Map, Set};
use crate::{Broker, BrokerEvent, ConnId, Origin, Output, SessionId, Time};

/// The sessions in reconnect grace, and its end. Their Session Expiry Interval and Will Delay Interval begin
/// afterwards.
#[derive(Debug)]
pub(crate) struct ReconnectGrace {
    /// The end of the grace; none while the log is read.
    sessions: Map<(Option<Origin>, SessionId), Option<Time>>,
    /// No grace ends before this time.
    until: Option<Time>,
}

impl ReconnectGrace {
    pub(crate) const fn new() -> Self {
        Self {
            sessions: Map::new(),
            until: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn insert(&mut self, origin: Option<Origin>, id: SessionId) {
        self.sessions.insert((origin, id), None);
    }

    pub(crate) fn contains(&self, origin: Option<Origin>, id: SessionId) -> bool {
        self.sessions.contains_key(&(origin, id))
    }

    /// Sets the end of the graces that have none.
    pub(crate) fn wait_until(&mut self, until: Time) {
        for place in self.sessions.values_mut() {
            place.get_or_insert(until);
        }
        self.until = Some(self.until.map_or(until, |earlier| earlier.min(until)));
    }

    /// Extends every grace by `ms`.
    pub(crate) fn postpone(&mut self, ms: u64) {
        for place in self.sessions.values_mut().chain([&mut self.until]) {
            *place = place.map(|until| until.plus_ms(ms));
        }
    }

    /// When the next grace ends.
    pub(crate) fn until(&self) -> Option<Time> {
        self.until.filter(|_| !self.sessions.is_empty())
    }
}

impl Broker {
    /// The origins of sessions in reconnect grace: their clients were connected when the log of the previous broker
    /// ended. Report [`Input::OriginGone`](crate::Input::OriginGone) for each origin that no longer exists.
    #[must_use]
    pub fn in_reconnect_grace(&self) -> Set<Origin> {
        let origins = self.reconnect_grace.sessions.iter();
        origins.filter_map(|((origin, _), _)| *origin).collect()
    }

    /// Ends the grace of all sessions of an origin.
    pub(crate) fn on_origin_gone(&mut self, now: Time, origin: Origin, out: &mut Vec<Output>) {
        let origin = Some(origin);
        let first = (origin, SessionId(0));
        let of_origin = self.reconnect_grace.sessions.range(first..);
        let of_origin = of_origin.take_while(|((of, _), _)| *of == origin);
        let sessions: Vec<SessionId> = of_origin.map(|(&(_, id), _)| id).collect();
        for id in sessions {
            self.give_up(now, id, out);
        }
    }

    /// Ends every grace that is due.
    pub(crate) fn end_due_graces(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.reconnect_grace.until.is_none_or(|until| until > now) {
            return;
        }
        let sessions = self.reconnect_grace.sessions.iter();
        let late = sessions.filter(|(_, until)| until.is_none_or(|until| until <= now));
        let late: Vec<SessionId> = late.map(|(&(_, id), _)| id).collect();
        for id in late {
            self.give_up(now, id, out);
        }
        self.reconnect_grace.until = self
            .reconnect_grace
            .sessions
            .values()
            .filter_map(|at| *at)
            .min();
    }

    /// A connection is interrupted: its session enters reconnect grace.
    pub(crate) fn on_interrupted(&mut self, now: Time, conn: ConnId, out: &mut Vec<Output>) {
        let Some(&ConnectionState::Client(id)) = self.connections.get(&conn) else {
            return self.on_gone(now, conn, out);
        };
        self.detach_connection(id);
        let origin = self.sessions[id].origin;
        self.reconnect_grace.insert(origin, id);
        let grace_ms = self.config.reconnect_grace_ms;
        self.reconnect_grace.wait_until(now.plus_ms(grace_ms));
        out.push(Output::Event(BrokerEvent::Interrupted {
            conn,
            client_id: Arc::clone(&self.sessions[id].client_id),
        }));
    }

    /// Takes a session out of reconnect grace, because its client has reconnected or the session ends.
    pub(crate) fn end_reconnect_grace(&mut self, id: SessionId) {
        let origin = self.sessions[id].origin;
        self.reconnect_grace.sessions.remove(&(origin, id));
    }

    /// Ends a session's grace: the connection counts as lost.
    fn give_up(&mut self, now: Time, id: SessionId, out: &mut Vec<Output>) {
        self.end_reconnect_grace(id);
        out.push(Output::Event(BrokerEvent::ReconnectGraceEnded {
            client_id: Arc::clone(&self.sessions[id].client_id),
        }));
        self.left(now, id, out);
    }
}
