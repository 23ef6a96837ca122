//! What the client is subscribed to.

use std::rc::Rc;

use tabmq_worker::api::{QoS, RetainHandling, Subscription};
use web_sys::HtmlFormElement;
use yew::prelude::*;

use super::fields::{Check, Field, QosSelect};
use crate::form::Form;
use crate::state::Action;
use crate::state::subscriptions::{Grant, Subscriptions, Wanted};
use crate::words;

#[derive(PartialEq, Properties)]
pub(super) struct SubscriptionListProps {
    pub(super) subscriptions: Rc<Subscriptions>,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn SubscriptionList(props: &SubscriptionListProps) -> Html {
    let subscribe = use_callback(props.dispatch.clone(), |event: SubmitEvent, dispatch| {
        event.prevent_default();
        let form = event.target_dyn_into::<HtmlFormElement>();
        if let Some((element, form)) = form.and_then(|e| Form::of(&e).map(|form| (e, form))) {
            dispatch.emit(Action::Subscribe(form.subscription()));
            element.reset();
        }
    });
    html! {
        <section class="panel" aria-labelledby="subscriptions-title">
            <div class="panel-head">
                <h2 id="subscriptions-title">{ "Subscriptions" }</h2>
            </div>
            <form onsubmit={subscribe}>
                <div class="subscribe-row">
                    <Field label="Topic filter">
                        <input
                            name="topic-filter"
                            placeholder="home/+/temperature"
                            required=true
                            autocomplete="off"
                            autocapitalize="none"
                            spellcheck="false"
                            data-testid="subscribe-filter"
                        />
                    </Field>
                    <QosSelect name="qos" selected={QoS::ExactlyOnce} testid="subscribe-qos" />
                    <button type="submit" data-testid="subscribe-add">{ "Subscribe" }</button>
                </div>
                <details>
                    <summary>{ "Options" }</summary>
                    <div class="fields">
                        <Check name="no-local" label="No Local" />
                        <Check name="retain-as-published" label="Retain As Published" />
                        <Field label="Retain Handling" wide=true>
                            <select name="retain-handling">
                                // Options are inserted last first, and the browser selects the first it sees.
                                <option value="0" selected=true>{ "0, send at every subscribe" }</option>
                                <option value="1">{ "1, send if it is new" }</option>
                                <option value="2">{ "2, do not send" }</option>
                            </select>
                        </Field>
                        <Field label="Identifier">
                            <input type="number" name="identifier" min="1" max="268435455" />
                        </Field>
                    </div>
                </details>
            </form>
            if props.subscriptions.is_empty() {
                <p class="empty">{ "Subscribed to nothing. The topic filter # matches every topic." }</p>
            }
            <ul class="subscriptions">
                { for props.subscriptions.iter().map(|wanted| row(wanted, &props.dispatch)) }
            </ul>
        </section>
    }
}

fn row(wanted: &Wanted, dispatch: &Callback<Action>) -> Html {
    let topic_filter = &wanted.subscription.topic_filter;
    let granted = match &wanted.grant {
        Grant::Suspended => "suspended".to_owned(),
        Grant::Requested => "requested".to_owned(),
        Grant::Granted(qos) => words::qos_level(*qos).to_string(),
        Grant::Refused(_) => "refused".to_owned(),
    };
    let remove = dispatch.reform({
        let topic_filter = topic_filter.clone();
        move |_: MouseEvent| Action::Unsubscribe(topic_filter.clone())
    });
    html! {
        <li
            key={topic_filter.clone()}
            class="subscription"
            data-testid="subscription"
            data-filter={topic_filter.clone()}
            data-granted={granted}
        >
            <span class={format!("swatch colour-{}", wanted.colour.0)} />
            <code class="subscription-filter">{ topic_filter }</code>
            <span class="subscription-count" title="Messages that matched">
                { words::count(wanted.messages) }
            </span>
            <button
                type="button"
                class="quiet"
                onclick={remove}
                aria-label={format!("Unsubscribe from {topic_filter}")}
                title="Unsubscribe"
                data-testid="subscription-remove"
            >
                { "×" }
            </button>
            <span class="subscription-grant">
                { words::grant(&wanted.grant) }
                { for options(&wanted.subscription).iter().map(|option| html! {
                    <span class="badge">{ option }</span>
                }) }
            </span>
        </li>
    }
}

/// The options that differ from the default.
fn options(subscription: &Subscription) -> Vec<String> {
    let mut options = Vec::new();
    if subscription.no_local {
        options.push("No Local".to_owned());
    }
    if subscription.retain_as_published {
        options.push("Retain As Published".to_owned());
    }
    match subscription.retain_handling {
        RetainHandling::SendAtSubscribe => {}
        RetainHandling::SendIfNew => options.push("Retain Handling 1".to_owned()),
        RetainHandling::DoNotSend => options.push("Retain Handling 2".to_owned()),
    }
    if let Some(identifier) = subscription.identifier {
        options.push(format!("id {identifier}"));
    }
    options
}
