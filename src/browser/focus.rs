//! The keyboard focus.

use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use yew::prelude::*;

use super::time::next_task;

/// Moves the focus to this element once it is drawn.
pub(crate) fn focus(target: &NodeRef) {
    let target = target.clone();
    yew::platform::spawn_local(async move {
        next_task().await;
        if let Some(target) = target.cast::<web_sys::HtmlElement>() {
            // A failure to focus has no consequence.
            let _ = target.focus();
        }
    });
}

/// Moves the focus to the first element that matches this selector, once the page is drawn.
pub(crate) fn focus_on(selector: &'static str) {
    yew::platform::spawn_local(async move {
        next_task().await;
        let document = web_sys::window().and_then(|window| window.document());
        let found = document.and_then(|it| it.query_selector(selector).ok().flatten());
        if let Some(target) = found.and_then(|it| it.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = target.focus();
        }
    });
}

/// Moves the focus to `target` when this key is pressed anywhere but in a field.
#[hook]
pub(crate) fn use_focus_key(key: &'static str, target: NodeRef) {
    use_effect_with((), move |()| {
        let listener = Closure::<dyn FnMut(KeyboardEvent)>::new(move |event: KeyboardEvent| {
            if event.key() == key
                && !is_field(event.target())
                && let Some(target) = target.cast::<web_sys::HtmlElement>()
            {
                event.prevent_default();
                // A failure to focus has no consequence.
                let _ = target.focus();
            }
        });
        let document = web_sys::window().and_then(|window| window.document());
        if let Some(document) = &document {
            // It fails only if the listener is not a function.
            let _ = document
                .add_event_listener_with_callback("keydown", listener.as_ref().unchecked_ref());
        }
        move || {
            if let Some(document) = document {
                let _ = document.remove_event_listener_with_callback(
                    "keydown",
                    listener.as_ref().unchecked_ref(),
                );
            }
        }
    });
}

fn is_field(target: Option<web_sys::EventTarget>) -> bool {
    target
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
        .is_some_and(|element| {
            matches!(element.tag_name().as_str(), "INPUT" | "SELECT" | "TEXTAREA")
        })
}
