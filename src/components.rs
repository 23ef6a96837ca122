//! What a person sees, one file for each thing on the page.

mod alerts;
pub(crate) mod app;
mod chart;
mod connection;
mod copy;
mod events;
mod failover;
mod fields;
mod header;
mod lines;
mod message;
mod messages;
mod numbers;
mod payload;
mod performance;
mod publish;
mod routing;
mod rows;
mod share;
mod subscriptions;
mod tabs;
mod topics;
mod trial;
