//! Alerts: problems of the tab, and what the person can do about them.

use yew::prelude::*;

use crate::browser::address;
use crate::labels;
use crate::state::Action;

#[derive(PartialEq, Properties)]
pub(super) struct AlertsProps {
    pub(super) refusal: Option<String>,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn Alerts(props: &AlertsProps) -> Html {
    let dismiss = props
        .dispatch
        .reform(|_: MouseEvent| Action::DismissRefusal);
    match &props.refusal {
        Some(refusal) => html! {
            <div class="alert" role="alert" data-testid="error">
                <p>{ refusal }</p>
                <button type="button" onclick={dismiss}>{ labels::alerts::DISMISS }</button>
            </div>
        },
        None => html! {},
    }
}

#[derive(PartialEq, Properties)]
pub(super) struct OfflineProps {
    /// The reason, as a sentence.
    pub(super) why: String,
}

/// The alert after the worker has ended.
#[component]
pub(super) fn Offline(props: &OfflineProps) -> Html {
    let reload = Callback::from(|_: MouseEvent| address::reload());
    html! {
        <div class="offline" role="alert" data-testid="error">
            <p>
                <strong>{ labels::alerts::OFFLINE }</strong>
                { " " }{ labels::offline(&props.why) }
            </p>
            <button type="button" onclick={reload}>{ labels::alerts::RELOAD }</button>
        </div>
    }
}
