//! The protocol between tabs: names, terms, control messages and the frames of a lane.

pub mod control;
pub mod names;
pub(crate) mod term;
