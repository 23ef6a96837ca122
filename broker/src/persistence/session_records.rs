//! The state of a session as records.

use crate::persistence::record::{Record, RecordedMessage, RecordedWill};
use crate::session::Session;
use crate::session::will::Will;

impl Session {
    /// The record of a connected client.
    pub(crate) fn connected(&self) -> Record<'_> {
        Record::Connected {
            session: self.number,
            origin: self.origin,
            username: self.username.as_deref(),
            expiry_interval_s: self.expiry_interval_s,
            will: self.will.as_ref().map(|will| will.recorded(self.number)),
        }
    }

    /// The record of a disconnected client.
    pub(crate) fn away(&self) -> Record<'_> {
        Record::Away {
            session: self.number,
            expiry_interval_s: self.expiry_interval_s,
            expires: self.expires,
            will_due: self.will_due,
        }
    }
}

impl Will {
    /// The record of the will of the session `session`.
    pub(crate) fn recorded(&self, session: u64) -> RecordedWill<'_> {
        RecordedWill {
            delay_interval_s: self.delay_interval_s,
            message: RecordedMessage::new(&self.message, Some(session)),
        }
    }
}
