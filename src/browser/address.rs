//! The address of the page, its history, and the tabs that it opens.

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::HtmlAnchorElement;
use yew::prelude::*;

use super::time::next_task;

/// The query string of the page's address, with its `?`.
pub(crate) fn query() -> String {
    web_sys::window()
        .and_then(|window| window.location().search().ok())
        .unwrap_or_default()
}

/// This page's path with another query string.
pub(crate) fn path_with_query(query: &str) -> String {
    let path = web_sys::window()
        .and_then(|window| window.location().pathname().ok())
        .unwrap_or_default();
    format!("{path}{query}")
}

/// This page's absolute URL with another query string.
pub(crate) fn url_with_query(query: &str) -> String {
    let origin = web_sys::window()
        .and_then(|window| window.location().origin().ok())
        .unwrap_or_default();
    format!("{origin}{}", path_with_query(query))
}

/// Shows the query string in the address bar without loading a page. `as_entry` adds an entry to the history, so that Back
/// leads to the address before.
pub(crate) fn show_query(query: &str, as_entry: bool) {
    if let Some(history) = web_sys::window().and_then(|window| window.history().ok()) {
        let address = path_with_query(query);
        // Browsers refuse too frequent changes; the next change updates the address.
        let _ = match as_entry {
            true => history.push_state_with_url(&JsValue::NULL, "", Some(&address)),
            false => history.replace_state_with_url(&JsValue::NULL, "", Some(&address)),
        };
    }
}

/// Calls `on_move` after Back or Forward within the history of this page.
#[hook]
pub(crate) fn use_history(on_move: Callback<()>) {
    use_window_event("popstate", on_move);
}

/// Calls `on_leave` when the page is left or loaded anew.
#[hook]
pub(crate) fn use_leave(on_leave: Callback<()>) {
    use_window_event("pagehide", on_leave);
}

#[hook]
fn use_window_event(name: &'static str, on_event: Callback<()>) {
    use_effect_with(on_event, move |on_event| {
        let on_event = on_event.clone();
        let listener = Closure::<dyn FnMut()>::new(move || on_event.emit(()));
        let window = web_sys::window();
        if let Some(window) = &window {
            // It fails only if the listener is not a function.
            let _ =
                window.add_event_listener_with_callback(name, listener.as_ref().unchecked_ref());
        }
        move || {
            if let Some(window) = window {
                let _ = window
                    .remove_event_listener_with_callback(name, listener.as_ref().unchecked_ref());
            }
        }
    });
}

/// The state of a history entry that belongs to something that lies over the page.
const OVERLAY: &str = "overlay";

/// Adds a history entry while `is_open`, so that Back closes what lies over the page instead of leaving the page. Returns the
/// callback for its close button, which removes the entry.
#[hook]
pub(crate) fn use_overlay(is_open: bool, on_close: Callback<()>) -> Callback<()> {
    use_effect_with(is_open, |is_open| {
        let history = window_history();
        if let Some(history) = history.filter(|it| *is_open && !is_overlay(it)) {
            // Without the entry, Back leaves the page.
            let _ = history.push_state_with_url(&OVERLAY.into(), "", None);
        }
    });
    let moved = use_callback((is_open, on_close.clone()), |(), (is_open, on_close)| {
        if *is_open && !window_history().is_some_and(|it| is_overlay(&it)) {
            on_close.emit(());
        }
    });
    use_history(moved);
    use_callback((is_open, on_close), |(), (is_open, on_close)| {
        let history = window_history().filter(|it| *is_open && is_overlay(it));
        // Going back closes it, too.
        if history.is_none_or(|it| it.back().is_err()) {
            on_close.emit(());
        }
    })
}

fn window_history() -> Option<web_sys::History> {
    web_sys::window()?.history().ok()
}

fn is_overlay(history: &web_sys::History) -> bool {
    history
        .state()
        .is_ok_and(|it| it.as_string().as_deref() == Some(OVERLAY))
}

/// Loads this page with this query string.
pub(crate) fn navigate(query: &str) {
    if let Some(window) = web_sys::window() {
        let location = window.location();
        // It fails only for an invalid address; this one is the page's own.
        let _ = if location.search().is_ok_and(|current| current == query) {
            location.reload()
        } else {
            location.assign(&path_with_query(query))
        };
    }
}

/// Reloads this page.
pub(crate) fn reload() {
    navigate(&query());
}

/// Opens this page in this number of new tabs. A browser can allow only one at a time.
pub(crate) fn open_tabs(query: &str, tabs: u32) {
    let document = web_sys::window().and_then(|window| window.document());
    let link = document.and_then(|it| it.create_element("a").ok());
    let Some(link) = link.and_then(|it| it.dyn_into::<HtmlAnchorElement>().ok()) else {
        return;
    };
    link.set_href(&path_with_query(query));
    link.set_target("_blank");
    // Without it, they would share a process with this page.
    link.set_rel("noopener");
    for _ in 0..tabs {
        link.click();
    }
}

/// Closes this tab. Browsers close only tabs that a script has opened; others leave the page instead, which has the same effect.
pub(crate) fn close() {
    let Some(window) = web_sys::window() else {
        return;
    };
    // Without permission, nothing happens.
    let _ = window.close();
    yew::platform::spawn_local(async move {
        next_task().await;
        let _ = window.location().replace("about:blank");
    });
}
