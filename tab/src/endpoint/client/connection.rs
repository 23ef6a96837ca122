//! A client's connection: how it begins, resumes with another broker, and ends.

use broker::packet::connack::ConnAckPacket;
use broker::packet::disconnect::DisconnectPacket;
use broker::{Packet, PropertyId, PropertyValue, ReasonCode, Time};

use super::readers::For;
use super::subscribe::Request;
use super::{Client, Connected, State, notify_status, published, refuse};
use crate::api::{ClientStatus, ConnectOptions, DisconnectCause, Problem, RetainHandling, Term};
use crate::endpoint::EndpointOutput;
use crate::endpoint::cost::cost;
use crate::endpoint::packets;
use crate::protocol::frame::ConnectionNo;
use crate::protocol::names::TabId;

impl Client {
    pub(super) fn on_connect(&mut self, options: ConnectOptions, out: &mut Vec<EndpointOutput>) {
        self.hang_up(ReasonCode::Success, out);
        self.forget(&Problem::Replaced, out);
        if let Err(code) = self.check_connect(&options) {
            return self.give_up(DisconnectCause::Refused(code.into()), out);
        }
        self.wanted = Some(options);
        out.push(notify_status(ClientStatus::Waiting));
        out.push(EndpointOutput::Reconnect);
    }

    pub(super) fn on_disconnect(&mut self, with_will: bool, out: &mut Vec<EndpointOutput>) {
        if self.wanted.is_none() {
            return;
        }
        let reason = if with_will {
            ReasonCode::DisconnectWithWillMessage
        } else {
            ReasonCode::Success
        };
        self.hang_up(reason, out);
        self.give_up(DisconnectCause::Requested, out);
    }

    /// Whether a broker could accept this CONNECT.
    fn check_connect(&self, options: &ConnectOptions) -> Result<(), ReasonCode> {
        match self.check(&self.connect_packet(options)) {
            Ok(()) => Ok(()),
            Err(Problem::TooLarge { .. }) => Err(ReasonCode::PacketTooLarge),
            Err(_) => Err(ReasonCode::MalformedPacket),
        }
    }

    fn connect_packet(&self, options: &ConnectOptions) -> Packet {
        let client_id = if options.client_id.is_empty() {
            &self.default_id
        } else {
            &options.client_id
        };
        Packet::Connect(Box::new(packets::connect(
            options,
            client_id,
            self.starts_clean(options),
            self.has_session,
            self.settings.receive_maximum,
            self.settings.maximum_packet_size,
        )))
    }

    /// Only the first CONNECT starts a clean session. The later ones keep it.
    fn starts_clean(&self, options: &ConnectOptions) -> bool {
        options.clean_start && !self.has_session
    }

    pub(super) fn on_up(
        &mut self,
        now: Time,
        broker: (Term, TabId),
        connection: ConnectionNo,
        out: &mut Vec<EndpointOutput>,
    ) {
        let options = self.wanted.as_ref().filter(|_| self.connection().is_none());
        let Some(options) = options else {
            return out.push(EndpointOutput::close(connection));
        };
        let packet = self.connect_packet(options);
        let until = now.plus_ms(self.settings.connect_timeout_ms);
        self.state = State::Connecting(connection, broker, until);
        out.push(notify_status(ClientStatus::Connecting));
        self.unanswered_since = None;
        self.send(now, packet, out);
    }

    pub(super) fn on_down(&mut self, out: &mut Vec<EndpointOutput>) {
        if self.connection().is_some() {
            out.push(notify_status(ClientStatus::Waiting));
        }
        self.is_unsure |= matches!(self.state, State::Connecting(..));
        self.be_offline();
    }

    fn be_offline(&mut self) {
        self.state = State::Offline;
        self.unanswered_since = None;
    }

    pub(super) fn on_closed(&mut self, now: Time, out: &mut Vec<EndpointOutput>) {
        let pause_ms = self.settings.reconnect_ms << self.attempts.min(5);
        self.attempts = self.attempts.saturating_add(1);
        self.is_unsure |= matches!(self.state, State::Connecting(..));
        self.be_offline();
        self.state = State::Pausing(now.plus_ms(pause_ms));
        out.push(notify_status(ClientStatus::Waiting));
    }

    pub(super) fn on_timeout(&mut self, now: Time, out: &mut Vec<EndpointOutput>) {
        self.renew_refused(now, out);
        if self.next_of_connection().is_none_or(|due| due > now) {
            return;
        }
        match &mut self.state {
            State::Pausing(_) => {
                self.state = State::Offline;
                out.push(EndpointOutput::Reconnect);
            }
            State::Connected(connected) if connected.ping_sent.is_none() => {
                connected.ping_sent = Some(now);
                self.send(now, Packet::PingReq, out);
            }
            State::Connecting(..) | State::Connected(_) => {
                out.extend(self.connection().map(EndpointOutput::close));
                self.on_down(out);
                out.push(EndpointOutput::Silent);
            }
            State::Offline => {}
        }
    }

    pub(super) fn on_connack(
        &mut self,
        now: Time,
        packet: &ConnAckPacket,
        out: &mut Vec<EndpointOutput>,
    ) {
        let (State::Connecting(connection, broker, _), Some(options)) = (&self.state, &self.wanted)
        else {
            return self.fail(ReasonCode::ProtocolError, out);
        };
        let (connection, broker) = (*connection, *broker);
        let (term, _) = broker;
        // [MQTT-3.2.2-2]
        if packet.session_present && self.starts_clean(options) {
            return self.fail(ReasonCode::ProtocolError, out);
        }
        if packet.reason_code != ReasonCode::Success {
            self.state = State::Offline;
            out.push(EndpointOutput::close(connection));
            let cause = DisconnectCause::Refused(packet.reason_code.into());
            return self.give_up(cause, out);
        }
        let properties = &packet.properties;
        let keep_alive = properties
            .get_server_keep_alive()
            .unwrap_or(options.keep_alive);
        let client_id = match properties.get(PropertyId::AssignedClientIdentifier) {
            Some(PropertyValue::Utf8String(assigned)) => assigned.clone(),
            _ if options.client_id.is_empty() => self.default_id.clone(),
            _ => options.client_id.clone(),
        };
        self.state = State::Connected(Connected {
            connection,
            keep_alive_ms: u64::from(keep_alive) * 1000,
            last_sent: now,
            ping_sent: None,
            receive_maximum: properties.get_receive_maximum().unwrap_or(u16::MAX),
            maximum_packet_size: properties.get_maximum_packet_size().unwrap_or(u32::MAX),
            unsent: 0,
        });
        self.has_session = true;
        // Without a database there may be two brokers at once. A broker to which this client returns has an outdated
        // session, and so may one with a lower term.
        let is_another = self.last_broker.replace(broker) != Some(broker);
        let is_earlier = self.highest_term >= Some(term);
        self.highest_term = self.highest_term.max(Some(term));
        let is_unsure = core::mem::take(&mut self.is_unsure) || is_another && is_earlier;
        self.attempts = 0;
        out.push(notify_status(ClientStatus::Connected {
            client_id,
            session_present: packet.session_present,
            term,
        }));
        if packet.session_present {
            self.resume(now, is_unsure, out);
        } else {
            self.start_over(now, out);
        }
        for request in core::mem::take(&mut self.waiting_requests) {
            self.send_request(now, request, out);
        }
    }

    /// The broker has the session: resumes it. [MQTT-4.4.0-1]
    ///
    /// A CONNECT whose CONNACK got lost may have begun that session, without subscriptions. So they are renewed, which
    /// changes nothing if they exist.
    fn resume(&mut self, now: Time, is_unsure: bool, out: &mut Vec<EndpointOutput>) {
        if let State::Connected(connected) = &mut self.state {
            connected.unsent = self.in_flight.len();
        }
        self.inbox.resume();
        let requests = self.take_requests();
        if is_unsure {
            return self.renew(now, RetainHandling::SendIfNew, requests, out);
        }
        self.readers.be_unanswered();
        for request in requests {
            self.send_unless_of_readers(now, request, out);
        }
        if !self.refused.is_empty() {
            self.renewing_at = Some(now);
        }
        self.ask_for_readers(now, RetainHandling::SendAtSubscribe, For::New, out);
    }

    /// Renews subscriptions, and repeats unanswered requests.
    fn renew(
        &mut self,
        now: Time,
        at_most: RetainHandling,
        unanswered: Vec<Request>,
        out: &mut Vec<EndpointOutput>,
    ) {
        self.readers.start_over();
        self.refused.clear();
        self.renewing_at = None;
        for batch in self.renewals(at_most) {
            self.send_request(now, Request::Renew(batch), out);
        }
        for request in unanswered {
            if !matches!(request, Request::Renew(_)) {
                self.send_unless_of_readers(now, request, out);
            }
        }
        self.ask_for_readers(now, at_most, For::All, out);
    }

    /// Repeats an unanswered request. Requests of readers are built anew from their current state.
    fn send_unless_of_readers(
        &mut self,
        now: Time,
        request: Request,
        out: &mut Vec<EndpointOutput>,
    ) {
        if !matches!(request, Request::Read { .. }) {
            self.send_request(now, request, out);
        }
    }

    /// Subscribes to filters of readers that were not sent yet.
    fn ask_for_readers(
        &mut self,
        now: Time,
        at_most: RetainHandling,
        whom: For,
        out: &mut Vec<EndpointOutput>,
    ) {
        for (topic_filter, wanted) in self.readers.due() {
            let own = self.subscriptions.get(&topic_filter);
            let own = own
                .filter(|_| whom == For::All)
                .map(|it| it.retain_handling);
            let wanted = [Some(wanted), own];
            let handling = if wanted.contains(&Some(RetainHandling::SendAtSubscribe)) {
                at_most
            } else if wanted.contains(&Some(RetainHandling::SendIfNew)) {
                RetainHandling::SendIfNew
            } else {
                RetainHandling::DoNotSend
            };
            self.ask_for(now, &topic_filter, handling, whom, out);
        }
    }

    /// The broker has no session of this client: subscribes and publishes unacknowledged messages anew.
    fn start_over(&mut self, now: Time, out: &mut Vec<EndpointOutput>) {
        self.inbox.lose_session();
        let mut again = 0;
        for in_flight in core::mem::take(&mut self.in_flight).into_iter().rev() {
            self.packet_ids.remove(&in_flight.packet_id);
            if let Some(reason_code) = in_flight.received {
                // The previous broker had accepted the message with its PUBREC.
                out.push(published(in_flight.request, reason_code));
            } else {
                let mut packet = in_flight.packet;
                packet.dup = false;
                again += 1;
                self.waiting_bytes += cost(&packet);
                self.waiting.push_front((in_flight.request, packet));
            }
        }
        out.push(EndpointOutput::Resent(again));
        let requests = self.take_requests();
        self.renew(now, RetainHandling::SendAtSubscribe, requests, out);
    }

    pub(super) fn on_broker_disconnect(
        &mut self,
        packet: &DisconnectPacket,
        out: &mut Vec<EndpointOutput>,
    ) {
        if let Some(connection) = self.connection() {
            out.push(EndpointOutput::close(connection));
        }
        self.state = State::Offline;
        let cause = DisconnectCause::ByBroker(packet.reason_code.into());
        self.give_up(cause, out);
    }

    /// Sends DISCONNECT, if there is a connection.
    pub(super) fn hang_up(&mut self, reason_code: ReasonCode, out: &mut Vec<EndpointOutput>) {
        if let Some(connection) = self.connection() {
            // DISCONNECT may precede CONNACK: the broker may have the CONNECT and its will already. [MQTT-3.1.4-5]
            let packet = Packet::Disconnect(DisconnectPacket::new(reason_code));
            out.push(EndpointOutput::send(connection, packet));
            out.push(EndpointOutput::close(connection));
        }
        self.be_offline();
    }

    /// The broker violated the protocol. Another attempt would be useless.
    pub(super) fn fail(&mut self, reason_code: ReasonCode, out: &mut Vec<EndpointOutput>) {
        self.hang_up(reason_code, out);
        self.give_up(DisconnectCause::BrokerError(reason_code.into()), out);
    }

    /// Disconnects until the page's next command.
    pub(super) fn give_up(&mut self, cause: DisconnectCause, out: &mut Vec<EndpointOutput>) {
        self.wanted = None;
        self.be_offline();
        self.forget(&Problem::NotConnected, out);
        out.push(notify_status(ClientStatus::Disconnected(cause)));
    }

    /// Discards the session at this end, and refuses the waiting requests.
    pub(super) fn forget(&mut self, problem: &Problem, out: &mut Vec<EndpointOutput>) {
        self.has_session = false;
        self.is_unsure = false;
        self.last_broker = None;
        self.highest_term = None;
        self.attempts = 0;
        self.subscriptions.clear();
        self.refused.clear();
        self.renewing_at = None;
        self.readers.clear();
        self.inbox.clear();
        self.packet_ids.clear();
        for in_flight in self.in_flight.drain(..) {
            refuse(in_flight.request, problem.clone(), out);
        }
        self.waiting_bytes = 0;
        for (request, _) in self.waiting.drain(..) {
            refuse(request, problem.clone(), out);
        }
        let waiting = core::mem::take(&mut self.waiting_requests);
        for request in self.take_requests().into_iter().chain(waiting) {
            self.refuse_request(request, problem, out);
        }
        self.gathered.clear();
    }
}
