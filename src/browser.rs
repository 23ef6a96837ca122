//! The browser's page, as far as the app uses it without Yew.

pub(crate) mod dom;
pub(crate) mod favicon;
pub(crate) mod form;
pub(crate) mod uplot;
