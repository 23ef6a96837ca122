//! Messages on their way from the broker to whoever hears them in the page.
//!
//! What is acknowledged is the page's: so nothing is, before the page says that it has heard it. And what comes for the client
//! itself while nobody hears it waits here, such as the messages of a session that goes on before the page has got to
//! listening.

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

/// Messages with QoS 0 that wait for somebody to hear them, at most; the oldest make room.
const QOS_0_KEPT_MAX: usize = 1_000;

/// What has come and is not acknowledged.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Messages under way at most.
    receive_maximum: usize,
    /// Whether somebody hears what comes for the client itself.
    is_heard: bool,
    /// What nobody hears yet, the oldest first.
    kept: VecDeque<Kept>,
    /// What the page is told, in this order.
    told: VecDeque<Told>,
    /// What the page has heard, and the broker is to be told as soon as it sends it once more: it was another connection.
    heard: Vec<Ack>,
    /// Whether something of these may be of an earlier connection.
    has_earlier: bool,
    /// QoS 2 messages received and not released: the packet identifier and the digest of each.
    received: Map<u16, u64>,
    /// Whether somebody may want what is kept now.
    is_due: bool,
    /// Whether the page has been told that nothing more comes.
    is_stuck: bool,
}

#[derive(Debug)]
struct Kept {
    message: Message,
    /// Whether readers have got it, or need not: then it waits for the client itself. Else nobody has wanted it so far.
    is_read: bool,
    ack: Option<Ack>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ack {
    /// On which it came last.
    connection: ConnectionNo,
    packet_id: u16,
    qos: QoS,
    /// Of the message, to tell it from another one that a broker sends under its packet identifier.
    digest: u64,
}

#[derive(Debug)]
struct Told {
    /// The mark after it, once there is one.
    mark: Option<u64>,
    ack: Ack,
}

impl Inbox {
    pub(super) fn new(receive_maximum: u16) -> Self {
        Self {
            receive_maximum: usize::from(receive_maximum),
            is_heard: true,
            kept: VecDeque::new(),
            told: VecDeque::new(),
            heard: Vec::new(),
            has_earlier: false,
            received: Map::new(),
            is_due: false,
            is_stuck: false,
        }
    }

    /// Whether somebody hears what comes for the client itself.
    pub(super) fn listen(&mut self, is_heard: bool) {
        self.is_heard = is_heard;
        self.is_due |= is_heard;
    }

    /// Somebody reads a filter from now on.
    pub(super) fn expect_reader(&mut self) {
        self.is_due = true;
    }

    /// The broker has lost the session: it waits for no acknowledgement any more.
    pub(super) fn lose_session(&mut self) {
        self.told.clear();
        self.heard.clear();
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

    /// The broker sends what it may have sent on an earlier connection. A packet identifier alone does not say that it did: a broker
    /// that has lost a damaged record gives its identifier to another message.
    fn again(&mut self, ack: Ack) -> Again {
        let is_it = |it: &Ack| (it.packet_id, it.digest) == (ack.packet_id, ack.digest);
        let told = self.told.iter_mut().map(|it| &mut it.ack);
        let kept = self.kept.iter_mut().filter_map(|it| it.ack.as_mut());
        if let Some(waiting) = told.chain(kept).find(|it| is_it(it)) {
            *waiting = ack;
            return Again::Waits;
        }
        if let Some(index) = self.heard.iter().position(is_it) {
            self.heard.remove(index);
            return Again::Heard;
        }
        // Only its acknowledgement got lost.
        if ack.qos == QoS::ExactlyOnce && self.received.get(&ack.packet_id) == Some(&ack.digest) {
            return Again::Heard;
        }
        Again::Unknown
    }

    /// Another message comes under this packet identifier: the broker waits for no acknowledgement of an earlier one.
    fn forget(&mut self, ack: Ack) {
        if !self.has_earlier {
            return;
        }
        let is_other = |it: &Ack| it.packet_id != ack.packet_id;
        self.told.retain(|it| is_other(&it.ack));
        self.heard.retain(is_other);
        for kept in &mut self.kept {
            kept.ack = kept.ack.filter(is_other);
        }
        let is_earlier = |it: &Ack| it.connection != ack.connection;
        let told = self.told.iter().map(|it| &it.ack);
        let kept = self.kept.iter().filter_map(|it| it.ack.as_ref());
        let mut all = told.chain(kept).chain(&self.heard);
        self.has_earlier = all.any(is_earlier);
    }

    /// The session goes on with another connection.
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
    /// It waits to be heard.
    Waits,
    /// The page has heard it.
    Heard,
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
                    Again::Heard => return self.acknowledge(now, ack, out),
                    Again::Unknown => {}
                }
            }
            // It is another message than the one that was received under its identifier: the session may be another one, too.
            // [MQTT-3.3.1-1]
            self.inbox.forget(ack);
            if ack.qos == QoS::ExactlyOnce {
                self.inbox.received.insert(ack.packet_id, ack.digest);
            }
        }
        // What has waited comes before it.
        if self.has_kept() {
            self.send_kept(out);
        }
        self.deliver(now, packets::message(packet, now), ack, out);
    }

    /// Tells whoever wants a message, or keeps it until somebody does.
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
            // It is of the client's own, or of an earlier life of its session, of which nobody knows whose it was: all who want
            // such messages get it.
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
            is_own: route.is_own && self.inbox.is_heard,
            readers: route.readers,
        };
        if route.is_own && !self.inbox.is_heard {
            let is_read = route.is_known || !audience.readers.is_empty();
            if !audience.readers.is_empty() {
                out.push(told(message.clone(), audience));
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
            // It came for a reader that has left.
            return ack.map_or((), |ack| self.settle(now, ack, out));
        }
        out.push(told(message, audience));
        let told = ack.map(|ack| Told { mark: None, ack });
        self.inbox.told.extend(told);
    }

    /// Whether the client itself has subscribed to a topic, with one of these filters.
    fn has_subscribed(&self, topic: &str, is_one: impl Fn(&str) -> bool) -> bool {
        let mut filters = self.subscriptions.keys();
        filters.any(|it| is_one(it) && topic_matches(it, topic))
    }

    /// Whether a message that no reader has asked for is for the client itself, too: it listens, or will, having subscribed.
    fn is_for_itself(&self, topic: &str, readers: &[ReaderNo]) -> bool {
        readers.is_empty()
            || self.inbox.is_heard
            || self.has_subscribed(topic, |_| true)
            || self.is_subscribing(topic)
    }

    /// Whether somebody may hear what has waited for that.
    pub(crate) fn has_kept(&self) -> bool {
        self.inbox.is_due && !self.inbox.kept.is_empty()
    }

    /// Tells what has waited to those who hear it now.
    pub(crate) fn send_kept(&mut self, out: &mut Vec<EndpointOutput>) {
        self.inbox.is_due = false;
        for mut kept in core::mem::take(&mut self.inbox.kept) {
            let topic = &kept.message.topic;
            let readers = match kept.is_read {
                true => Vec::new(),
                false => self.readers.matching(topic),
            };
            let is_own = kept.is_read || self.is_for_itself(topic, &readers);
            let waits_on = is_own && !self.inbox.is_heard;
            if waits_on {
                if !readers.is_empty() {
                    kept.is_read = true;
                    let is_own = false;
                    out.push(told(kept.message.clone(), Audience { is_own, readers }));
                }
                self.inbox.kept.push_back(kept);
                continue;
            }
            out.push(told(kept.message, Audience { is_own, readers }));
            let told = kept.ack.map(|ack| Told { mark: None, ack });
            self.inbox.told.extend(told);
        }
        if self.inbox.kept.is_empty() {
            self.inbox.is_stuck = false;
        }
    }

    /// Whether something was told since the last mark that is to be acknowledged.
    pub(crate) fn wants_credit_checkpoint(&self) -> bool {
        self.inbox.told.back().is_some_and(|it| it.mark.is_none())
    }

    /// The page will say when it has heard what it was told so far.
    pub(crate) fn on_credit_checkpoint(&mut self, mark: u64) {
        let unmarked = self.inbox.told.iter_mut().rev();
        for told in unmarked.take_while(|it| it.mark.is_none()) {
            told.mark = Some(mark);
        }
    }

    /// Whether something is to be acknowledged once the page has come as far as this mark.
    pub(crate) fn waits_for(&self, mark: u64) -> bool {
        let first = self.inbox.told.front().and_then(|it| it.mark);
        first.is_some_and(|first| first <= mark)
    }

    pub(super) fn on_heard(&mut self, now: Time, mark: u64, out: &mut Vec<EndpointOutput>) {
        while self.waits_for(mark)
            && let Some(told) = self.inbox.told.pop_front()
        {
            self.settle(now, told.ack, out);
        }
    }

    /// Acknowledges what came on this connection; what came on an earlier one the broker sends again.
    fn settle(&mut self, now: Time, ack: Ack, out: &mut Vec<EndpointOutput>) {
        if self.connection() == Some(ack.connection) {
            self.acknowledge(now, ack, out);
        } else {
            self.inbox.heard.push(ack);
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

    /// Whether a QoS 2 message of this packet identifier was received; it is released.
    pub(super) fn release(&mut self, packet_id: u16) -> bool {
        self.inbox.received.remove(&packet_id).is_some()
    }
}

fn told(message: Message, audience: Audience) -> EndpointOutput {
    EndpointOutput::Notify(ClientNotice::Message(message, audience))
}
