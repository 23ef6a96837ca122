//! Containers and helpers that know nothing of MQTT.

pub mod binary;
pub(crate) mod hash;
pub mod sorted;
pub(crate) mod timers;
