//! Packets of the client.

use broker::codec::{DecodeError, ProtocolVersion};
use broker::packet::connack::ConnAckPacket;
use broker::packet::connect::ConnectPacket;
use broker::{Packet, ReasonCode, Time};

use super::{Port, PortOutput, State};
use crate::endpoint::EndpointOutput;
use crate::endpoint::cost::cost_to_broker;

impl Port {
    pub(super) fn on_client_packet(
        &mut self,
        now: Time,
        packet: Packet,
        out: &mut Vec<EndpointOutput>,
    ) {
        match (packet, self.state) {
            (Packet::Connect(connect), State::New) => self.on_connect(connect, out),
            (_, State::New) => self.close(Some(ReasonCode::ProtocolError), out),
            (packet, State::Connected(_)) => {
                let packet = self.without_alias(packet);
                match packet {
                    // The last packets need no room.
                    Packet::Disconnect(_) => self.room = usize::MAX,
                    // These packets overtake waiting ones, so that exchanges continue. MQTT requires no order between
                    // them.
                    Packet::PubAck(_)
                    | Packet::PubRec(_)
                    | Packet::PubRel(_)
                    | Packet::PubComp(_)
                    | Packet::PingReq
                    | Packet::Auth(_) => return self.send(now, packet, out),
                    _ => {}
                }
                self.waiting.push_back(packet);
                self.send_waiting(now, out);
            }
            (packet, _) => {
                let packet = self.without_alias(packet);
                self.keep(packet, out);
            }
        }
    }

    fn on_connect(&mut self, mut connect: Box<ConnectPacket>, out: &mut Vec<EndpointOutput>) {
        self.version = ProtocolVersion::of(&connect);
        // The broker refuses the other cases. [MQTT-3.1.3-8]
        let may_lack_id = match self.version {
            ProtocolVersion::V5 => true,
            ProtocolVersion::V311 => connect.clean_start,
            ProtocolVersion::V31 => false,
        };
        if connect.client_id.is_empty() && may_lack_id {
            connect.client_id.clone_from(&self.default_id);
            self.id_is_assigned = true;
        }
        self.connect = Some(connect);
        self.state = State::Waiting;
        out.push(EndpointOutput::Reconnect);
    }

    /// Keeps a packet until there is a broker.
    fn keep(&mut self, packet: Packet, out: &mut Vec<EndpointOutput>) {
        match packet {
            Packet::PingReq if self.is_accepted => self.pass_to_client(Packet::PingResp, out),
            // The next broker repeats the packets that these answer.
            Packet::PubAck(_) | Packet::PubRec(_) | Packet::PubComp(_) if self.is_accepted => {
                let _ = self.answers.answered(packet, None);
            }
            Packet::Disconnect(_) if self.is_accepted => {
                self.waiting.push_back(packet);
                match self.connection() {
                    Some(connection) => self.leave(connection, out),
                    None => self.state = State::Leaving,
                }
                out.push(EndpointOutput::ToPort(PortOutput::Closed(None)));
            }
            Packet::Disconnect(_) => {
                out.extend(self.connection().map(EndpointOutput::close));
                self.close(None, out);
            }
            // AUTH precedes CONNACK, which waits for it. [MQTT-4.12.0-2]
            Packet::Auth(_) => match self.connection() {
                Some(connection) => out.push(EndpointOutput::send(connection, packet)),
                None => self.waiting.push_back(packet),
            },
            packet => self.waiting.push_back(packet),
        }
    }

    /// Sends a packet of the client.
    pub(super) fn send(&mut self, now: Time, packet: Packet, out: &mut Vec<EndpointOutput>) {
        let State::Connected(connection) = self.state else {
            return self.waiting.push_front(packet);
        };
        if let Packet::PubAck(_) | Packet::PubRec(_) | Packet::PubComp(_) = packet {
            let answers = self.answers.answered(packet, Some(connection)).into_iter();
            out.extend(answers.map(|answer| EndpointOutput::send(connection, answer)));
            return;
        }
        if matches!(packet, Packet::PingReq) {
            self.pings += 1;
        }
        if self.requests.sent(&packet) || matches!(packet, Packet::PingReq) {
            self.unanswered_since.get_or_insert(now);
        }
        let is_last = matches!(packet, Packet::Disconnect(_));
        if let Packet::Publish(publish) = &packet {
            let cost = cost_to_broker(publish, &self.settings);
            self.room = self.room.saturating_sub(cost);
        }
        out.push(EndpointOutput::send(connection, packet));
        if is_last {
            out.push(EndpointOutput::close(connection));
            self.close(None, out);
        }
    }

    /// Replaces a topic alias by its topic.
    fn without_alias(&mut self, packet: Packet) -> Packet {
        let Packet::Publish(mut publish) = packet else {
            return packet;
        };
        if let Some(alias) = publish.properties.get_topic_alias()
            && (1..=self.alias_maximum).contains(&alias)
        {
            let known = self.aliases.get(&alias);
            if !publish.topic_name.is_empty() {
                self.aliases.insert(alias, publish.topic_name.clone());
                publish.properties.remove_topic_alias();
            } else if let Some(topic) = known {
                publish.topic_name.clone_from(topic);
                publish.properties.remove_topic_alias();
            }
        }
        // An invalid alias is left to the broker, which answers with the right reason code.
        Packet::Publish(publish)
    }

    pub(super) fn on_malformed(&mut self, error: &DecodeError, out: &mut Vec<EndpointOutput>) {
        if self.state == State::New && matches!(error, DecodeError::InConnect(_)) {
            let connack = ConnAckPacket::new(false, error.reason_code());
            self.pass_to_client(Packet::ConnAck(connack), out);
            return self.close(Some(error.reason_code()), out);
        }
        self.fail(error.reason_code(), out);
    }
}
