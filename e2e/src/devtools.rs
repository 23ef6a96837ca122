//! Pages without a view in a Chromium that only the DevTools protocol controls.

pub(crate) mod chromium;
mod connection;
mod expression;
pub(crate) mod page;
pub(crate) mod process;
mod protocol;
pub(crate) mod worker;
