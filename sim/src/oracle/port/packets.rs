//! Checks the packets that a port gets.

use broker::packet::publish::PublishPacket;
use broker::{Packet, ReasonCode};
use tab::api::QoS;
use tab::{PortNo, TabId, Time};

use super::{ERRORS, Pending, Port, Subscribed, qos_of};
use crate::client_key::ClientKey;
use crate::oracle::client::Stream;
use crate::oracle::message::{Kind, Moment, Published};
use crate::oracle::{Oracle, PACKET_IDENTIFIER_IN_USE, TabView};
use crate::plan::Guarantee;
use crate::violation::Violation;
use crate::workload::message_id::{ID_PROPERTY, MessageId};

impl Port {
    /// A SUBACK arrived. Returns the requested QoS, or `None` if no SUBSCRIBE is pending.
    fn subscribed(&mut self, now: Moment, packet_id: u16, codes: &[u8]) -> Option<QoS> {
        let Some(Pending::Subscribe(qos)) = self.requests.remove(&packet_id) else {
            return None;
        };
        let made = self
            .subscriptions
            .iter_mut()
            .find(|made| made.packet_id == Some(packet_id));
        if let Some(made) = made {
            made.packet_id = None;
            made.granted = (codes == [qos as u8]).then_some(now);
        }
        Some(qos)
    }

    /// An UNSUBACK arrived. Returns whether an UNSUBSCRIBE is pending.
    fn unsubscribed(&mut self, now: Moment, packet_id: u16, is_granted: bool) -> bool {
        let Some(Pending::Unsubscribe(filter)) = self.requests.remove(&packet_id) else {
            return false;
        };
        let its = self.subscriptions.iter_mut();
        // A later SUBSCRIBE for the same filter is not affected.
        let is_meant = |it: &Subscribed| it.endings.contains(&packet_id);
        let its = its.filter(|it| it.filter == filter && is_meant(it) && is_granted);
        its.for_each(|it| it.until = it.until.or(Some(now)));
        true
    }
}

impl Oracle {
    /// A packet goes to the client.
    pub(crate) fn on_port_packet(
        &mut self,
        now: Time,
        tab: TabId,
        no: PortNo,
        packet: &Packet,
    ) -> Result<(), Violation> {
        let now = self.moment(now);
        let key = ClientKey::of_port(tab, no);
        let may_be_full = self.may_be_full(now);
        let is_damaged = self.damaged_term.is_some();
        let followed = self.tabs.get(&tab).and_then(TabView::followed);
        let port = self.port((tab, no));
        let port = port.ok_or(Violation::PortPacketAfterClose { port: key })?;
        let named = || format!("{packet:?}");
        let unasked = || Violation::PortUnexpectedPacket {
            port: key,
            packet: named(),
        };
        // The record of a release may be damaged, so that the next broker considers the identifier in use.
        let may_be_refused = |code| may_be_full || is_damaged && code == PACKET_IDENTIFIER_IN_USE;
        let refused = |code: u8| match code >= ERRORS && !may_be_refused(code) {
            true => Err(Violation::PortRefused {
                port: key,
                packet: named(),
            }),
            false => Ok(()),
        };
        match packet {
            Packet::ConnAck(it) => {
                if !core::mem::take(&mut port.is_connecting) || it.session_present {
                    return Err(unasked());
                }
                refused(u8::from(it.reason_code))?;
                if it.reason_code == ReasonCode::Success {
                    port.accepted = Some(followed);
                    port.is_certain = !may_be_full;
                }
                Ok(())
            }
            Packet::PubAck(it) => {
                refused(u8::from(it.reason_code))?;
                match port.requests.remove(&it.packet_id) {
                    Some(Pending::Publish(id, QoS::AtLeastOnce)) => {
                        self.on_port_published(now, id, u8::from(it.reason_code))
                    }
                    _ => Err(unasked()),
                }
            }
            Packet::PubRec(it) => {
                let code = u8::from(it.reason_code);
                refused(code)?;
                match port.requests.remove(&it.packet_id) {
                    Some(Pending::Publish(id, QoS::ExactlyOnce)) => {
                        if code < ERRORS {
                            port.requests.insert(it.packet_id, Pending::Received);
                        }
                        self.on_port_published(now, id, code)
                    }
                    _ => Err(unasked()),
                }
            }
            Packet::PubComp(it) => match port.requests.remove(&it.packet_id) {
                // A broker that lost the record of the exchange does not know it. A broker with a disk does not know it
                // either, if it resumed an older session than that of the previous broker without a disk.
                Some(Pending::Release)
                    if self.loss_term.is_some() || self.plan.disk.unavailable_per_mille > 0 =>
                {
                    Ok(())
                }
                Some(Pending::Release) => refused(u8::from(it.reason_code)),
                _ => Err(unasked()),
            },
            Packet::SubAck(it) => {
                let codes: Vec<u8> = it.reason_codes.iter().map(|it| *it as u8).collect();
                let qos = port.subscribed(now, it.packet_id, &codes);
                let qos = qos.ok_or_else(unasked)?;
                self.tally.port_subscriptions_answered += 1;
                match codes[..] {
                    [code] if code == qos as u8 => Ok(()),
                    [code] if code >= ERRORS => refused(code),
                    _ => Err(unasked()),
                }
            }
            Packet::UnsubAck(it) => {
                let codes = it.reason_codes.iter().map(|it| *it as u8);
                let failure = codes.max().filter(|code| *code >= ERRORS);
                let is_expected = port.unsubscribed(now, it.packet_id, failure.is_none());
                is_expected.then_some(()).ok_or_else(unasked)?;
                self.tally.port_subscriptions_answered += 1;
                failure.map_or(Ok(()), refused)
            }
            Packet::PingResp => {
                port.pings = port.pings.checked_sub(1).ok_or_else(unasked)?;
                self.tally.port_pings_answered += 1;
                Ok(())
            }
            Packet::PubRel(it) => {
                port.received.remove(&it.packet_id);
                port.uncertain.remove(&it.packet_id);
                Ok(())
            }
            Packet::Disconnect(it) => {
                port.reason = Some(u8::from(it.reason_code));
                Ok(())
            }
            Packet::Publish(it) => self.on_port_message(key, (tab, no), it),
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::Auth(_) => Err(unasked()),
        }
    }

    /// A publication of a port was answered.
    fn on_port_published(&mut self, now: Moment, id: MessageId, code: u8) -> Result<(), Violation> {
        let term = self.term();
        let Some(published) = self.messages.get_mut(&id) else {
            return Ok(());
        };
        if code >= ERRORS {
            published.abandon(now);
            return Ok(());
        }
        published.acknowledge(now, term);
        self.tally.port_publications_acknowledged += 1;
        let of_this_broker = term.filter(|term| published.is_of(*term));
        self.add_port_obligations(id);
        match (self.plan.guarantee, of_this_broker) {
            (Guarantee::Durable, _) => self.add_durable_obligations(now, id)?,
            (Guarantee::Memory, Some(term)) => self.add_timed_obligations(now, id, term, None),
            (Guarantee::Memory, None) | (Guarantee::Recovery, _) => {}
        }
        Ok(())
    }

    fn on_port_message(
        &mut self,
        key: ClientKey,
        port: (TabId, PortNo),
        message: &PublishPacket,
    ) -> Result<(), Violation> {
        let guarantee = self.plan.guarantee;
        let term = self.term();
        let is_damaged = self.damaged_term.is_some();
        let loss_term = self.loss_term;
        let id = message.properties.get_user_property_value(ID_PROPERTY);
        let id = id.and_then(|id| id.parse().ok());
        let Some(id) = id.or_else(|| MessageId::all_in(&message.payload).next()) else {
            // In MQTT 3.1.1, nothing identifies a message without a payload.
            return match message.payload.is_empty() {
                true => Ok(()),
                false => Err(Violation::UnknownMessage {
                    client: key,
                    topic: message.topic_name.clone(),
                }),
            };
        };
        let Some(published) = self.messages.get(&id) else {
            return Err(Violation::UnknownMessage {
                client: key,
                topic: message.topic_name.clone(),
            });
        };
        let Some(view) = self.tabs.get_mut(&port.0) else {
            return Ok(());
        };
        // The broker may have sent it before the log was damaged or removed.
        let may_be_forgotten = loss_term
            .is_some_and(|loss_term| view.notified_term.is_none_or(|term| term <= loss_term));
        let Some(port) = view.ports.get_mut(&port.1) else {
            return Ok(());
        };
        let client = key;
        let qos = check_message(client, id, message, published, port, guarantee)?;
        // A broker that lost a damaged record does not know that the identifier is in use.
        if let (QoS::AtLeastOnce, Some(packet_id), true) = (qos, message.packet_id, is_damaged) {
            port.received.remove(&packet_id);
        }
        // The client has the message, and its PUBREC has not reached the broker yet.
        if let (QoS::ExactlyOnce, Some(packet_id)) = (qos, message.packet_id) {
            if !port.received.insert(packet_id) {
                return Ok(());
            }
            if may_be_forgotten {
                port.uncertain.insert(packet_id);
            }
        }
        match qos {
            QoS::AtMostOnce => self.tally.port_deliveries_qos0 += 1,
            QoS::AtLeastOnce => self.tally.port_deliveries_qos1 += 1,
            QoS::ExactlyOnce => self.tally.port_deliveries_qos2 += 1,
        }
        if message.retain {
            return match published.publication.retain {
                true => Ok(()),
                false => Err(Violation::WrongRetainFlag {
                    client,
                    message: id,
                }),
            };
        }
        if port.obligations.remove(&id) {
            self.tally.port_obligations_met += 1;
        }
        let is_first = !port.has_got(id);
        *port.copies.entry((id, qos)).or_default() += 1;
        let is_late = qos == QoS::AtMostOnce && published.may_come_late(term);
        if !is_first || published.kind != Kind::Publish || published.is_resent() || is_late {
            return Ok(());
        }
        let stream = Stream {
            publisher: published.publisher,
            topic: message.topic_name.clone(),
            published: published.publication.qos,
            delivered: qos,
        };
        let last = port.order.insert(stream, id);
        if let Some(after) = last {
            self.tally.port_orders_compared += 1;
            if after > id {
                view.out_of_order.push((client, id, after));
            }
        }
        Ok(())
    }

    /// A message that arrived at a port after a later one must have been sent again. The publisher may be in the same
    /// tab, whose notices of the second transmission come later in the same turn.
    pub(crate) fn check_port_order(&mut self, tab: TabId) -> Result<(), Violation> {
        let view = self.tabs.get_mut(&tab);
        let out_of_order = view.map(|view| core::mem::take(&mut view.out_of_order));
        for (client, message, after) in out_of_order.unwrap_or_default() {
            if !self
                .messages
                .get(&message)
                .is_some_and(Published::is_resent)
            {
                return Err(Violation::OutOfOrder {
                    client,
                    message,
                    after,
                });
            }
        }
        Ok(())
    }
}

/// Checks the content, the publisher and the QoS of a message. Returns its QoS.
fn check_message(
    client: ClientKey,
    id: MessageId,
    message: &PublishPacket,
    published: &Published,
    port: &Port,
    guarantee: Guarantee,
) -> Result<QoS, Violation> {
    if message.topic_name != published.publication.topic
        || message.payload != published.publication.payload
    {
        return Err(Violation::MessageAltered {
            client,
            message: id,
        });
    }
    if published.kind == (Kind::Will { is_due: false }) && guarantee != Guarantee::Recovery {
        return Err(Violation::UnexpectedWill {
            client,
            message: id,
        });
    }
    let qos = qos_of(message.qos);
    let Some(granted) = port.granted(published) else {
        return Err(Violation::DeliveredWithoutSubscription {
            client,
            message: id,
            topic: message.topic_name.clone(),
        });
    };
    if qos > granted.min(published.publication.qos) {
        return Err(Violation::QoSTooHigh {
            client,
            message: id,
            qos,
        });
    }
    Ok(qos)
}
