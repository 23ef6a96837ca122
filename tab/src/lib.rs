//! One tab of TabMQ: election, presence, lanes and local clients.
//!
//! [`Tab`] is sans-IO: it is told what happened ([`Input`]) and what time it is, and appends what is to be done
//! ([`Output`]) to a list, in order. It cannot read a clock, draw a random number or await. The browser's worker and the
//! simulation are two runtimes for the same `Tab`.

pub mod api;

mod election;
mod endpoint;
mod hosted_broker;
mod io;
mod lane;
mod log;
mod page;
mod protocol;
mod settings;
mod tab;

pub use broker::{Stats, Time, sorted, terse, topic_matches};
pub use election::warm_up::warm_up;
pub use endpoint::port::{PortInput, PortNo, PortOutput};
pub use io::{Input, LockEvent, LockRequest, Output};
pub use log::storage;
pub use page::notices::Notices;
pub use protocol::names::{ChannelName, Lane, Lock, TabId};
pub use protocol::{control, names};
pub use settings::Settings;
pub use tab::Tab;
