//! The log of messages.

use std::rc::Rc;

use tabmq_worker::Frame;
use tabmq_worker::hooks::use_redraw;
use web_sys::HtmlInputElement;
use yew::platform::spawn_local;
use yew::prelude::*;

use super::message::MessageDetail;
use super::rows::{ListRole, Rows};
use crate::payload::{Readable, Size};
use crate::state::Action;
use crate::state::messages::{MEBIBYTES_MAX, MESSAGES_MAX, MessageLog, Received};
use crate::state::search::{Search, Wanted};
use crate::{export, page, words};

#[derive(PartialEq, Properties)]
pub(super) struct MessagesProps {
    pub(super) log: Rc<MessageLog>,
    /// A topic filter; empty: all topics.
    pub(super) topic_filter: String,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn Messages(props: &MessagesProps) -> Html {
    // A paused log is the log as it was: the messages in it are shared, so keeping it costs nothing.
    let paused = use_state(|| None::<Rc<MessageLog>>);
    let text = use_state(String::new);
    let selected = use_state(|| None::<u64>);
    let search_input = use_node_ref();
    page::use_focus_key("/", search_input.clone());

    let pause = use_callback(
        (paused.clone(), props.log.clone()),
        |_: MouseEvent, (paused, log)| {
            paused.set(match **paused {
                Some(_) => None,
                None => Some(Rc::clone(log)),
            });
        },
    );
    let clear = use_callback(
        (paused.clone(), selected.clone(), props.dispatch.clone()),
        |_: MouseEvent, (paused, selected, dispatch)| {
            paused.set(None);
            selected.set(None);
            dispatch.emit(Action::ClearMessages);
        },
    );
    let set_text = use_callback(text.clone(), |event: InputEvent, text| {
        let input: HtmlInputElement = event.target_unchecked_into();
        text.set(input.value().to_lowercase());
    });
    let set_filter = use_callback(props.dispatch.clone(), |event: InputEvent, dispatch| {
        let input: HtmlInputElement = event.target_unchecked_into();
        dispatch.emit(Action::FilterMessages(input.value()));
    });

    let log = paused.as_ref().unwrap_or(&props.log);
    let wanted = Wanted {
        topic_filter: props.topic_filter.clone(),
        text: (*text).clone(),
    };
    let found = use_search(log, &wanted);
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
        None => usize::try_from(log.received().checked_sub(selected)?).ok(),
        Some(found) => {
            let place = found.numbers.binary_search(&selected).ok()?;
            Some(found.numbers.len() - place - 1)
        }
    });
    let on_select = {
        let (number, selected) = (number.clone(), selected.clone());
        Callback::from(move |index: Option<usize>| selected.set(index.and_then(&number)))
    };
    let row = {
        let (log, chosen, select) = (Rc::clone(log), *selected, on_select.clone());
        Callback::from(move |index: usize| {
            let message = number(index).and_then(|number| log.get(number));
            message.map_or_else(Html::default, |message| {
                let is_selected = chosen == Some(message.number);
                let select = select.reform(move |_: MouseEvent| Some(index));
                message_row(message, index, len, is_selected, select)
            })
        })
    };
    // Rows on top are counted by what has come, or been found, since.
    let added = found.as_ref().map_or(log.received(), |it| it.came);
    let detail = selected.and_then(|number| log.get(number)).cloned();
    html! {
        <section class="panel panel-messages" aria-labelledby="messages-title" data-testid="messages-view">
            <div class="panel-head">
                <h2 id="messages-title">{ "Messages" }</h2>
                <span class="panel-count" data-testid="message-count" title="Received since the page was opened">
                    { words::count(props.log.received()) }
                </span>
                if let Some(paused) = &*paused {
                    <span class="paused">
                        { format!("Paused, {} more since", words::count(props.log.received() - paused.received())) }
                    </span>
                }
                <div class="tools">
                    <input
                        type="text"
                        aria-label="Show topics that match this topic filter"
                        placeholder="Topic filter"
                        value={props.topic_filter.clone()}
                        oninput={set_filter}
                        autocomplete="off"
                        autocapitalize="none"
                        spellcheck="false"
                        data-testid="message-topic-filter"
                    />
                    <input
                        ref={search_input}
                        type="search"
                        aria-label="Search topics and payloads"
                        aria-keyshortcuts="/"
                        placeholder="Search (/)"
                        oninput={set_text}
                        autocomplete="off"
                        spellcheck="false"
                        data-testid="message-filter"
                    />
                    <button
                        type="button"
                        class="steady"
                        onclick={pause}
                        aria-pressed={paused.is_some().to_string()}
                        data-testid="message-pause"
                    >
                        { if paused.is_some() { "Resume" } else { "Pause" } }
                    </button>
                    <button type="button" onclick={clear} data-testid="message-clear">{ "Clear" }</button>
                    <Export log={Rc::clone(log)} numbers={found.as_ref().map(|it| Rc::clone(&it.numbers))} />
                </div>
            </div>
            // Another search is another list: nothing of its rows stays where it was.
            <Rows
                key={format!("{} {}", wanted.topic_filter, wanted.text)}
                role={ListRole::ListBox}
                label="Messages, the newest first"
                testid="message-log"
                {len}
                {added}
                selected={place}
                selected_id={place.and(*selected).map(row_id)}
                onselect={on_select}
                {row}
            >
                { end_of_log(log, found.as_deref(), len) }
            </Rows>
            if let Some(message) = detail {
                <MessageDetail
                    log={Rc::clone(log)}
                    {message}
                    onclose={
                        let selected = selected.clone();
                        Callback::from(move |()| selected.set(None))
                    }
                />
            }
        </section>
    }
}

/// What a search has found so far.
struct Found {
    /// Ascending.
    numbers: Rc<[u64]>,
    /// How many of them have come since the search began, one after the other.
    came: u64,
    is_through: bool,
}

/// Searches the log, some thousand messages in each frame; `None`: all messages are wanted.
#[hook]
fn use_search(log: &Rc<MessageLog>, wanted: &Wanted) -> Option<Rc<Found>> {
    let redraw: Rc<Frame> = use_redraw();
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
        came: search.came(),
        is_through,
    }))
}

fn end_of_log(log: &MessageLog, found: Option<&Found>, len: usize) -> Html {
    let words = match found {
        Some(found) if !found.is_through => "Searching the older ones.".to_owned(),
        _ if log.kept() == 0 && log.forgotten() == 0 => {
            "Nothing has arrived yet. Publish something.".to_owned()
        }
        Some(_) if len == 0 => {
            format!(
                "None of {} messages matches.",
                words::count(log.kept() as u64)
            )
        }
        _ if log.forgotten() > 0 => format!(
            "{} older no longer kept: the log holds the newest {} messages, {MEBIBYTES_MAX} MiB at most.",
            words::count(log.forgotten()),
            words::count(MESSAGES_MAX as u64),
        ),
        _ => return html! {},
    };
    html! { <p class="older" role="presentation">{ words }</p> }
}

fn row_id(number: u64) -> AttrValue {
    format!("message-{number}").into()
}

/// Bytes of a payload in a row; there is no room for more.
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
    let payload = Readable::of(&message.payload);
    let preview: String = payload.text.chars().take(PREVIEW_CHARS).collect();
    let qos = words::qos_level(message.qos);
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
            <time>{ page::time_of_day(message.received_at.as_ms()) }</time>
            <code class="message-topic">{ &message.topic }</code>
            <span class="message-preview">
                if preview.is_empty() {
                    <i>{ "empty payload" }</i>
                } else {
                    { preview }
                }
            </span>
            // Short where a row has two lines.
            <span class="message-facts">
                if message.retain {
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
    /// Those that are wanted; `None`: all.
    numbers: Option<Rc<[u64]>>,
}

/// Writes what is shown into a file of JSON Lines.
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
            title="Writes the messages that are shown into a file of JSON Lines"
            data-testid="message-export"
        >
            { percent.map_or("Export".to_owned(), |percent| format!("{percent} %")) }
        </button>
    }
}
