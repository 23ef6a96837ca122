//! Delivery through shared subscriptions: each message goes to one member of a group.

use std::sync::Arc;

use crate::routing::delivery::Delivery;
use crate::routing::fan_out::Routed;
use crate::routing::message::{Message, min_qos};
use crate::routing::shared_subscriptions::GroupId;
use crate::routing::subscription::Subscription;
use crate::{Broker, Output, QoS, SessionId, Time, TopicFilter};

impl Broker {
    /// Sends a message to one member of every group whose filter matches.
    pub(crate) fn publish_shared(
        &mut self,
        now: Time,
        message: &Arc<Message>,
        out: &mut Vec<Output>,
    ) -> Routed {
        let mut routed = Routed::NoReceiver;
        for id in self.subscriptions.shared.matching(&message.topic) {
            // A group without a possible receiver counts as delivered.
            let mut of_group = Routed::Delivered;
            if let Some((session, subscription)) = self.choose(id, message.qos) {
                let filter = self.subscriptions.shared.groups[id.0].filter.clone();
                of_group = self.deliver_shared(now, session, filter, message, subscription, out);
            }
            routed = routed.max(of_group);
        }
        routed
    }

    /// Sends a message to a member of the group of a filter, if there is one.
    pub(crate) fn publish_to_group(
        &mut self,
        now: Time,
        filter: &TopicFilter,
        message: &Arc<Message>,
        out: &mut Vec<Output>,
    ) {
        if let Some(&id) = self.subscriptions.shared.ids.get(filter)
            && let Some((session, subscription)) = self.choose(id, message.qos)
        {
            let filter = filter.clone();
            self.deliver_shared(now, session, filter, message, subscription, out);
        }
    }

    /// Chooses the next member: first among those that accept the message at once, then among connected ones, then
    /// among those that can queue it.
    fn choose(&mut self, id: GroupId, qos: QoS) -> Option<(SessionId, Subscription)> {
        let group = &self.subscriptions.shared.groups[id.0];
        let sessions = &self.sessions;
        let mut second_best = None;
        let mut third_best = None;
        let mut best = None;
        for chosen @ (_, member) in group.in_turn() {
            let session = &sessions[member.session];
            match &session.connection {
                Some(connection)
                    if !connection.is_congested
                        && session.outbound.room(connection.client.receive_maximum) > 0 =>
                {
                    best = Some(chosen);
                    break;
                }
                Some(_) => second_best = second_best.or(Some(chosen)),
                None if min_qos(qos, member.subscription.qos) != QoS::AtMostOnce => {
                    third_best = third_best.or(Some(chosen));
                }
                None => {}
            }
        }
        let (number, member) = best.or(second_best).or(third_best)?;
        self.subscriptions.shared.groups[id.0].next = number + 1;
        Some((member.session, member.subscription))
    }

    fn deliver_shared(
        &mut self,
        now: Time,
        session: SessionId,
        filter: TopicFilter,
        message: &Arc<Message>,
        subscription: Subscription,
        out: &mut Vec<Output>,
    ) -> Routed {
        let mut delivery = Delivery::new(message, [&subscription]);
        delivery.share = Some(filter);
        self.deliver(now, session, delivery, out)
    }
}
