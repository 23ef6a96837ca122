//! The TabMQ demo: a page that shows an MQTT broker living in browser tabs, and lets a person talk to it.
//!
//! [`components`] draw what TabMQ's hooks tell, and what a person wants and has seen: that is the [`state`], which [`store`]
//! feeds. Nothing here touches a channel, a lock or a database: that is the worker's.

mod components;
mod diff;
mod export;
mod form;
mod icon;
mod json;
mod lines;
mod link;
mod load;
mod orders;
mod page;
mod payload;
mod sampler;
mod state;
mod store;
mod uplot;
mod values;
mod watch;
mod words;

use components::app::{App, AppProps};
use link::Link;

fn main() {
    page::show_panics();
    let link = Link::parse(&page::query());
    yew::Renderer::<App>::with_props(AppProps { link }).render();
}
