//! The MQTT engine of TabMQ, for 5.0 and 3.1.1: connections, sessions, routing, retained messages and wills.
//!
//! It is sans-IO: [`Broker::handle`] takes one [`Input`] and appends what is to be done to a list of [`Output`]s, in
//! order. It knows no tab, no browser, no clock and no randomness.

pub mod access;
mod aliases;
mod authentication;
#[cfg(feature = "bench")]
pub mod bench;
mod broker;
mod close;
pub mod codec;
mod config;
mod connect;
mod delivery;
mod event;
mod hash;
mod link;
mod message;
mod outbound;
mod publish;
mod retained;
mod session;
mod share;
mod slab;
mod statistics;
mod subscribe;
mod time;
mod timers;
mod topic;
mod tree;
mod will;

pub use broker::{Broker, ConnId, Input, Output, Stats};
pub use close::CloseReason;
pub use config::Config;
pub use event::{BrokerEvent, DisconnectCause, DropReason};
pub use mqtt5_protocol::packet::{self, Packet};
pub use mqtt5_protocol::{
    Properties, PropertyId, PropertyValue, QoS, ReasonCode, WillMessage, WillProperties,
};
pub use time::Time;
pub use topic::{TopicError, TopicFilter, TopicName};
