//! Publications of a client.

use broker::packet::puback::PubAckPacket;
use broker::packet::pubcomp::PubCompPacket;
use broker::packet::pubrec::PubRecPacket;
use broker::packet::pubrel::PubRelPacket;
use broker::{Packet, QoS, ReasonCode, Time, TopicName};

use super::{Client, InFlight, State, published, refuse};
use crate::api::{Problem, Publication, RequestId};
use crate::endpoint::EndpointOutput;
use crate::endpoint::cost::cost;
use crate::endpoint::packets;

impl Client {
    pub(super) fn on_publish(
        &mut self,
        now: Time,
        request: RequestId,
        publication: Publication,
        out: &mut Vec<EndpointOutput>,
    ) {
        if self.wanted.is_none() {
            return refuse(request, Problem::NotConnected, out);
        }
        if let Err(why) = self.check_topic(&publication.topic) {
            return refuse(request, Problem::Topic(why), out);
        }
        let packet = packets::publish(publication);
        if let Err(problem) = self.check(&Packet::Publish(packet.clone())) {
            return refuse(request, problem, out);
        }
        let maximum = self.settings.waiting_bytes_max;
        if self.waiting_bytes + cost(&packet) > maximum && !self.waiting.is_empty() {
            return refuse(request, Problem::TooMuchWaiting, out);
        }
        self.waiting_bytes += cost(&packet);
        self.waiting.push_back((request, packet));
        self.send_waiting(now, out);
    }

    /// The broker has the same limits. It would end the connection for a QoS 0 message that exceeds them, because it has no other
    /// answer to it.
    fn check_topic(&self, topic: &str) -> Result<(), String> {
        TopicName::parse(topic).map_err(|error| error.to_string())?;
        let (bytes, bytes_max) = (topic.len(), self.settings.topic_bytes_max);
        if bytes > bytes_max {
            return Err(format!(
                "{bytes} bytes, and a topic has at most {bytes_max}"
            ));
        }
        let levels_max = self.settings.topic_levels_max;
        // Every level but the first takes at least a byte, so most topics need no count.
        if bytes >= levels_max {
            let levels = topic.split('/').count();
            if levels > levels_max {
                return Err(format!(
                    "{levels} levels, and a topic has at most {levels_max}"
                ));
            }
        }
        Ok(())
    }

    /// Sends as much as the broker accepts: first messages that an earlier connection left unacknowledged, then waiting
    /// ones.
    pub(super) fn send_waiting(&mut self, now: Time, out: &mut Vec<EndpointOutput>) {
        while let State::Connected(connected) = &self.state {
            let unacknowledged = self.in_flight.len() - connected.unsent;
            // [MQTT-3.3.4-9]
            let may_be_unacknowledged = unacknowledged < usize::from(connected.receive_maximum);
            // A released message costs nothing, but keeps its place in the order.
            let has_room = may_be_unacknowledged && self.room > 0;
            let has_sent = if connected.unsent > 0 {
                has_room && self.send_again(now, unacknowledged, out)
            } else {
                self.send_next(now, has_room, out)
            };
            if !has_sent {
                return;
            }
        }
    }

    /// Repeats the first message that this connection has not carried yet, with its packet identifier. [MQTT-4.4.0-1]
    /// [MQTT-4.6.0-1]
    fn send_again(&mut self, now: Time, index: usize, out: &mut Vec<EndpointOutput>) -> bool {
        let Some(in_flight) = self.in_flight.get_mut(index) else {
            return false;
        };
        let packet = match in_flight.received {
            Some(_) => Packet::PubRel(PubRelPacket::new(in_flight.packet_id)),
            None => {
                in_flight.packet.dup = true;
                Packet::Publish(in_flight.packet.clone())
            }
        };
        if let Err(problem) = self.check_size(&packet) {
            if let Some(in_flight) = self.take_in_flight(index) {
                refuse(in_flight.request, problem, out);
            }
            return true;
        }
        if let State::Connected(connected) = &mut self.state {
            connected.unsent -= 1;
        }
        out.push(EndpointOutput::Resent(1));
        self.send(now, packet, out);
        true
    }

    /// Sends the first waiting message. QoS 0 messages wait as well, so that the page's order is kept.
    fn send_next(&mut self, now: Time, has_room: bool, out: &mut Vec<EndpointOutput>) -> bool {
        let Some((_, next)) = self.waiting.front() else {
            return false;
        };
        let packet_id = match next.qos {
            QoS::AtMostOnce if self.room == 0 => return false,
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce | QoS::ExactlyOnce if !has_room => return false,
            QoS::AtLeastOnce | QoS::ExactlyOnce => match self.next_packet_id() {
                Some(packet_id) => Some(packet_id),
                None => return false,
            },
        };
        let Some((request, mut packet)) = self.waiting.pop_front() else {
            return false;
        };
        self.waiting_bytes -= cost(&packet);
        packet.packet_id = packet_id;
        let in_flight = packet_id.map(|packet_id| InFlight {
            request,
            packet_id,
            packet: packet.clone(),
            received: None,
        });
        let packet = Packet::Publish(packet);
        if let Err(problem) = self.check_size(&packet) {
            if let Some(packet_id) = packet_id {
                self.packet_ids.remove(&packet_id);
            }
            refuse(request, problem, out);
            return true;
        }
        match in_flight {
            Some(in_flight) => self.in_flight.push_back(in_flight),
            None => out.push(published(request, ReasonCode::Success)),
        }
        self.send(now, packet, out);
        true
    }

    pub(super) fn on_puback(&mut self, packet: &PubAckPacket, out: &mut Vec<EndpointOutput>) {
        let index = self.position(packet.packet_id, QoS::AtLeastOnce);
        self.complete(index, packet.reason_code, out);
    }

    pub(super) fn on_pubrec(
        &mut self,
        now: Time,
        packet: &PubRecPacket,
        out: &mut Vec<EndpointOutput>,
    ) {
        let index = self.position(packet.packet_id, QoS::ExactlyOnce);
        if packet.reason_code.is_error() {
            // No PUBREL follows a failed PUBREC. [MQTT-4.3.3-4]
            return self.complete(index, packet.reason_code, out);
        }
        let answer = match index.and_then(|index| self.in_flight.get_mut(index)) {
            Some(in_flight) => {
                in_flight.received = Some(packet.reason_code);
                PubRelPacket::new(packet.packet_id)
            }
            None => PubRelPacket::new_with_reason(
                packet.packet_id,
                ReasonCode::PacketIdentifierNotFound,
            ),
        };
        self.send(now, Packet::PubRel(answer), out);
    }

    pub(super) fn on_pubcomp(&mut self, packet: &PubCompPacket, out: &mut Vec<EndpointOutput>) {
        let index = self.position(packet.packet_id, QoS::ExactlyOnce);
        let in_flight = index.and_then(|index| self.in_flight.get(index));
        // Its reason code can only say that the broker had completed the exchange before.
        if let Some(reason_code) = in_flight.and_then(|it| it.received) {
            self.complete(index, reason_code, out);
        }
    }

    fn position(&self, packet_id: u16, qos: QoS) -> Option<usize> {
        // Acknowledgements arrive in order, so this finds the first entry.
        self.in_flight
            .iter()
            .position(|it| it.packet_id == packet_id && it.packet.qos == qos)
    }

    fn complete(
        &mut self,
        index: Option<usize>,
        reason_code: ReasonCode,
        out: &mut Vec<EndpointOutput>,
    ) {
        if let Some(in_flight) = index.and_then(|index| self.take_in_flight(index)) {
            out.push(published(in_flight.request, reason_code));
        }
    }

    /// Removes a message in flight and frees its packet identifier.
    fn take_in_flight(&mut self, index: usize) -> Option<InFlight> {
        let in_flight = self.in_flight.remove(index)?;
        self.packet_ids.remove(&in_flight.packet_id);
        if let State::Connected(connected) = &mut self.state
            && index + connected.unsent > self.in_flight.len()
        {
            connected.unsent -= 1;
        }
        Some(in_flight)
    }

    pub(super) fn on_pubrel(
        &mut self,
        now: Time,
        packet: &PubRelPacket,
        out: &mut Vec<EndpointOutput>,
    ) {
        let id = packet.packet_id;
        let answer = if self.release(id) {
            PubCompPacket::new(id)
        } else {
            PubCompPacket::new_with_reason(id, ReasonCode::PacketIdentifierNotFound)
        };
        self.send(now, Packet::PubComp(answer), out);
    }
}
