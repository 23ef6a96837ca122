//! A received message is published again: the form gets it as it came.

use e2e::{Appearance, Browser, Key, Message, Tab};
use serde_json::json;

const DESK: Appearance = Appearance::new(false, 1440, 900);
const TELEPHONE: Appearance = Appearance::new(false, 390, 844);

/// Selects the newest message of the log.
#[track_caller]
fn select(tab: &Tab) {
    tab.click("message");
    tab.until_count("message-detail", 1);
}

fn control_enter() -> String {
    format!("{}{}", Key::Control.value(), Key::Enter.value())
}

#[test]
fn a_received_message_is_put_into_the_form_with_its_properties_and_published_again() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.appear(DESK);
    let name = |name: &str| format!("[data-testid=publish] [name={name}]");
    tab.unfold();
    tab.enter(&name("content-type"), "text/plain");
    tab.enter(&name("user-property-name"), "room");
    tab.enter(&name("user-property-value"), "attic");
    tab.publish_acknowledged(&Message::new("home/lamp", "on").qos(1).retained());
    tab.until("the message", |view| view.message_count == 1);
    // Another message is in the form.
    tab.enter(&name("content-type"), "");
    tab.enter(&name("user-property-name"), "");
    tab.enter(&name("user-property-value"), "");
    for (field, value) in [("topic", "other"), ("payload", "other"), ("qos", "0")] {
        tab.enter(&name(field), value);
    }

    select(&tab);
    tab.click("message-again");
    tab.until_focused("publish-payload");
    for (field, value) in [
        ("topic", json!("home/lamp")),
        ("payload", json!("on")),
        ("payload-format", json!("Text")),
        ("qos", json!("1")),
        ("retain", json!(true)),
        ("content-type", json!("text/plain")),
        ("user-property-name", json!("room")),
        ("user-property-value", json!("attic")),
    ] {
        assert_eq!(tab.value(&name(field)), value, "{field}");
    }
    tab.until_text("publish-properties", "Properties (2)");
    tab.press(&control_enter());
    tab.until("it again", |view| view.message_count == 2);

    // Bytes that a text field would change are typed as hex.
    tab.enter(&name("payload-format"), "Hex");
    tab.enter(&name("payload"), "61 0d 0a ff");
    tab.press(&control_enter());
    tab.until("bytes", |view| view.message_count == 3);
    tab.press("x");
    tab.click("message-close");
    tab.until_true(
        "the newest on top",
        "return document.querySelector('[data-testid=message]').id === 'message-3'",
    );
    select(&tab);
    tab.click("message-again");
    tab.until_true(
        "hex",
        "return document.querySelector('[data-testid=publish-payload]').value === '610d0aff'",
    );
    assert_eq!(tab.value("[data-testid=publish-format]"), json!("Hex"));
}

#[test]
fn the_latest_message_of_a_topic_is_published_again_from_the_tree() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.appear(DESK);
    tab.publish_acknowledged(&Message::new("hall", "{\"a\": 1}").qos(1));
    tab.enter("[data-testid=publish-topic]", "other");
    tab.show("topics");
    tab.click("topic");
    tab.until_count("topic-detail", 1);
    tab.click("message-again");
    tab.until_focused("publish-payload");
    assert_eq!(tab.value("[data-testid=publish-topic]"), json!("hall"));
    assert_eq!(tab.value("[data-testid=publish-format]"), json!("JSON"));
    // The form does not take the message again when the view returns.
    tab.enter("[data-testid=publish-topic]", "edited");
    tab.show("topics");
    tab.show("messages");
    assert_eq!(tab.value("[data-testid=publish-topic]"), json!("edited"));
}

#[test]
fn on_a_telephone_the_form_opens_over_the_message() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.appear(TELEPHONE);
    tab.publish_acknowledged(&Message::new("hall", "first").qos(1));
    tab.until("the message", |view| view.message_count == 1);
    tab.enter("[data-testid=publish-payload]", "other");
    select(&tab);
    tab.click("message-again");
    tab.until_focused("publish-payload");
    assert_eq!(tab.value("[data-testid=publish-payload]"), json!("first"));
    tab.click("publish-send");
    tab.until("it again", |view| view.message_count == 2);
    tab.click("publish-close");
    tab.until_count("message-detail", 0);
    tab.until_true(
        "the log",
        "return document.querySelector('[data-testid=publish]').dataset.sheet === 'false'
            && document.querySelectorAll('[data-testid=message]').length === 2",
    );
}
