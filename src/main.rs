//! The TabMQ demo: a page that shows an MQTT broker living in browser tabs, and lets a person talk to it.
//!
//! Each folder uses only those below it, and `labels`:
//!
//! - [`components`] draws the state of the page, and the state of the bus, which it reads with TabMQ's hooks.
//! - [`app`] has the parts that run while the page is open, such as the store, the load generator and the remote commands.
//! - [`browser`] wraps the browser APIs that the app uses beside Yew.
//! - [`state`] has the person's settings and selections, and the received messages and events. It knows no browser.
//! - [`payload`] has the formats, lines, differences and numbers of payloads. It knows no browser either.
//! - [`labels`] has the texts that the app shows.
//!
//! Nothing here touches a channel, a lock or a database: the worker does.

mod app;
mod browser;
mod components;
mod labels;
mod payload;
mod state;

use browser::{address, dom};
use components::root::{App, AppProps};
use state::share_url::ShareUrl;

fn main() {
    dom::show_panics();
    let (share_url, notes) = ShareUrl::parse_with_notes(&address::query());
    yew::Renderer::<App>::with_props(AppProps { share_url, notes }).render();
}
