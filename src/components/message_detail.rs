//! The selected message, with its payload and properties.

use std::rc::Rc;

use tabmq_worker::api::Message;
use yew::prelude::*;

use super::copy_buttons::Copy;
use super::message_form;
use super::payload::PayloadView;
use crate::browser::{address, dom, focus, time};
use crate::labels;
use crate::labels::properties as names;
use crate::payload::Preview;
use crate::state::messages::{MessageLog, Received};

#[derive(PartialEq, Properties)]
pub(super) struct MessageDetailProps {
    pub(super) message: Rc<Received>,
    /// Contains the messages before it.
    pub(super) log: Rc<MessageLog>,
    /// Called to put the message into the form.
    pub(super) onagain: Callback<Rc<Message>>,
    pub(super) onclose: Callback<()>,
}

#[component]
pub(super) fn MessageDetail(props: &MessageDetailProps) -> Html {
    let message = &props.message.message;
    let close = use_node_ref();
    // In a narrow page it lies over everything: it takes the focus, and returns it to the log.
    let is_over_all = *use_memo((), |()| dom::is_narrow());
    let onclose = address::use_overlay(is_over_all, props.onclose.clone());
    use_effect_with(close.clone(), move |close| {
        if is_over_all {
            focus::focus(close);
        }
        move || {
            if is_over_all {
                focus::focus_on("[data-testid=message-log]");
            }
        }
    });
    let on_key = use_callback(onclose.clone(), |event: KeyboardEvent, onclose| {
        if event.key() == "Escape" {
            onclose.emit(());
        }
    });
    html! {
        <section
            class="detail"
            aria-label={labels::message_log::SELECTED}
            onkeydown={on_key}
            data-testid="message-detail"
        >
            <div class="panel-head">
                <code class="detail-topic">{ &message.topic }</code>
                <Copy
                    key={message.topic.clone()}
                    label={labels::payload::COPY_TOPIC}
                    text={message.topic.clone()}
                    testid="copy-topic"
                />
                <PublishAgain message={Rc::clone(message)} onagain={props.onagain.clone()} />
                <button
                    ref={close}
                    type="button"
                    class="quiet detail-close"
                    aria-label={labels::message_log::CLOSE}
                    onclick={onclose.reform(|_: MouseEvent| ())}
                    data-testid="message-close"
                >
                    <span class="if-wide">{ "×" }</span>
                    <span class="if-narrow">{ labels::message_log::BACK }</span>
                </button>
            </div>
            <PayloadView message={Rc::clone(message)} log={Rc::clone(&props.log)} />
            { properties(message) }
        </section>
    }
}

#[derive(PartialEq, Properties)]
pub(super) struct PublishAgainProps {
    pub(super) message: Rc<Message>,
    pub(super) onagain: Callback<Rc<Message>>,
}

/// A button that puts a received message into the form.
#[component]
pub(super) fn PublishAgain(props: &PublishAgainProps) -> Html {
    let fits = message_form::fits(&props.message);
    let again = {
        let message = Rc::clone(&props.message);
        props
            .onagain
            .reform(move |_: MouseEvent| Rc::clone(&message))
    };
    html! {
        <button
            type="button"
            class="quiet"
            onclick={again}
            disabled={!fits}
            title={if fits { labels::publish::PUBLISH_AGAIN_HINT } else { labels::publish::TOO_LARGE_TO_EDIT }}
            data-testid="message-again"
        >
            { labels::publish::PUBLISH_AGAIN }
        </button>
    }
}

/// The properties of the message, by their names in the specification.
pub(super) fn properties(message: &Message) -> Html {
    let properties = &message.properties;
    let mut pairs: Vec<(String, String)> = vec![
        (
            names::QOS.to_owned(),
            labels::qos_level(message.qos).to_string(),
        ),
        (
            names::RETAIN.to_owned(),
            labels::yes_or_no(message.retain).to_owned(),
        ),
        (
            names::SIZE.to_owned(),
            labels::payload::bytes(message.payload.len()),
        ),
        (
            names::RECEIVED.to_owned(),
            time::date_and_time(message.received_at.as_ms()),
        ),
    ];
    let mut add = |name: &str, value: Option<String>| {
        pairs.extend(value.map(|value| (name.to_owned(), value)));
    };
    add(names::CONTENT_TYPE, properties.content_type.clone());
    add(names::RESPONSE_TOPIC, properties.response_topic.clone());
    add(
        names::CORRELATION_DATA,
        properties
            .correlation_data
            .as_ref()
            .map(|data| Preview::of(data).text),
    );
    add(
        names::MESSAGE_EXPIRY,
        properties
            .message_expiry_interval
            .map(labels::properties::seconds),
    );
    add(
        names::PAYLOAD_FORMAT,
        properties
            .payload_is_utf8
            .map(|is_utf8| labels::properties::payload_format(is_utf8).to_owned()),
    );
    for identifier in &message.subscription_identifiers {
        add(names::SUBSCRIPTION_IDENTIFIER, Some(identifier.to_string()));
    }
    for (name, value) in &properties.user_properties {
        add(name, Some(value.clone()));
    }
    html! {
        <dl class="properties">
            { for pairs.into_iter().map(|(name, value)| html! {
                <div><dt>{ name }</dt><dd>{ value }</dd></div>
            }) }
        </dl>
    }
}
