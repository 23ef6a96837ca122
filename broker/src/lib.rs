//! The MQTT engine of TabMQ, for MQTT 5.0, 3.1.1 and 3.1: connections, sessions, routing, retained messages and wills.
//!
//! # Contract
//!
//! The crate is sans-IO. It knows no tab, no browser, no clock, no randomness and no thread.
//!
//! - The caller gives one [`Input`] at a time to [`Broker::handle`], with the current [`Time`]. Time never goes back.
//! - [`Broker::handle`] appends [`Output`]s to a list. The caller carries all of them out, in order.
//! - The caller gives [`Input::Timeout`] at [`Broker::next_timeout`]. It may do so early, late or too often.
//! - The caller decodes bytes with [`codec`], and encodes the packets of [`Output::Send`] with it. One connection has one
//!   protocol version, which its CONNECT decides.
//! - A [durable](Config::durable) broker issues [`Output::Persist`]. The caller stores batches in order and reports
//!   [`Input::Committed`]. Until then the broker holds back every packet on which a client may rely.
//! - [`Broker::restore`] makes the next broker from [`Broker::snapshot`] and the batches after it.
//!
//! The same inputs at the same times give the same outputs. Nothing panics on bytes from a client or from storage.
//!
//! # Modules
//!
//! - `broker`, `input`, `output`, `ids`, `config`: the engine's surface.
//! - `connection`: CONNECT, authentication, limits, topic aliases, Keep Alive, and the reasons to close a connection.
//! - `session`: the state of a client: its queue, messages in flight, will, and reconnect grace.
//! - `routing`: PUBLISH and SUBSCRIBE, matching, retained messages, and shared subscriptions.
//! - `persistence`: records, their framing, the journal, snapshots, and the commit gate.
//! - `observe`: events, counters, views, and `$SYS` topics.
//! - `access`: which client may connect, publish and subscribe.

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
pub use util::{binary, sorted};
