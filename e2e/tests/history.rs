//! Back and reload: nothing that a person has typed or opened is lost.

use e2e::{Appearance, Browser, Message, Tab};
use serde_json::json;

const TELEPHONE: Appearance = Appearance::new(false, 390, 844);

/// Marks the page, so that another page is noticed.
fn mark(tab: &Tab) {
    tab.execute("globalThis.isMarked = true", Vec::new());
}

#[track_caller]
fn assert_same_page(tab: &Tab) {
    let script = "return globalThis.isMarked === true";
    assert_eq!(tab.execute(script, Vec::new()), true, "another page");
}

#[test]
fn back_closes_what_lies_over_the_page_of_a_telephone() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.appear(TELEPHONE);
    mark(&tab);
    for payload in ["one", "two"] {
        tab.publish_acknowledged(&Message::new("a", payload).qos(1));
    }
    tab.until("two messages", |view| view.message_count == 2);
    let entries = || tab.execute("return history.length", Vec::new());
    // Back and the button of the message lead to the log, as often as a person likes.
    for leave in ["back", "button", "back"] {
        tab.click("message");
        tab.until_focused("message-close");
        match leave {
            "back" => tab.back(),
            _ => tab.click("message-close"),
        }
        tab.until_count("message-detail", 0);
        tab.until_focused("message-log");
        assert_same_page(&tab);
    }
    let all = entries();
    // The same for the form.
    for leave in ["back", "button"] {
        tab.click("publish-open");
        tab.until_focused("publish");
        match leave {
            "back" => tab.back(),
            _ => tab.click("publish-close"),
        }
        tab.until_focused("publish-open");
        assert_same_page(&tab);
    }
    assert_eq!(entries(), all, "one entry is used again");
    // And for the message with the form over it.
    tab.click("message");
    tab.until_focused("message-close");
    tab.click("message-again");
    tab.until_focused("publish-payload");
    tab.back();
    tab.until_count("message-detail", 0);
    tab.until_true(
        "no form",
        "return document.querySelector('[data-testid=publish]').dataset.sheet === 'false'",
    );
    // Back still leads to the view before.
    tab.show("topics");
    tab.show("messages");
    tab.click("message");
    tab.until_focused("message-close");
    tab.back();
    tab.until_count("message-detail", 0);
    tab.back();
    tab.until_count("topics-view", 1);
    assert_same_page(&tab);
}

#[test]
fn a_reload_keeps_the_message_in_the_form() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.until_ready();
    let fields = [
        ("[data-testid=publish-topic]", "home/ü & +"),
        ("[data-testid=publish-payload]", "{\"half\": "),
        ("[data-testid=publish-format]", "JSON"),
        ("[data-testid=publish-qos]", "2"),
    ];
    for (field, value) in fields {
        tab.enter(field, value);
    }
    tab.click("publish-retain");
    tab.reload();
    tab.until_ready();
    for (field, value) in fields {
        assert_eq!(tab.value(field), json!(value), "{field}");
    }
    assert_eq!(tab.value("[data-testid=publish-retain]"), json!(true));
    // Another tab has a form of its own, and a message in the address comes first.
    let other = browser.open("");
    assert_eq!(other.value("[data-testid=publish-topic]"), json!("hello"));
    let address = tab.execute("return location.origin + location.pathname", Vec::new());
    let address = address.as_str().unwrap_or_default();
    tab.go(&format!("{address}?topic=linked&payload=x"));
    tab.until_ready();
    assert_eq!(tab.value("[data-testid=publish-topic]"), json!("linked"));
}

#[test]
fn invalid_values_of_the_address_are_named() {
    let browser = Browser::start();
    let tab = browser.open("?keep_alive=99999&view=none");
    tab.until_text("error", "keep_alive=99999 (60 is used)");
    tab.until_text("error", "view=none (messages is used)");
}
