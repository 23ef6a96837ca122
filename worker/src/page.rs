//! What an app on a page holds: the bus, its clients and their subscriptions.
//!
//! [`Bus`](crate::Bus) carries commands and notices; this says what an app wants and gets. What has to be remembered in
//! between is in state machines without a browser, [`session`], [`filters`] and [`standing`], which the handles
//! around them feed.

mod client;
mod error;
mod frame;
mod handle;
mod listeners;
mod messages;
pub(crate) mod persistence;
mod reason;
mod request;
mod ring;
mod session;
mod standing;
mod subscriber;
mod subscribers;

pub use client::Client;
pub use error::RequestError;
pub use frame::Frame;
pub use handle::BusHandle;
pub use listeners::Listening;
pub use messages::Messages;
pub use persistence::StorageStatus;
pub use reason::Reason;
pub use request::Request;
pub use ring::Ring;
pub use standing::BusStatus;
pub use subscriber::Subscriber;
pub use subscribers::SubscriptionStatus;
