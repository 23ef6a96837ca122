//! The page's side: the bus, its clients and their subscriptions.
//!
//! [`Bus`] carries commands and notices. [`BusHandle`], [`Client`] and [`Subscriber`] are the handles of an app. Their state is in
//! state machines without a browser, [`bus_state`], [`client_state`] and [`subscribers`]. The handles feed these with notices, and
//! carry out their commands and answers, with nothing borrowed while a callback of the app runs.

mod animation_frame;
mod bus;
mod bus_handle;
mod bus_state;
mod client;
mod client_state;
mod error;
#[cfg(feature = "yew")]
pub mod hooks;
mod listeners;
mod messages;
mod persistence;
mod reason;
mod request;
mod ring_buffer;
mod spawn;
mod subscriber;
mod subscribers;

pub use animation_frame::AnimationFrame;
pub use bus::{Bus, BusOptions, Fault, Persist, Signal};
pub use bus_handle::BusHandle;
pub use bus_state::BusStatus;
pub use client::Client;
pub use error::RequestError;
pub use listeners::Listening;
pub use messages::Messages;
pub use persistence::StorageStatus;
pub use reason::Reason;
pub use request::Request;
pub use ring_buffer::RingBuffer;
pub use subscriber::Subscriber;
pub use subscribers::SubscriptionStatus;
