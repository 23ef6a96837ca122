//! Containers and helpers that know nothing of MQTT.

pub(crate) mod hash;
pub(crate) mod slab;
pub mod sorted;
pub mod terse;
pub(crate) mod timers;
