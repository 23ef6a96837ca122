//! PUBACK, PUBREC and PUBCOMP from a client, and what it may be sent after them.

use crate::connection::ConnectionState;
use crate::packet::puback::PubAckPacket;
use crate::packet::pubcomp::PubCompPacket;
use crate::packet::pubrec::PubRecPacket;
use crate::packet::pubrel::PubRelPacket;
use crate::session::outbound::PubRecOutcome;
use crate::{Broker, CloseReason, ConnId, Output, Packet, ReasonCode, SessionId, Time};

impl Broker {
    /// The way to a client is full, or has room again: then it gets what has waited.
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
        session.pump(now, &mut self.stats, log, out);
        self.queue_catch_up(id);
    }

    /// Sends a client that came back what it has not acknowledged, in order, and then what waits. [MQTT-4.4.0-1]
    pub(crate) fn redeliver(&mut self, now: Time, id: SessionId, out: &mut Vec<Output>) {
        let session = &mut self.sessions[id];
        let release = session.outbound.resume();
        if let Some(connection) = &session.connection {
            // Smaller than the CONNACK which the client just took.
            out.extend(release.into_iter().map(|packet_id| {
                Output::Send(
                    connection.conn,
                    Packet::PubRel(PubRelPacket::new(packet_id)),
                )
            }));
        }
        let log = &mut self.persistence.journal.of(session.number);
        session.pump(now, &mut self.stats, log, out);
        self.queue_catch_up(id);
    }

    /// The client has a QoS 1 message, or refuses it; either way it is over.
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
        session.pump(now, &mut self.stats, log, out);
        self.queue_catch_up(id);
        Ok(())
    }

    /// The client has a QoS 2 message: releases it. [MQTT-4.3.3-4]
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
                session.pump(now, &mut self.stats, log, out);
                self.queue_catch_up(id);
                return Ok(());
            }
        };
        session.answer(Packet::PubRel(pubrel), out)
    }

    /// The client has forgotten the identifier of a QoS 2 message, and so does the session.
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
        session.pump(now, &mut self.stats, log, out);
        self.queue_catch_up(id);
        Ok(())
    }
}
