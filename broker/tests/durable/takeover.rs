//! Another broker takes over from the log.

use broker::access::AllowAll;
use broker::{Broker, ConnId, Input, Origin, Restored};

use crate::harness::*;

impl World {
    /// Every connection is gone, nobody is told, and another broker goes on with the log.
    pub(crate) fn change_broker(&mut self) -> Restored {
        let pieces = self.broker.log.iter().map(Vec::as_slice);
        let config = self.broker.config.clone();
        let (broker, restored) = Broker::restore(config, Box::new(AllowAll), pieces, self.now);
        assert_eq!((restored.skipped, &restored.errors[..]), (0, &[][..]));
        self.broker.broker = broker;
        self.broker.last_batch = 0;
        restored
    }

    /// Opens a connection behind which an origin stands, and connects with a new session, which works.
    #[track_caller]
    pub(crate) fn join_from(&mut self, origin: u64, conn: ConnId, connect: impl IntoPacket) {
        self.check(Input::OpenedBy(conn, Origin(origin)), "");
        let expected = format!("{} CONNACK Success", name(conn));
        self.send(conn, connect, &expected);
    }

    /// The origins that are awaited.
    pub(crate) fn in_reconnect_grace(&self) -> Vec<u64> {
        let origins = self.broker.in_reconnect_grace();
        origins.into_iter().map(|Origin(origin)| origin).collect()
    }
}
