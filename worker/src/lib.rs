//! The browser edge of TabMQ.
//!
//! On the page's side there is [`BusHandle`], for any app that is compiled to WebAssembly: [`Client`]s that publish and
//! subscribe, the tab's role, the roster. With the feature `yew` there are [hooks] for Yew, too. Below them is [`Bus`]: it
//! starts the tab's dedicated worker and talks to it in [`Command`](api::Command)s and [`Notice`](api::Notice)s.
//!
//! On the worker's side there is [`TabWorker`]: it carries out what the tab's state machine wants done and tells it what
//! the browser reports. It makes no protocol decision.
//!
//! A page without WebAssembly of its own attaches `MessagePort`s to the worker instead: one on which it says the same
//! commands and hears the same notices, in bincode, and any number on which MQTT is spoken.

mod browser;
mod locks;
mod page;
mod runtime;
mod storage;

#[cfg(feature = "yew")]
pub use page::hooks;
pub use page::{
    AnimationFrame, Bus, BusHandle, BusOptions, BusStatus, Client, Fault, Listening, Messages,
    Persist, Reason, Request, RequestError, RingBuffer, Signal, StorageStatus, Subscriber,
    SubscriptionStatus,
};
pub use runtime::{
    PAGE_PORT_EVENTS, PAGE_PORT_OMITTED_NOTICES, TabWorker, Terse, listen_for_ports,
};
pub use tab::{Stats, TabId, Time, api, topic_matches};

/// Name of this build: a hash of the sources that the worker is made of.
pub const BUILD: &str = env!("TABMQ_BUILD");

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
