//! The broker's sessions with their subscriptions, and the receivers of a message.

use tabmq_worker::TabId;
use tabmq_worker::api::{Answer, Granted, Question, Receiver, SessionInfo};
use tabmq_worker::hooks::use_answer;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::fields::Field;
use crate::app::remote_commands;
use crate::labels;
use crate::state::Action;

/// Interval between questions to the broker.
const INTERVAL_MS: u32 = 1_000;

/// Most sessions that are drawn.
const SESSIONS_MAX: u32 = 500;

/// Smallest subscription identifier that a page's client chooses by itself, to know which subscription a message is for. Such
/// identifiers are not shown.
const OWN_IDENTIFIER_MIN: u32 = 1 << 27;

#[derive(PartialEq, Properties)]
pub(super) struct RoutingProps {
    /// The topic about whose receivers the broker is asked.
    pub(super) topic: String,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn Routing(props: &RoutingProps) -> Html {
    html! {
        <div class="routing" data-testid="routing-view">
            <Receivers topic={props.topic.clone()} dispatch={props.dispatch.clone()} />
            <Sessions />
        </div>
    }
}

#[component]
fn Receivers(props: &RoutingProps) -> Html {
    let topic = &props.topic;
    let set_topic = props.dispatch.reform(|event: InputEvent| {
        let input: HtmlInputElement = event.target_unchecked_into();
        Action::AskReceivers(input.value())
    });
    let problem = labels::topic_problem(topic);
    let is_topic = !topic.is_empty() && problem.is_none();
    let question = is_topic.then(|| Question::Receivers {
        topic: topic.clone(),
    });
    let answer = use_answer(question, INTERVAL_MS);
    html! {
        <section class="panel" aria-labelledby="receivers-title">
            <div class="panel-head">
                <h2 id="receivers-title">{ "Who would receive a message?" }</h2>
            </div>
            <Field label="Topic">
                <input
                    class="mono"
                    value={topic.clone()}
                    oninput={set_topic}
                    aria-invalid={problem.is_some().to_string()}
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    data-testid="receivers-topic"
                />
            </Field>
            { match answer.as_ref().map(|answer| answer.as_deref()) {
                _ if problem.is_some() => html! { <p class="empty problem" data-testid="receivers-none">{ problem }</p> },
                None if topic.is_empty() => html! { <p class="empty">{ "Enter a topic." }</p> },
                None => html! { <p class="empty">{ labels::LOADING }</p> },
                Some(Err(why)) => html! { <p class="empty" data-testid="receivers-none">{ why.to_string() }</p> },
                Some(Ok(Answer::Receivers { receivers, left_out })) => receivers_table(receivers, *left_out),
                Some(Ok(_)) => html! {},
            } }
        </section>
    }
}

fn receivers_table(receivers: &[Receiver], left_out: u32) -> Html {
    if receivers.is_empty() {
        return html! { <p class="empty" data-testid="receivers-none">{ "Nobody is subscribed to this topic." }</p> };
    }
    let row = |it: &Receiver| {
        let mut facts = facts(&it.subscription);
        let shared = it.subscription.topic_filter.strip_prefix("$share/");
        if let Some((group, _)) = shared.and_then(|it| it.split_once('/')) {
            facts.push(format!("one member of group {group}"));
        }
        html! {
            <tr data-testid="receiver" data-client={it.client_id.clone()}>
                <td><code>{ &it.client_id }</code></td>
                <td>{ tab(it.tab) }</td>
                <td><code>{ labels::visible(&it.subscription.topic_filter).into_owned() }</code></td>
                <td>{ for facts.iter().map(|fact| html! { <span class="badge">{ fact }</span> }) }</td>
            </tr>
        }
    };
    html! {
        <>
            <div class="table-space" tabindex="0" role="region" aria-label="Table of receivers">
                <table>
                    <thead>
                        <tr>
                            <th scope="col">{ "Client" }</th>
                            <th scope="col">{ "Tab" }</th>
                            <th scope="col">{ "Matching filter" }</th>
                            <th scope="col">{ "Options" }</th>
                        </tr>
                    </thead>
                    <tbody>{ for receivers.iter().map(row) }</tbody>
                </table>
            </div>
            { more(left_out) }
        </>
    }
}

#[component]
fn Sessions() -> Html {
    let answer = use_answer(
        Some(Question::Sessions {
            at_most: SESSIONS_MAX,
        }),
        INTERVAL_MS,
    );
    html! {
        <section class="panel panel-sessions" aria-labelledby="sessions-title">
            <div class="panel-head">
                <h2 id="sessions-title">{ "Broker sessions" }</h2>
                if let Some(Ok(Answer::Sessions { sessions, left_out })) = answer.as_ref().map(|answer| answer.as_deref()) {
                    <span class="panel-count">{ labels::count(sessions.len() as u64 + u64::from(*left_out)) }</span>
                }
            </div>
            { match answer.as_ref().map(|answer| answer.as_deref()) {
                None => html! { <p class="empty">{ labels::LOADING }</p> },
                Some(Err(why)) => html! { <p class="empty">{ why.to_string() }</p> },
                Some(Ok(Answer::Sessions { sessions, left_out })) => sessions_table(sessions, *left_out),
                Some(Ok(_)) => html! {},
            } }
        </section>
    }
}

fn sessions_table(sessions: &[SessionInfo], left_out: u32) -> Html {
    let row = |it: &SessionInfo| {
        let filters = it.subscriptions.iter();
        let filters = filters.filter(|it| !remote_commands::is_own(&it.topic_filter));
        let filters = filters.map(|subscription| {
            html! {
                <li>
                    <code>{ labels::visible(&subscription.topic_filter).into_owned() }</code>
                    { for facts(subscription).iter().map(|fact| html! { <span class="badge">{ fact }</span> }) }
                </li>
            }
        });
        html! {
            <tr data-testid="session" data-client={it.client_id.clone()}>
                <td><code>{ &it.client_id }</code></td>
                <td>{ tab(it.tab) }</td>
                <td><ul class="filters">{ for filters }</ul></td>
                <td class="number">{ labels::count(it.queued.into()) }</td>
                <td class="number">{ labels::count(it.in_flight.into()) }</td>
                <td>{ labels::expiry(it.session_expiry_interval) }</td>
            </tr>
        }
    };
    html! {
        <>
            <div class="table-space" tabindex="0" role="region" aria-label="Table of sessions">
                <table>
                    <thead>
                        <tr>
                            <th scope="col">{ "Client" }</th>
                            <th scope="col">{ "Tab" }</th>
                            <th scope="col">{ "Subscriptions" }</th>
                            <th scope="col" class="number">{ "Queued" }</th>
                            <th scope="col" class="number">{ "In flight" }</th>
                            <th scope="col">{ "Session ends" }</th>
                        </tr>
                    </thead>
                    <tbody>{ for sessions.iter().map(row) }</tbody>
                </table>
            </div>
            { more(left_out) }
        </>
    }
}

/// The options of a subscription.
fn facts(subscription: &Granted) -> Vec<String> {
    let qos = labels::qos_level(subscription.qos);
    let mut facts = vec![format!("QoS {qos}")];
    facts.extend(subscription.no_local.then(|| "No Local".to_owned()));
    let as_published = subscription.retain_as_published;
    facts.extend(as_published.then(|| "Retain As Published".to_owned()));
    let identifier = subscription.identifier;
    let identifier = identifier.filter(|id| *id < OWN_IDENTIFIER_MIN);
    facts.extend(identifier.map(|id| format!("id {id}")));
    facts
}

fn tab(tab: Option<TabId>) -> Html {
    match tab {
        Some(tab) => html! { <code title={tab.to_string()}>{ tab.short() }</code> },
        None => html! { <span class="away">{ "offline" }</span> },
    }
}

fn more(left_out: u32) -> Html {
    match left_out {
        0 => html! {},
        left_out => {
            html! { <p class="older">{ format!("{} more not shown.", labels::count(left_out.into())) }</p> }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tabmq_worker::api::QoS;

    #[test]
    fn an_identifier_that_the_client_chose_by_itself_is_not_shown() {
        let facts = |identifier| {
            facts(&Granted {
                topic_filter: "a".to_owned(),
                qos: QoS::AtLeastOnce,
                no_local: false,
                retain_as_published: false,
                identifier,
            })
        };
        assert_eq!(facts(Some(7)), ["QoS 1", "id 7"]);
        assert_eq!(facts(Some(257_057_806)), ["QoS 1"]);
    }
}
