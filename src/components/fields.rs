//! Fields that several forms share.

use tabmq_worker::api::QoS;
use yew::prelude::*;

use crate::labels;

#[derive(PartialEq, Properties)]
pub(super) struct FieldProps {
    pub(super) label: AttrValue,
    /// A hint below the field.
    #[prop_or_default]
    pub(super) hint: Option<AttrValue>,
    /// Whether it takes a row of its own.
    #[prop_or_default]
    pub(super) wide: bool,
    /// Whether the label is only for screen readers, because its surroundings show it to others.
    #[prop_or_default]
    pub(super) is_label_unseen: bool,
    pub(super) children: Html,
}

/// A label and its control.
#[component]
pub(super) fn Field(props: &FieldProps) -> Html {
    html! {
        <label class={classes!("field", props.wide.then_some("field-wide"))}>
            <span class={if props.is_label_unseen { "unseen" } else { "field-label" }}>{ &props.label }</span>
            { props.children.clone() }
            if let Some(hint) = &props.hint {
                <span class="field-hint">{ hint }</span>
            }
        </label>
    }
}

#[derive(PartialEq, Properties)]
pub(super) struct CheckProps {
    pub(super) name: AttrValue,
    pub(super) label: AttrValue,
    #[prop_or_default]
    pub(super) checked: bool,
    #[prop_or_default]
    pub(super) testid: Option<AttrValue>,
}

/// A check box and its label.
#[component]
pub(super) fn Check(props: &CheckProps) -> Html {
    html! {
        <label class="check">
            <input
                type="checkbox"
                name={&props.name}
                ~defaultChecked={props.checked}
                data-testid={props.testid.clone()}
            />
            { &props.label }
        </label>
    }
}

#[derive(PartialEq, Properties)]
pub(super) struct QosSelectProps {
    pub(super) name: AttrValue,
    #[prop_or_default]
    pub(super) selected: QoS,
    #[prop_or_default]
    pub(super) testid: Option<AttrValue>,
}

/// A choice of the three QoS levels.
#[component]
pub(super) fn QosSelect(props: &QosSelectProps) -> Html {
    let options = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    html! {
        <Field label={labels::fields::QOS}>
            <select name={&props.name} data-testid={props.testid.clone()}>
                { for options.map(|qos| html! {
                    <option value={labels::qos_level(qos).to_string()} selected={qos == props.selected}>
                        { labels::fields::qos(qos) }
                    </option>
                }) }
            </select>
        </Field>
    }
}
