//! The endpoints of this tab, and their connections to the broker.

use std::collections::VecDeque;

use broker::codec::{self, ProtocolVersion};
use broker::packet::disconnect::DisconnectPacket;
use broker::sorted::{Map, Set};
use broker::{Packet, ReasonCode, Time};

use super::{Joined, Output, Part, Turn};
use crate::api::{ClientCommand, ClientNo, EventKind, Notice, Term};
use crate::endpoint::client::Client;
use crate::endpoint::cost::cost_to_broker;
use crate::endpoint::port::{Port, PortInput, PortNo};
use crate::endpoint::{Endpoint, EndpointInput, EndpointNo, EndpointOutput, ToBroker};
use crate::protocol::frame::ConnectionNo;
use crate::protocol::names::TabId;
use crate::settings::Settings;

/// The endpoints, their connections, and the steps that are still to be taken in this turn.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    all: Map<EndpointNo, Endpoint>,
    connections: Map<ConnectionNo, EndpointNo>,
    last_connection: u64,
    steps: VecDeque<Step>,
    /// Size of the messages among `steps` that go to the broker.
    to_broker_bytes: usize,
    /// Whether an endpoint waits for room on the way to the broker.
    lacks_room: bool,
    /// The endpoint that was first when room was last granted.
    served_last: Option<EndpointNo>,
    /// Ports that have ended and whose end is held back: they get no more output.
    ended_ports: Set<PortNo>,
}

/// A step within this tab.
#[derive(Debug)]
enum Step {
    ToEndpoint(EndpointNo, EndpointInput),
    ToBroker(ConnectionNo, ProtocolVersion, ToBroker),
}

impl Endpoints {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.all.values()
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.iter().filter_map(Endpoint::next_timeout).min()
    }

    /// How many endpoints want a connection.
    pub(super) fn wanted(&self) -> usize {
        self.iter().filter(|it| it.is_wanted()).count()
    }

    pub(super) fn of_connection(&self, connection: ConnectionNo) -> Option<EndpointNo> {
        self.connections.get(&connection).copied()
    }

    /// MQTT version of an endpoint's packets.
    pub(super) fn version(&self, no: EndpointNo) -> ProtocolVersion {
        let version = self.all.get(&no).map(Endpoint::version);
        version.unwrap_or_default()
    }

    pub(super) fn push(&mut self, no: EndpointNo, input: EndpointInput) {
        self.steps.push_back(Step::ToEndpoint(no, input));
    }

    pub(super) fn push_to_all(&mut self, input: impl Fn() -> EndpointInput) {
        let steps = self.all.keys().map(|no| Step::ToEndpoint(*no, input()));
        self.steps.extend(steps);
    }

    /// Marks a port as ended; `false` if it was already.
    pub(super) fn end_port(&mut self, no: PortNo) -> bool {
        self.ended_ports.insert(no)
    }

    /// The broker has closed a connection.
    pub(super) fn on_connection_closed(
        &mut self,
        connection: ConnectionNo,
        reason: Option<ReasonCode>,
    ) {
        let Some(no) = self.connections.remove(&connection) else {
            return;
        };
        // The broker sends DISCONNECT to clients of MQTT 5.0 only. A port of an earlier version gets it here.
        if let (EndpointNo::Port(_), Some(reason)) = (no, reason) {
            let disconnect = Packet::Disconnect(DisconnectPacket::new(reason));
            self.push(no, EndpointInput::Packet(connection, disconnect));
        }
        self.push(no, EndpointInput::Closed(connection));
    }

    /// Gives an endpoint a new connection to the broker of this term and tab.
    fn connect(&mut self, no: EndpointNo, broker: (Term, TabId)) {
        self.last_connection += 1;
        let connection = ConnectionNo(self.last_connection);
        self.connections.insert(connection, no);
        self.push(no, EndpointInput::Up(broker, connection));
    }

    /// Ends all connections, and drops the steps between endpoints and the broker.
    fn disconnect(&mut self) {
        self.connections.clear();
        self.steps.clear();
        self.to_broker_bytes = 0;
        self.lacks_room = false;
        self.push_to_all(|| EndpointInput::Down);
    }

    fn push_to_broker(
        &mut self,
        connection: ConnectionNo,
        version: ProtocolVersion,
        what: ToBroker,
        settings: &Settings,
    ) {
        match &what {
            ToBroker::Resume => {}
            ToBroker::Packet(packet) => self.to_broker_bytes += cost(packet, settings),
            ToBroker::Close => drop(self.connections.remove(&connection)),
        }
        let step = Step::ToBroker(connection, version, what);
        self.steps.push_back(step);
    }

    fn next_step(&mut self, settings: &Settings) -> Option<Step> {
        let step = self.steps.pop_front()?;
        if let Step::ToBroker(_, _, ToBroker::Packet(packet)) = &step {
            let cost = cost(packet, settings);
            self.to_broker_bytes = self.to_broker_bytes.saturating_sub(cost);
        }
        Some(step)
    }

    /// Lets endpoints send that wait for room. The first is the one after the first of the last time.
    fn grant_room(&mut self) {
        self.lacks_room = false;
        let wanting = self.all.iter().filter(|(_, it)| it.wants_room());
        let mut wanting: Vec<EndpointNo> = wanting.map(|(no, _)| *no).collect();
        let first = wanting.partition_point(|no| Some(*no) <= self.served_last);
        let turns = first.checked_rem(wanting.len()).unwrap_or_default();
        wanting.rotate_left(turns);
        self.served_last = wanting.first().copied();
        for no in wanting {
            self.push(no, EndpointInput::Room);
        }
    }

    fn clients(&self) -> impl Iterator<Item = (EndpointNo, &Client)> {
        self.all.iter().filter_map(|(no, endpoint)| match endpoint {
            Endpoint::Client(client) => Some((*no, client)),
            Endpoint::Port(_) => None,
        })
    }

    /// The page has processed all notices up to this checkpoint of its credit.
    pub(super) fn on_page_acked(&mut self, checkpoint: u64) {
        let waiting = self.clients().filter(|(_, it)| it.waits_for(checkpoint));
        let waiting: Vec<EndpointNo> = waiting.map(|(no, _)| no).collect();
        for no in waiting {
            self.push(no, EndpointInput::PageAcknowledged(checkpoint));
        }
    }

    /// Whether a client acknowledges messages only after the page has processed them.
    pub(super) fn want_credit_checkpoint(&self) -> bool {
        self.clients()
            .any(|(_, client)| client.wants_credit_checkpoint())
    }

    /// The page will acknowledge all notices so far with this checkpoint.
    pub(super) fn on_credit_checkpoint(&mut self, checkpoint: u64) {
        for endpoint in self.all.values_mut() {
            if let Endpoint::Client(client) = endpoint {
                client.on_credit_checkpoint(checkpoint);
            }
        }
    }
}

/// Bytes of a packet that count on the way to the broker: only messages wait for room there.
fn cost(packet: &Packet, settings: &Settings) -> usize {
    match packet {
        Packet::Publish(publish) => cost_to_broker(publish, settings),
        _ => 0,
    }
}

impl Joined {
    pub(super) fn on_client_command(
        &mut self,
        no: ClientNo,
        command: ClientCommand,
        turn: &mut Turn<'_>,
    ) {
        let (settings, tab_id) = (&self.settings, self.tab_id);
        let endpoint_no = EndpointNo::Client(no);
        self.endpoints.all.get_or_insert_with(endpoint_no, || {
            // Two clients with one id would take over each other's session again and again.
            let default_id = match no {
                ClientNo(0) => format!("tab-{tab_id}"),
                ClientNo(no) => format!("tab-{tab_id}-{no}"),
            };
            Endpoint::Client(Client::new(settings.clone(), default_id))
        });
        self.with_endpoint(endpoint_no, turn, |endpoint, now, out| {
            if let Endpoint::Client(client) = endpoint {
                client.command(now, command, out);
            }
        });
    }

    /// Notifies the page of messages that waited for a listener.
    pub(super) fn send_kept(&mut self, turn: &mut Turn<'_>) {
        let waiting = self.endpoints.clients().filter(|(_, it)| it.has_kept());
        let waiting: Vec<EndpointNo> = waiting.map(|(no, _)| no).collect();
        for no in waiting {
            self.with_endpoint(no, turn, |endpoint, _, out| {
                if let Endpoint::Client(client) = endpoint {
                    client.send_kept(out);
                }
            });
        }
    }

    pub(super) fn on_port(&mut self, no: PortNo, input: PortInput, turn: &mut Turn<'_>) {
        let endpoint_no = EndpointNo::Port(no);
        if input == PortInput::Closed {
            self.endpoints.ended_ports.remove(&no);
        }
        if input == PortInput::Opened {
            let default_id = format!("tab-{}-port-{}", self.tab_id, no.0);
            let port = Port::new(self.settings.clone(), default_id);
            self.endpoints.all.insert(endpoint_no, Endpoint::Port(port));
            return;
        }
        self.with_endpoint(endpoint_no, turn, |endpoint, now, out| {
            if let Endpoint::Port(port) = endpoint {
                match input {
                    PortInput::Bytes(bytes) => port.on_bytes(now, bytes, out),
                    PortInput::Opened | PortInput::Closed => port.on_closed_by_page(out),
                }
            }
        });
    }

    /// A broker is within reach: connects all endpoints that want it.
    pub(super) fn connect_endpoints(&mut self) {
        let wanted = self.endpoints.all.iter().filter(|(_, it)| it.is_wanted());
        let wanted: Vec<EndpointNo> = wanted.map(|(no, _)| *no).collect();
        for no in wanted {
            self.connect(no);
        }
    }

    /// The broker is out of reach, and all connections with it.
    pub(super) fn disconnect_endpoints(&mut self, turn: &mut Turn<'_>) {
        self.fail_questions(turn);
        self.endpoints.disconnect();
    }

    /// Connects an endpoint if there is a broker. If not, [`Self::connect_endpoints`] will.
    fn connect(&mut self, no: EndpointNo) {
        let broker = match &self.part {
            Part::Broker(leadership) => (leadership.hosted_broker.term, self.tab_id),
            Part::Client(uplink) if uplink.is_bound() => (uplink.lane().term, uplink.broker()),
            Part::Client(_) | Part::Waiting | Part::Promoting(_) => return,
        };
        self.endpoints.connect(no, broker);
    }

    pub(super) fn run_steps(&mut self, turn: &mut Turn<'_>) {
        while let Some(step) = self.endpoints.next_step(&self.settings) {
            match step {
                Step::ToEndpoint(no, input) => {
                    self.with_endpoint(no, turn, |endpoint, now, out| {
                        endpoint.handle(now, input, out);
                    });
                }
                Step::ToBroker(connection, version, what) => {
                    self.send_to_broker(connection, version, what, turn);
                }
            }
        }
    }

    /// How many bytes of messages the way to the broker accepts now.
    fn room(&self) -> usize {
        match &self.part {
            Part::Waiting | Part::Promoting(_) => 0,
            Part::Client(uplink) => uplink.room().saturating_sub(self.endpoints.to_broker_bytes),
            // The broker is in this tab.
            Part::Broker(leadership) if leadership.hosted_broker.is_behind_own() => 0,
            Part::Broker(_) => usize::MAX,
        }
    }

    /// Lets endpoints send that wait for room, if there is enough to be worth the work.
    pub(super) fn grant_room(&mut self) {
        let enough = self.settings.to_broker_window_bytes / 4;
        if self.endpoints.lacks_room && self.room() >= enough {
            self.endpoints.grant_room();
        }
    }

    /// Tells the broker whether this tab's page is falling behind.
    pub(super) fn report_page_backlog(&mut self, turn: &mut Turn<'_>) {
        let is_behind = self.page_is_behind;
        match &mut self.part {
            Part::Waiting | Part::Promoting(_) => {}
            Part::Client(uplink) => uplink.hold(is_behind),
            Part::Broker(_) => self.with_broker(turn, |hosted_broker, now, out| {
                hosted_broker.hold_own_page(now, is_behind, out);
            }),
        }
    }

    fn with_endpoint(
        &mut self,
        no: EndpointNo,
        turn: &mut Turn<'_>,
        act: impl FnOnce(&mut Endpoint, Time, &mut Vec<EndpointOutput>),
    ) {
        let room = self.room();
        let Some(endpoint) = self.endpoints.all.get_mut(&no) else {
            return;
        };
        let was_wanted = endpoint.is_wanted();
        let mut outputs = Vec::new();
        endpoint.set_room(room);
        act(endpoint, turn.now, &mut outputs);
        self.endpoints.lacks_room |= endpoint.wants_room();
        let (is_wanted, version) = (endpoint.is_wanted(), endpoint.version());
        if endpoint.is_over() {
            self.endpoints.all.remove(&no);
        }
        if is_wanted != was_wanted {
            self.changed();
        }
        for output in outputs {
            match output {
                EndpointOutput::ToBroker(connection, what) => {
                    let settings = &self.settings;
                    self.endpoints
                        .push_to_broker(connection, version, what, settings);
                }
                EndpointOutput::Resent(packets) => self.stats.resent += packets as u64,
                EndpointOutput::Reconnect => self.connect(no),
                EndpointOutput::Silent => self.on_broker_silent(no, turn),
                EndpointOutput::Notify(notice) => {
                    if let EndpointNo::Client(no) = no {
                        turn.notify(Notice::Client(no, notice));
                    }
                }
                EndpointOutput::ToPort(output) => {
                    if let EndpointNo::Port(no) = no
                        && !self.endpoints.ended_ports.contains(&no)
                    {
                        turn.out.push(Output::Port(no, output));
                    }
                }
            }
        }
    }

    /// The broker does not answer an endpoint.
    fn on_broker_silent(&mut self, no: EndpointNo, turn: &mut Turn<'_>) {
        match &self.part {
            // Frames got lost, or the broker hangs. Both affect all endpoints.
            Part::Client(_) => self.rebind(turn.now, turn),
            Part::Waiting | Part::Promoting(_) | Part::Broker(_) => self.connect(no),
        }
    }

    fn send_to_broker(
        &mut self,
        connection: ConnectionNo,
        version: ProtocolVersion,
        what: ToBroker,
        turn: &mut Turn<'_>,
    ) {
        match &mut self.part {
            Part::Waiting | Part::Promoting(_) => {}
            Part::Client(uplink) => {
                if let Err(error) = uplink.push(connection, version, &what) {
                    self.on_not_encodable(error, turn);
                }
            }
            Part::Broker(_) => self.with_broker(turn, |hosted_broker, now, out| {
                hosted_broker.on_own_packet(now, connection, what, out);
            }),
        }
    }

    pub(super) fn on_not_encodable(&mut self, error: codec::EncodeError, turn: &mut Turn<'_>) {
        self.event_seldom("encode", turn, || {
            EventKind::Runtime(format!("A packet could not be sent: {error}"))
        });
    }
}
