//! The tree of topics, and one topic of it.

use std::rc::Rc;

use tabmq_worker::api::{Message, Publication, QoS};
use tabmq_worker::hooks::use_client;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::copy::Copy;
use super::message::properties;
use super::numbers::TopicNumbers;
use super::payload::PayloadView;
use super::rows::{ListRole, Rows};
use crate::page;
use crate::payload::Readable;
use crate::state::messages::MessageLog;
use crate::state::numbers::SharedCharts;
use crate::state::topics::{Node, NodeId, Row};
use crate::state::{Action, SharedTopics};
use crate::words;

/// Characters of a value in a row; there is no room for more.
const PREVIEW_CHARS: usize = 120;

#[derive(PartialEq, Properties)]
pub(super) struct TopicsProps {
    pub(super) topics: SharedTopics,
    pub(super) charts: SharedCharts,
    pub(super) log: Rc<MessageLog>,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn TopicTree(props: &TopicsProps) -> Html {
    let selected = use_state(|| None::<NodeId>);
    let wanted = use_state(String::new);
    let search_input = use_node_ref();
    page::use_focus_key("/", search_input.clone());
    let topics = props.topics.get();
    let rows: Rc<[Row]> = if wanted.is_empty() {
        topics.rows().into()
    } else {
        topics.found(&wanted).into()
    };
    let place = selected.and_then(|node| rows.iter().position(|row| row.node == node));
    let open = |is_open: bool| {
        props
            .dispatch
            .reform(move |_: MouseEvent| Action::OpenAllTopics(is_open))
    };
    let set_wanted = use_callback(wanted.clone(), |event: InputEvent, wanted| {
        let input: HtmlInputElement = event.target_unchecked_into();
        wanted.set(input.value().to_lowercase());
    });
    let on_select = {
        let (rows, selected) = (Rc::clone(&rows), selected.clone());
        Callback::from(move |index: Option<usize>| {
            selected.set(index.and_then(|index| rows.get(index)).map(|row| row.node));
        })
    };
    let on_key = {
        let (topics, rows, dispatch) = (
            props.topics.clone(),
            Rc::clone(&rows),
            props.dispatch.clone(),
        );
        let selected = selected.clone();
        Callback::from(move |event: KeyboardEvent| {
            let Some(row) = place.and_then(|place| rows.get(place)) else {
                return;
            };
            match (event.key().as_str(), row.is_open) {
                ("ArrowRight", Some(false)) => dispatch.emit(Action::OpenTopic(row.node, true)),
                ("ArrowLeft", Some(true)) => dispatch.emit(Action::OpenTopic(row.node, false)),
                ("ArrowLeft", _) => {
                    if let Some(parent) = topics.get().parent(row.node) {
                        selected.set(Some(parent));
                    }
                }
                _ => return,
            }
            event.prevent_default();
        })
    };
    let row = {
        let (shared, rows, chosen) = (props.topics.clone(), Rc::clone(&rows), *selected);
        let (select, dispatch) = (on_select.clone(), props.dispatch.clone());
        let is_found = !wanted.is_empty();
        Callback::from(move |index: usize| {
            let topics = shared.get();
            let row = rows.get(index);
            row.and_then(|row| Some((row, topics.get(row.node)?)))
                .map_or_else(Html::default, |(row, node)| {
                    let name = if is_found {
                        topics.path(row.node).into()
                    } else {
                        AttrValue::from(Rc::clone(&node.name))
                    };
                    let clicked = select.reform(move |_: MouseEvent| Some(index));
                    tree_row(
                        row,
                        node,
                        name,
                        chosen == Some(row.node),
                        clicked,
                        &dispatch,
                    )
                })
        })
    };
    let chosen = selected.filter(|_| place.is_some() || !wanted.is_empty());
    html! {
        <div class="topics" data-testid="topics-view">
            <section class="panel panel-tree" aria-labelledby="topics-title">
                <div class="panel-head">
                    <h2 id="topics-title">{ "Topics" }</h2>
                    <span class="panel-count" data-testid="topic-count">{ words::count(topics.topics() as u64) }</span>
                    <span class="paused">{ format!("{} retained", words::count(topics.retained() as u64)) }</span>
                    <div class="tools">
                        <input
                            ref={search_input}
                            type="search"
                            aria-label="Search topics"
                            aria-keyshortcuts="/"
                            placeholder="Search (/)"
                            oninput={set_wanted}
                            autocomplete="off"
                            spellcheck="false"
                            data-testid="topic-search"
                        />
                        <button type="button" onclick={open(true)}>{ "Open all" }</button>
                        <button type="button" onclick={open(false)}>{ "Close all" }</button>
                    </div>
                </div>
                <Rows
                    role={ListRole::Tree}
                    label="Topics"
                    testid="topic-tree"
                    len={rows.len()}
                    selected={place}
                    selected_id={place.and(*selected).map(row_id)}
                    onselect={on_select}
                    onkey={on_key}
                    {row}
                >
                    if topics.left_out() > 0 {
                        <p class="older" role="presentation">
                            { format!("{} messages on further topics are not shown.", words::count(topics.left_out())) }
                        </p>
                    } else if rows.is_empty() {
                        <p class="empty" role="presentation">
                            { if wanted.is_empty() { "No message has arrived yet." } else { "No topic matches." } }
                        </p>
                    }
                </Rows>
            </section>
            if let Some(node) = chosen.and_then(|id| topics.get(id)) {
                <Topic
                    key={chosen.map(row_id).unwrap_or_default().to_string()}
                    topic={chosen.map(|id| topics.path(id)).unwrap_or_default()}
                    messages={node.messages}
                    topics_below={node.topics_below}
                    last={node.last.clone()}
                    retained={node.retained.clone()}
                    charts={props.charts.clone()}
                    log={Rc::clone(&props.log)}
                    dispatch={props.dispatch.clone()}
                />
            } else {
                <section class="panel" aria-label="The selected topic">
                    <p class="empty">{ "Select a topic to see its last message, its retained message, and its numbers over time." }</p>
                </section>
            }
        </div>
    }
}

fn row_id(node: NodeId) -> AttrValue {
    format!("topic-{node}").into()
}

fn tree_row(
    row: &Row,
    node: &Node,
    name: AttrValue,
    is_selected: bool,
    onclick: Callback<MouseEvent>,
    dispatch: &Callback<Action>,
) -> Html {
    let Row {
        node: id,
        level,
        place: (place, siblings),
        is_open,
    } = *row;
    let toggle = dispatch.reform(move |event: MouseEvent| {
        event.stop_propagation();
        Action::OpenTopic(id, is_open == Some(false))
    });
    let value = node.last.as_ref().map(|message| {
        let text = Readable::of(&message.payload).text;
        text.chars().take(PREVIEW_CHARS).collect::<String>()
    });
    html! {
        <div
            id={row_id(id)}
            class="row topic"
            role="treeitem"
            aria-level={level.to_string()}
            aria-posinset={place.to_string()}
            aria-setsize={siblings.to_string()}
            aria-expanded={is_open.map(|it| it.to_string())}
            aria-selected={is_selected.to_string()}
            style={format!("--level:{}", level - 1)}
            {onclick}
            data-testid="topic"
            data-name={name.clone()}
        >
            <span class="topic-toggle" aria-hidden="true" onclick={toggle}>
                { match is_open { Some(true) => "▾", Some(false) => "▸", None => "" } }
            </span>
            <code class="topic-name">{ if name.is_empty() { "(empty)".into() } else { name } }</code>
            <span class="message-preview">{ value.unwrap_or_default() }</span>
            <span class="message-facts">
                if node.retained.is_some() {
                    <span class="badge badge-retained">{ "retained" }</span>
                }
                if node.topics_below > 0 {
                    <span class="badge">{ format!("{} topics", words::count(node.topics_below as u64)) }</span>
                }
                <span class="topic-count">{ words::count(node.messages) }</span>
            </span>
        </div>
    }
}

#[derive(PartialEq, Properties)]
struct TopicProps {
    topic: String,
    messages: u64,
    topics_below: usize,
    last: Option<Rc<Message>>,
    retained: Option<Rc<Message>>,
    charts: SharedCharts,
    log: Rc<MessageLog>,
    dispatch: Callback<Action>,
}

/// What is known of one topic.
#[component]
fn Topic(props: &TopicProps) -> Html {
    let TopicProps {
        topic,
        messages,
        topics_below,
        last,
        retained,
        ..
    } = props;
    let client = use_client();
    let delete = use_callback((client, topic.clone()), |_: MouseEvent, (client, topic)| {
        // What becomes of it is seen in the tree: the broker tells all subscribers.
        drop(client.publish(Publication {
            topic: topic.clone(),
            retain: true,
            qos: QoS::AtLeastOnce,
            ..Publication::default()
        }));
    });
    let is_retained_last = retained
        .as_ref()
        .zip(last.as_ref())
        .is_some_and(|(a, b)| Rc::ptr_eq(a, b));
    html! {
        <section class="panel panel-topic" aria-label="The selected topic" data-testid="topic-detail">
            <div class="panel-head">
                <code class="detail-topic">{ topic }</code>
                <Copy label="Copy topic" text={topic.clone()} testid="copy-topic" />
            </div>
            <p class="kept">
                { format!("{} messages here and below, {} topics below.", words::count(*messages), words::count(*topics_below as u64)) }
            </p>
            <TopicNumbers
                topic={topic.clone()}
                charts={props.charts.clone()}
                log={Rc::clone(&props.log)}
                dispatch={props.dispatch.clone()}
            />
            if let Some(last) = last {
                <h3>{ if is_retained_last { "Last message, retained" } else { "Last message" } }</h3>
                <PayloadView message={Rc::clone(last)} log={Rc::clone(&props.log)} />
                { properties(last) }
            }
            if let Some(retained) = retained {
                if !is_retained_last {
                    <h3>{ "Retained message" }</h3>
                    <PayloadView message={Rc::clone(retained)} log={Rc::clone(&props.log)} />
                }
                <button type="button" onclick={delete} data-testid="delete-retained">
                    { "Delete the retained message" }
                </button>
            }
        </section>
    }
}
