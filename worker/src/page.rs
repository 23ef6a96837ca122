//! What an app on a page holds: the bus, its clients and their subscriptions.
//!
//! [`Bus`](crate::Bus) carries commands and notices; this says what an app wants and gets. What has to be remembered in
//! between is in state machines without a browser, [`session`], [`filters`] and [`standing`], which the handles
//! around them feed.

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
