//! Two or three tabs on one channel, and the notices of their pages.

mod access;
mod clients;
mod disk;
mod durability;
mod failover;
mod golden;
mod lanes;
mod moves;
mod neighbours;
mod ports;
mod presence;
mod pressure;
mod questions;
mod storage;
mod world;
