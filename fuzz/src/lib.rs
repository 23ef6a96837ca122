//! Properties that hold for any input: of the codec, of the broker, of its log, and of their costs. Each check takes
//! any bytes, and panics if a property does not hold.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a violated property ends the run"
)]

// The tests of `broker` have it in a separate program, because of its allocator.
#[cfg(not(test))]
pub mod cost;
pub mod log;
pub mod packets;
pub mod script;
mod wire;
