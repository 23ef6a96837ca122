//! What must hold whatever comes in: for the packet boundary, for the broker, for its log, and for what all that costs. Each check takes any bytes and panics
//! if the promise is broken.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a broken promise ends the run"
)]

// The tests of `broker` have it in a program of its own, because of the allocator.
#[cfg(not(test))]
pub mod cost;
pub mod log;
pub mod packets;
pub mod script;
mod wire;
