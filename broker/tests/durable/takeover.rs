//! A change of broker: the next one restores the log.

use broker::access::AllowAll;
use broker::{Broker, ConnId, Input, Origin, Restored};

use crate::harness::*;

impl World {
    /// Replaces the broker by one restored from the log. All connections end without an input.
    pub(crate) fn change_broker(&mut self) -> Restored {
        let blocks = self.broker.log.iter().map(Vec::as_slice);
        let config = self.broker.config.clone();
        let (broker, restored) = Broker::restore(config, Box::new(AllowAll), blocks, self.now);
        assert_eq!((restored.skipped, &restored.errors[..]), (0, &[][..]));
        self.broker.broker = broker;
        self.broker.last_batch = 0;
        restored
    }

    /// Opens a connection of an origin and connects with a new session, which is accepted.
    #[track_caller]
    pub(crate) fn join_from(&mut self, origin: u64, conn: ConnId, connect: impl IntoPacket) {
        self.check(Input::OpenedBy(conn, Origin(origin)), "");
        let expected = format!("{} CONNACK Success", name(conn));
        self.send(conn, connect, &expected);
    }

    /// The origins of sessions in reconnect grace.
    pub(crate) fn in_reconnect_grace(&self) -> Vec<u64> {
        let origins = self.broker.in_reconnect_grace();
        origins.into_iter().map(|Origin(origin)| origin).collect()
    }
}
