//! Tests of the engine, feature by feature. Test names state the outcome; where the specification numbers the
//! statement, the number stands beside the test.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy exempts the tests, but not what they share"
)]

mod access;
mod authentication;
mod conformance;
mod conformance_311;
mod congestion;
mod connect;
mod delivery;
mod events;
mod expiry;
mod harness;
mod hostile;
mod invariants;
mod lifetimes;
mod limits;
mod publish;
mod random;
#[path = "../support/raw.rs"]
mod raw;
mod retained;
mod session;
mod shared_subscriptions;
mod shutdown;
#[path = "../support/stored.rs"]
mod stored;
mod subscribe;
mod sys_topics;
mod topic_aliases;
mod v311;
mod will;

/// Whether the broker stores what it promises. The tests are the same if it does: see `durable`.
const DURABLE: bool = false;
