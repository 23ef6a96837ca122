//! One message, with everything that is in it.

use std::rc::Rc;

use tabmq_worker::api::Message;
use yew::prelude::*;

use super::copy::Copy;
use crate::diff::{self, Line};
use crate::page;
use crate::payload::{Format, Readable, Size};
use crate::state::messages::Received;
use crate::words;

#[derive(PartialEq, Properties)]
pub(super) struct MessageDetailProps {
    pub(super) message: Rc<Received>,
    /// The message before it on the same topic.
    pub(super) before: Option<Rc<Received>>,
    pub(super) onclose: Callback<()>,
}

#[component]
pub(super) fn MessageDetail(props: &MessageDetailProps) -> Html {
    let message = &props.message.message;
    let close = use_node_ref();
    // In a narrow page it lies over everything: the focus comes with it, and goes back to the log.
    use_effect_with(close.clone(), |close| {
        let is_over_all = page::is_narrow();
        if is_over_all {
            page::focus(close);
        }
        move || {
            if is_over_all {
                page::focus_on("[data-testid=message-log]");
            }
        }
    });
    let on_key = use_callback(props.onclose.clone(), |event: KeyboardEvent, onclose| {
        if event.key() == "Escape" {
            onclose.emit(());
        }
    });
    html! {
        <section
            class="detail"
            aria-label="The selected message"
            onkeydown={on_key}
            data-testid="message-detail"
        >
            <div class="panel-head">
                <code class="detail-topic">{ &message.topic }</code>
                <Copy
                    key={message.topic.clone()}
                    label="Copy topic"
                    text={message.topic.clone()}
                    testid="copy-topic"
                />
                <button
                    ref={close}
                    type="button"
                    class="quiet detail-close"
                    aria-label="Close the message, back to the log"
                    onclick={props.onclose.reform(|_: MouseEvent| ())}
                    data-testid="message-close"
                >
                    <span class="if-wide">{ "×" }</span>
                    <span class="if-narrow">{ "‹ Back" }</span>
                </button>
            </div>
            <PayloadView
                payload={Rc::clone(message)}
                before={props.before.as_ref().map(|it| Rc::clone(&it.message))}
            />
            { properties(message) }
        </section>
    }
}

#[derive(PartialEq, Properties)]
pub(super) struct PayloadViewProps {
    /// The message whose payload it is.
    pub(super) payload: Rc<Message>,
    /// The message before on the same topic.
    #[prop_or_default]
    pub(super) before: Option<Rc<Message>>,
}

/// How a payload is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    As(Format),
    Diff,
}

impl Look {
    const ALL: [Self; 5] = [
        Self::As(Format::Json),
        Self::As(Format::Text),
        Self::As(Format::Hex),
        Self::As(Format::Base64),
        Self::Diff,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::As(format) => format.name(),
            Self::Diff => "Diff",
        }
    }
}

/// A payload in the format that tells most, or in another one.
#[component]
pub(super) fn PayloadView(props: &PayloadViewProps) -> Html {
    let bytes = &props.payload.payload;
    let chosen = use_state(|| None::<Look>);
    let look = chosen.unwrap_or_else(|| Look::As(Format::best(bytes)));
    let shown = match look {
        Look::As(format) => format.show(bytes),
        Look::Diff => None,
    };
    let button = |it: Look| {
        let chosen = chosen.setter();
        html! {
            <button
                type="button"
                aria-pressed={(it == look).to_string()}
                onclick={move |_: MouseEvent| chosen.set(Some(it))}
                data-testid={format!("look-{}", it.name().to_lowercase())}
            >
                { it.name() }
            </button>
        }
    };
    html! {
        <>
            <div class="segmented" role="group" aria-label="Show the payload as">
                { for Look::ALL.map(button) }
                if let Some(text) = shown.clone() {
                    <Copy key={text.clone()} label="Copy payload" text={text.clone()} testid="copy-payload" />
                }
            </div>
            if look == Look::Diff {
                { diff_view(bytes, props.before.as_ref().map(|it| &*it.payload)) }
            } else if let Some(text) = shown {
                <pre class="payload" tabindex="0" aria-label="Payload" data-testid="payload">{ text }</pre>
            } else {
                <p class="empty" data-testid="payload">{ cannot_show(look, bytes) }</p>
            }
        </>
    }
}

fn cannot_show(look: Look, bytes: &[u8]) -> String {
    if bytes.len() > 1 << 18 {
        let beginning = Readable::of(bytes);
        return format!(
            "{} are too many to show. They begin with: {}",
            Size(bytes.len()),
            beginning.text
        );
    }
    format!("These {} are no {}.", Size(bytes.len()), look.name())
}

fn diff_view(bytes: &[u8], before: Option<&[u8]>) -> Html {
    let Some(before) = before else {
        return html! { <p class="empty">{ "No earlier message on this topic is kept." }</p> };
    };
    let Some(lines) = diff::lines(before, bytes) else {
        return html! { <p class="empty">{ "Too large to compare." }</p> };
    };
    let line = |line: &Line| {
        let (class, sign, text) = match line {
            Line::Same(text) => ("diff-same", " ", text),
            Line::Removed(text) => ("diff-removed", "−", text),
            Line::Added(text) => ("diff-added", "+", text),
        };
        html! { <span {class}>{ sign }{ " " }{ text }{ "\n" }</span> }
    };
    let is_same = lines.iter().all(|line| matches!(line, Line::Same(_)));
    html! {
        <>
            if is_same {
                <p class="empty">{ "The same as before." }</p>
            }
            <pre class="payload" tabindex="0" aria-label="What has changed since the message before" data-testid="diff">
                { for lines.iter().map(line) }
            </pre>
        </>
    }
}

/// The properties the message has, by their names in the specification.
pub(super) fn properties(message: &Message) -> Html {
    let properties = &message.properties;
    let mut pairs: Vec<(String, String)> = vec![
        ("QoS".to_owned(), words::qos_level(message.qos).to_string()),
        (
            "Retain".to_owned(),
            words::yes_or_no(message.retain).to_owned(),
        ),
        (
            "Size".to_owned(),
            format!("{} bytes", words::count(message.payload.len() as u64)),
        ),
        (
            "Received".to_owned(),
            page::time_of_day(message.received_at.as_ms()),
        ),
    ];
    let mut add = |name: &str, value: Option<String>| {
        pairs.extend(value.map(|value| (name.to_owned(), value)));
    };
    add("Content Type", properties.content_type.clone());
    add("Response Topic", properties.response_topic.clone());
    add(
        "Correlation Data",
        properties
            .correlation_data
            .as_ref()
            .map(|data| Readable::of(data).text),
    );
    add(
        "Message Expiry",
        properties
            .message_expiry_interval
            .map(|seconds| format!("{seconds} s")),
    );
    add(
        "Payload Format",
        properties
            .payload_is_utf8
            .map(|is_utf8| if is_utf8 { "UTF-8" } else { "bytes" }.to_owned()),
    );
    for identifier in &message.subscription_identifiers {
        add("Subscription Identifier", Some(identifier.to_string()));
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
