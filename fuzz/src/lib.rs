//! Promises that hold whatever comes in: of the packet boundary, of the broker, of its log, and of the cost of all that. Each check takes
//! any bytes and panics if the promise is broken.

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
