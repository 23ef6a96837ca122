//! Pages that are left and shown again.

use e2e::{Browser, Message, Role, Setup, Tab};

use crate::until_agreed;

/// Sets a variable that a reloaded page does not have.
#[track_caller]
fn mark(tab: &Tab) {
    tab.execute("window.isSamePage = true", Vec::new());
}

#[track_caller]
fn is_marked(tab: &Tab) -> bool {
    tab.execute("return window.isSamePage === true", Vec::new()) == true
}

/// Checks that both tabs agree, and receive each other's messages.
#[track_caller]
fn assert_working(tabs: &[Tab]) {
    until_agreed(tabs);
    for tab in tabs {
        let message = Message::new("working", tab.id()).qos(1);
        tab.publish_acknowledged(&message);
        for tab in tabs {
            tab.until("a message of every tab", |view| {
                view.messages.contains(&message)
            });
        }
    }
}

#[test]
fn a_page_from_the_back_forward_cache_joins_again() {
    let browser = Browser::start();
    let tabs = [browser.open(""), browser.open("")];
    // A browser may drop a page from its cache at any time.
    let mut came_back = 0;
    for place in [0, 1, 0, 1, 0, 1] {
        let [tab, other] = [&tabs[place], &tabs[1 - place]];
        let id = tab.id();
        mark(tab);
        tab.go("about:blank");
        // The page is in the cache, so the other tab is alone and the broker.
        let view = other.until_ready_as(Role::Broker);
        let alone = other.until("no other tab", |view| view.members.len() == 1);
        assert_eq!(alone.tab_id, view.tab_id);

        tab.back();
        came_back += usize::from(is_marked(tab));
        tab.until_ready_as(Role::Client);
        assert_ne!(tab.id(), id);
        assert_working(&tabs);
        if came_back == 3 {
            return;
        }
    }
    panic!("the page came out of the cache {came_back} times of six");
}

#[test]
fn a_frozen_page_leaves_and_joins_again_once_when_it_is_resumed() {
    let browser = Browser::start();
    let tabs = [browser.open(""), browser.open("")];
    tabs[0].until_ready_as(Role::Broker);
    let id = tabs[0].id();
    let listen = "window.heard = [];
        for (const type of ['freeze', 'resume'])
            document.addEventListener(type, () => window.heard.push(type));";
    tabs[0].execute(listen, Vec::new());
    // The other tab is visible, so this one is hidden, like every page that a browser freezes.
    tabs[1].execute("return 1", Vec::new());
    tabs[0].set_frozen(true);
    tabs[1].until_ready_as(Role::Broker);
    tabs[1].until("no other tab", |view| view.members.len() == 1);

    tabs[0].set_frozen(false);
    tabs[0].until_ready_as(Role::Client);
    let heard = tabs[0].execute("return window.heard.join()", Vec::new());
    assert_eq!(heard, "freeze,resume");
    assert_ne!(tabs[0].id(), id);
    // With two workers there would be three tabs.
    assert_working(&tabs);
}

#[test]
fn a_page_with_duplicate_lifecycle_events_has_one_worker() {
    let browser = Browser::start();
    let tabs = [browser.open(""), browser.open("")];
    tabs[0].until_ready_as(Role::Broker);
    for _ in 0..2 {
        let id = tabs[0].id();
        let dispatch = "document.dispatchEvent(new Event('freeze'));
            window.dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));";
        tabs[0].execute(dispatch, Vec::new());
        tabs[1].until_ready_as(Role::Broker);
        tabs[1].until("no other tab", |view| view.members.len() == 1);
        let dispatch = "document.dispatchEvent(new Event('resume'));
            window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));";
        tabs[0].execute(dispatch, Vec::new());
        tabs[0].until("another tab id", |view| {
            view.tab_id.as_ref().is_some_and(|new| *new != id)
        });
        tabs[0].until_ready_as(Role::Client);
        assert_working(&tabs);
    }
}

#[test]
fn a_page_that_is_reloaded_by_history_navigation_joins_again() {
    let browser = Browser::start_with(Setup {
        chrome_arguments: &["--disable-features=BackForwardCache"],
        ..Setup::default()
    });
    let tabs = [browser.open(""), browser.open("")];
    for (place, tab) in tabs.iter().enumerate() {
        let id = tab.id();
        mark(tab);
        tab.go("about:blank");
        tabs[1 - place].until("no other tab", |view| view.members.len() == 1);
        tab.back();
        assert!(!is_marked(tab), "the page came out of the cache");
        tab.until_ready_as(Role::Client);
        assert_ne!(tab.id(), id);
        assert_working(&tabs);
    }
}

#[test]
fn a_reloaded_page_joins_again_with_its_settings() {
    let browser = Browser::start();
    let tabs = [
        browser.open("?channel=set-up"),
        browser.open("?channel=set-up"),
    ];
    tabs[0].until_ready_as(Role::Broker);
    tabs[0].subscribe("added/+", 1);
    tabs[0].reload();
    let view = tabs[0].until_ready_as(Role::Client);
    let filters: Vec<&str> = view
        .subscriptions
        .iter()
        .map(|it| it.filter.as_str())
        .collect();
    assert_eq!(filters, ["#", "added/+"]);
    assert_eq!(tabs[1].view().role, Some(Role::Broker));
    assert_working(&tabs);
}
