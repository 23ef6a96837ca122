//! Clients that were connected when the broker before ended: a change of broker is not a disconnection.

use std::sync::Arc;

use crate::connection::ConnectionState;
use crate::util::sorted::{Map, Set};
use crate::{Broker, BrokerEvent, ConnId, Origin, Output, SessionId, Time};

/// The sessions whose clients are awaited, and for how long. As long as they are, neither their Session Expiry Interval
/// nor their Will Delay Interval begins.
#[derive(Debug)]
pub(crate) struct ReconnectGrace {
    /// Until when; nobody knows yet while the log is read.
    sessions: Map<(Option<Origin>, SessionId), Option<Time>>,
    /// Nobody is given up before.
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

    /// Those of whom it was not known yet are awaited until then.
    pub(crate) fn wait_until(&mut self, until: Time) {
        for place in self.sessions.values_mut() {
            place.get_or_insert(until);
        }
        self.until = Some(self.until.map_or(until, |earlier| earlier.min(until)));
    }

    /// All are awaited for longer by so much.
    pub(crate) fn postpone(&mut self, ms: u64) {
        for place in self.sessions.values_mut().chain([&mut self.until]) {
            *place = place.map(|until| until.plus_ms(ms));
        }
    }

    /// When they are given up.
    pub(crate) fn until(&self) -> Option<Time> {
        self.until.filter(|_| !self.sessions.is_empty())
    }
}

impl Broker {
    /// Whose connections are waited for: those of sessions that were connected when the log of the broker before ended.
    /// Tell [`Input::OriginGone`](crate::Input::OriginGone) about those of which nobody is left.
    #[must_use]
    pub fn in_reconnect_grace(&self) -> Set<Origin> {
        let origins = self.reconnect_grace.sessions.iter();
        origins.filter_map(|((origin, _), _)| *origin).collect()
    }

    /// Nobody of an origin comes back.
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

    /// Gives up everybody who did not come back in time.
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

    /// The connection of a client is interrupted, not lost: whoever stands behind it is still there, and it comes back on
    /// another one.
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

    /// The client came back, or its session is over.
    pub(crate) fn end_reconnect_grace(&mut self, id: SessionId) {
        let origin = self.sessions[id].origin;
        self.reconnect_grace.sessions.remove(&(origin, id));
    }

    /// The client counts as lost from now on.
    fn give_up(&mut self, now: Time, id: SessionId, out: &mut Vec<Output>) {
        self.end_reconnect_grace(id);
        out.push(Output::Event(BrokerEvent::ReconnectGraceEnded {
            client_id: Arc::clone(&self.sessions[id].client_id),
        }));
        self.left(now, id, out);
    }
}
