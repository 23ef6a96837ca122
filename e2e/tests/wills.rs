//! The will of an ended tab.

use e2e::{Browser, Message, Role};

#[test]
fn a_crashed_tab_sends_its_will_and_a_disconnected_one_does_not() {
    let browser = Browser::start();
    let broker = browser.open("?subscribe=wills/%23");
    let crashing = browser.open("?subscribe=");
    let leaving = browser.open("?subscribe=");
    let watching = browser.open("?subscribe=wills/%23");
    broker.until_ready_as(Role::Broker);

    let will = Message::new("wills/crashing", "I am gone.").qos(1);
    crashing.connect_with_will(&will);
    leaving.connect_with_will(&Message::new("wills/leaving", "I am not.").qos(1));

    leaving.disconnect();
    let crashed = crashing.id();
    crashing.crash();
    for tab in [&broker, &watching] {
        tab.until_received(std::slice::from_ref(&will));
        tab.until("a list of tabs without the crashed tab", |view| {
            !view.member_ids().contains(&crashed.as_str())
        });
    }

    // A will of the disconnected tab would arrive before a later message.
    let last = Message::new("wills/last", "").qos(1);
    watching.publish(&last);
    for tab in [&broker, &watching] {
        tab.until_received(&[will.clone(), last.clone()]);
    }
}

#[test]
fn a_closed_tab_sends_its_will() {
    let browser = Browser::start();
    let watching = browser.open("");
    let closing = browser.open("?subscribe=");
    let will = Message::new("wills/closing", "I am gone.")
        .qos(1)
        .retained();
    closing.connect_with_will(&will);
    closing.close();
    let view = watching.until("the will", |view| {
        !view.payloads("wills/closing").is_empty()
    });
    assert_eq!(view.payloads("wills/closing"), ["I am gone."]);

    let late = browser.open("?subscribe=wills/%23");
    late.until_received(&[will]);
}
