//! Client: an MQTT client of the page, which follows the broker to other tabs.

mod connection;
mod inbox;
mod publish;
mod readers;
mod subscribe;

use broker::sorted::{Map, Set};
use std::collections::VecDeque;

use broker::codec::{self, ProtocolVersion};
use broker::packet::publish::PublishPacket;
use broker::{Packet, ReasonCode, Time};

use crate::api::{
    ClientCommand, ClientNotice, ClientStatus, ConnectOptions, Problem, RequestId, Subscription,
    Term,
};
use crate::endpoint::cost::cost_to_broker;
use crate::endpoint::{EndpointInput, EndpointOutput};
use crate::protocol::frame::ConnectionNo;
use crate::protocol::names::TabId;
use crate::settings::Settings;
use inbox::Inbox;
use readers::Readers;
use subscribe::Request;

/// One MQTT client.
#[derive(Debug)]
pub(crate) struct Client {
    settings: Settings,
    /// Client identifier for options without one.
    default_id: String,
    /// The page's CONNECT; `None` while the client is disconnected.
    wanted: Option<ConnectOptions>,
    /// Whether a broker has accepted this client since the page's command: later CONNECTs keep the session.
    has_session: bool,
    /// Whether a CONNECT was sent without a CONNACK: it may have begun a session that is empty.
    is_unsure: bool,
    /// Term and tab of the last broker that accepted this client.
    last_broker: Option<(Term, TabId)>,
    /// The highest term of a broker that accepted this client.
    highest_term: Option<Term>,
    /// Since when the broker has owed an answer without giving any.
    unanswered_since: Option<Time>,
    state: State,
    /// The client's own subscriptions, as the broker granted them.
    subscriptions: Map<String, Subscription>,
    readers: Readers,
    /// The client's own subscriptions that the broker refused to renew.
    refused: Vec<Subscription>,
    /// When to renew them again, if there is a connection.
    renewing_at: Option<Time>,
    inbox: Inbox,
    /// Publications to send, in the page's order.
    waiting: VecDeque<(RequestId, PublishPacket)>,
    /// Cost of `waiting`.
    waiting_bytes: usize,
    /// Bytes of messages that the way to the broker accepts now.
    room: usize,
    /// Sent and not acknowledged, in the order of sending. [MQTT-4.6.0-1]
    in_flight: VecDeque<InFlight>,
    /// Unanswered SUBSCRIBE and UNSUBSCRIBE with their packet identifiers, in the order of sending.
    requests: VecDeque<(u16, Request)>,
    /// The page's requests without a connection.
    waiting_requests: Vec<Request>,
    /// Reason codes of requests that were sent in parts, as far as they have arrived.
    gathered: Map<RequestId, Vec<Option<u8>>>,
    last_packet_id: u16,
    /// Packet identifiers of `in_flight` and `requests`.
    packet_ids: Set<u16>,
    /// Consecutive failed attempts, for the pause before the next.
    attempts: u32,
}

#[derive(Debug)]
enum State {
    /// No broker within reach, or disconnected by the page.
    Offline,
    /// The broker closed the connection without a reason. The client reconnects at this time.
    Pausing(Time),
    /// CONNECT was sent, and its answer is due at this time.
    Connecting(ConnectionNo, (Term, TabId), Time),
    Connected(Connected),
}

#[derive(Debug)]
struct Connected {
    connection: ConnectionNo,
    keep_alive_ms: u64,
    last_sent: Time,
    ping_sent: Option<Time>,
    receive_maximum: u16,
    maximum_packet_size: u32,
    /// Number of the last entries in flight that an earlier connection carried, and this one has not.
    unsent: usize,
}

#[derive(Debug)]
struct InFlight {
    request: RequestId,
    packet_id: u16,
    packet: PublishPacket,
    /// Reason code of PUBREC, after which PUBREL was sent.
    received: Option<ReasonCode>,
}

impl Client {
    pub(crate) fn new(settings: Settings, default_id: String) -> Self {
        let seed = default_id.bytes().fold(0, |seed: u32, byte| {
            seed.wrapping_mul(31).wrapping_add(u32::from(byte))
        });
        Self {
            readers: Readers::new(seed),
            inbox: Inbox::new(settings.receive_maximum),
            settings,
            default_id,
            wanted: None,
            has_session: false,
            is_unsure: false,
            last_broker: None,
            highest_term: None,
            unanswered_since: None,
            state: State::Offline,
            subscriptions: Map::new(),
            refused: Vec::new(),
            renewing_at: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            room: usize::MAX,
            in_flight: VecDeque::new(),
            requests: VecDeque::new(),
            waiting_requests: Vec::new(),
            gathered: Map::new(),
            last_packet_id: 0,
            packet_ids: Set::new(),
            attempts: 0,
        }
    }

    /// Since when the broker has owed an answer without giving any.
    pub(crate) fn unanswered_since(&self) -> Option<Time> {
        self.unanswered_since
    }

    /// Sets how many bytes of messages the way to the broker accepts.
    pub(crate) fn set_room(&mut self, bytes: usize) {
        self.room = bytes;
    }

    /// Whether a message waits that more room may release. `room` itself may be outdated, so it is not used.
    pub(crate) fn wants_room(&self) -> bool {
        let waits = |connected: &Connected| connected.unsent > 0 || !self.waiting.is_empty();
        matches!(&self.state, State::Connected(connected) if waits(connected))
    }

    /// Whether the page wants it connected.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    pub(crate) fn command(
        &mut self,
        now: Time,
        command: ClientCommand,
        out: &mut Vec<EndpointOutput>,
    ) {
        match command {
            ClientCommand::Connect(options) => self.on_connect(options, out),
            ClientCommand::Disconnect { with_will } => self.on_disconnect(with_will, out),
            ClientCommand::Subscribe(request, subscriptions) => {
                self.on_subscribe(now, request, subscriptions, out);
            }
            ClientCommand::Unsubscribe(request, topic_filters) => {
                self.on_unsubscribe(now, request, topic_filters, out);
            }
            ClientCommand::Publish(request, publication) => {
                self.on_publish(now, request, publication, out);
            }
            ClientCommand::Read(no, subscription) => self.on_read(now, no, subscription, out),
            ClientCommand::Release(request, no) => self.on_release(now, request, no, out),
            ClientCommand::Listen(has_listeners) => self.inbox.listen(has_listeners),
        }
    }

    pub(crate) fn handle(
        &mut self,
        now: Time,
        input: EndpointInput,
        out: &mut Vec<EndpointOutput>,
    ) {
        match input {
            EndpointInput::Up(broker, connection) => self.on_up(now, broker, connection, out),
            EndpointInput::Down => self.on_down(out),
            EndpointInput::Room => self.send_waiting(now, out),
            EndpointInput::PageAcknowledged(checkpoint) => self.on_page_acked(now, checkpoint, out),
            EndpointInput::Packet(connection, packet) => {
                if self.is_current(connection) {
                    self.on_packet(now, packet, out);
                }
            }
            EndpointInput::Malformed(connection, error) => {
                if self.is_current(connection) {
                    self.fail(error.reason_code(), out);
                }
            }
            EndpointInput::Closed(connection) => {
                if self.is_current(connection) {
                    self.on_closed(now, out);
                }
            }
            EndpointInput::Timeout => self.on_timeout(now, out),
        }
    }

    /// When [`EndpointInput::Timeout`] is due.
    pub(crate) fn next_timeout(&self) -> Option<Time> {
        let is_connected = matches!(self.state, State::Connected(_));
        let renewing_at = self.renewing_at.filter(|_| is_connected);
        self.next_of_connection()
            .into_iter()
            .chain(renewing_at)
            .min()
    }

    fn next_of_connection(&self) -> Option<Time> {
        match &self.state {
            State::Pausing(until) | State::Connecting(.., until) => Some(*until),
            State::Connected(connected) if connected.keep_alive_ms > 0 => {
                let half = connected.keep_alive_ms / 2;
                Some(
                    connected
                        .ping_sent
                        .unwrap_or(connected.last_sent)
                        .plus_ms(half),
                )
            }
            State::Offline | State::Connected(_) => None,
        }
    }

    fn is_current(&self, connection: ConnectionNo) -> bool {
        self.connection() == Some(connection)
    }

    fn connection(&self) -> Option<ConnectionNo> {
        match &self.state {
            State::Connecting(connection, ..) => Some(*connection),
            State::Connected(connected) => Some(connected.connection),
            State::Offline | State::Pausing(_) => None,
        }
    }

    /// Whether a broker could accept this packet. Packets that could not be sent must not wait.
    fn check(&self, packet: &Packet) -> Result<(), Problem> {
        codec::encode(packet, ProtocolVersion::V5, &mut Vec::new())
            .map_err(|error| Problem::NotEncodable(error.to_string()))?;
        self.check_size(packet)
    }

    /// Whether the broker accepts a packet of this size. A new broker may accept less than the one before.
    /// [MQTT-3.2.2-15]
    fn check_size(&self, packet: &Packet) -> Result<(), Problem> {
        let maximum = match &self.state {
            State::Connected(connected) => connected.maximum_packet_size,
            State::Offline | State::Pausing(_) | State::Connecting(..) => {
                self.settings.maximum_packet_size
            }
        };
        match codec::encoded_len(packet, ProtocolVersion::V5) {
            Ok(size) if size <= maximum as usize => Ok(()),
            Ok(_) | Err(_) => Err(Problem::TooLarge { maximum }),
        }
    }

    fn on_packet(&mut self, now: Time, packet: Packet, out: &mut Vec<EndpointOutput>) {
        let is_answer = !matches!(packet, Packet::Publish(_) | Packet::PubRel(_));
        self.take(now, packet, out);
        // Any packet may have made room.
        self.send_waiting(now, out);
        if is_answer {
            self.unanswered_since = self.is_owed_an_answer().then_some(now);
        }
    }

    fn is_owed_an_answer(&self) -> bool {
        match &self.state {
            State::Connecting(..) => true,
            State::Connected(connected) => {
                connected.ping_sent.is_some()
                    || self.in_flight.len() > connected.unsent
                    || !self.requests.is_empty()
            }
            State::Offline | State::Pausing(_) => false,
        }
    }

    fn take(&mut self, now: Time, packet: Packet, out: &mut Vec<EndpointOutput>) {
        match packet {
            Packet::ConnAck(packet) => self.on_connack(now, &packet, out),
            Packet::Disconnect(packet) => self.on_broker_disconnect(&packet, out),
            _ if !matches!(self.state, State::Connected(_)) => {
                self.fail(ReasonCode::ProtocolError, out);
            }
            Packet::Publish(packet) => self.on_message(now, packet, out),
            Packet::PubAck(packet) => self.on_puback(&packet, out),
            Packet::PubRec(packet) => self.on_pubrec(now, &packet, out),
            Packet::PubRel(packet) => self.on_pubrel(now, &packet, out),
            Packet::PubComp(packet) => self.on_pubcomp(&packet, out),
            Packet::SubAck(packet) => self.on_suback(now, packet, out),
            Packet::UnsubAck(packet) => self.on_unsuback(packet, out),
            Packet::PingResp => {
                if let State::Connected(connected) = &mut self.state {
                    connected.ping_sent = None;
                }
            }
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::Auth(_) => self.fail(ReasonCode::ProtocolError, out),
        }
    }

    fn send(&mut self, now: Time, packet: Packet, out: &mut Vec<EndpointOutput>) {
        if let Some(connection) = self.connection() {
            if let State::Connected(connected) = &mut self.state {
                connected.last_sent = now;
            }
            if is_answered(&packet) {
                self.unanswered_since.get_or_insert(now);
            }
            if let Packet::Publish(publish) = &packet {
                let cost = cost_to_broker(publish, &self.settings);
                self.room = self.room.saturating_sub(cost);
            }
            out.push(EndpointOutput::send(connection, packet));
        }
    }

    /// Reserves a free packet identifier.
    fn next_packet_id(&mut self) -> Option<u16> {
        for _ in 0..u16::MAX {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            if self.packet_ids.insert(self.last_packet_id) {
                return Some(self.last_packet_id);
            }
        }
        None
    }
}

/// Whether the broker answers such a packet.
fn is_answered(packet: &Packet) -> bool {
    match packet {
        Packet::Publish(publish) => publish.packet_id.is_some(),
        Packet::Connect(_)
        | Packet::PubRel(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq => true,
        _ => false,
    }
}

fn notify_status(status: ClientStatus) -> EndpointOutput {
    EndpointOutput::Notify(ClientNotice::Status(status))
}

fn published(request: RequestId, reason_code: ReasonCode) -> EndpointOutput {
    EndpointOutput::Notify(ClientNotice::Published(request, reason_code.into()))
}

fn refuse(request: RequestId, problem: Problem, out: &mut Vec<EndpointOutput>) {
    out.push(EndpointOutput::Notify(ClientNotice::Refused(
        request, problem,
    )));
}

#[cfg(test)]
mod tests;
