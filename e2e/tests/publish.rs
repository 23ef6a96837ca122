//! The form for publishing: it keeps typed text, shows what it sends, and has a history.

use e2e::{Browser, Tab};

use serde_json::{Value, json};

fn open_folds(tab: &Tab) {
    tab.execute(
        "document.querySelectorAll('details').forEach((it) => it.open = true)",
        Vec::new(),
    );
}

/// Types into fields, one after the other.
fn fill(tab: &Tab, name: &str, values: &[&str]) {
    let script = "const [name, values] = arguments;
        const fields = document.querySelectorAll(`[data-testid=publish] [name=${name}]`);
        values.forEach((value, place) => {
            fields[place].value = value;
            fields[place].dispatchEvent(new Event('input', { bubbles: true }));
        });";
    tab.execute(script, vec![json!(name), json!(values)]);
}

fn user_properties(tab: &Tab) -> Value {
    let script = "return [...document.querySelectorAll('.user-property')]
        .map((row) => [...row.querySelectorAll('input')].map((it) => it.value))";
    tab.execute(script, Vec::new())
}

fn until_text(tab: &Tab, testid: &str, expected: &str) {
    let script = "return document.querySelector(`[data-testid=${arguments[0]}]`)?.textContent.trim() === arguments[1]";
    let is_so = || tab.execute(script, vec![json!(testid), json!(expected)]) == true;
    let start = std::time::Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < e2e::DEADLINE,
            "{testid} does not say {expected:?}"
        );
    }
}

#[test]
fn adding_or_removing_a_user_property_keeps_the_others() {
    let browser = Browser::start();
    let tab = browser.open("");
    open_folds(&tab);
    fill(&tab, "user-property-name", &["first"]);
    fill(&tab, "user-property-value", &["1"]);
    tab.click("add-user-property");
    tab.until_true(
        "two rows",
        "return document.querySelectorAll('.user-property').length === 2",
    );
    assert_eq!(user_properties(&tab), json!([["first", "1"], ["", ""]]));
    fill(&tab, "user-property-name", &["first", "second"]);
    fill(&tab, "user-property-value", &["1", "2"]);
    tab.click("add-user-property");
    tab.until_true(
        "three rows",
        "return document.querySelectorAll('.user-property').length === 3",
    );
    assert_eq!(
        user_properties(&tab),
        json!([["first", "1"], ["second", "2"], ["", ""]])
    );
    tab.execute(
        "document.querySelector('.user-property button').click()",
        Vec::new(),
    );
    tab.until_true(
        "two rows",
        "return document.querySelectorAll('.user-property').length === 2",
    );
    assert_eq!(user_properties(&tab), json!([["second", "2"], ["", ""]]));
    until_text(&tab, "publish-properties", "Properties (1)");
}

#[test]
fn a_folded_section_shows_how_many_of_its_fields_are_sent() {
    let browser = Browser::start();
    let tab = browser.open("");
    until_text(&tab, "publish-properties", "Properties");
    fill(&tab, "content-type", &["text/plain"]);
    fill(&tab, "message-expiry-interval", &["5"]);
    until_text(&tab, "publish-properties", "Properties (2)");
    tab.click("publish-send");
    tab.until("the message", |view| view.message_count == 1);
    // The same after the message is copied from the history into the form.
    fill(&tab, "content-type", &[""]);
    until_text(&tab, "publish-properties", "Properties (1)");
    until_text(&tab, "publish-sent", "History (1)");
    tab.execute(
        "document.querySelector('[data-testid=publish-again]').click()",
        Vec::new(),
    );
    until_text(&tab, "publish-properties", "Properties (2)");
    // The message that was changed and not sent is there again on demand.
    tab.click("publish-restore");
    until_text(&tab, "publish-properties", "Properties (1)");
    tab.until_count("publish-restore", 0);

    until_text(&tab, "subscribe-options", "QoS 2 · Options");
    tab.execute(
        "document.querySelector('[data-testid=subscribe-no-local]').click()",
        Vec::new(),
    );
    until_text(&tab, "subscribe-options", "QoS 2 · Options (1)");
}

#[test]
fn a_double_click_on_publish_does_not_stop_a_repetition() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.until_ready();
    open_folds(&tab);
    tab.click("publish-repeat");
    fill(&tab, "repeat-rate", &["20"]);
    let place = tab.execute(
        "const button = document.querySelector('[data-testid=publish-send]');
         button.scrollIntoView({ block: 'center' });
         const it = button.getBoundingClientRect();
         return [it.x + it.width / 2, it.y + it.height / 2];",
        Vec::new(),
    );
    let at = |index: usize| place[index].as_f64().unwrap_or_default();
    for _ in 0..2 {
        tab.press_at(at(0), at(1));
    }
    tab.until("repetitions", |view| view.message_count >= 5);
    tab.click("publish-stop");
    tab.until_count("publish-stop", 0);
}

#[test]
fn the_history_has_only_sent_messages() {
    let browser = Browser::start();
    let tab = browser.open("");
    for topic in ["home/+/x", "a#b"] {
        fill(&tab, "topic", &[topic]);
        tab.click("publish-send");
        tab.until("the reason", |view| {
            view.publish_result.starts_with("Not sent")
        });
        fill(&tab, "topic", &["a"]);
        tab.click("publish-send");
        tab.until("the sent message", |view| {
            !view.publish_result.starts_with("Not sent")
        });
    }
    tab.until("two messages", |view| view.message_count == 2);
    until_text(&tab, "publish-sent", "History (1)");
    let topics = "return [...document.querySelectorAll('[data-testid=publish-again] code')].map((it) => it.textContent)";
    assert_eq!(tab.execute(topics, Vec::new()), json!(["a"]));
    // The worker refuses an invalid name without a wildcard, and the history does not have it.
    fill(&tab, "topic", &["a\u{0}b"]);
    tab.click("publish-send");
    tab.until("the reason", |view| {
        view.publish_result.starts_with("Not sent")
    });
    until_text(&tab, "publish-sent", "History (1)");
}
