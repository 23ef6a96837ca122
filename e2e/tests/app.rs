//! The app, operated with the keyboard.

use std::rc::Rc;

use e2e::{
    Appearance, Browser, Caching, Chromium, ChromiumSetup, Key, Message, Role, Server, Tab, path_in,
};

use crate::until_agreed;

fn key(key: Key) -> String {
    key.value().to_string()
}

/// A key while Control is held.
fn control(key: Key) -> String {
    format!("{}{}", Key::Control.value(), key.value())
}

/// Replaces the text of a field.
#[track_caller]
fn fill(tab: &Tab, testid: &str, text: &str) {
    tab.reach(testid);
    tab.press(&format!("{}a", Key::Control.value()));
    tab.press(text);
}

/// Number of elements with this test id.
fn count(tab: &Tab, testid: &str) -> u64 {
    let script = format!("return document.querySelectorAll('[data-testid={testid}]').length");
    tab.execute(&script, Vec::new())
        .as_u64()
        .unwrap_or_default()
}

/// Two tabs that list each other.
fn two(browser: &Browser) -> [Tab<'_>; 2] {
    let tabs = [browser.open(""), browser.open("")];
    until_agreed(&tabs);
    tabs
}

/// Captures the next file that the page saves.
fn catch_file(tab: &Tab) {
    tab.execute(
        "globalThis.saved = undefined;
         const create = URL.createObjectURL.bind(URL);
         URL.createObjectURL = (blob) => { blob.text().then((text) => { globalThis.saved = text; }); return create(blob); };",
        Vec::new(),
    );
}

fn caught_file(tab: &Tab) -> String {
    tab.until_true("a file", "return globalThis.saved !== undefined");
    let saved = tab.execute("return globalThis.saved", Vec::new());
    saved.as_str().unwrap_or_default().to_owned()
}

#[test]
fn every_view_has_a_link_and_a_name_in_the_address() {
    let browser = Browser::start();
    let tab = browser.open("");
    for view in tab.views().into_iter().rev() {
        tab.reach(&format!("view-{view}"));
        tab.press(&key(Key::Enter));
        // The first stop of the Tab key leads into the view.
        tab.reach("skip");
        tab.press(&key(Key::Enter));
        let in_view = "return document.activeElement.closest('.column-log, .column-view') !== null";
        tab.until_true(&format!("the focus in {view}"), in_view);
        tab.until_true(
            view,
            &format!(
                "return document.querySelector('[data-testid={view}-view]') !== null
                    && document.querySelector('nav [aria-current=page]').dataset.testid === 'view-{view}'
                    && (new URLSearchParams(location.search).get('view') ?? 'messages') === '{view}'"
            ),
        );
    }
    let other = browser.open("?view=routing");
    other.until_true(
        "routing",
        "return document.querySelector('[data-testid=routing-view]') !== null",
    );
    // Subscriptions and typed text survive a change of view.
    assert_eq!(other.view().subscriptions[0].filter, "#");
}

#[test]
fn a_payload_is_typed_as_text_json_hex_or_base64_and_stays_bytes() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.until_ready();
    let formats = [
        ("Hex", "00 ff 10", "00 ff 10"),
        ("Base64", "aGVsbG8=", "hello"),
        ("JSON", "{\"a\": 1.0}", "{\"a\": 1.0}"),
        ("Text", "{no json", "{no json"),
    ];
    for (place, (format, typed, _)) in (1..).zip(&formats) {
        fill(&tab, "publish-payload", typed);
        tab.reach("publish-format");
        tab.press(format);
        tab.press(&control(Key::Enter));
        tab.until("the message", |view| view.message_count == place);
    }
    let view = tab.view();
    let arrived: Vec<_> = view.messages.iter().map(|it| it.payload.as_str()).collect();
    assert_eq!(arrived, formats.map(|(.., shown)| shown));

    for (format, wrong, told) in [
        ("Hex", "0x", "is not a hex digit"),
        ("Base64", "a", "Base64 comes in groups of four"),
        ("JSON", "{", "Invalid JSON: it ends too early"),
    ] {
        tab.reach("publish-format");
        tab.press(format);
        fill(&tab, "publish-payload", wrong);
        tab.press(&control(Key::Enter));
        tab.until_text("publish-result", told);
    }
    assert_eq!(tab.view().message_count, 4);
}

#[test]
fn a_sent_message_is_sent_again_once_or_at_a_rate() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.until_ready();
    for payload in ["one", "two"] {
        fill(&tab, "publish-payload", payload);
        tab.press(&control(Key::Enter));
        tab.until("the message", |view| {
            view.payloads("hello").contains(&payload)
        });
    }
    tab.execute(
        "document.querySelectorAll('details').forEach((it) => it.open = true)",
        Vec::new(),
    );
    tab.until_true(
        "two in the history",
        "return document.querySelectorAll('[data-testid=publish-again]').length === 2",
    );
    tab.execute(
        "document.querySelectorAll('[data-testid=publish-again]')[1].focus()",
        Vec::new(),
    );
    tab.press(&key(Key::Enter));
    tab.until_true(
        "the first one",
        "return document.querySelector('[data-testid=publish-payload]').value === 'one'",
    );
    tab.reach("publish-payload");
    tab.press(&control(Key::Enter));
    tab.until("it again", |view| {
        view.payloads("hello") == ["one", "two", "one"]
    });

    tab.execute(
        "document.querySelectorAll('details').forEach((it) => it.open = true)",
        Vec::new(),
    );
    tab.reach("publish-repeat");
    tab.press(" ");
    fill(&tab, "publish-rate", "20");
    tab.press(&key(Key::Enter));
    tab.until("repetitions", |view| view.message_count >= 10);
    tab.reach("publish-stop");
    tab.press(&key(Key::Enter));
    tab.until_true(
        "the end",
        "return document.querySelector('[data-testid=publish-stop]') === null",
    );
    // From here on the test publishes once.
    tab.reach("publish-repeat");
    tab.press(" ");
    let stopped = tab.view().message_count;
    tab.publish_acknowledged(&Message::new("after", "").qos(1));
    let since = tab
        .until("after", |view| !view.payloads("after").is_empty())
        .message_count;
    assert!(since <= stopped + 3, "{stopped} and then {since}");
}

#[test]
fn the_log_is_searched_filtered_paused_and_saved() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.until_ready();
    for message in [
        Message::new("home/kitchen/lamp", "{\"on\":true}"),
        Message::new("home/kitchen/temperature", "20.5").qos(1),
        Message::new("home/attic/temperature", "31").retained(),
        Message::new("home/kitchen/temperature", "21.5").qos(2),
    ] {
        tab.publish(&message);
    }
    tab.until("four messages", |view| view.messages.len() == 4);

    // The key for searching, with the focus on the page.
    tab.execute("document.activeElement?.blur()", Vec::new());
    tab.press("/");
    tab.press("KITCHEN");
    tab.until("three", |view| view.messages.len() == 3);
    fill(&tab, "message-topic-filter", "+/+/temperature");
    tab.until("two", |view| {
        view.payloads("home/kitchen/temperature") == ["20.5", "21.5"] && view.messages.len() == 2
    });

    catch_file(&tab);
    tab.reach("message-export");
    tab.press(&key(Key::Enter));
    let file = caught_file(&tab);
    let lines: Vec<serde_json::Value> = file
        .lines()
        .map(|it| serde_json::from_str(it).expect("JSON"))
        .collect();
    let saved: Vec<_> = lines
        .iter()
        .map(|it| (it["payload"].as_str(), it["qos"].as_u64()))
        .collect();
    assert_eq!(saved, [(Some("20.5"), Some(1)), (Some("21.5"), Some(2))]);

    tab.reach("message-pause");
    tab.press(&key(Key::Enter));
    tab.publish_acknowledged(&Message::new("home/kitchen/temperature", "22").qos(1));
    tab.until("the count", |view| view.message_count == 5);
    assert_eq!(tab.view().messages.len(), 2);
    tab.press(&key(Key::Enter));
    tab.until("three again", |view| view.messages.len() == 3);
    tab.reach("message-clear");
    tab.press(&key(Key::Enter));
    tab.until("an empty log", |view| view.messages.is_empty());
}

#[test]
fn a_message_is_shown_in_every_format() {
    let browser = Browser::start();
    let tab = browser.open("");
    // In a narrow window the message would cover the log.
    tab.appear(Appearance::new(false, 1440, 900));
    tab.until_ready();
    for number in [1, 2] {
        tab.publish(&Message::new(
            "sensor",
            format!("{{\"n\":{number},\"unit\":\"°C\"}}"),
        ));
    }
    tab.until("two messages", |view| view.messages.len() == 2);
    tab.reach("message-log");
    tab.press(&key(Key::Down));
    tab.until_text("payload", "\"n\": 2");
    for (look, shown) in [
        ("look-hex", "7b 22 6e 22"),
        ("look-base64", "eyJuIjoy"),
        ("look-text", "{\"n\":2,"),
    ] {
        tab.reach(look);
        tab.press(&key(Key::Enter));
        tab.until_text("payload", shown);
    }
    // Lines of hex do not wrap, so that their columns stay aligned.
    tab.reach("look-hex");
    tab.press(&key(Key::Enter));
    tab.until_text("payload", "7b 22 6e 22");
    let space =
        "return getComputedStyle(document.querySelector('[data-testid=payload]')).whiteSpace";
    assert_eq!(tab.execute(space, Vec::new()), "pre");
    tab.reach("look-diff");
    tab.press(&key(Key::Enter));
    tab.until_text("diff", "−   \"n\": 1,");
    tab.until_text("diff", "+   \"n\": 2,");

    tab.reach("message-log");
    tab.press(&key(Key::End));
    tab.until_true("the first message", "return document.querySelector('[data-testid=message-detail]')?.textContent.includes('No earlier message') ?? false");
    tab.press(&key(Key::Escape));
    tab.until_true(
        "no message",
        "return document.querySelector('[data-testid=message-detail]') === null",
    );
}

#[test]
fn the_tree_shows_topics_retained_values_and_numbers() {
    let browser = Browser::start();
    let [tab, other] = two(&browser);
    for celsius in ["19", "20", "21.5"] {
        other.publish(
            &Message::new("home/attic/temperature", celsius)
                .qos(1)
                .retained(),
        );
    }
    other.publish_acknowledged(&Message::new("home/attic/lamp", "on").qos(1));
    tab.until("four messages", |view| view.message_count == 4);
    tab.reach("view-topics");
    tab.press(&key(Key::Enter));
    tab.until_text("topic-count", "2");
    tab.reach("topic-tree");
    // home, attic, expand it, and down to the second topic.
    for it in [Key::Down, Key::Down, Key::Right, Key::Down, Key::Down] {
        tab.press(&key(it));
    }
    tab.until_text("topic-detail", "home/attic/temperature");
    tab.until_text("payload", "21.5");
    tab.until_true(
        "a chart of three numbers",
        "const chart = document.querySelector('[data-testid=topic-detail] [data-testid=chart]');
         return chart?.querySelector('canvas') != null && chart.textContent.includes('19') && chart.textContent.includes('21.5')",
    );
    tab.reach("delete-retained");
    tab.press(&key(Key::Enter));
    tab.until_true(
        "nothing retained",
        "return document.querySelector('[data-testid=delete-retained]') === null",
    );
    let late = browser.open("");
    late.until_ready();
    late.publish_acknowledged(&Message::new("late", "").qos(1));
    late.until("its own message only", |view| view.message_count == 1);
    assert_eq!(late.view().messages[0].topic, "late");
}

#[test]
fn the_routing_table_is_the_brokers_in_every_tab() {
    let browser = Browser::start();
    let [first, second] = two(&browser);
    second.subscribe("home/+/lamp", 1);
    for tab in [&first, &second] {
        tab.reach("view-routing");
        tab.press(&key(Key::Enter));
        tab.until_true(
            "two sessions",
            "return document.querySelectorAll('[data-testid=session]').length === 2",
        );
        fill(tab, "receivers-topic", "home/attic/lamp");
        tab.until_true(
            "three receivers",
            "const filters = [...document.querySelectorAll('[data-testid=receiver] td:nth-child(3)')].map((it) => it.textContent);
             return filters.sort().join() === '#,#,home/+/lamp'",
        );
        fill(tab, "receivers-topic", "$other");
        tab.until_text("receivers-none", "Nobody");
        fill(tab, "receivers-topic", "a/#");
        tab.until_text("receivers-none", "Not a topic name");
    }
    // Both tables have their first columns in one place.
    fill(&second, "receivers-topic", "home/attic/lamp");
    second.until_count("receiver", 3);
    let places = "return [...document.querySelectorAll('.routes')].map((table) =>
        [...table.querySelectorAll('th')].slice(0, 3).map((it) => Math.round(it.getBoundingClientRect().left)).join())";
    let places = second.execute(places, Vec::new());
    assert_eq!(places[0], places[1]);
    // Identifiers that nobody has chosen are not shown.
    assert!(!second.text("routing-view").contains("id "));
}

#[test]
fn the_sessions_are_sorted_by_a_click_and_one_never_expires() {
    let browser = Browser::start();
    let tab = browser.open("?client_id=b-oven");
    let other = browser.open("?client_id=a-lamp");
    other.click("connection-settings");
    assert_eq!(tab.value("[data-testid=session-never-expires]"), false);
    other.click("session-never-expires");
    let is_disabled = "return document.querySelector('[data-testid=session-expiry]').disabled";
    other.until_true("no number", is_disabled);
    other.execute(
        "document.querySelector('#connect').requestSubmit()",
        Vec::new(),
    );
    tab.show("routing");
    let ends = "[...document.querySelectorAll('[data-testid=session]')].map((it) =>
        [it.dataset.client, it.lastElementChild.textContent].join(': ')).join(', ')";
    let until = |expected: &str| {
        tab.until_true_or(
            expected,
            &format!("return ({ends}) === '{expected}'"),
            || {
                tab.execute(&format!("return {ends}"), Vec::new())
                    .to_string()
            },
        );
    };
    until("a-lamp: never, b-oven: on disconnect");
    let sort = |name: &str| {
        let script = "[...document.querySelectorAll('[data-testid=session]')][0].closest('table')
            .querySelectorAll('[data-testid=sort]').forEach((it) => { if (it.textContent.includes(arguments[0])) it.click(); })";
        tab.execute(script, vec![name.into()]);
    };
    sort("Client");
    until("b-oven: on disconnect, a-lamp: never");
    sort("Session ends");
    until("a-lamp: never, b-oven: on disconnect");
    let sorted = "return [...document.querySelectorAll('[aria-sort]')].map((it) => it.textContent + it.ariaSort).join()";
    assert_eq!(
        tab.execute(sorted, Vec::new()),
        "Client▲ascending,Session ends▼descending"
    );
    // The address has it, too.
    other.until_true(
        "the address",
        "return location.search.includes('session_expiry=4294967295')",
    );
}

#[test]
fn the_timeline_shows_the_gap_after_the_broker_is_closed_crashed_or_frozen() {
    let browser = Browser::start();
    for order in ["close", "crash", "freeze"] {
        let channel = format!("?channel={order}&view=failover");
        let broker = browser.open(&channel);
        broker.until_ready_as(Role::Broker);
        let tabs = [browser.open(&channel), browser.open(&channel)];
        for tab in &tabs {
            tab.until("three tabs", |view| {
                view.members.len() == 3 && view.is_ready()
            });
        }
        let watching = &tabs[0];
        watching.reach(&format!("broker-{order}"));
        watching.press(&key(Key::Enter));
        for tab in &tabs {
            let resumed = "return document.querySelector('[data-testid=failover]')?.dataset.resumed === 'true'";
            tab.until_true(&format!("{order}: another broker"), resumed);
            for step in ["elected", "restored", "resumed"] {
                tab.until_text(&format!("step-{step}"), "ms");
            }
        }
        watching.until_text("failover-counts", "none lost");
        let counts = watching.text("failover-counts");
        assert!(!counts.starts_with("0 acknowledged"), "{counts}");
        for tab in tabs {
            tab.close();
        }
        if order != "close" {
            broker.close();
        }
    }
}

#[test]
fn a_tab_opens_many_other_tabs() {
    let browser = Browser::start();
    let tab = browser.open("?channel=many");
    tab.until_ready();
    fill(&tab, "tabs-number", "3");
    tab.press(&key(Key::Enter));
    tab.until("four tabs", |view| view.members.len() == 4);
}

#[test]
fn the_load_generator_counts_and_charts_received_messages() {
    let browser = Browser::start();
    let [tab, _other] = two(&browser);
    tab.reach("view-performance");
    tab.press(&key(Key::Enter));
    tab.reach("load-qos");
    tab.press("1");
    fill(&tab, "load-rate", "200");
    fill(&tab, "load-seconds", "2");
    tab.press(&key(Key::Enter));
    let figure =
        |name: &str| format!("document.querySelector('[data-figure=\"{name}\"]')?.textContent");
    let all = [
        ("published", 400),
        ("acknowledged", 400),
        ("arrived", 400),
        ("lost", 0),
        ("twice", 0),
    ];
    for (name, expected) in all {
        let is_so = format!("return {} === '{expected}'", figure(name));
        tab.until_true(&format!("{expected} {name}"), &is_so);
    }
    assert_eq!(count(&tab, "chart"), 4);
    tab.until_true(
        "a latency",
        "return document.querySelectorAll('[data-testid=chart]')[1].querySelector('[role=img]').ariaLabel.includes('ms')",
    );
    tab.show("messages");
    tab.until("all in the log", |view| view.message_count == 400);
}

#[test]
fn events_are_saved_as_json_lines() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.until("the subscription", |view| {
        view.has_event("This tab is the broker") && view.has_event("subscribed to #")
    });
    catch_file(&tab);
    tab.reach("events-export");
    tab.press(&key(Key::Enter));
    let file = caught_file(&tab);
    let first: serde_json::Value =
        serde_json::from_str(file.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["event"], "This tab joined the channel.");
    // The client subscribes twice for the retained messages, which is one event.
    let subscribed = file.lines().filter(|it| it.contains(" subscribed to # "));
    assert_eq!(subscribed.count(), 1, "{file}");
}

#[test]
fn charts_are_drawn_in_a_browser_with_an_invalid_language() {
    let server = Server::start(&path_in("TABMQ_DIST"), "/", Caching::Unsaid).expect("a server");
    let chromium = Chromium::start_with(ChromiumSetup {
        server: Some(Rc::new(server)),
        ..ChromiumSetup::default()
    });
    let page = chromium.open_blank();
    page.before_each_page(
        "Object.defineProperty(navigator, 'language', { value: 'C', configurable: true });
         Object.defineProperty(navigator, 'languages', { value: ['C', 'de'], configurable: true });",
    );
    page.navigate(&format!("{}?view=performance", chromium.server().url()));
    page.until_true(
        "a chart",
        "!!document.querySelector('[data-testid=chart] canvas')",
    );
    assert_eq!(page.evaluate("navigator.language"), "de");
    assert_eq!(
        page.evaluate("document.querySelectorAll('[data-testid=chart-missing]').length"),
        0
    );
    // The WebAssembly is fetched once.
    let fetches = "performance.getEntriesByType('resource').filter((it) => /tabmq.*[.]wasm$/.test(it.name)).length";
    assert_eq!(page.evaluate(fetches), 1);
}
