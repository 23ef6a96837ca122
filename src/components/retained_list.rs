//! The retained messages as a table, of which several can be selected and cleared.

use std::collections::BTreeSet;
use std::rc::Rc;

use tabmq_worker::BusStatus;
use tabmq_worker::hooks::{use_bus_status, use_client};
use web_sys::HtmlInputElement;
use yew::prelude::*;

use crate::app::retained_clearing::{self, Wanted};
use crate::labels;
use crate::payload::Preview;
use crate::state::retained::{Retained, Value};
use crate::state::{Action, SharedTopics};

/// Most rows that are drawn.
const ROWS_MAX: usize = 200;

/// Characters of a value that fit in a row.
const PREVIEW_CHARS: usize = 120;

#[derive(PartialEq, Properties)]
pub(super) struct RetainedListProps {
    pub(super) retained: Rc<Retained>,
    /// The search, as it was typed.
    pub(super) text: String,
    pub(super) topics: SharedTopics,
    pub(super) now_ms: u64,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn RetainedList(props: &RetainedListProps) -> Html {
    let RetainedListProps {
        retained,
        text,
        topics,
        now_ms,
        dispatch,
    } = props;
    let (client, bus) = (use_client(), use_bus_status());
    let marked = use_state(BTreeSet::<Rc<str>>::new);
    let found = retained.found(text, *now_ms);
    let shown = found.get(..ROWS_MAX).unwrap_or(&found);
    let selected: Vec<Rc<str>> = shown
        .iter()
        .filter(|(topic, _)| marked.contains(*topic))
        .map(|(topic, _)| Rc::clone(topic))
        .collect();
    let mark = {
        let marked = marked.clone();
        move |topic: Rc<str>| {
            let marked = marked.clone();
            Callback::from(move |event: Event| {
                let input: HtmlInputElement = event.target_unchecked_into();
                let mut next = (*marked).clone();
                if input.checked() {
                    next.insert(Rc::clone(&topic));
                } else {
                    next.remove(&topic);
                }
                marked.set(next);
            })
        }
    };
    let mark_all = {
        let (marked, all) = (marked.setter(), shown);
        let all: BTreeSet<Rc<str>> = all.iter().map(|(topic, _)| Rc::clone(topic)).collect();
        Callback::from(move |event: Event| {
            let input: HtmlInputElement = event.target_unchecked_into();
            marked.set(match input.checked() {
                true => all.clone(),
                false => BTreeSet::new(),
            });
        })
    };
    let clear = {
        let (dispatch, wanted) = (dispatch.clone(), selected.clone());
        Callback::from(move |_: MouseEvent| {
            let topics = wanted.iter().map(|it| it.to_string()).collect();
            retained_clearing::begin(&client, Wanted::Topics(topics), &dispatch);
        })
    };
    if found.is_empty() {
        let is_search = !text.trim().is_empty();
        let is_offline = matches!(bus, BusStatus::Failed(_) | BusStatus::Refused(_));
        let why = match retained.count(*now_ms) {
            None if is_offline => labels::retained::OFFLINE,
            None => labels::LOADING,
            Some(_) if is_search => labels::retained::NO_MATCH,
            Some(_) => labels::retained::NONE,
        };
        return html! { <p class="empty" data-testid="retained-list">{ why }</p> };
    }
    let row = |(topic, value): &(&Rc<str>, &Value)| {
        let node = topics.get().find(topic);
        let name = labels::visible(topic).into_owned();
        let open = dispatch.reform(move |_: MouseEvent| Action::SelectTopic(node));
        let expires = value
            .expires
            .map(|at| at.saturating_sub(*now_ms).div_ceil(1_000));
        let preview: String = Preview::of(&value.payload)
            .text
            .chars()
            .take(PREVIEW_CHARS)
            .collect();
        html! {
            <tr key={topic.to_string()} data-testid="retained-row" data-topic={topic.to_string()}>
                <td class="cell-check">
                    <label>
                        <input
                            type="checkbox"
                            checked={marked.contains(*topic)}
                            onchange={mark(Rc::clone(topic))}
                            data-testid="retained-mark"
                        />
                        <span class="unseen">{ labels::retained::select(&name) }</span>
                    </label>
                </td>
                <td>
                    if node.is_some() {
                        <button type="button" class="cell-topic" onclick={open}><code>{ &name }</code></button>
                    } else {
                        <code>{ &name }</code>
                    }
                </td>
                <td class="cell-value">{ preview }</td>
                <td class="number cell-qos">{ labels::qos_level(value.qos) }</td>
                <td class="number">{ labels::retained::expires(expires) }</td>
            </tr>
        }
    };
    html! {
        <div class="retained" data-testid="retained-list">
            <button
                type="button"
                class="danger"
                onclick={clear}
                disabled={selected.is_empty()}
                data-testid="retained-clear"
            >
                { labels::retained::clear_selected(selected.len()) }
            </button>
            <div class="table-space" tabindex="0" role="region" aria-label={labels::retained::TABLE}>
                <table>
                    <thead>
                        <tr>
                            <td class="cell-check">
                                <label>
                                    <input
                                        type="checkbox"
                                        checked={selected.len() == shown.len()}
                                        onchange={mark_all}
                                        data-testid="retained-mark-all"
                                    />
                                    <span class="unseen">{ labels::retained::ALL }</span>
                                </label>
                            </td>
                            <th scope="col">{ labels::fields::TOPIC }</th>
                            <th scope="col">{ labels::retained::VALUE }</th>
                            <th scope="col" class="number cell-qos">{ labels::fields::QOS }</th>
                            <th scope="col" class="number">{ labels::retained::EXPIRES }</th>
                        </tr>
                    </thead>
                    <tbody>{ for shown.iter().map(row) }</tbody>
                </table>
                if found.len() > shown.len() {
                    <p class="older">{ labels::retained::more(found.len() - shown.len()) }</p>
                }
            </div>
        </div>
    }
}
