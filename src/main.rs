//! The TabMQ demo: a page that shows an MQTT broker living in browser tabs, and lets a person talk to it.
//!
//! Each folder uses only those below it, and `labels`:
//!
//! - [`components`]: draw the state, and what TabMQ's hooks know of bus, role, members and connection.
//! - [`app`]: the parts that run while the page is open, such as the store, the load generator and the remote commands.
//! - [`state`]: what a person wants and has seen. It knows no browser.
//! - [`payload`]: reads payloads: formats, lines, differences and numbers. It knows no browser either.
//! - [`browser`]: the browser APIs that Yew does not cover.
//! - [`labels`]: every text that the app shows.
//!
//! Nothing here touches a channel, a lock or a database: the worker does.

mod app;
mod browser;
mod components;
mod labels;
mod payload;
mod state;

use browser::{address, dom};
use components::app::{App, AppProps};
use state::share_url::ShareUrl;

fn main() {
    dom::show_panics();
    let share_url = ShareUrl::parse(&address::query());
    yew::Renderer::<App>::with_props(AppProps { share_url }).render();
}
