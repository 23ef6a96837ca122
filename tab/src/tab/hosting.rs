//! The broker in this tab.

use std::sync::Arc;

use broker::{BrokerEvent, QoS, Time, TopicFilter};

use super::{Joined, Output, Part, Turn};
use crate::api::EventKind;
use crate::endpoint::EndpointInput;
use crate::hosted_broker::{HostedBroker, HostedBrokerOutput};
use crate::protocol::control::ControlMessage;
use crate::protocol::names::{Lane, TabId};

impl Joined {
    /// A tab has opened its end of a lane.
    pub(super) fn on_bind(&mut self, lane: Lane, binding: u32, turn: &mut Turn<'_>) {
        if lane.tab == self.tab_id {
            return;
        }
        self.watch(lane.tab, turn);
        let Part::Broker(leadership) = &self.part else {
            return;
        };
        if leadership.hosted_broker.lane(lane.tab) == lane {
            if leadership.watched.contains(&lane.tab) {
                self.with_broker(turn, |hosted_broker, now, out| {
                    hosted_broker.on_bind(now, lane.tab, binding, out);
                });
            }
        } else if lane.broker == self.tab_id {
            // The tab believes a forged term of this broker, and would wait in vain on that lane.
            self.refute(turn);
        }
    }

    /// Calls the hosted broker, if there is one, and carries out its outputs.
    pub(super) fn with_broker(
        &mut self,
        turn: &mut Turn<'_>,
        act: impl FnOnce(&mut HostedBroker, Time, &mut Vec<HostedBrokerOutput>),
    ) {
        let Part::Broker(leadership) = &mut self.part else {
            return;
        };
        let mut outputs = Vec::new();
        act(&mut leadership.hosted_broker, turn.now, &mut outputs);
        for output in outputs {
            match output {
                HostedBrokerOutput::ToOwn(connection, packet) => {
                    if let Some(no) = self.endpoints.of_connection(connection) {
                        let input = EndpointInput::Packet(connection, packet);
                        self.endpoints.push(no, input);
                    }
                }
                HostedBrokerOutput::CloseOwn(connection, reason) => {
                    self.endpoints
                        .on_connection_closed(connection, Some(reason));
                }
                HostedBrokerOutput::OpenLane(lane) => turn.out.push(Output::OpenLane(lane)),
                HostedBrokerOutput::Confirm(lane, frame) => {
                    self.stats.frames_sent += 1;
                    turn.out.push(Output::Post(lane, frame));
                }
                HostedBrokerOutput::CloseLane(lane) => turn.out.push(Output::CloseLane(lane)),
                HostedBrokerOutput::Broken(tab) => self.on_lane_broken(tab, turn),
                HostedBrokerOutput::Unbind(lane, binding) => {
                    turn.control(ControlMessage::Unbind { lane, binding });
                }
                HostedBrokerOutput::Persist(batch, bytes) => self.persist(batch, &bytes),
                HostedBrokerOutput::NotEncodable(error) => self.on_not_encodable(error, turn),
                HostedBrokerOutput::Event(event) => self.on_broker_event(&event, turn),
            }
        }
    }

    fn on_lane_broken(&mut self, tab: TabId, turn: &mut Turn<'_>) {
        self.stats.lane_resets += 1;
        self.event_seldom("lane", turn, || EventKind::LaneReset(tab));
    }

    fn on_broker_event(&mut self, event: &BrokerEvent, turn: &mut Turn<'_>) {
        if self.last_subscribed.is_repeated_by(event) {
            return;
        }
        let kind = || EventKind::Broker(event.to_string());
        match event {
            BrokerEvent::MessageDropped { .. } => self.event_seldom("dropped", turn, kind),
            BrokerEvent::Refused { .. } | BrokerEvent::PublishRefused { .. } => {
                self.event_seldom("refused", turn, kind);
            }
            BrokerEvent::Connected { .. }
            | BrokerEvent::Disconnected { .. }
            | BrokerEvent::Interrupted { .. }
            | BrokerEvent::ReconnectGraceEnded { .. }
            | BrokerEvent::SessionExpired { .. }
            | BrokerEvent::Subscribed { .. }
            | BrokerEvent::Unsubscribed { .. }
            | BrokerEvent::WillPublished { .. } => turn.event(kind()),
        }
    }
}

/// The last event of the hosted broker, if it was a subscription.
///
/// A page's client sends two SUBSCRIBEs for a filter with retained messages. The second one changes only the identifier, which no
/// event has, so its event would repeat the first.
#[derive(Debug, Default)]
pub(super) struct LastSubscribed(Option<(Arc<str>, TopicFilter, QoS)>);

impl LastSubscribed {
    /// Whether this event repeats the one before it. Remembers it.
    fn is_repeated_by(&mut self, event: &BrokerEvent) -> bool {
        let BrokerEvent::Subscribed {
            client_id,
            topic_filter,
            qos,
        } = event
        else {
            self.0 = None;
            return false;
        };
        let is_repeated = self.0.as_ref().is_some_and(|last| {
            last.0 == *client_id && last.1.as_str() == topic_filter.as_str() && last.2 == *qos
        });
        if !is_repeated {
            self.0 = Some((Arc::clone(client_id), topic_filter.clone(), *qos));
        }
        is_repeated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_subscription_that_changes_nothing_is_a_repeat() {
        let subscribed = |qos| BrokerEvent::Subscribed {
            client_id: "a".into(),
            topic_filter: TopicFilter::parse("x/#").unwrap(),
            qos,
        };
        let unsubscribed = BrokerEvent::Unsubscribed {
            client_id: "a".into(),
            topic_filter: TopicFilter::parse("x/#").unwrap(),
        };
        let mut last = LastSubscribed::default();
        for (event, is_repeat) in [
            (subscribed(QoS::AtMostOnce), false),
            (subscribed(QoS::AtMostOnce), true),
            (subscribed(QoS::AtLeastOnce), false),
            (unsubscribed.clone(), false),
            (unsubscribed, false),
            (subscribed(QoS::AtLeastOnce), false),
            (subscribed(QoS::AtLeastOnce), true),
        ] {
            assert_eq!(last.is_repeated_by(&event), is_repeat, "{event}");
        }
    }
}
