//! Who has connections in this tab: clients that the page commands, and ports that speak MQTT themselves.

pub(crate) mod client;
pub(crate) mod cost;
pub(crate) mod packets;
pub(crate) mod port;

use broker::codec::{self, ProtocolVersion};
use broker::{Packet, Time};

use crate::api::{ClientNo, ClientNotice, Term};
use crate::protocol::frame::ConnectionNo;
use crate::protocol::names::TabId;
use client::Client;
use port::{Port, PortNo, PortOutput};

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EndpointNo {
    Client(ClientNo),
    Port(PortNo),
}

/// What a client is told besides the page's commands.
#[derive(Debug)]
pub(crate) enum EndpointInput {
    /// There is a broker to talk to: its term and tab. `ConnectionNo` is free for this client.
    Up((Term, TabId), ConnectionNo),
    /// The broker is out of reach.
    Down,
    /// There is room again on the way to the broker.
    Room,
    /// The page has heard all that it was told up to this mark.
    PageAcknowledged(u64),
    /// From the broker.
    Packet(ConnectionNo, Packet),
    /// The broker sent what is no packet.
    Malformed(ConnectionNo, codec::DecodeError),
    /// The broker has closed the connection.
    Closed(ConnectionNo),
    /// See [`Client::next_timeout`].
    Timeout,
}

/// What a client wants done.
#[derive(Debug)]
pub(crate) enum EndpointOutput {
    /// To the broker, over this connection.
    ToBroker(ConnectionNo, ToBroker),
    /// This many PUBLISH and PUBREL packets are sent again, because an earlier connection carried them first.
    Resent(usize),
    /// Wants [`EndpointInput::Up`] now, if there is a broker.
    Reconnect,
    /// The broker has not answered a CONNECT or PINGREQ: the way to it is broken. Wants [`EndpointInput::Up`].
    Silent,
    /// To the page.
    Notify(ClientNotice),
    /// To the port, if the client is behind one.
    ToPort(PortOutput),
}

impl EndpointOutput {
    pub(crate) const fn send(connection: ConnectionNo, packet: Packet) -> Self {
        Self::ToBroker(connection, ToBroker::Packet(packet))
    }

    pub(crate) const fn close(connection: ConnectionNo) -> Self {
        Self::ToBroker(connection, ToBroker::Close)
    }
}

/// Sent to the broker over a connection.
#[derive(Debug)]
pub(crate) enum ToBroker {
    /// The connection resumes an interrupted one. Sent first.
    Resume,
    Packet(Packet),
    /// The connection has ended at this end. Sent last.
    Close,
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
