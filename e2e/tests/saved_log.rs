//! A log is saved as a file of JSON Lines, and opened again beside the live one.

use e2e::{Appearance, Browser, Message, Tab};
use serde_json::{Value, json};

/// Captures the next file that the page saves.
fn catch_file(tab: &Tab) {
    tab.execute(
        "globalThis.saved = undefined;
         const create = URL.createObjectURL.bind(URL);
         URL.createObjectURL = (blob) => { blob.text().then((text) => { globalThis.saved = text; }); return create(blob); };",
        Vec::new(),
    );
}

#[track_caller]
fn caught_file(tab: &Tab) -> String {
    tab.until_true("a file", "return globalThis.saved !== undefined");
    let saved = tab.execute("return globalThis.saved", Vec::new());
    saved.as_str().unwrap_or_default().to_owned()
}

/// Chooses a file in the dialog of Import.
fn open_file(tab: &Tab, name: &str, text: &str) {
    tab.execute(
        "const [name, text] = arguments;
         const files = new DataTransfer();
         files.items.add(new File([text], name));
         const input = document.querySelector('[data-testid=message-file]');
         input.files = files.files;
         input.dispatchEvent(new Event('change', { bubbles: true }));",
        vec![json!(name), json!(text)],
    );
}

fn payloads(tab: &Tab) -> Vec<String> {
    let view = tab.view();
    view.messages.into_iter().map(|it| it.payload).collect()
}

fn is_disabled(tab: &Tab, testid: &str) -> Value {
    let script = "return document.querySelector(`[data-testid=${arguments[0]}]`).disabled";
    tab.execute(script, vec![json!(testid)])
}

#[test]
fn a_saved_log_is_opened_beside_the_live_one_and_marked() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.appear(Appearance::new(false, 1440, 900));
    // Equal user properties, in their order.
    tab.unfold();
    for _ in 0..3 {
        tab.click("add-user-property");
    }
    tab.until_true(
        "four rows",
        "return document.querySelectorAll('.user-property').length === 4",
    );
    tab.execute(
        "document.querySelectorAll('.user-property').forEach((row, place) => {
            const [name, value] = [['a', ''], ['b', '1'], ['a', 'b'], ['__proto__', '']][place];
            const [one, other] = row.querySelectorAll('input');
            [one.value, other.value] = [name, value];
        })",
        Vec::new(),
    );
    tab.publish_acknowledged(&Message::new("a/one", "first").qos(1).retained());
    tab.enter("[data-testid=publish-format]", "Hex");
    tab.publish_acknowledged(&Message::new("a/two", "00ff").qos(2));
    tab.until("two messages", |view| view.message_count == 2);
    catch_file(&tab);
    tab.click("message-export");
    let file = caught_file(&tab);
    let first: Value = serde_json::from_str(file.lines().next().expect("a line")).expect("JSON");
    assert_eq!(
        first["user_properties"],
        json!([["a", ""], ["b", "1"], ["a", "b"], ["__proto__", ""]])
    );
    tab.click("message-clear");
    tab.until("an empty log", |view| view.messages.is_empty());

    open_file(&tab, "home.jsonl", &format!("{file}no message\n"));
    tab.until_text("source-file", "home.jsonl (2)");
    tab.until_text("source-note", "not received now");
    tab.until_text("source-note", "1 line is no message. The first is line 3");
    tab.until("the messages of the file", |view| view.messages.len() == 2);
    assert_eq!(payloads(&tab), ["first", "00 ff"]);
    let view = tab.view();
    assert_eq!((view.messages[0].qos, view.messages[0].retain), (1, true));
    for live_only in ["message-pause", "message-clear"] {
        assert_eq!(is_disabled(&tab, live_only), true, "{live_only}");
    }
    // A message of the file is shown, searched and saved like any other.
    tab.enter("[data-testid=message-filter]", "first");
    tab.until("the found one", |view| view.messages.len() == 1);
    tab.click("message");
    tab.until_text("message-detail", "__proto__");
    tab.click("message-close");
    tab.enter("[data-testid=message-filter]", "");
    catch_file(&tab);
    tab.until("all of the file", |view| view.messages.len() == 2);
    tab.click("message-export");
    assert_eq!(caught_file(&tab), file);

    // Messages that arrive are in the live log only.
    tab.enter("[data-testid=publish-format]", "Text");
    tab.publish_acknowledged(&Message::new("live", "now").qos(1));
    assert_eq!(payloads(&tab), ["first", "00 ff"]);
    tab.click("source-live");
    tab.until("the live one", |view| view.payloads("live") == ["now"]);
    assert_eq!(tab.view().messages.len(), 1);
    assert_eq!(is_disabled(&tab, "message-pause"), false);
    tab.click("source-file");
    tab.until("the file again", |view| view.messages.len() == 2);
    tab.click("source-close");
    tab.until_count("message-sources", 0);
    tab.until("the live log", |view| view.messages.len() == 1);
    // The tree has nothing of the file.
    tab.show("topics");
    tab.until_text("topic-count", "3");
}

#[test]
fn a_file_without_messages_is_refused_with_a_reason() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.until_ready();
    for (text, why) in [
        (
            "{\"at\": 1, \"event\": \"Joined.\"}",
            "Line 1: payload is missing or not valid.",
        ),
        ("no json", "Line 1: it is no JSON object."),
        ("", "is empty"),
    ] {
        open_file(&tab, "events.jsonl", text);
        tab.until_text("error", why);
        tab.until_text("error", "events.jsonl");
        tab.until_count("message-sources", 0);
    }
}
