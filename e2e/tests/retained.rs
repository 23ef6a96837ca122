//! Retained messages are cleared and restored.

use e2e::{Appearance, Browser, Key, Message, Tab};
use serde_json::{Value, json};

/// A tab that shows the topics, and retained messages on these topics.
fn with_retained<'b>(browser: &'b Browser, topics: &[&str]) -> Tab<'b> {
    let tab = browser.open("?view=topics");
    tab.appear(Appearance::new(false, 1440, 900));
    for topic in topics {
        tab.publish_acknowledged(
            &Message::new(*topic, format!("value of {topic}"))
                .qos(1)
                .retained(),
        );
    }
    tab.until_text("retained-count", &format!("{} retained", topics.len()));
    tab
}

/// The retained messages that a new subscriber gets.
fn retained(browser: &Browser) -> Vec<(String, String)> {
    let late = browser.open("");
    late.until_ready();
    late.publish_acknowledged(&Message::new("the/last", "").qos(1));
    let view = late.until("its own message", |view| {
        view.messages.iter().any(|it| it.topic == "the/last")
    });
    late.close();
    let retained = view.messages.into_iter().filter(|it| it.retain);
    let mut retained: Vec<_> = retained.map(|it| (it.topic, it.payload)).collect();
    retained.sort();
    retained
}

fn topics(retained: &[(String, String)]) -> Vec<&str> {
    retained.iter().map(|(topic, _)| topic.as_str()).collect()
}

/// Selects a topic of the first level.
#[track_caller]
fn select_topic(tab: &Tab, name: &str) {
    tab.execute(
        "document.querySelector(`[data-testid=topic][data-name=${arguments[0]}]`).click()",
        vec![json!(name)],
    );
    tab.until_text("topic-detail", name);
}

#[test]
fn a_branch_is_cleared_after_a_dialog_with_its_number_and_restored_by_undo() {
    let browser = Browser::start();
    let tab = with_retained(
        &browser,
        &[
            "home",
            "home/a/lamp",
            "home/b",
            "home/b/c",
            "homestead",
            "other",
        ],
    );
    let before = retained(&browser);
    select_topic(&tab, "home");
    tab.until_text("clear-branch", "Clear 4 retained values here and below…");

    // Nothing happens before the person confirms.
    for leave in ["escape", "cancel"] {
        tab.click("clear-branch");
        tab.until_text("retained-confirm", "Clear 4 retained values?");
        match leave {
            "escape" => tab.press(&Key::Escape.value().to_string()),
            _ => tab.click("retained-cancel"),
        }
        tab.until_count("retained-confirm", 0);
        tab.until_text("retained-count", "6 retained");
    }

    tab.click("clear-branch");
    tab.until_text(
        "retained-confirm",
        "This publishes 4 empty retained messages.",
    );
    let named = "return [...document.querySelectorAll('[data-testid=retained-confirm] li')].map((it) => it.textContent)";
    assert_eq!(
        tab.execute(named, Vec::new()),
        json!(["home", "home/a/lamp", "home/b", "home/b/c"])
    );
    tab.click("retained-clear-confirmed");
    tab.until_text("retained-cleared", "Cleared 4 retained values.");
    tab.until_text("retained-count", "2 retained");
    assert_eq!(topics(&retained(&browser)), ["homestead", "other"]);

    // The note stays in other views.
    tab.show("messages");
    tab.click("retained-undo");
    tab.until_text("retained-cleared", "Restored 4 retained values.");
    assert_eq!(retained(&browser), before);
}

#[test]
fn several_retained_messages_are_selected_in_a_list_and_cleared() {
    let browser = Browser::start();
    let tab = with_retained(&browser, &["a/1", "a/2", "b/1", "b/2", "c"]);
    tab.click("show-retained");
    tab.until_count("retained-row", 5);
    let is_disabled = "return document.querySelector('[data-testid=retained-clear]').disabled";
    assert_eq!(tab.execute(is_disabled, Vec::new()), true);
    let mark = |topic: &str| {
        let script = "document.querySelector(`[data-topic=\"${arguments[0]}\"] [data-testid=retained-mark]`).click()";
        tab.execute(script, vec![json!(topic)]);
    };
    mark("a/1");
    tab.until_text("retained-clear", "Clear 1 retained value");
    mark("c");
    tab.until_text("retained-clear", "Clear 2 retained values…");
    tab.click("retained-clear");
    tab.until_text("retained-confirm", "Clear 2 retained values?");
    tab.click("retained-clear-confirmed");
    tab.until_count("retained-row", 3);
    assert_eq!(topics(&retained(&browser)), ["a/2", "b/1", "b/2"]);

    // The search is that of the topics, and selects what is shown.
    tab.enter("[data-testid=topic-search]", "B/");
    tab.until_count("retained-row", 2);
    tab.click("retained-mark-all");
    tab.until_text("retained-clear", "Clear 2 retained values…");
    tab.click("retained-clear");
    tab.until_count("retained-confirm", 1);
    tab.click("retained-clear-confirmed");
    tab.until_text("retained-list", "No retained message on a matching topic.");
    tab.enter("[data-testid=topic-search]", "");
    tab.until_count("retained-row", 1);
    // A row leads to its topic.
    tab.execute(
        "document.querySelector('[data-testid=retained-row] button').click()",
        Vec::new(),
    );
    tab.until_text("topic-detail", "a/2");
    // One value needs no dialog, because Undo restores it.
    tab.until_count("delete-retained", 1);
    tab.click("delete-retained");
    tab.until_text("retained-cleared", "Cleared 1 retained value.");
    // Undo leaves a newer value as it is.
    tab.publish_acknowledged(&Message::new("a/2", "newer").qos(1).retained());
    tab.click("retained-undo");
    tab.until_text(
        "retained-cleared",
        "1 value was not restored: its topic has a newer one.",
    );
    assert_eq!(retained(&browser).len(), 1);
}

#[test]
fn retained_messages_on_odd_topics_are_cleared_exactly() {
    const ODD: [&str; 9] = [
        "h//",
        "/h",
        "h ",
        "x y/z",
        "😀/é",
        "e\u{301}/é",
        "a\u{202e}txt",
        "__proto__",
        "%2F",
    ];
    let browser = Browser::start();
    let tab = with_retained(&browser, &ODD);
    tab.click("show-retained");
    tab.until_count("retained-row", ODD.len());
    tab.click("retained-mark-all");
    tab.click("retained-clear");
    tab.until_count("retained-confirm", 1);
    tab.click("retained-clear-confirmed");
    tab.until_text(
        "retained-cleared",
        &format!("Cleared {} retained values.", ODD.len()),
    );
    assert_eq!(retained(&browser), []);
    tab.show("messages");
    let deletions = tab.execute(
        "return [...document.querySelectorAll('[data-testid=message]')]
            .filter((it) => it.textContent.includes('deletes the retained message')).map((it) => it.dataset.topic).sort()",
        Vec::new(),
    );
    let mut expected = ODD;
    expected.sort_unstable();
    let mut found: Vec<Value> = deletions.as_array().cloned().unwrap_or_default();
    found.sort_by_key(|it| it.as_str().map(str::to_owned));
    assert_eq!(json!(found), json!(expected));
}
