//! What the broker answers to questions.

use broker::{Broker, ConnId, SessionView, SubscriptionView, TopicName};

use crate::api::{Answer, Granted, Load, Problem, QoS, Question, Receiver, SessionInfo};
use crate::names::TabId;

/// Sessions, or receivers, of one answer: it is one frame, which holds up all others.
const ENTRIES_MAX: usize = 1_000;

/// Bytes of one answer, about: names may be 65,535 bytes long. [MQTT-1.5.4]
const BYTES_MAX: usize = 1 << 20;

/// Bytes of an entry beside its names, at most.
const ENTRY_BYTES: usize = 64;

/// The answer to a question; `tab_of` tells whose a connection is.
pub(crate) fn answer(
    broker: &Broker,
    question: &Question,
    tab_of: impl Fn(ConnId) -> Option<TabId>,
) -> Answer {
    match question {
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
        qos: match view.qos {
            broker::QoS::AtMostOnce => QoS::AtMostOnce,
            broker::QoS::AtLeastOnce => QoS::AtLeastOnce,
            broker::QoS::ExactlyOnce => QoS::ExactlyOnce,
        },
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
