//! The fields for the MQTT 5 properties of a message.

use tabmq_worker::api::MessageProperties;
use yew::prelude::*;

use super::fields::{Check, Field};

use crate::labels;
use crate::payload::Format;

#[derive(PartialEq, Properties)]
pub(super) struct PropertiesProps {
    pub(super) properties: MessageProperties,
    /// Called after a row was added or removed.
    pub(super) onrows: Callback<()>,
}

/// The fields for properties.
#[component]
pub(super) fn Properties(props: &PropertiesProps) -> Html {
    let MessageProperties {
        payload_is_utf8,
        message_expiry_interval,
        content_type,
        response_topic,
        correlation_data,
        user_properties,
    } = &props.properties;
    // Each row has a number as its key, so that removing one keeps the text of the others.
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
                    title={labels::publish::CORRELATION_DATA_FORMAT}
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                />
            </Field>
            <Check name="payload-is-utf8" label={labels::publish::IS_UTF8} checked={*payload_is_utf8 == Some(true)} />
            <fieldset class="field-wide">
                <legend class="field-label">{ labels::publish::USER_PROPERTIES }</legend>
                // An element of their own: beside elements without a key, each added row would recreate all others.
                <div class="user-properties">{ for rows.iter().map(user_property) }</div>
                <button type="button" class="quiet" onclick={add} data-testid="add-user-property">
                    { labels::publish::ADD_USER_PROPERTY }
                </button>
            </fieldset>
        </div>
    }
}
