//! The few things of the browser's page that the app needs besides what Yew draws.

use js_sys::Date;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use yew::prelude::*;

/// The query string of the page's address, with its `?`.
pub(crate) fn query() -> String {
    web_sys::window()
        .and_then(|window| window.location().search().ok())
        .unwrap_or_default()
}

/// This page's address with another query string.
pub(crate) fn address(query: &str) -> String {
    let path = web_sys::window()
        .and_then(|window| window.location().pathname().ok())
        .unwrap_or_default();
    format!("{path}{query}")
}

/// Whether something is on its way that the page's own document names.
pub(crate) fn is_loading() -> bool {
    let document = web_sys::window().and_then(|window| window.document());
    document.is_some_and(|document| document.ready_state() != "complete")
}

/// Puts the query string into the address bar; neither loads anything nor adds to the history.
pub(crate) fn show_query(query: &str) {
    if let Some(history) = web_sys::window().and_then(|window| window.history().ok()) {
        // A browser refuses when it is asked too often; the next change brings the address up to date.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&address(query)));
    }
}

/// Loads this page anew with this query string.
pub(crate) fn go(query: &str) {
    if let Some(window) = web_sys::window() {
        let location = window.location();
        // Fails only where the address is not one; ours is the page's own.
        let _ = if location.search().is_ok_and(|current| current == query) {
            location.reload()
        } else {
            location.assign(&address(query))
        };
    }
}

/// Loads this page anew.
pub(crate) fn reload() {
    go(&query());
}

/// Sets the document's title and icon.
pub(crate) fn show_title(title: &str, icon_url: &str) {
    if let Some(document) = web_sys::window().and_then(|window| window.document()) {
        document.set_title(title);
        if let Some(link) = document.get_element_by_id("favicon") {
            // The attribute's name is valid, which is all that can fail.
            let _ = link.set_attribute("href", icon_url);
        }
    }
}

/// Unix milliseconds as the time of day in this place: `14:03:07.250`.
pub(crate) fn time_of_day(unix_ms: u64) -> String {
    let date = Date::new(&JsValue::from_f64(unix_ms as f64));
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        date.get_hours(),
        date.get_minutes(),
        date.get_seconds(),
        date.get_milliseconds()
    )
}

/// Unix milliseconds now; the component is drawn again every `interval_ms`.
#[hook]
pub(crate) fn use_now(interval_ms: i32) -> u64 {
    let update = use_force_update();
    use_effect_with(interval_ms, move |&interval_ms| {
        let tick = Closure::<dyn FnMut()>::new(move || update.force_update());
        let window = web_sys::window();
        let timer = window.as_ref().and_then(|window| {
            window
                .set_interval_with_callback_and_timeout_and_arguments_0(
                    tick.as_ref().unchecked_ref(),
                    interval_ms,
                )
                .ok()
        });
        move || {
            if let Some((window, timer)) = window.zip(timer) {
                window.clear_interval_with_handle(timer);
            }
            drop(tick);
        }
    });
    Date::now() as u64
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
                // Focus has no way to fail that matters.
                let _ = target.focus();
            }
        });
        let document = web_sys::window().and_then(|window| window.document());
        if let Some(document) = &document {
            // The listener is a function, which is all that can fail.
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

/// Shows a panic on the page, which would otherwise just stop answering.
pub(crate) fn show_panics() {
    // Yew's way, because Yew puts a hook of its own over any other.
    yew::set_custom_panic_hook(Box::new(|panic| {
        let panic = panic.to_string();
        web_sys::console::error_1(&panic.as_str().into());
        let document = web_sys::window().and_then(|window| window.document());
        if let Some(document) = document
            && let (Some(body), Ok(alert)) = (document.body(), document.create_element("p"))
        {
            alert.set_class_name("alert");
            alert.set_text_content(Some(&format!(
                "This page has stopped because of a mistake in its program. Reload it to start again. ({panic})"
            )));
            // A page that has stopped has nobody to tell that even this failed.
            let _ = alert.set_attribute("role", "alert");
            let _ = body.append_child(&alert);
        }
    }));
}
