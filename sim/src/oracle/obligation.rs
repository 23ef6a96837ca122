//! Obligations: acknowledged messages that must be delivered.

mod durable;
mod timed;

pub(super) use durable::DurableObligation;
pub(super) use timed::TimedObligation;
