//! The protocol between tabs: names, terms, control messages and frames of a lane.

pub mod control;
pub(crate) mod frame;
pub mod names;
pub(crate) mod term;
