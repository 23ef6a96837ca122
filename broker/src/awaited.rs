//! Clients that were connected when the broker before ended: a change of broker is not a disconnection.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::session::SessionId;
use crate::{Broker, BrokerEvent, Origin, Output, Time};

/// The sessions whose clients are awaited, and for how long. As long as they are, neither their Session Expiry Interval
/// nor their Will Delay Interval begins.
#[derive(Debug)]
pub(crate) struct Awaited {
    sessions: BTreeSet<(Option<Origin>, SessionId)>,
    until: Option<Time>,
}

impl Awaited {
    pub(crate) const fn nobody() -> Self {
        Self {
            sessions: BTreeSet::new(),
            until: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn insert(&mut self, origin: Option<Origin>, id: SessionId) {
        self.sessions.insert((origin, id));
    }

    pub(crate) fn contains(&self, origin: Option<Origin>, id: SessionId) -> bool {
        self.sessions.contains(&(origin, id))
    }

    pub(crate) fn wait_until(&mut self, until: Time) {
        self.until = Some(until);
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
    pub fn awaited(&self) -> BTreeSet<Origin> {
        let origins = self.awaited.sessions.iter();
        origins.filter_map(|(origin, _)| *origin).collect()
    }

    /// Nobody of an origin comes back.
    pub(crate) fn on_origin_gone(&mut self, now: Time, origin: Origin, out: &mut Vec<Output>) {
        let origin = Some(origin);
        let first = (origin, SessionId(0));
        let of_origin = self.awaited.sessions.range(first..);
        let of_origin = of_origin.take_while(|(of, _)| *of == origin);
        let sessions: Vec<SessionId> = of_origin.map(|&(_, id)| id).collect();
        for id in sessions {
            self.give_up(now, id, out);
        }
    }

    /// Gives up everybody who did not come back in time.
    pub(crate) fn give_up_awaited(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.awaited.until.is_none_or(|until| until > now) {
            return;
        }
        self.awaited.until = None;
        while let Some(&(_, id)) = self.awaited.sessions.first() {
            self.give_up(now, id, out);
        }
    }

    /// The client came back, or its session is over.
    pub(crate) fn stop_awaiting(&mut self, id: SessionId) {
        let origin = self.sessions[id.0].origin;
        self.awaited.sessions.remove(&(origin, id));
    }

    /// The client counts as lost from now on.
    fn give_up(&mut self, now: Time, id: SessionId, out: &mut Vec<Output>) {
        self.stop_awaiting(id);
        out.push(Output::Event(BrokerEvent::NotBack {
            client_id: Arc::clone(&self.sessions[id.0].client_id),
        }));
        self.left(now, id, out);
    }
}
