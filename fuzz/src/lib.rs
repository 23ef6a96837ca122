//! What must hold whatever comes in: for the packet boundary, for the broker and for its log. Each check takes any bytes and panics
//! if the promise is broken.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a broken promise ends the run"
)]

pub mod log;
pub mod packets;
pub mod script;
mod wire;
