//! The few things of the browser's page that the app needs besides what Yew draws.

use std::rc::Rc;

use js_sys::{Date, Promise};
use tabmq_worker::Frame;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, BlobPropertyBag, Element, HtmlAnchorElement, ResizeObserver, Url};
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

/// This page's address with another query string, for another program.
pub(crate) fn whole_address(query: &str) -> String {
    let origin = web_sys::window()
        .and_then(|window| window.location().origin().ok())
        .unwrap_or_default();
    format!("{origin}{}", address(query))
}

/// Puts the query string into the address bar, and loads nothing. As an entry of its own, the browser's Back leads from it to
/// the one before.
pub(crate) fn show_query(query: &str, as_entry: bool) {
    if let Some(history) = web_sys::window().and_then(|window| window.history().ok()) {
        let address = address(query);
        // A browser refuses when it is asked too often; the next change brings the address up to date.
        let _ = match as_entry {
            true => history.push_state_with_url(&JsValue::NULL, "", Some(&address)),
            false => history.replace_state_with_url(&JsValue::NULL, "", Some(&address)),
        };
    }
}

/// Calls `on_move` when somebody goes back or forward in the history of this page.
#[hook]
pub(crate) fn use_history(on_move: Callback<()>) {
    use_effect_with(on_move, |on_move| {
        let on_move = on_move.clone();
        let listener = Closure::<dyn FnMut()>::new(move || on_move.emit(()));
        let window = web_sys::window();
        if let Some(window) = &window {
            // The listener is a function, which is all that can fail.
            let _ = window
                .add_event_listener_with_callback("popstate", listener.as_ref().unchecked_ref());
        }
        move || {
            if let Some(window) = window {
                let _ = window.remove_event_listener_with_callback(
                    "popstate",
                    listener.as_ref().unchecked_ref(),
                );
            }
        }
    });
}

/// Where an element begins in the window, in CSS pixels from its top.
pub(crate) fn top_of(element: &web_sys::Element) -> Option<f64> {
    let method = js_sys::Reflect::get(element, &"getBoundingClientRect".into()).ok()?;
    let rectangle = method
        .dyn_into::<js_sys::Function>()
        .ok()?
        .call0(element)
        .ok()?;
    js_sys::Reflect::get(&rectangle, &"top".into())
        .ok()?
        .as_f64()
}

/// The form that an element of this `data-testid` is in.
pub(crate) fn form_of(testid: &str) -> Option<web_sys::HtmlFormElement> {
    let document = web_sys::window()?.document()?;
    let field = document
        .query_selector(&format!("[data-testid={testid}]"))
        .ok()??;
    field.closest("form").ok()??.dyn_into().ok()
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

/// Closes this tab. A browser that closes only what a script has opened leaves the page instead, which ends as much.
pub(crate) fn close() {
    let Some(window) = web_sys::window() else {
        return;
    };
    // Where it is not allowed, nothing happens.
    let _ = window.close();
    yew::platform::spawn_local(async move {
        next_task().await;
        let _ = window.location().replace("about:blank");
    });
}

/// Opens this page in so many more tabs. A browser may allow only one at a time.
pub(crate) fn open_tabs(query: &str, tabs: u32) {
    let document = web_sys::window().and_then(|window| window.document());
    let link = document.and_then(|it| it.create_element("a").ok());
    let Some(link) = link.and_then(|it| it.dyn_into::<HtmlAnchorElement>().ok()) else {
        return;
    };
    link.set_href(&address(query));
    link.set_target("_blank");
    // Else they would share a process with this page.
    link.set_rel("noopener");
    for _ in 0..tabs {
        link.click();
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

/// Unix milliseconds in the format of ISO 8601: `2026-11-26T14:03:07.250Z`.
pub(crate) fn iso_time(unix_ms: u64) -> String {
    let date = Date::new(&JsValue::from_f64(unix_ms as f64));
    date.to_iso_string().into()
}

/// Unix milliseconds now.
pub(crate) fn unix_ms() -> f64 {
    Date::now()
}

/// Milliseconds of a clock that nobody sets, since the page was opened.
pub(crate) fn now_ms() -> f64 {
    let performance = web_sys::window().and_then(|window| window.performance());
    performance.map_or_else(Date::now, |performance| performance.now())
}

/// Lets the browser do what it has to do in between.
pub(crate) async fn next_task() {
    pause(0).await;
}

/// Waits for so many milliseconds, or longer in a hidden page.
pub(crate) async fn pause(ms: u32) {
    let waited = Promise::new(&mut |resolve, _| {
        let ms = i32::try_from(ms).unwrap_or(i32::MAX);
        let window = web_sys::window();
        let timer =
            window.map(|it| it.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms));
        if !matches!(timer, Some(Ok(_))) {
            // Without a timer there is nothing to wait for.
            let _ = resolve.call0(&JsValue::NULL);
        }
    });
    // It is never rejected.
    let _ = JsFuture::from(waited).await;
}

/// Copies text to the clipboard, if the browser allows it.
pub(crate) async fn copy(text: &str) -> bool {
    let Some(window) = web_sys::window() else {
        return false;
    };
    // Missing where the page is not secure.
    let navigator: JsValue = window.navigator().into();
    let has_clipboard = js_sys::Reflect::get(&navigator, &"clipboard".into())
        .is_ok_and(|clipboard| clipboard.is_object());
    has_clipboard
        && JsFuture::from(window.navigator().clipboard().write_text(text))
            .await
            .is_ok()
}

/// Has the browser save a file of these parts.
pub(crate) fn save(name: &str, mime_type: &str, parts: &[String]) {
    let parts: js_sys::Array = parts.iter().map(|part| JsValue::from_str(part)).collect();
    let options = BlobPropertyBag::new();
    options.set_type(mime_type);
    if let Ok(blob) = Blob::new_with_str_sequence_and_options(&parts, &options) {
        save_blob(name, &blob);
    }
}

/// Has the browser save a file of exactly these bytes.
pub(crate) fn save_bytes(name: &str, bytes: &[u8]) {
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(bytes));
    let options = BlobPropertyBag::new();
    options.set_type("application/octet-stream");
    if let Ok(blob) = Blob::new_with_u8_array_sequence_and_options(&parts, &options) {
        save_blob(name, &blob);
    }
}

fn save_blob(name: &str, blob: &Blob) {
    let document = web_sys::window().and_then(|window| window.document());
    let link = document.and_then(|it| it.create_element("a").ok());
    let link = link.and_then(|it| it.dyn_into::<HtmlAnchorElement>().ok());
    if let (Some(link), Ok(url)) = (link, Url::create_object_url_with_blob(blob)) {
        link.set_href(&url);
        link.set_download(name);
        link.click();
        // The browser has taken what it needs. It fails for no URL of ours.
        let _ = Url::revoke_object_url(&url);
    }
}

/// Unix milliseconds now; the component is drawn again every `interval_ms`.
#[hook]
pub(crate) fn use_now(interval_ms: u32) -> u64 {
    let update = use_force_update();
    use_interval(Some(interval_ms), move || update.force_update());
    Date::now() as u64
}

/// Asks for a frame when an element is there, and whenever its size changes.
#[hook]
pub(crate) fn use_size(element: &NodeRef, frame: &Rc<Frame>) {
    let (element, frame) = (element.clone(), Rc::clone(frame));
    use_effect_with((), move |()| {
        frame.ask();
        let asked = Rc::clone(&frame);
        let resized = Closure::<dyn FnMut(js_sys::Array)>::new(move |_| asked.ask());
        let observer = ResizeObserver::new(resized.as_ref().unchecked_ref()).ok();
        if let Some((observer, element)) = observer.as_ref().zip(element.cast::<Element>()) {
            observer.observe(&element);
        }
        move || {
            if let Some(observer) = observer {
                observer.disconnect();
            }
            frame.cancel();
            drop(resized);
        }
    });
}

/// Calls `tick` every so many milliseconds as long as the component is there; `None`: not. It is always the latest one that
/// is called.
#[hook]
pub(crate) fn use_interval(interval_ms: Option<u32>, tick: impl Fn() + 'static) {
    let latest = use_mut_ref(|| None::<std::rc::Rc<dyn Fn()>>);
    latest.replace(Some(std::rc::Rc::new(tick)));
    use_effect_with(interval_ms, move |&interval_ms| {
        let tick = Closure::<dyn FnMut()>::new(move || {
            // Nothing is borrowed while it runs.
            let tick = latest.borrow().clone();
            if let Some(tick) = tick {
                tick();
            }
        });
        let window = web_sys::window().zip(interval_ms);
        let timer = window.as_ref().and_then(|(window, interval_ms)| {
            let interval_ms = i32::try_from(*interval_ms).unwrap_or(i32::MAX);
            window
                .set_interval_with_callback_and_timeout_and_arguments_0(
                    tick.as_ref().unchecked_ref(),
                    interval_ms,
                )
                .ok()
        });
        move || {
            if let Some(((window, _), timer)) = window.zip(timer) {
                window.clear_interval_with_handle(timer);
            }
            drop(tick);
        }
    });
}

/// The windows that are too narrow for columns; the style sheet has the same limit.
const NARROW: &str = "(max-width: 49.99rem)";

/// Whether the page is one column, and what is selected lies over it.
pub(crate) fn is_narrow() -> bool {
    let query = web_sys::window().and_then(|window| window.match_media(NARROW).ok());
    query.flatten().is_some_and(|query| query.matches())
}

/// Moves the focus to this element once it is drawn.
pub(crate) fn focus(target: &NodeRef) {
    let target = target.clone();
    yew::platform::spawn_local(async move {
        next_task().await;
        if let Some(target) = target.cast::<web_sys::HtmlElement>() {
            // Focus has no way to fail that matters.
            let _ = target.focus();
        }
    });
}

/// Moves the focus to the first element that this selector names, once the page is drawn.
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
