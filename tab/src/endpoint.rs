//! Endpoints: MQTT connections of this tab. A client takes commands of the page, a port passes on a client's MQTT
//! bytes.
//!
//! Both have one input and one output type.

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

/// Number of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EndpointNo {
    Client(ClientNo),
    Port(PortNo),
}

/// An input of an endpoint, besides commands and bytes.
#[derive(Debug)]
pub(crate) enum EndpointInput {
    /// A broker with this term and tab is within reach. The endpoint may use this new connection.
    Up((Term, TabId), ConnectionNo),
    /// The broker is out of reach.
    Down,
    /// The way to the broker has room again.
    Room,
    /// The page has processed all notices up to this checkpoint.
    PageAcknowledged(u64),
    /// A packet of the broker.
    Packet(ConnectionNo, Packet),
    /// The broker sent malformed bytes.
    Malformed(ConnectionNo, codec::DecodeError),
    /// The broker has closed the connection.
    Closed(ConnectionNo),
    /// The time of [`Endpoint::next_timeout`] has come.
    Timeout,
}

/// An output of an endpoint.
#[derive(Debug)]
pub(crate) enum EndpointOutput {
    /// For the broker, over this connection.
    ToBroker(ConnectionNo, ToBroker),
    /// This many PUBLISH and PUBREL packets are sent again, because an earlier connection carried them first.
    Resent(usize),
    /// Requests [`EndpointInput::Up`], if there is a broker.
    Reconnect,
    /// The broker has not answered a CONNECT or PINGREQ: the way to it is broken. Requests [`EndpointInput::Up`].
    Silent,
    /// A notice of a client for the page.
    Notify(ClientNotice),
    /// An output of a port.
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

/// A client or a port.
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

    /// Sets how many bytes of messages the way to the broker accepts.
    pub(crate) fn set_room(&mut self, bytes: usize) {
        match self {
            Self::Client(client) => client.set_room(bytes),
            Self::Port(port) => port.set_room(bytes),
        }
    }

    /// Whether a message waits for room on the way to the broker.
    pub(crate) fn wants_room(&self) -> bool {
        match self {
            Self::Client(client) => client.wants_room(),
            Self::Port(port) => port.wants_room(),
        }
    }

    /// Since when the broker has owed an answer without giving any.
    pub(crate) fn unanswered_since(&self) -> Option<Time> {
        match self {
            Self::Client(client) => client.unanswered_since(),
            Self::Port(port) => port.unanswered_since(),
        }
    }

    /// Whether it wants a connection.
    pub(crate) fn is_wanted(&self) -> bool {
        match self {
            Self::Client(client) => client.is_wanted(),
            Self::Port(port) => port.is_wanted(),
        }
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Client(_) => false,
            Self::Port(port) => port.is_closed(),
        }
    }

    /// MQTT version of its packets.
    pub(crate) fn version(&self) -> ProtocolVersion {
        match self {
            Self::Client(_) => ProtocolVersion::V5,
            Self::Port(port) => port.version(),
        }
    }
}
