//! The browser APIs that the app uses beside Yew, one file for each.

pub(crate) mod address;
pub(crate) mod clipboard;
pub(crate) mod dom;
pub(crate) mod favicon;
pub(crate) mod files;
pub(crate) mod focus;
pub(crate) mod form;
pub(crate) mod session_storage;
pub(crate) mod time;
pub(crate) mod uplot;
