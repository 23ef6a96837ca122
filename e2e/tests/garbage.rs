//! Messages that no tab of TabMQ has sent.

use e2e::{Browser, Message, Role, Tab, View};
use serde_json::json;

use crate::until_agreed;

const CHANNEL: &str = "mqtt-demo";

const POST: &str = include_str!("garbage.js");

/// Listens until the broker announces itself; returns its term.
const HEAR_TERM: &str = "
const control = new BroadcastChannel('mqtt-demo-control');
const term = await new Promise((resolve) => {
    control.onmessage = ({ data }) => {
        if (data.type === 'announce' && data.isBroker) resolve(data.term);
    };
});
control.close();
return term;
";

const DROPPED: &str = "Ignored a foreign message";

/// The contents that must not change.
fn essence(view: &View) -> impl PartialEq + std::fmt::Debug {
    (
        view.role,
        view.tab_id.clone(),
        view.status,
        view.status_text.clone(),
        view.members.clone(),
        view.subscriptions.clone(),
        view.errors.clone(),
    )
}

#[test]
fn garbage_on_every_channel_is_dropped_and_reported_and_changes_nothing() {
    let browser = Browser::start();
    let tabs = [browser.open(""), browser.open(""), browser.open("")];
    let broker = until_agreed(&tabs).id();
    let clients: Vec<String> = tabs
        .iter()
        .map(Tab::id)
        .filter(|id| *id != broker)
        .collect();
    let mut messages = vec![Message::new("before", "").qos(2)];
    tabs[1].publish_acknowledged(&messages[0]);
    let before = tabs.each_ref().map(|tab| tab.until_received(&messages));

    // From a client's tab, and from the broker's tab.
    for tab in [&tabs[1], &tabs[0]] {
        let term = tab.execute_async(HEAR_TERM);
        let posted = tab.execute(
            POST,
            vec![json!(CHANNEL), term, json!(broker), json!(clients)],
        );
        assert!(posted.as_u64() > Some(500), "{posted} posts");
    }

    // Each tab listens to the control channel and to its lane; the broker listens to all lanes.
    for tab in &tabs {
        for source in ["the control channel", "a lane"] {
            let report = format!("{DROPPED} on {source}");
            tab.until(&report, |view| view.has_event(&report));
        }
    }
    for (tab, before) in tabs.iter().zip(&before) {
        assert_eq!(essence(&tab.until_received(&messages)), essence(before));
    }

    // These messages arrive after all effects of the garbage.
    for tab in &tabs {
        for qos in 0..=2 {
            let message = Message::new("after", tab.id()).qos(qos);
            tab.publish(&message);
            messages.push(message);
        }
    }
    for (tab, before) in tabs.iter().zip(&before) {
        let view = tab.until_received(&messages);
        assert_eq!(essence(&view), essence(before));
        let events = &view.events[before.events.len()..];
        assert!(events.iter().all(|it| it.contains(DROPPED)), "{events:#?}");
    }
    tabs[0].until_ready_as(Role::Broker);
    let mut console = browser.console();
    console.retain(|entry| entry.level == "SEVERE");
    assert_eq!(console, []);
}
