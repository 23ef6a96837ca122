//! The form that publishes.

use std::collections::VecDeque;
use std::rc::Rc;

use tabmq_worker::BusStatus;
use tabmq_worker::api::{MessageProperties, Publication};
use tabmq_worker::hooks::{PublishHandle, use_bus_status, use_publish, use_role};
use web_sys::HtmlFormElement;
use yew::prelude::*;

use super::fields::{Check, Field, QosSelect};
use crate::form::Form;
use crate::payload::{Format, Readable};
use crate::{link, page, words};

/// Messages that can be sent again with a click.
const HISTORY_MAX: usize = 20;

/// Greatest rate at which the form repeats itself; the load generator goes faster.
const RATE_MAX: u32 = 50;

#[derive(PartialEq, Properties)]
pub(super) struct PublishProps {
    /// The message that the link has brought.
    pub(super) draft: Option<link::Draft>,
}

#[component]
pub(super) fn Publish(props: &PublishProps) -> Html {
    let bus = use_bus_status();
    let is_offline = matches!(bus, BusStatus::Failed(_));
    let publish = use_publish();
    let role = use_role();
    let history = use_state(VecDeque::<Rc<Sent>>::new);
    // Another draft is another form, with other values in its fields.
    let draft = use_state(|| {
        let of_link = props.draft.as_ref().and_then(Sent::of_link);
        (0_u32, Rc::new(of_link.unwrap_or_else(Sent::first)))
    });
    let result = words::publish_result(publish.status(), role);
    let acknowledged = publish.status().acknowledged;
    let on_sent = {
        let history = history.clone();
        Callback::from(move |sent: Sent| {
            let mut kept: VecDeque<_> = (*history).clone();
            kept.retain(|it| **it != sent);
            kept.truncate(HISTORY_MAX - 1);
            kept.push_front(Rc::new(sent));
            history.set(kept);
        })
    };
    let again = |sent: &Rc<Sent>| {
        let (draft, sent) = (draft.clone(), Rc::clone(sent));
        move |_: MouseEvent| draft.set((draft.0 + 1, Rc::clone(&sent)))
    };
    html! {
        <section class="panel" aria-labelledby="publish-title" inert={is_offline}>
            <div class="panel-head">
                <h2 id="publish-title">{ "Publish" }</h2>
            </div>
            <Draft key={draft.0} {publish} sent={Rc::clone(&draft.1)} {on_sent} {result} {acknowledged} />
            if !history.is_empty() {
                <details>
                    <summary>{ format!("Sent before ({})", history.len()) }</summary>
                    <ul class="history" data-testid="publish-history">
                        { for history.iter().map(|sent| html! {
                            <li>
                                <button
                                    type="button"
                                    class="history-entry"
                                    title="Puts this message into the form"
                                    onclick={again(sent)}
                                    data-testid="publish-again"
                                >
                                    <code>{ &sent.publication.topic }</code>
                                    <span>{ Readable::of(&sent.publication.payload).text.chars().take(80).collect::<String>() }</span>
                                </button>
                            </li>
                        }) }
                    </ul>
                </details>
            }
        </section>
    }
}

/// A message as it was typed.
#[derive(Clone, Debug, PartialEq)]
struct Sent {
    publication: Publication,
    format: Format,
}

impl Sent {
    /// What a link has brought; `None`: its payload is not of its format.
    fn of_link(draft: &link::Draft) -> Option<Self> {
        Some(Self {
            publication: Publication {
                topic: draft.topic.clone(),
                payload: draft.format.parse(&draft.payload).ok()?,
                qos: draft.qos,
                retain: draft.retain,
                ..Publication::default()
            },
            format: draft.format,
        })
    }

    /// What a newcomer finds in the form.
    fn first() -> Self {
        Self {
            publication: Publication {
                topic: "hello".to_owned(),
                payload: b"Hello, tabs!".to_vec(),
                ..Publication::default()
            },
            format: Format::Text,
        }
    }
}

#[derive(PartialEq, Properties)]
struct DraftProps {
    publish: PublishHandle,
    sent: Rc<Sent>,
    on_sent: Callback<Sent>,
    result: String,
    acknowledged: u64,
}

/// The fields of one message.
#[component]
fn Draft(props: &DraftProps) -> Html {
    let Sent {
        publication,
        format,
    } = &*props.sent;
    let form = use_node_ref();
    let problem = use_state(|| None::<String>);
    let repeated = use_state(|| None::<(Rc<Publication>, u32)>);
    let on_submit = {
        let (publish, on_sent) = (props.publish.clone(), props.on_sent.clone());
        let (problem, repeated) = (problem.clone(), repeated.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let form = event.target_dyn_into::<HtmlFormElement>();
            let Some(form) = form.and_then(|form| Form::of(&form)) else {
                return;
            };
            let format = form.payload_format();
            match form.publication() {
                Ok(publication) => {
                    problem.set(None);
                    // The status tells how it ends.
                    drop(publish.publish_with_options(publication.clone()));
                    if form.is_on("repeat") {
                        let rate = form.repeat_rate().clamp(1, RATE_MAX);
                        repeated.set(Some((Rc::new(publication.clone()), rate)));
                    }
                    on_sent.emit(Sent {
                        publication,
                        format,
                    });
                }
                Err(why) => problem.set(Some(why)),
            }
        })
    };
    let on_key = use_callback(form.clone(), |event: KeyboardEvent, form| {
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
            event.prevent_default();
            if let Some(form) = form.cast::<HtmlFormElement>() {
                // Not `submit`, which would skip the check of the fields. A form can always be asked.
                let _ = form.request_submit();
            }
        }
    });
    use_repeat(&props.publish, repeated.as_ref());
    let stop = use_callback(repeated.setter(), |_: MouseEvent, repeated| {
        repeated.set(None)
    });
    let typed = format.typed(&publication.payload).unwrap_or_default();
    html! {
        <form ref={form} onsubmit={on_submit} onkeydown={on_key}>
            <Field label="Topic">
                <input
                    name="topic"
                    class="mono"
                    ~defaultValue={publication.topic.clone()}
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
                    rows="3"
                    defaultvalue={typed}
                    spellcheck="false"
                    aria-invalid={problem.is_some().to_string()}
                    data-testid="publish-payload"
                />
            </Field>
            <div class="publish-row">
                <FormatSelect selected={*format} />
                <QosSelect name="qos" testid="publish-qos" selected={publication.qos} />
                <Check name="retain" label="Retain" testid="publish-retain" checked={publication.retain} />
            </div>
            <div class="publish-row">
                <p
                    class={classes!("publish-result", problem.is_some().then_some("problem"))}
                    role="status"
                    data-testid="publish-result"
                    data-acknowledged={props.acknowledged.to_string()}
                >
                    { problem.as_ref().unwrap_or(&props.result) }
                </p>
                if repeated.is_some() {
                    <button type="button" onclick={stop} data-testid="publish-stop">{ "Stop repeating" }</button>
                }
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
                <Properties properties={publication.properties.clone()} />
            </details>
            <details>
                <summary>{ "Repeat" }</summary>
                <div class="fields">
                    <Check name="repeat" label="Publish it again and again" testid="publish-repeat" />
                    <Field label="Times a second" hint={format!("At most {RATE_MAX}; “Performance” has a load generator.")}>
                        <input
                            type="number"
                            name="repeat-rate"
                            ~defaultValue={"1"}
                            min="1"
                            max={RATE_MAX.to_string()}
                            required=true
                            data-testid="publish-rate"
                        />
                    </Field>
                </div>
            </details>
        </form>
    }
}

/// Publishes the message at its rate, as long as there is one.
#[hook]
fn use_repeat(publish: &PublishHandle, repeated: Option<&(Rc<Publication>, u32)>) {
    let latest = use_mut_ref(|| publish.clone());
    *latest.borrow_mut() = publish.clone();
    let interval_ms = repeated.map(|(_, rate)| 1_000 / (*rate).max(1));
    let publication = repeated.map(|(publication, _)| Rc::clone(publication));
    page::use_interval(interval_ms, move || {
        if let Some(publication) = &publication {
            drop(
                latest
                    .borrow()
                    .publish_with_options((**publication).clone()),
            );
        }
    });
}

#[derive(PartialEq, Properties)]
struct FormatSelectProps {
    selected: Format,
}

#[component]
fn FormatSelect(props: &FormatSelectProps) -> Html {
    html! {
        <Field label="Payload is">
            <select name="payload-format" data-testid="publish-format">
                { for Format::ALL.map(|format| html! {
                    <option value={format.name()} selected={format == props.selected}>{ format.name() }</option>
                }) }
            </select>
        </Field>
    }
}

#[derive(PartialEq, Properties)]
struct PropertiesProps {
    properties: MessageProperties,
}

/// The properties that travel with a message.
#[component]
fn Properties(props: &PropertiesProps) -> Html {
    let MessageProperties {
        payload_is_utf8,
        message_expiry_interval,
        content_type,
        response_topic,
        correlation_data,
        user_properties,
    } = &props.properties;
    // Each row has a number of its own, so that removing one leaves what was typed into the others.
    let rows = use_state(|| {
        let given = user_properties.iter().cloned();
        let given = given.chain(user_properties.is_empty().then(Default::default));
        (0_u32..)
            .zip(given)
            .collect::<Vec<(u32, (String, String))>>()
    });
    let add = use_callback(rows.clone(), |_: MouseEvent, rows| {
        let next = rows
            .iter()
            .map(|row| row.0)
            .max()
            .map_or(0, |last| last + 1);
        rows.set(
            rows.iter()
                .cloned()
                .chain([(next, Default::default())])
                .collect(),
        );
    });
    let user_property = |row: &(u32, (String, String))| {
        let (number, (name, value)) = row.clone();
        let remove = {
            let rows = rows.clone();
            move |_: MouseEvent| rows.set(rows.iter().filter(|r| r.0 != number).cloned().collect())
        };
        html! {
            <div class="user-property" key={number}>
                <input
                    name="user-property-name"
                    aria-label="Name"
                    placeholder="Name"
                    ~defaultValue={name}
                    autocomplete="off"
                />
                <input
                    name="user-property-value"
                    aria-label="Value"
                    placeholder="Value"
                    ~defaultValue={value}
                    autocomplete="off"
                />
                <button type="button" class="quiet" onclick={remove} aria-label="Remove this user property">
                    { "×" }
                </button>
            </div>
        }
    };
    let correlation = correlation_data
        .as_ref()
        .and_then(|data| Format::Hex.typed(data));
    html! {
        <div class="fields">
            <Field label="Content type">
                <input
                    name="content-type"
                    ~defaultValue={content_type.clone().unwrap_or_default()}
                    placeholder="application/json"
                    autocomplete="off"
                />
            </Field>
            <Field label="Message expiry, s">
                <input
                    type="number"
                    name="message-expiry-interval"
                    ~defaultValue={message_expiry_interval.map(|it| it.to_string()).unwrap_or_default()}
                    min="0"
                    max="4294967295"
                />
            </Field>
            <Field label="Response topic">
                <input
                    name="response-topic"
                    class="mono"
                    ~defaultValue={response_topic.clone().unwrap_or_default()}
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                />
            </Field>
            <Field label="Correlation data, hex">
                <input
                    name="correlation-data"
                    class="mono"
                    ~defaultValue={correlation.unwrap_or_default()}
                    pattern="([0-9A-Fa-f]{2}\\s*)*"
                    title="Two hexadecimal digits for each byte"
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                />
            </Field>
            <Check name="payload-is-utf8" label="Say that the payload is UTF-8" checked={*payload_is_utf8 == Some(true)} />
            <fieldset class="field-wide">
                <legend class="field-label">{ "User properties" }</legend>
                { for rows.iter().map(user_property) }
                <button type="button" class="quiet" onclick={add}>{ "Add a user property" }</button>
            </fieldset>
        </div>
    }
}
