//! One topic: its latest and its retained message, and charts of its numbers.

use std::rc::Rc;

use tabmq_worker::api::{Answer, Message, Question};
use tabmq_worker::hooks::{use_answer, use_client};
use yew::prelude::*;

use super::copy_buttons::Copy;
use super::message_detail::{PublishAgain, properties};
use super::payload::PayloadView;
use super::topic_chart::TopicChart;
use crate::app::retained_clearing::{self, Wanted};
use crate::browser::{dom, time};
use crate::labels;
use crate::state::Action;
use crate::state::charts::SharedCharts;
use crate::state::messages::MessageLog;
use crate::state::retained;

/// Interval at which expiries are checked.
const CLOCK_MS: u32 = 1_000;

#[derive(PartialEq, Properties)]
pub(super) struct TopicDetailProps {
    pub(super) topic: String,
    pub(super) messages: u64,
    pub(super) topics_below: usize,
    pub(super) last: Option<Rc<Message>>,
    /// Number of retained messages on this topic and below.
    pub(super) retained_in_branch: usize,
    pub(super) charts: SharedCharts,
    pub(super) log: Rc<MessageLog>,
    /// Called to put a message into the form.
    pub(super) onagain: Callback<Rc<Message>>,
    pub(super) dispatch: Callback<Action>,
}

/// Everything that is known about a topic.
#[component]
pub(super) fn TopicDetail(props: &TopicDetailProps) -> Html {
    let TopicDetailProps {
        topic,
        messages,
        topics_below,
        last,
        ..
    } = props;
    // On a telephone the topic is below the tree.
    let panel = use_node_ref();
    use_effect_with((panel.clone(), topic.clone()), |(panel, _)| {
        if let Some(panel) = panel.cast::<web_sys::Element>() {
            dom::show_if_below(&panel);
        }
    });
    let branch = (*topics_below > 0).then_some(*topics_below + usize::from(last.is_some()));
    let client = use_client();
    let clear = |wanted: Wanted| {
        let (client, dispatch) = (client.clone(), props.dispatch.clone());
        move |_: MouseEvent| retained_clearing::begin(&client, wanted.clone(), &dispatch)
    };
    let (retained, expires) = use_retained_of(topic).unzip();
    let retained = retained.as_ref();
    let now_ms = time::use_now(CLOCK_MS);
    // The broker has no expired message, but the latest message can be one.
    let was_retained = last.as_ref().filter(|it| retained.is_none() && it.retain);
    let was_retained = was_retained.and_then(|it| retained::expires(it));
    let expires = expires
        .flatten()
        .or(was_retained.filter(|at| *at <= now_ms))
        .map(|at| at.saturating_sub(now_ms).div_ceil(1_000));
    let is_retained_last = retained.zip(last.as_ref()).is_some_and(|(retained, last)| {
        retained.payload == last.payload && retained.qos == last.qos
    });
    html! {
        <section ref={panel} class="panel panel-topic" aria-label={labels::topics::SELECTED} data-testid="topic-detail">
            <div class="panel-head">
                <code class="detail-topic">{ topic }</code>
                <Copy label={labels::payload::COPY_TOPIC} text={topic.clone()} testid="copy-topic" />
                if let Some(last) = last {
                    <PublishAgain message={Rc::clone(last)} onagain={props.onagain.clone()} />
                }
            </div>
            <p class="kept">
                { labels::topics::received(*messages, branch) }
                if let Some(seconds) = expires {
                    <span data-testid="retained-expires">{ " · " }{ labels::retained_expires(seconds) }</span>
                }
            </p>
            <TopicChart
                topic={topic.clone()}
                charts={props.charts.clone()}
                log={Rc::clone(&props.log)}
                dispatch={props.dispatch.clone()}
            />
            if let Some(last) = last {
                <h3>{ labels::topics::latest(is_retained_last) }</h3>
                <PayloadView message={Rc::clone(last)} log={Rc::clone(&props.log)} />
                { properties(last) }
            }
            if let Some(retained) = retained {
                if !is_retained_last {
                    <h3>{ labels::topics::RETAINED_MESSAGE }</h3>
                    <PayloadView message={Rc::clone(retained)} log={Rc::clone(&props.log)} />
                    { properties(retained) }
                }
                <button type="button" onclick={clear(Wanted::Topics(vec![topic.clone()]))} data-testid="delete-retained">
                    { labels::retained::CLEAR }
                </button>
            }
            if props.retained_in_branch > usize::from(retained.is_some()) {
                <button
                    type="button"
                    class="danger"
                    onclick={clear(Wanted::Branch(topic.clone()))}
                    data-testid="clear-branch"
                >
                    { labels::retained::clear_branch(props.retained_in_branch) }
                </button>
            }
        </section>
    }
}

/// The whole retained message of a topic, from the broker, and its expiry in Unix milliseconds.
#[hook]
fn use_retained_of(topic: &str) -> Option<(Rc<Message>, Option<u64>)> {
    let question = Question::Retained {
        topic_filter: topic.to_owned(),
        after: None,
        at_most: 1,
        payload_bytes: u32::MAX,
    };
    let answer = use_answer(Some(question), CLOCK_MS);
    let retained = use_memo(answer, |answer| {
        let Some(Ok(answer)) = answer else {
            return None;
        };
        let Answer::Retained { messages, .. } = &**answer else {
            return None;
        };
        let message = messages.first()?;
        Some((Rc::new(message.clone()), retained::expires(message)))
    });
    (*retained).clone()
}
