//! What mqtt5-wasm has for JavaScript: its broker and its client.

pub use mqtt5_wasm::*;
