//! The TabMQ demo: a page that shows an MQTT broker living in browser tabs, and lets a person talk to it.
//!
//! [`state`] is all the page knows, [`store`] feeds it from the bus and asks for redraws, [`components`] draw it.
//! Nothing here touches a channel, a lock or a database: that is the worker's.

mod components;
mod form;
mod icon;
mod link;
mod page;
mod payload;
mod state;
mod store;
mod words;

use components::app::{App, AppProps};
use link::Link;
use store::Store;

fn main() {
    page::show_panics();
    let store = Store::open(Link::parse(&page::query()));
    yew::Renderer::<App>::with_props(AppProps { store }).render();
}
