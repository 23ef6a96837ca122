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

mod app;
#[cfg(unix)]
mod devtools;
mod environment;
mod home;
mod message;
mod server;
mod wait;

pub use app::appearance::Appearance;
pub use app::browser::{Browser, Setup};
pub use app::session::ConsoleEntry;
pub use app::tab::Tab;
pub use app::view::{Role, RosterRow, Status, Subscription, VIEWS, View};
#[cfg(unix)]
pub use devtools::chromium::{Chromium, ChromiumSetup, SQLITE};
#[cfg(unix)]
pub use devtools::page::{Ending, Life, Page};
#[cfg(unix)]
pub use devtools::process::Process;
#[cfg(unix)]
pub use devtools::worker::Worker;
#[cfg(unix)]
pub use environment::page_dist;
pub use environment::{dist, path_in};
pub use home::home;
pub use message::Message;
pub use server::{Caching, Request, Server};
pub use thirtyfour::Key;
pub use wait::DEADLINE;
