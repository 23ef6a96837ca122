//! Clears retained messages of the broker, and restores them.

use std::collections::BTreeSet;
use std::future::Future;

use tabmq_worker::api::{Answer, Publication, Question};
use tabmq_worker::{BusHandle, Client, RequestError};
use yew::platform::spawn_local;
use yew::prelude::*;

use crate::browser::time;
use crate::state::Action;
use crate::state::retained_set::{Clearing, Outcome, RetainedSet};

/// Retained messages in one answer.
const PAGE: u32 = 500;

/// Publications that wait for their answers at the same time.
const STEP: usize = 500;

/// The retained messages to clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Those on a topic and on all topics below it.
    Branch(String),
    Topics(Vec<String>),
}

/// Looks for the retained messages, and clears one at once. Several ones have to be confirmed.
pub(crate) fn begin(client: &Client, wanted: Wanted, dispatch: &Callback<Action>) {
    let (client, dispatch) = (client.clone(), dispatch.clone());
    spawn_local(async move {
        match find(client.bus(), &wanted, u32::MAX).await {
            Ok(set) if set.topics().is_empty() => dispatch.emit(Action::Clearing(None)),
            Ok(set) if set.topics().len() == 1 => clear(&client, set, &dispatch).await,
            Ok(set) => dispatch.emit(Action::Clearing(Some(Clearing::Unconfirmed(set)))),
            Err(why) => dispatch.emit(Action::RetainedUnreadable(why)),
        }
    });
}

/// Clears the confirmed messages.
pub(crate) fn confirm(client: &Client, set: RetainedSet, dispatch: &Callback<Action>) {
    dispatch.emit(Action::Clearing(None));
    let (client, dispatch) = (client.clone(), dispatch.clone());
    spawn_local(async move { clear(&client, set, &dispatch).await });
}

/// Publishes cleared messages again, except on topics that have another retained message by now.
pub(crate) fn restore(client: &Client, set: &RetainedSet, dispatch: &Callback<Action>) {
    dispatch.emit(Action::Clearing(None));
    let mut restorations = set.restorations(time::unix_ms() as u64);
    let (client, dispatch) = (client.clone(), dispatch.clone());
    spawn_local(async move {
        let topics = restorations.iter().map(|it| it.topic.clone()).collect();
        // Only the topics count.
        match find(client.bus(), &Wanted::Topics(topics), 0).await {
            Ok(newer) => {
                let before = restorations.len();
                let newer: BTreeSet<&String> = newer.topics().iter().collect();
                restorations.retain(|it| !newer.contains(&it.topic));
                let skipped = before - restorations.len();
                let outcome = Outcome {
                    skipped,
                    ..publish_all(&client, restorations).await
                };
                dispatch.emit(Action::Clearing(Some(Clearing::Restored(outcome))));
            }
            Err(why) => dispatch.emit(Action::RetainedUnreadable(why)),
        }
    });
}

async fn clear(client: &Client, set: RetainedSet, dispatch: &Callback<Action>) {
    let outcome = publish_all(client, set.deletions()).await;
    dispatch.emit(Action::Clearing(Some(Clearing::Cleared(set, outcome))));
}

/// The retained messages, each with at most this many bytes of its payload.
async fn find(
    bus: &BusHandle,
    wanted: &Wanted,
    payload_bytes: u32,
) -> Result<RetainedSet, RequestError> {
    let question = |topic_filter: &str, after: Option<String>, at_most: u32| Question::Retained {
        topic_filter: topic_filter.to_owned(),
        after,
        at_most,
        payload_bytes,
    };
    let mut set = RetainedSet::default();
    match wanted {
        Wanted::Branch(topic) => {
            let topic_filter = format!("{topic}/#");
            let mut after = None;
            loop {
                after = ask(bus, question(&topic_filter, after, PAGE), &mut set).await?;
                if after.is_none() {
                    return Ok(set);
                }
            }
        }
        Wanted::Topics(topics) => {
            for topic in topics {
                ask(bus, question(topic, None, 1), &mut set).await?;
            }
            Ok(set)
        }
    }
}

/// Adds the messages of one answer. Returns the topic after which there may be more.
fn ask(
    bus: &BusHandle,
    question: Question,
    set: &mut RetainedSet,
) -> impl Future<Output = Result<Option<String>, RequestError>> {
    let answer = bus.ask(question);
    async move {
        Ok(match answer.await? {
            Answer::Retained { messages, reached } => {
                messages.into_iter().for_each(|it| set.push(it));
                reached
            }
            _ => None,
        })
    }
}

async fn publish_all(client: &Client, publications: Vec<Publication>) -> Outcome {
    let mut outcome = Outcome::default();
    for step in publications.chunks(STEP) {
        let requests: Vec<_> = step.iter().map(|it| client.publish(it.clone())).collect();
        for request in requests {
            match request.await {
                Ok(_) => outcome.done += 1,
                Err(why) => {
                    outcome.failed += 1;
                    outcome.why.get_or_insert(why.to_string());
                }
            }
        }
    }
    outcome
}
