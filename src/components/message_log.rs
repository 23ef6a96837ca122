//! The log of messages, with filter, search and pause.

use std::rc::Rc;

use tabmq_worker::AnimationFrame;
use tabmq_worker::api::{DropReason, Message};
use tabmq_worker::hooks::use_redraw;
use web_sys::HtmlInputElement;
use yew::platform::spawn_local;
use yew::prelude::*;

use super::message_detail::MessageDetail;
use super::virtual_list::{ListRole, VirtualList};
use crate::app::{export, import};
use crate::browser::{focus, time};
use crate::labels;
use crate::labels::EndOfLog;
use crate::payload::{Preview, Size};
use crate::state::messages::{MEBIBYTES_MAX, MESSAGES_MAX, MessageLog, Received};
use crate::state::opened_file::OpenedFile;
use crate::state::search::{Criteria, NewMatches, Search};
use crate::state::{Action, HeldLog, LogView};

#[derive(PartialEq, Properties)]
pub(super) struct MessagesProps {
    pub(super) log: Rc<MessageLog>,
    pub(super) file: Option<Rc<OpenedFile>>,
    /// Whether the messages of the file are shown, and not those of `log`.
    pub(super) is_file_shown: bool,
    /// A topic filter; empty: all topics.
    pub(super) topic_filter: String,
    pub(super) view: LogView,
    /// Messages that the broker has dropped for this tab, and the reason.
    pub(super) dropped: Option<(u64, DropReason)>,
    pub(super) is_offline: bool,
    pub(super) has_subscriptions: bool,
    /// Called to put a message into the form.
    pub(super) onagain: Callback<Rc<Message>>,
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

    let file = props.file.as_ref().filter(|_| props.is_file_shown);
    let is_live = file.is_none();
    let log = match (file, held) {
        (Some(file), _) => &file.log,
        (None, Some(held)) => &held.log,
        (None, None) => &props.log,
    };
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
                <h2 id="messages-title">{ labels::message_log::TITLE }</h2>
                <span class="panel-count" data-testid="message-count" title={is_live.then_some(labels::message_log::RECEIVED)}>
                    { labels::count(if is_live { &props.log } else { log }.received_since_clear()) }
                </span>
                if let Some(found) = &found {
                    <span class="panel-count" role="status" data-testid="message-found">
                        { labels::message_log::found(found.numbers.len() as u64) }
                    </span>
                }
                if is_paused {
                    <span class="paused">
                        { labels::paused(new_rows, found.is_some()) }
                    </span>
                }
                if let Some((dropped, reason)) = props.dropped.filter(|_| is_live) {
                    <span class="problem" role="status" title={labels::own_loss(dropped, reason)} data-testid="message-dropped">
                        { labels::own_loss(dropped, reason) }
                    </span>
                }
                <div class="tools">
                    <input
                        type="text"
                        aria-label={labels::message_log::FILTER_NAME}
                        placeholder={labels::message_log::FILTER}
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
                        aria-label={labels::message_log::SEARCH_NAME}
                        aria-keyshortcuts="/"
                        placeholder={labels::message_log::SEARCH}
                        title={labels::message_log::SEARCH_HINT}
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
                        disabled={!is_live}
                        aria-pressed={is_paused.to_string()}
                        data-testid="message-pause"
                    >
                        { labels::message_log::pause(is_paused) }
                    </button>
                    <button type="button" onclick={clear} disabled={!is_live} data-testid="message-clear">{ labels::message_log::CLEAR }</button>
                    <Export log={Rc::clone(log)} numbers={found.as_ref().map(|it| Rc::clone(&it.numbers))} />
                    <Import dispatch={dispatch.clone()} />
                </div>
                if let Some(file) = &props.file {
                    <Sources file={Rc::clone(file)} is_file_shown={props.is_file_shown} dispatch={dispatch.clone()} />
                }
            </div>
            // Another search is another list, because its rows have other positions.
            <VirtualList
                key={format!("{is_live} {} {}", wanted.topic_filter, wanted.text)}
                role={ListRole::ListBox}
                label={labels::message_log::LIST}
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
                    onagain={props.onagain.clone()}
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
        _ if props.is_file_shown && log.forgotten() == 0 && len > 0 => return html! {},
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
                    <i>{ labels::message_log::DELETES }</i>
                } else if preview.is_empty() {
                    <i>{ labels::message_log::EMPTY_PAYLOAD }</i>
                } else {
                    { preview }
                }
            </span>
            // Short, for rows of two lines.
            <span class="message-facts">
                if is_deletion {
                    <span class="badge">{ labels::message_log::DELETION }</span>
                } else if message.retain {
                    <span class="badge badge-retained" data-short="R">{ labels::message_log::RETAINED }</span>
                }
                if message.dup {
                    <span class="badge" data-short="D">{ labels::message_log::DUP }</span>
                }
                if qos > 0 {
                    <span class="badge" data-short={format!("Q{qos}")}>{ labels::message_log::qos(qos) }</span>
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
            title={labels::message_log::EXPORT_HINT}
            data-testid="message-export"
        >
            { percent.map_or(labels::message_log::EXPORT.to_owned(), |percent| format!("{percent} %")) }
        </button>
    }
}

#[derive(PartialEq, Properties)]
struct ImportProps {
    dispatch: Callback<Action>,
}

/// Opens a file of JSON Lines.
#[component]
fn Import(props: &ImportProps) -> Html {
    let input = use_node_ref();
    let is_reading = use_state(|| false);
    let choose = use_callback(input.clone(), |_: MouseEvent, input| {
        if let Some(input) = input.cast::<HtmlInputElement>() {
            input.click();
        }
    });
    let open = {
        let (dispatch, is_reading) = (props.dispatch.clone(), is_reading.setter());
        Callback::from(move |event: Event| {
            let input: HtmlInputElement = event.target_unchecked_into();
            let Some(file) = input.files().and_then(|files| files.get(0)) else {
                return;
            };
            // So that the same file can be chosen again.
            input.set_value("");
            is_reading.set(true);
            let (dispatch, is_reading) = (dispatch.clone(), is_reading.clone());
            spawn_local(async move {
                dispatch.emit(import::read(file).await);
                is_reading.set(false);
            });
        })
    };
    html! {
        <>
            <button
                type="button"
                onclick={choose}
                disabled={*is_reading}
                title={labels::message_log::IMPORT_HINT}
                data-testid="message-import"
            >
                { labels::message_log::IMPORT }
            </button>
            <input ref={input} type="file" hidden=true onchange={open} data-testid="message-file" />
        </>
    }
}

#[derive(PartialEq, Properties)]
struct SourcesProps {
    file: Rc<OpenedFile>,
    is_file_shown: bool,
    dispatch: Callback<Action>,
}

/// The choice between the received messages and those of the file.
#[component]
fn Sources(props: &SourcesProps) -> Html {
    let SourcesProps {
        file,
        is_file_shown,
        dispatch,
    } = props;
    let show = |is_file: bool| dispatch.reform(move |_: MouseEvent| Action::ShowFile(is_file));
    let close = dispatch.reform(|_: MouseEvent| Action::CloseFile);
    html! {
        <div class="sources" data-testid="message-sources">
            <div class="segmented" role="group" aria-label={labels::message_log::SOURCES}>
                <button
                    type="button"
                    onclick={show(false)}
                    aria-pressed={(!is_file_shown).to_string()}
                    data-testid="source-live"
                >
                    { labels::message_log::LIVE }
                </button>
                <button
                    type="button"
                    class="source-file"
                    onclick={show(true)}
                    aria-pressed={is_file_shown.to_string()}
                    data-testid="source-file"
                >
                    { labels::message_log::file(&file.name, file.log.received()) }
                </button>
                <button type="button" class="quiet" onclick={close} data-testid="source-close">
                    { labels::message_log::CLOSE_FILE }
                </button>
            </div>
            if *is_file_shown {
                <p class="paused" role="status" data-testid="source-note">
                    { labels::message_log::FROM_FILE }
                    if let Some(skipped) = &file.skipped {
                        { " " }<span class="problem">{ labels::message_log::skipped(skipped) }</span>
                    }
                </p>
            }
        </div>
    }
}
