//! Asks the broker for retained and dropped messages while the page shows them.

use std::cell::Cell;
use std::rc::Rc;

use tabmq_worker::api::{Answer, Question};
use tabmq_worker::hooks::use_bus;
use yew::platform::spawn_local;
use yew::prelude::*;

use crate::app::store::Store;
use crate::browser::time;
use crate::state::Action;
use crate::state::retained::PAYLOAD_BYTES;
use crate::state::share_url::View;

/// How often the broker is asked.
const INTERVAL_MS: u32 = 1_000;

/// Retained messages in one answer. A larger answer would delay the messages after it.
const PAGE: u32 = 500;

/// Pause between two of these answers.
const PAGE_GAP_MS: u32 = 40;

/// The broker is asked for drops until this long after the last message.
const QUIET_MS: f64 = 5_000.0;

/// Asks the broker for its retained messages, page by page and repeatedly, while the component is mounted.
#[hook]
pub(crate) fn use_retained(dispatch: Callback<Action>) {
    let bus = use_bus();
    use_effect_with((bus, dispatch), |(bus, dispatch)| {
        let is_wanted = Rc::new(Cell::new(true));
        let (bus, dispatch, wanted) = (bus.clone(), dispatch.clone(), Rc::clone(&is_wanted));
        spawn_local(async move {
            let mut after = None;
            while wanted.get() {
                let question = Question::Retained {
                    topic_filter: "#".to_owned(),
                    after: after.clone(),
                    at_most: PAGE,
                    payload_bytes: u32::try_from(PAYLOAD_BYTES).unwrap_or(u32::MAX),
                };
                let answer = bus.ask(question).await;
                if !wanted.get() {
                    return;
                }
                let reached = match answer {
                    Ok(Answer::Retained { messages, reached }) => {
                        dispatch.emit(Action::Retained {
                            after: after.take(),
                            messages,
                            reached: reached.clone(),
                        });
                        reached
                    }
                    Ok(_) | Err(_) => {
                        dispatch.emit(Action::RetainedUnknown);
                        None
                    }
                };
                let pause_ms = reached.as_ref().map_or(INTERVAL_MS, |_| PAGE_GAP_MS);
                after = reached;
                time::pause(pause_ms).await;
            }
        });
        move || is_wanted.set(false)
    });
}

/// Asks the broker every second for its dropped messages, while messages arrive or the performance view is shown.
#[hook]
pub(crate) fn use_drops(store: &Store, view: View) {
    let bus = use_bus();
    let last_message = use_mut_ref(|| (0, f64::NEG_INFINITY));
    let is_asking = use_memo((), |()| Cell::new(false));
    let store = store.clone();
    time::use_interval(Some(INTERVAL_MS), move || {
        let now = time::now_ms();
        let mut last_message = last_message.borrow_mut();
        if last_message.0 != store.received() {
            *last_message = (store.received(), now);
        }
        let is_busy = now - last_message.1 < QUIET_MS;
        if (!is_busy && view != View::Performance) || is_asking.replace(true) {
            return;
        }
        let (bus, store, is_asking) = (bus.clone(), store.clone(), Rc::clone(&is_asking));
        spawn_local(async move {
            let answer = bus.ask(Question::Dropped).await;
            is_asking.set(false);
            if let Ok(Answer::Dropped { drops }) = answer {
                store.dispatch(Action::Dropped(time::unix_ms(), drops));
            }
        });
    });
}
