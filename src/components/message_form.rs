//! The form for one message to publish.

use std::rc::Rc;

use tabmq_worker::RequestError;
use tabmq_worker::api::{Message, MessageProperties, Publication};
use tabmq_worker::hooks::PublishHandle;
use web_sys::HtmlFormElement;
use yew::platform::spawn_local;
use yew::prelude::*;

use super::fields::{Check, Field, QosSelect};
use super::message_properties::Properties;
use crate::browser::form::Form;
use crate::browser::time;
use crate::labels;
use crate::payload::Format;
use crate::state::share_url;

/// Greatest rate at which the form repeats a message, per second. The load generator is faster.
const RATE_MAX: u32 = 50;

/// Bytes of the largest received message that the form takes. A browser takes seconds to lay out a longer line in a field.
const EDITED_BYTES_MAX: usize = 1 << 16;

/// A message as it was typed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TypedMessage {
    pub(super) publication: Publication,
    pub(super) format: Format,
    /// The payload as it was typed, if it can be one that does not fit the format.
    pub(super) typed: Option<String>,
}

impl TypedMessage {
    /// The message in the form. One with an error keeps its typed payload, and its properties if they have none.
    pub(super) fn of_form(form: &Form) -> Self {
        let typed = Self::of_draft(form.draft());
        let publication = form.publication().unwrap_or_else(|_| Publication {
            properties: form.properties().unwrap_or_default(),
            ..typed.publication
        });
        Self {
            publication,
            ..typed
        }
    }

    /// A message from the URL, or one that this tab kept. Its payload can be half typed.
    pub(super) fn of_draft(draft: share_url::Draft) -> Self {
        Self {
            publication: Publication {
                topic: draft.topic,
                qos: draft.qos,
                retain: draft.retain,
                ..Publication::default()
            },
            format: draft.format,
            typed: Some(draft.payload),
        }
    }

    /// A received message, in a format that keeps its bytes; `None`: it is too large for a form.
    pub(super) fn of_received(message: &Message) -> Option<Self> {
        if !fits(message) {
            return None;
        }
        let payload = &message.payload;
        // A text field replaces carriage returns.
        let is_kept = |format: &Format| {
            let typed = format.typed(payload);
            typed.is_some_and(|it| !it.contains('\r') && format.parse(&it).as_ref() == Ok(payload))
        };
        let formats = [Format::best(payload), Format::readable(payload)];
        let format = formats.into_iter().find(is_kept).unwrap_or(Format::Hex);
        Some(Self {
            publication: Publication {
                topic: message.topic.clone(),
                payload: payload.clone(),
                qos: message.qos,
                retain: message.retain,
                properties: message.properties.clone(),
            },
            format,
            typed: None,
        })
    }

    /// The first message in the form.
    pub(super) fn first() -> Self {
        Self {
            publication: Publication {
                topic: "hello".to_owned(),
                payload: b"Hello, tabs!".to_vec(),
                ..Publication::default()
            },
            format: Format::Text,
            typed: None,
        }
    }
}

/// Whether the form takes this received message.
pub(super) fn fits(message: &Message) -> bool {
    message.payload.len() <= EDITED_BYTES_MAX
}

#[derive(PartialEq, Properties)]
pub(super) struct MessageFormProps {
    pub(super) publish: PublishHandle,
    pub(super) sent: Rc<TypedMessage>,
    pub(super) on_sent: Callback<TypedMessage>,
    /// Called after each change of the message.
    pub(super) on_draft: Callback<share_url::Draft>,
    pub(super) result: String,
    /// Whether the result is a problem.
    pub(super) has_failed: bool,
    pub(super) acknowledged: u64,
    pub(super) is_offline: bool,
}

/// The fields of one message.
#[component]
pub(super) fn MessageForm(props: &MessageFormProps) -> Html {
    let TypedMessage {
        publication,
        format,
        typed,
    } = &*props.sent;
    let form = use_node_ref();
    let problem = use_state(|| None::<String>);
    let repeated = use_state(|| None::<(Rc<Publication>, u32)>);
    let on_submit = {
        let (publish, on_sent) = (props.publish.clone(), props.on_sent.clone());
        let (problem, repeated) = (problem.clone(), repeated.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            if repeated.is_some() {
                return;
            }
            let form = event.target_dyn_into::<HtmlFormElement>();
            let Some(form) = form.and_then(|form| Form::of(&form)) else {
                return;
            };
            let format = form.payload_format();
            match form.publication() {
                Ok(publication) => {
                    problem.set(None);
                    let request = publish.publish_with_options(publication.clone());
                    if form.is_on("repeat") {
                        let rate = form.repeat_rate().clamp(1, RATE_MAX);
                        repeated.set(Some((Rc::new(publication.clone()), rate)));
                    }
                    let on_sent = on_sent.clone();
                    // The status shows the result. A message that no broker has received was not sent.
                    spawn_local(async move {
                        if !matches!(request.await, Err(RequestError::Problem(_))) {
                            on_sent.emit(TypedMessage {
                                publication,
                                format,
                                typed: None,
                            });
                        }
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
                // Not `submit`, which would skip the validation of the fields. It fails for no form.
                let _ = form.request_submit();
            }
        }
    });
    use_repeat(&props.publish, repeated.as_ref());
    let stop = use_callback(repeated.setter(), |_: MouseEvent, repeated| {
        repeated.set(None)
    });
    let typed = typed.clone();
    let typed = typed.or_else(|| format.typed(&publication.payload));
    let typed = typed.unwrap_or_default();
    // The summary names folded fields that are sent.
    let folded = use_state_eq(|| FoldedContent::of(publication));
    let with = (form.clone(), folded.setter(), props.on_draft.clone());
    let count = use_callback(with, |(), (form, folded, on_draft)| {
        let form = form.cast::<HtmlFormElement>();
        if let Some(form) = form.and_then(|form| Form::of(&form)) {
            on_draft.emit(form.draft());
            folded.set(FoldedContent {
                properties: form.properties_count(),
                repeats: form.is_on("repeat"),
            });
        }
    });
    html! {
        <form ref={form} onsubmit={on_submit} onkeydown={on_key} oninput={count.reform(|_: InputEvent| ())}>
            <Field label={labels::fields::TOPIC}>
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
            <Field label={labels::fields::PAYLOAD}>
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
                <Check name="retain" label={labels::fields::RETAIN} testid="publish-retain" checked={publication.retain} />
            </div>
            <div class="publish-row">
                <p
                    class={classes!("publish-result", (problem.is_some() || props.has_failed).then_some("problem"))}
                    role="status"
                    data-testid="publish-result"
                    data-acknowledged={props.acknowledged.to_string()}
                >
                    { problem.as_ref().unwrap_or(&props.result) }
                </p>
                <button
                    type="submit"
                    class="primary"
                    title={labels::publish::KEYS}
                    aria-keyshortcuts="Control+Enter"
                    aria-disabled={(repeated.is_some() || props.is_offline).then_some("true")}
                    data-testid="publish-send"
                >
                    { labels::publish::PUBLISH }
                </button>
            </div>
            // On a row of its own, so that the second click of a double click does not stop the repetition.
            if let Some((publication, _)) = &*repeated {
                <div class="publish-row publish-repeating">
                    <p class="publish-result">{ labels::publish::repeating(&publication.topic) }</p>
                    <button type="button" onclick={stop} data-testid="publish-stop">{ labels::publish::STOP }</button>
                </div>
            }
            <details>
                <summary data-testid="publish-properties">{ labels::publish::properties(folded.properties) }</summary>
                <Properties properties={publication.properties.clone()} onrows={count} />
            </details>
            <details>
                <summary>{ labels::publish::repeat(folded.repeats) }</summary>
                <div class="fields">
                    <Check name="repeat" label={labels::publish::REPEAT} testid="publish-repeat" />
                    <Field label={labels::publish::RATE} hint={labels::publish::rate_hint(RATE_MAX)}>
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

/// Folded fields that are sent with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FoldedContent {
    /// Number of filled properties.
    properties: usize,
    repeats: bool,
}

impl FoldedContent {
    fn of(publication: &Publication) -> Self {
        let MessageProperties {
            payload_is_utf8,
            message_expiry_interval,
            content_type,
            response_topic,
            correlation_data,
            user_properties,
        } = &publication.properties;
        let single = [
            payload_is_utf8.is_some(),
            message_expiry_interval.is_some(),
            content_type.is_some(),
            response_topic.is_some(),
            correlation_data.is_some(),
        ];
        Self {
            properties: single.into_iter().filter(|it| *it).count() + user_properties.len(),
            repeats: false,
        }
    }
}

/// Publishes the message at its rate while there is one.
#[hook]
fn use_repeat(publish: &PublishHandle, repeated: Option<&(Rc<Publication>, u32)>) {
    let latest = use_mut_ref(|| publish.clone());
    *latest.borrow_mut() = publish.clone();
    let interval_ms = repeated.map(|(_, rate)| 1_000 / (*rate).max(1));
    let publication = repeated.map(|(publication, _)| Rc::clone(publication));
    time::use_interval(interval_ms, move || {
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
        <Field label={labels::publish::FORMAT}>
            <select name="payload-format" data-testid="publish-format">
                { for Format::ALL.map(|format| html! {
                    <option value={format.name()} selected={format == props.selected}>{ format.name() }</option>
                }) }
            </select>
        </Field>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::messages::tests::message;

    #[test]
    fn a_received_message_keeps_its_bytes_in_the_form() {
        for (payload, format) in [
            (&b"21.5"[..], Format::Text),
            (b"{\"k\": 1, \"k\": 2}", Format::Json),
            (b"{\"a\":1}\n{\"a\":2}", Format::Text),
            (b"two\r\nlines", Format::Hex),
            (&[0x89, 0x50], Format::Hex),
            (b"", Format::Text),
        ] {
            let received = message("a/b", payload);
            let typed = TypedMessage::of_received(&received).unwrap();
            assert_eq!(typed.format, format, "{payload:?}");
            let shown = format.typed(&typed.publication.payload).unwrap();
            assert_eq!(format.parse(&shown).as_deref(), Ok(payload));
        }
    }

    #[test]
    fn a_received_message_keeps_its_properties_in_the_form_unless_it_is_too_large() {
        let mut received = (*message("a", b"x")).clone();
        received.retain = true;
        received.properties.content_type = Some("text/plain".to_owned());
        received.properties.user_properties = vec![("a".to_owned(), "1".to_owned()); 2];
        let publication = TypedMessage::of_received(&received).unwrap().publication;
        assert!(publication.retain);
        assert_eq!(publication.properties, received.properties);
        received.payload = vec![0; EDITED_BYTES_MAX + 1];
        assert_eq!(TypedMessage::of_received(&received), None);
    }

    #[test]
    fn every_property_that_is_sent_counts() {
        assert_eq!(FoldedContent::of(&Publication::default()).properties, 0);
        let publication = Publication {
            properties: MessageProperties {
                payload_is_utf8: Some(true),
                message_expiry_interval: Some(0),
                user_properties: vec![("a".to_owned(), String::new()); 2],
                ..MessageProperties::default()
            },
            ..Publication::default()
        };
        assert_eq!(FoldedContent::of(&publication).properties, 4);
    }
}
