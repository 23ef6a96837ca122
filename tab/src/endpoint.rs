//! Who has connections in this tab: clients that the page commands, and ports that speak MQTT themselves.

pub(crate) mod client;
pub(crate) mod packets;
pub(crate) mod port;

use broker::codec::ProtocolVersion;
use broker::{Packet, Time};

use crate::api::ClientNo;
use crate::endpoint::client::{Client, EndpointInput, EndpointOutput};
use crate::endpoint::port::{Port, PortNo};

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EndpointNo {
    Client(ClientNo),
    Port(PortNo),
}

/// What goes to the broker over a connection.
#[derive(Debug)]
pub(crate) enum ToBroker {
    /// It goes on where an earlier one was interrupted; comes first.
    GoesOn,
    Packet(ProtocolVersion, Packet),
    /// It is over; comes last.
    Closed,
}

/// One of them.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "both are large, and there are few"
)]
pub(crate) enum Endpoint {
    Client(Client),
    Port(Port),
}

impl Endpoint {
    pub(crate) fn handle(
        &mut self,
        now: Time,
        input: EndpointInput,
        out: &mut Vec<EndpointOutput>,
    ) {
        match self {
            Self::Client(client) => client.handle(now, input, out),
            Self::Port(port) => port.handle(now, input, out),
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        match self {
            Self::Client(client) => client.next_timeout(),
            Self::Port(port) => port.next_timeout(),
        }
    }

    /// Tells how many bytes of messages the way to the broker takes.
    pub(crate) fn set_room(&mut self, bytes: usize) {
        match self {
            Self::Client(client) => client.set_room(bytes),
            Self::Port(port) => port.set_room(bytes),
        }
    }

    /// Whether something waits for room on the way to the broker.
    pub(crate) fn wants_room(&self) -> bool {
        match self {
            Self::Client(client) => client.wants_room(),
            Self::Port(port) => port.wants_room(),
        }
    }

    /// Since when the broker has owed it an answer, without having given it another.
    pub(crate) fn unanswered_since(&self) -> Option<Time> {
        match self {
            Self::Client(client) => client.unanswered_since(),
            Self::Port(port) => port.unanswered_since(),
        }
    }

    /// Whether it is to be connected.
    pub(crate) fn is_wanted(&self) -> bool {
        match self {
            Self::Client(client) => client.is_wanted(),
            Self::Port(port) => port.is_wanted(),
        }
    }

    /// Whether nothing can come of it any more.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Client(_) => false,
            Self::Port(port) => port.is_closed(),
        }
    }

    /// Of its packets.
    pub(crate) fn version(&self) -> ProtocolVersion {
        match self {
            Self::Client(_) => ProtocolVersion::V5,
            Self::Port(port) => port.version(),
        }
    }
}
