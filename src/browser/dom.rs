//! The document: its state, its title, and the size and place of elements.

use std::rc::Rc;

use tabmq_worker::Frame;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Element, ResizeObserver};
use yew::prelude::*;

/// Whether something is on its way that the page's own document names.
pub(crate) fn is_loading() -> bool {
    let document = web_sys::window().and_then(|window| window.document());
    document.is_some_and(|document| document.ready_state() != "complete")
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

/// The form that an element of this `data-testid` is in.
pub(crate) fn form_of(testid: &str) -> Option<web_sys::HtmlFormElement> {
    let document = web_sys::window()?.document()?;
    let field = document
        .query_selector(&format!("[data-testid={testid}]"))
        .ok()??;
    field.closest("form").ok()??.dyn_into().ok()
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

/// The windows that are too narrow for columns; the style sheet has the same limit.
const NARROW: &str = "(max-width: 49.99rem)";

/// Whether the page is one column, and what is selected lies over it.
pub(crate) fn is_narrow() -> bool {
    let query = web_sys::window().and_then(|window| window.match_media(NARROW).ok());
    query.flatten().is_some_and(|query| query.matches())
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
