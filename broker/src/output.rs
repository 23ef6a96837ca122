//! Outputs: everything that the broker asks of its caller.

use crate::codec::SharedPublish;
use crate::{BatchId, BrokerEvent, ConnId, Packet, ReasonCode};

/// One output of a [`Broker`](crate::Broker). The caller carries outputs out in order.
#[derive(Debug)]
pub enum Output {
    /// Send a packet, which is no PUBLISH.
    Send(ConnId, Packet),
    /// Send a PUBLISH. The caller must not drop any, because a later packet may use its topic alias.
    Publish(ConnId, SharedPublish),
    /// Close the connection after the packets before this output. The broker has forgotten it: its number is free, and
    /// the caller reports no [`Input::Gone`](crate::Input::Gone).
    Close(ConnId, ReasonCode),
    /// Store these bytes after those of earlier batches, and report [`Input::Committed`](crate::Input::Committed).
    /// Only a [durable](crate::Config::durable) broker asks for it. Empty: only checks that this broker may still
    /// write.
    Persist(BatchId, Vec<u8>),
    /// An event, for logs.
    Event(BrokerEvent),
}

impl Output {
    /// The same output, with each PUBLISH as a whole packet in [`Output::Send`]. Its properties are copied, so a caller
    /// with many receivers does better to encode the [`SharedPublish`].
    #[must_use]
    pub fn whole(self) -> Self {
        match self {
            Self::Publish(conn, publish) => Self::Send(conn, publish.into_packet()),
            Self::Send(..) | Self::Close(..) | Self::Persist(..) | Self::Event(_) => self,
        }
    }
}
