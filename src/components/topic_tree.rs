//! The tree of topics.

use std::cell::RefCell;
use std::rc::Rc;

use tabmq_worker::AnimationFrame;
use tabmq_worker::api::Message;
use tabmq_worker::hooks::use_redraw;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::retained_list::RetainedList;
use super::topic_detail::TopicDetail;
use super::virtual_list::{ListRole, VirtualList};
use crate::app::broker_polling::use_retained;
use crate::browser::{focus, time};
use crate::labels;
use crate::payload::Preview;
use crate::state::charts::SharedCharts;
use crate::state::messages::MessageLog;
use crate::state::retained::{Retained, Value};
use crate::state::search_query::fold;
use crate::state::topics::{NODES_MAX, Node, NodeId, Row};
use crate::state::{Action, SharedTopics, TreeView};

/// Interval at which expiries are checked.
const CLOCK_MS: u32 = 1_000;

/// Characters of a value that fit in a row.
const PREVIEW_CHARS: usize = 120;

#[derive(PartialEq, Properties)]
pub(super) struct TopicsProps {
    pub(super) topics: SharedTopics,
    pub(super) charts: SharedCharts,
    pub(super) view: TreeView,
    pub(super) retained: Rc<Retained>,
    pub(super) log: Rc<MessageLog>,
    /// Called to put a message into the form.
    pub(super) onagain: Callback<Rc<Message>>,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn TopicTree(props: &TopicsProps) -> Html {
    use_retained(props.dispatch.clone());
    let now_ms = time::use_now(CLOCK_MS);
    let TreeView {
        text,
        selected,
        is_retained_list,
    } = &props.view;
    let is_retained_list = *is_retained_list;
    let (selected, dispatch) = (*selected, &props.dispatch);
    let search_input = use_node_ref();
    focus::use_focus_key("/", search_input.clone());
    let topics = props.topics.get();
    let is_found = !text.trim().is_empty();
    let fresh: Rc<[Row]> = if is_found {
        topics.found(text).into()
    } else {
        topics.rows().into()
    };
    let number = if is_found {
        fresh.len()
    } else {
        topics.topics()
    };
    let drawn_rows = use_drawn_rows(fresh, number);
    let rows = Rc::clone(&drawn_rows.drawn.rows);
    let release = drawn_rows.release();
    let place = selected.and_then(|node| rows.iter().position(|row| row.node == node));
    let open = |is_open: bool| {
        let release = release.clone();
        dispatch.reform(move |_: MouseEvent| {
            release();
            Action::OpenAllTopics(is_open)
        })
    };
    let clear = {
        let release = release.clone();
        dispatch.reform(move |_: MouseEvent| {
            release();
            Action::ClearTopics
        })
    };
    let set_wanted = {
        let release = release.clone();
        dispatch.reform(move |event: InputEvent| {
            release();
            let input: HtmlInputElement = event.target_unchecked_into();
            Action::SearchTopics(input.value())
        })
    };
    let toggle = {
        let release = release.clone();
        dispatch.reform(move |(node, is_open): (NodeId, bool)| {
            release();
            Action::OpenTopic(node, is_open)
        })
    };
    let on_select = {
        let rows = Rc::clone(&rows);
        dispatch.reform(move |index: Option<usize>| {
            Action::SelectTopic(index.and_then(|index| rows.get(index)).map(|row| row.node))
        })
    };
    let keys = TreeKeys {
        topics: props.topics.clone(),
        rows: Rc::clone(&rows),
        place,
        is_found,
        typed: use_mut_ref(Typed::default),
        toggle: toggle.clone(),
        select: on_select.clone(),
        dispatch: dispatch.clone(),
    };
    let on_key = Callback::from(move |event: KeyboardEvent| keys.handle(&event));
    let row = {
        let (shared, rows, retained) = (
            props.topics.clone(),
            Rc::clone(&rows),
            Rc::clone(&props.retained),
        );
        let select = on_select.clone();
        Callback::from(move |index: usize| {
            let topics = shared.get();
            let Some(row) = rows.get(index) else {
                return Html::default();
            };
            let Some(node) = topics.get(row.node) else {
                // The topic has left the tree. An empty row keeps the others in place until the tree is released.
                return html! { <div class="row topic" role="presentation" /> };
            };
            let path = topics.path(row.node);
            let name = if is_found { &*path } else { &*node.name };
            let name = AttrValue::from(labels::visible(name).into_owned());
            let drawn = DrawnRow {
                row,
                node,
                name,
                retained: retained.get(&path, now_ms),
                is_selected: selected == Some(row.node),
            };
            let clicked = select.reform(move |_: MouseEvent| Some(index));
            tree_row(&drawn, clicked, &toggle)
        })
    };
    let chosen = selected.filter(|id| topics.get(*id).is_some());
    html! {
        <div class="topics" data-testid="topics-view">
            <section class="panel panel-tree" aria-labelledby="topics-title">
                <div class="panel-head">
                    <h2 id="topics-title">{ labels::topics::TITLE }</h2>
                    <span class="panel-count" data-testid="topic-count">{ labels::count(topics.topics() as u64) }</span>
                    // One of both notes, so that a search moves nothing.
                    if is_found && !is_retained_list {
                        <span class="paused" role="status" data-testid="topics-found">
                            { labels::topics::found(rows.len()) }
                        </span>
                    } else {
                        <span class="paused" data-testid="retained-count" title={labels::topics::RETAINED_HINT}>
                            { labels::topics::retained(props.retained.count(now_ms)) }
                        </span>
                    }
                    <div class="segmented at-end" role="group" aria-label={labels::retained::SHOW}>
                        { for [(false, labels::retained::TREE, "show-tree"), (true, labels::retained::LIST, "show-retained")].map(|(is_list, label, testid)| html! {
                            <button
                                type="button"
                                onclick={dispatch.reform(move |_: MouseEvent| Action::ListRetained(is_list))}
                                aria-pressed={(is_list == is_retained_list).to_string()}
                                data-testid={testid}
                            >
                                { label }
                            </button>
                        }) }
                    </div>
                    <div class="tools">
                        <input
                            ref={search_input}
                            type="search"
                            aria-label={labels::topics::SEARCH_NAME}
                            aria-keyshortcuts="/"
                            placeholder={labels::topics::SEARCH}
                            title={labels::topics::SEARCH_HINT}
                            value={text.clone()}
                            oninput={set_wanted}
                            autocomplete="off"
                            spellcheck="false"
                            data-testid="topic-search"
                        />
                        if !is_retained_list {
                            <button type="button" onclick={open(true)}>{ labels::topics::EXPAND }</button>
                            <button type="button" onclick={open(false)}>{ labels::topics::COLLAPSE }</button>
                            <button
                                type="button"
                                onclick={clear}
                                title={labels::topics::CLEAR_HINT}
                                data-testid="topics-clear"
                            >
                                { labels::topics::CLEAR }
                            </button>
                        }
                    </div>
                </div>
                if is_retained_list {
                    <RetainedList
                        retained={Rc::clone(&props.retained)}
                        text={text.clone()}
                        topics={props.topics.clone()}
                        {now_ms}
                        dispatch={dispatch.clone()}
                    />
                } else {
                    <VirtualList
                        role={ListRole::Tree}
                        label={labels::topics::TITLE}
                        testid="topic-tree"
                        len={rows.len()}
                        selected={place}
                        selected_id={place.and(selected).map(row_id)}
                        onselect={on_select}
                        onkey={on_key}
                        new_rows={drawn_rows.new_topics}
                        onhold={drawn_rows.on_hold()}
                        onresume={drawn_rows.on_resume()}
                        {row}
                    >
                        if topics.left_out() > 0 {
                            <p class="older" role="presentation">
                                { labels::topics::left_out(topics.left_out(), NODES_MAX) }
                            </p>
                        } else if rows.is_empty() {
                            <p class="empty" role="presentation">
                                { if is_found { labels::topics::NO_MATCH } else { labels::topics::NONE } }
                            </p>
                        }
                    </VirtualList>
                }
            </section>
            if let Some((id, node)) = chosen.and_then(|id| Some((id, topics.get(id)?))) {
                <TopicDetail
                    key={row_id(id).to_string()}
                    topic={topics.path(id)}
                    messages={node.messages}
                    topics_below={node.topics_below}
                    last={node.last.clone()}
                    retained_in_branch={props.retained.in_branch(&topics.path(id), now_ms)}
                    charts={props.charts.clone()}
                    log={Rc::clone(&props.log)}
                    onagain={props.onagain.clone()}
                    dispatch={props.dispatch.clone()}
                />
            } else {
                <section class="panel" aria-label={labels::topics::SELECTED}>
                    <p class="empty">{ labels::topics::SELECT }</p>
                </section>
            }
        </div>
    }
}

/// Rows, and the number of topics with messages. A branch is a row too, and a closed branch hides topics.
#[derive(Clone)]
struct CountedRows {
    rows: Rc<[Row]>,
    topics: usize,
}

/// The rows as they are drawn: the current ones, or earlier ones while the tree is held. So the person acts on the drawn rows.
struct DrawnRows {
    drawn: CountedRows,
    /// Number of topics that the tree has gained since it was held.
    new_topics: u64,
    held: Rc<RefCell<Option<CountedRows>>>,
    redraw: Rc<AnimationFrame>,
}

#[hook]
fn use_drawn_rows(fresh: Rc<[Row]>, topics: usize) -> DrawnRows {
    let held = use_mut_ref(|| None::<CountedRows>);
    let redraw = use_redraw();
    let fresh = CountedRows {
        rows: fresh,
        topics,
    };
    let drawn = held.borrow().clone().unwrap_or(fresh);
    DrawnRows {
        new_topics: topics.saturating_sub(drawn.topics) as u64,
        drawn,
        held,
        redraw,
    }
}

impl DrawnRows {
    /// Releases the tree. The caller causes the next drawing.
    fn release(&self) -> impl Fn() + Clone + 'static {
        let held = Rc::clone(&self.held);
        move || drop(held.borrow_mut().take())
    }

    fn on_hold(&self) -> Callback<bool> {
        let (held, drawn) = (Rc::clone(&self.held), self.drawn.clone());
        let redraw = Rc::clone(&self.redraw);
        Callback::from(move |is_held: bool| {
            let mut held = held.borrow_mut();
            if is_held {
                held.get_or_insert_with(|| drawn.clone());
            } else {
                *held = None;
            }
            redraw.ask();
        })
    }

    fn on_resume(&self) -> Callback<()> {
        let (release, redraw) = (self.release(), Rc::clone(&self.redraw));
        Callback::from(move |()| {
            release();
            redraw.ask();
        })
    }
}

/// The keys of the tree that do not move the selection by rows.
struct TreeKeys {
    topics: SharedTopics,
    rows: Rc<[Row]>,
    /// Index of the selected row.
    place: Option<usize>,
    is_found: bool,
    typed: Rc<RefCell<Typed>>,
    toggle: Callback<(NodeId, bool)>,
    select: Callback<Option<usize>>,
    dispatch: Callback<Action>,
}

impl TreeKeys {
    fn handle(&self, event: &KeyboardEvent) {
        let Self {
            topics,
            rows,
            toggle,
            select,
            ..
        } = self;
        let row = self.place.and_then(|place| Some((place, rows.get(place)?)));
        let is_command = event.ctrl_key() || event.meta_key() || event.alt_key();
        match (
            event.key().as_str(),
            row.map(|(at, row)| (at, row, row.is_open)),
        ) {
            ("ArrowRight", Some((_, row, Some(false)))) => toggle.emit((row.node, true)),
            // The first child is the next row.
            ("ArrowRight", Some((at, _, Some(true)))) => select.emit(Some(at + 1)),
            ("ArrowLeft", Some((_, row, Some(true)))) => toggle.emit((row.node, false)),
            ("ArrowLeft", Some((_, row, _))) => {
                if let Some(parent) = topics.get().parent(row.node) {
                    self.dispatch.emit(Action::SelectTopic(Some(parent)));
                }
            }
            ("Enter", Some((_, row, Some(is_open)))) => toggle.emit((row.node, !is_open)),
            (key, _) if !is_command && key.chars().count() == 1 && key != "/" => {
                let names = rows.iter().map(|row| self.name(row)).collect::<Vec<_>>();
                let found = self
                    .typed
                    .borrow_mut()
                    .find(key, time::now_ms(), &names, self.place);
                match found {
                    Some(found) => select.emit(Some(found)),
                    None => return,
                }
            }
            _ => return,
        }
        event.prevent_default();
    }

    fn name(&self, row: &Row) -> String {
        let topics = self.topics.get();
        match self.is_found {
            true => topics.path(row.node),
            false => topics
                .get(row.node)
                .map_or(String::new(), |it| it.name.to_string()),
        }
    }
}

/// Letters typed into the tree, which select the next topic that begins with them.
#[derive(Debug, Default)]
struct Typed {
    text: String,
    at: f64,
}

/// Pause after which a letter begins another name, in milliseconds.
const TYPED_MS: f64 = 700.0;

impl Typed {
    /// The row whose name begins with the typed letters, searched from the selected row on and then from the top.
    fn find(
        &mut self,
        key: &str,
        now: f64,
        names: &[String],
        selected: Option<usize>,
    ) -> Option<usize> {
        if now - self.at > TYPED_MS {
            self.text.clear();
        }
        self.at = now;
        self.text.push_str(&fold(key));
        // The first letter skips the selected row; further letters can keep it.
        let next = selected.map_or(0, |it| it + usize::from(self.text.chars().count() == 1));
        let places = (next..names.len()).chain(0..next.min(names.len()));
        places
            .into_iter()
            .find(|it| fold(&names[*it]).starts_with(&self.text))
    }
}

fn row_id(node: NodeId) -> AttrValue {
    format!("topic-{node}").into()
}

/// The content of a row.
struct DrawnRow<'a> {
    row: &'a Row,
    node: &'a Node,
    name: AttrValue,
    retained: Option<&'a Value>,
    is_selected: bool,
}

fn tree_row(
    drawn: &DrawnRow<'_>,
    onclick: Callback<MouseEvent>,
    toggle: &Callback<(NodeId, bool)>,
) -> Html {
    let DrawnRow {
        row,
        node,
        name,
        retained,
        is_selected,
    } = drawn;
    let Row {
        node: id,
        level,
        place: (place, siblings),
        is_open,
    } = **row;
    let toggle = toggle.reform(move |event: MouseEvent| {
        event.stop_propagation();
        (id, is_open == Some(false))
    });
    let preview = |payload: &[u8]| -> String {
        let text = Preview::of(payload).text;
        text.chars().take(PREVIEW_CHARS).collect()
    };
    let value = node.last.as_ref().map(|message| preview(&message.payload));
    let below = labels::topics::topics(node.topics_below);
    // Beside another value, the badge alone would mean that this value is retained.
    let retained = retained.map(|it| {
        let is_last = node.last.as_ref().is_some_and(|last| it.is_of(last));
        match is_last {
            true => labels::topics::RETAINED.to_owned(),
            false => labels::topics::retained_value(&preview(&it.payload)),
        }
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
            data-name={AttrValue::from(Rc::clone(&node.name))}
        >
            <span class="topic-toggle" aria-hidden="true" onclick={toggle}>
                { match is_open { Some(true) => "▾", Some(false) => "▸", None => "" } }
            </span>
            <code class="topic-name">{ if name.is_empty() { labels::topics::EMPTY_NAME.into() } else { name.clone() } }</code>
            if let Some(value) = &value {
                <span class="message-preview">{ value }</span>
            } else {
                <span class="message-preview topic-below">{ &below }</span>
            }
            <span class="message-facts">
                if let Some(retained) = retained {
                    <span class="badge badge-retained" data-testid="topic-retained">{ retained }</span>
                }
                if node.topics_below > 0 && value.is_some() {
                    <span class="badge">{ below }</span>
                }
                <span class="topic-count">{ labels::count(node.messages) }</span>
            </span>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_go_to_the_next_name_that_begins_with_them() {
        let names = ["attic", "Garden", "garage", "hall"].map(str::to_owned);
        let mut typed = Typed::default();
        assert_eq!(typed.find("g", 1_000.0, &names, Some(0)), Some(1));
        // More letters can keep the row, and a pause begins another name.
        assert_eq!(typed.find("a", 1_100.0, &names, Some(1)), Some(1));
        assert_eq!(typed.find("r", 1_200.0, &names, Some(1)), Some(1));
        assert_eq!(typed.find("a", 1_300.0, &names, Some(1)), Some(2));
        assert_eq!(typed.find("a", 9_000.0, &names, Some(2)), Some(0));
        assert_eq!(typed.find("x", 20_000.0, &names, None), None);
    }
}
