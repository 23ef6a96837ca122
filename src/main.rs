//! The TabMQ demo: a page that shows an MQTT broker living in browser tabs, and lets a person talk to it.
//!
//! [`components`] draw what TabMQ's hooks tell, and what a person wants and has seen: that is the [`state`], which [`store`]
//! feeds. Nothing here touches a channel, a lock or a database: that is the worker's.

mod app;
mod browser;
mod components;
mod labels;
mod payload;
mod state;

use browser::dom;
use components::app::{App, AppProps};
use state::share_url::Link;

fn main() {
    dom::show_panics();
    let link = Link::parse(&dom::query());
    yew::Renderer::<App>::with_props(AppProps { link }).render();
}
