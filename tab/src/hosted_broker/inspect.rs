//! Answers to questions about the hosted broker.

use std::sync::Arc;

use broker::sorted::Map;
use broker::{Broker, ConnId, SessionView, SubscriptionView, TopicFilter, TopicName};

use crate::api::{
    Answer, DropReason, Dropped, Granted, Load, Message, Problem, QoS, Question, Receiver,
    SessionInfo,
};
use crate::endpoint::packets;
use crate::protocol::names::TabId;

/// Maximum entries of an answer. An answer is one frame, which delays others.
const ENTRIES_MAX: usize = 1_000;

/// Approximate maximum bytes of an answer. Names may have 65,535 bytes. [MQTT-1.5.4]
const BYTES_MAX: usize = 1 << 20;

/// Maximum bytes of an entry without its names.
const ENTRY_BYTES: usize = 64;

/// Maximum number of retained messages that one answer examines.
const LOOKS_MAX: usize = 10_000;

/// Counts dropped messages by client and reason.
#[derive(Debug, Default)]
pub(crate) struct Drops(Map<(Arc<str>, DropReason), u64>);

impl Drops {
    pub(crate) fn count(&mut self, client_id: &Arc<str>, reason: broker::DropReason) {
        let reason = match reason {
            broker::DropReason::Expired => DropReason::Expired,
            broker::DropReason::QueueFull => DropReason::QueueFull,
            broker::DropReason::TooLarge => DropReason::TooLarge,
            broker::DropReason::Congested => DropReason::Congested,
        };
        let key = (Arc::clone(client_id), reason);
        // An answer has no room for more clients.
        if self.0.len() < ENTRIES_MAX || self.0.contains_key(&key) {
            *self.0.get_or_insert_with(key, || 0) += 1;
        }
    }

    fn answer(&self) -> Answer {
        let mut room = BYTES_MAX;
        let drops = self.0.iter().filter_map(|((client_id, reason), messages)| {
            room = room.checked_sub(client_id.len() + ENTRY_BYTES)?;
            Some(Dropped {
                client_id: (**client_id).to_owned(),
                reason: *reason,
                messages: *messages,
            })
        });
        Answer::Dropped {
            drops: drops.collect(),
        }
    }
}

/// Answers a question. `tab_of` returns the tab of a connection.
pub(crate) fn answer(
    broker: &Broker,
    drops: &Drops,
    question: &Question,
    tab_of: impl Fn(ConnId) -> Option<TabId>,
) -> Answer {
    match question {
        Question::Retained {
            topic_filter,
            after,
            at_most,
            payload_bytes,
        } => retained(
            broker,
            topic_filter,
            after.as_deref(),
            *at_most,
            *payload_bytes,
        ),
        Question::Dropped => drops.answer(),
        Question::Load => {
            let (queued, in_flight) = broker.waiting();
            Answer::Load(Load {
                stats: broker.stats(),
                queued: queued as u64,
                in_flight: in_flight as u64,
            })
        }
        Question::Sessions { at_most } => {
            let all = broker.stats().sessions;
            let at_most = usize::try_from(*at_most).unwrap_or(usize::MAX);
            let mut room = BYTES_MAX;
            let sessions: Vec<SessionInfo> = broker
                .sessions()
                .take(at_most.min(ENTRIES_MAX))
                .filter_map(|view| {
                    let names = view.subscriptions.iter().map(bytes).sum::<usize>();
                    room = room.checked_sub(names + view.client_id.len() + ENTRY_BYTES)?;
                    Some(session(&view, &tab_of))
                })
                .collect();
            Answer::Sessions {
                left_out: small(all - sessions.len()),
                sessions,
            }
        }
        Question::Receivers { topic } => match TopicName::parse(topic) {
            Ok(topic) => receivers(broker, &topic, tab_of),
            Err(error) => Answer::Refused(Problem::Topic(error.to_string())),
        },
    }
}

fn receivers(
    broker: &Broker,
    topic: &TopicName,
    tab_of: impl Fn(ConnId) -> Option<TabId>,
) -> Answer {
    let sessions = broker.receivers(topic);
    let all: usize = sessions.iter().map(|view| view.subscriptions.len()).sum();
    let each = sessions.iter().flat_map(|view| {
        let subscriptions = view.subscriptions.iter();
        subscriptions.map(move |subscription| (view, subscription))
    });
    let mut room = BYTES_MAX;
    let receiver = |(view, subscription): (&SessionView<'_>, &SubscriptionView<'_>)| {
        room = room.checked_sub(bytes(subscription) + view.client_id.len())?;
        Some(Receiver {
            client_id: view.client_id.to_owned(),
            tab: view.conn.and_then(&tab_of),
            subscription: granted(subscription),
        })
    };
    let receivers: Vec<Receiver> = each.take(ENTRIES_MAX).filter_map(receiver).collect();
    Answer::Receivers {
        left_out: small(all - receivers.len()),
        receivers,
    }
}

fn retained(
    broker: &Broker,
    topic_filter: &str,
    after: Option<&str>,
    at_most: u32,
    payload_bytes: u32,
) -> Answer {
    let topic_filter = match TopicFilter::parse(topic_filter) {
        Ok(topic_filter) => topic_filter,
        Err(error) => return Answer::Refused(Problem::TopicFilter(error.to_string())),
    };
    let after = match after.map(TopicName::parse).transpose() {
        Ok(after) => after,
        Err(error) => return Answer::Refused(Problem::Topic(error.to_string())),
    };
    let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    // Moves on even with `at_most` 0, so that repeated questions end.
    let at_most = size(at_most).clamp(1, ENTRIES_MAX);
    let (found, mut reached) = broker.retained(&topic_filter, after.as_ref(), at_most, LOOKS_MAX);
    let mut room = BYTES_MAX;
    let mut messages: Vec<Message> = Vec::new();
    for (published, mut publish) in found {
        let packet = &mut publish.packet;
        packet.payload.truncate(size(payload_bytes).min(BYTES_MAX));
        let bytes =
            packet.topic_name.len() + packet.payload.len() + publish.shared.len() + ENTRY_BYTES;
        match room.checked_sub(bytes) {
            Some(left) => room = left,
            // Contains at least one message, so that there is a topic to continue after.
            None if messages.is_empty() => room = 0,
            None => {
                let last = messages.last();
                reached = last.and_then(|it| TopicName::parse(&it.topic).ok());
                break;
            }
        }
        messages.push(packets::message(publish.into_publish(), published));
    }
    Answer::Retained {
        messages,
        reached: reached.map(|topic| topic.as_str().to_owned()),
    }
}

fn qos(qos: broker::QoS) -> QoS {
    match qos {
        broker::QoS::AtMostOnce => QoS::AtMostOnce,
        broker::QoS::AtLeastOnce => QoS::AtLeastOnce,
        broker::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn session(view: &SessionView<'_>, tab_of: impl Fn(ConnId) -> Option<TabId>) -> SessionInfo {
    SessionInfo {
        client_id: view.client_id.to_owned(),
        tab: view.conn.and_then(tab_of),
        session_expiry_interval: view.expiry_interval_s,
        queued: small(view.queued),
        in_flight: small(view.in_flight),
        subscriptions: view.subscriptions.iter().map(granted).collect(),
    }
}

fn granted(view: &SubscriptionView<'_>) -> Granted {
    Granted {
        topic_filter: view.topic_filter.as_str().to_owned(),
        qos: qos(view.qos),
        no_local: view.no_local,
        retain_as_published: view.retain_as_published,
        identifier: view.id,
    }
}

fn bytes(view: &SubscriptionView<'_>) -> usize {
    view.topic_filter.as_str().len() + ENTRY_BYTES
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
