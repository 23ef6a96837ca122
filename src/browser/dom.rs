//! The document: its state, its title, and the size and place of elements.

use std::rc::Rc;

use tabmq_worker::AnimationFrame;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Element, ResizeObserver};
use yew::prelude::*;

use crate::labels::alerts;

/// Whether the document or one of its resources is still loading.
pub(crate) fn is_loading() -> bool {
    let document = web_sys::window().and_then(|window| window.document());
    document.is_some_and(|document| document.ready_state() != "complete")
}

/// Sets the document's title and icon.
pub(crate) fn show_title(title: &str, icon_url: &str) {
    if let Some(document) = web_sys::window().and_then(|window| window.document()) {
        document.set_title(title);
        if let Some(link) = document.get_element_by_id("favicon") {
            // It fails only for an invalid attribute name.
            let _ = link.set_attribute("href", icon_url);
        }
    }
}

/// The form around the element with this `data-testid`.
pub(crate) fn form_of(testid: &str) -> Option<web_sys::HtmlFormElement> {
    let document = web_sys::window()?.document()?;
    let field = document
        .query_selector(&format!("[data-testid={testid}]"))
        .ok()??;
    field.closest("form").ok()??.dyn_into().ok()
}

/// Distance of an element's upper edge from the top of the window, in CSS pixels.
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

/// Scrolls the page to an element that is below the window.
pub(crate) fn show_if_below(element: &web_sys::Element) {
    let height = web_sys::window().and_then(|window| window.inner_height().ok()?.as_f64());
    if top_of(element)
        .zip(height)
        .is_some_and(|(top, height)| top >= height)
    {
        element.scroll_into_view();
    }
}

/// Asks for a frame after the first drawing, and after each change of the element's size.
#[hook]
pub(crate) fn use_size(element: &NodeRef, frame: &Rc<AnimationFrame>) {
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

/// Windows that are too narrow for columns. The style sheet has the same limit.
const NARROW: &str = "(max-width: 49.99rem)";

/// Whether the page is one column, so that the selected message lies over it.
pub(crate) fn is_narrow() -> bool {
    let query = web_sys::window().and_then(|window| window.match_media(NARROW).ok());
    query.flatten().is_some_and(|query| query.matches())
}

/// Shows a panic on the page, which would otherwise stop responding without a message.
pub(crate) fn show_panics() {
    // Yew's function, because Yew replaces any other hook by its own.
    yew::set_custom_panic_hook(Box::new(|panic| {
        let panic = panic.to_string();
        web_sys::console::error_1(&panic.as_str().into());
        let document = web_sys::window().and_then(|window| window.document());
        if let Some(document) = document
            && let (Some(body), Ok(alert)) = (document.body(), document.create_element("p"))
        {
            alert.set_class_name("alert");
            alert.set_text_content(Some(&alerts::stopped(&panic)));
            // The program has ended, so a failure cannot be reported.
            let _ = alert.set_attribute("role", "alert");
            let _ = body.append_child(&alert);
        }
    }));
}
