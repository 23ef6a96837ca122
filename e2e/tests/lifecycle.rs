//! Pages that are left and come back.

use e2e::{Browser, Message, Role, Setup, Tab};

use crate::until_agreed;

/// Leaves something in the page that only the very same page still has later.
#[track_caller]
fn mark(tab: &Tab) {
    tab.execute("window.isSamePage = true", Vec::new());
}

#[track_caller]
fn is_marked(tab: &Tab) -> bool {
    tab.execute("return window.isSamePage === true", Vec::new()) == true
}

/// Both tabs agree, and hear what each of them publishes.
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
fn a_page_out_of_the_back_forward_cache_joins_again() {
    let browser = Browser::start();
    let tabs = [browser.open(""), browser.open("")];
    for place in [0, 1, 0] {
        let [tab, other] = [&tabs[place], &tabs[1 - place]];
        let id = tab.id();
        mark(tab);
        tab.go("about:blank");
        // The page is in the cache, not gone; yet the other one is alone, and the broker.
        let view = other.until_ready_as(Role::Broker);
        let alone = other.until("no other tab", |view| view.roster.len() == 1);
        assert_eq!(alone.tab_id, view.tab_id);

        tab.back();
        assert!(is_marked(tab), "the page did not come out of the cache");
        tab.until_ready_as(Role::Client);
        assert_ne!(tab.id(), id);
        assert_working(&tabs);
    }
}

#[test]
fn a_page_that_is_loaded_again_on_the_way_back_joins_again() {
    let browser = Browser::start_with(Setup {
        chrome_arguments: &["--disable-features=BackForwardCache"],
        ..Setup::default()
    });
    let tabs = [browser.open(""), browser.open("")];
    for (place, tab) in tabs.iter().enumerate() {
        let id = tab.id();
        mark(tab);
        tab.go("about:blank");
        tabs[1 - place].until("no other tab", |view| view.roster.len() == 1);
        tab.back();
        assert!(!is_marked(tab), "the page came out of the cache");
        tab.until_ready_as(Role::Client);
        assert_ne!(tab.id(), id);
        assert_working(&tabs);
    }
}

#[test]
fn a_reloaded_page_joins_again_with_its_set_up() {
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
