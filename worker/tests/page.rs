//! Pages and their workers in a real browser: [`BusHandle`], its clients and the hooks.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail")]

#[path = "page/clients.rs"]
mod clients;
#[path = "page/hooks.rs"]
mod hooks;
#[path = "page/questions.rs"]
mod questions;

use std::time::Duration;

use gloo_worker::Registrable as _;
use tabmq_worker::api::{Publication, QoS, Subscription};
use tabmq_worker::{BusHandle, BusOptions, TabWorker};
use wasm_bindgen::prelude::*;
use yew::platform::time::sleep;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

const POLL_INTERVAL: Duration = Duration::from_millis(5);
const DEADLINE_MS: f64 = 10_000.0;

/// `worker-loader.js` calls this in the worker.
#[wasm_bindgen]
pub fn register_worker() {
    TabWorker::registrar().register();
}

fn options(channel: &str) -> BusOptions {
    BusOptions {
        worker_url: Some("/tests/worker-loader.js".to_owned()),
        ..BusOptions::new(channel)
    }
}

fn open(channel: &str) -> BusHandle {
    BusHandle::open(options(channel))
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = js_sys::Date::now();
    while !is_so() {
        assert!(js_sys::Date::now() - begin < DEADLINE_MS, "never: {what}");
        sleep(POLL_INTERVAL).await;
    }
}

fn to(topic_filter: &str) -> Subscription {
    Subscription {
        topic_filter: topic_filter.to_owned(),
        qos: QoS::ExactlyOnce,
        ..Subscription::default()
    }
}

fn message(topic: &str, payload: &str) -> Publication {
    Publication {
        topic: topic.to_owned(),
        payload: payload.into(),
        qos: QoS::AtLeastOnce,
        ..Publication::default()
    }
}

fn retained(topic: &str, payload: &str) -> Publication {
    Publication {
        retain: true,
        ..message(topic, payload)
    }
}

/// Dispatches a lifecycle event, such as freeze or resume.
fn dispatch(event: &str) {
    let event = web_sys::Event::new(event).expect("an event");
    let document = gloo_utils::document();
    document.dispatch_event(&event).expect("it is dispatched");
}
