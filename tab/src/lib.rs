//! One tab of TabMQ: election, presence, lanes and local clients.
//!
//! [`Tab`] is sans-IO: it is told what happened ([`Input`]) and what time it is, and appends what is to be done
//! ([`Output`]) to a list, in order. It cannot read a clock, draw a random number or await. The browser's worker and the
//! simulation are two runtimes for the same `Tab`.

pub mod api;
pub mod control;
pub mod names;
pub mod storage;

mod client;
mod hearing;
mod host;
mod inspect;
mod intake;
mod lane;
mod link;
mod local;
mod log;
mod notices;
mod packets;
mod port;
mod rehearsal;
mod reign;
mod roster;
mod settings;
mod suspicion;
mod tab;
mod takeover;
mod terms;

pub use broker::{Stats, Time, sorted, terse, topic_matches};
pub use names::{ChannelName, Lane, Lock, TabId};
pub use notices::Notices;
pub use port::{PortInput, PortNo, PortOutput};
pub use rehearsal::rehearse;
pub use settings::Settings;
pub use tab::{Input, LockEvent, LockRequest, Output, Tab};
