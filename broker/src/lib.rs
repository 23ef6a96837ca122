//! The MQTT engine of TabMQ, for 5.0 and 3.1.1: connections, sessions, routing, retained messages and wills.
//!
//! It is sans-IO: [`Broker::handle`] takes one [`Input`] and appends what is to be done to a list of [`Output`]s, in
//! order. It knows no tab, no browser, no clock and no randomness.

pub mod access;
#[cfg(feature = "bench")]
pub mod bench;
mod broker;
pub mod codec;
mod config;
mod connection;
mod ids;
mod input;
mod observe;
mod output;
mod persistence;
mod routing;
mod session;
mod time;
mod topic;
mod util;

pub use broker::Broker;
pub use config::Config;
pub use connection::close_reason::CloseReason;
pub use connection::connect::NO_SESSION_STATE;
pub(crate) use ids::SessionId;
pub use ids::{BatchId, ConnId, Origin};
pub use input::Input;
pub use mqtt5_protocol::packet::{self, Packet};
pub use mqtt5_protocol::{
    Properties, PropertyId, PropertyValue, QoS, ReasonCode, WillMessage, WillProperties,
};
pub use observe::event::{BrokerEvent, DisconnectCause, DropReason};
pub use observe::inspect::{SessionView, SubscriptionView};
pub use observe::stats::Stats;
pub use output::Output;
pub use persistence::record::RecordError;
pub use persistence::restore::Restored;
pub use routing::message::properties_bytes;
pub use time::Time;
pub use topic::{TopicError, TopicFilter, TopicName, topic_matches};
pub use util::hash::SeededState;
pub use util::{lean_bincode, sorted};
