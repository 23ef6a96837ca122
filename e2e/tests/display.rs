//! The app shows the current state, keeps typed text, and its lists do not move under the pointer.

use e2e::{Appearance, Browser, Key, Message, Role, Tab};
use serde_json::{Value, json};

use crate::until_agreed;

fn key(key: Key) -> String {
    key.value().to_string()
}

/// Replaces the text of a field.
#[track_caller]
fn fill(tab: &Tab, testid: &str, text: &str) {
    tab.execute(
        "const field = document.querySelector(`[data-testid=${arguments[0]}]`); field.focus(); field.select();",
        vec![json!(testid)],
    );
    tab.press(text);
}

#[track_caller]
fn until_gone(tab: &Tab, testid: &str) {
    let script = format!("return document.querySelector('[data-testid={testid}]') === null");
    tab.until_true_or(&format!("no {testid}"), &script, || tab.text(testid));
}

/// The centre of an element.
fn place(tab: &Tab, selector: &str) -> (f64, f64) {
    let place = tab.execute(
        "const it = document.querySelector(arguments[0]).getBoundingClientRect();
         return [it.x + it.width / 2, it.y + it.height / 2];",
        vec![json!(selector)],
    );
    let at = |index: usize| place[index].as_f64().unwrap_or_default();
    (at(0), at(1))
}

/// The id of the row at a position in the window.
fn row_at(tab: &Tab, (x, y): (f64, f64)) -> Value {
    let script =
        "return document.elementFromPoint(arguments[0], arguments[1])?.closest('.row')?.id ?? null";
    tab.execute(script, vec![json!(x), json!(y)])
}

/// The number in milliseconds after these words; below 1 ms, it is 0.
#[track_caller]
fn number_after(text: &str, words: &str) -> f64 {
    let (_, after) = text
        .split_once(words)
        .unwrap_or_else(|| panic!("no {words:?} in {text:?}"));
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

/// Makes a tab publish at a rate.
fn load(tab: &Tab, rate: &str, seconds: &str) {
    tab.show("performance");
    fill(tab, "load-rate", rate);
    fill(tab, "load-seconds", seconds);
    tab.click("load-start");
}

fn two(browser: &Browser) -> [Tab<'_>; 2] {
    let tabs = [browser.open(""), browser.open("")];
    until_agreed(&tabs);
    tabs
}

#[test]
fn messages_dropped_for_another_tab_are_shown_in_figures_events_and_that_tab() {
    let browser = Browser::start();
    let tab = browser.open("?durability=memory");
    let sleeper =
        browser.open("?durability=memory&client_id=sleeper&clean_start=false&session_expiry=3600");
    sleeper.disconnect();
    tab.show("performance");
    for (name, value) in [
        ("load-rate", "20"),
        ("load-payload", "1000000"),
        ("load-seconds", "6"),
    ] {
        tab.execute(
            "document.querySelector(`[name=${arguments[0]}]`).value = arguments[1]",
            vec![json!(name), json!(value)],
        );
    }
    tab.execute(
        "document.querySelector('[data-testid=load-qos]').value = '1'",
        Vec::new(),
    );
    tab.click("load-start");
    let dropped = "const it = document.querySelector('[data-figure=dropped]');
        return Number(it?.textContent) > 0 && it.classList.contains('problem')";
    tab.until_true_or("the messages dropped for the frozen tab", dropped, || {
        tab.text("load-figures")
    });
    assert!(tab.text("load-figures").contains("Lost0"));
    tab.show("messages");
    let view = tab.until("an event", |view| view.has_event("for sleeper in the last"));
    assert!(view.has_event("its queue is full"), "{view}");
    assert!(!view.has_event("was dropped"), "{view}");
    tab.until_true(
        "in the bad tone",
        "return [...document.querySelectorAll('.event-bad')].some((it) => it.textContent.includes('for sleeper'))",
    );
    // Queued messages arrive, and then the thawed tab shows the dropped ones.
    sleeper.execute(
        "document.querySelector('form:has([name=will-topic])').requestSubmit()",
        Vec::new(),
    );
    sleeper.until_text("message-dropped", "for this tab: its queue is full");
}

#[test]
fn a_load_with_qos_0_shows_no_acknowledgements() {
    let browser = Browser::start();
    let tab = browser.open("");
    load(&tab, "100", "1");
    tab.until_true(
        "100",
        "return document.querySelector('[data-figure=arrived]')?.textContent === '100'",
    );
    assert!(!tab.text("load-figures").contains("Acknowledged"));
}

#[test]
fn search_selection_pause_and_topic_survive_a_change_of_view_and_back_works() {
    let browser = Browser::start();
    let tab = browser.open("");
    // The log is shown beside a selected message.
    tab.appear(Appearance::new(false, 1440, 900));
    for payload in ["temp 1", "temp 2", "other"] {
        tab.publish_acknowledged(&Message::new("home/a", payload).qos(1));
    }
    fill(&tab, "message-filter", "temp");
    tab.until_text("message-found", "2 found");
    tab.reach("message-log");
    tab.press(&key(Key::Down));
    tab.until_text("payload", "temp 2");
    tab.click("message-pause");
    tab.publish_acknowledged(&Message::new("home/a", "temp 3").qos(1));
    assert_eq!(tab.view().messages.len(), 2);

    tab.show("topics");
    assert!(tab.view().title.contains("Topics"), "{}", tab.view().title);
    fill(&tab, "topic-search", "home a");
    tab.until_text("topics-found", "1 found");
    tab.click("topic");
    tab.until_text("topic-detail", "home/a");
    tab.show("routing");
    fill(&tab, "receivers-topic", "home/b");

    let value = |testid: &str| {
        let script = "return document.querySelector(`[data-testid=${arguments[0]}]`)?.value ?? ''";
        tab.execute(script, vec![json!(testid)])
    };
    tab.back();
    tab.until_true(
        "topics",
        "return document.querySelector('[data-testid=topics-view]') !== null",
    );
    assert_eq!(value("topic-search"), "home a");
    tab.until_text("topic-detail", "home/a");
    tab.back();
    tab.until_true(
        "messages",
        "return document.querySelector('[data-testid=messages-view]') !== null",
    );
    assert_eq!(value("message-filter"), "temp");
    tab.until_text("payload", "temp 2");
    assert_eq!(tab.view().messages.len(), 2, "it is still paused");
    tab.execute("history.go(2)", Vec::new());
    tab.until_true(
        "routing",
        "return document.querySelector('[data-testid=routing-view]') !== null",
    );
    assert_eq!(value("receivers-topic"), "home/b");
    assert!(tab.view().title.contains("Routing"));
}

#[test]
fn a_click_opens_the_message_under_the_pointer_at_a_thousand_messages_a_second() {
    let browser = Browser::start();
    let [tab, other] = two(&browser);
    tab.appear(Appearance::new(false, 1440, 900));
    load(&other, "1000", "60");
    tab.until("a list", |view| view.message_count > 2_000);
    tab.execute(
        "document.querySelector('[data-testid=message-log]').scrollIntoView({ block: 'center' })",
        Vec::new(),
    );
    // Also under the pill, which a resting pointer does not show.
    for row in [0, 1, 2] {
        let top = "return document.querySelector('[data-testid=message-log]').getBoundingClientRect().top";
        let top = tab.execute(top, Vec::new()).as_f64().unwrap_or_default();
        let (x, _) = place(&tab, "[data-testid=message-log]");
        let aim = (x, top + 32.0 * f64::from(row) + 16.0);
        tab.point(aim.0 - 3.0, aim.1);
        tab.point(aim.0, aim.1);
        let aimed = row_at(&tab, aim);
        assert!(aimed.is_string(), "nothing to aim at: {aim:?}");
        // The time of a person's press.
        std::thread::sleep(std::time::Duration::from_millis(400));
        assert_eq!(row_at(&tab, aim), aimed, "the list stands still");
        tab.press_at(aim.0, aim.1);
        tab.until_true(
            "a selected row",
            "return document.querySelector('[data-testid=message][aria-selected=true]') !== null",
        );
        let selected =
            "return document.querySelector('[data-testid=message][aria-selected=true]').id";
        assert_eq!(tab.execute(selected, Vec::new()), aimed);
        tab.until_text("rows-resume", "new");
        let (x, y) = place(&tab, "[data-testid=rows-resume]");
        tab.point(x, y + 60.0);
        tab.point(x, y);
        tab.press_at(x, y);
        tab.until_true(
            "the newest again",
            "return document.querySelector('[data-testid=message][aria-selected=true]') === null",
        );
        // The pointer leaves, and the list moves again.
        tab.point(2.0, 2.0);
        let first = tab.execute(
            "return document.querySelector('[data-testid=message]').id",
            Vec::new(),
        );
        tab.until_true(
            "more",
            &format!("return document.querySelector('[data-testid=message]').id !== {first}"),
        );
    }
    // A scrolled list does not move, either, and shows the number of new messages.
    tab.execute(
        "document.querySelector('[data-testid=message-log]').scrollTop = 320",
        Vec::new(),
    );
    tab.until_text("rows-resume", "▲");
    tab.click("rows-resume");
    until_gone(&tab, "rows-resume");
}

#[test]
fn rows_of_the_tree_do_not_move_under_the_pointer() {
    let browser = Browser::start();
    let tab = browser.open("?view=topics");
    for topic in ["m", "x"] {
        tab.publish_acknowledged(&Message::new(topic, "1").qos(1));
    }
    tab.until_true(
        "two topics",
        "return document.querySelectorAll('[data-testid=topic]').length === 2",
    );
    tab.execute(
        "document.querySelector('[data-testid=topic-tree]').scrollIntoView({ block: 'center' })",
        Vec::new(),
    );
    let aim = place(&tab, "[data-testid=topic][data-name=m]");
    tab.point(aim.0, aim.1);
    let aimed = row_at(&tab, aim);
    // One topic brings three levels, and so three rows.
    tab.publish_acknowledged(&Message::new("a/b/c", "1").qos(1));
    tab.until_text("rows-resume", "▲ 1 new");
    assert_eq!(row_at(&tab, aim), aimed);
    tab.point(2.0, 2.0);
    tab.until_true(
        "the new topic",
        "return document.querySelectorAll('[data-testid=topic]').length > 2",
    );
    assert_eq!(tab.text("topic-count"), "3");
}

#[test]
fn retained_messages_are_those_of_the_broker() {
    let browser = Browser::start();
    let [a, b] = two(&browser);
    for tab in [&a, &b] {
        tab.show("topics");
    }
    let badge = |tab: &Tab, topic: &str| {
        let script = "return document.querySelector(`[data-testid=topic][data-name='${arguments[0]}'] [data-testid=topic-retained]`)?.textContent ?? ''";
        tab.execute(script, vec![json!(topic)])
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let until_badge = |tab: &Tab, topic: &str, expected: &str| {
        let script = format!(
            "return (document.querySelector(`[data-testid=topic][data-name='{topic}'] [data-testid=topic-retained]`)?.textContent ?? '') === {expected:?}"
        );
        tab.until_true_or(&format!("{topic}: {expected:?}"), &script, || {
            badge(tab, topic)
        });
    };
    // Both tabs have the same count, independent of the messages that they received.
    b.publish_acknowledged(&Message::new("r1", "one").qos(1).retained());
    for tab in [&a, &b] {
        until_badge(tab, "r1", "retained");
        tab.until_text("retained-count", "1 retained");
    }
    // Other messages are shown beside retained ones.
    b.publish_acknowledged(&Message::new("r1", "two").qos(1));
    for tab in [&a, &b] {
        until_badge(tab, "r1", "retained: one");
    }
    // An expired message is no longer retained.
    a.execute(
        "document.querySelector('[name=message-expiry-interval]').value = '4'",
        Vec::new(),
    );
    a.publish_acknowledged(&Message::new("r2", "short").qos(1).retained());
    b.until_text("retained-count", "2 retained");
    for tab in [&a, &b] {
        until_badge(tab, "r2", "");
        tab.until_text("retained-count", "1 retained");
    }
    a.execute(
        "document.querySelector('[name=message-expiry-interval]').value = ''",
        Vec::new(),
    );
    // An empty payload deletes the message, and the tree loses the topic.
    b.publish_acknowledged(&Message::new("r1", "").qos(1).retained());
    for tab in [&a, &b] {
        tab.until_true(
            "r1 is gone",
            "return document.querySelector('[data-testid=topic][data-name=r1]') === null",
        );
        tab.until_text("retained-count", "0 retained");
    }
    a.show("messages");
    a.until_true(
        "a deletion in the log",
        "const newest = document.querySelector('[data-testid=message][data-topic=r1]');
         return newest.textContent.includes('deletes the retained message') && newest.querySelector('.badge-retained') === null",
    );
}

#[test]
fn a_tab_without_retain_as_published_shows_retained_messages() {
    let browser = Browser::start();
    let a = browser.open("?subscribe=%23;rap=0&view=topics");
    let b = browser.open("?view=topics");
    b.publish_acknowledged(&Message::new("n1", "1").qos(1).retained());
    for tab in [&a, &b] {
        tab.until_text("retained-count", "1 retained");
        tab.until_true(
            "its badge",
            "return document.querySelector('[data-name=n1] [data-testid=topic-retained]') !== null",
        );
    }
    b.publish_acknowledged(&Message::new("n1", "").qos(1).retained());
    for tab in [&a, &b] {
        tab.until_text("retained-count", "0 retained");
        tab.until_true(
            "it is gone",
            "return document.querySelector('[data-name=n1]') === null",
        );
    }
    // Retain As Published is on in the form.
    let checked = a.execute(
        "return document.querySelector('[name=retain-as-published]').checked",
        Vec::new(),
    );
    assert_eq!(checked, true);
}

#[test]
fn the_only_tab_cannot_stop_its_broker_and_the_hint_keeps_its_second_step() {
    let browser = Browser::start();
    let first = browser.open("");
    let disabled = "return ['close', 'crash', 'freeze'].every((it) => document.querySelector(`[data-testid=broker-${it}]`).disabled)";
    assert_eq!(first.execute(disabled, Vec::new()), true);
    first.until_text(
        "fault-panel-reason",
        "Open a second tab first: it will take over.",
    );
    first.until_text("hint", "2. Then stop the broker");
    let second = browser.open("");
    first.until_true(
        "they can be pressed",
        "return !document.querySelector('[data-testid=broker-crash]').disabled",
    );
    second.until_text("hint", "2. Now stop the broker");
    // Without the second tab, the first step is to do again.
    second.close();
    first.until_text("hint", "1. Open a second tab");
    let second = browser.open("");
    second.until_text("hint", "2. Now stop the broker");
    second.click("broker-crash");
    until_gone(&second, "hint");
}

#[test]
fn a_tab_with_a_crashed_worker_is_shown_as_offline() {
    let browser = Browser::start();
    let [first, second] = two(&browser);
    second.click("broker-crash");
    first.until("offline", |view| view.role == Some(Role::Offline));
    let view = first.view();
    assert!(view.title.starts_with("Offline"), "{}", view.title);
    assert!(view.members.is_empty() && view.kept.is_none(), "{view}");
    assert!(
        view.errors
            .iter()
            .any(|it| it.contains("This tab is offline")),
        "{view}"
    );
    let inert =
        "return document.querySelector('[data-testid=publish-send]').closest('[inert]') !== null
        && document.querySelector('[data-testid=subscribe-add]').closest('[inert]') !== null";
    assert_eq!(first.execute(inert, Vec::new()), true);
    for view in first.views() {
        first.show(view);
        let said = first.execute("return document.body.innerText", Vec::new());
        let said = said.as_str().unwrap_or_default();
        for wrong in ["Waiting for a broker", "Publish one", "Loading…"] {
            assert!(!said.contains(wrong), "{view}: {wrong}\n{said}");
        }
        if view == "topics" {
            first.click("show-retained");
            first.until_text("retained-list", "this tab is offline");
        }
        // Only the channel can be changed, which loads the page anew.
        let enabled = first.execute(
            "return [...document.querySelectorAll('form')].filter((it) => it.closest('[inert]') === null).map((it) => it.className)",
            Vec::new(),
        );
        assert_eq!(enabled, json!(["join"]), "{view}");
    }
    // The others go on.
    second.until_ready_as(Role::Broker);
}

#[test]
fn a_cleared_log_is_reported_and_the_tree_is_cleared_separately() {
    let browser = Browser::start();
    let tab = browser.open("");
    let end = "return document.querySelector('[data-testid=message-log] .older')?.textContent";
    assert_eq!(
        tab.execute(end, Vec::new()),
        "No messages yet. Publish one, here or in another tab."
    );
    tab.publish_acknowledged(&Message::new("a/b", "1").qos(1));
    tab.until("the message", |view| view.message_count == 1);
    for number in 1..=3 {
        tab.publish_acknowledged(&Message::new("n", number.to_string()).qos(1));
    }
    tab.until("four messages", |view| view.message_count == 4);
    tab.show("topics");
    let open_numbers = "document.querySelector('[data-testid=topic][data-name=n]').click()";
    tab.execute(open_numbers, Vec::new());
    tab.until_text("chart-bounds", "3 points");
    tab.show("messages");
    tab.click("message-clear");
    let is_cleared = format!("{end} === 'Log cleared.'");
    tab.until_true_or("cleared", &is_cleared, || {
        format!("{} {}", tab.execute(end, Vec::new()), tab.view())
    });
    assert_eq!(tab.view().message_count, 0);
    tab.show("topics");
    tab.until_text("topic-count", "2");
    // The chart outlives the log.
    tab.until_text("chart-bounds", "3 points");
    tab.click("topics-clear");
    tab.until_true(
        "no topics",
        "return document.querySelectorAll('[data-testid=topic]').length === 0",
    );
}

#[test]
fn a_search_covers_all_fields_and_shows_the_number_of_results() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.execute(
        "document.querySelector('[name=content-type]').value = 'image/png'",
        Vec::new(),
    );
    tab.publish_acknowledged(&Message::new("a/picture", "x").qos(1));
    tab.execute(
        "document.querySelector('[name=content-type]').value = ''",
        Vec::new(),
    );
    tab.publish_acknowledged(&Message::new("a/street", "Straße im Grünen").qos(2));
    tab.publish_acknowledged(
        &Message::new("b/street", "needle in a haystack")
            .qos(1)
            .retained(),
    );
    for (query, topics) in [
        ("STRASSE", &["a/street"][..]),
        ("GRÜN", &["a/street"]),
        ("image/png", &["a/picture"]),
        ("haystack needle", &["b/street"]),
        ("qos:2", &["a/street"]),
        ("retained", &["b/street"]),
        ("6e6565646c65", &["b/street"]),
        ("street", &["a/street", "b/street"]),
    ] {
        fill(&tab, "message-filter", query);
        tab.until_text("message-found", &format!("{} found", topics.len()));
        let view = tab.view();
        let found: Vec<_> = view.messages.iter().map(|it| it.topic.as_str()).collect();
        assert_eq!(found, topics, "{query}");
    }
    fill(&tab, "message-topic-filter", "a/#/b");
    tab.until_text("filter-problem", "# must be the last level");
}

#[test]
fn a_new_search_in_a_held_log_finds_the_messages_that_have_arrived_since() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.appear(Appearance::new(false, 1440, 900));
    tab.publish_acknowledged(&Message::new("a", "old").qos(1));
    tab.until("the message", |view| view.message_count == 1);
    // A selected row holds the log.
    tab.click("message");
    tab.publish_acknowledged(&Message::new("a", "new").qos(1));
    tab.until_text("rows-resume", "▲ 1 new");
    assert_eq!(tab.view().messages.len(), 1);
    fill(&tab, "message-filter", "new");
    tab.until_text("message-found", "1 found");
    assert_eq!(tab.view().payloads("a"), ["new"]);
    // A paused log stays, and its note counts the matches.
    tab.click("message-pause");
    for payload in ["new again", "other"] {
        tab.publish_acknowledged(&Message::new("a", payload).qos(1));
    }
    tab.until_true(
        "the note",
        "return [...document.querySelectorAll('.paused')].some((it) => it.textContent.includes('Paused · 1 new match'))",
    );
    fill(&tab, "message-filter", "other");
    tab.until_true(
        "the note at the end",
        "return document.querySelector('[data-testid=message-log] .older')?.textContent.includes('1 match among the new messages') ?? false",
    );
}

#[test]
fn no_script_runs_from_a_message_a_filter_or_a_topic() {
    const HOSTILE: &str = "<img src=x onerror=\"globalThis.isHacked = true\"><script>globalThis.isHacked = true</script>";
    let browser = Browser::start();
    let tab = browser.open("");
    tab.appear(Appearance::new(false, 1440, 900));
    tab.execute(
        "for (const it of ['alert', 'confirm', 'prompt']) globalThis[it] = () => { globalThis.isHacked = true; }",
        Vec::new(),
    );
    tab.unfold();
    let publish = |name: &str| tab.enter(&format!("[data-testid=publish] [name={name}]"), HOSTILE);
    for field in [
        "content-type",
        "response-topic",
        "user-property-name",
        "user-property-value",
    ] {
        publish(field);
    }
    let topic = HOSTILE.replace('+', "");
    tab.publish_acknowledged(&Message::new(topic.as_str(), HOSTILE).qos(1).retained());
    tab.publish_acknowledged(&Message::new(topic.as_str(), format!("<html>{HOSTILE}")).qos(1));
    tab.subscribe(HOSTILE, 1);
    tab.click("message");
    for look in ["json", "text", "hex", "base64", "diff"] {
        tab.click(&format!("look-{look}"));
    }
    tab.until_text("message-detail", "onerror");
    fill(&tab, "message-filter", "onerror");
    // The second subscription brought the retained one again.
    tab.until_text("message-found", "3 found");
    tab.show("topics");
    tab.execute(
        "[...document.querySelectorAll('button')].find((it) => it.textContent === 'Expand all').click()",
        Vec::new(),
    );
    tab.click("show-retained");
    tab.until_count("retained-row", 1);
    tab.show("routing");
    tab.enter("[data-testid=receivers-topic]", HOSTILE);
    tab.until_count("receiver", 2);
    tab.execute_async("await new Promise((done) => setTimeout(done, 200));");
    let hacked = "return globalThis.isHacked ?? document.querySelectorAll('img[src=x], body script:not([src])').length";
    assert_eq!(tab.execute(hacked, Vec::new()), 0);
}

#[test]
fn a_failover_shows_how_the_broker_ended_and_a_frozen_tab_is_not_shown_as_broker() {
    let browser = Browser::start();
    for (order, word) in [
        ("close", "closed"),
        ("crash", "crashed"),
        ("freeze", "froze"),
    ] {
        let channel = format!("?channel=words-{order}&view=failover");
        let first = browser.open(&channel);
        first.until_ready_as(Role::Broker);
        let second = browser.open(&channel);
        second.until("two", |view| view.members.len() == 2 && view.is_ready());
        // A tab that ends or is frozen cannot count.
        first.until_text("fault-panel", "only from another tab");
        second.until_text("fault-panel", "Count lost and duplicate messages");
        second.click(&format!("broker-{order}"));
        second.until_text("failover", word);
        second.until_text("failover", "took over after");
        second.until_text("failover-counts", "Counting…");
        if order == "freeze" {
            let view = first.until("frozen", |view| view.role == Some(Role::Frozen));
            assert!(view.title.starts_with("Frozen"), "{}", view.title);
            first.until_ready_as(Role::Client);
            // It saw no failover itself, and says for how long it was frozen.
            first.until_text("failover", "This tab was frozen for");
            first.until_text("failover", "took over meanwhile");
        }
        second.until_text("failover-counts", "none lost");
        // The failover begins with the broker's last sign of life, so it takes about as long as the pause.
        let took = number_after(&second.text("failover"), "took over after ");
        let pause = number_after(&second.text("failover-counts"), "longest pause ");
        assert!(
            (took - pause).abs() < 500.0,
            "{order}: {took} ms, {pause} ms"
        );
        second.close();
        if order != "close" {
            first.close();
        }
    }
}

#[test]
fn a_client_id_in_two_tabs_is_reported() {
    let browser = Browser::start();
    let first = browser.open("?client_id=oven");
    let _second = browser.open("?client_id=oven");
    first.until_text(
        "status",
        "Another tab connected with the same client ID (0x8E).",
    );
}

#[test]
fn a_share_link_has_options_filter_search_and_draft_but_no_refused_filter() {
    let browser = Browser::start();
    let tab = browser.open("?subscribe=q/%23;qos=0;nl;rap=0;rh=1;id=7");
    tab.until_text("subscription", "No Local");
    fill(&tab, "message-filter", "needle");
    fill(&tab, "message-topic-filter", "q/+");
    fill(&tab, "publish-topic", "q/draft");
    tab.execute(
        "document.querySelector('[data-testid=subscribe-filter]').value = 'a/#/b';
         document.querySelector('[data-testid=subscribe-add]').click();",
        Vec::new(),
    );
    tab.until_text("subscription", "q/#");
    tab.until_true("a refused filter", "return document.querySelector('[data-filter=\"a/#/b\"]')?.textContent.includes('must be the last level') ?? false");
    tab.execute("globalThis.copied = ''; Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => { globalThis.copied = text; } } })", Vec::new());
    tab.click("share");
    tab.until_text(
        "share-notice",
        "Not in it: filters that the broker refuses.",
    );
    let copied = tab.execute("return globalThis.copied", Vec::new());
    let copied = copied.as_str().unwrap_or_default().to_owned();
    assert!(!copied.contains("a/%23/b"), "{copied}");
    let other = browser.open_blank();
    other.go(&copied);
    other.until_ready();
    let value = |testid: &str| {
        let script = "return document.querySelector(`[data-testid=${arguments[0]}]`)?.value ?? ''";
        other.execute(script, vec![json!(testid)])
    };
    assert_eq!(value("message-filter"), "needle");
    assert_eq!(value("message-topic-filter"), "q/+");
    assert_eq!(value("publish-topic"), "q/draft");
    let row = other.text("subscription");
    for option in ["QoS 0", "No Local", "Retain Handling 1", "Identifier 7"] {
        assert!(row.contains(option), "{row}");
    }
    assert!(!row.contains("Retain As Published"), "{row}");
}

#[test]
fn the_tree_has_natural_order_and_works_with_keys() {
    let browser = Browser::start();
    let tab = browser.open("?view=topics");
    for topic in ["room/10/t", "room/2/t", "zoo", "a\u{202e}txt"] {
        tab.publish_acknowledged(&Message::new(topic, "1").qos(1));
    }
    let names = "[...document.querySelectorAll('[data-testid=topic] .topic-name')].map((it) => it.textContent).join()";
    tab.until_true_or(
        "the first levels",
        &format!("return {names} === 'a⟨U+202E⟩txt,room,2,10,zoo'"),
        || format!("{:?}", tab.execute(&format!("return {names}"), Vec::new())),
    );
    tab.reach("topic-tree");
    let selected = |name: &str| {
        let script = format!(
            "return document.querySelector('[data-testid=topic][aria-selected=true]')?.dataset.name === {name:?}"
        );
        tab.until_true(name, &script);
    };
    tab.press("ro");
    selected("room");
    // Move to the first child, and open it by Enter.
    tab.press(&key(Key::Right));
    selected("2");
    tab.press(&key(Key::Enter));
    tab.until_true("open", "return document.querySelector('[data-testid=topic][data-name=\"2\"]').ariaExpanded === 'true'");
    tab.press(&key(Key::Right));
    selected("t");
    tab.press(&key(Key::Left));
    selected("2");
}
