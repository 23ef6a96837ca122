//! The election of the broker.

use e2e::{Browser, Message, Role, Setup, Tab};

use crate::until_agreed;

#[test]
fn the_first_tab_is_the_broker_and_the_second_a_client() {
    let browser = Browser::start();
    let first = browser.open("");
    let alone = first.until_ready_as(Role::Broker);
    assert_eq!(alone.member_brokers(), [first.id()]);
    assert!(alone.hint.is_some_and(|hint| hint.contains("second tab")));

    let second = browser.open("");
    second.until_ready_as(Role::Client);
    assert_eq!(first.view().role, Some(Role::Broker));
    let tabs = [first, second];
    let broker = until_agreed(&tabs);
    assert_eq!(broker.id(), tabs[0].id());

    let [first, second] = tabs.each_ref().map(Tab::view);
    assert!(first.title.starts_with("Broker"), "{}", first.title);
    assert!(second.title.starts_with("Client"), "{}", second.title);
    // The first step is done, and the hint still has the second one.
    for hint in [first.hint, second.hint] {
        assert!(hint.is_some_and(|it| it.starts_with('✓') && it.contains("stop the broker")));
    }
}

#[test]
fn eight_tabs_opened_at_once_elect_one_broker_and_all_receive_a_message() {
    let browser = Browser::start();
    let tabs = browser.open_at_once(8, "");
    for tab in &tabs {
        tab.until_ready();
    }
    let broker = until_agreed(&tabs);
    let clients = || tabs.iter().filter(|tab| tab.id() != broker.id());
    assert_eq!(clients().count(), 7);

    let messages = [
        Message::new("from/broker", "1").qos(1),
        Message::new("from/client", "2").qos(1),
    ];
    broker.publish(&messages[0]);
    clients().next().expect("seven").publish(&messages[1]);
    for tab in &tabs {
        tab.until_received(&messages);
    }
}

#[test]
fn another_tab_takes_over_from_a_closed_or_crashed_broker_and_subscriptions_continue() {
    assert_taken_over(&Browser::start());
}

#[test]
fn another_tab_takes_over_in_an_insecure_page_without_web_locks() {
    let browser = Browser::start_with(Setup {
        is_secure: false,
        ..Setup::default()
    });
    let tab = browser.open("");
    let offered = "return [isSecureContext, 'locks' in navigator, 'indexedDB' in window]";
    let offered = tab.execute(offered, Vec::new());
    assert_eq!(offered, serde_json::json!([false, false, true]));
    tab.close();
    assert_taken_over(&browser);

    // The broker removes the databases of ended tabs.
    let tab = browser.open("?channel=another");
    let count = "for (let tries = 0; tries < 250; tries += 1) {
            const databases = await indexedDB.databases();
            if (databases.filter(({ name }) => name.includes('/tab/')).length === 3) return true;
            await new Promise((done) => setTimeout(done, 20));
        }";
    // Of two remaining tabs, and of this one.
    assert_eq!(tab.execute_async(count), true);
}

#[track_caller]
fn assert_taken_over(browser: &Browser) {
    let mut tabs: Vec<Tab> = (0..4).map(|_| browser.open("?subscribe=")).collect();
    for tab in &tabs {
        tab.subscribe("sensors/+", 1);
    }
    let mut messages = Vec::new();

    // In this order, so that the crashed tab was elected after a takeover.
    let ends: [fn(Tab<'_>); 2] = [|tab| tab.close(), |tab| tab.crash()];
    for end in ends {
        let broker = until_agreed(&tabs).id();
        let place = tabs
            .iter()
            .position(|tab| tab.id() == broker)
            .expect("one of them");
        end(tabs.remove(place));

        assert_ne!(until_agreed(&tabs).id(), broker);
        for tab in &tabs {
            let topic = format!("sensors/{}", messages.len());
            let message = Message::new(topic, tab.id()).qos(1);
            tab.publish_acknowledged(&message);
            messages.push(message);
        }
        for tab in &tabs {
            tab.until_received(&messages);
        }
    }
    assert_eq!(tabs.len(), 2);
}
