//! The browser's APIs, one file each; each type unhooks its callbacks when it is dropped.

pub(crate) mod broadcast_channel;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod entropy;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod indexeddb;
#[cfg(test)]
#[cfg(target_arch = "wasm32")]
pub(crate) mod testing;
