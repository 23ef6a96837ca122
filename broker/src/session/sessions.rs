//! The sessions of a broker, by id and by client identifier.

use core::ops::{Index, IndexMut};
use std::sync::Arc;

use slab::Slab;

use crate::SessionId;
use crate::session::Session;
use crate::util::sorted::Map;

/// All sessions. Each client identifier has at most one.
#[derive(Debug)]
pub(crate) struct Sessions {
    sessions: Slab<Session>,
    ids: Map<Arc<str>, SessionId>,
    /// The bytes of all sessions, as they were counted last.
    bytes: usize,
}

impl Sessions {
    pub(crate) const fn new() -> Self {
        Self {
            sessions: Slab::new(),
            ids: Map::new(),
            bytes: 0,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts the bytes of a session again. It may be gone.
    pub(crate) fn recount(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(id.0) {
            let bytes = session.bytes();
            self.bytes = self.bytes - session.counted + bytes;
            session.counted = bytes;
        }
    }

    /// Whether a session that holds `held` bytes may hold `more` if all together may hold `max`. Each session may always hold its
    /// even share, so no other session can take that. All together therefore hold at most twice `max`.
    pub(crate) fn has_room(&self, held: usize, more: usize, max: usize) -> bool {
        // One that begins now is counted, too.
        let share = max / (self.len() + 1);
        self.bytes.saturating_add(more) <= max || held.saturating_add(more) <= share
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// The session of a client.
    pub(crate) fn id_of(&self, client_id: &str) -> Option<SessionId> {
        self.ids.get(client_id).copied()
    }

    /// The ids of all sessions, ordered by client identifier.
    pub(crate) fn ids(&self) -> impl Iterator<Item = SessionId> {
        self.ids.values().copied()
    }

    /// All sessions, ordered by client identifier.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.ids().map(|id| &self[id])
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(id.0)
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(id.0)
    }

    pub(crate) fn insert(&mut self, session: Session) -> SessionId {
        let client_id = Arc::clone(&session.client_id);
        let id = SessionId(self.sessions.insert(session));
        self.ids.insert(client_id, id);
        self.recount(id);
        id
    }

    /// Removes a session. Its id may be given to a later one.
    pub(crate) fn remove(&mut self, id: SessionId) -> Session {
        let session = self.sessions.remove(id.0);
        self.ids.remove(&session.client_id);
        self.bytes -= session.counted;
        session
    }
}

impl Index<SessionId> for Sessions {
    type Output = Session;

    fn index(&self, id: SessionId) -> &Session {
        &self.sessions[id.0]
    }
}

impl IndexMut<SessionId> for Sessions {
    fn index_mut(&mut self, id: SessionId) -> &mut Session {
        &mut self.sessions[id.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::hash::SeededState;

    fn session(number: u64, client_id: &str) -> Session {
        Session::new(number, client_id.into(), SeededState::new(&[0; 32]))
    }

    #[test]
    fn the_slot_of_a_removed_session_is_used_again() {
        let mut sessions = Sessions::new();
        let a = sessions.insert(session(1, "a"));
        let b = sessions.insert(session(2, "b"));
        assert_eq!(sessions.remove(a).number, 1);
        assert_eq!(sessions.insert(session(3, "c")), a);
        assert_eq!((sessions[a].number, sessions[b].number), (3, 2));
        assert_eq!(sessions.len(), 2);
    }

    #[test]
    fn a_removed_session_is_not_found() {
        let mut sessions = Sessions::new();
        let a = sessions.insert(session(1, "a"));
        assert_eq!(sessions.id_of("a"), Some(a));
        sessions.remove(a);
        assert_eq!(sessions.id_of("a"), None);
        assert!(sessions.get(a).is_none());
    }
}
