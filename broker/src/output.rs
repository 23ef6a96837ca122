//! Everything that the broker asks its caller to do.

use crate::{BatchId, BrokerEvent, ConnId, Packet, ReasonCode};

/// What the broker wants done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Send a packet. None may be left out: a topic alias in one may be meant for those that follow.
    Send(ConnId, Packet),
    /// Close the connection once everything before is sent. The broker has forgotten it: its number is free, no
    /// [`Input::Gone`] is expected.
    Close(ConnId, ReasonCode),
    /// Store this, after what was to be stored before, and tell [`Input::Committed`]. Only a broker that is
    /// [durable](Config::durable) wants that. Of no bytes: nothing is to be stored, but whether this broker still may
    /// store something is to be found out.
    Persist(BatchId, Vec<u8>),
    /// Nothing to be done: something happened.
    Event(BrokerEvent),
}
