//! What the client is subscribed to.

use std::rc::Rc;

use tabmq_worker::api::{QoS, RetainHandling, Subscription};
use tabmq_worker::hooks::{SubscriptionOptions, use_bus_status, use_subscription_with_options};
use tabmq_worker::{BusStatus, RequestError, SubscriptionStatus};
use web_sys::HtmlFormElement;
use yew::platform::spawn_local;
use yew::prelude::*;

use super::fields::{Check, Field, QosSelect};
use crate::form::Form;
use crate::state::Action;
use crate::state::subscriptions::{Subscriptions, Wanted};
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
    let bus = use_bus_status();
    let is_offline = matches!(bus, BusStatus::Failed(_));
    html! {
        <section class="panel" aria-labelledby="subscriptions-title" inert={is_offline}>
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
                        <Check name="retain-as-published" label="Retain As Published" checked=true />
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
                { for props.subscriptions.iter().map(|wanted| html! {
                    <Row
                        key={wanted.subscription.topic_filter.clone()}
                        wanted={wanted.clone()}
                        dispatch={props.dispatch.clone()}
                    />
                }) }
            </ul>
        </section>
    }
}

#[derive(PartialEq, Properties)]
struct RowProps {
    wanted: Wanted,
    dispatch: Callback<Action>,
}

/// One subscription: it is subscribed to as long as its row is there.
#[component]
fn Row(props: &RowProps) -> Html {
    let Wanted {
        subscription,
        colour,
        renewals,
    } = &props.wanted;
    let options = SubscriptionOptions {
        qos: subscription.qos,
        no_local: subscription.no_local,
        retain_as_published: subscription.retain_as_published,
        retain_handling: subscription.retain_handling,
        identifier: subscription.identifier,
        // The messages are in the log of all.
        buffer: 0,
    };
    let topic_filter = &subscription.topic_filter;
    let messages = use_subscription_with_options(topic_filter, options);
    {
        let messages = messages.clone();
        use_effect_with(*renewals, move |renewals| {
            if *renewals > 0 {
                messages.renew();
            }
        });
    }
    let granted = match messages.status() {
        SubscriptionStatus::Suspended => "suspended".to_owned(),
        SubscriptionStatus::Requested => "requested".to_owned(),
        SubscriptionStatus::Granted(qos) => words::qos_level(*qos).to_string(),
        SubscriptionStatus::Refused(_) => "refused".to_owned(),
    };
    let remove = {
        let (messages, dispatch) = (messages.clone(), props.dispatch.clone());
        let topic_filter = topic_filter.clone();
        move |_: MouseEvent| {
            let request = messages.unsubscribe();
            dispatch.emit(Action::Unsubscribe(topic_filter.clone()));
            let (dispatch, topic_filter) = (dispatch.clone(), topic_filter.clone());
            spawn_local(async move {
                match request.await {
                    Ok(_) | Err(RequestError::Closed) => {}
                    Err(why) => dispatch.emit(Action::StillSubscribed(topic_filter, why)),
                }
            });
        }
    };
    html! {
        <li
            class="subscription"
            data-testid="subscription"
            data-filter={topic_filter.clone()}
            data-granted={granted}
        >
            <span class={format!("swatch colour-{}", colour.0)} />
            <code class="subscription-filter">{ topic_filter }</code>
            <span class="subscription-count" title="Messages that matched">
                { words::count(messages.received()) }
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
                { words::grant_of(subscription, messages.status()) }
                { for badges(subscription).iter().map(|badge| html! {
                    <span class="badge">{ badge }</span>
                }) }
            </span>
        </li>
    }
}

/// The options that differ from the default.
fn badges(subscription: &Subscription) -> Vec<String> {
    let mut badges = Vec::new();
    if subscription.no_local {
        badges.push("No Local".to_owned());
    }
    if subscription.retain_as_published {
        badges.push("Retain As Published".to_owned());
    }
    match subscription.retain_handling {
        RetainHandling::SendAtSubscribe => {}
        RetainHandling::SendIfNew => badges.push("Retain Handling 1".to_owned()),
        RetainHandling::DoNotSend => badges.push("Retain Handling 2".to_owned()),
    }
    if let Some(identifier) = subscription.identifier {
        badges.push(format!("id {identifier}"));
    }
    badges
}
