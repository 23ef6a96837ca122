//! The dialog before several retained messages are cleared, and the note after it.

use tabmq_worker::hooks::use_client;
use web_sys::HtmlDialogElement;
use yew::prelude::*;

use crate::app::retained_clearing;
use crate::labels;
use crate::state::Action;
use crate::state::retained_set::{Clearing, RetainedSet};

/// Topics that the dialog names.
const NAMED_MAX: usize = 8;

#[derive(PartialEq, Properties)]
pub(super) struct RetainedClearingProps {
    pub(super) clearing: Option<Clearing>,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn RetainedClearing(props: &RetainedClearingProps) -> Html {
    let client = use_client();
    let dispatch = &props.dispatch;
    let dismiss = dispatch.reform(|_: MouseEvent| Action::Clearing(None));
    let note = match &props.clearing {
        Some(Clearing::Cleared(set, outcome)) => {
            let (client, dispatch, restored) = (client, dispatch.clone(), set.clone());
            let undo = move |_: MouseEvent| {
                retained_clearing::restore(&client, &restored, &dispatch);
            };
            html! {
                <>
                    <p>{ labels::retained::cleared(set, outcome) }</p>
                    if outcome.done > 0 && set.not_kept() < set.topics().len() {
                        <button type="button" onclick={undo} title={labels::retained::UNDO_HINT} data-testid="retained-undo">
                            { labels::retained::UNDO }
                        </button>
                    }
                </>
            }
        }
        Some(Clearing::Restored(outcome)) => {
            html! { <p>{ labels::retained::restored(outcome) }</p> }
        }
        Some(Clearing::Unconfirmed(set)) => {
            return html! { <Confirm set={set.clone()} dispatch={dispatch.clone()} /> };
        }
        None => return html! { <div role="status" /> },
    };
    html! {
        <div role="status">
            <div class="alert note" data-testid="retained-cleared">
                { note }
                <button type="button" class="quiet" onclick={dismiss}>{ labels::alerts::DISMISS }</button>
            </div>
        </div>
    }
}

#[derive(PartialEq, Properties)]
struct ConfirmProps {
    set: RetainedSet,
    dispatch: Callback<Action>,
}

#[component]
fn Confirm(props: &ConfirmProps) -> Html {
    let ConfirmProps { set, dispatch } = props;
    let client = use_client();
    let dialog = use_node_ref();
    use_effect_with(dialog.clone(), |dialog| {
        if let Some(dialog) = dialog.cast::<HtmlDialogElement>() {
            // It fails only for a dialog that is open or not in the page.
            let _ = dialog.show_modal();
        }
    });
    // Closing it returns the focus to the button that opened it.
    let close = {
        let dialog = dialog.clone();
        move || {
            if let Some(dialog) = dialog.cast::<HtmlDialogElement>() {
                dialog.close();
            }
        }
    };
    let confirm = {
        let (set, close, dispatch) = (set.clone(), close.clone(), dispatch.clone());
        move |_: MouseEvent| {
            close();
            retained_clearing::confirm(&client, set.clone(), &dispatch);
        }
    };
    let cancel = {
        let dispatch = dispatch.clone();
        move |_: MouseEvent| {
            close();
            dispatch.emit(Action::Clearing(None));
        }
    };
    // The Escape key closes it.
    let on_cancel = dispatch.reform(|_: Event| Action::Clearing(None));
    let topics = set.topics();
    html! {
        <dialog
            ref={dialog}
            class="dialog"
            aria-labelledby="clearing-title"
            oncancel={on_cancel}
            data-testid="retained-confirm"
        >
            <h2 id="clearing-title">{ labels::retained::confirm_title(set) }</h2>
            <p>{ labels::retained::confirm(set) }</p>
            <ul class="dialog-topics">
                { for topics.iter().take(NAMED_MAX).map(|topic| html! {
                    <li><code>{ labels::visible(topic).into_owned() }</code></li>
                }) }
                if topics.len() > NAMED_MAX {
                    <li>{ labels::retained::and_more(topics.len() - NAMED_MAX) }</li>
                }
            </ul>
            <div class="dialog-actions">
                <button type="button" onclick={cancel} data-testid="retained-cancel">{ labels::retained::CANCEL }</button>
                <button type="button" class="danger" onclick={confirm} data-testid="retained-clear-confirmed">
                    { labels::retained::confirm_button(set) }
                </button>
            </div>
        </dialog>
    }
}
