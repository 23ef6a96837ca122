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

mod attach;
mod bus;
mod channel;
mod clock;
mod codec;
mod compaction;
mod control;
mod entropy;
mod error;
mod events;
#[cfg(feature = "yew")]
pub mod hooks;
mod indexeddb;
mod locks;
mod mutex;
mod page;
mod peer;
mod ports;
mod spawn;
mod storage;
#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod testing;
mod turns;
mod weblocks;
mod worker;

pub use attach::listen_for_ports;
pub use bus::{Bus, BusOptions, Fault, Persist, Signal};
pub use codec::Terse;
pub use page::{
    BusHandle, BusStatus, Client, Frame, Listening, Messages, Reason, Request, RequestError, Ring,
    StorageStatus, Subscriber, SubscriptionStatus,
};
pub use peer::{EVENTS_FOR_PORTS, NOT_FOR_PORTS};
pub use tab::{Stats, TabId, Time, api, topic_matches};
pub use worker::TabWorker;

/// Name of this build: a hash of the sources that the worker is made of.
pub const BUILD: &str = env!("TABMQ_BUILD");

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
