//! What a person sees, one file for each thing on the page.

mod alerts;
pub(crate) mod app;
#[allow(dead_code, reason = "the views that show charts come next")]
mod chart;
mod connection;
mod events;
mod fields;
mod header;
mod messages;
mod publish;
mod subscriptions;
mod tabs;
