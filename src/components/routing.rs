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
                <h2 id="receivers-title">{ labels::routing::RECEIVERS }</h2>
            </div>
            <Field label={labels::fields::TOPIC}>
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
                None if topic.is_empty() => html! { <p class="empty">{ labels::routing::ENTER_TOPIC }</p> },
                None => html! { <p class="empty">{ labels::LOADING }</p> },
                Some(Err(why)) => html! { <p class="empty" data-testid="receivers-none">{ why.to_string() }</p> },
                Some(Ok(Answer::Receivers { receivers, left_out })) => html! { <ReceiversTable receivers={receivers.clone()} left_out={*left_out} /> },
                Some(Ok(_)) => html! {},
            } }
        </section>
    }
}

#[derive(PartialEq, Properties)]
struct ReceiversTableProps {
    receivers: Vec<Receiver>,
    left_out: u32,
}

#[component]
fn ReceiversTable(props: &ReceiversTableProps) -> Html {
    let receivers = &props.receivers;
    let order = use_state(Order::default);
    if receivers.is_empty() {
        return html! { <p class="empty" data-testid="receivers-none">{ labels::routing::NOBODY }</p> };
    }
    let row = |it: &Receiver| {
        let mut facts = facts(&it.subscription);
        let shared = it.subscription.topic_filter.strip_prefix("$share/");
        if let Some((group, _)) = shared.and_then(|it| it.split_once('/')) {
            facts.push(labels::routing::member_of(group));
        }
        html! {
            <tr data-testid="receiver" data-client={it.client_id.clone()}>
                <td>{ client(&it.client_id) }</td>
                <td>{ tab(it.tab) }</td>
                <td><code>{ labels::visible(&it.subscription.topic_filter).into_owned() }</code></td>
                <td>{ for facts.iter().map(|fact| html! { <span class="badge">{ fact }</span> }) }</td>
            </tr>
        }
    };
    html! {
        <>
            <div class="table-space" tabindex="0" role="region" aria-label={labels::routing::RECEIVERS_TABLE}>
                <table class="routes">
                    <thead>
                        <tr>
                            <SortHead name={labels::routing::CLIENT} column={Column::Client} order={order.clone()} class="column-client" />
                            <SortHead name={labels::routing::TAB} column={Column::Tab} order={order.clone()} class="column-tab" />
                            <SortHead name={labels::routing::MATCHING_FILTER} column={Column::Filter} order={order.clone()} />
                            <th scope="col">{ labels::routing::OPTIONS }</th>
                        </tr>
                    </thead>
                    <tbody>{ for order.sorted(receivers, receiver_key).into_iter().map(row) }</tbody>
                </table>
            </div>
            { more(props.left_out) }
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
                <h2 id="sessions-title">{ labels::routing::SESSIONS }</h2>
                if let Some(Ok(Answer::Sessions { sessions, left_out })) = answer.as_ref().map(|answer| answer.as_deref()) {
                    <span class="panel-count">{ labels::count(sessions.len() as u64 + u64::from(*left_out)) }</span>
                }
            </div>
            { match answer.as_ref().map(|answer| answer.as_deref()) {
                None => html! { <p class="empty">{ labels::LOADING }</p> },
                Some(Err(why)) => html! { <p class="empty">{ why.to_string() }</p> },
                Some(Ok(Answer::Sessions { sessions, left_out })) => html! { <SessionsTable sessions={sessions.clone()} left_out={*left_out} /> },
                Some(Ok(_)) => html! {},
            } }
        </section>
    }
}

#[derive(PartialEq, Properties)]
struct SessionsTableProps {
    sessions: Vec<SessionInfo>,
    left_out: u32,
}

#[component]
fn SessionsTable(props: &SessionsTableProps) -> Html {
    let order = use_state(Order::default);
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
                <td>{ client(&it.client_id) }</td>
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
            <div class="table-space" tabindex="0" role="region" aria-label={labels::routing::SESSIONS_TABLE}>
                <table class="routes routes-sessions">
                    <thead>
                        <tr>
                            <SortHead name={labels::routing::CLIENT} column={Column::Client} order={order.clone()} class="column-client" />
                            <SortHead name={labels::routing::TAB} column={Column::Tab} order={order.clone()} class="column-tab" />
                            <th scope="col">{ labels::routing::SUBSCRIPTIONS }</th>
                            <SortHead name={labels::routing::QUEUED} column={Column::Queued} order={order.clone()} class="number column-number" />
                            <SortHead name={labels::routing::IN_FLIGHT} column={Column::InFlight} order={order.clone()} class="number column-number" />
                            <SortHead name={labels::routing::SESSION_ENDS} column={Column::Ends} order={order.clone()} class="column-ends" />
                        </tr>
                    </thead>
                    <tbody>{ for order.sorted(&props.sessions, session_key).into_iter().map(row) }</tbody>
                </table>
            </div>
            { more(props.left_out) }
        </>
    }
}

/// A column by which a table can be sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Client,
    Tab,
    Filter,
    Queued,
    InFlight,
    Ends,
}

/// The value of a cell, for sorting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SortKey<'a> {
    Text(&'a str),
    Tab(Option<TabId>),
    Number(u32),
}

fn receiver_key(it: &Receiver, column: Column) -> SortKey<'_> {
    match column {
        Column::Tab => SortKey::Tab(it.tab),
        Column::Filter => SortKey::Text(&it.subscription.topic_filter),
        Column::Client | Column::Queued | Column::InFlight | Column::Ends => {
            SortKey::Text(&it.client_id)
        }
    }
}

fn session_key(it: &SessionInfo, column: Column) -> SortKey<'_> {
    match column {
        Column::Tab => SortKey::Tab(it.tab),
        Column::Queued => SortKey::Number(it.queued),
        Column::InFlight => SortKey::Number(it.in_flight),
        Column::Ends => SortKey::Number(it.session_expiry_interval),
        Column::Client | Column::Filter => SortKey::Text(&it.client_id),
    }
}

/// The order of a table's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    by: Column,
    is_descending: bool,
}

impl Default for Order {
    fn default() -> Self {
        Self {
            by: Column::Client,
            is_descending: false,
        }
    }
}

impl Order {
    /// The order after a click on the head of a column. The largest numbers come first.
    fn after_click(self, column: Column) -> Self {
        let is_number = matches!(column, Column::Queued | Column::InFlight | Column::Ends);
        Self {
            by: column,
            is_descending: match self.by == column {
                true => !self.is_descending,
                false => is_number,
            },
        }
    }

    /// Equal rows stay in the broker's order.
    fn sorted<'a, T>(
        self,
        rows: &'a [T],
        key: impl Fn(&'a T, Column) -> SortKey<'a>,
    ) -> Vec<&'a T> {
        let mut sorted: Vec<&T> = rows.iter().collect();
        sorted.sort_by(|one, other| {
            let order = key(one, self.by).cmp(&key(other, self.by));
            match self.is_descending {
                true => order.reverse(),
                false => order,
            }
        });
        sorted
    }
}

#[derive(PartialEq, Properties)]
struct SortHeadProps {
    name: &'static str,
    column: Column,
    order: UseStateHandle<Order>,
    #[prop_or_default]
    class: &'static str,
}

/// The head of a column, which sorts the table.
#[component]
fn SortHead(props: &SortHeadProps) -> Html {
    let SortHeadProps {
        name,
        column,
        order,
        class,
    } = props;
    let sorted = (order.by == *column).then_some(order.is_descending);
    let (word, mark) = match sorted {
        Some(true) => (Some("descending"), "▼"),
        Some(false) => (Some("ascending"), "▲"),
        None => (None, ""),
    };
    let onclick = {
        let (order, column) = (order.clone(), *column);
        move |_: MouseEvent| order.set(order.after_click(column))
    };
    html! {
        <th scope="col" class={*class} aria-sort={word}>
            <button type="button" class="sort" {onclick} data-testid="sort">
                { *name }
                <span class="sort-mark" aria-hidden="true">{ mark }</span>
            </button>
        </th>
    }
}

/// A client's identifier, which is short if it was made from a tab's id.
fn client(client_id: &str) -> Html {
    html! { <code class="client" title={client_id.to_owned()}>{ labels::short_ids(&labels::visible(client_id)) }</code> }
}

/// The options of a subscription.
fn facts(subscription: &Granted) -> Vec<String> {
    let mut facts = vec![labels::routing::qos(subscription.qos)];
    facts.extend(
        subscription
            .no_local
            .then(|| labels::subscriptions::NO_LOCAL.to_owned()),
    );
    let as_published = subscription.retain_as_published;
    facts.extend(as_published.then(|| labels::subscriptions::AS_PUBLISHED.to_owned()));
    let identifier = subscription.identifier;
    let identifier = identifier.filter(|id| *id < OWN_IDENTIFIER_MIN);
    facts.extend(identifier.map(labels::routing::identifier));
    facts
}

fn tab(tab: Option<TabId>) -> Html {
    match tab {
        Some(tab) => html! { <code title={tab.to_string()}>{ tab.short() }</code> },
        None => html! { <span class="away">{ labels::routing::OFFLINE }</span> },
    }
}

fn more(left_out: u32) -> Html {
    match left_out {
        0 => html! {},
        left_out => {
            html! { <p class="older">{ labels::routing::more(left_out) }</p> }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tabmq_worker::api::QoS;

    fn session(client_id: &str, queued: u32) -> SessionInfo {
        SessionInfo {
            client_id: client_id.to_owned(),
            tab: None,
            session_expiry_interval: 0,
            queued,
            in_flight: 0,
            subscriptions: Vec::new(),
        }
    }

    #[test]
    fn a_click_on_a_head_sorts_and_a_second_one_reverses() {
        let sessions = [session("a", 2), session("b", 10), session("c", 2)];
        let order = |order: Order| {
            let sorted = order.sorted(&sessions, session_key).into_iter();
            sorted.map(|it| it.client_id.as_str()).collect::<Vec<_>>()
        };
        let first = Order::default();
        assert_eq!(order(first), ["a", "b", "c"]);
        assert_eq!(order(first.after_click(Column::Client)), ["c", "b", "a"]);
        let queued = first.after_click(Column::Queued);
        assert_eq!(order(queued), ["b", "a", "c"]);
        assert_eq!(order(queued.after_click(Column::Queued)), ["a", "c", "b"]);
    }

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
