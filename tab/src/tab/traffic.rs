//! Traffic: packets between this tab's clients and the broker, over a lane or within the tab.

use broker::packet::disconnect::DisconnectPacket;
use broker::{BrokerEvent, Packet, ReasonCode, Time, codec};

use super::{Joined, Output, Part, Step, Turn};
use crate::api::{
    Answer, ClientCommand, ClientNo, EventKind, Notice, Problem, Question, RequestId, Source,
};
use crate::endpoint::client::{self, Client, EndpointInput, EndpointOutput};
use crate::endpoint::port::{Port, PortInput, PortNo};
use crate::endpoint::{Endpoint, EndpointNo, ToBroker};
use crate::hosted_broker::{HostedBroker, HostedBrokerOutput};
use crate::lane::uplink::UplinkEvent;
use crate::lane::{ConnectionNo, Frame, LaneMessage, each_packet};
use crate::protocol::control::ControlMessage;
use crate::protocol::names::{Lane, TabId};

// The lane to the broker.

impl Joined {
    /// The broker has closed its end of the lane.
    pub(super) fn on_unbind(&mut self, lane: Lane, binding: u32, turn: &mut Turn<'_>) {
        // An earlier binding's comes late, or for a lane that this tab has given up itself.
        if let Part::Client(uplink) = &self.part
            && (uplink.lane(), uplink.binding()) == (lane, binding)
        {
            self.rebind(turn.now, turn);
        }
    }

    /// Sets the lane to the broker up anew, not before `at`.
    pub(super) fn rebind(&mut self, at: Time, turn: &mut Turn<'_>) {
        let binding = self.next_binding();
        let Part::Client(uplink) = &mut self.part else {
            return;
        };
        uplink.reset(binding, at);
        let broker = uplink.broker();
        self.stats.lane_resets += 1;
        self.event_seldom("lane", turn, || EventKind::LaneReset(broker));
        self.clients_down(turn);
        self.bind_if_due(turn);
    }

    pub(super) fn bind_if_due(&mut self, turn: &mut Turn<'_>) {
        if let Part::Client(uplink) = &mut self.part {
            let bind = uplink.bind_if_due(turn.now, self.settings.bind_retry_ms);
            turn.out.extend(bind.map(Output::Control));
        }
    }

    pub(super) fn next_binding(&mut self) -> u32 {
        self.last_binding += 1;
        self.last_binding
    }

    pub(super) fn on_frame(&mut self, lane: Lane, bytes: &[u8], turn: &mut Turn<'_>) {
        let Some(frame) = Frame::decode(bytes) else {
            return self.on_foreign(Source::Lane, turn);
        };
        self.stats.frames_received += 1;
        match &mut self.part {
            Part::Waiting | Part::Promoting(_) => {}
            Part::Client(uplink) => {
                if lane != uplink.lane() {
                    return;
                }
                let event = uplink.on_frame(frame, bytes.len());
                self.broker_lives(turn.now);
                match event {
                    UplinkEvent::Nothing => {}
                    UplinkEvent::Bound => self.clients_up(),
                    UplinkEvent::Broken => self.rebind(turn.now, turn),
                    UplinkEvent::Messages(messages) => self.on_messages(messages, turn),
                }
                self.grant_room();
            }
            Part::Broker(leadership) => {
                if lane == leadership.hosted_broker.lane(lane.tab) {
                    self.with_broker(turn, |hosted_broker, now, out| {
                        hosted_broker.on_frame(now, lane.tab, (frame, bytes.len()), out);
                    });
                }
            }
        }
    }

    fn on_messages(&mut self, messages: Vec<LaneMessage>, turn: &mut Turn<'_>) {
        for message in messages {
            match message {
                LaneMessage::Packets { connection, bytes } => {
                    // What comes late for a closed connection.
                    let Some(no) = self.connections.get(&connection).copied() else {
                        continue;
                    };
                    let version = self.endpoints.get(&no).map(Endpoint::version);
                    let version = version.unwrap_or_default();
                    let maximum = self.settings.maximum_packet_size;
                    each_packet(bytes, version, maximum, |packet| {
                        let input = match packet {
                            Ok(packet) => EndpointInput::Packet(connection, packet),
                            Err(error) => EndpointInput::Malformed(connection, error),
                        };
                        self.steps.push_back(Step::ToLocal(no, input));
                    });
                }
                LaneMessage::Closed {
                    connection,
                    reason_code,
                } => self.on_connection_closed(connection, ReasonCode::from_u8(reason_code)),
                LaneMessage::Answer { no, answer } => {
                    // It was answered already, when the lane was interrupted.
                    if self.asked.remove(&no).is_some() {
                        turn.notify(Notice::Answer(no, answer));
                    }
                }
                // Said to brokers only; and the lane hands on whole packets.
                LaneMessage::GoesOn { .. }
                | LaneMessage::Question { .. }
                | LaneMessage::Part { .. } => {}
            }
        }
    }

    /// Asks the broker for the page.
    pub(super) fn on_ask(&mut self, no: RequestId, question: Question, turn: &mut Turn<'_>) {
        let answer = match &mut self.part {
            Part::Broker(leadership) => leadership.hosted_broker.answer(&question),
            Part::Client(uplink) => {
                if uplink.ask(no, question) {
                    let due = turn.now.plus_ms(self.settings.answer_ms);
                    self.asked.insert(no, due);
                    return;
                }
                Answer::Refused(Problem::NoBroker)
            }
            Part::Waiting | Part::Promoting(_) => Answer::Refused(Problem::NoBroker),
        };
        turn.notify(Notice::Answer(no, answer));
    }

    /// The broker that was asked does not answer any more.
    fn give_up_questions(&mut self, turn: &mut Turn<'_>) {
        for (no, _) in core::mem::take(&mut self.asked).iter() {
            turn.notify(unanswered(*no));
        }
    }

    /// A frame that got lost, with the question or the answer, is noticed when the next one comes: maybe never.
    pub(super) fn give_up_old_questions(&mut self, turn: &mut Turn<'_>) {
        self.asked.retain(|no, due| {
            let is_due = *due <= turn.now;
            if is_due {
                turn.notify(unanswered(*no));
            }
            !is_due
        });
    }

    fn on_connection_closed(&mut self, connection: ConnectionNo, reason: Option<ReasonCode>) {
        let Some(no) = self.connections.remove(&connection) else {
            return;
        };
        // The broker sends DISCONNECT to clients of MQTT 5.0 only. A port of an earlier version gets it here.
        if let (EndpointNo::Port(_), Some(reason)) = (no, reason) {
            let disconnect = Packet::Disconnect(DisconnectPacket::new(reason));
            let disconnect = EndpointInput::Packet(connection, disconnect);
            self.steps.push_back(Step::ToLocal(no, disconnect));
        }
        let closed = EndpointInput::Closed(connection);
        self.steps.push_back(Step::ToLocal(no, closed));
    }
}

fn unanswered(no: RequestId) -> Notice {
    Notice::Answer(no, Answer::Refused(Problem::NoBroker))
}

// The clients.

impl Joined {
    pub(super) fn on_client_command(
        &mut self,
        no: ClientNo,
        command: ClientCommand,
        turn: &mut Turn<'_>,
    ) {
        let (settings, tab_id) = (&self.settings, self.tab_id);
        let endpoint_no = EndpointNo::Client(no);
        self.endpoints.get_or_insert_with(endpoint_no, || {
            // Two clients of one id would take each other's session over for ever.
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

    /// The page has heard all that it was told up to this mark.
    pub(super) fn on_page_acked(&mut self, mark: u64) {
        let waiting = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| match endpoint {
                Endpoint::Client(client) => client.waits_for(mark),
                Endpoint::Port(_) => false,
            });
        let heard =
            waiting.map(|(no, _)| Step::ToLocal(*no, EndpointInput::PageAcknowledged(mark)));
        self.steps.extend(heard);
    }

    /// Whether what the page is told is to be acknowledged once it has heard it.
    pub(super) fn wants_checkpoint_of_credit(&self) -> bool {
        self.clients().any(Client::wants_checkpoint_of_credit)
    }

    /// The page will say when it has heard what it was told so far.
    pub(super) fn mark(&mut self, mark: u64) {
        for endpoint in self.endpoints.values_mut() {
            if let Endpoint::Client(client) = endpoint {
                client.mark(mark);
            }
        }
    }

    /// Tells what has waited for somebody of the page to hear it.
    pub(super) fn send_kept(&mut self, turn: &mut Turn<'_>) {
        let waiting = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| match endpoint {
                Endpoint::Client(client) => client.has_kept(),
                Endpoint::Port(_) => false,
            });
        let waiting: Vec<EndpointNo> = waiting.map(|(no, _)| *no).collect();
        for no in waiting {
            self.with_endpoint(no, turn, |endpoint, _, out| {
                if let Endpoint::Client(client) = endpoint {
                    client.send_kept(out);
                }
            });
        }
    }

    fn clients(&self) -> impl Iterator<Item = &Client> {
        self.endpoints
            .values()
            .filter_map(|endpoint| match endpoint {
                Endpoint::Client(client) => Some(client),
                Endpoint::Port(_) => None,
            })
    }

    pub(super) fn on_port(&mut self, no: PortNo, input: PortInput, turn: &mut Turn<'_>) {
        let endpoint_no = EndpointNo::Port(no);
        if input == PortInput::Closed {
            self.ended.remove(&no);
        }
        if input == PortInput::Opened {
            let default_id = format!("tab-{}-port-{}", self.tab_id, no.0);
            let port = Port::new(self.settings.clone(), default_id);
            self.endpoints.insert(endpoint_no, Endpoint::Port(port));
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

    /// There is a broker to talk to.
    pub(super) fn clients_up(&mut self) {
        let wanted = self.endpoints.iter().filter(|(_, it)| it.is_wanted());
        let wanted: Vec<EndpointNo> = wanted.map(|(no, _)| *no).collect();
        for no in wanted {
            self.connect(no);
        }
    }

    /// The broker is out of reach, and all connections with it.
    pub(super) fn clients_down(&mut self, turn: &mut Turn<'_>) {
        self.give_up_questions(turn);
        self.connections.clear();
        // What is still on its way between clients and that broker.
        self.steps.clear();
        self.to_broker_bytes = 0;
        self.short_of_room = false;
        for no in self.endpoints.keys() {
            let down = Step::ToLocal(*no, EndpointInput::Down);
            self.steps.push_back(down);
        }
    }

    /// Gives a client a connection if there is a broker; if not, [`Self::clients_up`] will.
    fn connect(&mut self, no: EndpointNo) {
        let broker = match &self.part {
            Part::Broker(leadership) => (leadership.hosted_broker.term, self.tab_id),
            Part::Client(uplink) if uplink.is_bound() => (uplink.lane().term, uplink.broker()),
            Part::Client(_) | Part::Waiting | Part::Promoting(_) => return,
        };
        self.last_connection += 1;
        let connection = ConnectionNo(self.last_connection);
        self.connections.insert(connection, no);
        let up = EndpointInput::Up(broker, connection);
        self.steps.push_back(Step::ToLocal(no, up));
    }

    pub(super) fn run_steps(&mut self, turn: &mut Turn<'_>) {
        while let Some(step) = self.steps.pop_front() {
            match step {
                Step::ToLocal(no, input) => {
                    self.with_endpoint(no, turn, |endpoint, now, out| {
                        endpoint.handle(now, input, out)
                    });
                }
                Step::ToBroker(connection, what) => {
                    if let ToBroker::Packet(_, packet) = &what {
                        let cost = self.cost(packet);
                        self.to_broker_bytes = self.to_broker_bytes.saturating_sub(cost);
                    }
                    self.tell_broker(connection, what, turn);
                }
            }
        }
    }

    /// What a packet costs on the way to the broker, if it is one that waits for room there.
    fn cost(&self, packet: &Packet) -> usize {
        match packet {
            Packet::Publish(publish) => client::cost_to_broker(publish, &self.settings),
            _ => 0,
        }
    }

    /// How many bytes of messages the way to the broker takes now.
    fn room(&self) -> usize {
        match &self.part {
            Part::Waiting | Part::Promoting(_) => 0,
            Part::Client(uplink) => uplink.room().saturating_sub(self.to_broker_bytes),
            // There is no way.
            Part::Broker(_) => usize::MAX,
        }
    }

    /// Lets those go on that wait for room, if there is some: first the one after whoever was first the last time.
    fn grant_room(&mut self) {
        // For less it is not worth to wake them.
        if !self.short_of_room || self.room() < self.settings.to_broker_window_bytes / 4 {
            return;
        }
        self.short_of_room = false;
        let wanting = self.endpoints.iter().filter(|(_, it)| it.wants_room());
        let mut wanting: Vec<EndpointNo> = wanting.map(|(no, _)| *no).collect();
        let first = wanting.partition_point(|no| Some(*no) <= self.served_last);
        let turns = first.checked_rem(wanting.len()).unwrap_or_default();
        wanting.rotate_left(turns);
        self.served_last = wanting.first().copied();
        let room = wanting
            .into_iter()
            .map(|no| Step::ToLocal(no, EndpointInput::Room));
        self.steps.extend(room);
    }

    /// Lets the broker know whether the page comes after.
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
        let Some(endpoint) = self.endpoints.get_mut(&no) else {
            return;
        };
        let was_wanted = endpoint.is_wanted();
        let mut outputs = Vec::new();
        endpoint.set_room(room);
        act(endpoint, turn.now, &mut outputs);
        self.short_of_room |= endpoint.wants_room();
        let (is_wanted, version) = (endpoint.is_wanted(), endpoint.version());
        if endpoint.is_over() {
            self.endpoints.remove(&no);
        }
        if is_wanted != was_wanted {
            self.changed();
        }
        for output in outputs {
            match output {
                EndpointOutput::GoesOn(connection) => {
                    let goes_on = Step::ToBroker(connection, ToBroker::GoesOn);
                    self.steps.push_back(goes_on);
                }
                EndpointOutput::Send(connection, packet) => {
                    self.to_broker_bytes += self.cost(&packet);
                    let packet = ToBroker::Packet(version, packet);
                    self.steps.push_back(Step::ToBroker(connection, packet));
                }
                EndpointOutput::Again(packets) => self.stats.resent += packets as u64,
                EndpointOutput::Close(connection) => {
                    self.connections.remove(&connection);
                    let closed = Step::ToBroker(connection, ToBroker::Closed);
                    self.steps.push_back(closed);
                }
                EndpointOutput::Reconnect => self.connect(no),
                EndpointOutput::Silent => self.on_silent(no, turn),
                EndpointOutput::Notify(notice) => {
                    if let EndpointNo::Client(no) = no {
                        turn.notify(Notice::Client(no, notice));
                    }
                }
                EndpointOutput::ToPort(output) => {
                    if let EndpointNo::Port(no) = no
                        && !self.ended.contains(&no)
                    {
                        turn.out.push(Output::Port(no, output));
                    }
                }
            }
        }
    }

    /// The broker does not answer a client.
    fn on_silent(&mut self, no: EndpointNo, turn: &mut Turn<'_>) {
        match &self.part {
            // Frames got lost, or the broker is stuck: either way no other client fares better.
            Part::Client(_) => self.rebind(turn.now, turn),
            Part::Waiting | Part::Promoting(_) | Part::Broker(_) => self.connect(no),
        }
    }

    fn tell_broker(&mut self, connection: ConnectionNo, what: ToBroker, turn: &mut Turn<'_>) {
        match &mut self.part {
            Part::Waiting | Part::Promoting(_) => {}
            Part::Client(uplink) => {
                if let Err(error) = uplink.push(connection, &what) {
                    self.on_not_encodable(error, turn);
                }
            }
            Part::Broker(_) => self.with_broker(turn, |hosted_broker, now, out| {
                hosted_broker.on_own_packet(now, connection, what, out);
            }),
        }
    }

    fn on_not_encodable(&mut self, error: codec::EncodeError, turn: &mut Turn<'_>) {
        self.event_seldom("encode", turn, || {
            EventKind::Runtime(format!("A packet could not be sent: {error}"))
        });
    }
}

// The broker in this tab.

impl Joined {
    /// A tab has opened its end of a lane.
    pub(super) fn on_bind(&mut self, lane: Lane, binding: u32, turn: &mut Turn<'_>) {
        if lane.tab == self.tab_id {
            return;
        }
        self.watch(lane.tab, turn);
        let Part::Broker(leadership) = &self.part else {
            return;
        };
        if leadership.hosted_broker.lane(lane.tab) == lane {
            if leadership.watched.contains(&lane.tab) {
                self.with_broker(turn, |hosted_broker, now, out| {
                    hosted_broker.on_bind(now, lane.tab, binding, out);
                });
            }
        } else if lane.broker == self.tab_id {
            // It believes somebody who said another term of this tab, and nobody would ever answer it on that lane.
            self.refute(turn);
        }
    }

    /// Lets the host act, if there is one, and carries out what it wants.
    pub(super) fn with_broker(
        &mut self,
        turn: &mut Turn<'_>,
        act: impl FnOnce(&mut HostedBroker, Time, &mut Vec<HostedBrokerOutput>),
    ) {
        let Part::Broker(leadership) = &mut self.part else {
            return;
        };
        let mut outputs = Vec::new();
        act(&mut leadership.hosted_broker, turn.now, &mut outputs);
        for output in outputs {
            match output {
                HostedBrokerOutput::ToOwn(connection, packet) => {
                    if let Some(no) = self.connections.get(&connection) {
                        let input = EndpointInput::Packet(connection, packet);
                        self.steps.push_back(Step::ToLocal(*no, input));
                    }
                }
                HostedBrokerOutput::CloseOwn(connection, reason) => {
                    self.on_connection_closed(connection, Some(reason));
                }
                HostedBrokerOutput::OpenLane(lane) => turn.out.push(Output::OpenLane(lane)),
                HostedBrokerOutput::Confirm(lane, frame) => {
                    self.stats.frames_sent += 1;
                    turn.out.push(Output::Post(lane, frame));
                }
                HostedBrokerOutput::CloseLane(lane) => turn.out.push(Output::CloseLane(lane)),
                HostedBrokerOutput::Broken(tab) => self.on_lane_broken(tab, turn),
                HostedBrokerOutput::Unbind(lane, binding) => {
                    turn.control(ControlMessage::Unbind { lane, binding });
                }
                HostedBrokerOutput::Persist(batch, bytes) => self.persist(batch, &bytes),
                HostedBrokerOutput::NotEncodable(error) => self.on_not_encodable(error, turn),
                HostedBrokerOutput::Event(event) => self.on_broker_event(&event, turn),
            }
        }
    }

    fn on_lane_broken(&mut self, tab: TabId, turn: &mut Turn<'_>) {
        self.stats.lane_resets += 1;
        self.event_seldom("lane", turn, || EventKind::LaneReset(tab));
    }

    fn on_broker_event(&mut self, event: &BrokerEvent, turn: &mut Turn<'_>) {
        let kind = || EventKind::Broker(event.to_string());
        match event {
            BrokerEvent::MessageDropped { .. } => self.event_seldom("dropped", turn, kind),
            BrokerEvent::Refused { .. } | BrokerEvent::PublishRefused { .. } => {
                self.event_seldom("refused", turn, kind);
            }
            BrokerEvent::Connected { .. }
            | BrokerEvent::Disconnected { .. }
            | BrokerEvent::Interrupted { .. }
            | BrokerEvent::NotBack { .. }
            | BrokerEvent::SessionExpired { .. }
            | BrokerEvent::Subscribed { .. }
            | BrokerEvent::Unsubscribed { .. }
            | BrokerEvent::WillPublished { .. } => turn.event(kind()),
        }
    }
}
