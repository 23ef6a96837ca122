//! The MQTT engine of TabMQ, for 5.0 and 3.1.1: connections, sessions, routing, retained messages and wills.
//!
//! It is sans-IO: [`Broker::handle`] takes one [`Input`] and appends what is to be done to a list of [`Output`]s, in
//! order. It knows no tab, no browser, no clock and no randomness.

pub mod access;
mod aliases;
mod authentication;
mod awaited;
#[cfg(feature = "bench")]
pub mod bench;
mod broker;
mod catch_up;
mod close;
pub mod codec;
mod config;
mod connect;
mod delivery;
mod event;
mod filters;
mod gate;
mod hand_over;
mod hash;
mod inspect;
mod journal;
mod link;
mod message;
mod outbound;
mod piece;
mod publish;
mod record;
mod restore;
mod retained;
mod routes;
mod session;
mod share;
mod slab;
mod snapshot;
pub mod sorted;
mod statistics;
mod subscribe;
mod time;
mod timers;
mod topic;
mod will;

pub use broker::{BatchId, Broker, ConnId, Input, Origin, Output, Stats};
pub use close::CloseReason;
pub use config::Config;
pub use connect::NO_SESSION_STATE;
pub use event::{BrokerEvent, DisconnectCause, DropReason};
pub use hash::SeededState;
pub use inspect::{SessionView, SubscriptionView};
pub use message::properties_bytes;
pub use mqtt5_protocol::packet::{self, Packet};
pub use mqtt5_protocol::{
    Properties, PropertyId, PropertyValue, QoS, ReasonCode, WillMessage, WillProperties,
};
pub use record::RecordError;
pub use restore::Restored;
pub use time::Time;
pub use topic::{TopicError, TopicFilter, TopicName, topic_matches};
