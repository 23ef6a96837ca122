//! One tab of TabMQ: election, presence, lanes to the broker, and the endpoints of a page.
//!
//! # Contract
//!
//! [`Tab`] is sans-IO. The browser's worker and the simulation are two runtimes for it.
//!
//! - The runtime calls [`Tab::handle`] with the time and one [`Input`]. The tab appends [`Output`]s to a list, and the
//!   runtime carries them out in order.
//! - A turn is one or more calls of `handle`. The runtime then calls [`Tab::flush`], which appends the frames and notices
//!   of the turn.
//! - After each turn the runtime sets its timer to [`Tab::next_timeout`] and delivers [`Input::Timeout`]. A timer may be
//!   early, late or repeated.
//! - Each [`LockRequest`] and [`storage::StorageRequest`] states its answers. They come as later inputs. Several
//!   storage requests may be under way, and each answer names its request.
//! - Time never goes backwards. After a late input the tab assumes that it was suspended.
//!
//! A tab reads no clock, draws no random number, starts no thread and does not await. It never panics on input from
//! another tab, a page, a port or the database: it counts, reports and drops foreign input.
//!
//! # Guide
//!
//! - [`api`]: commands and notices between a page and its tab.
//! - `protocol`: [`names`], terms, [`control`] messages and lane frames, which other tabs receive.
//! - `tab`: composes the parts below. One file for each part, with the rules between parts.
//! - `election`: failure detector, promotion, leadership, membership, and the warm-up.
//! - `lane`: one end of a lane with its back-pressure, and the uplink to a broker in another tab.
//! - `endpoint`: MQTT connections of this tab: clients and ports.
//! - `hosted_broker`: the broker in this tab, with its lanes and connections.
//! - [`access`]: the rules that a hosted broker gets.
//! - `log`: the log of a leading broker, the interface to its database, [`storage`], and the content of that database,
//!   [`loaded`].
//! - `page`: the page's credit, and when [`Notices`] leave.

pub mod access;
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

pub use broker::{Stats, Time, binary, sorted, topic_matches};
pub use election::warm_up::warm_up;
pub use endpoint::port::{PortInput, PortNo, PortOutput};
pub use io::{Input, LockEvent, LockRequest, Output};
pub use log::{loaded, storage};
pub use page::notices::Notices;
pub use protocol::names::{ChannelName, Lane, Lock, TabId};
pub use protocol::{control, names};
pub use settings::Settings;
pub use tab::Tab;
