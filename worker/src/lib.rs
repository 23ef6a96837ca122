//! The browser side of TabMQ: the dedicated worker of each tab, and the handles of a page on it.
//!
//! | room | contents |
//! |---|---|
//! | `runtime` | the worker's loop around [`tab::Tab`]: event queue, page channel, MQTT ports |
//! | `browser` | one file for each browser API |
//! | `storage` | the IndexedDB database of the broker's log |
//! | `locks` | Web Locks, or IndexedDB in their place |
//! | `page` | the page's side: [`Bus`], [`BusHandle`], [`Client`], and the [hooks] for Yew |
//!
//! # Contract of the worker
//!
//! - A callback of the browser becomes an event in the queue. The loop takes one event at a time, and no event inside another.
//! - For each event, the loop calls `Tab::handle` and `Tab::flush`, carries out the outputs in order, and sets the one timer.
//! - The worker makes no protocol decision. It carries out outputs, and reports inputs.
//! - Nothing panics on data from another tab, a page or a port. The worker reports such data to the tab.
//!
//! # Contract of the page
//!
//! - An app uses [`BusHandle`] and [`Client`]. Below them, [`Bus`] exchanges [`Command`](api::Command)s and
//!   [`Notice`](api::Notice)s with the worker, in batches.
//! - The worker ends when the page is left or frozen, and [`Bus`] starts another one when the page returns. At each
//!   [`Notice::Opened`](api::Notice::Opened), the clients connect and subscribe again.
//! - A page without WebAssembly attaches `MessagePort`s to the worker instead: one for commands and notices in bincode, and any
//!   number for MQTT in bytes.

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

/// Name of this build: a hash of the sources of the worker.
pub const BUILD: &str = env!("TABMQ_BUILD");

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
