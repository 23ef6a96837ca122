//! The form that publishes.

use std::collections::VecDeque;
use std::rc::Rc;

use tabmq_worker::api::{MessageProperties, Publication};
use tabmq_worker::hooks::{PublishHandle, use_bus_status, use_publish, use_role};
use tabmq_worker::{BusStatus, RequestError};
use web_sys::HtmlFormElement;
use yew::platform::spawn_local;
use yew::prelude::*;

use super::fields::{Check, Field, QosSelect};
use crate::browser::form::Form;
use crate::browser::{focus, time};
use crate::labels;
use crate::payload::{Format, Preview};
use crate::state::share_url;

/// Messages that can be sent again with a click.
const HISTORY_MAX: usize = 20;

/// Greatest rate at which the form repeats itself; the load generator goes faster.
const RATE_MAX: u32 = 50;

#[derive(PartialEq, Properties)]
pub(super) struct PublishProps {
    /// Whether it lies over the page, where that is too narrow for columns.
    pub(super) is_sheet: bool,
    /// The message that the link has brought.
    pub(super) draft: Option<share_url::Draft>,
    /// The sheet is wanted no longer.
    pub(super) onclose: Callback<()>,
}

#[component]
pub(super) fn Publish(props: &PublishProps) -> Html {
    let bus = use_bus_status();
    let is_offline = matches!(bus, BusStatus::Failed(_));
    let publish = use_publish();
    let role = use_role();
    let history = use_reducer(History::default);
    // Another draft is another form, with other values in its fields.
    let draft = use_state(|| {
        let of_link = props.draft.as_ref().and_then(Sent::of_link);
        (0_u32, Rc::new(of_link.unwrap_or_else(Sent::first)))
    });
    let result = labels::publish_result(publish.status(), role);
    let acknowledged = publish.status().acknowledged;
    let on_sent = use_callback(history.dispatcher(), |sent: Sent, history| {
        history.dispatch(sent)
    });
    let again = |sent: &Rc<Sent>| {
        let (draft, sent) = (draft.clone(), Rc::clone(sent));
        move |_: MouseEvent| draft.set((draft.0 + 1, Rc::clone(&sent)))
    };
    let panel = use_node_ref();
    use_effect_with((props.is_sheet, panel.clone()), |(is_sheet, panel)| {
        if *is_sheet {
            focus::focus(panel);
        }
    });
    let is_sheet = props.is_sheet;
    let on_key = use_callback(
        (is_sheet, props.onclose.clone()),
        |event: KeyboardEvent, (is_sheet, onclose)| {
            if *is_sheet && event.key() == "Escape" {
                onclose.emit(());
            }
        },
    );
    html! {
        <section
            ref={panel}
            class="panel panel-publish"
            aria-labelledby="publish-title"
            tabindex="-1"
            inert={is_offline}
            onkeydown={on_key}
            data-sheet={is_sheet.to_string()}
            data-testid="publish"
        >
            <div class="panel-head">
                <h2 id="publish-title">{ "Publish" }</h2>
                if is_sheet {
                    <button
                        type="button"
                        class="quiet at-end"
                        onclick={props.onclose.reform(|_: MouseEvent| ())}
                        data-testid="publish-close"
                    >
                        { labels::publish::CLOSE }
                    </button>
                }
            </div>
            <Draft key={draft.0} {publish} sent={Rc::clone(&draft.1)} {on_sent} {result} {acknowledged} />
            if !history.0.is_empty() {
                <details>
                    <summary data-testid="publish-sent">{ labels::publish::history(history.0.len()) }</summary>
                    <ul class="history" data-testid="publish-history">
                        { for history.0.iter().map(|sent| html! {
                            <li>
                                <button
                                    type="button"
                                    class="history-entry"
                                    title={labels::publish::AGAIN}
                                    onclick={again(sent)}
                                    data-testid="publish-again"
                                >
                                    <code>{ &sent.publication.topic }</code>
                                    <span>{ Preview::of(&sent.publication.payload).text.chars().take(80).collect::<String>() }</span>
                                </button>
                            </li>
                        }) }
                    </ul>
                </details>
            }
        </section>
    }
}

/// The messages that were sent last, each of them once.
#[derive(Clone, Debug, Default, PartialEq)]
struct History(VecDeque<Rc<Sent>>);

impl Reducible for History {
    type Action = Sent;

    fn reduce(self: Rc<Self>, sent: Sent) -> Rc<Self> {
        let mut kept = self.0.clone();
        kept.retain(|it| **it != sent);
        kept.truncate(HISTORY_MAX - 1);
        kept.push_front(Rc::new(sent));
        Rc::new(Self(kept))
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
    fn of_link(draft: &share_url::Draft) -> Option<Self> {
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
                    let request = publish.publish_with_options(publication.clone());
                    if form.is_on("repeat") {
                        let rate = form.repeat_rate().clamp(1, RATE_MAX);
                        repeated.set(Some((Rc::new(publication.clone()), rate)));
                    }
                    let on_sent = on_sent.clone();
                    // The status tells how it ends. What no broker has seen was not sent.
                    spawn_local(async move {
                        if !matches!(request.await, Err(RequestError::Problem(_))) {
                            on_sent.emit(Sent {
                                publication,
                                format,
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
    // What is folded away and sent all the same is told on the fold.
    let folded = use_state_eq(|| Folded::of(publication));
    let count = use_callback((form.clone(), folded.setter()), |(), (form, folded)| {
        let form = form.cast::<HtmlFormElement>();
        if let Some(form) = form.and_then(|form| Form::of(&form)) {
            folded.set(Folded {
                properties: form.properties_count(),
                repeats: form.is_on("repeat"),
            });
        }
    });
    html! {
        <form ref={form} onsubmit={on_submit} onkeydown={on_key} oninput={count.reform(|_: InputEvent| ())}>
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
                    <button type="button" onclick={stop} data-testid="publish-stop">{ labels::publish::STOP }</button>
                }
                <button
                    type="submit"
                    class="primary"
                    title="Ctrl+Enter"
                    aria-keyshortcuts="Control+Enter"
                    data-testid="publish-send"
                >
                    { labels::publish::PUBLISH }
                </button>
            </div>
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

/// What is sent with a message though its field may be out of sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Folded {
    /// Properties that are filled in.
    properties: usize,
    repeats: bool,
}

impl Folded {
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

/// Publishes the message at its rate, as long as there is one.
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

#[derive(PartialEq, Properties)]
struct PropertiesProps {
    properties: MessageProperties,
    /// A row was added or removed.
    onrows: Callback<()>,
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
    {
        let onrows = props.onrows.clone();
        use_effect_with(rows.clone(), move |_| onrows.emit(()));
    }
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
                    aria-label={labels::publish::NAME}
                    placeholder={labels::publish::NAME}
                    ~defaultValue={name}
                    autocomplete="off"
                />
                <input
                    name="user-property-value"
                    aria-label={labels::publish::VALUE}
                    placeholder={labels::publish::VALUE}
                    ~defaultValue={value}
                    autocomplete="off"
                />
                <button type="button" class="quiet" onclick={remove} aria-label={labels::publish::REMOVE_USER_PROPERTY}>
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
            <Field label={labels::publish::CONTENT_TYPE}>
                <input
                    name="content-type"
                    ~defaultValue={content_type.clone().unwrap_or_default()}
                    placeholder="application/json"
                    autocomplete="off"
                />
            </Field>
            <Field label={labels::publish::EXPIRY}>
                <input
                    type="number"
                    name="message-expiry-interval"
                    ~defaultValue={message_expiry_interval.map(|it| it.to_string()).unwrap_or_default()}
                    min="0"
                    max="4294967295"
                />
            </Field>
            <Field label={labels::publish::RESPONSE_TOPIC}>
                <input
                    name="response-topic"
                    class="mono"
                    ~defaultValue={response_topic.clone().unwrap_or_default()}
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                />
            </Field>
            <Field label={labels::publish::CORRELATION_DATA}>
                <input
                    name="correlation-data"
                    class="mono"
                    ~defaultValue={correlation.unwrap_or_default()}
                    pattern="([0-9A-Fa-f]{2}\\s*)*"
                    title={labels::publish::CORRELATION_DATA_FORMAT}
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                />
            </Field>
            <Check name="payload-is-utf8" label={labels::publish::IS_UTF8} checked={*payload_is_utf8 == Some(true)} />
            <fieldset class="field-wide">
                <legend class="field-label">{ labels::publish::USER_PROPERTIES }</legend>
                // An element of their own: beside others that have no key, all rows would be made anew for one that is added.
                <div class="user-properties">{ for rows.iter().map(user_property) }</div>
                <button type="button" class="quiet" onclick={add} data-testid="add-user-property">
                    { labels::publish::ADD_USER_PROPERTY }
                </button>
            </fieldset>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(topic: &str) -> Sent {
        let mut sent = Sent::first();
        sent.publication.topic = topic.to_owned();
        sent
    }

    #[test]
    fn the_history_has_each_message_once_and_the_newest_first() {
        let history = ["a", "b", "a"].map(sent).into_iter();
        let history = history.fold(Rc::new(History::default()), History::reduce);
        let topics: Vec<_> = history
            .0
            .iter()
            .map(|it| it.publication.topic.as_str())
            .collect();
        assert_eq!(topics, ["a", "b"]);
        let many = (0..HISTORY_MAX * 2).map(|number| sent(&number.to_string()));
        assert_eq!(many.fold(history, History::reduce).0.len(), HISTORY_MAX);
    }

    #[test]
    fn every_property_that_is_sent_counts() {
        assert_eq!(Folded::of(&Publication::default()).properties, 0);
        let publication = Publication {
            properties: MessageProperties {
                payload_is_utf8: Some(true),
                message_expiry_interval: Some(0),
                user_properties: vec![("a".to_owned(), String::new()); 2],
                ..MessageProperties::default()
            },
            ..Publication::default()
        };
        assert_eq!(Folded::of(&publication).properties, 4);
    }
}
