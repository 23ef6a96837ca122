//! Packets of the broker.

use core::hash::BuildHasher;

use broker::codec::ProtocolVersion;
use broker::packet::connack::ConnAckPacket;
use broker::packet::disconnect::DisconnectPacket;
use broker::packet::publish::PublishPacket;
use broker::{Packet, ReasonCode, SeededState, Time};

use super::answers::{Asked, Came};
use super::{Port, State};
use crate::endpoint::EndpointOutput;

impl Port {
    pub(super) fn on_broker_packet(
        &mut self,
        now: Time,
        packet: Packet,
        out: &mut Vec<EndpointOutput>,
    ) {
        let is_answer = !matches!(
            packet,
            Packet::Publish(_) | Packet::PubRel(_) | Packet::Disconnect(_)
        );
        self.pass_on(now, packet, out);
        if is_answer && self.connection().is_some() {
            let owes = self.pings > 0 || !self.requests.is_empty();
            self.unanswered_since = owes.then_some(now);
        }
    }

    fn pass_on(&mut self, now: Time, packet: Packet, out: &mut Vec<EndpointOutput>) {
        match packet {
            Packet::ConnAck(connack) => self.on_connack(now, connack, out),
            Packet::Publish(publish) => self.on_publish(publish, out),
            Packet::PubRel(pubrel) => {
                let came =
                    self.answers
                        .came(pubrel.packet_id, Asked::Release, self.connection(), false);
                self.pass_unless_known(came, Packet::PubRel(pubrel), out);
            }
            Packet::PingResp => {
                self.pings = self.pings.saturating_sub(1);
                self.pass_to_client(Packet::PingResp, out);
            }
            Packet::Disconnect(packet) => {
                out.extend(self.connection().map(EndpointOutput::close));
                let reason_code = packet.reason_code;
                self.send_disconnect(packet, out);
                self.close(Some(reason_code), out);
            }
            packet => {
                let packet = self.requests.answered(packet);
                self.pass_to_client(packet, out);
            }
        }
    }

    fn on_connack(&mut self, now: Time, mut packet: ConnAckPacket, out: &mut Vec<EndpointOutput>) {
        let State::Connecting(connection, _) = self.state else {
            return self.fail(ReasonCode::ProtocolError, out);
        };
        let is_success = packet.reason_code == ReasonCode::Success;
        // MQTT 3.1 has no Session Present flag. A resumed connection is accepted only with its session.
        let is_present = packet.session_present || self.version == ProtocolVersion::V31;
        match (self.is_accepted, is_success) {
            (true, true) if is_present => self.resume(now, connection, out),
            (true, true) => {
                // The session is lost. The client has to start anew, and the broker's new session ends.
                let good_bye = DisconnectPacket::new(ReasonCode::Success);
                let good_bye = Packet::Disconnect(good_bye);
                out.push(EndpointOutput::send(connection, good_bye));
                self.fail(ReasonCode::ServerShuttingDown, out);
            }
            (true, false) => {
                // The broker does not have the session. Only a CONNACK can report that.
                let reason = match packet.reason_code {
                    ReasonCode::ServerUnavailable => ReasonCode::ServerShuttingDown,
                    reason => reason,
                };
                self.fail(reason, out);
            }
            (false, true) => {
                if self.id_is_assigned && self.version == ProtocolVersion::V5 {
                    let id = self.default_id.clone();
                    packet.properties.set_assigned_client_identifier(id);
                }
                let maximum = packet.properties.get_topic_alias_maximum();
                self.alias_maximum = maximum.unwrap_or_default();
                self.is_accepted = true;
                self.state = State::Connected(connection);
                self.pass_to_client(Packet::ConnAck(packet), out);
                self.send_waiting(now, out);
            }
            (false, false) => {
                let reason_code = packet.reason_code;
                self.pass_to_client(Packet::ConnAck(packet), out);
                out.push(EndpointOutput::close(connection));
                self.close(Some(reason_code), out);
            }
        }
    }

    fn on_publish(&mut self, publish: PublishPacket, out: &mut Vec<EndpointOutput>) {
        let came = match publish.packet_id {
            Some(packet_id) => {
                if !publish.dup {
                    // An identifier without DUP is free: the answer has arrived, or this broker does not know the
                    // earlier exchange.
                    self.answers.forget(packet_id);
                }
                // The digest excludes the topic: a topic alias may replace it the first time.
                let digests = SeededState::new(&self.settings.seed);
                let asked = Asked::Publish(digests.hash_one(&publish.payload));
                self.answers
                    .came(packet_id, asked, self.connection(), publish.dup)
            }
            None => Came::New,
        };
        self.pass_unless_known(came, Packet::Publish(publish), out);
    }

    /// Passes a packet to the client, unless the client has it from an earlier broker. Then its answer is enough.
    fn pass_unless_known(&mut self, came: Came, packet: Packet, out: &mut Vec<EndpointOutput>) {
        match (came, self.connection()) {
            (Came::New, _) => self.pass_to_client(packet, out),
            (Came::Known(answers), Some(connection)) => {
                let answers = answers.into_iter();
                out.extend(answers.map(|answer| EndpointOutput::send(connection, answer)));
            }
            (Came::Known(_), None) => {}
        }
    }
}
