//! The log of messages, with filter, search and pause.

use std::rc::Rc;

use tabmq_worker::AnimationFrame;
use tabmq_worker::api::DropReason;
use tabmq_worker::hooks::use_redraw;
use web_sys::HtmlInputElement;
use yew::platform::spawn_local;
use yew::prelude::*;

use super::message_detail::MessageDetail;
use super::virtual_list::{ListRole, VirtualList};
use crate::app::export;
use crate::browser::{focus, time};
use crate::labels;
use crate::labels::EndOfLog;
use crate::payload::{Preview, Size};
use crate::state::messages::{MEBIBYTES_MAX, MESSAGES_MAX, MessageLog, Received};
use crate::state::search::{Criteria, NewMatches, Search};
use crate::state::{Action, HeldLog, LogView};

#[derive(PartialEq, Properties)]
pub(super) struct MessagesProps {
    pub(super) log: Rc<MessageLog>,
    /// A topic filter; empty: all topics.
    pub(super) topic_filter: String,
    pub(super) view: LogView,
    /// Messages that the broker has dropped for this tab, and the reason.
    pub(super) dropped: Option<(u64, DropReason)>,
    pub(super) is_offline: bool,
    pub(super) has_subscriptions: bool,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn Messages(props: &MessagesProps) -> Html {
    let LogView {
        text,
        selected,
        held,
    } = &props.view;
    let (selected, dispatch) = (*selected, &props.dispatch);
    let search_input = use_node_ref();
    focus::use_focus_key("/", search_input.clone());

    let is_paused = held.as_ref().is_some_and(|it| it.is_paused);
    let pause = dispatch.reform(move |_: MouseEvent| Action::PauseMessages(!is_paused));
    let clear = dispatch.reform(|_: MouseEvent| Action::ClearMessages);
    let set_text = dispatch.reform(|event: InputEvent| {
        let input: HtmlInputElement = event.target_unchecked_into();
        Action::SearchMessages(input.value())
    });
    let set_filter = dispatch.reform(|event: InputEvent| {
        let input: HtmlInputElement = event.target_unchecked_into();
        Action::FilterMessages(input.value())
    });

    let log = held.as_ref().map_or(&props.log, |it| &it.log);
    let problem = Some(&props.topic_filter)
        .filter(|it| !it.is_empty())
        .and_then(|it| labels::filter_problem(it));
    let wanted = Criteria {
        topic_filter: props.topic_filter.clone(),
        text: text.trim().to_owned(),
    };
    let found = use_search(log, &wanted);
    let new_rows = use_new_matches(&props.log, &wanted, held.as_ref());
    let len = found.as_ref().map_or(log.kept(), |it| it.numbers.len());
    let number = {
        let (newest, found) = (log.received(), found.clone());
        move |index: usize| match &found {
            None => newest.checked_sub(index as u64),
            Some(found) => found
                .numbers
                .len()
                .checked_sub(index + 1)
                .map(|it| found.numbers[it]),
        }
    };
    let place = selected.and_then(|selected| match &found {
        None => usize::try_from(log.received().checked_sub(selected)?)
            .ok()
            .filter(|it| *it < len),
        Some(found) => {
            let place = found.numbers.binary_search(&selected).ok()?;
            Some(found.numbers.len() - place - 1)
        }
    });
    let on_select = {
        let (number, log) = (number.clone(), Rc::clone(log));
        dispatch.reform(move |index: Option<usize>| {
            Action::SelectMessage(index.and_then(&number), Rc::clone(&log))
        })
    };
    let row = {
        let (log, select) = (Rc::clone(log), on_select.clone());
        Callback::from(move |index: usize| {
            let message = number(index).and_then(|number| log.get(number));
            message.map_or_else(Html::default, |message| {
                let is_selected = selected == Some(message.number);
                let select = select.reform(move |_: MouseEvent| Some(index));
                message_row(message, index, len, is_selected, select)
            })
        })
    };
    let is_pointed = use_mut_ref(|| false);
    let on_hold = {
        let (log, is_pointed) = (Rc::clone(log), Rc::clone(&is_pointed));
        dispatch.reform(move |is_held: bool| {
            is_pointed.replace(is_held);
            // A selected message keeps the log held, wherever the pointer is.
            let is_held = is_held || selected.is_some();
            Action::HoldMessages(is_held.then(|| Rc::clone(&log)))
        })
    };
    {
        let dispatch = dispatch.clone();
        use_effect_with(selected.is_some(), move |is_selected| {
            if !is_selected && !*is_pointed.borrow() {
                dispatch.emit(Action::HoldMessages(None));
            }
        });
    }
    let on_close = on_select.reform(|()| None);
    let on_resume = on_close.clone();
    // The list counts new rows on top by the number of received or found messages.
    let added = found.as_ref().map_or(log.received(), |it| it.arrived);
    let detail = selected.and_then(|number| log.get(number)).cloned();
    html! {
        <section class="panel panel-messages" aria-labelledby="messages-title" data-testid="messages-view">
            <div class="panel-head">
                <h2 id="messages-title">{ "Messages" }</h2>
                <span class="panel-count" data-testid="message-count" title={labels::message_log::RECEIVED}>
                    { labels::count(props.log.received_since_clear()) }
                </span>
                if let Some(found) = &found {
                    <span class="panel-count" role="status" data-testid="message-found">
                        { format!("{} found", labels::count(found.numbers.len() as u64)) }
                    </span>
                }
                if is_paused {
                    <span class="paused">
                        { labels::paused(new_rows, found.is_some()) }
                    </span>
                }
                if let Some((dropped, reason)) = props.dropped {
                    <span class="problem" role="status" data-testid="message-dropped">
                        { labels::own_loss(dropped, reason) }
                    </span>
                }
                <div class="tools">
                    <input
                        type="text"
                        aria-label="Show topics that match this topic filter"
                        placeholder="Topic filter"
                        value={props.topic_filter.clone()}
                        oninput={set_filter}
                        aria-invalid={problem.is_some().to_string()}
                        autocomplete="off"
                        autocapitalize="none"
                        spellcheck="false"
                        data-testid="message-topic-filter"
                    />
                    <input
                        ref={search_input}
                        type="search"
                        aria-label="Search messages"
                        aria-keyshortcuts="/"
                        placeholder="Search"
                        title="Key: /. Finds messages with all these words in topic, payload or properties; also qos:1, retained, dup, and bytes like 89504e"
                        value={text.clone()}
                        oninput={set_text}
                        autocomplete="off"
                        spellcheck="false"
                        data-testid="message-filter"
                    />
                    <button
                        type="button"
                        class="steady"
                        onclick={pause}
                        aria-pressed={is_paused.to_string()}
                        data-testid="message-pause"
                    >
                        { if is_paused { "Resume" } else { "Pause" } }
                    </button>
                    <button type="button" onclick={clear} data-testid="message-clear">{ "Clear" }</button>
                    <Export log={Rc::clone(log)} numbers={found.as_ref().map(|it| Rc::clone(&it.numbers))} />
                </div>
            </div>
            // Another search is another list, because its rows have other positions.
            <VirtualList
                key={format!("{} {}", wanted.topic_filter, wanted.text)}
                role={ListRole::ListBox}
                label="Messages, the newest first"
                testid="message-log"
                {len}
                {added}
                selected={place}
                selected_id={place.and(selected).map(row_id)}
                onselect={on_select}
                new_rows={if is_paused { 0 } else { new_rows }}
                onhold={on_hold}
                onresume={on_resume}
                {row}
            >
                { match problem {
                    Some(problem) => html! { <p class="older problem" role="presentation" data-testid="filter-problem">{ problem }</p> },
                    None => end_of_log(log, found.as_deref(), len, new_rows, props),
                } }
            </VirtualList>
            if let Some(message) = detail {
                <MessageDetail
                    log={Rc::clone(log)}
                    {message}
                    onclose={on_close}
                />
            }
        </section>
    }
}

/// The matches of a search so far.
struct Found {
    /// Ascending.
    numbers: Rc<[u64]>,
    /// Number of matches that arrived since the search began.
    arrived: u64,
    is_through: bool,
}

/// Searches the log, some thousand messages in each frame; `None`: every message matches.
#[hook]
fn use_search(log: &Rc<MessageLog>, wanted: &Criteria) -> Option<Rc<Found>> {
    let redraw: Rc<AnimationFrame> = use_redraw();
    let search = use_mut_ref(Search::default);
    if wanted.is_all() {
        return None;
    }
    let mut search = search.borrow_mut();
    let is_through = search.advance(log, wanted);
    if !is_through {
        redraw.ask();
    }
    Some(Rc::new(Found {
        numbers: search.numbers().collect(),
        arrived: search.arrived(),
        is_through,
    }))
}

/// Number of matching messages that arrived since the log was held.
#[hook]
fn use_new_matches(log: &Rc<MessageLog>, wanted: &Criteria, held: Option<&HeldLog>) -> u64 {
    let redraw: Rc<AnimationFrame> = use_redraw();
    let new_rows = use_mut_ref(NewMatches::default);
    let Some(held) = held else { return 0 };
    let since = held.log.received();
    let (number, is_through) = new_rows.borrow_mut().advance(log, wanted, since);
    if !is_through {
        redraw.ask();
    }
    number
}

fn end_of_log(
    log: &MessageLog,
    found: Option<&Found>,
    len: usize,
    new_rows: u64,
    props: &MessagesProps,
) -> Html {
    let end = match found {
        Some(found) if !found.is_through => EndOfLog::Searching,
        _ if log.kept() == 0 && log.forgotten() == 0 && props.is_offline => EndOfLog::Offline,
        _ if log.kept() == 0 && log.forgotten() == 0 && !props.has_subscriptions => {
            EndOfLog::NoSubscriptions
        }
        _ if log.is_cleared() && log.forgotten() == 0 => EndOfLog::Cleared,
        _ if log.kept() == 0 && log.forgotten() == 0 => EndOfLog::Empty,
        Some(_) if len == 0 => EndOfLog::NoMatch(log.kept() as u64, new_rows),
        _ if log.forgotten() > 0 => {
            EndOfLog::Discarded(log.forgotten(), MESSAGES_MAX as u64, MEBIBYTES_MAX)
        }
        _ => return html! {},
    };
    html! { <p class="older" role="presentation">{ labels::end_of_log(&end) }</p> }
}

fn row_id(number: u64) -> AttrValue {
    format!("message-{number}").into()
}

/// Bytes of a payload that fit in a row.
const PREVIEW_CHARS: usize = 300;

fn message_row(
    received: &Received,
    index: usize,
    len: usize,
    is_selected: bool,
    onclick: Callback<MouseEvent>,
) -> Html {
    let Received {
        number,
        message,
        colours,
    } = received;
    let payload = Preview::of(&message.payload);
    let preview: String = payload.text.chars().take(PREVIEW_CHARS).collect();
    let qos = labels::qos_level(message.qos);
    // The message deletes the retained message.
    let is_deletion = message.retain && message.payload.is_empty();
    html! {
        <div
            id={row_id(*number)}
            class="row message"
            role="option"
            aria-selected={is_selected.to_string()}
            aria-posinset={(index + 1).to_string()}
            aria-setsize={len.to_string()}
            {onclick}
            data-testid="message"
            data-topic={message.topic.clone()}
            data-payload={payload.text}
            data-qos={qos.to_string()}
            data-retain={message.retain.to_string()}
        >
            <span class="swatches">
                { for colours.iter().take(4).map(|colour| html! {
                    <span class={format!("swatch colour-{}", colour.0)} />
                }) }
            </span>
            <time>{ time::time_of_day(message.received_at.as_ms()) }</time>
            <code class="message-topic">{ labels::visible(&message.topic).into_owned() }</code>
            <span class="message-preview">
                if is_deletion {
                    <i>{ "deletes the retained message" }</i>
                } else if preview.is_empty() {
                    <i>{ "empty payload" }</i>
                } else {
                    { preview }
                }
            </span>
            // Short, for rows of two lines.
            <span class="message-facts">
                if is_deletion {
                    <span class="badge">{ "deletion" }</span>
                } else if message.retain {
                    <span class="badge badge-retained" data-short="R">{ "retained" }</span>
                }
                if message.dup {
                    <span class="badge" data-short="D">{ "dup" }</span>
                }
                if qos > 0 {
                    <span class="badge" data-short={format!("Q{qos}")}>{ "QoS " }{ qos }</span>
                }
                <span class="message-size">{ Size(message.payload.len()).to_string() }</span>
            </span>
        </div>
    }
}

#[derive(PartialEq, Properties)]
struct ExportProps {
    log: Rc<MessageLog>,
    /// Numbers of the matching messages; `None`: all.
    numbers: Option<Rc<[u64]>>,
}

/// Downloads the shown messages as a file of JSON Lines.
#[component]
fn Export(props: &ExportProps) -> Html {
    let percent = use_state(|| None::<usize>);
    let export = {
        let (percent, log, numbers) = (
            percent.clone(),
            Rc::clone(&props.log),
            props.numbers.clone(),
        );
        Callback::from(move |_: MouseEvent| {
            let (percent, log) = (percent.setter(), Rc::clone(&log));
            let numbers = numbers.clone();
            spawn_local(async move {
                let numbers: Box<dyn Iterator<Item = u64>> = match &numbers {
                    Some(numbers) => Box::new(numbers.iter().copied()),
                    None => Box::new(log.oldest()..=log.received()),
                };
                let messages = numbers.filter_map(|number| log.get(number));
                let messages: Vec<_> = messages.map(|it| Rc::clone(&it.message)).collect();
                export::messages(&messages, |done| percent.set(Some(done))).await;
                percent.set(None);
            });
        })
    };
    html! {
        <button
            type="button"
            class="steady"
            onclick={export}
            disabled={percent.is_some() || props.log.kept() == 0}
            title="Download the messages shown (JSON Lines)"
            data-testid="message-export"
        >
            { percent.map_or("Export".to_owned(), |percent| format!("{percent} %")) }
        </button>
    }
}
