//! The form that publishes.

use web_sys::HtmlFormElement;
use yew::prelude::*;

use super::fields::{Check, Field, QosSelect};
use crate::form::Form;
use crate::state::Action;

#[derive(PartialEq, Properties)]
pub(super) struct PublishProps {
    /// What became of the publishes, in words.
    pub(super) result: String,
    /// How many were answered with success.
    pub(super) acknowledged: u64,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn Publish(props: &PublishProps) -> Html {
    let publish = use_callback(props.dispatch.clone(), |event: SubmitEvent, dispatch| {
        event.prevent_default();
        let form = event.target_dyn_into::<HtmlFormElement>();
        if let Some(form) = form.and_then(|form| Form::of(&form)) {
            dispatch.emit(Action::Publish(form.publication()));
        }
    });
    let form = use_node_ref();
    let on_key = use_callback(form.clone(), |event: KeyboardEvent, form| {
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
            event.prevent_default();
            if let Some(form) = form.cast::<HtmlFormElement>() {
                // Not `submit`, which would skip the check of the fields. A form can always be asked.
                let _ = form.request_submit();
            }
        }
    });
    html! {
        <section class="panel" aria-labelledby="publish-title">
            <div class="panel-head">
                <h2 id="publish-title">{ "Publish" }</h2>
            </div>
            <form ref={form} onsubmit={publish} onkeydown={on_key}>
                <Field label="Topic">
                    <input
                        name="topic"
                        ~defaultValue={"hello"}
                        required=true
                        autocomplete="off"
                        autocapitalize="none"
                        spellcheck="false"
                        data-testid="publish-topic"
                    />
                </Field>
                <Field label="Payload">
                    <textarea
                        name="payload"
                        rows="2"
                        defaultvalue="Hello, tabs!"
                        spellcheck="false"
                        data-testid="publish-payload"
                    />
                </Field>
                <div class="publish-row">
                    <QosSelect name="qos" testid="publish-qos" />
                    <Check name="retain" label="Retain" testid="publish-retain" />
                    <p
                        class="publish-result"
                        role="status"
                        data-testid="publish-result"
                        data-acknowledged={props.acknowledged.to_string()}
                    >
                        { &props.result }
                    </p>
                    <button
                        type="submit"
                        class="primary"
                        title="Ctrl+Enter"
                        aria-keyshortcuts="Control+Enter"
                        data-testid="publish-send"
                    >
                        { "Publish" }
                    </button>
                </div>
                <details>
                    <summary>{ "Properties" }</summary>
                    <Properties />
                </details>
            </form>
        </section>
    }
}

/// The properties that travel with a message.
#[component]
fn Properties() -> Html {
    // Each row has a number of its own, so that removing one leaves what was typed into the others.
    let rows = use_state(|| vec![0_u32]);
    let add = use_callback(rows.clone(), |_: MouseEvent, rows| {
        let next = rows.iter().max().map_or(0, |last| last + 1);
        rows.set(rows.iter().copied().chain([next]).collect());
    });
    let user_property = |&row: &u32| {
        let remove = {
            let rows = rows.clone();
            move |_: MouseEvent| rows.set(rows.iter().copied().filter(|r| *r != row).collect())
        };
        html! {
            <div class="user-property" key={row}>
                <input name="user-property-name" aria-label="Name" placeholder="Name" autocomplete="off" />
                <input name="user-property-value" aria-label="Value" placeholder="Value" autocomplete="off" />
                <button type="button" class="quiet" onclick={remove} aria-label="Remove this user property">
                    { "×" }
                </button>
            </div>
        }
    };
    html! {
        <div class="fields">
            <Field label="Content type">
                <input name="content-type" placeholder="application/json" autocomplete="off" />
            </Field>
            <Field label="Message expiry, s">
                <input type="number" name="message-expiry-interval" min="0" max="4294967295" />
            </Field>
            <Field label="Response topic">
                <input name="response-topic" autocomplete="off" autocapitalize="none" spellcheck="false" />
            </Field>
            <fieldset class="field-wide">
                <legend class="field-label">{ "User properties" }</legend>
                { for rows.iter().map(user_property) }
                <button type="button" class="quiet" onclick={add}>{ "Add a user property" }</button>
            </fieldset>
        </div>
    }
}
