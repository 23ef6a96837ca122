//! The JavaScript interface of mqtt5-wasm: its broker and its client.

pub use mqtt5_wasm::*;
