//! Tests of TabMQ in real tabs of a real browser.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests and their helpers, and they wait in real time"
)]

mod accessible;
mod app;
#[cfg(unix)]
mod back_pressure;
mod builds;
mod display;
mod election;
#[cfg(unix)]
mod embed;
#[cfg(unix)]
mod fallback;
#[cfg(unix)]
mod faults;
mod garbage;
mod history;
#[cfg(unix)]
mod large;
mod layout;
mod lifecycle;
mod messages;
mod page;
mod payloads;
#[cfg(unix)]
mod profile;
mod publish;
mod republish;
mod retained;
#[cfg(unix)]
mod same_origin;
mod saved_log;
#[cfg(unix)]
mod storage;
#[cfg(unix)]
mod store;
mod wills;
#[cfg(unix)]
mod workload;

use e2e::{Role, Tab, View};

/// Waits until all tabs list exactly these tabs and agree on the broker. Returns the broker's tab.
#[track_caller]
fn until_agreed<'t, 'b>(tabs: &'t [Tab<'b>]) -> &'t Tab<'b> {
    let mut ids: Vec<String> = tabs.iter().map(Tab::id).collect();
    ids.sort();
    let views: Vec<View> = tabs
        .iter()
        .map(|tab| {
            let what = format!("{} tabs, one of them the broker", ids.len());
            tab.until(&what, |view| {
                let mut shown = view.member_ids();
                shown.sort_unstable();
                shown == ids && view.member_brokers().len() == 1 && view.is_ready()
            })
        })
        .collect();
    for view in &views {
        assert_eq!(view.member_brokers(), views[0].member_brokers());
        let is_broker = view.tab_id.as_deref() == Some(view.member_brokers()[0]);
        let role = if is_broker {
            Role::Broker
        } else {
            Role::Client
        };
        assert_eq!(view.role, Some(role));
    }
    let broker = views[0].member_brokers()[0];
    let place = views
        .iter()
        .position(|view| view.tab_id.as_deref() == Some(broker));
    &tabs[place.expect("the broker is one of them")]
}
