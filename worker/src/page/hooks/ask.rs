//! Questions of a component to the broker.

use std::cell::Cell;
use std::rc::Rc;

use tab::api::{Answer, Question};
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use super::read::{use_bus, use_redraw};
use crate::browser::clock;
use crate::page::RequestError;

/// The broker's answer to a question, or an error; `None` until the first answer.
///
/// The hook asks when the component is mounted, when the question changes, and again `interval_ms` after each answer. The component
/// is drawn again when the answer differs. Without a question there is no answer.
///
/// ```no_run
/// # use tabmq_worker::api::{Answer, Question};
/// # use tabmq_worker::hooks::use_answer;
/// # use yew::prelude::*;
/// #[component]
/// fn Queued() -> Html {
///     let answer = use_answer(Some(Question::Load), 1_000);
///     match answer.as_ref().map(|answer| answer.as_deref()) {
///         Some(Ok(Answer::Load(load))) => html! { load.queued },
///         Some(Err(why)) => html! { why },
///         _ => html! {},
///     }
/// }
/// ```
#[hook]
pub fn use_answer(
    question: Option<Question>,
    interval_ms: u32,
) -> Option<Result<Rc<Answer>, RequestError>> {
    let bus = use_bus();
    let redraw = use_redraw();
    let latest = use_mut_ref(|| None::<Result<Rc<Answer>, RequestError>>);
    let shown = Rc::clone(&latest);
    use_effect_with((bus, question, interval_ms), move |asked| {
        let (bus, question, interval_ms) = asked.clone();
        let is_wanted = Rc::new(Cell::new(true));
        let wanted = Rc::clone(&is_wanted);
        match question {
            Some(question) => spawn_local(async move {
                while wanted.get() {
                    let answer = bus.ask(question.clone()).await.map(Rc::new);
                    if wanted.get() && shown.borrow().as_ref() != Some(&answer) {
                        shown.replace(Some(answer));
                        redraw.ask();
                    }
                    clock::pause(i32::try_from(interval_ms).unwrap_or(i32::MAX)).await;
                }
            }),
            None => {
                if shown.take().is_some() {
                    redraw.ask();
                }
            }
        }
        move || is_wanted.set(false)
    });
    latest.borrow().clone()
}
