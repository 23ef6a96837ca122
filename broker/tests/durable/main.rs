//! Tests of a durable engine: all tests of `engine`, and tests of the restored state.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy exempts the tests, but not what they share"
)]

#[path = "../engine/access.rs"]
mod access;
#[path = "../engine/authentication.rs"]
mod authentication;
#[path = "../engine/conformance.rs"]
mod conformance;
#[path = "../engine/congestion.rs"]
mod congestion;
#[path = "../engine/connect.rs"]
mod connect;
#[path = "../engine/delivery.rs"]
mod delivery;
#[path = "../engine/events.rs"]
mod events;
#[path = "../engine/expiry.rs"]
mod expiry;
#[path = "../engine/harness.rs"]
mod harness;
#[path = "../engine/hostile.rs"]
mod hostile;
#[path = "../engine/invariants.rs"]
mod invariants;
#[path = "../engine/lifetimes.rs"]
mod lifetimes;
#[path = "../engine/limits.rs"]
mod limits;
#[path = "../engine/publish.rs"]
mod publish;
#[path = "../engine/random.rs"]
mod random;
#[path = "../support/raw.rs"]
mod raw;
#[path = "../engine/retained.rs"]
mod retained;
#[path = "../engine/session.rs"]
mod session;
#[path = "../engine/shared_subscriptions.rs"]
mod shared_subscriptions;
#[path = "../support/stored.rs"]
mod stored;
#[path = "../engine/sys_topics.rs"]
mod sys_topics;
#[path = "../engine/topic_aliases.rs"]
mod topic_aliases;

mod commit_gate;
mod cuts;
mod damage;
mod failover;
mod full;
mod reconnect_grace;
mod restore;
#[path = "../engine/subscribe.rs"]
mod subscribe;
mod takeover;
#[path = "../engine/v311.rs"]
mod v311;
#[path = "../engine/will.rs"]
mod will;

/// Whether the broker is durable.
const DURABLE: bool = true;
