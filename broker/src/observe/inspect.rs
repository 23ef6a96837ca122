//! Views of the broker's state. Reading them changes nothing.

use crate::codec::SharedPublish;
use crate::routing::delivery::Delivery;
use crate::session::Session;
use crate::util::sorted::Map;
use crate::{Broker, ConnId, QoS, SessionId, Time, TopicFilter, TopicName};

/// One session as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView<'a> {
    /// Client identifier.
    pub client_id: &'a str,
    /// The connection, if there is one.
    pub conn: Option<ConnId>,
    /// Session Expiry Interval in seconds; `u32::MAX` never expires.
    pub expiry_interval_s: u32,
    /// Queued messages.
    pub queued: usize,
    /// Messages that were sent and not acknowledged.
    pub in_flight: usize,
    /// The bytes that it holds; see [`Config::sessions_bytes_max`](crate::Config::sessions_bytes_max).
    pub bytes: usize,
    /// Its subscriptions, ordered by topic filter.
    pub subscriptions: Vec<SubscriptionView<'a>>,
}

/// One subscription as the broker granted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionView<'a> {
    /// Topic filter, for a shared subscription with `$share/` and the share name.
    pub topic_filter: &'a TopicFilter,
    /// Maximum QoS.
    pub qos: QoS,
    /// No Local: whether the client's own messages are left out.
    pub no_local: bool,
    /// Retain As Published: whether the RETAIN flag stays as it was published.
    pub retain_as_published: bool,
    /// Subscription Identifier.
    pub id: Option<u32>,
}

impl Broker {
    /// The retained messages with matching topics after `after`, ordered by topic. Returns at most `messages_max`
    /// after comparing at most `looks_max`. Each comes with its time of publication, as a subscriber would have got it
    /// then. The second value is the topic to continue after, if there may be more.
    #[must_use]
    pub fn retained(
        &self,
        topic_filter: &TopicFilter,
        after: Option<&TopicName>,
        messages_max: usize,
        looks_max: usize,
    ) -> (Vec<(Time, SharedPublish)>, Option<TopicName>) {
        let found = self
            .retained
            .matching_after(topic_filter, after, messages_max, looks_max);
        let messages = found.messages.into_iter().map(|message| {
            let published = message.published;
            let delivery = Delivery {
                position: 0,
                qos: message.qos,
                retain: true,
                subscription_ids: Vec::new(),
                share: None,
                message,
            };
            (published, delivery.publish(None, false, published))
        });
        (messages.collect(), found.reached)
    }

    /// The sessions, ordered by client identifier.
    pub fn sessions(&self) -> impl Iterator<Item = SessionView<'_>> {
        self.sessions.ids().map(|id| self.view(id, |_| true))
    }

    /// The sessions with subscriptions that match this topic, ordered by client identifier. Each view has only the
    /// matching subscriptions. One member of a share gets each message.
    #[must_use]
    pub fn receivers(&self, topic: &TopicName) -> Vec<SessionView<'_>> {
        let mut found = Vec::new();
        self.subscriptions.routes.matches(topic, &mut found);
        let shared = self.subscriptions.shared.iter();
        let shared = shared.filter(|(filter, _)| filter.matches(topic));
        let ids = found.into_iter().map(|(id, _)| id);
        let ids = ids.chain(shared.map(|(_, id)| id));
        let by_name = ids.map(|id| (&*self.sessions[id].client_id, id));
        let by_name: Map<&str, SessionId> = by_name.collect();
        by_name
            .into_values()
            .map(|id| self.view(id, |filter| filter.matches(topic)))
            .collect()
    }

    /// The bytes that all sessions hold; see [`Config::sessions_bytes_max`](crate::Config::sessions_bytes_max).
    #[must_use]
    pub fn session_bytes(&self) -> usize {
        self.sessions.bytes()
    }

    /// The number of queued messages and of unacknowledged ones, counted for each receiver.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        let sessions = self.sessions.iter();
        sessions.fold((0, 0), |(queued, in_flight), session| {
            let outbound = &session.outbound;
            (queued + outbound.queued(), in_flight + outbound.in_flight())
        })
    }

    /// A session with those of its subscriptions that `is_wanted` accepts.
    fn view(&self, id: SessionId, is_wanted: impl Fn(&TopicFilter) -> bool) -> SessionView<'_> {
        let session: &Session = &self.sessions[id];
        let filters = session.filters.sorted().into_iter();
        let filters = filters.filter(|it| is_wanted(it));
        SessionView {
            client_id: &session.client_id,
            conn: session
                .connection
                .as_ref()
                .map(|connection| connection.conn),
            expiry_interval_s: session.expiry_interval_s,
            queued: session.outbound.queued(),
            in_flight: session.outbound.in_flight(),
            bytes: session.bytes(),
            subscriptions: filters.filter_map(|it| self.granted(it, id)).collect(),
        }
    }

    fn granted<'a>(
        &self,
        topic_filter: &'a TopicFilter,
        session: SessionId,
    ) -> Option<SubscriptionView<'a>> {
        let number = self.sessions[session].number;
        let found = self.subscriptions.get(topic_filter, session, number);
        found.map(|it| SubscriptionView {
            topic_filter,
            qos: it.qos,
            no_local: it.no_local,
            retain_as_published: it.retain_as_published,
            id: it.id,
        })
    }
}
