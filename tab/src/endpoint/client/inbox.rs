//! Inbox: messages on their way from the broker to the page.
//!
//! The page has to process a message before it is acknowledged. A client's own messages wait here while the page does
//! not listen, for example those of a resumed session.

use broker::packet::puback::PubAckPacket;
use broker::packet::publish::PublishPacket;
use broker::packet::pubrec::PubRecPacket;
use broker::sorted::Map;
use broker::{Packet, QoS, SeededState, Time, topic_matches};
use core::hash::BuildHasher;
use std::collections::VecDeque;

use super::Client;
use super::readers::IDENTIFIER_MIN;
use crate::api::{Audience, ClientNotice, Message, ReaderNo};
use crate::endpoint::EndpointOutput;
use crate::endpoint::packets;
use crate::protocol::frame::ConnectionNo;

/// Maximum number of QoS 0 messages that wait for a listener. The oldest are dropped.
const QOS_0_KEPT_MAX: usize = 1_000;

/// Received and not acknowledged messages.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Receive Maximum.
    receive_maximum: usize,
    /// Whether the page listens to the client's own messages.
    has_listeners: bool,
    /// Messages without a listener, the oldest first.
    kept: VecDeque<Kept>,
    /// Notices for the page, in order.
    notified: VecDeque<Notified>,
    /// Messages that the page has processed, but whose acknowledgement belonged to an earlier connection. They are
    /// acknowledged when the broker repeats them.
    processed: Vec<Ack>,
    /// Whether some of these may belong to an earlier connection.
    has_earlier: bool,
    /// Received and unreleased QoS 2 messages: packet identifier and digest.
    received: Map<u16, u64>,
    /// Whether a kept message may have a listener now.
    is_due: bool,
    /// Whether the page knows that no more messages arrive.
    is_stuck: bool,
}

#[derive(Debug)]
struct Kept {
    message: Message,
    /// Whether readers have got it, or need not. Then it waits for the client's own listener. Otherwise no listener was
    /// found.
    is_read: bool,
    ack: Option<Ack>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ack {
    /// The last connection that carried it.
    connection: ConnectionNo,
    packet_id: u16,
    qos: QoS,
    /// Digest of the message, which distinguishes it from another one with the same packet identifier.
    digest: u64,
}

#[derive(Debug)]
struct Notified {
    /// The credit checkpoint after it, once there is one.
    checkpoint: Option<u64>,
    ack: Ack,
}

impl Inbox {
    pub(super) fn new(receive_maximum: u16) -> Self {
        Self {
            receive_maximum: usize::from(receive_maximum),
            has_listeners: true,
            kept: VecDeque::new(),
            notified: VecDeque::new(),
            processed: Vec::new(),
            has_earlier: false,
            received: Map::new(),
            is_due: false,
            is_stuck: false,
        }
    }

    /// Sets whether the page listens to the client's own messages.
    pub(super) fn listen(&mut self, has_listeners: bool) {
        self.has_listeners = has_listeners;
        self.is_due |= has_listeners;
    }

    /// A reader was added.
    pub(super) fn expect_reader(&mut self) {
        self.is_due = true;
    }

    /// The broker has lost the session and waits for no acknowledgement.
    pub(super) fn lose_session(&mut self) {
        self.notified.clear();
        self.processed.clear();
        self.received.clear();
        for kept in &mut self.kept {
            kept.ack = None;
        }
    }

    pub(super) fn clear(&mut self) {
        self.lose_session();
        self.kept.clear();
        self.is_stuck = false;
    }

    /// Handles a message that an earlier connection may have carried. The packet identifier alone does not prove that:
    /// a broker with a damaged log may reuse it.
    fn again(&mut self, ack: Ack) -> Again {
        let is_it = |it: &Ack| (it.packet_id, it.digest) == (ack.packet_id, ack.digest);
        let notified = self.notified.iter_mut().map(|it| &mut it.ack);
        let kept = self.kept.iter_mut().filter_map(|it| it.ack.as_mut());
        if let Some(waiting) = notified.chain(kept).find(|it| is_it(it)) {
            *waiting = ack;
            return Again::Waits;
        }
        if let Some(index) = self.processed.iter().position(is_it) {
            self.processed.remove(index);
            return Again::Processed;
        }
        // Only its acknowledgement got lost.
        if ack.qos == QoS::ExactlyOnce && self.received.get(&ack.packet_id) == Some(&ack.digest) {
            return Again::Processed;
        }
        Again::Unknown
    }

    /// Another message has this packet identifier: the broker waits for no acknowledgement of the earlier one.
    fn forget(&mut self, ack: Ack) {
        if !self.has_earlier {
            return;
        }
        let is_other = |it: &Ack| it.packet_id != ack.packet_id;
        self.notified.retain(|it| is_other(&it.ack));
        self.processed.retain(is_other);
        for kept in &mut self.kept {
            kept.ack = kept.ack.filter(is_other);
        }
        let is_earlier = |it: &Ack| it.connection != ack.connection;
        let notified = self.notified.iter().map(|it| &it.ack);
        let kept = self.kept.iter().filter_map(|it| it.ack.as_ref());
        let mut all = notified.chain(kept).chain(&self.processed);
        self.has_earlier = all.any(is_earlier);
    }

    /// The session continues on another connection.
    pub(super) fn resume(&mut self) {
        self.has_earlier = true;
    }

    fn keep(&mut self, kept: Kept) -> bool {
        self.kept.push_back(kept);
        let is_qos_0 = |it: &Kept| it.message.qos == crate::api::QoS::AtMostOnce;
        if self.kept.iter().filter(|it| is_qos_0(it)).count() > QOS_0_KEPT_MAX
            && let Some(oldest) = self.kept.iter().position(is_qos_0)
        {
            self.kept.remove(oldest);
        }
        let waiting = self.kept.iter().filter(|it| it.ack.is_some()).count();
        waiting >= self.receive_maximum && !core::mem::replace(&mut self.is_stuck, true)
    }
}

enum Again {
    /// It waits for a listener.
    Waits,
    /// The page has processed it.
    Processed,
    Unknown,
}

impl Client {
    pub(super) fn on_message(
        &mut self,
        now: Time,
        packet: PublishPacket,
        out: &mut Vec<EndpointOutput>,
    ) {
        let ack = self.connection().and_then(|connection| {
            let packet_id = packet.packet_id?;
            let qos = packet.qos;
            (qos != QoS::AtMostOnce).then(|| Ack {
                connection,
                packet_id,
                qos,
                digest: SeededState::new(&self.settings.seed)
                    .hash_one((&packet.topic_name, &packet.payload)),
            })
        });
        if let Some(ack) = ack {
            if packet.dup {
                match self.inbox.again(ack) {
                    Again::Waits => return,
                    Again::Processed => return self.acknowledge(now, ack, out),
                    Again::Unknown => {}
                }
            }
            // Another message has the identifier, so the session may be another one, too. [MQTT-3.3.1-1]
            self.inbox.forget(ack);
            if ack.qos == QoS::ExactlyOnce {
                self.inbox.received.insert(ack.packet_id, ack.digest);
            }
        }
        // Kept messages precede it.
        if self.has_kept() {
            self.send_kept(out);
        }
        self.deliver(now, packets::message(packet, now), ack, out);
    }

    /// Notifies the listeners of a message, or keeps it until there is one.
    fn deliver(
        &mut self,
        now: Time,
        mut message: Message,
        ack: Option<Ack>,
        out: &mut Vec<EndpointOutput>,
    ) {
        let mut route = self.readers.route(&message, &self.subscriptions);
        if route.is_known {
            let is_plain = |it: &str| !it.starts_with("$share/");
            route.is_own |= route.is_common && self.has_subscribed(&message.topic, is_plain);
        } else {
            // It is the client's own, or of an earlier session state whose readers are unknown: all listeners of such
            // messages get it.
            route.readers = self.readers.matching(&message.topic);
            route.is_own = self.is_for_itself(&message.topic, &route.readers);
        }
        let identifiers = &mut message.subscription_identifiers;
        let own = &self.subscriptions;
        let is_own = |identifier| own.values().any(|it| it.identifier == Some(identifier));
        identifiers.retain(|it| *it < IDENTIFIER_MIN || is_own(*it));
        identifiers.extend(route.identifiers);
        broker::sorted::sort_by_key(identifiers, |it| *it);
        identifiers.dedup();
        let audience = Audience {
            is_own: route.is_own && self.inbox.has_listeners,
            readers: route.readers,
        };
        if route.is_own && !self.inbox.has_listeners {
            let is_read = route.is_known || !audience.readers.is_empty();
            if !audience.readers.is_empty() {
                out.push(notified(message.clone(), audience));
            }
            let kept = Kept {
                message,
                is_read,
                ack,
            };
            if self.inbox.keep(kept) {
                out.push(EndpointOutput::Notify(ClientNotice::Unheard));
            }
            return;
        }
        if !route.is_own && audience.readers.is_empty() {
            // Its reader was removed.
            return ack.map_or((), |ack| self.finish(now, ack, out));
        }
        out.push(notified(message, audience));
        let notified = ack.map(|ack| Notified {
            checkpoint: None,
            ack,
        });
        self.inbox.notified.extend(notified);
    }

    /// Whether one of the client's own filters matches a topic.
    fn has_subscribed(&self, topic: &str, is_one: impl Fn(&str) -> bool) -> bool {
        let mut filters = self.subscriptions.keys();
        filters.any(|it| is_one(it) && topic_matches(it, topic))
    }

    /// Whether a message without a reader is the client's own: the page listens, or the client has subscribed.
    fn is_for_itself(&self, topic: &str, readers: &[ReaderNo]) -> bool {
        readers.is_empty()
            || self.inbox.has_listeners
            || self.has_subscribed(topic, |_| true)
            || self.is_subscribing(topic)
    }

    /// Whether a kept message may have a listener.
    pub(crate) fn has_kept(&self) -> bool {
        self.inbox.is_due && !self.inbox.kept.is_empty()
    }

    /// Notifies new listeners of kept messages.
    pub(crate) fn send_kept(&mut self, out: &mut Vec<EndpointOutput>) {
        self.inbox.is_due = false;
        for mut kept in core::mem::take(&mut self.inbox.kept) {
            let topic = &kept.message.topic;
            let readers = match kept.is_read {
                true => Vec::new(),
                false => self.readers.matching(topic),
            };
            let is_own = kept.is_read || self.is_for_itself(topic, &readers);
            let waits_on = is_own && !self.inbox.has_listeners;
            if waits_on {
                if !readers.is_empty() {
                    kept.is_read = true;
                    let is_own = false;
                    out.push(notified(kept.message.clone(), Audience { is_own, readers }));
                }
                self.inbox.kept.push_back(kept);
                continue;
            }
            out.push(notified(kept.message, Audience { is_own, readers }));
            let notified = kept.ack.map(|ack| Notified {
                checkpoint: None,
                ack,
            });
            self.inbox.notified.extend(notified);
        }
        if self.inbox.kept.is_empty() {
            self.inbox.is_stuck = false;
        }
    }

    /// Whether a notice since the last checkpoint has to be acknowledged.
    pub(crate) fn wants_credit_checkpoint(&self) -> bool {
        self.inbox
            .notified
            .back()
            .is_some_and(|it| it.checkpoint.is_none())
    }

    /// The page will acknowledge all notices so far with this checkpoint.
    pub(crate) fn on_credit_checkpoint(&mut self, checkpoint: u64) {
        let without_checkpoint = self.inbox.notified.iter_mut().rev();
        for notified in without_checkpoint.take_while(|it| it.checkpoint.is_none()) {
            notified.checkpoint = Some(checkpoint);
        }
    }

    /// Whether messages wait for the page's acknowledgement of this checkpoint.
    pub(crate) fn waits_for(&self, checkpoint: u64) -> bool {
        let first = self.inbox.notified.front().and_then(|it| it.checkpoint);
        first.is_some_and(|first| first <= checkpoint)
    }

    pub(super) fn on_page_acked(
        &mut self,
        now: Time,
        checkpoint: u64,
        out: &mut Vec<EndpointOutput>,
    ) {
        while self.waits_for(checkpoint)
            && let Some(notified) = self.inbox.notified.pop_front()
        {
            self.finish(now, notified.ack, out);
        }
    }

    /// Acknowledges messages of this connection. The broker repeats those of an earlier one.
    fn finish(&mut self, now: Time, ack: Ack, out: &mut Vec<EndpointOutput>) {
        if self.connection() == Some(ack.connection) {
            self.acknowledge(now, ack, out);
        } else {
            self.inbox.processed.push(ack);
        }
    }

    fn acknowledge(&mut self, now: Time, ack: Ack, out: &mut Vec<EndpointOutput>) {
        let packet = match ack.qos {
            QoS::AtMostOnce => return,
            QoS::AtLeastOnce => Packet::PubAck(PubAckPacket::new(ack.packet_id)),
            QoS::ExactlyOnce => Packet::PubRec(PubRecPacket::new(ack.packet_id)),
        };
        self.send(now, packet, out);
    }

    /// Releases a QoS 2 message. Returns whether it was received.
    pub(super) fn release(&mut self, packet_id: u16) -> bool {
        self.inbox.received.remove(&packet_id).is_some()
    }
}

fn notified(message: Message, audience: Audience) -> EndpointOutput {
    EndpointOutput::Notify(ClientNotice::Message(message, audience))
}
