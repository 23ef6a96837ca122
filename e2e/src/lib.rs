//! TabMQ in a real browser: real tabs, a dedicated worker each, real closing and crashing.
//!
//! A [`Browser`] is a Chromium of its own with a fresh profile and a [`Server`] for the built app. A [`Tab`] is one page
//! of the app, acted on and read by the `data-testid`s of the page. A test waits for what it wants to see, never for a
//! time; after [`DEADLINE`] it fails with what every tab shows, and with the console.
//!
//! `cargo xtask test` builds the app, finds the browser and runs the tests.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "the harness waits in real time, and fails tests by panicking; the engines do neither"
)]

mod appearance;
mod browser;
#[cfg(unix)]
mod chromium;
#[cfg(unix)]
mod devtools;
mod driver;
mod home;
mod message;
#[cfg(unix)]
mod page;
mod server;
mod tab;
mod view;

pub use appearance::Appearance;
pub use browser::{Browser, ConsoleEntry, Setup, dist};
#[cfg(unix)]
pub use chromium::{Chromium, ChromiumSetup, SQLITE, page_dist};
pub use driver::path_in;
pub use home::home;
pub use message::Message;
#[cfg(unix)]
pub use page::{Ending, Life, Page, Process, Worker};
pub use server::{Caching, Request, Server};
pub use tab::{DEADLINE, Tab};
pub use thirtyfour::Key;
pub use view::{Role, RosterRow, Status, Subscription, VIEWS, View};
