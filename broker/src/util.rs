//! Containers and helpers that know nothing of MQTT.

pub(crate) mod hash;
pub mod lean_bincode;
pub mod sorted;
pub(crate) mod timers;
