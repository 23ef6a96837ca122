//! Outputs: everything that the broker asks of its caller.

use crate::{BatchId, BrokerEvent, ConnId, Packet, ReasonCode};

/// One output of a [`Broker`](crate::Broker). The caller carries outputs out in order.
#[derive(Debug)]
pub enum Output {
    /// Send a packet. The caller must not drop any, because a later packet may use its topic alias.
    Send(ConnId, Packet),
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
