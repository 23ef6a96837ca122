//! Runs TabMQ in a real browser, with real tabs that are closed and crash.
//!
//! A [`Browser`] is a Chromium with a new profile and a [`Server`] for the built app. A [`Tab`] is one page
//! of the app; it finds elements by their `data-testid`. A test waits for a condition, never for a
//! time. After [`DEADLINE`] it fails, and prints the contents of all tabs and the console.
//!
//! `cargo xtask test` builds the app, finds the browser and runs the tests.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "the harness waits in real time, and fails tests by panicking"
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
pub use app::view::{MemberRow, Role, Status, Subscription, VIEWS, View};
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
