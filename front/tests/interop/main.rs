//! Tests of the front as a process: third-party clients, and clients that misbehave.
#![allow(
    clippy::disallowed_methods,
    reason = "the ban on clocks is for the engines; tests wait in real time"
)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests fail as tests do"
)]

mod command;
mod fairness;
mod harness;
mod mosquitto;
mod mqttjs;
mod paho;
mod rumqtt;
mod transport;
