//! Port: passes on the MQTT bytes of a client that does not notice a change of broker.
//!
//! The port remembers the packets that a broker did not answer. The next broker gets the client's CONNECT and these
//! packets again. If it does not have the session, the port closes the client's connection.

mod answers;
mod from_broker;
mod from_client;
mod requests;

use broker::sorted::Map;
use std::collections::VecDeque;

use broker::codec::{self, ProtocolVersion};
use broker::packet::connect::ConnectPacket;
use broker::packet::disconnect::DisconnectPacket;
use broker::{Packet, ReasonCode, Time};
use bytes::Bytes;

use crate::endpoint::{EndpointInput, EndpointOutput, ToBroker};
use crate::protocol::frame::ConnectionNo;
use crate::settings::Settings;

use answers::Answers;
use requests::Requests;

/// Number of a port of this tab; chosen by the runtime and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortNo(pub u32);

/// An input from a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortInput {
    /// The port was opened. The first input.
    Opened,
    /// Bytes of MQTT packets, cut anywhere. CONNECT selects version 5.0, 3.1.1 or 3.1.
    Bytes(Vec<u8>),
    /// The client is gone. The last input.
    Closed,
}

/// An output to a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortOutput {
    /// One whole packet.
    Bytes(Vec<u8>),
    /// This many more bytes are on their way to the broker. Bytes that wait for a broker do not count.
    Accepted(usize),
    /// The connection has ended, for this reason if the broker or the tab ended it. The last output.
    Closed(Option<ReasonCode>),
}

/// A port from its opening to its end.
#[derive(Debug)]
pub(crate) struct Port {
    settings: Settings,
    /// Client identifier for a client without one. Each broker would assign another one.
    default_id: String,
    state: State,
    /// The client's CONNECT, with a client identifier.
    connect: Option<Box<ConnectPacket>>,
    /// Whether the client sent no client identifier.
    id_is_assigned: bool,
    version: ProtocolVersion,
    /// Whether a broker has accepted the client.
    is_accepted: bool,
    /// The beginning of an incomplete packet.
    rest: Vec<u8>,
    /// Number of received bytes that were not reported as [`PortOutput::Accepted`].
    unaccepted_bytes: usize,
    /// Packets that cannot be sent yet.
    waiting: VecDeque<Packet>,
    requests: Requests,
    answers: Answers,
    /// The client's topic aliases. They end with a connection to a broker, but the client's connection continues.
    aliases: Map<u16, String>,
    /// The broker's Topic Alias Maximum. [MQTT-3.2.2-17]
    alias_maximum: u16,
    /// Number of PINGREQs that the broker has not answered.
    pings: usize,
    /// Since when the broker has owed an answer without giving any.
    unanswered_since: Option<Time>,
    /// Bytes of messages that the way to the broker accepts now.
    room: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// CONNECT has not arrived.
    New,
    /// No broker within reach.
    Waiting,
    /// CONNECT was sent, and its answer is due at this time.
    Connecting(ConnectionNo, Time),
    Connected(ConnectionNo),
    /// The client sent DISCONNECT without a broker. The next broker still gets it.
    Leaving,
    /// The port has ended.
    Closed,
}

impl Port {
    pub(crate) fn new(settings: Settings, default_id: String) -> Self {
        Self {
            settings,
            default_id,
            state: State::New,
            connect: None,
            id_is_assigned: false,
            version: ProtocolVersion::default(),
            is_accepted: false,
            rest: Vec::new(),
            unaccepted_bytes: 0,
            waiting: VecDeque::new(),
            requests: Requests::default(),
            answers: Answers::default(),
            aliases: Map::new(),
            alias_maximum: 0,
            pings: 0,
            unanswered_since: None,
            room: usize::MAX,
        }
    }

    /// Sets how many bytes of messages the way to the broker accepts.
    pub(crate) fn set_room(&mut self, bytes: usize) {
        self.room = bytes;
    }

    /// Whether a packet waits for room on the way to the broker.
    pub(crate) fn wants_room(&self) -> bool {
        matches!(self.state, State::Connected(_)) && !self.waiting.is_empty()
    }

    pub(crate) fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Since when the broker has owed an answer without giving any.
    pub(crate) fn unanswered_since(&self) -> Option<Time> {
        self.unanswered_since
    }

    /// Whether it wants a connection.
    pub(crate) fn is_wanted(&self) -> bool {
        !matches!(self.state, State::New | State::Closed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        match self.state {
            State::Connecting(_, until) => Some(until),
            _ => None,
        }
    }

    /// Handles bytes of the client: any number of packets or parts of them.
    pub(crate) fn on_bytes(&mut self, now: Time, bytes: Vec<u8>, out: &mut Vec<EndpointOutput>) {
        if matches!(self.state, State::Leaving | State::Closed) {
            return;
        }
        self.unaccepted_bytes += bytes.len();
        let mut bytes = match self.rest.is_empty() {
            true => Bytes::from(bytes),
            false => {
                self.rest.extend_from_slice(&bytes);
                Bytes::from(core::mem::take(&mut self.rest))
            }
        };
        while !bytes.is_empty() && !matches!(self.state, State::Leaving | State::Closed) {
            let maximum = self.settings.maximum_packet_size;
            match codec::decode(&mut bytes, self.version, maximum) {
                Ok(Some(packet)) => self.on_client_packet(now, packet, out),
                Ok(None) => {
                    self.rest = bytes.into();
                    break;
                }
                Err(error) => self.on_malformed(&error, out),
            }
        }
        if self.unaccepted_bytes > self.settings.waiting_bytes_max {
            self.fail(ReasonCode::QuotaExceeded, out);
        }
        self.report_accepted(out);
    }

    /// The page has closed its end. Without DISCONNECT, the broker publishes the client's will.
    pub(crate) fn on_closed_by_page(&mut self, out: &mut Vec<EndpointOutput>) {
        if self.state == State::Leaving {
            return;
        }
        out.extend(self.connection().map(EndpointOutput::close));
        self.state = State::Closed;
    }

    pub(crate) fn handle(
        &mut self,
        now: Time,
        input: EndpointInput,
        out: &mut Vec<EndpointOutput>,
    ) {
        match input {
            EndpointInput::Up(_, connection) => self.on_up(now, connection, out),
            EndpointInput::Down => self.on_down(out),
            EndpointInput::Room => {
                self.send_waiting(now, out);
                self.report_accepted(out);
            }
            EndpointInput::Packet(connection, packet) => {
                if self.connection() == Some(connection) {
                    self.on_broker_packet(now, packet, out);
                    self.report_accepted(out);
                }
            }
            EndpointInput::Malformed(connection, error) => {
                if self.connection() == Some(connection) {
                    self.fail(error.reason_code(), out);
                }
            }
            EndpointInput::Closed(connection) => {
                if self.connection() == Some(connection) {
                    self.close(None, out);
                }
            }
            // Ports do not depend on the page's acknowledgements.
            EndpointInput::PageAcknowledged(_) => {}
            EndpointInput::Timeout => {
                if let State::Connecting(connection, until) = self.state
                    && until <= now
                {
                    out.push(EndpointOutput::close(connection));
                    self.on_down(out);
                    out.push(EndpointOutput::Silent);
                }
            }
        }
    }

    fn connection(&self) -> Option<ConnectionNo> {
        match self.state {
            State::Connecting(connection, _) | State::Connected(connection) => Some(connection),
            State::New | State::Waiting | State::Leaving | State::Closed => None,
        }
    }

    fn on_up(&mut self, now: Time, connection: ConnectionNo, out: &mut Vec<EndpointOutput>) {
        let is_expected = matches!(self.state, State::Waiting | State::Leaving);
        let Some(connect) = self.connect.clone().filter(|_| is_expected) else {
            return out.push(EndpointOutput::close(connection));
        };
        if self.is_accepted {
            out.push(EndpointOutput::ToBroker(connection, ToBroker::Resume));
        }
        out.push(EndpointOutput::send(connection, Packet::Connect(connect)));
        if self.state == State::Leaving {
            return self.leave(connection, out);
        }
        let until = now.plus_ms(self.settings.connect_timeout_ms);
        self.state = State::Connecting(connection, until);
        self.unanswered_since = Some(now);
    }

    /// Sends the client's last packets on a new connection, DISCONNECT last. No answer is awaited.
    fn leave(&mut self, connection: ConnectionNo, out: &mut Vec<EndpointOutput>) {
        let packets = self
            .requests
            .resend()
            .into_iter()
            .chain(self.waiting.drain(..));
        out.extend(packets.map(|packet| EndpointOutput::send(connection, packet)));
        out.push(EndpointOutput::close(connection));
        self.state = State::Closed;
    }

    fn on_down(&mut self, out: &mut Vec<EndpointOutput>) {
        if self.connection().is_none() {
            return;
        }
        self.unanswered_since = None;
        let connect = self.connect.as_ref();
        let method = connect.and_then(|it| it.properties.get_authentication_method());
        if self.is_accepted && method.is_some() {
            // Only the client could authenticate itself to the next broker.
            return self.fail(ReasonCode::ServerShuttingDown, out);
        }
        self.state = State::Waiting;
        for _ in 0..core::mem::take(&mut self.pings) {
            self.pass_to_client(Packet::PingResp, out);
        }
    }

    /// The next broker has the session: resumes it. [MQTT-4.4.0-1]
    fn resume(&mut self, now: Time, connection: ConnectionNo, out: &mut Vec<EndpointOutput>) {
        self.state = State::Connected(connection);
        self.answers.begin();
        let packets = self.requests.resend();
        let counts = |packet: &&Packet| matches!(packet, Packet::Publish(_) | Packet::PubRel(_));
        out.push(EndpointOutput::Resent(
            packets.iter().filter(counts).count(),
        ));
        out.extend(
            packets
                .into_iter()
                .map(|packet| EndpointOutput::send(connection, packet)),
        );
        self.send_waiting(now, out);
    }

    fn send_waiting(&mut self, now: Time, out: &mut Vec<EndpointOutput>) {
        while matches!(self.state, State::Connected(_))
            && let Some(packet) = self.next_waiting()
        {
            self.send(now, packet, out);
        }
    }

    /// Returns the first waiting packet, if it may be sent now.
    fn next_waiting(&mut self) -> Option<Packet> {
        match self.waiting.front() {
            Some(Packet::Publish(_)) if self.room == 0 => None,
            _ => self.waiting.pop_front(),
        }
    }

    // To the client.

    fn pass_to_client(&mut self, packet: Packet, out: &mut Vec<EndpointOutput>) {
        let mut bytes = Vec::new();
        match codec::encode(&packet, self.version, &mut bytes) {
            Ok(()) => out.push(EndpointOutput::ToPort(PortOutput::Bytes(bytes))),
            // The broker knows the client's limits.
            Err(_) => self.fail(ReasonCode::ImplementationSpecificError, out),
        }
    }

    fn send_disconnect(&mut self, packet: DisconnectPacket, out: &mut Vec<EndpointOutput>) {
        // MQTT 3.1.1 has no DISCONNECT from a server.
        if self.version == ProtocolVersion::V5 && self.is_accepted {
            let mut bytes = Vec::new();
            let packet = Packet::Disconnect(packet);
            if codec::encode(&packet, self.version, &mut bytes).is_ok() {
                out.push(EndpointOutput::ToPort(PortOutput::Bytes(bytes)));
            }
        }
    }

    /// Closes both connections, and sends the client the reason if its protocol allows.
    fn fail(&mut self, reason_code: ReasonCode, out: &mut Vec<EndpointOutput>) {
        out.extend(self.connection().map(EndpointOutput::close));
        self.send_disconnect(DisconnectPacket::new(reason_code), out);
        self.close(Some(reason_code), out);
    }

    fn close(&mut self, reason: Option<ReasonCode>, out: &mut Vec<EndpointOutput>) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.unanswered_since = None;
            out.push(EndpointOutput::ToPort(PortOutput::Closed(reason)));
        }
    }

    /// Reports accepted bytes once no packet waits.
    fn report_accepted(&mut self, out: &mut Vec<EndpointOutput>) {
        if self.waiting.is_empty() && self.unaccepted_bytes > 0 && self.state != State::Closed {
            let taken = core::mem::take(&mut self.unaccepted_bytes);
            out.push(EndpointOutput::ToPort(PortOutput::Accepted(taken)));
        }
    }
}

/// Whether the broker does not know the exchange.
fn is_unknown(code: ReasonCode) -> bool {
    code == ReasonCode::PacketIdentifierNotFound
}

#[cfg(test)]
mod tests;
