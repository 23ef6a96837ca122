//! The log of messages.

use std::rc::Rc;

use web_sys::HtmlInputElement;
use yew::prelude::*;

use crate::payload::{Form, Readable, Size};
use crate::state::Action;
use crate::state::messages::{MEBIBYTES_MAX, MESSAGES_MAX, MessageLog, Received};
use crate::{page, words};

/// Rows that are drawn at first, and that "Show more" adds.
const ROWS_STEP: usize = 100;

#[derive(PartialEq, Properties)]
pub(super) struct MessagesProps {
    pub(super) log: Rc<MessageLog>,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn Messages(props: &MessagesProps) -> Html {
    // A paused log is the log as it was: the messages in it are shared, so keeping it costs nothing.
    let paused = use_state(|| None::<Rc<MessageLog>>);
    let filter = use_state(String::new);
    let rows_max = use_state(|| ROWS_STEP);
    let filter_input = use_node_ref();
    page::use_focus_key("/", filter_input.clone());

    let pause = use_callback(
        (paused.clone(), props.log.clone()),
        |_: MouseEvent, (paused, log)| {
            paused.set(match **paused {
                Some(_) => None,
                None => Some(Rc::clone(log)),
            });
        },
    );
    let clear = use_callback(
        (paused.clone(), props.dispatch.clone()),
        |_: MouseEvent, (paused, dispatch)| {
            paused.set(None);
            dispatch.emit(Action::ClearMessages);
        },
    );
    let set_filter = use_callback(filter.clone(), |event: InputEvent, filter| {
        filter.set(event.target_unchecked_into::<HtmlInputElement>().value());
    });
    let show_more = use_callback(rows_max.clone(), |_: MouseEvent, rows_max| {
        rows_max.set(**rows_max + ROWS_STEP);
    });

    let log = paused.as_ref().unwrap_or(&props.log);
    let wanted = filter.to_lowercase();
    let matching = || {
        log.newest_first()
            .filter(|message| wanted.is_empty() || message.contains(&wanted))
    };
    let matches = if wanted.is_empty() {
        log.kept()
    } else {
        matching().count()
    };
    let not_drawn = matches.saturating_sub(*rows_max);
    html! {
        <section class="panel panel-messages" aria-labelledby="messages-title">
            <div class="panel-head">
                <h2 id="messages-title">{ "Messages" }</h2>
                <span class="panel-count" data-testid="message-count" title="Received since the page was opened">
                    { props.log.received() }
                </span>
                if let Some(paused) = &*paused {
                    <span class="paused">
                        { format!("Paused, {} more since", words::count(props.log.received() - paused.received())) }
                    </span>
                }
                <div class="tools">
                    <input
                        ref={filter_input}
                        type="search"
                        aria-label="Filter messages by topic or payload"
                        aria-keyshortcuts="/"
                        placeholder="Filter  ( / )"
                        oninput={set_filter}
                        autocomplete="off"
                        spellcheck="false"
                        data-testid="message-filter"
                    />
                    <button
                        type="button"
                        class="steady"
                        onclick={pause}
                        aria-pressed={paused.is_some().to_string()}
                        data-testid="message-pause"
                    >
                        { if paused.is_some() { "Resume" } else { "Pause" } }
                    </button>
                    <button type="button" onclick={clear} data-testid="message-clear">{ "Clear" }</button>
                </div>
            </div>
            <div
                class="log"
                role="log"
                aria-live="off"
                aria-labelledby="messages-title"
                tabindex="0"
                data-testid="message-log"
            >
                <ul class="messages">
                    { for matching().take(*rows_max).map(|message| html! {
                        <MessageRow key={message.number} message={Rc::clone(message)} />
                    }) }
                </ul>
                if not_drawn > 0 {
                    <p class="older">
                        { format!("{} older not shown. ", words::count(not_drawn as u64)) }
                        <button type="button" onclick={show_more}>{ format!("Show {} more", not_drawn.min(ROWS_STEP)) }</button>
                    </p>
                }
                if log.forgotten() > 0 {
                    <p class="older">
                        { format!(
                            "{} older no longer kept: the log holds the newest {} messages, {MEBIBYTES_MAX} MiB at most.",
                            words::count(log.forgotten()),
                            words::count(MESSAGES_MAX as u64),
                        ) }
                    </p>
                } else if log.kept() == 0 {
                    <p class="empty">{ "Nothing has arrived yet. Publish something." }</p>
                } else if matches == 0 {
                    <p class="empty">{ format!("None of {} messages matches.", words::count(log.kept() as u64)) }</p>
                }
            </div>
        </section>
    }
}

#[derive(PartialEq, Properties)]
struct MessageRowProps {
    message: Rc<Received>,
}

/// One message. It never changes, so it is drawn once.
#[component]
fn MessageRow(props: &MessageRowProps) -> Html {
    let Received {
        message, colours, ..
    } = &*props.message;
    let payload = Readable::of(&message.payload);
    let qos = words::qos_level(message.qos).to_string();
    html! {
        <li
            class="message"
            data-testid="message"
            data-topic={message.topic.clone()}
            data-payload={payload.text.clone()}
            data-qos={qos.clone()}
            data-retain={message.retain.to_string()}
        >
            <div class="message-head">
                <span class="swatches">
                    { for colours.iter().map(|colour| html! {
                        <span class={format!("swatch colour-{}", colour.0)} />
                    }) }
                </span>
                <code class="message-topic">{ &message.topic }</code>
                <span class="message-facts">
                    if message.retain {
                        <span class="badge badge-retained">{ "retained" }</span>
                    }
                    if message.dup {
                        <span class="badge">{ "dup" }</span>
                    }
                    <span class="badge">{ "QoS " }{ qos }</span>
                    <span class="message-size">{ Size(message.payload.len()).to_string() }</span>
                    <time>{ page::time_of_day(message.received_at.as_ms()) }</time>
                </span>
            </div>
            { payload_body(&payload) }
            { properties(&props.message) }
        </li>
    }
}

fn payload_body(payload: &Readable) -> Html {
    if payload.text.is_empty() {
        return html! { <p class="message-empty">{ "empty payload" }</p> };
    }
    let form = match payload.form {
        Form::Text => "payload",
        Form::Hex => "payload payload-hex",
    };
    html! {
        <>
            <pre class={form}>{ &payload.text }</pre>
            if payload.bytes_left_out > 0 {
                <p class="message-empty">{ format!("and {} more", Size(payload.bytes_left_out)) }</p>
            }
        </>
    }
}

/// The properties the message has, by their names in the specification.
fn properties(received: &Received) -> Html {
    let message = &received.message;
    let properties = &message.properties;
    let mut pairs: Vec<(String, String)> = Vec::new();
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
    if pairs.is_empty() {
        return html! {};
    }
    html! {
        <dl class="properties">
            { for pairs.into_iter().map(|(name, value)| html! {
                <div><dt>{ name }</dt><dd>{ value }</dd></div>
            }) }
        </dl>
    }
}
