//! The app in tabs of a Chromium that ChromeDriver controls.

pub(crate) mod appearance;
pub(crate) mod browser;
mod driver;
pub(crate) mod session;
pub(crate) mod tab;
pub(crate) mod view;
