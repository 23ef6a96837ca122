//! A published message, and its state at the publisher.

use tab::Time;
use tab::api::{Message, Publication, QoS, Term};

use crate::client_key::ClientKey;

/// A point in the course of the world. The step orders events at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) step: u64,
    pub(crate) at: Time,
}

/// A message, from the page's command on.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) publisher: ClientKey,
    pub(crate) publication: Publication,
    /// For a will: the time of its CONNECT.
    pub(crate) since: Moment,
    pub(crate) kind: Kind,
    /// Terms of the publisher's connections while the message was pending.
    connections: Vec<Term>,
    /// Upper bound of repeated transmissions.
    resends: u32,
    /// Upper bound of repeated publications because the broker had no session.
    restarts: u32,
    /// When it was acknowledged or abandoned.
    end: Option<Moment>,
    acknowledged: Option<Term>,
    /// Its record may be gone, even if it was acknowledged.
    pub(super) is_exempt: bool,
    /// Whether the record of the publishing session may be damaged: then the broker may not know the publisher.
    pub(super) is_publisher_unknown: bool,
    /// Whether a port published it: its tab repeats unanswered packets without the client's knowledge.
    is_of_port: bool,
}

/// The publisher of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The client.
    Publish,
    /// The broker.
    Will {
        /// Whether the client was lost, or requested the publication.
        is_due: bool,
    },
}

impl Published {
    pub(crate) fn new(
        publisher: ClientKey,
        publication: Publication,
        since: Moment,
        kind: Kind,
        connection: Option<Term>,
    ) -> Self {
        Self {
            publisher,
            publication,
            since,
            kind,
            connections: connection.into_iter().collect(),
            resends: 0,
            restarts: 0,
            end: None,
            acknowledged: None,
            is_exempt: false,
            is_publisher_unknown: false,
            is_of_port: false,
        }
    }

    /// A port publishes it while this broker leads.
    pub(crate) fn at_port(
        publisher: ClientKey,
        publication: Publication,
        since: Moment,
        term: Option<Term>,
    ) -> Self {
        Self {
            is_of_port: true,
            ..Self::new(publisher, publication, since, Kind::Publish, term)
        }
    }

    /// Whether it may have been sent and routed several times without the publisher's knowledge.
    fn may_be_repeated(&self) -> bool {
        self.is_of_port && self.publication.qos == QoS::AtLeastOnce
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.kind == Kind::Publish && self.end.is_none()
    }

    /// A CONNECT carries the will, for the first time or again.
    pub(crate) fn sent_with_connect(&mut self, may_end_session: bool) {
        if may_end_session && self.resends > 0 {
            self.kind = Kind::Will { is_due: true };
        }
        self.resends += 1;
    }

    /// The publisher has connected again.
    pub(crate) fn reconnected(&mut self, term: Term, is_resumed: bool) {
        self.connections.push(term);
        self.resends += 1;
        if !is_resumed {
            self.restarts += 1;
        }
    }

    /// The session in which it was published is over, and the publisher may not know.
    pub(crate) fn restarted(&mut self) {
        self.resends += 1;
        self.restarts += 1;
    }

    pub(crate) fn acknowledge(&mut self, now: Moment, connection: Option<Term>) {
        self.end = Some(now);
        self.acknowledged = connection;
    }

    pub(crate) fn abandon(&mut self, now: Moment) {
        self.end.get_or_insert(now);
    }

    /// Whether any broker acknowledged it.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.publication.qos != QoS::AtMostOnce && self.acknowledged.is_some() && !self.is_exempt
    }

    /// Whether any broker may have received it.
    pub(crate) fn may_have_arrived(&self) -> bool {
        self.kind == Kind::Publish && !self.connections.is_empty()
    }

    /// Whether it may have been sent on several connections, or may arrive again after later ones because its record
    /// may be gone.
    pub(crate) fn is_resent(&self) -> bool {
        self.connections.len() > 1 || self.may_be_repeated() || self.is_exempt
    }

    /// Whether its port may have sent it again to a later broker. The earlier broker may have delivered a later message
    /// with QoS 0, but dropped this one for a slow receiver.
    pub(crate) fn may_come_late(&self, term: Option<Term>) -> bool {
        let is_later = term.is_some_and(|term| !self.connections.contains(&term));
        self.is_of_port && self.publication.qos != QoS::AtMostOnce && is_later
    }

    /// Its record may be gone: it may be lost, and may arrive once more if its publisher still waits.
    pub(crate) fn exempt(&mut self) {
        self.is_exempt = true;
        self.restarted();
    }

    /// Whether only the broker of this term received it, and acknowledged it.
    pub(crate) fn is_of(&self, term: Term) -> bool {
        self.publication.qos != QoS::AtMostOnce
            && self.acknowledged == Some(term)
            && !self.connections.is_empty()
            && self.connections.iter().all(|it| *it == term)
    }

    /// Whether the broker of this term may have received it.
    pub(crate) fn may_be_of(&self, term: Term) -> bool {
        self.kind == Kind::Publish && self.connections.contains(&term)
    }

    /// Whether it may have been sent more than once to the broker of this term.
    pub(crate) fn is_resent_in(&self, term: Term) -> bool {
        self.connections.iter().filter(|it| **it == term).count() > 1 || self.may_be_repeated()
    }

    /// Time at which it had certainly reached the broker, if it ever did.
    pub(crate) fn arrived_by(&self, now: Moment) -> Time {
        const SLACK_MS: u64 = 1_000;
        let end = self.end.unwrap_or(now).at;
        let is_answered_at_arrival =
            self.publication.qos != QoS::AtMostOnce && self.acknowledged.is_some();
        end.plus_ms(if is_answered_at_arrival { 0 } else { SLACK_MS })
    }

    /// Upper bound of the copies that brokers route to a client that stays connected and gets them with this QoS.
    pub(crate) fn copies_max(&self, delivered: QoS, may_outlive_broker: bool) -> u32 {
        // A delivery with QoS 0 does not wait for the disk. The next broker may repeat it.
        let qos = match (may_outlive_broker, delivered) {
            (true, QoS::AtMostOnce) => self.publication.qos.min(QoS::AtLeastOnce),
            (true, QoS::AtLeastOnce | QoS::ExactlyOnce) | (false, _) => self.publication.qos,
        };
        match (self.kind, qos) {
            (Kind::Will { .. }, _) if may_outlive_broker && delivered == QoS::AtMostOnce => {
                u32::MAX
            }
            // If a tab ends at once, its page gets no notice of the CONNECT with the will.
            (Kind::Will { .. }, _) => self.resends.max(1),
            (Kind::Publish, QoS::AtMostOnce) => 1,
            (Kind::Publish, QoS::AtLeastOnce) if self.is_of_port => u32::MAX,
            (Kind::Publish, QoS::AtLeastOnce) => 1 + self.resends,
            (Kind::Publish, QoS::ExactlyOnce) => 1 + self.restarts,
        }
    }

    /// Whether `message` has the published content.
    pub(crate) fn is_intact(&self, message: &Message) -> bool {
        let mut properties = message.properties.clone();
        let interval = self.publication.properties.message_expiry_interval;
        // The remaining interval is smaller by the whole seconds that the message waited.
        let is_plausible = properties.message_expiry_interval <= interval
            && properties.message_expiry_interval.is_some() == interval.is_some();
        properties.message_expiry_interval = interval;
        is_plausible
            && message.topic == self.publication.topic
            && message.payload == self.publication.payload
            && properties == self.publication.properties
    }
}
