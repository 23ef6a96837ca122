//! The client's subscriptions.

use std::rc::Rc;

use tabmq_worker::api::{QoS, RetainHandling, Subscription};
use tabmq_worker::hooks::{SubscriptionOptions, use_bus_status, use_subscription_with_options};
use tabmq_worker::{BusStatus, RequestError, SubscriptionStatus};
use web_sys::{Element, HtmlFormElement};
use yew::platform::spawn_local;
use yew::prelude::*;

use super::fields::{Check, Field, QosSelect};
use crate::browser::form::Form;
use crate::labels;
use crate::state::Action;
use crate::state::subscriptions::{Subscriptions, WantedSubscription};

/// The maximum, so that every message arrives with the QoS of its publication.
const QOS: QoS = QoS::ExactlyOnce;

#[derive(PartialEq, Properties)]
pub(super) struct SubscriptionListProps {
    /// Whether another view is shown. The subscriptions stay.
    pub(super) is_hidden: bool,
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
    // The summary names folded fields that are sent.
    let form = use_node_ref();
    let options = use_state_eq(|| (QOS, 0));
    let count = use_callback(
        (form.clone(), options.setter()),
        |_: Event, (form, options)| {
            let form = form
                .cast::<HtmlFormElement>()
                .and_then(|form| Form::of(&form));
            if let Some(form) = form {
                let chosen = form.subscription();
                options.set((chosen.qos, chosen_options(&chosen)));
            }
        },
    );
    let forget = use_callback(options.setter(), |_: Event, options| options.set((QOS, 0)));
    // A new row may be below the visible part of the list, and so may its error.
    let list = use_node_ref();
    {
        let (list, shown) = (list.clone(), use_mut_ref(|| usize::MAX));
        use_effect_with(props.subscriptions.iter().count(), move |count| {
            let is_longer = *count > shown.replace(*count);
            if let Some(list) = list.cast::<Element>().filter(|_| is_longer) {
                list.set_scroll_top(list.scroll_height());
            }
        });
    }
    let bus = use_bus_status();
    let is_offline = matches!(bus, BusStatus::Failed(_) | BusStatus::Refused(_));
    html! {
        <section class="panel panel-subscriptions" aria-labelledby="subscriptions-title" hidden={props.is_hidden} inert={is_offline}>
            <div class="panel-head">
                <h2 id="subscriptions-title">{ labels::subscriptions::TITLE }</h2>
                <span class="panel-count">{ labels::count(props.subscriptions.grantable() as u64) }</span>
            </div>
            <form ref={form} onsubmit={subscribe} onchange={count} onreset={forget}>
                <div class="subscribe-row">
                    <Field label={labels::subscriptions::FILTER} is_label_unseen=true>
                        <input
                            name="topic-filter"
                            class="mono"
                            placeholder={labels::subscriptions::FILTER_EXAMPLE}
                            required=true
                            autocomplete="off"
                            autocapitalize="none"
                            spellcheck="false"
                            data-testid="subscribe-filter"
                        />
                    </Field>
                    <button
                        type="submit"
                        aria-disabled={is_offline.then_some("true")}
                        data-testid="subscribe-add"
                    >
                        { labels::subscriptions::SUBSCRIBE }
                    </button>
                </div>
                <details>
                    <summary data-testid="subscribe-options">{ labels::subscriptions::options(options.0, options.1) }</summary>
                    <div class="fields">
                        <QosSelect name="qos" selected={QOS} testid="subscribe-qos" />
                        <Check name="no-local" label={labels::subscriptions::NO_LOCAL} testid="subscribe-no-local" />
                        <Check name="retain-as-published" label={labels::subscriptions::AS_PUBLISHED} checked=true />
                        <Field label={labels::subscriptions::HANDLING} wide=true>
                            <select name="retain-handling">
                                // Yew inserts the last option first, and the browser selects the first one inserted.
                                <option value="0" selected=true>{ labels::subscriptions::RETAIN_HANDLING[0] }</option>
                                <option value="1">{ labels::subscriptions::RETAIN_HANDLING[1] }</option>
                                <option value="2">{ labels::subscriptions::RETAIN_HANDLING[2] }</option>
                            </select>
                        </Field>
                        <Field label={labels::subscriptions::IDENTIFIER} wide=true>
                            <input type="number" name="identifier" min="1" max="268435455" />
                        </Field>
                    </div>
                </details>
            </form>
            if props.subscriptions.is_empty() {
                <p class="empty">{ labels::subscriptions::NONE }</p>
            }
            <ul ref={list} class="subscriptions">
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
    wanted: WantedSubscription,
    dispatch: Callback<Action>,
}

/// One subscription, which lasts while its row is mounted.
#[component]
fn Row(props: &RowProps) -> Html {
    let WantedSubscription {
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
        // The log receives the messages by itself.
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
        SubscriptionStatus::Granted(qos) => labels::qos_level(*qos).to_string(),
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
            <span class="subscription-count" title={labels::subscriptions::COUNT}>
                { labels::count(messages.received()) }
            </span>
            <button
                type="button"
                class="quiet"
                onclick={remove}
                aria-label={labels::subscriptions::unsubscribe(topic_filter)}
                title={labels::subscriptions::UNSUBSCRIBE}
                data-testid="subscription-remove"
            >
                { "×" }
            </button>
            <span class="subscription-grant">
                <span>{ labels::grant_of(subscription, messages.status()) }</span>
                { for badges(subscription).iter().map(|badge| html! {
                    <span class="badge">{ badge }</span>
                }) }
            </span>
        </li>
    }
}

/// Number of options that differ from the form's defaults.
fn chosen_options(subscription: &Subscription) -> usize {
    let as_begun = Subscription {
        retain_as_published: !subscription.retain_as_published,
        ..subscription.clone()
    };
    badges(&as_begun).len()
}

/// The options that differ from MQTT's default.
fn badges(subscription: &Subscription) -> Vec<String> {
    let mut badges = Vec::new();
    if subscription.no_local {
        badges.push(labels::subscriptions::NO_LOCAL.to_owned());
    }
    if subscription.retain_as_published {
        badges.push(labels::subscriptions::AS_PUBLISHED.to_owned());
    }
    match subscription.retain_handling {
        RetainHandling::SendAtSubscribe => {}
        RetainHandling::SendIfNew => badges.push(labels::subscriptions::handling(1)),
        RetainHandling::DoNotSend => badges.push(labels::subscriptions::handling(2)),
    }
    if let Some(identifier) = subscription.identifier {
        badges.push(labels::subscriptions::identifier(identifier));
    }
    badges
}
