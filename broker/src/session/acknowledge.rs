//! PUBACK, PUBREC and PUBCOMP from a client, and what it may be sent after them.

use crate::connection::ConnectionState;
use crate::packet::puback::PubAckPacket;
use crate::packet::pubcomp::PubCompPacket;
use crate::packet::pubrec::PubRecPacket;
use crate::packet::pubrel::PubRelPacket;
use crate::session::outbound::PubRecOutcome;
use crate::{Broker, CloseReason, ConnId, Output, Packet, ReasonCode, SessionId, Time};

impl Broker {
    /// A client becomes congested, or accepts messages again.
    pub(crate) fn on_congested(
        &mut self,
        now: Time,
        conn: ConnId,
        is_congested: bool,
        out: &mut Vec<Output>,
    ) {
        let Some(&ConnectionState::Client(id)) = self.connections.get(&conn) else {
            return;
        };
        let session = &mut self.sessions[id];
        if let Some(connection) = &mut session.connection {
            connection.is_congested = is_congested;
        }
        let log = &mut self.persistence.journal.of(session.number);
        session.pump(&self.config, now, &mut self.stats, log, out);
        self.sessions.recount(id);
        self.queue_catch_up(id);
    }

    /// Repeats the unacknowledged messages to a reconnected client, in order, and then sends queued ones.
    /// [MQTT-4.4.0-1]
    pub(crate) fn redeliver(&mut self, now: Time, id: SessionId, out: &mut Vec<Output>) {
        let session = &mut self.sessions[id];
        let release = session.outbound.resume();
        if let Some(connection) = &session.connection {
            // PUBREL is smaller than the CONNACK that the client accepted.
            out.extend(release.into_iter().map(|packet_id| {
                Output::Send(
                    connection.conn,
                    Packet::PubRel(PubRelPacket::new(packet_id)),
                )
            }));
        }
        let log = &mut self.persistence.journal.of(session.number);
        session.pump(&self.config, now, &mut self.stats, log, out);
        self.queue_catch_up(id);
    }

    /// PUBACK: the flow of a QoS 1 message ends, with any reason code.
    pub(crate) fn on_puback(
        &mut self,
        now: Time,
        id: SessionId,
        puback: &PubAckPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let session = &mut self.sessions[id];
        let log = &mut self.persistence.journal.of(session.number);
        session.outbound.puback(puback.packet_id, log)?;
        session.pump(&self.config, now, &mut self.stats, log, out);
        self.queue_catch_up(id);
        Ok(())
    }

    /// PUBREC: releases a QoS 2 message. [MQTT-4.3.3-4]
    pub(crate) fn on_pubrec(
        &mut self,
        now: Time,
        id: SessionId,
        pubrec: &PubRecPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let session = &mut self.sessions[id];
        let log = &mut self.persistence.journal.of(session.number);
        let packet_id = pubrec.packet_id;
        let outcome = session
            .outbound
            .pubrec(packet_id, pubrec.reason_code, log)?;
        let pubrel = match outcome {
            PubRecOutcome::Release => PubRelPacket::new(packet_id),
            PubRecOutcome::Unknown => {
                PubRelPacket::new_with_reason(packet_id, ReasonCode::PacketIdentifierNotFound)
            }
            PubRecOutcome::Over => {
                session.pump(&self.config, now, &mut self.stats, log, out);
                self.queue_catch_up(id);
                return Ok(());
            }
        };
        session.answer(Packet::PubRel(pubrel), out)
    }

    /// PUBCOMP: the flow of a QoS 2 message ends.
    pub(crate) fn on_pubcomp(
        &mut self,
        now: Time,
        id: SessionId,
        pubcomp: &PubCompPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let session = &mut self.sessions[id];
        let log = &mut self.persistence.journal.of(session.number);
        session.outbound.pubcomp(pubcomp.packet_id, log)?;
        session.pump(&self.config, now, &mut self.stats, log, out);
        self.queue_catch_up(id);
        Ok(())
    }
}
