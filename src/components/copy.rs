//! A button that copies text.

use yew::platform::spawn_local;
use yew::prelude::*;

use crate::page;

#[derive(PartialEq, Properties)]
pub(super) struct CopyProps {
    pub(super) label: AttrValue,
    pub(super) text: AttrValue,
    pub(super) testid: AttrValue,
}

#[component]
pub(super) fn Copy(props: &CopyProps) -> Html {
    let outcome = use_state(|| None::<bool>);
    let copy = use_callback(
        (props.text.clone(), outcome.setter()),
        |_: MouseEvent, (text, outcome)| {
            let (text, outcome) = (text.to_string(), outcome.clone());
            spawn_local(async move { outcome.set(Some(page::copy(&text).await)) });
        },
    );
    html! {
        <>
            <button type="button" class="quiet" onclick={copy} data-testid={&props.testid}>{ &props.label }</button>
            <span class="copied" role="status">
                { match *outcome {
                    None => "",
                    Some(true) => "Copied.",
                    Some(false) => "The browser does not allow that.",
                } }
            </span>
        </>
    }
}
