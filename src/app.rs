//! The parts of the app that run while the page is open, without drawing.

pub(crate) mod broker_polling;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod load_generator;
pub(crate) mod remote_commands;
pub(crate) mod retained_clearing;
pub(crate) mod sampler;
pub(crate) mod store;
