//! What went wrong, and what to do about it.

use tabmq_worker::BusStatus;
use yew::prelude::*;

use crate::state::Action;
use crate::{page, words};

#[derive(PartialEq, Properties)]
pub(super) struct AlertsProps {
    pub(super) bus: BusStatus,
    pub(super) refusal: Option<String>,
    pub(super) dispatch: Callback<Action>,
}

/// The worker's failure outranks a refusal, because nothing works without it.
#[component]
pub(super) fn Alerts(props: &AlertsProps) -> Html {
    let reload = Callback::from(|_: MouseEvent| page::reload());
    let dismiss = props
        .dispatch
        .reform(|_: MouseEvent| Action::DismissRefusal);
    match (&props.bus, &props.refusal) {
        (BusStatus::Failed(why), _) => html! {
            <div class="alert" role="alert" data-testid="error">
                <p>
                    <strong>{ words::alerts::OFFLINE }</strong>
                    { " " }{ why }{ " " }{ words::alerts::RELOAD_TO_REJOIN }
                </p>
                <button type="button" onclick={reload}>{ words::alerts::RELOAD }</button>
            </div>
        },
        (_, Some(refusal)) => html! {
            <div class="alert" role="alert" data-testid="error">
                <p>{ refusal }</p>
                <button type="button" onclick={dismiss}>{ words::alerts::DISMISS }</button>
            </div>
        },
        (_, None) => html! {},
    }
}
