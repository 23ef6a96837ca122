//! The form that publishes.

use tabmq_worker::hooks::{use_publish, use_role};
use web_sys::HtmlFormElement;
use yew::prelude::*;

use super::fields::{Check, Field, QosSelect};
use crate::form::Form;
use crate::words;

#[component]
pub(super) fn Publish() -> Html {
    let publish = use_publish();
    let role = use_role();
    let result = words::publish_result(publish.status(), role);
    let acknowledged = publish.status().acknowledged;
    let on_submit = use_callback(publish, |event: SubmitEvent, publish| {
        event.prevent_default();
        let form = event.target_dyn_into::<HtmlFormElement>();
        if let Some(form) = form.and_then(|form| Form::of(&form)) {
            // The status tells how it ends.
            drop(publish.publish_with_options(form.publication()));
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
            <form ref={form} onsubmit={on_submit} onkeydown={on_key}>
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
                        data-acknowledged={acknowledged.to_string()}
                    >
                        { result }
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
